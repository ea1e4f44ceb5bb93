"""
Random workflows, driven at random: whatever happens, the invariants hold.

The driver knows nothing of what should come next. It claims, reports, repeats itself,
gives tasks back, lets time pass, pauses, resumes, cancels, repeats, calls runs and
deletes; after each call the database is recounted, and at the end every run must end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from fixtures.definitions import map_step, single, undo_step
from fixtures.workbench import (
    Db,
    Reply,
    Run,
    Task,
    Workflow,
    called,
    completed,
    failed,
    skipped,
    unmet,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MODES = st.sampled_from(["fail", "fail", "skip", "skip_cascade"])
QUEUES = ["default", "other"]
RETRY = {"max_attempts": 2, "delay": 1, "jitter": False}
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
MAX_STEPS = 12
MAX_CALLS = 25
MAX_RUNS = 12
CONDITIONS = st.sampled_from(
    ["$.run_input[0] == 1", "strict $.nothing", "$[*] ? (@ > 1)", {"s0": [1]}, {}]
)
OUTPUTS = st.one_of(
    st.lists(st.sampled_from([0, None, "", [], {"a": 1}]), max_size=3),
    st.lists(st.just(1), min_size=1, max_size=3),
    st.sampled_from([None, "text", 0, {"items": [1]}]),
)


@st.composite
def steps(draw) -> list[dict[str, Any]]:
    """Draw the steps of a workflow: any acyclic graph of single steps and maps."""
    found: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, MAX_STEPS))):
        names = [step["name"] for step in found]
        parents = (
            draw(st.lists(st.sampled_from(names), unique=True, max_size=3))
            if names
            else []
        )
        options = draw(
            st.fixed_dictionaries(
                {
                    "retry": st.sampled_from([RETRY, RETRY | {"max_attempts": 1}]),
                    "on_failure": MODES,
                },
                optional={
                    "start_delay": st.just(5),
                    "priority": st.integers(-1, 1),
                    "queue": st.just("other"),
                    "when": CONDITIONS,
                    "when_not": CONDITIONS,
                    "on_unmet": MODES,
                },
            )
        )
        if draw(st.booleans()):
            options |= draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "max_concurrency": st.integers(1, 2),
                        "on_error": st.sampled_from(["fail", "collect", "skip"]),
                    },
                )
            )
            over = draw(st.sampled_from(parents)) if parents else None
            size = draw(st.sampled_from([None] * 5 + [0, 2])) if parents else None
            found.append(
                map_step(
                    f"s{number}", *parents, over=over, initial_tasks=size, **options
                )
            )
        else:
            found.append(single(f"s{number}", *parents, **options))
    return found


@dataclass
class Driver:
    """
    Calls the functions as several confused workers would.

    Args:
        db: The database.
        draw: Takes decisions.
    """

    db: Db
    draw: Callable[[st.SearchStrategy[Any]], Any]
    runs: list[Run] = field(default_factory=list)
    held: list[Task] = field(default_factory=list)
    past: list[Task] = field(default_factory=list)
    seen: set[Task] = field(default_factory=set)
    children: list[Workflow] = field(default_factory=list)

    @property
    def queues(self) -> list[str]:
        """All queues in which a task may be."""
        return [*QUEUES, f"local:{self.db.worker}"]

    def start(self, steps: list[dict[str, Any]]) -> None:
        """Start a run, local or distributed, serial or not."""
        is_local = self.draw(st.booleans())
        name = f"w{len(self.runs)}"
        if undone := self.draw(st.sets(st.sampled_from([s["name"] for s in steps]))):
            self.db.make_workflow(
                *(undo_step(one, retry=RETRY) for one in sorted(undone)),
                name=f"undo_{name}",
                undoes=name,
            )
        run = self.db.start(
            self.db.make_workflow(
                *steps,
                name=name,
                compensation=f"undo_{name}" if undone else None,
            ),
            self.draw(st.lists(st.integers(0, 3), max_size=3)),
            owner=self.db.worker if is_local else None,
            slots=self.draw(st.integers(0, 3)),
            serial=self.draw(st.booleans()),
            max_parallel=self.draw(st.sampled_from([1, 1, 2, 3])),
            priority=len(self.runs) * 10,
            tags=self.draw(st.lists(st.sampled_from("xy"), max_size=2)),
            timeout=self.draw(st.sampled_from([None, None, 20])),
        )
        self.runs.append(run)
        self.take(run.reply)

    def take(self, reply: Reply) -> None:
        """Hold the tasks of a reply; none may have been handed out before."""
        for task in reply.tasks:
            key = task._replace(item=None)
            assert key not in self.seen, f"handed out twice: {task}"
            self.seen.add(key)
        self.held += reply.tasks

    def is_current(self, task: Task) -> bool:
        """Tell whether a report of this attempt must count."""
        return bool(
            self.db.rows(
                "select from singularity_workflow.tasks "
                "where (run_id, step_no, task_index, attempt) = (%s, %s, %s, %s) "
                "and status = 'started'",
                *(task.run_id, task.step_no, task.index, task.attempt),
            )
        )

    def some_held(self) -> list[Task]:
        """Let go of some of the held tasks and return them, in any order."""
        if not self.held:
            return []
        chosen = self.draw(
            st.lists(st.sampled_from(self.held), min_size=1, unique_by=id)
        )
        self.held = [task for task in self.held if task not in chosen]
        return chosen

    # what may happen

    def claim(self) -> None:
        """Claim some tasks of some queues."""
        self.take(self.db.claim_reply(self.draw(st.integers(0, 4)), self.queues))

    def report(self) -> None:
        """Report some tasks; only what is not theirs any more may be refused."""
        tasks = self.some_held()
        current = [task for task in tasks if self.is_current(task)]
        reply = self.db.report(
            *(self.outcome(task) for task in tasks),
            slots=self.draw(st.integers(0, 3)),
            queues=self.queues,
            claim=self.draw(st.booleans()),
        )
        self.past += tasks
        self.take(reply)
        assert len(reply.refused) == len(tasks) - len(current)
        assert reply.deferred == []

    def outcome(self, task: Task) -> dict[str, Any]:
        """Draw how a task ended."""
        kind = self.draw(
            st.sampled_from(
                ["completed"] * 6 + ["failed", "final", "skipped", "unmet", "called"]
            )
        )
        if kind == "unmet":
            return unmet(task)
        if kind == "called" and len(self.runs) < MAX_RUNS:
            run_id = self.db.new_id()
            workflow = self.draw(st.sampled_from(self.children))
            if self.is_current(task):
                self.runs.append(self.db.run(run_id))
            return called(task, run_id, workflow.id, [1, 2])
        if kind in {"completed", "called"}:
            return completed(task, self.draw(OUTPUTS))
        if kind == "skipped":
            return skipped(task)
        return failed(task, final=kind == "final")

    def repeat(self) -> None:
        """Report an attempt a second time, in another way: it must be refused."""
        if self.past:
            task = self.draw(st.sampled_from(self.past))
            assert len(self.db.report(self.outcome(task)).refused) == 1

    def release(self) -> None:
        """Give some tasks back."""
        tasks = self.some_held()
        self.db.call("release_tasks", [task.ref for task in tasks])
        self.past += tasks

    def wait(self) -> None:
        """Let time pass and fire some of the timers."""
        self.db.advance(seconds=self.draw(st.sampled_from([0, 1, 5, 100])))
        self.db.fire(self.draw(st.sampled_from([1, 500])))

    def some_run(self) -> Run:
        """Draw a run."""
        return self.draw(st.sampled_from(self.runs))

    def cancel(self) -> None:
        """Cancel a run."""
        self.db.cancel(self.some_run())

    def pause(self) -> None:
        """Pause a run; a claim then starts none of its tasks."""
        run = self.some_run()
        self.db.pause(run)
        if run.status == "paused":
            reply = self.db.claim_reply(5, self.queues)
            assert run.id not in {task.run_id for task in reply.tasks}
            self.take(reply)

    def resume(self) -> None:
        """Resume a run."""
        self.db.resume(self.some_run())

    def copy(self) -> None:
        """Retry or fork a run, if that is possible now."""
        run = self.some_run()
        step = self.draw(st.sampled_from([None, *run.steps]))
        if len(self.runs) < MAX_RUNS:
            try:
                with self.db.connection.transaction():
                    new = self.db.copy(run, step)
            except psycopg.Error as error:
                if error.sqlstate != "SW409":
                    raise
            else:
                self.runs.append(new)

    def delete(self) -> None:
        """Delete a part of a run, if it may be."""
        run = self.some_run()
        try:
            with self.db.connection.transaction():
                gone = self.db.call("delete_runs", [run.id], 500)["deleted"]
        except psycopg.Error as error:
            if error.sqlstate != "SW409":
                raise
        else:
            assert gone == [str(run.id)]
            if len(self.runs) > 1:
                self.runs.remove(run)
            else:
                self.start([single("s0")])
                self.runs.remove(run)

    def step(self) -> None:
        """Do one of these."""
        usual = [self.claim, self.report, self.report, self.wait]
        rare = [self.repeat, self.release, self.cancel, self.delete]
        rare += [self.pause, self.pause, self.resume, self.resume, self.copy, self.copy]
        self.draw(st.sampled_from(usual * 4 + rare))()
        self.db.check()

    def open_runs(self) -> list[Run]:
        """Return the runs that have not ended, compensations too."""
        rows = self.db.rows(
            "select run_id from singularity_workflow.runs "
            "where status not in ('completed', 'failed', 'cancelled')"
        )
        return [self.db.run(row.run_id) for row in rows]

    def drain(self) -> None:
        """Work until nothing is left to do; every run must then have ended."""
        for _ in range(200):
            self.db.resume(*self.open_runs())
            self.db.report(*(completed(task, [1]) for task in self.held))
            self.held = self.db.claim(queues=self.queues)
            if not self.held:
                self.db.advance(seconds=100)
                if not self.db.fire()["fired"]:
                    break
        self.db.check()
        assert [(run.status, run.steps) for run in self.open_runs()] == []


@pytest.mark.timeout(400)  # to find the smallest failure takes its time
@settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(workflows=st.lists(steps(), min_size=1, max_size=2), data=st.data())
def test_invariants_hold_and_every_run_ends(db, workflows, data):
    """
    After every call, for any graph, outcomes and order of calls (B-L).
    """
    with db.rolled_back():
        db.set_now(NOON)
        driver = Driver(db, data.draw)
        driver.children = [
            db.make_workflow(single("c", retry=RETRY)),
            db.make_workflow(map_step("c", max_concurrency=1)),
            db.make_workflow(single("c", when="$[0] > 5")),
        ]
        for found in workflows:
            driver.start(found)
        db.check()

        for _ in range(data.draw(st.integers(0, MAX_CALLS))):
            driver.step()

        driver.drain()
