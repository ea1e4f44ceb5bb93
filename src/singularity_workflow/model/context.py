"""
What a step sees of its own task, as `ctx`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import orjson

from singularity_workflow.errors import ConfigurationError, InvalidSetting
from singularity_workflow.model.event_types import PROGRESS, check_event_type
from singularity_workflow.model.json_codec import NotJson, encode_json

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["Context", "Tell", "tell_as_engine"]

Tell: TypeAlias = Callable[..., None]
"""Takes the type of an event and what is told, ready for JSON; and maybe `is_last`."""

_LONGEST_EVENT = 65_536
"""Bytes; events are to be read by many, and kept: larger things belong elsewhere."""


class Context:
    """
    The task that is running: which one, which attempt, and whether to stop.

    Args:
        run_id: The run.
        workflow: Name of its workflow.
        step: Name of the step.
        index: Position of the task in a map step; 0 in others.
        attempt: How often the task was claimed, this time included; from 1.
        timeout: How long this attempt may take, None without a limit.

    .. versionadded:: 0.1
    """

    __slots__ = (
        "_cancelled",
        "_run_id",
        "_tell",
        "_transaction",
        "attempt",
        "index",
        "step",
        "timeout",
        "workflow",
    )

    def __init__(  # noqa: PLR0917 - made once a task; keywords would cost time
        self,
        run_id: UUID | str,
        workflow: str,
        step: str,
        index: int = 0,
        attempt: int = 1,
        timeout: timedelta | None = None,
    ) -> None:
        self._run_id = run_id
        self.workflow = workflow
        self.step = step
        self.index = index
        self.attempt = attempt
        self.timeout = timeout
        self._cancelled = False
        self._transaction: Any = None
        self._tell: Tell | None = None

    @property
    def run_id(self) -> UUID:
        """The run."""
        if not isinstance(self._run_id, UUID):
            self._run_id = UUID(self._run_id)  # made for those who ask
        return self._run_id

    @property
    def task_id(self) -> str:
        """The task's id: `<run_id>/<step>/<index>`."""
        return f"{self._run_id}/{self.step}/{self.index}"

    @property
    def idempotency_key(self) -> str:
        """
        A key that is the same in every attempt of this task, and in no other task.

        A task runs at least once; a service that is given this key can do its part
        once.
        """
        return self.task_id

    @property
    def cancelled(self) -> bool:
        """Whether the task should stop: its run was cancelled or its time is up."""
        return self._cancelled

    def transaction(self) -> Any:
        """
        Return a transaction that commits together with the result of this step.

        `async with ctx.transaction() as connection` in a coroutine, `with` in a plain
        function that runs in a thread. What is written on that psycopg connection
        takes effect exactly once, whatever dies when: it commits with the step's
        completion, after the step has returned, or not at all.

        Raises:
            ConfigurationError: The step runs in another process, or its transaction
                was opened before.
        """
        if self._transaction is None:
            raise ConfigurationError(
                "there is no transaction here: the step runs in another process, or "
                "starts a child run, or this is its predicate",
                hint="Leave out `executor`, so that it runs in the worker's own.",
            )
        return self._transaction

    def progress(
        self, done: float, total: float | None = None, note: str | None = None
    ) -> None:
        """
        Tell listeners how far this task is, as an event `task_progress`.

        It returns at once; what is told is stored within a tenth of a second, or with
        the task's result. Of calls that come faster than that the last one counts. In a
        run that was started with `notify_events` "run" or False nothing is stored.

        Args:
            done: How much is done, in whatever unit.
            total: How much there is to do, if that is known.
            note: What is being done now.

        Raises:
            InvalidSetting: If a number is none, or the note not a text.
            ConfigurationError: As of `emit`.
        """
        for name, value in (("done", done), ("total", total)):
            if isinstance(value, bool) or not isinstance(value, int | float):
                if name == "total" and value is None:
                    continue
                raise InvalidSetting(f"{name} must be a number, got {value!r}")
        if note is not None and not isinstance(note, str):
            raise InvalidSetting(f"note must be a text, got {note!r}")
        self._send(PROGRESS, {"done": done, "total": total, "note": note})

    def emit(self, type: str, payload: object = None) -> None:
        """
        Tell listeners something, as an event of the application's own.

        It returns at once, and the event is stored within a tenth of a second, or with
        the task's result: once, unless the connection breaks meanwhile. An attempt that
        is not in charge any more is not heard. In a run that was started with
        `notify_events` "run" or False nothing is stored.

        Args:
            type: Such as `invoice_sent`: a word in snake_case, none of the engine's.
            payload: Anything that is JSON, of 65,536 bytes at most.

        Raises:
            InvalidSetting: The type is not possible, or the payload not JSON, or too
                large.
            ConfigurationError: The step runs in an executor of the application, or this
                is its predicate: there is nobody to tell.
        """
        check_event_type(type)
        self._send(type, payload)

    def _send(self, type: str, payload: object, **how: bool) -> None:
        if self._tell is None:
            raise ConfigurationError(
                "there is nobody to tell here: the step runs in an executor of the "
                "application, or this is its predicate",
                hint="Return what there is to tell, or leave out `executor`.",
            )
        try:
            data = encode_json(payload)
        except NotJson as error:
            raise InvalidSetting(
                f"the payload of {type!r} is not JSON: {error}"
            ) from None
        if len(data) > _LONGEST_EVENT:
            raise InvalidSetting(
                f"the payload of {type!r} has {len(data):,} bytes, "
                f"{_LONGEST_EVENT:,} are possible",
                hint="Store it elsewhere, and tell where it is.",
            )
        try:
            self._tell(type, orjson.Fragment(data), **how)
        except OverflowError as error:
            raise ConfigurationError(
                str(error), hint="Tell less, or of more at once."
            ) from None

    def offer_events(self, tell: Tell) -> None:
        """Set who is told; called by the worker that runs the task."""
        self._tell = tell

    def offer_transaction(self, block: object) -> None:
        """Set what `transaction` returns; called by the worker that runs the task."""
        self._transaction = block

    def __reduce__(self) -> tuple[type[Context], tuple[object, ...]]:
        values = (self.run_id, self.workflow, self.step, self.index, self.attempt)
        return type(self), (*values, self.timeout)

    def cancel(self) -> None:
        """Set `cancelled`; called by the worker that runs the task."""
        self._cancelled = True

    def __repr__(self) -> str:
        return f"<Context {self.workflow} {self.task_id} attempt {self.attempt}>"


def tell_as_engine(
    context: Context,
    type: str,
    members: Mapping[str, object],
    *,
    is_last: bool = False,
) -> None:
    """
    Tell listeners something, as an event of the engine's own.

    Args:
        context: Of the task that tells it.
        type: One that applications cannot use, such as `goal_decomposition_started`.
        members: What there is to know, by name.
        is_last: It is stored in the transaction of the task's outcome, or not at all.

    Raises:
        InvalidSetting: The members are not JSON, or too large.
        ConfigurationError: There is nobody to tell, or too much waits already.
    """
    context._send(type, members, is_last=is_last)  # noqa: SLF001 - of this module
