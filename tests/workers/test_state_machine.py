"""
Workers that come, die, sleep and come back, driven at random against the SQL core.

`tests/sql/test_properties.py` draws workflows and lets one confused worker run them.
Here the workflows are few and the workers many: they register, claim, report, are
declared lost and go on as zombies, forget what they were given, stop, adopt, fire
timers; runs are paused, resumed, repeated and cancelled at any moment, and call others.
After every call the database is recounted.
The model is small: who was given which attempt, and whose result was taken.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import Db, Reply, Run, Task, called, completed, failed, skipped
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
RETRY = {"max_attempts": 2, "delay": 1, "jitter": False}
QUEUES = ["default", "other"]
MAX_LOST = 2

WORKFLOWS = [
    [
        single("a", retry=RETRY),
        single("b", "a"),
        single("c", "a"),
        single("d", "b", "c"),
    ],
    [single("a"), map_step("m", "a"), map_step("n", "m", on_failure="skip")],
    [map_step("m", queue="other", on_failure="skip_cascade"), single("z", "m")],
    [single("a", queue_timeout=50), single("b", "a", start_delay=20, queue="other")],
    [map_step("m", max_concurrency=2, on_error="collect"), single("z", "m")],
]
MAX_RUNS = 10

SILENT = """
update singularity_workflow.workers set heartbeat_at = heartbeat_at - interval '1 hour'
where worker_id = %s
"""
LONG_AGO = """
update singularity_workflow.tasks set started_at = started_at - interval '1 minute'
where worker_id = %s and status = 'started'
"""
CURRENT = """
select from singularity_workflow.tasks
where (run_id, step_no, task_index, attempt) = (%s, %s, %s, %s) and status = 'started'
"""

some = st.integers(0, 1_000_000)
few = st.integers(0, 4)


class Fleet(RuleBasedStateMachine):
    """Some workers, and the runs that they share."""

    db: Db

    def __init__(self) -> None:
        super().__init__()
        self._undo = self.db.rolled_back()
        self._undo.__enter__()
        self.db.set_now(NOON)
        self.workflows: list[Any] = []
        self.runs: list[Run] = []
        self.living: list[UUID] = []
        self.dead: list[UUID] = []
        self.held: dict[UUID, list[Task]] = {}
        self.past: list[Task] = []
        self.given: set[Task] = set()
        self.completions: Counter[tuple[UUID, int, int]] = Counter()

    def teardown(self) -> None:
        try:
            if self.runs:
                self._drain()
        finally:
            self._undo.__exit__(None, None, None)

    # what may happen

    @initialize()
    def begin(self) -> None:
        """Register the workflows, and two workers."""
        self.workflows = [
            self.db.make_workflow(*steps, max_lost=MAX_LOST) for steps in WORKFLOWS
        ]
        self.register()
        self.register()

    @rule()
    @precondition(lambda self: len(self.living) < 4)
    def register(self) -> None:
        """A worker joins."""
        worker = self.db.register_worker(lease=1)
        self.living.append(worker)
        self.held[worker] = []

    @rule(which=some, size=few, is_local=st.booleans(), serial=st.booleans(), slots=few)
    @precondition(lambda self: self.living and len(self.runs) < 6)
    def start(
        self, which: int, size: int, is_local: bool, serial: bool, slots: int
    ) -> None:
        """A run starts, of a worker or of whoever serves its queue."""
        owner = _pick(self.living, which) if is_local else None
        run = self.db.start(
            _pick(self.workflows, which),
            list(range(size)),
            owner=owner,
            slots=slots,
            serial=serial,
        )
        self.runs.append(run)
        if owner is not None:
            self._take(owner, run.reply)

    @rule(who=some, n=few)
    @precondition(lambda self: self.living)
    def claim(self, who: int, n: int) -> None:
        """A worker takes what waits in its queues."""
        worker = _pick(self.living, who)
        self._take(worker, self.db.claim_reply(n, self._queues(worker), worker=worker))

    @rule(who=some, count=few, how=st.lists(some, min_size=4, max_size=4), slots=few)
    @precondition(lambda self: any(self.held.values()))
    def report(self, who: int, count: int, how: list[int], slots: int) -> None:
        """A worker, dead or alive, tells what became of some of its tasks."""
        worker = _pick([one for one, tasks in self.held.items() if tasks], who)
        tasks, self.held[worker] = self.held[worker][:count], self.held[worker][count:]
        current = [task for task in tasks if self._is_current(task)]
        outcomes = [_outcome(*one) for one in zip(tasks, how, strict=False)]
        reply = self.db.report(
            *outcomes,
            worker=worker,
            slots=slots,
            queues=self._queues(worker),
            claim=bool(slots % 2),
        )
        self.past += tasks
        assert len(reply.refused) == len(tasks) - len(current)
        assert reply.deferred == []
        self.completions.update(
            (task.run_id, task.step_no, task.index)
            for task, outcome in zip(tasks, outcomes, strict=True)
            if task in current and outcome["outcome"] == "completed"
        )
        if worker in self.dead:
            assert reply.tasks == [], "the dead get nothing"
        self._take(worker, reply)

    @rule(which=some, how=some)
    @precondition(lambda self: self.past)
    def repeat(self, which: int, how: int) -> None:
        """An attempt is reported a second time: it changes nothing."""
        task = _pick(self.past, which)
        reply = self.db.report(_outcome(task, how))
        assert len(reply.refused) == 1

    @rule(who=some)
    @precondition(lambda self: len(self.living) > 1)
    def fall_silent(self, who: int) -> None:
        """A worker's heart stands still for longer than its lease."""
        worker = _pick(self.living, who)
        self.db.execute(SILENT, worker)

    @rule(who=some)
    @precondition(lambda self: self.living)
    def reap(self, who: int) -> None:
        """A worker looks who is lost; what was lost too often it fails."""
        worker = _pick(self.living, who)
        found = self.db.call("reap_workers", worker)
        lost = [UUID(one) for one in found.get("lost") or ()]
        for one in lost:
            self._die(one)
        if worker in self.living:
            self._give_up(found.get("given_up") or ())

    @rule(who=some, is_remembered=st.booleans())
    @precondition(lambda self: self.living)
    def beat(self, who: int, is_remembered: bool) -> None:
        """A worker says which tasks it knows; it may have missed a reply."""
        worker = _pick(self.living, who)
        self.db.execute(LONG_AGO, worker)
        known = self.held[worker] if is_remembered else []
        reply = self.db.call(
            "heartbeat",
            worker,
            [[str(t.run_id), t.step_no, t.index, t.attempt] for t in known],
            sweep=True,
        )
        assert reply["alive"]
        gone = {
            (UUID(run), step, task, n) for run, step, task, n in reply["gone"] or ()
        }
        assert all(
            ((t.run_id, t.step_no, t.index, t.attempt) in gone) != self._is_current(t)
            for t in known
        )

    @rule(who=some, releases=st.booleans())
    @precondition(lambda self: len(self.living) > 1)
    def stop(self, who: int, releases: bool) -> None:
        """A worker ends in good order, or nearly so."""
        worker = _pick(self.living, who)
        if releases:
            self.db.call("release_tasks", [task.ref for task in self.held[worker]])
        self.db.call("stop_worker", worker)
        self._die(worker)

    @rule(who=some)
    @precondition(lambda self: self.dead)
    def wake_as_a_zombie(self, who: int) -> None:
        """A worker that was declared dead asks for work before it knows it."""
        worker = _pick(self.dead, who)
        reply = self.db.claim_reply(3, self._queues(worker), worker=worker)
        assert reply.tasks == []
        assert not self.db.call("heartbeat", worker, [])["alive"]
        assert not self.db.call("reap_workers", worker).get("given_up")

    @rule(who=some, is_owned=st.booleans())
    @precondition(lambda self: self.living)
    def adopt(self, who: int, is_owned: bool) -> None:
        """A worker takes over the local runs of the dead."""
        worker = _pick(self.living, who)
        versions = [workflow.id for workflow in self.workflows]
        self.db.call("adopt_runs", worker if is_owned else None, versions)
        self._notice_the_lost()

    @rule(
        who=some,
        seconds=st.sampled_from([0, 1, 30, 100]),
        limit=st.sampled_from([1, 99]),
    )
    @precondition(lambda self: self.living)
    def tick(self, who: int, seconds: int, limit: int) -> None:
        """Time passes, and a worker does what is due."""
        worker = _pick(self.living, who)
        self.db.advance(seconds=seconds)
        fired = self.db.call("fire_timers", limit, worker)
        self._fail_all(fired.get("overdue") or ())

    @rule(which=some)
    @precondition(lambda self: self.runs)
    def cancel(self, which: int) -> None:
        """Somebody cancels a run."""
        self.db.call("cancel_runs", [_pick(self.runs, which).id])

    @rule(which=some)
    @precondition(lambda self: self.runs)
    def pause(self, which: int) -> None:
        """Somebody pauses a run."""
        self.db.pause(_pick(self.runs, which))

    @rule(which=some)
    @precondition(lambda self: self.runs)
    def resume(self, which: int) -> None:
        """Somebody resumes a run."""
        self.db.resume(_pick(self.runs, which))

    @rule(which=some, is_retry=st.booleans())
    @precondition(lambda self: 0 < len(self.runs) < MAX_RUNS)
    def copy(self, which: int, is_retry: bool) -> None:
        """Somebody repeats a run, if that is possible; what was done is kept."""
        run = _pick(self.runs, which)
        step = None if is_retry else _pick(list(run.steps), which)
        try:
            with self.db.connection.transaction():
                again = self.db.copy(run, step)
        except psycopg.Error as error:
            if error.sqlstate != "SW409":
                raise
            return
        self.runs.append(again)
        self.completions.update(
            (t.run_id, t.step_no, t.task_index)
            for t in again.tasks()
            if t.status == "completed"
        )

    @rule(who=some, which=some)
    @precondition(lambda self: any(self.held.values()) and len(self.runs) < MAX_RUNS)
    def call(self, who: int, which: int) -> None:
        """A worker asks for a child run, which its task then waits for."""
        worker = _pick([one for one, tasks in self.held.items() if tasks], who)
        task = self.held[worker].pop(0)
        is_current = self._is_current(task)
        run_id = self.db.new_id()
        workflow = _pick(self.workflows, which)
        reply = self.db.report(called(task, run_id, workflow.id, [1, 2]), worker=worker)
        self.past.append(task)
        assert len(reply.refused) == (0 if is_current else 1)
        if is_current:
            self.runs.append(self.db.run(run_id))

    # what must hold

    @invariant()
    def counters_and_messages_are_right(self) -> None:
        """The database, recounted."""
        self.db.check()

    @invariant()
    def each_result_was_taken_once(self) -> None:
        """A completed task has one report that completed it, and no other has two."""
        assert set(self.completions.values()) <= {1}
        rows = self.db.rows(
            "select t.run_id, t.step_no, t.task_index "
            "from singularity_workflow.tasks t where t.status = 'completed' "
            # what a child run brought, no worker reported
            "and not exists (select from singularity_workflow.runs c "
            "where (c.parent_run_id, c.parent_step_no, c.parent_task_index)"
            " = (t.run_id, t.step_no, t.task_index))"
        )
        assert {tuple(row) for row in rows} <= set(self.completions)

    # inside

    def _queues(self, worker: UUID) -> list[str]:
        return [*QUEUES, f"local:{worker}"]

    def _take(self, worker: UUID, reply: Reply) -> None:
        for task in reply.tasks:
            key = task._replace(item=None)
            assert key not in self.given, f"given twice: {task}"
            self.given.add(key)
        self.held[worker] += reply.tasks

    def _is_current(self, task: Task) -> bool:
        key = (task.run_id, task.step_no, task.index, task.attempt)
        return bool(self.db.rows(CURRENT, *key))

    def _die(self, worker: UUID) -> None:
        if worker in self.living:
            self.living.remove(worker)
            self.dead.append(worker)

    def _notice_the_lost(self) -> None:
        for (worker,) in self.db.rows(
            "select worker_id from singularity_workflow.workers "
            "where lost_at is not null"
        ):
            self._die(worker)

    def _give_up(self, rows: Any) -> None:
        for row in rows:
            assert row[5] >= MAX_LOST
        self._fail_all([row[:4] for row in rows])

    def _fail_all(self, refs: Any) -> None:
        for run_id, step_no, index, attempt in refs:
            task = Task(UUID(run_id), "", step_no, index, attempt, None)
            # one that failed before it may have ended their step, and so this task
            is_current = self._is_current(task)
            reply = self.db.report(failed(task, "given up", final=True))
            assert bool(reply.refused) is not is_current
            self.past.append(task)

    def _drain(self) -> None:
        """All die but one, who does what is left: every run must end."""
        self.register_last()
        for _ in range(200):
            self.db.resume(*self.runs)
            reaped = self.db.call("reap_workers", self.db.worker)
            self._give_up(reaped.get("given_up") or ())
            self.db.call("adopt_runs", self.db.worker, [w.id for w in self.workflows])
            tasks = self.db.claim_reply(99, self._queues(self.db.worker)).tasks
            self.db.report(*(completed(task, [1]) for task in tasks))
            if not tasks:
                self.db.advance(seconds=100)
                fired = self.db.call("fire_timers", 500, self.db.worker)
                self._fail_all(fired.get("overdue") or ())
                if not fired["fired"]:
                    break
        self.db.check()
        assert {run.status for run in self.runs} <= {"completed", "failed", "cancelled"}

    def register_last(self) -> None:
        """The last worker comes, and nobody else beats any more."""
        for worker in self.living:
            self.db.execute(SILENT, worker)
        self.db.worker = self.db.register_worker(lease=3600)


def _pick(items: list[Any], number: int) -> Any:
    return items[number % len(items)]


def _outcome(task: Task, choice: int) -> dict[str, Any]:
    kinds = [
        completed(task, [1, 2]),
        completed(task, list(range(choice % 3))),
        completed(task, [None]),
        failed(task),
        failed(task, final=True),
        skipped(task),
        {**task.ref, "outcome": "unserved"},
    ]
    return kinds[choice % len(kinds)]


@pytest.mark.timeout(400)  # to find the smallest failure takes its time
def test_a_fleet_loses_nothing_and_does_nothing_twice(db, grown_server):
    """
    In whatever order its workers live and die (B-L, P, S1-S3, F2, F4).
    """

    class OnThisDatabase(Fleet):
        pass

    OnThisDatabase.db = db
    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=50,
            stateful_step_count=40,
            suppress_health_check=list(HealthCheck),
        ),
    )
