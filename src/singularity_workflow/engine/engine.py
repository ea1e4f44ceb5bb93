"""
The engine, for blocking code: `AsyncEngine` on an event loop of its own thread.

Every method has the signature of its twin, which a test compares, and does nothing but
call it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from singularity_workflow.engine.async_engine import AsyncEngine
from singularity_workflow.engine.flow_builder import SyncFlowBuilder
from singularity_workflow.engine.portal import Portal
from singularity_workflow.engine.registry import Registration
from singularity_workflow.engine.requests import Execution, NotifyEvents
from singularity_workflow.engine.settings import (
    DEFAULT_CONCURRENCY,
    DEFAULT_LEASE,
    DEFAULT_POOL_SIZE,
)
from singularity_workflow.engine.sync_controls import SyncRunControls
from singularity_workflow.engine.sync_handles import SyncRunHandle
from singularity_workflow.engine.sync_messages import (
    SyncNotifications,
    SyncSubscription,
    subscribe,
)
from singularity_workflow.errors import ConfigurationError
from singularity_workflow.model.durations import Duration
from singularity_workflow.model.metrics import Metrics
from singularity_workflow.model.signature import StepFunction
from singularity_workflow.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Self, TypeVar

    from singularity_workflow.model.events import Event

    _T = TypeVar("_T")

__all__ = ["Engine"]


class Engine(SyncRunControls):
    """
    Start and watch durable workflows from blocking code; see `AsyncEngine`.

    Coroutine steps run on the engine's own loop, plain functions in threads.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        dsn: str | None = None,
        *,
        pool: object = None,
        pool_size: int = DEFAULT_POOL_SIZE,
        concurrency: int = DEFAULT_CONCURRENCY,
        resources: Mapping[str, object] | None = None,
        lease: Duration = DEFAULT_LEASE,
        migrate: bool | None = None,
        use_notify: bool = True,
        events_retention: Duration | None = None,
    ) -> None:
        self._engine = AsyncEngine(
            dsn,
            pool=pool,
            pool_size=pool_size,
            concurrency=concurrency,
            resources=resources,
            lease=lease,
            migrate=migrate,
            use_notify=use_notify,
            events_retention=events_retention,
        )
        self._portal: Portal | None = None

    def connect(self) -> Self:
        """Open the connections; see `AsyncEngine.connect`."""
        if self._portal is None:
            self._portal = Portal()
            try:
                self._portal.call(self._engine.connect())
            except BaseException:
                self._stop_portal()
                raise
        return self

    def close(self) -> None:
        """Stop, and close the connections; see `AsyncEngine.close`."""
        if self._portal is not None:
            try:
                self._portal.call(self._engine.close())
            finally:
                self._stop_portal()

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def register(self, workflow: object, *, force: bool = False) -> Registration:
        """Make a workflow known; see `AsyncEngine.register`."""
        return self._call(self._engine.register(workflow, force=force))

    @property
    def flow_builder(self) -> SyncFlowBuilder:
        """What makes workflows whose steps are data."""
        return SyncFlowBuilder(self)

    @property
    def notifications(self) -> SyncNotifications:
        """What sends messages and listens to them."""
        return SyncNotifications(self._call, self._engine.notifications)

    def events(
        self,
        workflow: object = None,
        types: Iterable[str] | str | None = None,
        after: str | None = None,
    ) -> SyncSubscription[Event]:
        """Listen to runs, from now on; see `AsyncEngine.events`."""
        return subscribe(
            self._call, lambda: self._engine.events(workflow, types, after)
        )

    def execute(
        self,
        workflow: object,
        input: object = None,
        *,
        timeout: Duration | None = None,
        max_retries: int | None = None,
        parallel: bool = True,
        notify_events: NotifyEvents = True,
        execution: Execution = "local",
        idempotency_key: str | None = None,
        priority: int | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """Run a workflow to its end; see `AsyncEngine.execute`."""
        return self._call(
            self._engine.execute(
                workflow,
                input,
                timeout=timeout,
                max_retries=max_retries,
                parallel=parallel,
                notify_events=notify_events,
                execution=execution,
                idempotency_key=idempotency_key,
                priority=priority,
                tags=tags,
                metadata=metadata,
            )
        )

    def start(
        self,
        workflow: object,
        input: object = None,
        *,
        timeout: Duration | None = None,
        max_retries: int | None = None,
        parallel: bool = True,
        notify_events: NotifyEvents = True,
        execution: Execution = "local",
        idempotency_key: str | None = None,
        priority: int | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, object] | None = None,
        connection: object = None,
    ) -> SyncRunHandle:
        """Start a run and return its handle; see `AsyncEngine.start`."""
        handle = self._call(
            self._engine.start(
                workflow,
                input,
                timeout=timeout,
                max_retries=max_retries,
                parallel=parallel,
                notify_events=notify_events,
                execution=execution,
                idempotency_key=idempotency_key,
                priority=priority,
                tags=tags,
                metadata=metadata,
                connection=connection,
            )
        )
        return SyncRunHandle(self, handle)

    def start_many(
        self,
        workflow: object,
        inputs: Iterable[object],
        *,
        timeout: Duration | None = None,
        max_retries: int | None = None,
        parallel: bool = True,
        notify_events: NotifyEvents = True,
        execution: Execution = "local",
        priority: int | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> list[SyncRunHandle]:
        """Start a run for each input; see `AsyncEngine.start_many`."""
        handles = self._call(
            self._engine.start_many(
                workflow,
                inputs,
                timeout=timeout,
                max_retries=max_retries,
                parallel=parallel,
                notify_events=notify_events,
                execution=execution,
                priority=priority,
                tags=tags,
                metadata=metadata,
            )
        )
        return [SyncRunHandle(self, handle) for handle in handles]

    def execute_many(
        self,
        workflow: object,
        inputs: Iterable[object],
        *,
        return_exceptions: bool = False,
        timeout: Duration | None = None,
        max_retries: int | None = None,
        parallel: bool = True,
        notify_events: NotifyEvents = True,
        execution: Execution = "local",
        priority: int | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> list[Any]:
        """Run a workflow once for each input; see `AsyncEngine.execute_many`."""
        return self._call(
            self._engine.execute_many(
                workflow,
                inputs,
                return_exceptions=return_exceptions,
                timeout=timeout,
                max_retries=max_retries,
                parallel=parallel,
                notify_events=notify_events,
                execution=execution,
                priority=priority,
                tags=tags,
                metadata=metadata,
            )
        )

    def execute_dynamic(
        self,
        name: str,
        input: object,
        step_functions: Mapping[str, StepFunction],
        **options: Any,
    ) -> dict[str, Any]:
        """Run a workflow that was built; see `AsyncEngine.execute_dynamic`."""
        return self._call(
            self._engine.execute_dynamic(name, input, step_functions, **options)
        )

    def start_dynamic(
        self,
        name: str,
        input: object,
        step_functions: Mapping[str, StepFunction],
        **options: Any,
    ) -> SyncRunHandle:
        """Start a run of one; see `AsyncEngine.start_dynamic`."""
        handle = self._call(
            self._engine.start_dynamic(name, input, step_functions, **options)
        )
        return SyncRunHandle(self, handle)

    def recover(self, *workflows: object, wait: bool = True) -> list[SyncRunHandle]:
        """Adopt local runs whose process is gone; see `AsyncEngine.recover`."""
        handles = self._call(self._engine.recover(*workflows, wait=wait))
        return [SyncRunHandle(self, handle) for handle in handles]

    def drain_workers(self, worker_ids: Iterable[UUID | str]) -> list[UUID]:
        """Ask workers to end; see `AsyncEngine.drain_workers`."""
        return self._call(self._engine.drain_workers(worker_ids))

    def metrics(self) -> Metrics:
        """Return what waits and what is open; see `AsyncEngine.metrics`."""
        return self._call(self._engine.metrics())

    @property
    def telemetry(self) -> Telemetry:
        """Where spans and metrics go."""
        return self._engine.telemetry

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        if self._portal is None:
            coroutine.close()
            raise ConfigurationError(
                "the engine is not connected",
                hint="Use `with Engine(...) as engine`, or connect() first.",
            )
        return self._portal.call(coroutine)

    def _stop_portal(self) -> None:
        portal, self._portal = self._portal, None
        if portal is not None:
            portal.close()

    def __repr__(self) -> str:
        state = "closed" if self._portal is None else "connected"
        return f"<Engine {state}>"
