"""
The functions that tasks may use, and what a decomposer is told of them.

A plan can only name what is in its catalog, and can only set parameters that take JSON
values: neither resources nor the context.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError
from pydantic.errors import PydanticUserError

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.adapters import (
    Adapter,
    Adapters,
    check,
    describe_failure,
)
from singularity_workflow.model.issues import Issue, json_pointer, raise_issues
from singularity_workflow.model.names import did_you_mean
from singularity_workflow.model.output import OutputCodec
from singularity_workflow.model.roles import is_context
from singularity_workflow.model.signature import (
    Parameter,
    Signature,
    StepFunction,
    is_checked,
    read_signature,
)
from singularity_workflow.orchestrator.graphs.goals import goal_hash

__all__ = ["Catalog", "CatalogView", "Handler"]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class Handler:
    """
    One function of a catalog.

    Args:
        name: What plans call it.
        function: The function.
        signature: What it takes and returns.
        takes_others: Whether it has `**kwargs`.
        settable: The parameters that a plan may give, by name.
        closed: Names that are not for `**kwargs`: what the application has bound
            already, as with `partial`.
        resources: The parameters that a worker gives, by name.
        adapters: Where built type adapters are kept.
    """

    name: str
    function: StepFunction
    signature: Signature
    takes_others: bool
    settable: Mapping[str, Parameter]
    closed: frozenset[str]
    resources: Mapping[str, Parameter]
    adapters: Adapters = field(repr=False)

    @functools.cached_property
    def required(self) -> tuple[str, ...]:
        """The settable parameters without a default, but `input`."""
        return tuple(
            name
            for name, one in self.settable.items()
            if not one.has_default and name != "input"
        )

    @functools.cached_property
    def takes(self) -> frozenset[str]:
        """Names of all its parameters."""
        return frozenset(one.name for one in self.signature.parameters)

    def adapter(self, name: str) -> Adapter | None:
        """Return what checks an argument, None if anything goes."""
        parameter = self.settable.get(name)
        if parameter is None or not is_checked(parameter.annotation):
            return None
        what = f"parameter {name!r} of {self.name!r}"
        return self.adapters.get(parameter.annotation, what)

    def argument_problem(self, name: str, value: object) -> str | None:
        """Return what is wrong with a value for a parameter, or None."""
        adapter = self.adapter(name)
        if adapter is None:
            return None
        try:
            check(adapter, value)
        except ValidationError as error:
            return describe_failure(error)
        return None

    @functools.cached_property
    def output_schema(self) -> Mapping[str, Any] | None:
        """JSON Schema of what it returns, None if it does not say."""
        codec = OutputCodec(self.name, self.signature.returns, self.adapters)
        if not is_checked(codec.annotation):
            return None
        adapter = self.adapters.get(codec.annotation, f"the output of {self.name!r}")
        try:
            schema: Mapping[str, Any] = adapter.json_schema(mode="serialization")
        except PydanticUserError:
            return None  # it can be dumped, and nobody can say as what
        return schema

    @functools.cached_property
    def description(self) -> str:
        """The first paragraph of its docstring."""
        text = inspect.getdoc(self.function) or ""
        return " ".join(text.split("\n\n")[0].split())

    @functools.cached_property
    def parameters_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments that a plan may give."""
        properties: dict[str, Any] = {}
        for name in self.settable:
            adapter = self.adapter(name)
            properties[name] = {} if adapter is None else adapter.json_schema()
        return {
            "type": "object",
            "properties": properties,
            "additionalProperties": self.takes_others,
        }


