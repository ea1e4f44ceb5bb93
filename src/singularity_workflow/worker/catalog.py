"""
The versions of workflows that this worker can run.

An old version runs with the newest code that still knows its steps. A step that nobody
here has code for keeps its place, so that its task can be said to be unserved.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.compiler import compile_definition
from singularity_workflow.model.conditions import Condition, Predicate
from singularity_workflow.model.definition import Definition, StepDefinition
from singularity_workflow.model.parsing import definition_from_json
from singularity_workflow.model.signature import StepFunction

__all__ = ["Catalog", "CatalogStore", "unserved"]

logger = logging.getLogger(__name__)

_MOST_PIECED: Final = 1_000
"""Versions that were read from the database; one that was dropped is read again."""


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
        # those that are here for as long as somebody else holds them
        self._lent: WeakValueDictionary[int, CompiledWorkflow] = WeakValueDictionary()
        self._newest_lent: WeakValueDictionary[str, CompiledWorkflow] = (
            WeakValueDictionary()
        )
        # versions that were pieced together from newer code; the latest that were used
        self._pieced: OrderedDict[int, CompiledWorkflow] = OrderedDict()

    def add(self, workflow_id: int, workflow: CompiledWorkflow) -> None:
        """Make a version runnable; a second time replaces its functions."""
        self._versions[workflow_id] = workflow
        self._newest[workflow.name] = workflow
        self._newest_ids[workflow.name] = workflow_id
        self._pieced.clear()

    def lend(self, workflow_id: int, workflow: CompiledWorkflow) -> None:
        """
        Make a version runnable for as long as somebody holds *workflow*.

        So that a process that meets ever new workflows, each for a few runs, does not
        keep them all. A run that goes on here holds its workflow.
        """
        self._lent[workflow_id] = workflow
        self._newest_lent[workflow.name] = workflow
        self._drop_pieced(workflow.name)

    def forget(self, name: str) -> None:
        """Give up a workflow that was deleted."""
        self._newest.pop(name, None)
        self._newest_ids.pop(name, None)
        self._newest_lent.pop(name, None)
        for versions in (self._versions, self._lent):
            for workflow_id, workflow in list(versions.items()):
                if workflow.name == name:
                    versions.pop(workflow_id, None)
        self._drop_pieced(name)

    def get(self, workflow_id: int) -> CompiledWorkflow | None:
        """Return a version, None if `find` has to look for it."""
        return (
            self._versions.get(workflow_id)
            or self._lent.get(workflow_id)
            or self._pieced.get(workflow_id)
        )

    def newest(self, name: str) -> tuple[int, CompiledWorkflow] | None:
        """Return the version of a workflow that was added last, with its number."""
        if lent := self._newest_lent.get(name):
            for workflow_id, workflow in self._lent.items():
                if workflow is lent:
                    return workflow_id, lent
        found = self._newest.get(name)
        return None if found is None else (self._newest_ids[name], found)

    def ids(self) -> list[int]:
        """Return the numbers of the versions that can be run."""
        return [*self._versions, *self._lent]

    def names(self) -> list[str]:
        """Return the names of the workflows."""
        return list({**self._newest, **self._newest_lent})

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
            if len(self._pieced) > _MOST_PIECED:
                self._pieced.popitem(last=False)
        return found

    def _drop_pieced(self, name: str) -> None:
        for workflow_id, workflow in list(self._pieced.items()):
            if workflow.name == name:
                del self._pieced[workflow_id]

    def _piece_together(self, definition: Definition) -> CompiledWorkflow:
        name = definition.name
        newest = self._newest_lent.get(name) or self._newest.get(name)
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
