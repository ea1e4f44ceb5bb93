"""
Record what a decomposer answers, and answer the same again without it.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, Literal, TypeAlias
from uuid import uuid4

import orjson

from singularity_workflow.errors import DecompositionFailed, InvalidSetting
from singularity_workflow.model.json_codec import encode_json
from singularity_workflow.orchestrator.decomposers.adapting import as_decomposer
from singularity_workflow.orchestrator.decomposers.contexts import (
    DecomposeContext,
    ReplanContext,
)
from singularity_workflow.orchestrator.graphs.goals import goal_hash, goal_text
from singularity_workflow.orchestrator.graphs.graph import TaskGraph

__all__ = ["RecordedDecomposer"]

RecordMode: TypeAlias = Literal["replay", "record", "auto"]


class RecordedDecomposer:
    """
    Answer from a file; or ask a decomposer, and write its answers to the file.

    Args:
        cassette: The file, which is JSON that people can read and edit.
        decomposer: Who is asked for what is not in the file.
        mode: "replay": nobody is asked. "record": always asked, and written. "auto":
            asked for what is not in the file yet. By default "auto" with a decomposer,
            else "replay".

    Answers are kept by the goal and, for the same goal, in the order in which they were
    given; the last one is given again and again.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        cassette: str | Path,
        decomposer: Any = None,
        *,
        mode: RecordMode | None = None,
    ) -> None:
        chosen = mode or ("replay" if decomposer is None else "auto")
        if chosen not in ("replay", "record", "auto"):
            raise InvalidSetting(
                f"mode must be one of replay, record, auto, got {mode!r}"
            )
        if chosen != "replay" and decomposer is None:
            raise InvalidSetting(
                f"mode {chosen!r} needs a decomposer to ask", hint="Give one."
            )
        self._path = Path(cassette)
        self._planner = None if decomposer is None else as_decomposer(decomposer)
        self._mode: RecordMode = chosen
        self._answers = self._read() if chosen != "record" else {}
        self._given: dict[str, int] = {}
        self._lock = threading.Lock()  # engines may have loops of their own

    async def decompose(self, goal: Any, ctx: DecomposeContext) -> object:
        """
        Return the answer for *goal*.

        Raises:
            DecompositionFailed: The file has none, and nobody is to be asked.
        """
        return await self._answer(f"{ctx.depth}:{goal_hash(goal)}", goal, ctx)

    async def replan(self, ctx: ReplanContext) -> object:
        """Return the answer for what is left of a goal; as `decompose`."""
        goal = ctx.graph.goal
        return await self._answer(f"r{ctx.revision}:{goal_hash(goal)}", goal, ctx)

    async def _answer(self, key: str, goal: Any, ctx: DecomposeContext) -> object:
        place = self._given.get(key, 0)
        self._given[key] = place + 1
        known = self._answers.get(key, {}).get("answers", [])
        if known and (place < len(known) or self._mode == "replay"):
            return known[min(place, len(known) - 1)]
        if self._planner is None or self._mode == "replay":
            raise DecompositionFailed(
                f"{self._path} has no answer for the goal {goal_text(goal)[:80]!r}",
                hint="Record it: give a decomposer, with mode='record'.",
            )
        if isinstance(ctx, ReplanContext):
            answer = await self._planner.replan(ctx)
        else:
            answer = await self._planner.decompose(goal, ctx)
        return await self._record(key, goal, answer)

    async def _record(self, key: str, goal: Any, answer: object) -> object:
        plain = answer.to_json() if isinstance(answer, TaskGraph) else answer
        plain = orjson.loads(encode_json(plain))
        await asyncio.to_thread(self._append, key, goal, plain)
        return answer

    def _append(self, key: str, goal: Any, plain: Any) -> None:
        with self._lock:
            entry = self._answers.setdefault(key, {"goal": goal, "answers": []})
            entry["answers"].append(plain)
            data = orjson.dumps(
                {"version": 1, "goals": self._answers},
                option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS,
            )
            _write(self._path, data)

    def _read(self) -> dict[str, Any]:
        try:
            data = orjson.loads(self._path.read_bytes())
            answers = {key: _entry(one) for key, one in dict(data["goals"]).items()}
        except FileNotFoundError:
            if self._mode == "replay":
                raise InvalidSetting(
                    f"there is no file {self._path} with recorded answers",
                    hint="Record some: give a decomposer.",
                ) from None
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidSetting(
                f"{self._path} holds no recorded answers: {error}",
                hint="Take it away and record it anew, or name another file.",
            ) from error
        return answers


def _entry(given: Any) -> dict[str, Any]:
    if not isinstance(given["answers"], list):
        raise TypeError("the answers for a goal are no list")
    return dict(given)


def _write(path: Path, data: bytes) -> None:
    """Write the file as a whole: who reads it meanwhile reads the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name of its own: another process may write at the same time
    other = path.with_name(f"{path.name}.{uuid4().hex}.new")
    try:
        other.write_bytes(data)
        other.replace(path)
    finally:
        other.unlink(missing_ok=True)
