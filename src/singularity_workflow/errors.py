"""
Every error that the library raises, and nothing else.

    SingularityError
    ├── DefinitionError           a workflow that cannot be built          SW400
    │   └── DecompositionFailed   a goal of which no plan can be made
    ├── ConfigurationError        how the library was set up
    │   ├── InvalidSetting        an argument that cannot work             SW403
    │   ├── EmbeddedServerError   the embedded PostgreSQL did not start
    │   ├── PermissionDenied      a right is missing in the database
    │   ├── PgmqUnavailable       pgmq is missing or older than 1.5
    │   └── SchemaError           the database is not at our version
    │       ├── SchemaOutdated    … is older than this library
    │       ├── SchemaTooNew      … is newer than this library
    │       └── SchemaIncomplete  … stopped in the middle of a migration
    ├── RunError                  about one run
    │   ├── RunNotFound                                                    SW405
    │   ├── RunFailed             a step used up its attempts
    │   ├── RunCancelled
    │   ├── RunTimeout            its deadline passed, or the wait did
    │   ├── StepTimeout           one attempt took longer than its timeout
    │   ├── QueueTimeout          a task waited longer than its queue_timeout
    │   ├── WorkerLost            a task's worker died too often
    │   └── StateTransitionError  not possible in the run's status         SW409
    ├── WorkflowNotFound          no such workflow is registered           SW404
    ├── StepNotFound              the run's workflow has no such step      SW406
    ├── QueueNotFound             there is no such queue of messages       SW407
    ├── SubscriptionEnded         nothing comes from it any more
    ├── WorkflowInUse             live runs need what was to be deleted    SW423
    ├── InvalidInput              a run's or step's input does not fit     SW401
    ├── InvalidOutput             a step's output does not fit
    ├── ConflictError             the same key, another request            SW402
    ├── UnsupportedIsolation      a transaction above READ COMMITTED       SW410
    ├── ConnectionFailed          the server cannot be reached
    └── InternalError             the SQL core met a state it must not     SW500

`SingularityError.sqlstate` is the code with which the SQL core raises the same
error; `error_for_sqlstate` is the way back. Steps steer the engine with `Retry`,
`Fail` and `Skip`: those are signals and live in `model.signals`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from singularity_workflow.model.issues import Issue

__all__ = [
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailed",
    "DecompositionFailed",
    "DefinitionError",
    "EmbeddedServerError",
    "InternalError",
    "InvalidInput",
    "InvalidOutput",
    "InvalidSetting",
    "PermissionDenied",
    "PgmqUnavailable",
    "QueueNotFound",
    "QueueTimeout",
    "RunCancelled",
    "RunError",
    "RunFailed",
    "RunNotFound",
    "RunTimeout",
    "SchemaError",
    "SchemaIncomplete",
    "SchemaOutdated",
    "SchemaTooNew",
    "SingularityError",
    "StateTransitionError",
    "StepNotFound",
    "StepTimeout",
    "SubscriptionEnded",
    "UnsupportedIsolation",
    "WorkerLost",
    "WorkflowInUse",
    "WorkflowNotFound",
    "error_for_sqlstate",
]


class SingularityError(Exception):
    """
    Base class of all errors that the library raises.

    Args:
        message: What happened, with the values that matter.
        hint: What to do next, often a command to type.
    """

    sqlstate: ClassVar[str | None] = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nHint: {self.hint}" if self.hint else self.message


class DefinitionError(SingularityError, ValueError):
    """
    A workflow definition that cannot be built.

    Args:
        message: What is wrong, and where.
        hint: How to mend it.
        issues: Every problem that was found, in the order of the definition.
    """

    sqlstate: ClassVar[str | None] = "SW400"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        issues: Sequence[Issue] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.issues = tuple(issues)


class DecompositionFailed(DefinitionError):
    """A goal of which no plan could be made, or only one that cannot be run."""

    sqlstate = None


class ConfigurationError(SingularityError):
    """The library, its server or its schema is not set up as needed."""


class InvalidSetting(ConfigurationError, ValueError):
    """A setting or an argument has a value that cannot work."""

    sqlstate = "SW403"


class EmbeddedServerError(ConfigurationError):
    """The embedded PostgreSQL server cannot be prepared, started or stopped."""


class PermissionDenied(ConfigurationError):
    """The role of the connection lacks a right that the library needs."""


class PgmqUnavailable(ConfigurationError):
    """pgmq is missing from the server, or older than 1.5."""


class SchemaError(ConfigurationError):
    """The database schema does not fit this version of the library."""


class SchemaOutdated(SchemaError):
    """The schema is missing, or older than this version of the library."""


class SchemaTooNew(SchemaError):
    """The schema was migrated by a newer version of the library."""


class SchemaIncomplete(SchemaError):
    """A migration was begun and not finished, or an applied file was changed."""


class RunError(SingularityError):
    """
    Something that concerns one run.

    Args:
        message: What happened.
        hint: What to do next.
        run_id: The run in question.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        run_id: UUID | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.run_id = run_id


