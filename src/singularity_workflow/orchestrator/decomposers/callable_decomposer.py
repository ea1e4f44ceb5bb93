"""
Ask any function that answers a prompt with text, and have it mend its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from singularity_workflow.errors import DecompositionFailed, DefinitionError
from singularity_workflow.orchestrator.decomposers.adapting import call_any
from singularity_workflow.orchestrator.decomposers.contexts import (
    DecomposeContext,
    ReplanContext,
)
from singularity_workflow.orchestrator.decomposers.prompts import (
    Example,
    goal_prompt,
    instructions,
    read_repairs,
    repair_prompt,
)

__all__ = ["CallableDecomposer"]


class CallableDecomposer:
    """
    Ask any function that takes a prompt and returns text.

    Args:
        function: Takes the prompt, returns text that has a plan as JSON, in prose or
            fences or alone; plain or a coroutine function.
        examples: Pairs of a goal and a good plan for it.
        max_repair: How often a wrong answer is given back with what is wrong with it;
            at least 0.
        name: What it is called in events and in the cache.
        version: Another one, another cache: for a new model or prompt.

    Raises:
        DefinitionError: If *function* is none.
        InvalidSetting: If `max_repair` cannot be.

    Each call counts in the budget.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        function: Callable[[str], Any],
        *,
        examples: Sequence[Example] = (),
        max_repair: int = 2,
        name: str | None = None,
        version: str = "",
    ) -> None:
        if not callable(function):
            raise DefinitionError(
                f"CallableDecomposer asks a function, got {function!r}",
                hint="Write def model(prompt): return text, and give it by name.",
            )
        self._function = function
        self._examples = tuple(examples)
        self._max_repair = read_repairs(max_repair)
        self.__name__ = name or getattr(function, "__name__", type(self).__name__)
        self.version = version

    async def decompose(self, goal: Any, ctx: DecomposeContext) -> object:
        """
        Return the plan of the last answer, right or wrong.

        Raises:
            DecompositionFailed: The budget is used up before an answer is right.
        """
        asked = f"{instructions(ctx, self._examples)}\n{goal_prompt(goal, ctx)}"
        prompt = asked
        for repair in range(self._max_repair + 1):
            answer = await self._ask(prompt, ctx)
            issues = ctx.check(answer)
            if not issues or repair == self._max_repair:
                return answer
            if issue := ctx.budget.exceeded("/goal"):
                raise DecompositionFailed(
                    f"the answer has {len(issues)} problems, and {issue.message}",
                    hint=issue.hint,
                    issues=[*issues, issue],
                )
            members = {"round": repair + 1, "issues": issues}
            ctx.notify("goal_decomposition_repaired", members)
            prompt = (
                f"{asked}\n\nYour last answer was:\n{_shown(answer)[:20_000]}\n\n"
                f"{repair_prompt(issues)}"
            )
        raise AssertionError("the last round returns")

    async def replan(self, ctx: ReplanContext) -> object:
        """Return a plan of what is left; as `decompose`."""
        return await self.decompose(ctx.graph.goal, ctx)

    async def _ask(self, prompt: str, ctx: DecomposeContext) -> object:
        ctx.budget.spend(calls=1)
        return await call_any(self._function, prompt)


def _shown(answer: object) -> str:
    """Return an answer as text; it may be anything."""
    if isinstance(answer, str):
        return answer
    try:
        return repr(answer)
    except RecursionError:
        return "(it was nested too deeply to be shown)"
