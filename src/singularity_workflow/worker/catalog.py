"""
The versions of workflows that this worker can run.

An old version runs with the newest code that still knows its steps. A step that nobody
here has code for keeps its place, so that its task can be said to be unserved.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any, Protocol

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.children import default_input
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.compiler import compile_definition
from singularity_workflow.model.definition import Definition
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
            # what starts a child needs no code of the application
            step.name: default_input(step.kind) if step.workflow else unserved
            for step in definition.steps
        }
        if newest is not None:
            for step in newest.steps:
                if step.name in functions:
                    functions[step.name] = step.original
        while True:
            try:
                return compile_definition(
                    definition, functions, resources=self._resources
                )
            except DefinitionError as error:
                self._leave_out(definition, functions, error)

    def _leave_out(
        self,
        definition: Definition,
        functions: dict[str, StepFunction],
        error: DefinitionError,
    ) -> None:
        """Give up the steps whose newest code does not fit the old version."""
        logger.warning(
            "the code here does not fit an older version of workflow %r: %s",
            definition.name,
            error.message,
        )
        misfits = {issue.pointer.split("/")[2] for issue in error.issues}
        for number, step in enumerate(definition.steps):
            if str(number) in misfits or not misfits:
                functions[step.name] = unserved