class RunNotFound(RunError, LookupError):
    """No run has this id."""

    sqlstate = "SW405"


class RunFailed(RunError):
    """
    A run ended as failed.

    Args:
        message: The error of the task that failed the run.
        hint: What to do next.
        run_id: The run; of a goal, that of the goal.
        failed_run_id: The run that the step is of; of a goal, one below it. Default:
            the same.
        step: Name of the step that failed; of a goal, the task.
        error_type: Qualified name of the exception that the last attempt raised.
        remote_traceback: Its traceback, as text, from the process that ran it.
        attempts: How many attempts of that task failed.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        run_id: UUID | None = None,
        failed_run_id: UUID | None = None,
        step: str | None = None,
        error_type: str | None = None,
        remote_traceback: str | None = None,
        attempts: int = 0,
    ) -> None:
        super().__init__(message, hint=hint, run_id=run_id)
        self.failed_run_id = run_id if failed_run_id is None else failed_run_id
        self.step = step
        self.error_type = error_type
        self.remote_traceback = remote_traceback
        self.attempts = attempts

    def __str__(self) -> str:
        text = super().__str__()
        if self.remote_traceback:
            text += f"\n\nRemote traceback:\n{self.remote_traceback.rstrip()}"
        return text


class RunCancelled(RunError):
    """
    A run ended as cancelled.

    Args:
        message: What happened.
        hint: What to do next.
        run_id: The run.
        reason: The reason that was given with the cancellation.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        run_id: UUID | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, run_id=run_id)
        self.reason = reason


class RunTimeout(RunError, TimeoutError):
    """A run's deadline passed, or the wait for its result ended first."""


class StepTimeout(RunError, TimeoutError):
    """One attempt of a step took longer than its `timeout`."""


class QueueTimeout(RunError, TimeoutError):
    """A task waited in its queue longer than its `queue_timeout`."""


class WorkerLost(RunError):
    """A task's worker died with it `max_lost` times."""


class StateTransitionError(RunError):
    """The run's status does not allow what was asked of it."""

    sqlstate = "SW409"


class WorkflowNotFound(SingularityError, LookupError):
    """No workflow of this name is known to the engine or the database."""

    sqlstate = "SW404"


class StepNotFound(SingularityError, LookupError):
    """The workflow of the run has no step of this name."""

    sqlstate = "SW406"


class QueueNotFound(SingularityError, LookupError):
    """There is no queue of messages of this name."""

    sqlstate = "SW407"


class SubscriptionEnded(SingularityError, EOFError):
    """A subscription was ended, by its listener or with its engine."""


class WorkflowInUse(SingularityError):
    """A workflow cannot be deleted: live runs need it."""

    sqlstate = "SW423"


class InvalidInput(SingularityError, ValueError):
    """The input of a run, or of a step, does not fit its declared type."""

    sqlstate = "SW401"


class InvalidOutput(SingularityError, ValueError):
    """The output of a step is not JSON, or does not fit its declared type."""


class ConflictError(SingularityError):
    """The same key was used before for another request."""

    sqlstate = "SW402"


class UnsupportedIsolation(SingularityError):
    """The engine's functions were called above READ COMMITTED."""

    sqlstate = "SW410"


class ConnectionFailed(SingularityError, ConnectionError):
    """The PostgreSQL server cannot be reached, or went away."""


class InternalError(SingularityError):
    """The SQL core met a state that it must never meet; please report it."""

    sqlstate = "SW500"


def error_for_sqlstate(
    sqlstate: str | None, message: str, hint: str | None = None
) -> SingularityError | None:
    """
    Return the error that the SQL core means by *sqlstate*, if it is one of ours.

    Args:
        sqlstate: Five characters, as PostgreSQL reports them.
        message: The primary message of the database error.
        hint: Its hint.
    """
    found = _by_sqlstate(SingularityError).get(sqlstate or "")
    return found(message, hint=hint) if found else None


def _by_sqlstate(root: type[SingularityError]) -> dict[str, type[SingularityError]]:
    own = vars(root).get("sqlstate")  # a subclass that inherits a code has none
    classes = {own: root} if own else {}
    for child in root.__subclasses__():
        classes |= _by_sqlstate(child)
    return classes
