"""What is told of a redacted goal has no word of it: events, hints, logs and spans."""

from __future__ import annotations

import logging
import traceback

import psycopg
import pytest
from engine.support import unique
from telemetry.support import Spans

from singularity_workflow import DecompositionFailed, Engine, SingularityError, Skip
from singularity_workflow.orchestrator import (
    CallableDecomposer,
    NeedsReplan,
    Orchestrator,
)

STORED = """
select message::text from pgmq.q_workflow_events
where (message::text || coalesce(headers::text, '')) like %s
"""
CHANNELS = ("singularity_workflow_events", "singularity_workflow_work")
MODES = {
    "flat": {"monitoring": True},
    "kept": {"preserve_structure": True},
    "lazy": {"expansion": "lazy", "monitoring": True},
}
NO_WAIT = {"max_attempts": 2, "delay": 0}


@pytest.fixture(scope="module")
def spans():
    """What was traced."""
    return Spans()


@pytest.fixture(scope="module")
def traced(dsn, spans):
    """An engine whose spans can be looked at."""
    with Engine(dsn) as engine:
        engine.telemetry.tracing = spans.tracing
        yield engine


@pytest.fixture
def leaks(traced, spans, sql, dsn, caplog):
    """Run a goal, and return where a word of it was told, and what became of it."""
    caplog.set_level(logging.DEBUG)

    def run(word, goal, decomposer, functions, **options):
        with psycopg.connect(dsn, autocommit=True) as listening:
            for channel in CHANNELS:
                listening.execute(f"listen {channel}")
            handle = Orchestrator(traced).start_goal(
                goal, decomposer, functions, **{"redact": True, **options}
            )
            error = None
            try:
                handle.result(timeout=25)
            except SingularityError as caught:
                error = caught
            hints = [one.payload for one in listening.notifies(timeout=0.05)]
        told = {
            "events": sql.rows(STORED, f"%{word}%"),
            "hints": [one for one in hints if word in one],
            "logs": [one for one in map(_text_of, caplog.records) if word in one],
            "spans": [one for one in map(_all_of, spans.all()) if word in one],
        }
        return {where: found for where, found in told.items() if found}, error

    return run


def _text_of(record):
    text = f"{record.getMessage()} {record.__dict__}"
    if record.exc_info:
        text += "".join(traceback.format_exception(*record.exc_info))
    return text


def _all_of(span):
    return span.to_json()


class Told:
    """
    A goal within a goal, and functions, all of which quote a word.

    Args:
        word: Which.
        tasks: What the goal within has for tasks.
        remainders: Further plans, one of which may be an exception.
    """

    def __init__(self, word, tasks, remainders=()):
        self.word = word
        self._tasks, self._remainders = tasks, list(remainders)
        self.functions = {
            "say": lambda input: {"said": word, "heard": input},
            "each": lambda item: f"{item}{word}",
            "many": lambda: [word, word],
            "fail": self._raise(ValueError),
            "skip": self._raise(Skip),
            "replan": self._raise(NeedsReplan),
        }

    def _raise(self, kind):
        def work(input):
            raise kind(f"about {self.word}")

        return work

    def decompose(self, goal):
        if "within" in goal:
            if isinstance(self._tasks, Exception):
                raise self._tasks
            return self._tasks
        return [
            {"id": "say", "description": self.word},
            {"id": "in", "goal": {"within": self.word}, "depends_on": ["say"]},
        ]

    def replan(self, ctx):
        answer = self._remainders.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def outcomes(word):
    """Return what may become of a goal: tasks within, further plans, and its error."""
    again = [{"id": "again", "handler": "say", "args": {}}]
    hurt = {"id": "hurt", "handler": "fail", "retry": NO_WAIT}
    ask = {"id": "ask", "handler": "replan"}
    return {
        "completes": ([{"id": "say", "description": word}], (), None),
        "maps": (
            [{"id": "many"}, {"id": "each", "map_over": {"task": "many"}}], (), None,
        ),
        "a task fails": ([hurt], (), "RunFailed"),
        "a task is skipped": ([{"id": "skip"}], (), None),
        "a failure is skipped": ([{**hurt, "on_failure": "skip"}], (), None),
        "a function fails, its goal completes": (
            [{**hurt, "on_failure": "decompose", "description": f"{word} done"}],
            (), "DecompositionFailed",
        ),
        "replans": ([ask, {"id": "say"}], [again], None),
        "replans wrongly": ([ask], [[{"id": word}]], "DecompositionFailed"),
        "no further plan": ([ask], [OSError(word)], "DecompositionFailed"),
        "too many plans": ([ask], [[ask]] * 2, "RunFailed"),
        "a wrong plan": ([{"id": "x", "handler": word}], (), "DecompositionFailed"),
        "no plan": (OSError(word), (), "DecompositionFailed"),
        "issues of its own": (
            DecompositionFailed("no", issues=[f"no {word}"]), (), "DecompositionFailed",
        ),
        "no JSON": (f"this is {word}", (), "DecompositionFailed"),
    }  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("outcome", outcomes(""))
def test_no_word_of_a_redacted_goal_is_told(leaks, outcome, mode):
    """
    Whatever becomes of it, at whatever level.
    """
    word = unique("secret")
    tasks, remainders, expected = outcomes(word)[outcome]
    told = Told(word, tasks, remainders)

    found, error = leaks(
        word, {"what": word}, told, told.functions,
        retry_attempts=2 if outcome == "no plan" else 1, **MODES[mode],
    )  # fmt: skip

    assert (None if error is None else type(error).__name__) == expected
    assert found == {}


def test_no_word_of_a_repaired_answer_is_told(leaks):
    """
    Nor of the prompt that it was given back with.
    """
    word = unique("secret")
    answers = iter([f"not {word}", '{"tasks": [{"id": "say"}]}'])

    found, error = leaks(
        word, word, CallableDecomposer(lambda prompt: next(answers)),
        {"say": lambda input: input}, monitoring=True,
    )  # fmt: skip

    assert error is None
    assert found == {}


def test_what_is_not_redacted_is_told_everywhere(leaks):
    """
    So that the others would see it.
    """
    word = unique("secret")
    told = Told(word, outcomes(word)["a task fails"][0])

    found, _ = leaks(word, word, told, told.functions, redact=False, monitoring=True)

    assert set(found) == {"events", "logs", "spans"}


def test_a_redacted_error_is_still_raised(leaks):
    """
    Who waits for the goal learns what has happened: that is no event.
    """
    word = unique("secret")
    told = Told(word, outcomes(word)["a task fails"][0])

    _, error = leaks(word, word, told, told.functions)

    assert f"about {word}" in str(error)
