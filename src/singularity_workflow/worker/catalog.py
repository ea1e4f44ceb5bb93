"""
The versions of workflows that this worker can run.
"""

from __future__ import annotations

from singularity_workflow.model.compiled import CompiledWorkflow

__all__ = ["Catalog"]


class Catalog:
    """Compiled workflows by the number that the database gave their version."""

    def __init__(self) -> None:
        self._versions: dict[int, CompiledWorkflow] = {}

    def add(self, workflow_id: int, workflow: CompiledWorkflow) -> None:
        """Make a version runnable; a second time replaces its functions."""
        self._versions[workflow_id] = workflow

    def get(self, workflow_id: int) -> CompiledWorkflow | None:
        """Return a version, None if this worker does not have it."""
        return self._versions.get(workflow_id)

    def ids(self) -> list[int]:
        """Return the numbers of all versions."""
        return list(self._versions)
