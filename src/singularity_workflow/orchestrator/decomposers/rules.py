"""
Decompose by rules, and by something else where no rule fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from singularity_workflow.errors import DecompositionFailed, DefinitionError
from singularity_workflow.orchestrator.decomposers.adapting import (
    Planner,
    as_decomposer,
    call_any,
)
from singularity_workflow.orchestrator.decomposers.contexts import (
    DecomposeContext,
    ReplanContext,
)
from singularity_workflow.orchestrator.graphs.goals import goal_text

__all__ = ["HybridDecomposer", "Rule", "RuleDecomposer"]

When: TypeAlias = (
    str | re.Pattern[str] | Mapping[str, Any] | Callable[[Any], object] | None
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """
    What is done with goals of one kind.

    Args:
        when: Which goals: words that theirs contain, whatever the case; a compiled
            pattern found in them; a mapping whose members theirs has; a function of the
            goal; None for all.
        tasks: The tasks: a list or graph, or a function of the goal that makes them.

    .. versionadded:: 0.1
    """

    when: When
    tasks: Any

    def matches(self, goal: Any) -> bool:
        """Tell whether the rule is for *goal*."""
        when = self.when
        if when is None:
            return True
        if isinstance(when, str):
            return when.casefold() in goal_text(goal).casefold()
        if isinstance(when, re.Pattern):
            return when.search(goal_text(goal)) is not None
        if isinstance(when, Mapping):
            return isinstance(goal, Mapping) and all(
                key in goal and goal[key] == value for key, value in when.items()
            )
        return bool(when(goal))

    async def answer(self, goal: Any, ctx: DecomposeContext) -> object:
        """Return the tasks for *goal*, made by a function if they are one."""
        if not callable(self.tasks):
            return self.tasks
        return await as_decomposer(self.tasks).decompose(goal, ctx)


class RuleDecomposer:
    """
    Decompose by the first rule that matches.

    Args:
        rules: Rules, or pairs of what would be their `when` and `tasks`; in order.

    Raises:
        DefinitionError: If one of them is none.

    .. versionadded:: 0.1
    """

    def __init__(self, rules: Iterable[Rule | tuple[When, Any]]) -> None:
        if isinstance(rules, (str, Mapping)) or not isinstance(rules, Iterable):
            raise DefinitionError(
                f"rules must be a list of rules, got {type(rules).__name__}",
                hint='Write [("words of the goal", tasks), ...].',
            )
        self.rules = tuple(_read_rule(number, one) for number, one in enumerate(rules))
        self.help = "Add one with when=None, or use HybridDecomposer(rules, other)."

    def match(self, goal: Any) -> Rule | None:
        """Return the first rule for *goal*, None if there is none."""
        return next((rule for rule in self.rules if rule.matches(goal)), None)

    async def decompose(self, goal: Any, ctx: DecomposeContext) -> object:
        """
        Return the tasks of the first rule that matches.

        Raises:
            DecompositionFailed: No rule matches.
        """
        rule = await call_any(self.match, goal)
        if not isinstance(rule, Rule):
            raise DecompositionFailed(
                f"none of {len(self.rules)} rules is for the goal "
                f"{goal_text(goal)[:80]!r}",
                hint=self.help,
            )
        return await rule.answer(goal, ctx)


class HybridDecomposer:
    """
    Decompose by rules, and ask another decomposer for what no rule is for.

    Args:
        rules: A `RuleDecomposer`, or its rules.
        other: Any decomposer, such as one that asks a language model.

    New plans for what is left after a failure are made by *other* alone.

    .. versionadded:: 0.1
    """

    def __init__(
        self, rules: RuleDecomposer | Iterable[Rule | tuple[When, Any]], other: Any
    ) -> None:
        self._rules = (
            rules if isinstance(rules, RuleDecomposer) else RuleDecomposer(rules)
        )
        self._other: Planner = as_decomposer(other)

    async def decompose(self, goal: Any, ctx: DecomposeContext) -> object:
        """Return the tasks of the first rule that matches, else the other's answer."""
        rule = await call_any(self._rules.match, goal)
        if isinstance(rule, Rule):
            return await rule.answer(goal, ctx)
        return await self._other.decompose(goal, ctx)

    async def replan(self, ctx: ReplanContext) -> object:
        """Return the other's plan of what is left."""
        return await self._other.replan(ctx)


def _read_rule(number: int, given: object) -> Rule:
    rule = given
    if isinstance(given, (tuple, list)) and len(given) == 2:
        rule = Rule(when=given[0], tasks=given[1])
    if not isinstance(rule, Rule):
        raise DefinitionError(
            f"rule {number} is {given!r}",
            hint="Write Rule(when=..., tasks=...), or a pair of the two.",
        )
    when = rule.when
    if when is not None and not (
        isinstance(when, (str, re.Pattern, Mapping)) or callable(when)
    ):
        raise DefinitionError(
            f"rule {number} has when={when!r}, which matches nothing",
            hint="Give words, a pattern, a mapping, a function, or None for all.",
        )
    return rule
