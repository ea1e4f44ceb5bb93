"""
The options of goals, read once and refused where they are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, TypeAlias

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.durations import Duration, to_duration
from singularity_workflow.model.names import did_you_mean, name_problem
from singularity_workflow.orchestrator.expansion import Mode
from singularity_workflow.orchestrator.limits import Limits

__all__ = ["DEFAULT_WORKFLOW", "GOAL_TAG", "GoalOptions", "OptimizationLevel"]

OptimizationLevel: TypeAlias = Literal["off", "basic", "advanced", "aggressive"]

DEFAULT_WORKFLOW: Final = "goal"
GOAL_TAG: Final = "goal"
"""What every goal's run is tagged with."""

_LEVELS: Final = ("off", "basic", "advanced", "aggressive")
_MODES: Final = ("eager", "lazy")
_RUNNING: Final = ("cancel", "finish")
_MOST_ATTEMPTS: Final = 1_000
_MOST_REPLANS: Final = 100
_LONGEST_NAME: Final = 100
"""So that there is room for what is appended in names of plans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalOptions:
    """
    How a goal is decomposed and run.

    Args:
        workflow_name: What the goal's workflow is called: letters, digits and
            underscores, at most 100. Default: `goal_` and a hash of the decomposer's
            name and of what the functions look like, so that a process only takes over
            goals for which it has the code.
        max_depth: Short for `limits` of which only this differs.
        limits: What the decomposition may not exceed. Default `Limits()`.
        timeout: Longest time of the goal's run, in seconds; > 0. Default: no limit.
        decompose_timeout: Longest time of one attempt to decompose, in seconds; > 0.
            A plain function cannot be stopped: it goes on unheard. Default: no limit.
        retry_attempts: Attempts of each task, the first included, and of the
            decomposition if that raises; from 1 to 1,000. Default 3.
        preserve_structure: True: each nested goal is a child run. Default False: all
            levels are tasks of one run.
        expansion: "eager": compound tasks are decomposed before anything runs. "lazy":
            each when it is ready, and its decomposer sees the real inputs; it is a
            child run then. Default "eager".
        max_replans: How often a plan may be made anew; from 0 to 100. Default 2.
        running: What becomes of the tasks that run beside one that needs another plan.
            "cancel": they are cancelled, and are for the new plan. "finish": what does
            not depend on a task with `on_failure` of `replan` is done first; a
            `NeedsReplan` of others does not wait. Default "cancel".
        optimization_level: `off`, `basic`, `advanced` or `aggressive`; kept with the
            run. Default `basic`.
        monitoring: True: progress is logged. Default False: failures only.
        execution: "local" or "distributed", as of `execute`. Default "local".
        idempotency_key: A second goal with the same key is the first one's run.
        priority: From -1000 to 1000, as of `execute`.
        tags: Words to find the run by; `goal` is always among them.

    Raises:
        InvalidSetting: If a value cannot be.

    .. versionadded:: 0.1
    """

    workflow_name: str | None = None
    max_depth: int | None = None
    limits: Limits | None = None
    timeout: Duration | None = None
    decompose_timeout: Duration | None = None
    retry_attempts: int = 3
    preserve_structure: bool = False
    expansion: Mode = "eager"
    max_replans: int = 2
    running: Literal["cancel", "finish"] = "cancel"
    optimization_level: OptimizationLevel = "basic"
    monitoring: bool = False
    execution: Literal["local", "distributed"] = "local"
    idempotency_key: str | None = None
    priority: int | None = None
    tags: Iterable[str] | None = None

    def __post_init__(self) -> None:
        name = self.workflow_name
        problem = None if name is None else name_problem(name)
        if problem is None and name is not None and len(name) > _LONGEST_NAME:
            problem = (
                f"has {len(name)} characters, at most {_LONGEST_NAME} are possible"
            )
        if problem:
            raise InvalidSetting(f"workflow_name {name!r} {problem}")
        for option in ("preserve_structure", "monitoring"):
            if not isinstance(getattr(self, option), bool):
                raise InvalidSetting(
                    f"{option} must be True or False, got {getattr(self, option)!r}"
                )
        if self.optimization_level not in _LEVELS:
            raise InvalidSetting(
                f"optimization_level must be one of {', '.join(_LEVELS)}, got "
                f"{self.optimization_level!r}",
                hint=did_you_mean(str(self.optimization_level), _LEVELS),
            )
        self._check_choices()
        self._check_number("max_replans", 0, _MOST_REPLANS)
        self._check_number("retry_attempts", 1, _MOST_ATTEMPTS)
        for option in ("timeout", "decompose_timeout"):
            try:
                if getattr(self, option) is not None:
                    to_duration(getattr(self, option), may_be_zero=False)
            except ValueError as error:
                raise InvalidSetting(f"{option} {error}") from None
        self.effective_limits()  # which refuses a max_depth that cannot be

    def _check_choices(self) -> None:
        for option, values in (("expansion", _MODES), ("running", _RUNNING)):
            if getattr(self, option) not in values:
                raise InvalidSetting(
                    f"{option} must be {' or '.join(map(repr, values))}, got "
                    f"{getattr(self, option)!r}"
                )

    def _check_number(self, name: str, lowest: int, highest: int) -> None:
        value = getattr(self, name)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number or not lowest <= value <= highest:
            raise InvalidSetting(
                f"{name} must be an integer from {lowest} to {highest}, got {value!r}"
            )

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> GoalOptions:
        """
        Return the options that *given* says.

        Raises:
            InvalidSetting: If one of them is unknown, or cannot be.
        """
        known = [one.name for one in fields(cls)]
        for name in given:
            if name not in known:
                raise InvalidSetting(
                    f"goals have no option {name!r}",
                    hint=did_you_mean(name, known)
                    or f"The options are {', '.join(known)}.",
                )
        return cls(**given)

    def effective_limits(self) -> Limits:
        """Return the limits that hold."""
        limits = self.limits or Limits()
        if self.max_depth is None:
            return limits
        return replace(limits, max_depth=self.max_depth)
