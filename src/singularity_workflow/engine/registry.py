"""
The workflows that one engine knows, and the versions that the database made of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from singularity_workflow.errors import DefinitionError, WorkflowNotFound
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.issues import Issue, raise_issues
from singularity_workflow.model.names import did_you_mean
from singularity_workflow.model.signature import read_signature
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.worker.catalog import Catalog

__all__ = ["Registered", "Registration", "Registry", "RegistryStore"]


class RegistryStore(Protocol):
    """The one call that this module makes."""

    async def register_workflow(
        self, definition: dict[str, object], *, force: bool = False
    ) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """
    What registering a workflow did.

    Args:
        workflow: Its name.
        version: Hash of its shape.
        outcome: "compiled": this version is new; "verified": it was there already.
    """

    workflow: str
    version: str
    outcome: Literal["compiled", "verified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """
    A version of a workflow, known to this engine and to the database.

    Args:
        workflow_id: The version's number in the database.
        registration: What the caller of `register` is told.
        compiled: How it runs.
    """

    workflow_id: int
    registration: Registration
    compiled: CompiledWorkflow


@dataclass(frozen=True, slots=True)
class _Bound:
    """What a bound workflow carries of the registry that bound it."""

    registry: Registry
    registered: Registered


class Registry:
    """
    Workflows by source and by name.

    Bound workflows are not kept here: each carries what is known of it.

    Args:
        store: Where versions are registered.
        catalog: Told of each version that can be run here.
        resources: Names of the resources that steps may take.
    """

    def __init__(
        self, store: RegistryStore, catalog: Catalog, resources: Collection[str]
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._resources = frozenset(resources)
        self._workflows: dict[str, Workflow] = {}
        self._known: dict[str, Registered] = {}
        self._lock = asyncio.Lock()

    async def resolve(self, source: object) -> Registered:
        """
        Return the version that *source* stands for, registered if need be.

        Args:
            source: A workflow, what describes one, or the name of one that is known.

        Raises:
            DefinitionError: If it is none, or another object has its name.
            WorkflowNotFound: If nothing of this name is known here.
        """
        if bound := self._find_bound(source):
            return bound
        workflow = self._find(source)
        known = self._known.get(workflow.name)
        if known is not None and known.compiled.definition is workflow.definition:
            return known
        return await self.register(source)

    async def register(self, source: object, *, force: bool = False) -> Registered:
        """
        Register the workflow with the database, whether or not that was done before.

        Args:
            source: As of `resolve`.
            force: Make this version the latest and its options current, although a
                newer one was registered since.
        """
        if not force and (bound := self._find_bound(source)):
            return bound
        async with self._lock:
            workflow = self._find(source)
            known = self._known.get(workflow.name)
            definition = workflow.definition
            if known and known.compiled.definition is definition and not force:
                return known
            await self._register_relatives(workflow, force=force)
            registered = await self._add(workflow.compile(self._resources), force=force)
            self._workflows[workflow.name] = workflow
            self._known[workflow.name] = _verified(registered)
        return registered

    def compile(self, workflow: Workflow) -> CompiledWorkflow:
        """
        Return *workflow* ready to run here.

        Raises:
            DefinitionError: With everything that is wrong.
        """
        return workflow.compile(self._resources)

    def bind(
        self, workflow: Workflow, compiled: CompiledWorkflow, found: Mapping[str, Any]
    ) -> None:
        """
        Make *workflow* runnable here for as long as it, or a run of it, lives.

        Args:
            workflow: A workflow that a version was read for.
            compiled: The same, ready to run.
            found: What the database knows of the version.
        """
        workflow_id = found["workflow_id"]
        registration = Registration(
            workflow=workflow.name, version=found["version"], outcome="verified"
        )
        workflow.bound = _Bound(
            self,
            Registered(
                workflow_id=workflow_id, registration=registration, compiled=compiled
            ),
        )
        self._catalog.lend(workflow_id, compiled)

    def forget(self, name: str) -> None:
        """Give up a workflow that was deleted; using it again registers it anew."""
        self._known.pop(name, None)
        self._catalog.forget(name)

    async def _register_relatives(self, workflow: Workflow, *, force: bool) -> None:
        """
        Register the workflows that runs of this one lead to.

        Who runs a workflow runs its children and its compensation too, whatever the
        depth; one may be its own descendant.
        """
        found = {workflow.name: workflow}
        waiting = [workflow]
        while waiting:
            parent = waiting.pop()
            compensation = parent.compile_compensation(self._resources)
            if compensation is not None:
                await self._add(compensation, force=force)
            for child in parent.children:
                if child.name not in found:
                    found[child.name] = self._checked(child)
                    waiting.append(child)
                elif found[child.name] is not child:
                    raise _twins(found[child.name], child)
        for child in found.values():
            if child is not workflow:
                compiled = child.compile(self._resources)
                self._workflows[child.name] = child
                registered = await self._add(compiled, force=force)
                self._known[child.name] = _verified(registered)

    async def _add(self, compiled: CompiledWorkflow, *, force: bool) -> Registered:
        try:
            data = await self._store.register_workflow(
                compiled.definition.to_json(), force=force
            )
        except DefinitionError as error:
            issues = [_located(issue, compiled) for issue in error.issues]
            raise_issues(compiled.name, issues)
            raise
        self._catalog.add(data["workflow_id"], compiled)
        return Registered(
            workflow_id=data["workflow_id"],
            registration=Registration(
                workflow=compiled.name,
                version=data["version"],
                outcome=data["outcome"],
            ),
            compiled=compiled,
        )

    def is_known(self, name: str) -> bool:
        """Tell whether a workflow of this name is known here."""
        return name in self._workflows

    def _find_bound(self, source: object) -> Registered | None:
        """Return what is known of a workflow that was bound here, and is as it was."""
        if not isinstance(source, Workflow) or not isinstance(source.bound, _Bound):
            return None
        registered = source.bound.registered
        is_current = (
            source.bound.registry is self
            and registered.compiled.definition is source.definition
            and self._catalog.get(registered.workflow_id) is not None
        )
        return registered if is_current else None

    def _find(self, source: object) -> Workflow:
        if isinstance(source, str):
            return self._find_by_name(source)
        if isinstance(source, Workflow):
            return self._checked(source)
        for workflow in self._workflows.values():
            if workflow.source is source:
                return workflow
        return self._checked(Workflow.from_object(source))

    def _checked(self, workflow: Workflow) -> Workflow:
        known = self._workflows.get(workflow.name, workflow)
        if known is not workflow:
            raise _twins(known, workflow)
        return workflow

    def _find_by_name(self, name: str) -> Workflow:
        try:
            return self._workflows[name]
        except KeyError:
            raise WorkflowNotFound(
                f"no workflow {name!r} is known to this engine",
                hint=did_you_mean(name, self._workflows)
                or "Register it first: engine.register(workflow).",
            ) from None


def _verified(registered: Registered) -> Registered:
    """Return what is said of a version that is asked for once more."""
    again = replace(registered.registration, outcome="verified")
    return replace(registered, registration=again)


def _located(issue: Issue, compiled: CompiledWorkflow) -> Issue:
    """Return what the server has found wrong, with the step that it is about."""
    parts = issue.pointer.split("/")
    if len(parts) < 3 or parts[1] != "steps" or not parts[2].isdigit():
        return issue
    step = compiled.steps[int(parts[2])]
    return replace(
        issue,
        message=f"step {step.name!r}: {issue.message}",
        location=read_signature(step.original).location,
    )


def _twins(one: Workflow, other: Workflow) -> DefinitionError:
    return DefinitionError(
        f"two different workflows are called {one.name!r}: "
        f"{one.source!r} and {other.source!r}",
        hint="Give one of them another name, or use one object for both.",
    )
