"""
Put functions to the steps of a workflow that is in the database.

Owns the workflows that were bound last, so that starting one again and again neither
reads nor compiles it anew; and lets the others go, of which there may be any number.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeAlias

from singularity_workflow.engine.registry import Registry
from singularity_workflow.errors import ConflictError, DefinitionError
from singularity_workflow.model.entries import function_key
from singularity_workflow.model.issues import raise_issues
from singularity_workflow.model.names import name_issue
from singularity_workflow.model.parsing import definition_from_json
from singularity_workflow.model.signature import StepFunction
from singularity_workflow.model.workflow import Workflow

__all__ = ["Binder", "BinderStore"]

_MOST_WORKFLOWS: Final = 256
_MOST_STEPS: Final = 50_000
"""What is kept for the next start, whichever is reached first."""

_TRIES: Final = 20

_Key: TypeAlias = tuple[int, str, frozenset[tuple[str, object]]]


class BinderStore(Protocol):
    """The calls that this module makes."""

    async def find_flow(self, name: str) -> dict[str, Any]: ...

    async def read_flow(self, name: str) -> dict[str, Any]: ...

    async def freeze_flow(
        self, name: str, input_schema: Mapping[str, object] | None
    ) -> dict[str, Any]: ...


class Binder:
    """
    Workflows by version and functions.

    Args:
        store: Where they are read, and frozen.
        registry: Where they are made known.
    """

    def __init__(self, store: BinderStore, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._bound: OrderedDict[_Key, Workflow] = OrderedDict()
        self._step_count = 0
        self._lock = asyncio.Lock()

    async def bind(self, name: str, functions: Mapping[str, StepFunction]) -> Workflow:
        """
        Return the workflow of this name with its functions; freeze its draft first.

        Args:
            name: The workflow's name.
            functions: A function for each step, by name.

        Raises:
            WorkflowNotFound: There is no workflow of this name.
            DefinitionError: With everything that is wrong; the draft is as it was.
        """
        own = _read_functions(name, functions)
        found = await self._store.find_flow(name)
        if bound := self._get(found, own):
            return bound
        async with self._lock:
            for _ in range(_TRIES):
                found = await self._store.find_flow(name)
                if bound := self._get(found, own):
                    return bound
                if bound := await self._bind_anew(name, own):
                    return bound
        raise ConflictError(
            f"workflow {name!r} was changed each time that it was to be started",
            hint="Start it when its steps are complete.",
        )

    def forget(self, name: str) -> None:
        """Give up a workflow that was deleted."""
        for key, workflow in list(self._bound.items()):
            if workflow.name == name:
                self._drop(key)

    async def _bind_anew(
        self, name: str, functions: dict[str, StepFunction]
    ) -> Workflow | None:
        """Return the workflow, None if somebody changed it meanwhile."""
        data = await self._store.read_flow(name)
        definition = definition_from_json(_as_definition(data))
        workflow = Workflow.from_definition(definition, functions)
        compiled = self._registry.compile(workflow)
        if data["draft"] is not None:
            schema = compiled.definition.input_schema
            found = await self._store.freeze_flow(name, schema)
            if found["frozen"] != data["draft"]:
                return None
        else:
            found = data
        self._registry.bind(workflow, compiled, found)
        self._keep(_key(found, functions), workflow)
        return workflow

    def _get(
        self, found: Mapping[str, Any], functions: dict[str, StepFunction]
    ) -> Workflow | None:
        if found["draft"] is not None:
            return None
        key = _key(found, functions)
        workflow = self._bound.get(key)
        if workflow is not None:
            self._bound.move_to_end(key)
        return workflow

    def _keep(self, key: _Key, workflow: Workflow) -> None:
        self._bound[key] = workflow
        self._step_count += len(workflow.functions)
        while len(self._bound) > 1 and (
            len(self._bound) > _MOST_WORKFLOWS or self._step_count > _MOST_STEPS
        ):
            self._drop(next(iter(self._bound)))

    def _drop(self, key: _Key) -> None:
        self._step_count -= len(self._bound.pop(key).functions)


def _read_functions(
    name: object, functions: Mapping[str, StepFunction]
) -> dict[str, StepFunction]:
    issue = name_issue(name, "workflow", "/name")
    raise_issues(name, [issue] if issue else [])
    if not isinstance(functions, Mapping):
        raise DefinitionError(
            "step_functions must be a mapping of step names to functions, "
            f"got {type(functions).__name__}",
            hint='Write {"step": function, ...}.',
        )
    return dict(functions)


def _key(found: Mapping[str, Any], functions: Mapping[str, StepFunction]) -> _Key:
    """Return what tells bound workflows apart; they hold the functions it names."""
    named = frozenset((step, function_key(one)) for step, one in functions.items())
    return found["workflow_id"], found["revision"], named


def _as_definition(data: Mapping[str, Any]) -> dict[str, Any]:
    members = (
        "name", "kind", "depends_on", "over", "initial_tasks", "workflow", "options",
    )  # fmt: skip
    return {
        "name": data["name"],
        "options": data["options"],
        "input_schema": data["input_schema"],
        "steps": [{key: step[key] for key in members} for step in data["steps"]],
    }