class Catalog(Mapping[str, Handler]):
    """
    The functions that tasks may use, by name.

    Args:
        functions: A function for each name; `**kwargs` take what has no parameter.
        resources: Names of the resources that the workers have: parameters called so
            are not for plans to set.

    Raises:
        DefinitionError: With everything that is wrong.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        functions: Mapping[str, StepFunction],
        *,
        resources: Collection[str] = (),
    ) -> None:
        if not isinstance(functions, Mapping):
            raise DefinitionError(
                "a catalog is made of a mapping of names to functions, got "
                f"{type(functions).__name__}",
                hint='Write {"name": function, ...}.',
            )
        self.resources = frozenset(resources)
        self._handlers: dict[str, Handler] = {}
        issues: list[Issue] = []
        adapters = Adapters()
        for name, function in functions.items():
            try:
                handler = _read_handler(name, function, self.resources, adapters)
                self._handlers[name] = handler
            except DefinitionError as error:
                pointer = json_pointer(str(name))
                issues.append(
                    Issue(
                        code="bad_function",
                        pointer=pointer,
                        message=error.message,
                        hint=error.hint,
                    )
                )
        raise_issues("step_functions", issues, "argument")

    @classmethod
    def of(
        cls, functions: Catalog | Mapping[str, StepFunction], resources: Iterable[str]
    ) -> Catalog:
        """Return *functions* as a catalog that knows *resources*."""
        if isinstance(functions, Catalog):
            if functions.resources >= set(resources):
                return functions
            resources = functions.resources | set(resources)
            functions = functions.functions
        return cls(functions, resources=tuple(resources))

    @property
    def functions(self) -> dict[str, StepFunction]:
        """The functions by name."""
        return {name: one.function for name, one in self._handlers.items()}

    @functools.cached_property
    def reserved(self) -> frozenset[str]:
        """Names of what workers give to functions, which no task may have."""
        return frozenset(
            one.name
            for handler in self._handlers.values()
            for one in handler.signature.parameters
            if one.name not in handler.settable and not _is_special(one)
        )

    def only(self, names: Iterable[str]) -> Catalog:
        """
        Return a catalog with just these functions, for a goal that may use no others.

        Args:
            names: Names of functions of this catalog.

        Raises:
            DefinitionError: If one of them is not in it.
        """
        kept: dict[str, StepFunction] = {}
        for name in names:
            if name not in self._handlers:
                raise DefinitionError(
                    f"the catalog has no function {name!r}",
                    hint=did_you_mean(str(name), list(self._handlers)),
                )
            kept[name] = self._handlers[name].function
        return Catalog(kept, resources=self.resources)

    @functools.cached_property
    def view(self) -> CatalogView:
        """What a decomposer is told: names and schemas, no functions."""
        return CatalogView(
            entries=tuple(
                {
                    "name": one.name,
                    "description": one.description,
                    "parameters": one.parameters_schema,
                }
                for one in self._handlers.values()
            )
        )

    def __getitem__(self, name: str) -> Handler:
        return self._handlers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._handlers)

    def __len__(self) -> int:
        return len(self._handlers)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self)} functions>"


@dataclass(frozen=True, kw_only=True)
class CatalogView:
    """
    What a decomposer is told of the catalog.

    Args:
        entries: Name, description and JSON Schema of the parameters of each function.

    .. versionadded:: 0.1
    """

    entries: tuple[Mapping[str, Any], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the functions."""
        return tuple(one["name"] for one in self.entries)

    @functools.cached_property
    def hash(self) -> str:
        """The same for catalogs that look the same to a decomposer."""
        return goal_hash([dict(one) for one in self.entries])


def _read_handler(
    name: object,
    function: StepFunction,
    resources: frozenset[str],
    adapters: Adapters,
) -> Handler:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DefinitionError(
            f"{name!r} cannot be the name of a function",
            hint="Use letters, digits, '_', '.' and '-', at most 128.",
        )
    if not callable(function):
        raise DefinitionError(
            f"{name!r} is {function!r}, which is no function",
            hint=f"Write {{{name!r}: function}}, with the function itself.",
        )
    signature = read_signature(function)
    kinds = [one.kind for one in inspect.signature(function).parameters.values()]
    settable = {
        one.name: one
        for one in signature.parameters
        if _is_settable(one, resources, adapters)
    }
    OutputCodec(name, signature.returns, adapters)  # refuses what is never JSON
    return Handler(
        name=name,
        function=function,
        signature=signature,
        takes_others=inspect.Parameter.VAR_KEYWORD in kinds,
        settable=settable,
        closed=_names_of(function) - settable.keys(),
        resources={
            one.name: one
            for one in signature.parameters
            if one.name not in settable
            and not _is_special(one)
            and (one.name in resources or not one.has_default)
        },
        adapters=adapters,
    )


def _names_of(function: Any) -> frozenset[str]:
    """Return the names of all parameters of what is called at last."""
    names: set[str] = set()
    while function is not None:
        with contextlib.suppress(TypeError, ValueError):
            names.update(inspect.signature(function).parameters)
        if isinstance(function, functools.partial):
            names.update(function.keywords)
            function = function.func
        else:
            function = getattr(function, "__func__", None)
    return frozenset(names)


def _is_settable(
    parameter: Parameter, resources: frozenset[str], adapters: Adapters
) -> bool:
    """Tell whether a plan may give the parameter: it takes JSON values, and is free."""
    if parameter.name in resources or _is_special(parameter):
        return False
    if not is_checked(parameter.annotation):
        return True
    try:
        adapters.get(
            parameter.annotation, f"parameter {parameter.name!r}"
        ).json_schema()
    except (DefinitionError, PydanticUserError):
        return False  # such as a pool or a callback, which a worker may have
    return True


def _is_special(parameter: Parameter) -> bool:
    return parameter.name in ("ctx", "run_input") or is_context(parameter.annotation)
