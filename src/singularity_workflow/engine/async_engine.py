"""
The engine, for coroutines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from singularity_workflow.engine.controls import RunControls, RunId
from singularity_workflow.engine.flow_builder import FlowBuilder
from singularity_workflow.engine.handles import RunHandle
from singularity_workflow.engine.inspection import read_worker_ids
from singularity_workflow.engine.messages import Notifications
from singularity_workflow.engine.registry import Registered, Registration
from singularity_workflow.engine.requests import (
    Execution,
    NotifyEvents,
    StartRequest,
    build_request,
)
from singularity_workflow.engine.results import to_result, to_result_or_error
from singularity_workflow.engine.settings import (
    DEFAULT_CONCURRENCY,
    DEFAULT_LEASE,
    DEFAULT_POOL_SIZE,
    read_settings,
)
from singularity_workflow.errors import ConfigurationError
from singularity_workflow.model.durations import Duration
from singularity_workflow.model.ids import IdMaker
from singularity_workflow.model.metrics import Metrics
from singularity_workflow.model.signature import StepFunction
from singularity_workflow.telemetry.telemetry import Telemetry

if TYPE_CHECKING:
    from typing import Self

    from singularity_workflow.engine.session import Session
    from singularity_workflow.model.events import Event
    from singularity_workflow.notifications.subscription import Subscription

__all__ = ["AsyncEngine", "RunId"]


class AsyncEngine(RunControls):
    """
    Start and watch durable workflows, and run those of this process.

    Args:
        dsn:
            Address of the database, as a URL or a libpq string. By default
            `SINGULARITY_WORKFLOW_DATABASE_URL`, else `DATABASE_URL`, else a real
            PostgreSQL that is embedded (extra `[embedded]`).
        pool:
            The application's own psycopg pool, instead of *dsn*. It is borrowed and
            never closed.
        pool_size: The most connections of the pool that is opened without *pool*.
        concurrency: The most steps that run here at once.
        resources:
            What steps get by the names of their parameters: a pool, a client, or a
            `Resource` that is opened when the first local run starts.
        lease:
            How long this process is believed to live after its last heartbeat, in
            seconds or as a `timedelta`; at least one second. Its local runs can be
            adopted after that.
        migrate:
            Whether to bring the schema up to date when connecting. By default only
            that of the embedded server.
        use_notify:
            Whether this engine listens to what other processes do, and tells them what
            it does. False: it polls, and so must they; it saves the LISTEN connection.
            Messages that `notifications` sends are told of all the same.
        events_retention:
            How long the database keeps events, in seconds or as a `timedelta`. By
            default as it does already, which is seven days until somebody changes it.

    Raises:
        InvalidSetting: If an argument cannot work.

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
        self._settings = read_settings(
            dsn=dsn,
            pool=pool,
            pool_size=pool_size,
            concurrency=concurrency,
            resources=resources,
            lease=lease,
            migrate=migrate,
            use_notify=use_notify,
            events_retention=events_retention,
        )
        self._telemetry = Telemetry()
        self._ids = IdMaker()
        self._session: Session | None = None
        self._connecting = asyncio.Lock()
        self._notifications = Notifications(lambda: self._opened)

    # life

    async def connect(self) -> Self:
        """
        Open the connections; `async with` does it too.

        Raises:
            ConnectionFailed: The server cannot be reached.
            SchemaError: The schema is not at this library's version.
            EmbeddedServerError: There is no address, and no server can be started.
        """
        # what talks to PostgreSQL is loaded on first use
        from singularity_workflow.engine.session import Session  # noqa: PLC0415

        async with self._connecting:
            if self._session is None:
                self._telemetry.find_otel()
                self._session = await Session.open(self._settings, self._telemetry)
        return self

    async def close(self) -> None:
        """
        Stop, and close the connections.

        Steps that run are cancelled, and their tasks go back to their queue: a later
        `recover` goes on with their runs.
        """
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # definitions

    async def register(self, workflow: object, *, force: bool = False) -> Registration:
        """
        Make a workflow known to this engine and to the database.

        Starting a workflow registers it too. The same shape twice is one version; a
        changed one is a new version, and runs of the old one finish on theirs.

        Args:
            workflow: A `Workflow`, or a class, instance or module that has
                `__workflow_steps__`.
            force: Make this build's options current although a newer build changed
                them: a roll-back.

        Raises:
            DefinitionError: If the definition is wrong, or its name is taken.
        """
        registered = await self._opened.registry.register(workflow, force=force)
        return registered.registration

    @property
    def flow_builder(self) -> FlowBuilder:
        """What makes workflows whose steps are data."""
        return FlowBuilder(self)

    @property
    def notifications(self) -> Notifications:
        """What sends messages and listens to them."""
        return self._notifications

    def events(
        self,
        workflow: object = None,
        types: Iterable[str] | str | None = None,
        after: str | None = None,
    ) -> Subscription[Event]:
        """
        Listen to what happens to runs, in any process.

        `await` the subscription, or use `async with`: from then on it gets every event
        of the runs that store them (`notify_events`), those of one run in order.

        Args:
            workflow: Only of runs of this workflow: a `Workflow` or a name.
            types: Only of these types, such as "task_failed".
            after:
                The cursor of the last event that was dealt with: begins with what came
                after it, and may repeat what happened about the same time.

        Raises:
            InvalidSetting: If an argument cannot work.
        """
        from singularity_workflow.engine.event_listening import (  # noqa: PLC0415
            listen_to_events,
        )

        return listen_to_events(self._opened, workflow, types, after)

    # runs

    async def execute(
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
        """
        Run a workflow to its end and return the outputs of its final steps by name.

        Args:
            workflow: A workflow, or the name of one that is known here.
            input: The run's input: any JSON value, or what the workflow declares.
            timeout: The run's deadline, in seconds or as a `timedelta`; when it
                passes, the run is cancelled.
            max_retries: Gives every step this many attempts more than one.
            parallel: False: at most one task of the run at any time.
            notify_events: Which events are stored for listeners: True all, "run" only
                those of the run itself, False none.
            execution: "local": this process runs the steps. "distributed": any
                worker that serves the workflow's queue.
            idempotency_key: A second start with the same key is the first one's run.
            priority: Higher goes first, from -1000 to 1000; by default what the
                workflow says, else 0.
            tags: Words to find the run by.
            metadata: Anything that is JSON, to be kept with the run.

        Returns:
            The output of each final step; a skipped one's key is absent.

        Raises:
            InvalidInput: The input does not fit.
            RunFailed: A step used up its attempts.
            RunCancelled: The run was cancelled.
            RunTimeout: Its deadline passed.
            ConflictError: The key was used with another input.

        Cancelling the call cancels the run.
        """
        session = self._opened
        request = await self._request(
            workflow, input, timeout=timeout, max_retries=max_retries,
            parallel=parallel, notify_events=notify_events, execution=execution,
            idempotency_key=idempotency_key,
            priority=priority, tags=tags, metadata=metadata,
        )  # fmt: skip
        starting = asyncio.ensure_future(session.start([request], execution))
        try:
            with session.waiters.expect(str(request.run_id)) as end:
                (run_id,) = await asyncio.shield(starting)
                if execution == "local" and run_id == request.run_id:
                    return to_result(await end)
            return to_result(await session.wait(run_id, is_ours=False))
        except asyncio.CancelledError:
            await session.cancel_abandoned(starting)
            raise

    async def start(
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
    ) -> RunHandle:
        """
        Start a run and return its handle at once.

        Args:
            workflow: As of `execute`, like all others.
            input: The run's input.
            timeout: The run's deadline.
            max_retries: Attempts beyond the first.
            parallel: False: at most one task at any time.
            notify_events: Which events are stored for listeners: True all, "run" only
                those of the run itself, False none.
            execution: "local" or "distributed".
            idempotency_key: The same key is the same run.
            priority: Higher goes first.
            tags: Words to find the run by.
            metadata: To be kept with the run.
            connection:
                A psycopg connection of the caller: the run starts in its transaction,
                and exists when that commits.

        Raises:
            InvalidInput: The input does not fit.
            ConflictError: The key was used with another input.
            UnsupportedIsolation: The transaction is not READ COMMITTED.
        """
        session = self._opened
        request = await self._request(
            workflow, input, timeout=timeout, max_retries=max_retries,
            parallel=parallel, notify_events=notify_events, execution=execution,
            idempotency_key=idempotency_key,
            priority=priority, tags=tags, metadata=metadata,
        )  # fmt: skip
        if connection is not None:
            run_id = await session.start_on(connection, request, execution)
            return RunHandle(self, run_id, is_ours=False, workflow=request.workflow)
        (run_id,) = await session.start([request], execution)
        is_ours = execution == "local" and run_id == request.run_id
        return RunHandle(self, run_id, is_ours=is_ours)

    async def start_many(
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
    ) -> list[RunHandle]:
        """
        Start a run for each input, in few transactions, and return their handles.

        Args:
            workflow: As of `execute`, like all others.
            inputs: The runs' inputs; all are checked before the first run starts.
            timeout: The deadline of each run.
            max_retries: Attempts beyond the first.
            parallel: False: at most one task of a run at any time.
            notify_events: Which events are stored for listeners: True all, "run" only
                those of the run itself, False none.
            execution: "local" or "distributed".
            priority: Higher goes first.
            tags: Words to find the runs by.
            metadata: To be kept with each run.

        Returns:
            A handle for each input, in their order.

        Raises:
            InvalidInput: An input does not fit; no run goes on.
        """
        session = self._opened
        requests = await self._requests(
            workflow, inputs, timeout=timeout, max_retries=max_retries,
            parallel=parallel, notify_events=notify_events, execution=execution,
            priority=priority, tags=tags,
            metadata=metadata,
        )  # fmt: skip
        if not requests:
            return []
        run_ids = await session.start(requests, execution)
        is_ours = execution == "local"
        return [RunHandle(self, run_id, is_ours=is_ours) for run_id in run_ids]

    async def execute_many(
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
        """
        Run a workflow once for each input, all at once, and return their results.

        Args:
            workflow: As of `execute`, like all others.
            inputs: The runs' inputs; all are checked before the first run starts.
            return_exceptions: True: a run that did not complete has its exception in
                the place of its result. False: the first such exception is raised when
                all runs have ended.
            timeout: The deadline of each run.
            max_retries: Attempts beyond the first.
            parallel: False: at most one task of a run at any time.
            notify_events: Which events are stored for listeners: True all, "run" only
                those of the run itself, False none.
            execution: "local" or "distributed".
            priority: Higher goes first.
            tags: Words to find the runs by.
            metadata: To be kept with each run.

        Returns:
            A result, as of `execute`, for each input, in their order.

        Raises:
            InvalidInput: An input does not fit; no run goes on.
            RunFailed: A run failed, and *return_exceptions* is False.

        Cancelling the call cancels the runs that have not ended.
        """
        session = self._opened
        requests = await self._requests(
            workflow, inputs, timeout=timeout, max_retries=max_retries,
            parallel=parallel, notify_events=notify_events, execution=execution,
            priority=priority, tags=tags,
            metadata=metadata,
        )  # fmt: skip
        if not requests:
            return []
        starting = asyncio.ensure_future(session.start(requests, execution))
        ids = [str(request.run_id) for request in requests]
        try:
            with session.waiters.expect_many(ids) as ends:
                await asyncio.shield(starting)
                if execution != "local":
                    session.follow(ids)
                results = [to_result_or_error(await end) for end in ends]
        except asyncio.CancelledError:
            await session.cancel_abandoned(starting)
            raise
        if not return_exceptions:
            for result in results:
                if isinstance(result, Exception):
                    raise result
        return results

    async def execute_dynamic(
        self,
        name: str,
        input: object,
        step_functions: Mapping[str, StepFunction],
        **options: Any,
    ) -> dict[str, Any]:
        """
        Run a workflow that `FlowBuilder` made to its end and return its outputs.

        The first start makes the draft a version. Runs of it are like those of any
        other workflow.

        Args:
            name: The workflow's name.
            input: The run's input.
            step_functions: A function for each step, by the step's name.
            options: As of `execute`.

        Raises:
            WorkflowNotFound: There is no workflow of this name.
            DefinitionError: A function is missing, or of no step, or has parameters
                that cannot be bound; nothing was started.
            RunFailed: As of `execute`, like all others.

        See `docs/howto/dynamic_workflows.md`.
        """
        workflow = await self._opened.binder.bind(name, step_functions)
        return await self.execute(workflow, input, **options)

    async def start_dynamic(
        self,
        name: str,
        input: object,
        step_functions: Mapping[str, StepFunction],
        **options: Any,
    ) -> RunHandle:
        """
        Start a run of a workflow that `FlowBuilder` made; return its handle at once.

        Args:
            name: The workflow's name.
            input: The run's input.
            step_functions: A function for each step, by the step's name.
            options: As of `start`.

        Raises:
            WorkflowNotFound: There is no workflow of this name.
            DefinitionError: As of `execute_dynamic`.
            InvalidInput: As of `start`, like all others.
        """
        workflow = await self._opened.binder.bind(name, step_functions)
        return await self.start(workflow, input, **options)

    async def recover(self, *workflows: object, wait: bool = True) -> list[RunHandle]:
        """
        Adopt local runs whose process is gone, and go on with them here.

        Args:
            workflows: The workflows whose runs are meant; by default all that this
                engine knows.
            wait: Whether to wait until every silent owner is known to live or to be
                gone, which takes its lease at most; and before that, if this process
                could not beat itself for a lease, one lease until it may judge others.
                Without waiting nothing is adopted then.

        Returns:
            The adopted runs.
        """
        session = self._opened
        for workflow in workflows:
            await session.registry.resolve(workflow)
        run_ids = await session.recover(workflows, wait=wait)
        return [RunHandle(self, run_id, is_ours=True) for run_id in run_ids]

    # workers

    async def drain_workers(self, worker_ids: Iterable[UUID | str]) -> list[UUID]:
        """
        Ask workers to take no more tasks, and to end when those that they have ended.

        Each learns it from its next heartbeat, within a third of its lease, and then
        does what it does at SIGTERM. An engine goes on with its local runs, and only
        adopts no more of others.

        Args:
            worker_ids: Ids from the table `singularity_workflow.workers`. Those of
                workers that have ended are passed over.

        Returns:
            The workers that had not been asked before.

        Raises:
            InvalidSetting: If one of them is no uuid.
        """
        return await self._opened.store.drain_workers(read_worker_ids(worker_ids))

    # metrics

    async def metrics(self) -> Metrics:
        """
        Return what waits in the queues, and what is open in the database.

        It costs some tens of milliseconds at most, whatever the database holds: each
        count stops at a limit, and says so. Programs that watch all the time have the
        same by OpenTelemetry or Prometheus; see `docs/howto/tracing_and_metrics.md`.
        """
        return await self._opened.read_metrics()

    # inside

    async def _request(
        self, workflow: object, value: object, **options: Any
    ) -> StartRequest:
        registered: Registered = await self._opened.registry.resolve(workflow)
        return build_request(self._ids.new_id(), registered, value, **options)

    async def _requests(
        self, workflow: object, inputs: Iterable[object], **options: Any
    ) -> list[StartRequest]:
        registered = await self._opened.registry.resolve(workflow)
        if options["tags"] is not None:
            options["tags"] = list(options["tags"])
        return [
            build_request(
                self._ids.new_id(), registered, value, idempotency_key=None, **options
            )
            for value in inputs
        ]

    def _new_id(self) -> UUID:
        return self._ids.new_id()

    @property
    def concurrency(self) -> int:
        """The most steps that run here at once."""
        return self._settings.concurrency

    @property
    def resources(self) -> Mapping[str, object]:
        """What steps get by the names of their parameters."""
        return self._settings.resources

    @property
    def telemetry(self) -> Telemetry:
        """Where spans and metrics go; `prometheus.Collector` adds itself to it."""
        return self._telemetry

    @property
    def session(self) -> Session:
        """
        What the parts of the library that stand beside the engine share with it.

        Raises:
            ConfigurationError: If the engine is not connected.
        """
        return self._opened

    @property
    def _opened(self) -> Session:
        if self._session is None:
            raise ConfigurationError(
                "the engine is not connected",
                hint="Use `async with AsyncEngine(...) as engine`, or connect() first.",
            )
        return self._session

    def __repr__(self) -> str:
        state = "closed" if self._session is None else "connected"
        return f"<{type(self).__name__} {state}>"
