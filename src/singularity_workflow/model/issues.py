"""
Problems of a definition, as data.

Validation returns issues and decides nothing; `raise_issues` turns them into one
`DefinitionError` for the callers that want an exception, and `IssueCollector` turns
several errors into the issues of one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from singularity_workflow.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Issue", "IssueCollector", "json_pointer", "raise_issues"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """
    One thing that is wrong with a definition.

    Args:
        code: A stable word for programs, such as `unknown_dependency`.
        pointer: JSON pointer into the definition (RFC 6901), `""` for all of it.
        message: What is wrong, with the names that matter.
        hint: How to mend it, where that is known.
        location: `file:line` of the function that it is about, if there is one.
    """

    code: str
    pointer: str
    message: str
    hint: str | None = None
    location: str | None = None

    @property
    def placed_message(self) -> str:
        """What is wrong, and where: in the source, else in the definition."""
        place = self.location or self.pointer
        return f"{self.message} ({place})" if place else self.message

    def __str__(self) -> str:
        text = self.placed_message
        return f"{text}. {self.hint}" if self.hint else text


class IssueCollector:
    """
    Gather the issues of one step instead of stopping at the first.

    Args:
        pointer: Where the step stands in the definition.
        location: `file:line` of its function, if that has a source.
    """

    def __init__(self, pointer: str, location: str | None = None) -> None:
        self.issues: list[Issue] = []
        self._pointer = pointer
        self._location = location

    def add(self, *issues: Issue | None) -> None:
        """Keep *issues*, with the place of the step where they have none."""
        for issue in issues:
            if issue is not None:
                place = issue.location or self._location
                self.issues.append(replace(issue, location=place))

    def catch(self, make: Callable[[], _T], code: str) -> _T | None:
        """
        Return what *make* returns, or None after keeping what it found wrong.

        Args:
            make: May raise a `DefinitionError`.
            code: The code of its issue, if the error brings none.
        """
        try:
            return make()
        except DefinitionError as error:
            own = Issue(
                code=code,
                pointer=self._pointer,
                message=error.message,
                hint=error.hint,
            )
            self.add(*(error.issues or (own,)))
            return None


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
        message = f"{what} {name!r}: {found[0].placed_message}"
        raise DefinitionError(message, hint=found[0].hint, issues=found)

    lines = "".join(f"\n  - {issue}" for issue in found)
    raise DefinitionError(
        f"{what} {name!r} has {len(found)} problems:{lines}", issues=found
    )
