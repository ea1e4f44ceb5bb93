"""
Decide what each parameter of a step function stands for.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Collection
from enum import Enum, auto
from typing import Any

from singularity_workflow.model.context import Context
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.signature import Parameter, Signature

__all__ = ["Role", "assign_roles", "edge_names", "is_context"]


class Role(Enum):
    """What a parameter gets."""

    CONTEXT = auto()
    RUN_INPUT = auto()
    ITEM = auto()
    INDEX = auto()
    OUTPUT = auto()
    RESOURCE = auto()
    MERGED = auto()
    DEFAULT = auto()


def assign_roles(
    signature: Signature,
    *,
    step: str,
    kind: StepKind,
    depends_on: Collection[str],
    resources: Collection[str] = (),
) -> list[tuple[Parameter, Role]]:
    """
    Return the role of each parameter, by the rules of `binding`.

    A required parameter that matches nothing is `MERGED`, whether or not it is the
    only one: that is the caller's to judge, who knows which resources will come.
    """
    is_map = kind is not StepKind.SINGLE

    def decide(parameter: Parameter) -> Role:
        name = parameter.name
        if role := _special_role(parameter, is_map):
            return role
        if name in depends_on and (name != step or kind is StepKind.UNDO):
            return Role.OUTPUT
        if name in resources:
            return Role.RESOURCE
        if name == "input" or not parameter.has_default:
            return Role.MERGED
        return Role.DEFAULT

    return [(parameter, decide(parameter)) for parameter in signature.parameters]


def edge_names(
    signature: Signature, *, step: str, kind: StepKind, all_step_names: Collection[str]
) -> list[str]:
    """Return the steps that *step* depends on because a parameter is named so."""
    roles = assign_roles(signature, step=step, kind=kind, depends_on=all_step_names)
    return [parameter.name for parameter, role in roles if role is Role.OUTPUT]


def _special_role(parameter: Parameter, is_map: bool) -> Role | None:
    name = parameter.name
    if name == "ctx" or is_context(parameter.annotation):
        return Role.CONTEXT
    if name == "run_input":
        return Role.RUN_INPUT
    if is_map and name == "item":
        return Role.ITEM
    if is_map and name == "index":
        return Role.INDEX
    return None


def is_context(annotation: Any) -> bool:
    """Tell whether a parameter annotated so gets the context."""
    if isinstance(annotation, type):
        return issubclass(annotation, Context)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return is_context(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return any(is_context(one) for one in typing.get_args(annotation))
    return False
