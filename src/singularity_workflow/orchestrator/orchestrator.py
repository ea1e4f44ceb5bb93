"""
Goals over an engine: decompose, make workflows of them, execute.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias, overload
from uuid import UUID

from singularity_workflow.engine.async_engine import AsyncEngine
from singularity_workflow.engine.engine import Engine
from singularity_workflow.engine.handles import RunHandle
from singularity_workflow.engine.requests import StartRequest, build_request
from singularity_workflow.errors import (
    DefinitionError,
    InvalidInput,
    InvalidSetting,
    RunFailed,
    RunNotFound,
    StepNotFound,
    WorkflowNotFound,
)
from singularity_workflow.model.durations import Duration, to_duration
from singularity_workflow.model.entries import function_key
from singularity_workflow.model.ids import IdMaker
from singularity_workflow.model.json_codec import encode_json
from singularity_workflow.model.names import did_you_mean
from singularity_workflow.model.parsing import definition_from_json
from singularity_workflow.model.runs import RunMetadata
from singularity_workflow.model.signature import StepFunction
from singularity_workflow.model.statuses import RunStatus
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.orchestrator.decomposers.adapting import (
    Planner,
    as_decomposer,
)
from singularity_workflow.orchestrator.graphs.catalog import Catalog
from singularity_workflow.orchestrator.graphs.goals import (
    goal_hash,
    goal_mark,
    read_goal,
)
from singularity_workflow.orchestrator.graphs.graph import TaskGraph
from singularity_workflow.orchestrator.graphs.reading import parse_graph
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.planning.compilation import (
    raise_decomposition,
    to_workflow,
)
from singularity_workflow.orchestrator.planning.step_names import (
    DECOMPOSE,
    EXECUTE,
    JUDGE,
    REPLAN,
)
from singularity_workflow.orchestrator.planning.task_functions import unwrap
from singularity_workflow.orchestrator.results import GoalResult, to_goal_run
from singularity_workflow.orchestrator.running.events import emit
from singularity_workflow.orchestrator.running.failures import FailedTask, find_failure
from singularity_workflow.orchestrator.running.plan_workflows import (
    MOST_PLANS,
    descendants,
)
from singularity_workflow.orchestrator.running.program import GoalProgram
from singularity_workflow.orchestrator.running.revisions import revision_name
from singularity_workflow.orchestrator.settings import (
    DEFAULT_WORKFLOW,
    GOAL_TAG,
    GoalOptions,
)

if TYPE_CHECKING:
    from singularity_workflow.engine.session import Session
    from singularity_workflow.model.events import Event
    from singularity_workflow.notifications.subscription import Subscription
    from singularity_workflow.orchestrator.sync import SyncGoalHandle, SyncOrchestrator

__all__ = [
    "CALL_CANCELLED",
    "Functions",
    "GoalHandle",
    "GoalRequest",
    "Orchestrator",
    "RunId",
]

Functions: TypeAlias = Catalog | Mapping[str, StepFunction]
RunId: TypeAlias = "UUID | str | GoalHandle | SyncGoalHandle | GoalResult"
"""Whatever names the run of a goal."""

CALL_CANCELLED: Final = "its call was cancelled"
"""Why a goal was cancelled for which nobody waits any more."""

_MOST_PROGRAMS: Final = 64
_NONE: Final = object()
_LIVE: Final = (RunStatus.PENDING, RunStatus.STARTED, RunStatus.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalRequest:
    """A goal that is to be started, and what it is started with."""

    goal: Any
    decomposer: Any
    functions: Functions
    tree: GoalTree | None
    options: GoalOptions


class GoalHandle:
    """
    A goal that was started.

    Args:
        orchestrator: Who started it.
        program: What it runs.
        run: Its run.

    .. versionadded:: 0.1
    """

    def __init__(
        self, orchestrator: Orchestrator, program: GoalProgram, run: RunHandle
    ) -> None:
        self.run = run
        self._orchestrator = orchestrator
        self._program = program

    @property
    def id(self) -> UUID:
        """The goal's run."""
        return self.run.id

    async def result(self, timeout: float | None = None) -> GoalResult:
        """
        Wait for the end of the goal and return what it gave.

        Args:
            timeout: How long to wait, in seconds; the goal goes on after it.

        Raises:
            DecompositionFailed: No plan could be made, or only one that is wrong.
            RunFailed: A task used up its attempts.
            RunCancelled: The goal was cancelled.
            RunTimeout: Its time is over, or that of the wait.
        """
        return await self._orchestrator.finish(self._program, self.run, timeout)

    def events(self, after: str | None = None) -> Subscription[Event]:
        """
        Return the events of the goal's own run, as of `RunHandle.events`.

        With those of its child runs, `OrchestratorNotifications.listen` tells them.

        Args:
            after: The cursor of the last event that was dealt with.
        """
        return self.run.events(after)

    async def cancel(self, reason: str | None = None) -> None:
        """Cancel the goal with all that runs for it."""
        await self.run.cancel(reason)

    def __repr__(self) -> str:
        return f"<GoalHandle {self.id}>"


