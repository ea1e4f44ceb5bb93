"""
The versions of workflows that this worker can run.

An old version runs with the newest code that still knows its steps. A step that nobody
here has code for keeps its place, so that its task can be said to be unserved.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Protocol

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.compiler import compile_definition
from singularity_workflow.model.conditions import Condition, Predicate
from singularity_workflow.model.definition import Definition, StepDefinition
from singularity_workflow.model.parsing import definition_from_json
from singularity_workflow.model.signature import StepFunction

__all__ = ["Catalog", "CatalogStore", "unserved"]

logger = logging.getLogger(__name__)


class CatalogStore(Protocol):
    """The one call that this module makes."""

    async def read_workflow(self, workflow_id: int) -> dict[str, Any]: ...


def unserved() -> None:
    """Stand where a step's code should be; never called."""
    raise AssertionError("a step without code was run")


class Catalog:
    """
    Compiled workflows by the number that the database gave their version.

    Args:
        store: Where the definitions of unknown versions are read.
        resources: Names of the resources that steps may take.
    """

    def __init__(self, store: CatalogStore, resources: Collection[str] = ()) -> None:
        self._store = store
        self._resources = frozenset(resources)
        self._versions: dict[int, CompiledWorkflow] = {}
        self._newest: dict[str, CompiledWorkflow] = {}
        self._newest_ids: dict[str, int] = {}
        # versions that were pieced together from newer code, by what they came from
        self._pieced: dict[int, CompiledWorkflow] = {}

    def add(self, workflow_id: int, workflow: CompiledWorkflow) -> None:
        """Make a version runnable; a second time replaces its functions."""
        self._versions[workflow_id] = workflow
        self._newest[workflow.name] = workflow
        self._newest_ids[workflow.name] = workflow_id
        self._pieced.clear()

    def get(self, workflow_id: int) -> CompiledWorkflow | None:
        """Return a version, None if `find` has to look for it."""
        return self._versions.get(workflow_id) or self._pieced.get(workflow_id)

    def newest(self, name: str) -> tuple[int, CompiledWorkflow] | None:
        """Return the version of a workflow that was added last, with its number."""
        found = self._newest.get(name)
        return None if found is None else (self._newest_ids[name], found)

    def ids(self) -> list[int]:
        """Return the numbers of the versions that were added."""
        return list(self._versions)

    def names(self) -> list[str]:
        """Return the names of the workflows."""
        return list(self._newest)

    def queues(self) -> list[str]:
        """Return the queues that the workflows' steps use."""
        return sorted({queue for one in self._newest.values() for queue in one.queues})

    async def find(self, workflow_id: int) -> CompiledWorkflow:
        """
        Return a version; what nobody here has code for is `unserved` in it.

        Raises:
            ConnectionFailed: The server cannot be reached.
            WorkflowNotFound: There is no such version.
        """
        found = self.get(workflow_id)
        if found is None:
            data = await self._store.read_workflow(workflow_id)
            found = self._piece_together(definition_from_json(data))
            self._pieced[workflow_id] = found
        return found

    def _piece_together(self, definition: Definition) -> CompiledWorkflow:
        newest = self._newest.get(definition.name)
        functions: dict[str, StepFunction] = {
            step.name: unserved for step in definition.steps
        }
        if newest is not None:
            for step in newest.steps:
                if step.name in functions:
                    functions[step.name] = step.original
        definition, misfits = _with_predicates(definition, newest)
        while True:
            for name in misfits:
                functions[name] = unserved
            # a predicate whose step has no code is never asked
            definition = _without_predicates(definition, misfits)
            try:
                return compile_definition(
                    definition, functions, resources=self._resources
                )
            except DefinitionError as error:
                misfits = _misfits(definition, error)


def _misfits(definition: Definition, error: DefinitionError) -> set[str]:
    """Return the steps whose newest code does not fit the old version."""
    logger.warning(
        "the code here does not fit an older version of workflow %r: %s",
        definition.name,
        error.message,
    )
    numbers = {issue.pointer.split("/")[2] for issue in error.issues}
    return {
        step.name
        for number, step in enumerate(definition.steps)
        if str(number) in numbers or not numbers
    }


def _with_predicates(
    definition: Definition, newest: CompiledWorkflow | None
) -> tuple[Definition, set[str]]:
    """Return it with the predicates that are here; and the steps that lack theirs."""
    known = {
        condition.name: condition
        for step in (() if newest is None else newest.definition.steps)
        for condition in (step.options.when, step.options.when_not)
        if isinstance(condition, Predicate)
    }
    missing: set[str] = set()

    def find(step: StepDefinition, condition: Condition | None) -> Condition | None:
        if not isinstance(condition, Predicate):
            return condition
        if condition.name not in known:
            missing.add(step.name)
        return known.get(condition.name)

    steps = [
        replace(
            step,
            options=replace(
                step.options,
                when=find(step, step.options.when),
                when_not=find(step, step.options.when_not),
            ),
        )
        for step in definition.steps
    ]
    return replace(definition, steps=tuple(steps)), missing


def _without_predicates(definition: Definition, names: Collection[str]) -> Definition:
    def strip(condition: Condition | None) -> Condition | None:
        return None if isinstance(condition, Predicate) else condition

    steps = [
        replace(
            step,
            options=replace(
                step.options,
                when=strip(step.options.when),
                when_not=strip(step.options.when_not),
            ),
        )
        if step.name in names
        else step
        for step in definition.steps
    ]
    return replace(definition, steps=tuple(steps))
