"""
Make workflows whose steps are data: added one by one, or saved as a whole.

`FlowBuilder` is written for coroutines, `SyncFlowBuilder` blocks; its methods have the
signatures of their twins, which a test compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

from singularity_workflow.engine.arguments import read_text
from singularity_workflow.engine.inspection import to_workflow_info
from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.flow import Flow, describe_step, read_step
from singularity_workflow.model.issues import raise_issues
from singularity_workflow.model.names import name_issue
from singularity_workflow.model.options import WorkflowOptions
from singularity_workflow.model.signature import StepFunction
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.model.workflow_info import WorkflowInfo

if TYPE_CHECKING:
    from singularity_workflow.engine.async_engine import AsyncEngine
    from singularity_workflow.engine.engine import Engine

__all__ = ["FlowBuilder", "SyncFlowBuilder"]

_WORKFLOWS_A_PAGE = 200
_ROWS_A_BATCH = 500


class FlowBuilder:
    """
    Make workflows whose steps are data, and look at those that there are.

    Args:
        engine: A connected `AsyncEngine`. With an `Engine` this makes a
            `SyncFlowBuilder`, whose methods block.

    A workflow begins as a draft. The first start of a run makes it a version; to add a
    step after that opens a draft that is a copy of the latest one. Runs keep the
    version that they were started with.

    .. versionadded:: 0.1
    """

    _engine: AsyncEngine

    @overload
    def __new__(cls, engine: AsyncEngine) -> FlowBuilder: ...

    @overload
    def __new__(  # type: ignore[misc]
        cls, engine: Engine
    ) -> SyncFlowBuilder: ...

    def __new__(  # type: ignore[misc]
        cls, engine: AsyncEngine | Engine
    ) -> FlowBuilder | SyncFlowBuilder:
        """Return what fits the engine."""
        # which imports this module
        from singularity_workflow.engine.async_engine import (  # noqa: PLC0415
            AsyncEngine,
        )
        from singularity_workflow.engine.engine import Engine  # noqa: PLC0415

        if isinstance(engine, Engine):
            return SyncFlowBuilder(engine)
        if not isinstance(engine, AsyncEngine):
            raise InvalidSetting(
                f"a FlowBuilder needs an engine, got {type(engine).__name__}"
            )
        builder = super().__new__(cls)
        builder._engine = engine
        return builder

    async def create_flow(self, name: str, **options: object) -> str:
        """
        Open the draft of a workflow, and return its name.

        A name that exists is left as it is: a program may build its workflow each time
        it starts.

        Args:
            name: The workflow's name.
            options: Defaults of its steps' options, and `deadline`; as of `Workflow`.

        Raises:
            DefinitionError: If the name or an option is not possible.
        """
        issue = name_issue(name, "workflow", "/name")
        read, issues = WorkflowOptions.read(options)
        raise_issues(name, [issue, *issues] if issue else issues)
        await self._engine.session.store.create_flow(name, read.to_json())
        return name

    async def add_step(
        self,
        name: str,
        step: str,
        depends_on: str | Iterable[str] = (),
        **options: object,
    ) -> str:
        """
        Add a step, one task per run, and return its name.

        The same step again changes nothing: its first options stay.

        Args:
            name: The workflow's name.
            step: The step's name.
            depends_on: Names of steps that were added before, whose outputs it needs.
            options: As of `Workflow.step`.

        Raises:
            WorkflowNotFound: There is no such workflow.
            DefinitionError: The step is not possible, or there is one of this name
                with other dependencies; nothing has changed.
        """
        return await self._add(name, describe_step(step, depends_on, options))

    async def add_map_step(
        self,
        name: str,
        step: str,
        depends_on: str | Iterable[str] = (),
        initial_tasks: int | None = None,
        *,
        over: str | None = None,
        **options: object,
    ) -> str:
        """
        Add a map step, one task per element of an array, and return its name.

        Args:
            name: The workflow's name.
            step: The step's name.
            depends_on: Names of steps that were added before, whose outputs it needs.
            initial_tasks: The number of its tasks.
            over: The step whose output it maps over, by default its only
                dependency; without dependencies it maps over the run's input.
            options: As of `Workflow.map`.

        Raises:
            WorkflowNotFound: As of `add_step`.
            DefinitionError: As of `add_step`.
        """
        described = describe_step(
            step, depends_on, options, over=over, initial_tasks=initial_tasks
        )
        return await self._add(name, {**described, "kind": StepKind.MAP.value})

    async def save(self, flow: Flow) -> str:
        """
        Store a flow as a whole, instead of the draft that there may be.

        Args:
            flow: The flow; `flow.validate()` tells what is wrong with it.

        Returns:
            The workflow's name.

        Raises:
            DefinitionError: With everything that is wrong; nothing was stored.
        """
        if not isinstance(flow, Flow):
            raise InvalidSetting(
                f"flow must be a Flow, got {type(flow).__name__}",
                hint="Flow.from_dict and Flow.from_json make one.",
            )
        definition = flow.definition
        await self._engine.session.store.save_flow(definition.to_json())
        return definition.name

    async def bind(
        self, name: str, step_functions: Mapping[str, StepFunction]
    ) -> Workflow:
        """
        Return the workflow with functions for its steps, to execute or to serve it.

        Its draft, if there is one, becomes a version. What is returned is a workflow
        like those that are written with decorators: `execute` and `Worker` take it.

        Args:
            name: The workflow's name.
            step_functions: A function for each step, by the step's name.

        Raises:
            WorkflowNotFound: There is no such workflow.
            DefinitionError: A function is missing, or of no step, or has parameters
                that cannot be bound; the draft is as it was.
        """
        return await self._engine.session.binder.bind(name, step_functions)

    async def get_workflow(self, name: str) -> WorkflowInfo:
        """
        Return a workflow: its draft, or else its latest version.

        Raises:
            WorkflowNotFound: There is no such workflow.
        """
        stored = read_text("name", name)
        data = await self._engine.session.store.read_flow(str(stored))
        return to_workflow_info(data)

    async def list_workflows(self) -> list[WorkflowInfo]:
        """Return all workflows by name, those that were written in code too."""
        found: list[WorkflowInfo] = []
        after: str | None = None
        while True:
            rows = await self._engine.session.store.list_flows(after, _WORKFLOWS_A_PAGE)
            found += map(to_workflow_info, rows)
            if len(rows) < _WORKFLOWS_A_PAGE:
                return found
            after = rows[-1]["name"]

    async def delete_workflow(self, name: str) -> None:
        """
        Delete a workflow with all its versions, its draft and its runs.

        No run of it can be started any more when the call begins its work, which goes
        on in small transactions. If it breaks off, call it again.

        Raises:
            WorkflowNotFound: There is no such workflow.
            WorkflowInUse: Runs of it, or of which it is a child, have not ended;
                nothing was deleted.
        """
        session = self._engine.session
        stored = str(read_text("name", name))
        after: str | None = None
        is_done = False
        while not is_done:
            reply = await session.store.delete_workflow(stored, after, _ROWS_A_BATCH)
            if after is None:
                session.binder.forget(stored)
                session.registry.forget(stored)
            after, is_done = reply["after"], reply["is_done"]

    async def _add(self, name: str, described: dict[str, Any]) -> str:
        step = read_step(name, described)
        await self._engine.session.store.add_flow_step(name, step.to_json())
        return step.name

    def __repr__(self) -> str:
        return f"<FlowBuilder of {self._engine!r}>"


class SyncFlowBuilder:
    """
    Make workflows whose steps are data, from blocking code; see `FlowBuilder`.

    .. versionadded:: 0.1
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._builder = FlowBuilder(engine._engine)

    def create_flow(self, name: str, **options: object) -> str:
        """Open the draft of a workflow; see `FlowBuilder.create_flow`."""
        return self._engine._call(self._builder.create_flow(name, **options))

    def add_step(
        self,
        name: str,
        step: str,
        depends_on: str | Iterable[str] = (),
        **options: object,
    ) -> str:
        """Add a step; see `FlowBuilder.add_step`."""
        return self._engine._call(
            self._builder.add_step(name, step, depends_on, **options)
        )

    def add_map_step(
        self,
        name: str,
        step: str,
        depends_on: str | Iterable[str] = (),
        initial_tasks: int | None = None,
        *,
        over: str | None = None,
        **options: object,
    ) -> str:
        """Add a map step; see `FlowBuilder.add_map_step`."""
        return self._engine._call(
            self._builder.add_map_step(
                name, step, depends_on, initial_tasks, over=over, **options
            )
        )

    def save(self, flow: Flow) -> str:
        """Store a flow as a whole; see `FlowBuilder.save`."""
        return self._engine._call(self._builder.save(flow))

    def bind(self, name: str, step_functions: Mapping[str, StepFunction]) -> Workflow:
        """Return the workflow with functions; see `FlowBuilder.bind`."""
        return self._engine._call(self._builder.bind(name, step_functions))

    def get_workflow(self, name: str) -> WorkflowInfo:
        """Return a workflow; see `FlowBuilder.get_workflow`."""
        return self._engine._call(self._builder.get_workflow(name))

    def list_workflows(self) -> list[WorkflowInfo]:
        """Return all workflows by name; see `FlowBuilder.list_workflows`."""
        return self._engine._call(self._builder.list_workflows())

    def delete_workflow(self, name: str) -> None:
        """Delete a workflow; see `FlowBuilder.delete_workflow`."""
        self._engine._call(self._builder.delete_workflow(name))

    def __repr__(self) -> str:
        return f"<SyncFlowBuilder of {self._engine!r}>"
