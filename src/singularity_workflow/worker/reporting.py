"""
What has ended here and goes to the database: with the next call of the loop, or apart.

Owns which outcomes go together. Those of a run that others hold all the time are
reported apart, each run in its own turn: nothing else waits for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from singularity_workflow.errors import (
    InvalidInput,
    SingularityError,
    WorkflowNotFound,
)
from singularity_workflow.store.channel import BatchRejected
from singularity_workflow.store.replies import Reply
from singularity_workflow.telemetry.fields import log_fields
from singularity_workflow.worker.outcome import Outcome, describe_error

__all__ = ["REJECTIONS", "Outbox", "reject"]

logger = logging.getLogger(__name__)

REJECTIONS: Final = (BatchRejected, InvalidInput, WorkflowNotFound)
"""Of something in a batch: an output, or the child run that a task asks for."""

_LARGEST_BATCH: Final = 500
_SMALLEST_TO_SPLIT: Final = 32
_DEFERRALS_BEFORE_WAITING: Final = 3


def reject(outcome: Outcome, error: Exception) -> None:
    """Let a task fail for good, whose outcome the server refuses."""
    outcome.kind = "failed"
    outcome.output = None
    outcome.is_final = True
    if isinstance(error, SingularityError):
        outcome.error = describe_error(error)
    else:
        outcome.error = {
            "type": "singularity_workflow.errors.InvalidOutput",
            "message": f"PostgreSQL cannot store the output: {error}",
        }


class Outbox:
    """
    The outcomes that are to be reported.

    Args:
        report_alone: Reports outcomes of one run, waiting for whoever holds it.
        on_reported: Told of the answer, and of what it answers.
        on_return: Called when outcomes came back, to go with the next call.
    """

    def __init__(
        self,
        *,
        report_alone: Callable[[Sequence[Outcome]], Awaitable[Reply]],
        on_reported: Callable[[Reply, Sequence[Outcome]], None],
        on_return: Callable[[], None],
    ) -> None:
        self._report_alone = report_alone
        self._on_reported = on_reported
        self._on_return = on_return
        # this very object stays: the loop appends to it, once for each task
        self.ended: deque[Outcome] = deque()
        # the runs that are reported apart, with what has ended of them meanwhile
        self.contended: dict[str, list[Outcome]] = {}
        # the runs of the calls that are under way, of which there may be two
        self.busy_runs: set[str] = set()
        self.apart: set[asyncio.Task[None]] = set()

    def take_batch(self, *, is_all_there_is: bool) -> list[Outcome]:
        """
        Take what goes with the next call: nothing of a run that is in another.

        All of it, unless all there is has ended: then the database would work while
        this process waits, and the other way round. Of two halves, one is reported
        while what follows from the other runs.

        Args:
            is_all_there_is: Whether nothing runs, and no other call is under way.
        """
        size = len(self.ended)
        if is_all_there_is and size >= _SMALLEST_TO_SPLIT:
            size = (size + 1) // 2
        size = min(size, _LARGEST_BATCH)
        if not self.busy_runs:
            return [self.ended.popleft() for _ in range(size)]
        free = [one for one in self.ended if one.task.run_id not in self.busy_runs]
        batch = free[:size]
        taken = {outcome.task for outcome in batch}
        left = [one for one in self.ended if one.task not in taken]
        self.ended.clear()
        self.ended.extend(left)
        return batch

    def put_back(self, batch: Sequence[Outcome]) -> None:
        """Let outcomes go with the next call, before all others."""
        self.ended.extendleft(reversed(batch))

    def defer(self, outcome: Outcome) -> None:
        """Report an outcome again, whose run somebody held; after some times apart."""
        outcome.deferrals += 1
        if outcome.deferrals < _DEFERRALS_BEFORE_WAITING:
            self.ended.append(outcome)
            return
        run_id = outcome.task.run_id
        if run_id in self.contended:
            self.contended[run_id].append(outcome)
            return
        self.contended[run_id] = [outcome]
        task = asyncio.create_task(self._report_apart(run_id))
        self.apart.add(task)
        task.add_done_callback(self.apart.discard)

    async def _report_apart(self, run_id: str) -> None:
        """
        Report the tasks of a run that others hold all the time, waiting for our turn.

        What ends of that run meanwhile goes with the next call of this one.
        """
        outcomes, size = self.contended[run_id], _LARGEST_BATCH
        while outcomes:
            batch = outcomes[:size]
            try:
                reply = await self._report_alone(batch)
            except REJECTIONS as error:
                size = max(1, len(batch) // 2)
                if len(batch) == 1:
                    reject(batch[0], error)
                continue
            except Exception as error:
                logger.warning(
                    "reporting run %s apart failed: %s",
                    run_id,
                    error,
                    extra=log_fields(run_id=run_id),
                )
                break
            del outcomes[: len(batch)]
            self._on_reported(reply, batch)
        del self.contended[run_id]
        for outcome in outcomes:
            outcome.deferrals = 0
        self.ended.extend(outcomes)
        self._on_return()
