"""
Bind the parameters of a step function, by name.

The order of the rules, first match first:

1. `ctx`, or a parameter annotated as `Context`: the context
2. `run_input`: the run's input
3. `item` and `index` in map steps: the element and its position
4. the name of a dependency: its output
5. the name of a resource: the resource
6. `input`: the merged view
7. has a default: keeps it
8. the only one that is left: the merged view; two or more are an error

An annotated parameter gets its value as that type. A parameter that is named like a
dependency that was skipped keeps its default, and is None without one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from singularity_workflow.errors import DefinitionError, InvalidInput
from singularity_workflow.model.adapters import Adapters, check, describe_failure
from singularity_workflow.model.context import Context
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.inputs import StepInputs
from singularity_workflow.model.issues import Issue, raise_issues
from singularity_workflow.model.names import did_you_mean
from singularity_workflow.model.roles import Role, assign_roles
from singularity_workflow.model.signature import (
    Parameter,
    Signature,
    StepFunction,
    is_checked,
    read_signature,
)

__all__ = ["Binding", "compile_binding"]

_Source: TypeAlias = Callable[[StepInputs, Context, Mapping[str, object]], object]

_ABSENT: Final = object()
_NOT_CHECKED: Final = (Role.CONTEXT, Role.INDEX, Role.RESOURCE)


class Binding:
    """
    How one function gets its arguments.

    Args:
        sources: For each parameter that is passed: its name and where from.
        needs_resources: Names of the resources it takes.
        reads: Names of the dependencies whose outputs it can see.
        reads_run_input: Whether it can see the run's input.
        takes_context: Whether it gets its task's context.
    """

    __slots__ = (
        "_sources",
        "needs_resources",
        "reads",
        "reads_run_input",
        "takes_context",
    )

    def __init__(
        self,
        sources: Collection[tuple[str, _Source]],
        *,
        needs_resources: frozenset[str],
        reads: frozenset[str],
        reads_run_input: bool,
        takes_context: bool = False,
    ) -> None:
        self._sources = tuple(sources)
        self.needs_resources = needs_resources
        self.reads = reads
        self.reads_run_input = reads_run_input
        self.takes_context = takes_context

    def arguments(
        self, inputs: StepInputs, context: Context, resources: Mapping[str, object]
    ) -> dict[str, object]:
        """
        Return the keyword arguments of one call.

        Args:
            inputs: What the task works on.
            context: The task's context.
            resources: At least `needs_resources`.

        Raises:
            InvalidInput: If a value does not fit its parameter's annotation.
        """
        arguments: dict[str, object] = {}
        for name, source in self._sources:
            value = source(inputs, context, resources)
            if value is not _ABSENT:
                arguments[name] = value
        return arguments


def compile_binding(
    function: StepFunction,
    *,
    step: str,
    kind: StepKind,
    depends_on: Collection[str],
    all_step_names: Collection[str] = (),
    resources: Collection[str] = (),
    signature: Signature | None = None,
    adapters: Adapters | None = None,
    pointer: str = "",
) -> Binding:
    """
    Return how *function* is to be called as a step, or as its predicate.

    Args:
        function: The step's function.
        step: Name of the step.
        kind: Whether it is a map.
        depends_on: Names of its dependencies.
        all_step_names: Names of all steps of the workflow.
        resources: Names of the resources that will be there.
        signature: What `read_signature` returned for *function*, if at hand.
        adapters: Where built type adapters are kept.
        pointer: Where the step stands in the definition.

    Raises:
        DefinitionError: If a parameter cannot be bound.
    """
    signature = signature or read_signature(function)
    roles = assign_roles(
        signature, step=step, kind=kind, depends_on=depends_on, resources=resources
    )
    issues = _find_issues(roles, step, all_step_names, resources, pointer)
    compiler = _Compiler(
        step=step,
        is_root=not depends_on,
        adapters=adapters or Adapters(),
    )
    sources: list[tuple[str, _Source]] = []
    for parameter, role in roles if not issues else ():
        try:
            if role is not Role.DEFAULT:
                sources.append((parameter.name, compiler.compile(parameter, role)))
        except DefinitionError as error:
            issues.append(_issue("bad_annotation", pointer, error.message, error.hint))
    raise_issues(step, issues, "step")

    taken = {role for _, role in roles}
    merges = Role.MERGED in taken
    names = frozenset(one.name for one, role in roles if role is Role.OUTPUT)
    return Binding(
        sources,
        needs_resources=frozenset(p.name for p, r in roles if r is Role.RESOURCE),
        reads=frozenset(depends_on) if merges else names,
        reads_run_input=merges or Role.RUN_INPUT in taken,
        takes_context=Role.CONTEXT in taken,
    )


def _find_issues(
    roles: list[tuple[Parameter, Role]],
    step: str,
    all_step_names: Collection[str],
    resources: Collection[str],
    pointer: str,
) -> list[Issue]:
    issues = [
        _issue(
            "not_a_dependency",
            pointer,
            f"parameter {one.name!r} of step {step!r} is named like a step that "
            f"{step!r} does not depend on",
            f"Add {one.name!r} to depends_on, or call the parameter otherwise.",
        )
        for one, role in roles
        if role in (Role.MERGED, Role.DEFAULT, Role.RESOURCE)
        and one.name != step
        and one.name in all_step_names
    ]
    left = [p.name for p, r in roles if r is Role.MERGED and p.name != "input"]
    if len(left) > 1 and not issues:
        names = ", ".join(map(repr, left))
        near = (did_you_mean(one, [*all_step_names, *resources]) for one in left)
        hint = next((one for one in near if one), None)
        message = f"step {step!r} has the parameters {names}, which name nothing known"
        if hint is None:
            hint = (
                "Name them after dependencies or resources, give them defaults, or "
                "take the merged view as 'input'."
            )
        issues.append(_issue("unbound_parameters", pointer, message, hint))
    return issues


def _issue(code: str, pointer: str, message: str, hint: str | None) -> Issue:
    return Issue(code=code, pointer=pointer, message=message, hint=hint)


class _Compiler:
    """Make the sources of one step's parameters."""

    def __init__(self, *, step: str, is_root: bool, adapters: Adapters) -> None:
        self._step = step
        self._is_root = is_root
        self._adapters = adapters

    def compile(self, parameter: Parameter, role: Role) -> _Source:
        source = self._source(parameter, role)
        if role in _NOT_CHECKED or not is_checked(parameter.annotation):
            return source
        checked = self._checked(parameter, source)
        if role is Role.OUTPUT:
            return _unless_absent(parameter.name, source, checked)
        return checked

    def _source(self, parameter: Parameter, role: Role) -> _Source:
        name = parameter.name
        if role is Role.OUTPUT:
            missing = _ABSENT if parameter.has_default else None
            return lambda inputs, ctx, res: inputs.outputs.get(name, missing)
        if role is Role.RESOURCE:
            return lambda inputs, ctx, res: res[name]
        if role is Role.MERGED:
            is_root = self._is_root
            return lambda inputs, ctx, res: inputs.merged(is_root=is_root)
        return _FIXED[role]

    def _checked(self, parameter: Parameter, source: _Source) -> _Source:
        what = f"parameter {parameter.name!r} of step {self._step!r}"
        adapter = self._adapters.get(parameter.annotation, what)
        plain = _plain_type(parameter.annotation)

        def checked(
            inputs: StepInputs, context: Context, resources: Mapping[str, object]
        ) -> object:
            value = source(inputs, context, resources)
            if type(value) is plain:
                return value
            try:
                return check(adapter, value)
            except ValidationError as error:
                raise InvalidInput(
                    f"{what} does not fit {describe_failure(error)}"
                ) from error

        return checked


_FIXED: Final[dict[Role, _Source]] = {
    Role.CONTEXT: lambda inputs, context, resources: context,
    Role.RUN_INPUT: lambda inputs, context, resources: inputs.run_input,
    Role.ITEM: lambda inputs, context, resources: inputs.item,
    Role.INDEX: lambda inputs, context, resources: inputs.index,
}


def _unless_absent(name: str, source: _Source, checked: _Source) -> _Source:
    """Return *checked*, but *source* when the dependency *name* was skipped."""

    def bind(
        inputs: StepInputs, context: Context, resources: Mapping[str, object]
    ) -> object:
        if name in inputs.outputs:
            return checked(inputs, context, resources)
        return source(inputs, context, resources)

    return bind


def _plain_type(annotation: Any) -> object:
    """Return the built-in that *annotation* names, if its type alone decides."""
    return annotation if annotation in (dict, list, str, int, float, bool) else None
