"""
The workflows that plans become: registered once, and made again by whoever meets them.

The workflow of a plan carries the plan itself, in its input schema: any worker that has
the goal's workflow can make the functions of the plan's steps of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.compiled import MADE_BY, CompiledWorkflow
from singularity_workflow.model.definition import Definition
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.orchestrator.graphs.catalog import Catalog
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.planning.compilation import Goals, to_workflow
from singularity_workflow.orchestrator.planning.task_functions import GoalCalls
from singularity_workflow.orchestrator.running.goal_store import GoalStore
from singularity_workflow.telemetry.fields import log_fields

__all__ = ["MOST_PLANS", "KnownWorkflow", "PlanWorkflows", "descendants"]

logger = logging.getLogger(__name__)

MOST_PLANS: Final = 256
"""Of which something is kept in memory."""

Make: TypeAlias = Callable[[Definition, Collection[str]], CompiledWorkflow | None]

_PLAN: Final = "x-goal"
_MANY_TASKS: Final = 200
_CARRIED_OPTIONS: Final = ("retry_attempts", "is_flat", "running")


@dataclass(frozen=True, slots=True)
class KnownWorkflow:
    """A workflow that the database has, and its code."""

    workflow_id: int
    compiled: CompiledWorkflow


class PlanWorkflows:
    """
    The workflows of one kind of goal's plans.

    Args:
        name: Name of the goal's workflow.
        catalog: The functions that tasks may use.
        store: Where they are registered.
        calls: What starts the goals that tasks are.
        make: Makes what a worker meets and does not know; see `make`.
    """

    def __init__(
        self,
        name: str,
        catalog: Catalog,
        store: GoalStore,
        calls: GoalCalls,
        make: Make,
    ) -> None:
        self._name = name
        self._catalog = catalog
        self._store = store
        self._calls = calls
        self._make = make
        self._known: OrderedDict[str, KnownWorkflow] = OrderedDict()
        self._own: dict[str, KnownWorkflow] = {}

    def find(self, name: str) -> KnownWorkflow | None:
        """Return the workflow of a plan that was registered here not long ago."""
        return self._known.get(name)

    async def own(self, workflow: Workflow) -> KnownWorkflow:
        """Return a workflow of ours, after it was registered."""
        known = self._own.get(workflow.name)
        compiled = (
            self.compiled(workflow, self._catalog.resources)
            if known is None
            else known.compiled
        )
        self._own[workflow.name] = await self._stored(compiled)
        return self._own[workflow.name]

    async def register(
        self, tree: GoalTree, options: Mapping[str, Any], kept: Collection[str] = ()
    ) -> KnownWorkflow:
        """
        Return the workflow of a plan, after it was registered with its parts.

        Args:
            tree: The plan.
            options: The goal's.
            kept: The tasks that an earlier plan has completed.
        """
        # thousands of tasks take a second, which nobody else is to wait for
        is_large = tree.task_count > _MANY_TASKS
        call: Any = asyncio.to_thread if is_large else _at_once
        workflow: Workflow = await call(self._workflow, tree, options, kept)
        for one in [*descendants(workflow), workflow]:
            # the parts first, so that none is called before it is there
            known = self._known.get(one.name)
            if known is None:
                compiled = await call(self.compiled, one, self._catalog.resources)
            else:
                compiled = known.compiled
            compiled = _with_children(compiled, self._known)
            self._known[one.name] = await self._stored(compiled)
            self._known.move_to_end(one.name)
        while len(self._known) > MOST_PLANS:
            self._known.popitem(last=False)
        return self._known[workflow.name]

    async def _stored(self, compiled: CompiledWorkflow) -> KnownWorkflow:
        """Register a workflow, whoever did before: it may have been deleted since."""
        data = await self._store.register_workflow(compiled.definition.to_json())
        return KnownWorkflow(data["workflow_id"], compiled)

    def make(
        self, definition: Definition, resources: Collection[str]
    ) -> CompiledWorkflow | None:
        """
        Return the workflow of a plan, made of what its definition carries.

        None: there is no plan, it needs functions that are not here, or another build
        has written it in a way that this one cannot read. Its tasks wait for a worker
        that can.
        """
        try:
            workflow = self.revive(definition)
            return None if workflow is None else self.compiled(workflow, resources)
        except DefinitionError as error:
            logger.warning(
                "a plan needs what is not here, and waits for another worker: %s",
                # not its message: the goal may be one that is not to be seen
                ", ".join(f"{one.code} at {one.pointer}" for one in error.issues[:5]),
                extra=log_fields(workflow=definition.name),
            )
        except (KeyError, TypeError, ValueError) as error:
            logger.warning(
                "a plan cannot be read here, and waits for another worker: %s",
                type(error).__name__,
                extra=log_fields(workflow=definition.name),
            )
        return None

    def revive(self, definition: Definition) -> Workflow | None:
        """Return the same, not compiled; None if the definition carries no plan."""
        carried = (definition.input_schema or {}).get(_PLAN)
        if not isinstance(carried, dict):
            return None
        tree = GoalTree.model_validate(carried["tree"])
        kept = carried.get("kept", ())
        workflow = self._workflow(tree, carried["options"], kept)
        for one in [workflow, *descendants(workflow)]:
            if one.name == definition.name:
                return one
        return None

    def compiled(
        self, workflow: Workflow, resources: Collection[str]
    ) -> CompiledWorkflow:
        """Return the code of a workflow, which makes that of others it meets."""
        compiled = workflow.compile(resources)
        return replace(compiled, make=self._make)

    def _workflow(
        self, tree: GoalTree, options: Mapping[str, Any], kept: Collection[str]
    ) -> Workflow:
        carried = {key: options[key] for key in _CARRIED_OPTIONS}
        data: dict[str, Any] = {"tree": tree.to_json(), "options": carried}
        if kept:
            data["kept"] = [*kept]
        schema = {MADE_BY: self._name, _PLAN: data}
        return to_workflow(
            tree,
            self._catalog,
            name=self._name,
            is_flat=carried["is_flat"],
            schema=schema,
            goals=Goals(
                calls=self._calls,
                workflow=self._name,
                kept=kept,
                finishes=carried["running"] == "finish",
            ),
            max_attempts=carried["retry_attempts"],
        )


async def _at_once(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


def _with_children(
    compiled: CompiledWorkflow, known: Mapping[str, KnownWorkflow]
) -> CompiledWorkflow:
    """Return the same, with the code of its nested goals at hand."""
    steps = []
    for step in compiled.steps:
        found = known.get(step.definition.workflow or "")
        child = None if found is None else (found.workflow_id, found.compiled)
        steps.append(step if child is None else replace(step, child=child))
    by_name = {step.name: step for step in steps}
    return replace(compiled, steps=tuple(steps), by_name=by_name)


def descendants(workflow: Workflow) -> list[Workflow]:
    """Return the workflows of nested goals, inner ones first, each once."""
    found: dict[str, Workflow] = {}
    waiting = list(workflow.children)
    while waiting:
        one = waiting.pop()
        found.pop(one.name, None)
        found[one.name] = one
        waiting += one.children
    return list(found.values())[::-1]