class Orchestrator:
    """
    Make task graphs of goals, workflows of task graphs, and run them.

    Args:
        engine: A connected `AsyncEngine`. With an `Engine` this makes a
            `SyncOrchestrator`, whose methods block.

    Options of goals are the fields of `GoalOptions`; one that is unknown is an error.

    .. versionadded:: 0.1
    """

    @overload
    def __new__(cls, engine: AsyncEngine) -> Orchestrator: ...

    @overload
    def __new__(  # type: ignore[misc]
        cls, engine: Engine
    ) -> SyncOrchestrator: ...

    def __new__(  # type: ignore[misc]
        cls, engine: AsyncEngine | Engine
    ) -> Orchestrator | SyncOrchestrator:
        """Return what fits the engine."""
        if isinstance(engine, Engine):
            # which imports this module
            from singularity_workflow.orchestrator.sync import (  # noqa: PLC0415
                SyncOrchestrator,
            )

            return SyncOrchestrator(engine)
        if not isinstance(engine, AsyncEngine):
            raise InvalidSetting(
                f"an Orchestrator needs an engine, got {type(engine).__name__}",
                hint="Write Orchestrator(engine), with an Engine or AsyncEngine.",
            )
        return super().__new__(cls)

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._programs: OrderedDict[object, GoalProgram] = OrderedDict()
        self._lock = asyncio.Lock()
        self._ids = IdMaker()

    async def decompose_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> GoalTree:
        """
        Return what *goal* is decomposed into, without running or storing anything.

        Args:
            goal: Words, a mapping, or any other JSON value.
            decomposer: As of `as_decomposer`.
            step_functions: The functions that tasks may use, by name.
            options: As of `GoalOptions`.

        Raises:
            DecompositionFailed: With everything that is wrong with the plan.
        """
        as_decomposer(decomposer)  # None is for plans that are there already
        request = self._read(goal, decomposer, step_functions, options)
        program = self._make_program(request)
        found = await program.preview(_run_input(request))
        raise_decomposition(request.goal, list(found.issues))
        assert found.tree is not None
        return found.tree

    async def create_workflow(
        self, task_graph: Any, step_functions: Functions, **options: Any
    ) -> Workflow:
        """
        Return the workflow of a task graph, known to the engine, ready to be executed.

        Args:
            task_graph: A graph or tree, or anything that `parse_graph` reads.
            step_functions: The functions that tasks may use, by name.
            options: As of `GoalOptions`; those about runs have no effect.

        Raises:
            DecompositionFailed: With everything that is wrong with the graph.
            InvalidInput: There is none.
        """
        request = self._read(None, None, step_functions, options, task_graph)
        assert request.tree is not None
        given = request.options
        catalog = Catalog.of(request.functions, self._engine.resources)
        workflow = to_workflow(
            request.tree,
            catalog if given.allow is None else catalog.only(given.allow),
            name=given.workflow_name,
            is_flat=not given.preserve_structure,
            max_attempts=given.retry_attempts,
        )
        await self._bind(workflow)
        return workflow

    async def execute_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> GoalResult:
        """
        Decompose a goal, run what came of it to its end, and return what it gave.

        Args:
            goal: Words, a mapping, or any other JSON value.
            decomposer: As of `as_decomposer`.
            step_functions: The functions that tasks may use, by name.
            options: As of `GoalOptions`.

        Raises:
            DecompositionFailed: No plan could be made, or only one that is wrong. If it
                was the first one, no task has run.
            RunFailed: A task used up its attempts: which one, it says.
            RunCancelled: The goal was cancelled.
            RunTimeout: Its time is over.

        Cancelling the call cancels the goal.
        """
        as_decomposer(decomposer)  # None is for plans that are there already
        request = self._read(goal, decomposer, step_functions, options)
        (handle,) = await self.start_requests([request], is_waited=True)
        return await self.wait_or_cancel(handle)

    async def start_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> GoalHandle:
        """
        Start a goal and return its handle at once.

        Args:
            goal: As of `execute_goal`, like all others.
            decomposer: Who decomposes it.
            step_functions: The functions that tasks may use.
            options: As of `GoalOptions`.
        """
        as_decomposer(decomposer)  # None is for plans that are there already
        request = self._read(goal, decomposer, step_functions, options)
        (handle,) = await self.start_requests([request])
        return handle

    async def recover(
        self, decomposer: Any, step_functions: Functions, **options: Any
    ) -> list[GoalHandle]:
        """
        Go on with local goals whose process is gone.

        Args:
            decomposer: As they were started with.
            step_functions: The same.
            options: The same `workflow_name`, and others of `GoalOptions`.

        Returns:
            Handles of those that were taken over.
        """
        request = self._read("-", decomposer, step_functions, options)
        program = await self._program(request)
        revisions = program.revisions
        workflows = [program.workflow]
        plans: set[str] = set()
        for name in (program.name, revisions.name):
            async for run_id in self._live(name):
                page = await self._engine.list_workflow_runs(
                    parent=run_id, status=_LIVE
                )
                plans |= {child.workflow for child in page}
        if revisions.name in plans:
            plans.discard(revisions.name)
            await self._bind(revisions.workflow)
            workflows.append(revisions.workflow)
        for plan in plans:
            workflows += await self._revive(program, plan)
        adopted = await self._engine.recover(*workflows)
        handles: list[GoalHandle] = []
        for run in adopted:
            _, told = await run.status()
            if told["workflow"] == program.name and told["parent_id"] is None:
                handles.append(GoalHandle(self, program, run))
        return handles

    async def goal_workflow(
        self, decomposer: Any, step_functions: Functions, **options: Any
    ) -> Workflow:
        """
        Return the goal's workflow, for a `Worker` that is to serve distributed goals.

        Args:
            decomposer: As of `execute_goal`, like all others.
            step_functions: The functions that tasks may use.
            options: As of `GoalOptions`.
        """
        request = self._read("-", decomposer, step_functions, options)
        return (await self._program(request)).workflow

    async def get_execution_status(
        self, run_id: RunId
    ) -> tuple[RunStatus, RunMetadata]:
        """
        Return where a goal is, and the figures of what runs for it.

        Until its plan runs these are the figures of the goal's own two steps. `error`
        is that of the task which the goal has failed with; its `run_id` says of which
        run that is.

        Args:
            run_id: The id of the goal's run, or its handle or result.

        Raises:
            RunNotFound: There is no such run.
        """
        run_id = to_goal_run(run_id)
        status, told = await self._engine.get_run_status(run_id)
        if told["error"]:
            store = self._session.store
            found = await find_failure(store, told["run_id"], told["error"])
            told["error"] = found.to_json()
        children = await self._engine.list_workflow_runs(parent=run_id, limit=1)
        if not children.items:
            return status, told
        newest = children.items[0]
        if newest.workflow == revision_name(told["workflow"]):
            under = await self._engine.list_workflow_runs(parent=newest.id, limit=1)
            newest = under.items[0] if under.items else newest
        _, figures = await self._engine.get_run_status(newest.id)
        names = (
            "total_steps", "completed_steps", "skipped_steps", "failed_steps",
            "total_tasks", "completed_tasks", "failed_tasks", "started_tasks",
            "queued_tasks", "waiting_tasks", "steps",
        )  # fmt: skip
        merged: Any = {**told, **{name: figures[name] for name in names}}  # type: ignore[literal-required]
        return status, merged

    async def cancel_execution(self, run_id: RunId, reason: str | None = None) -> None:
        """
        Cancel a goal with all that runs for it.

        Args:
            run_id: As of `get_execution_status`.
            reason: Why; told with the cancellation.

        Raises:
            RunNotFound: There is no such run.
            StateTransitionError: It has ended.
        """
        await self._engine.cancel_workflow_run(to_goal_run(run_id), reason=reason)

    async def get_execution_stats(self, run_id: RunId) -> dict[str, Any]:
        """
        Return the figures of one goal, which may still be under way.

        Args:
            run_id: As of `get_execution_status`.

        Returns:
            `status`; once there is a plan, its `tasks`, `depth`, `expansions`, `calls`,
            `tokens`, `decomposition_time` in seconds and `cached`; `revisions`;
            `execution_time` in seconds, up to now or to the end; `optimization_level`.

        Raises:
            RunNotFound: There is no such run.
            StepNotFound: It is not a goal's run.
        """
        run_id = to_goal_run(run_id)
        status, told = await self._engine.get_run_status(run_id)
        if not _is_goal(told):
            raise StepNotFound(
                f"run {run_id} of workflow {told['workflow']!r} is not that of a goal",
                hint="get_run_status tells of other runs.",
            )
        plan = await self._read_plan(told["run_id"])
        own: dict[str, Any] = {} if plan is None else dict(plan["stats"])
        duration = told["duration"]
        spent = own.get("decomposition_time")
        return {
            "status": status,
            **own,
            "revisions": len(await self._revised(run_id)),
            "execution_time": (
                None if duration is None else round(duration - (spent or 0), 6)
            ),
            "optimization_level": told["metadata"].get("optimization_level"),
        }

    # inside

    async def start_requests(
        self, requests: list[GoalRequest], *, is_waited: bool = False
    ) -> list[GoalHandle]:
        """
        Start goals in one transaction and return their handles, in order.

        Args:
            requests: The goals.
            is_waited: The caller waits for them: cancelled meanwhile, it cancels them.
        """
        programs = [await self._program(one) for one in requests]
        built = []
        for program, one in zip(programs, requests, strict=True):
            given = one.options
            request = build_request(
                self._ids.new_id(),
                await self._session.registry.resolve(program.workflow),
                _run_input(one),
                timeout=given.timeout,
                max_retries=None,
                parallel=given.parallel,
                notify_events=given.notify_events,
                execution=given.execution,
                idempotency_key=given.idempotency_key,
                priority=given.priority,
                tags=[GOAL_TAG, *(given.tags or ())],
                metadata=_metadata(one),
            )
            request = replace(request, goal=_mark(one))
            built.append(_with_turns(request, given.turns))
        execution = requests[0].options.execution
        starting = asyncio.ensure_future(self._session.start(built, execution))
        try:
            run_ids = await asyncio.shield(starting)
        except asyncio.CancelledError:
            if is_waited:
                await self._session.cancel_abandoned(starting)
            raise
        return [
            GoalHandle(
                self,
                program,
                RunHandle(
                    self._engine,
                    run_id,
                    is_ours=execution == "local" and run_id == request.run_id,
                ),
            )
            for program, run_id, request in zip(programs, run_ids, built, strict=True)
        ]

    async def wait_or_cancel(self, handle: GoalHandle) -> GoalResult:
        """Wait for a goal; if the wait is cancelled, so is the goal."""
        try:
            return await handle.result()
        except asyncio.CancelledError:
            await asyncio.shield(self._session.cancel([handle.id], CALL_CANCELLED))
            raise

    async def finish(
        self, program: GoalProgram, run: RunHandle, timeout: float | None
    ) -> GoalResult:
        """Return what a goal gave, or raise what became of it."""
        try:
            result = await run.result(timeout)
        except RunFailed as error:
            found = await self._failure(run.id)
            if found is None:
                raise
            raise found.to_error(run.id) from error
        plan = program.answers.pop(run.id, None) or await self._read_plan(run.id)
        plans = [plan]
        if set(result.get(EXECUTE, {})) == {JUDGE}:
            plans += await self._revised(run.id)
        trees = [GoalTree.model_validate(one["tree"]) for one in plans]
        tree = trees[-1]
        stats = {**plan["stats"], "revisions": len(plans) - 1}
        emit("goal_completed", run.id, {"stats": stats}, is_full=plan["is_told"])
        return GoalResult(
            result=unwrap(result.get(EXECUTE, {})),
            run_id=run.id,
            graph=tree.graph,
            tree=tree,
            graphs=tuple(one.graph for one in trees),
            revisions=len(plans) - 1,
            stats=stats,
        )

    def _read(
        self,
        goal: Any,
        decomposer: Any,
        functions: Functions,
        options: Mapping[str, Any],
        graph: Any = _NONE,
    ) -> GoalRequest:
        """Read the arguments of a call, and refuse what cannot be."""
        given = GoalOptions.read(options)
        tree = None
        if graph is not _NONE:
            tree = _read_tree(graph, goal)
            goal = tree.graph.goal if goal is None else goal
            goal = goal if goal is not None else DEFAULT_WORKFLOW
        planner = None if decomposer is None else as_decomposer(decomposer)
        if given.cache_seconds and planner is not None and not planner.version:
            raise InvalidSetting(
                f"cache needs a version, and decomposer {planner.name!r} has none",
                hint="Set its attribute `version`, and change it with its answers.",
            )
        if not isinstance(functions, (Catalog, Mapping)):
            raise DefinitionError(
                "step_functions must be a Catalog or a mapping of names to functions, "
                f"got {type(functions).__name__}",
                hint='Write {"name": function, ...}.',
            )
        _check_allowed(given, functions)
        return GoalRequest(
            goal=read_goal(goal),
            decomposer=decomposer,
            functions=functions,
            tree=tree,
            options=given,
        )

    def read_requests(
        self,
        goals: list[Any],
        decomposer: Any,
        functions: Functions,
        options: Mapping[str, Any],
    ) -> list[GoalRequest]:
        """Read goals, some of which may be graphs, before the first one starts."""
        requests = []
        for place, one in enumerate(goals):
            is_graph = isinstance(one, (TaskGraph, GoalTree))
            if not is_graph:
                as_decomposer(decomposer)
            try:
                request = (
                    self._read(None, decomposer, functions, options, one)
                    if is_graph
                    else self._read(one, decomposer, functions, options)
                )
            except InvalidInput as error:
                raise InvalidInput(
                    f"goals[{place}]: {error.message}", hint=error.hint
                ) from None
            requests.append(request)
        return requests

    def read_graph(
        self,
        graph: Any,
        goal: Any,
        decomposer: Any,
        functions: Functions,
        options: Mapping[str, Any],
    ) -> GoalRequest:
        """Read a goal that comes with its plan."""
        return self._read(goal, decomposer, functions, options, graph)

    async def _program(self, request: GoalRequest) -> GoalProgram:
        """Return the two steps for a request, known to the engine."""
        key = _program_key(request)
        async with self._lock:
            program = self._programs.get(key)
            if program is None:
                program = self._programs[key] = self._make_program(request)
            self._programs.move_to_end(key)
            await self._bind(program.workflow)
            while len(self._programs) > _MOST_PROGRAMS:
                self._programs.popitem(last=False)
        return program

    def _make_program(self, request: GoalRequest) -> GoalProgram:
        given = request.decomposer
        planner = None if given is None else as_decomposer(given)
        catalog = Catalog.of(request.functions, self._engine.resources)
        name = request.options.workflow_name or _default_name(planner, catalog)
        return GoalProgram(name, planner, catalog, self._session.store)

    async def _bind(self, workflow: Workflow) -> None:
        """
        Make a workflow runnable here for as long as it, or a run of it, lives.

        Others of its name may have other functions: each run keeps those that it was
        started with.
        """
        session = self._session
        if workflow.bound is not None and session.registry.is_bound(workflow):
            return
        for child in workflow.children:
            await self._bind(child)
        compiled = session.registry.compile(workflow)
        data = await session.store.register_workflow(compiled.definition.to_json())
        session.registry.bind(workflow, compiled, data)

    async def _revive(self, program: GoalProgram, name: str) -> list[Workflow]:
        """Return the workflow of a plan that another process has made."""
        for known in program.revived:
            if known.name == name:
                await self._bind(known)
                return [known, *descendants(known)]
        try:
            data = await self._session.store.read_flow(name)
        except WorkflowNotFound:
            return []
        members = {
            key: data[key] for key in ("name", "options", "input_schema", "steps")
        }
        for step in members["steps"]:
            step.pop("created_at", None)
        workflow = program.plans.revive(definition_from_json(members))
        if workflow is None:
            return []
        await self._bind(workflow)
        program.revived.append(workflow)  # which keeps its functions here
        del program.revived[:-MOST_PLANS]  # runs that go on here hold their own
        return [workflow, *descendants(workflow)]

    async def _live(self, name: str) -> AsyncIterator[UUID]:
        cursor: str | None = None
        while True:
            page = await self._engine.list_workflow_runs(
                workflow=name, status=_LIVE, limit=1_000, cursor=cursor
            )
            for one in page:
                yield one.id
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _revised(self, run_id: UUID) -> list[Any]:
        """Return the further plans of a goal, in order."""
        store = self._session.store
        found = []
        for one in await store.task_children(run_id, EXECUTE):
            if one["workflow"].endswith(revision_name("")):
                plan = await store.step_output(UUID(one["id"]), REPLAN)
                if plan is not None and plan.get("revision"):
                    found.append(plan)
        return found

    async def _failure(self, run_id: UUID) -> FailedTask | None:
        """Return the task that a goal has failed with; None: its run is gone."""
        store = self._session.store
        try:
            told = await store.run_status(run_id)
        except RunNotFound:
            return None
        return await find_failure(store, run_id, told["error"] or {})

    async def _read_plan(self, run_id: UUID) -> Any:
        return await self._session.store.step_output(run_id, DECOMPOSE)

    @property
    def _session(self) -> Session:
        return self._engine.session

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._engine!r}>"


