"""
The options of goals, read once and refused where they are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, TypeAlias

from singularity_workflow.engine.arguments import read_words
from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.durations import Duration, to_duration
from singularity_workflow.model.names import did_you_mean, name_problem
from singularity_workflow.orchestrator.graphs.limits import Limits
from singularity_workflow.orchestrator.planning.expansion import Mode

__all__ = ["DEFAULT_WORKFLOW", "GOAL_TAG", "GoalOptions", "OptimizationLevel"]

OptimizationLevel: TypeAlias = Literal["off", "basic", "advanced", "aggressive"]

DEFAULT_WORKFLOW: Final = "goal"
GOAL_TAG: Final = "goal"
"""What every goal's run is tagged with."""

_LEVELS: Final = ("off", "basic", "advanced", "aggressive")
_FLAGS: Final = (
    "preserve_structure", "parallel", "monitoring", "real_time_notifications", "redact",
)  # fmt: skip
_CACHE_SECONDS: Final = 86_400.0
_MODES: Final = ("eager", "lazy")
_RUNNING: Final = ("cancel", "finish")
_MOST_ATTEMPTS: Final = 1_000
_MOST_REPLANS: Final = 100
_MOST_AT_ONCE: Final = 100
_WIDEST: Final = 100_000
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
        decompose_concurrency: How many goals of one level are decomposed at once, from
            1 to 100; the decomposer must be safe for that. Calls that are under way
            when a limit is reached still count. Default 1.
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
        max_parallel: The most tasks under way at once, in the whole fleet, of each run
            that the goal has: of all levels together, but for nested goals that are
            runs of their own, as with `preserve_structure` or `expansion="lazy"`. From
            1 to 100,000. Default: no limit.
        parallel: False: one task at a time, in nested goals too. Default True.
        monitoring: True: progress is logged, and events of the goal and of its tasks
            are stored in full. Default False: failures are logged, and events of the
            goal's runs stored.
        real_time_notifications: False: no events are stored, and nobody who listens
            hears of the goal. Default True.
        redact: True: neither the goal nor any value of its runs is in their events; in
            their place stands where they are. Logs and spans have of an error its type.
            Default False.
        allow: Names of the only functions that the goal's tasks may use. Default: all
            that there are.
        cache: How long the plan may be used again for the same goal, decomposer,
            functions and limits, in seconds; True is a day. The decomposer needs an
            attribute `version`, which changes with its answers. Which decomposer it is,
            its class or function and its version say, and nothing else: two objects of
            one class that answer otherwise need two versions. A plan that is used again
            is checked again. Default False: each goal is decomposed.
        execution: "local" or "distributed", as of `execute`. Default "local".
        idempotency_key: The same goal with the same options and key is the first one's
            run; another goal, or other options that decide how it runs, with this key
            is a `ConflictError`.
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
    decompose_concurrency: int = 1
    retry_attempts: int = 3
    preserve_structure: bool = False
    expansion: Mode = "eager"
    max_replans: int = 2
    running: Literal["cancel", "finish"] = "cancel"
    optimization_level: OptimizationLevel = "basic"
    max_parallel: int | None = None
    parallel: bool = True
    monitoring: bool = False
    real_time_notifications: bool = True
    redact: bool = False
    allow: Iterable[str] | None = None
    cache: bool | Duration | None = False
    execution: Literal["local", "distributed"] = "local"
    idempotency_key: str | None = None
    priority: int | None = None
    tags: Iterable[str] | None = None

    def __post_init__(self) -> None:
        _check_name(self.workflow_name)
        _check_flags(self)
        if self.optimization_level not in _LEVELS:
            raise InvalidSetting(
                f"optimization_level must be one of {', '.join(_LEVELS)}, got "
                f"{self.optimization_level!r}",
                hint=did_you_mean(str(self.optimization_level), _LEVELS),
            )
        self._check_choices()
        self._check_number("decompose_concurrency", 1, _MOST_AT_ONCE)
        self._check_number("max_replans", 0, _MOST_REPLANS)
        self._check_number("retry_attempts", 1, _MOST_ATTEMPTS)
        if self.max_parallel is not None:
            self._check_number("max_parallel", 1, _WIDEST)
        if self.allow is not None:
            object.__setattr__(self, "allow", _read_allowed(self.allow))
        if self.tags is not None:
            object.__setattr__(self, "tags", read_words("tags", self.tags))
        lasting = ["timeout", "decompose_timeout"]
        if not isinstance(self.cache, bool):
            lasting.append("cache")
        for option in lasting:
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

    @property
    def turns(self) -> int | None:
        """How many tasks of a run may be under way at once; None: any number."""
        return self.max_parallel if self.parallel else 1

    @property
    def notify_events(self) -> bool | Literal["run"]:
        """Which events the goal's runs store, as `execute` takes it."""
        if not self.real_time_notifications:
            return False
        return True if self.monitoring else "run"

    @property
    def cache_seconds(self) -> float | None:
        """How long a plan is kept for the next goal; None: it is not."""
        if self.cache is None or self.cache is False:
            return None
        if self.cache is True:
            return _CACHE_SECONDS
        return to_duration(self.cache).total_seconds()

    def effective_limits(self) -> Limits:
        """Return the limits that hold."""
        limits = Limits() if self.limits is None else self.limits
        if not isinstance(limits, Limits):
            raise InvalidSetting(
                f"limits must be Limits, got {limits!r}",
                hint="Write limits=Limits(max_tasks=100).",
            )
        if self.max_depth is None:
            return limits
        return replace(limits, max_depth=self.max_depth)


def _check_name(name: str | None) -> None:
    problem = None if name is None else name_problem(name)
    if problem is None and name is not None and len(name) > _LONGEST_NAME:
        problem = f"has {len(name)} characters, at most {_LONGEST_NAME} are possible"
    if problem:
        raise InvalidSetting(
            f"workflow_name {name!r} {problem}", hint="Write one such as 'build_auth'."
        )


def _read_allowed(names: Iterable[str]) -> tuple[str, ...]:
    allowed = read_words("allow", names)
    if not allowed:
        raise InvalidSetting(
            "allow names no function: no plan could use any",
            hint="Leave it out, so that all functions may be used.",
        )
    return allowed


def _check_flags(options: GoalOptions) -> None:
    for name in _FLAGS:
        if not isinstance(getattr(options, name), bool):
            raise InvalidSetting(
                f"{name} must be True or False, got {getattr(options, name)!r}"
            )
    if not options.parallel and options.max_parallel not in (None, 1):
        raise InvalidSetting(
            f"parallel=False is one task at a time, and max_parallel is "
            f"{options.max_parallel}",
            hint="Leave out one of them.",
        )
    if options.monitoring and not options.real_time_notifications:
        raise InvalidSetting(
            "monitoring=True stores events, real_time_notifications=False stores none",
            hint="Leave out one of them.",
        )
