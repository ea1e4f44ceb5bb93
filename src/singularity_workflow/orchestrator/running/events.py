"""
Tell what happens to goals: in the log, and on the event stream of their run.

One place, so that whoever tells need not know who hears it, and what must not be heard.
The start and the end of a goal are told by the database, with those of its run.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from singularity_workflow.errors import ConfigurationError
from singularity_workflow.model.context import Context, tell_as_engine
from singularity_workflow.model.event_types import GOAL_EVENTS
from singularity_workflow.model.issues import Issue
from singularity_workflow.model.json_codec import encode_json
from singularity_workflow.orchestrator.graphs.goals import goal_hash

__all__ = ["GoalTeller", "emit"]

logger = logging.getLogger("singularity_workflow.orchestrator")
# as with runs: without logging set up, a failure is for whoever waits for the goal
logger.addHandler(logging.NullHandler())

_LARGEST: Final = 8_000
"""Bytes of a value; a larger one is where it always was, and the event says where."""

_MOST_ISSUES: Final = 20
_LONGEST_TEXT: Final = 1_000
_WORD: Final = re.compile("[a-z][a-z0-9_]*")
_OPEN: Final = frozenset({
    "attempt", "calls", "depth", "error_type", "parent", "goal_hash", "revision",
    "round", "stats", "tasks", "decomposer", "is_cached",
})  # fmt: skip
"""What may be told of a goal that is not to be seen: hashes, names of code, figures."""


class GoalTeller:
    """
    Tell what happens to one goal.

    Args:
        goal: The goal.
        context: Of the task that works on it; None: nothing is stored.
        run_id: Its run, for the log.
        parent: Hash of the goal that it is a part of.
        depth: Its level: 1 for the first.
        is_full: Whether its progress is logged, and what happens to goals within it is
            stored; else failures are logged, and what happens to the goal itself is
            stored.
        is_redacted: Whether the goal, and all that may quote it, is left out.
    """

    def __init__(
        self,
        goal: Any,
        context: Context | None = None,
        *,
        run_id: UUID | None = None,
        parent: str | None = None,
        depth: int = 1,
        is_full: bool = False,
        is_redacted: bool = False,
    ) -> None:
        self._context = context
        self._run_id = run_id if context is None else context.run_id
        self._own = {
            "goal": goal,
            "goal_hash": goal_hash(goal),
            "parent": parent,
            "depth": depth,
        }
        self._is_full = is_full
        self._is_redacted = is_redacted

    def __call__(
        self, name: str, members: Mapping[str, Any], *, is_last: bool = False
    ) -> None:
        """
        Tell of one event.

        Args:
            name: Such as `goal_decomposition_repaired`.
            members: What there is to say; with a goal, it is about that one, which is
                one within this one.
            is_last: It is only true with the outcome of the task that tells it.
        """
        is_within = (
            members.get("goal_hash", self._own["goal_hash"]) != (self._own["goal_hash"])
        )
        told = self._ready({**self._own, **members})
        emit(name, self._run_id, told, is_full=self._is_full)
        if self._context is None or (is_within and not self._is_full):
            return
        # a decomposition is not to fail because too much is told of it
        with contextlib.suppress(ConfigurationError):
            if name in GOAL_EVENTS:
                tell_as_engine(self._context, name, told, is_last=is_last)
            else:
                self._context.emit(name, told)  # of a decomposer's own

    def failed(
        self, error: BaseException, issues: Sequence[Issue] = (), *, is_last: bool
    ) -> None:
        """
        Tell that a decomposition failed.

        Args:
            error: What it raised.
            issues: What is wrong with the plan.
            is_last: Whether the attempt ends with it.
        """
        self(
            "goal_decomposition_failed",
            {
                "error": str(getattr(error, "message", error)),
                "error_type": type(error).__name__,
                "issues": issues,
            },
            is_last=is_last,
        )

    def revised(self, revision: int, reason: str, graph: Mapping[str, Any]) -> None:
        """
        Tell that a plan was made anew; stored with the outcome of the task that did it.

        Args:
            revision: Its number: 1 for the first that replaces another.
            reason: Why.
            graph: The new plan, as JSON.
        """
        members = {"revision": revision, "reason": reason, "graph": graph}
        self("plan_revised", members, is_last=True)

    def _ready(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members as they may be told."""
        found: dict[str, Any] = {}
        for name, value in members.items():
            if name == "issues":
                found[name] = self._issues(value)
            elif not self._is_redacted or name in _OPEN:
                found[name] = self._small(value)
        return found

    def _issues(self, issues: Sequence[Any]) -> list[dict[str, Any]]:
        told = []
        for issue in issues[:_MOST_ISSUES]:
            # a decomposer may raise and tell anything
            is_ours = isinstance(issue, Issue)
            code = str(issue.code if is_ours else issue)[:_LONGEST_TEXT]
            if self._is_redacted and not _WORD.fullmatch(code):
                code = "unknown"  # words of its own may quote the goal
            one = {"code": code}
            if is_ours and not self._is_redacted:
                one["pointer"] = str(issue.pointer)[:_LONGEST_TEXT]
                one["message"] = str(issue.message)[:_LONGEST_TEXT]
            told.append(one)
        return told

    def _small(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            size = len(value.encode())
            if size >= _LARGEST:
                return self._reference(size)
        if isinstance(value, (Mapping, list)):
            size = len(encode_json(value))
            if size >= _LARGEST:
                return self._reference(size)
        return value

    def _reference(self, size: int) -> dict[str, Any]:
        return {
            "$ref": None if self._run_id is None else str(self._run_id),
            "bytes": size,
        }


def emit(
    name: str, run_id: UUID | None, members: Mapping[str, Any], *, is_full: bool = True
) -> None:
    """
    Log one event of a goal.

    Args:
        name: Such as `goal_decomposition_completed`.
        run_id: The goal's run; None if it has none.
        members: What there is to say.
        is_full: False: nothing but failures is told.
    """
    level = logging.WARNING if name.endswith("failed") else logging.INFO
    if is_full or level == logging.WARNING:
        logger.log(level, name, extra={"run_id": run_id, "event": {**members}})