def _run_input(request: GoalRequest) -> dict[str, Any]:
    options = request.options
    told: dict[str, Any] = {
        "goal": request.goal,
        "options": {
            "limits": _plain_limits(options),
            "decompose_timeout": _seconds(options.decompose_timeout),
            "decompose_concurrency": options.decompose_concurrency,
            "retry_attempts": options.retry_attempts,
            "is_flat": not options.preserve_structure,
            "expansion": options.expansion,
            "max_replans": options.max_replans,
            "running": options.running,
            "monitoring": options.monitoring,
            "redact": options.redact,
            "allow": None if options.allow is None else [*options.allow],
            "cache": options.cache_seconds,
            "optimization_level": options.optimization_level,
        },
    }
    if request.tree is not None:
        told["tree"] = request.tree.to_json()
    return told


def _check_allowed(options: GoalOptions, functions: Functions) -> None:
    for name in options.allow or ():
        if name not in functions:
            raise InvalidSetting(
                f"allow names {name!r}, and there is no such function",
                hint=did_you_mean(str(name), [*functions])
                or "It names functions of step_functions.",
            )


def _with_turns(request: StartRequest, turns: int | None) -> StartRequest:
    """Return the request of a run that lets so many of its tasks go at a time."""
    if turns is None:
        return request
    return replace(request, is_serial=True, max_parallel=turns)


