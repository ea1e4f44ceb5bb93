"""
Ask a language model through pydantic-ai (extra `[llm]`).

The type of the answer is made for the catalog: a handler that is not in it is an error
of the schema already. What only shows among several tasks goes back to the model, with
the list of issues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from singularity_workflow.errors import ConfigurationError, DecompositionFailed
from singularity_workflow.model.issues import Issue
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
from singularity_workflow.orchestrator.graphs.catalog import CatalogView
from singularity_workflow.orchestrator.graphs.limits import Budget

__all__ = ["PydanticAIDecomposer", "answer_type"]


class PydanticAIDecomposer:
    """
    Ask a language model for plans, through pydantic-ai.

    Args:
        model: An `Agent` of pydantic-ai, or what makes one: a model, or its name.
        examples: Pairs of a goal and a good plan for it.
        max_repair: How often a wrong answer is given back; at least 0.
        usage_limits: `UsageLimits` of pydantic-ai for each goal.
        version: Another one, another cache: for a new model or prompt.

    Requests and tokens count in the budget, which also limits them.

    Raises:
        ConfigurationError: If pydantic-ai is not installed, or knows no such model.
        InvalidSetting: If `max_repair` cannot be.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        model: Any,
        *,
        examples: Sequence[Example] = (),
        max_repair: int = 2,
        usage_limits: Any = None,
        version: str = "",
    ) -> None:
        try:
            from pydantic_ai import Agent  # noqa: PLC0415 - an extra
            from pydantic_ai.exceptions import UserError  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "PydanticAIDecomposer needs pydantic-ai, which is not installed",
                hint="pip install 'singularity-workflow[llm]'",
            ) from error
        self._max_repair = read_repairs(max_repair)
        if model is None:
            raise ConfigurationError(
                "PydanticAIDecomposer needs a model, got None",
                hint="Give a model of pydantic-ai, its name, or an Agent.",
            )
        try:
            self._agent: Any = (
                model
                if isinstance(model, Agent)
                # prose instead of a plan is a wrong answer as well
                else Agent(model, retries=self._max_repair)
            )
        except (ImportError, UserError) as error:
            raise ConfigurationError(
                f"pydantic-ai makes no agent of {model!r}: {error}",
                hint="Install what its provider needs, or give a model that is there.",
            ) from error
        self._examples = tuple(examples)
        self._usage_limits = usage_limits
        self._types: dict[str, type[BaseModel]] = {}
        self.version = version

    async def decompose(self, goal: Any, ctx: DecomposeContext) -> object:
        """
        Return the plan that the model has made.

        Raises:
            DecompositionFailed: The model gave no plan that can be used.
        """
        from pydantic_ai import ModelRetry, ToolOutput  # noqa: PLC0415 - an extra
        from pydantic_ai.exceptions import AgentRunError  # noqa: PLC0415
        from pydantic_ai.usage import RunUsage  # noqa: PLC0415

        kind = self._type(ctx.catalog)
        told: list[Issue] = []

        def plan(answer: Any) -> dict[str, Any]:
            data: dict[str, Any] = answer.model_dump(mode="json", exclude_none=True)
            told[:] = ctx.check(data)
            if told:
                ctx.notify("goal_decomposition_repaired", {"issues": [*told]})
                raise ModelRetry(repair_prompt(told))
            return data

        plan.__annotations__ = {"answer": kind, "return": dict[str, Any]}
        usage = RunUsage()
        try:
            result = await self._agent.run(
                goal_prompt(goal, ctx),
                instructions=instructions(ctx, self._examples),
                output_type=ToolOutput(plan, name="plan", max_retries=self._max_repair),
                usage=usage,
                usage_limits=self._limits(ctx),
            )
        except AgentRunError as error:
            wrong = "".join(f"\n  - {issue}" for issue in told)
            issue = self._spend(ctx, usage).exceeded("/goal")
            raise DecompositionFailed(
                f"the model gave no plan that can be used: {error}{wrong}",
                hint="Raise max_repair, describe the functions, or give examples.",
                issues=[*told, issue] if issue else told,
            ) from error
        except BaseException:
            self._spend(ctx, usage)
            raise
        self._spend(ctx, usage)
        return result.output

    @staticmethod
    def _spend(ctx: DecomposeContext, usage: Any) -> Budget:
        ctx.budget.spend(
            calls=usage.requests, tokens=usage.input_tokens + usage.output_tokens
        )
        return ctx.budget

    def _limits(self, ctx: DecomposeContext) -> Any:
        """Return the limits of pydantic-ai, and no more than the budget has left."""
        from pydantic_ai.usage import UsageLimits  # noqa: PLC0415 - an extra

        own = UsageLimits() if self._usage_limits is None else self._usage_limits
        budget, limits = ctx.budget, ctx.limits
        left = {
            "request_limit": (limits.max_calls, budget.calls),
            "total_tokens_limit": (limits.max_tokens, budget.tokens),
        }
        changed: dict[str, int] = {}
        for name, (most, used) in left.items():
            if most is not None:
                known = getattr(own, name)
                rest = max(0, most - used)
                changed[name] = rest if known is None else min(rest, known)
        return replace(own, **changed)

    async def replan(self, ctx: ReplanContext) -> object:
        """Return a plan of what is left; as `decompose`."""
        return await self.decompose(ctx.graph.goal, ctx)

    def _type(self, catalog: CatalogView) -> type[BaseModel]:
        if catalog.hash not in self._types:
            self._types[catalog.hash] = answer_type(catalog)
        return self._types[catalog.hash]


def answer_type(catalog: CatalogView) -> type[BaseModel]:
    """Return the type of plans whose handlers are those of *catalog*."""
    config = ConfigDict(extra="forbid")
    names = catalog.names
    handler: Any = Literal[names] if names else None
    ref: Any = create_model(
        "Reference", __config__=config, task=(str, ...), path=(str, "")
    )
    optional_ref: Any = ref | None
    task = create_model(
        "Task",
        __config__=config,
        id=(str, Field(pattern="^[a-z][a-z0-9_]{0,62}$")),
        description=(str, ""),
        handler=(handler | None if names else None, None),
        goal=(str | dict[str, Any] | None, None),
        args=(dict[str, Any], Field(default_factory=dict)),
        depends_on=(list[str], Field(default_factory=list)),
        map_over=(optional_ref, None),
    )
    return create_model("Answer", __config__=config, tasks=(list[task], ...))  # type: ignore[valid-type]
