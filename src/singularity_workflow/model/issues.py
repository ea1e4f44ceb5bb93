"""
Problems of a definition, as data.

Validation returns issues and decides nothing; `raise_issues` turns them into one
`DefinitionError` for the callers that want an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from singularity_workflow.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Issue", "json_pointer", "raise_issues"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """
    One thing that is wrong with a definition.

    Args:
        code: A stable word for programs, such as `unknown_dependency`.
        pointer: JSON pointer into the definition (RFC 6901), `""` for all of it.
        message: What is wrong, with the names that matter.
        hint: How to mend it, where that is known.
    """

    code: str
    pointer: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


def json_pointer(*parts: str | int) -> str:
    """Return the JSON pointer to the member that is reached through *parts*."""
    return "".join(
        "/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts
    )


def raise_issues(name: object, issues: Iterable[Issue], what: str = "workflow") -> None:
    """
    Raise one error that lists all *issues*; without any, do nothing.

    Args:
        name: The workflow or step, as its user calls it.
        issues: What was found, in the order of the definition.
        what: Which of the two it is.

    Raises:
        DefinitionError: If there is at least one issue.
    """
    found = tuple(issues)
    if not found:
        return

    if len(found) == 1:
        message = f"{what} {name!r}: {found[0].message}"
        raise DefinitionError(message, hint=found[0].hint, issues=found)

    lines = "".join(f"\n  - {issue} at {issue.pointer or '/'}" for issue in found)
    raise DefinitionError(
        f"{what} {name!r} has {len(found)} problems:{lines}", issues=found
    )