def _metadata(request: GoalRequest) -> dict[str, Any]:
    """Return what is kept with a goal's run, for whoever looks at runs."""
    return {
        "kind": "goal",
        "goal_hash": goal_hash(request.goal),
        "depth": 1,
        "optimization_level": request.options.optimization_level,
    }


def _mark(request: GoalRequest) -> bytes:
    """Return what the database tells of a goal."""
    mark = goal_mark(request.goal, is_redacted=request.options.redact)
    return encode_json(mark)


def _default_name(planner: Planner | None, catalog: Catalog) -> str:
    """Return a name that only the same code has."""
    asked = None if planner is None else [planner.name, planner.version]
    return f"{DEFAULT_WORKFLOW}_{goal_hash([asked, catalog.view.hash])[:12]}"


def _seconds(duration: Duration | None) -> float | None:
    return None if duration is None else to_duration(duration).total_seconds()


def _plain_limits(options: GoalOptions) -> dict[str, Any]:
    limits = options.effective_limits()
    return asdict(replace(limits, timeout=limits.seconds))


def _read_tree(graph: Any, goal: Any) -> GoalTree:
    if isinstance(graph, GoalTree):
        return graph
    if graph is None:
        raise InvalidInput(
            "task_graph must be a plan, got None",
            hint='Write [{"id": "design"}], or let compose_from_goal ask a decomposer.',
        )
    found, issues = parse_graph(graph, goal=goal)
    raise_decomposition(goal, issues)
    assert found is not None
    return GoalTree(graph=found)


def _program_key(request: GoalRequest) -> object:
    """Return what makes a program the same: its name and code."""
    functions = request.functions
    named = functions.functions if isinstance(functions, Catalog) else functions
    key = frozenset((name, function_key(one)) for name, one in named.items())
    decomposer = request.decomposer
    asked = None if decomposer is None else function_key(decomposer)
    return request.options.workflow_name, asked, key


def _is_goal(told: RunMetadata) -> bool:
    return {step["name"] for step in told["steps"]} == {DECOMPOSE, EXECUTE}
