"""Every mutating function beside every other, on the same few runs (F3)."""

from __future__ import annotations

import random

import psycopg
from fixtures.definitions import map_step, single, undo_step
from fixtures.workbench import Db, called, completed, failed, skipped

WORKERS = 6
CALLS = 120


class Worker:
    """Calls what comes to its mind, and counts what it was refused."""

    def __init__(self, db: Db, workflows, runs, seed: int) -> None:
        self.db = db
        self.workflows = workflows
        self.runs = runs
        self.random = random.Random(seed)
        self.held = []
        self.deadlocks = 0

    def run(self) -> int:
        """Make the calls and return how many of them were victims of a deadlock."""
        calls = [self.claim, self.report, self.report, self.start]
        calls += [self.fire, self.release, self.cancel, self.beat, self.adopt]
        calls += [self.pause, self.resume, self.copy, self.delete]
        for _ in range(CALLS):
            try:
                self.random.choice(calls)()
            except psycopg.errors.DeadlockDetected:
                self.deadlocks += 1
            except psycopg.Error as error:
                # what is not possible just now, or gone meanwhile
                if error.sqlstate not in {"SW405", "SW409"}:
                    raise
        return self.deadlocks

    def some_runs(self):
        """Return some ids in any order."""
        ids = [run.id for run in list(self.runs)]
        return self.random.sample(ids, min(len(ids), 4))

    def claim(self):
        self.held += self.db.claim(10, queues=["default", f"local:{self.db.worker}"])

    def report(self):
        kinds = [completed] * 4 + [failed, skipped]
        self.random.shuffle(self.held)
        batch, self.held = self.held[:8], self.held[8:]
        child = self.workflows[-1].id
        reply = self.db.report(
            *(
                called(task, self.db.new_id(), child)
                if self.random.random() < 0.1
                else self.random.choice(kinds)(task)
                for task in batch
            ),
            slots=4,
            queues=["default"],
            claim=True,
            wait=self.random.random() < 0.5,
        )
        again = {tuple(row) for row in reply.deferred}
        self.held += reply.tasks
        self.held += [
            t for t in batch if (str(t.run_id), t.step_no, t.index, t.attempt) in again
        ]

    def start(self):
        owner = self.random.choice([None, self.db.worker])
        requests = [
            self.db.request(
                self.random.choice(self.workflows),
                input=[1, 2, 3],
                priority=self.random.randint(0, 9),
                key=self.random.choice([None, *"abc"]),
            )
            for _ in range(3)
        ]
        self.runs += self.db.start_many(requests, owner, slots=0)

    def fire(self):
        self.db.fire()

    def release(self):
        batch, self.held = self.held[:3], self.held[3:]
        self.db.call("release_tasks", [task.ref for task in batch])

    def cancel(self):
        if self.random.random() < 0.2:
            self.db.call("cancel_runs", self.some_runs())

    def pause(self):
        self.db.call("pause_runs", self.some_runs()[:2])

    def resume(self):
        self.db.call("resume_runs", self.some_runs())

    def copy(self):
        ids = self.some_runs()
        if ids:
            new_id = self.db.new_id()
            self.db.call("copy_run", ids[0], new_id, notify=True)
            self.runs.append(self.db.run(new_id))

    def delete(self):
        ids = self.some_runs()
        if ids and self.random.random() < 0.2:
            self.db.call("delete_runs", ids[:1], self.random.choice([5, 500]))

    def beat(self):
        self.db.call("heartbeat", self.db.worker, [], sweep=True)

    def adopt(self):
        ids = [workflow.id for workflow in self.workflows]
        self.db.call("adopt_runs", self.db.worker, ids)


def test_no_two_functions_deadlock_and_no_work_is_lost(sessions, clock):
    """
    Six sessions make 120 calls each; then everything is worked off (U 212, F10).
    """
    db = sessions.monitor
    options = {"retry": {"max_attempts": 2, "delay": 0}}
    workflows = [
        db.make_workflow(map_step("m"), single("b", "m"), single("c"), **options),
        db.make_workflow(
            single("a"),
            map_step("m", on_failure="skip"),
            single("c", "a", "m"),
            **options,
        ),
        db.make_workflow(map_step("m"), map_step("n", "m", on_failure="skip_cascade")),
        db.make_workflow(
            map_step("m", max_concurrency=2, on_error="skip"),
            single("z", "m"),
            name="do",
            compensation="undo",
            **options,
        ),
        db.make_workflow(undo_step("m", **options), name="undo", undoes="do"),
        db.make_workflow(single("c"), **options),
    ]
    runs = []
    workers = []
    starts = [*workflows[:-2], workflows[-1]]
    for seed in range(WORKERS):
        session = sessions.open()
        session.register_worker(session.worker, lease=60)
        workers.append(Worker(session, starts, runs, seed))

    calls = [sessions.start(worker.db, worker.run) for worker in workers]
    deadlocks = [call.result(timeout=60) for call in calls]

    assert deadlocks == [0] * WORKERS
    # a claim that met a paused run while it was cancelled put its message back, for
    # the next claim to drop
    queues = ["default", *(f"local:{worker.db.worker}" for worker in workers)]
    workers[0].held += workers[0].db.claim(queues=queues)
    db.check()
    clock.advance(days=1)
    drain(db, workers, clock)
    ends = "('completed', 'failed', 'cancelled')"
    assert (
        db.rows(
            "select run_id, status from singularity_workflow.runs "
            f"where status not in {ends}"
        )
        == []
    )
    db.check()


def drain(db, workers, clock):
    """Complete all tasks, whoever has them, until none is left."""
    queues = ["default", *(f"local:{worker.db.worker}" for worker in workers)]
    held = [task for worker in workers for task in worker.held]
    # tasks that a worker got and forgot, as after a lost reply
    db.execute(
        "update singularity_workflow.tasks "
        "set started_at = started_at - interval '1 min' where status = 'started'"
    )
    for worker in workers:
        db.call("heartbeat", worker.db.worker, [], sweep=True)
    assert all(len(db.complete(task).refused) == 1 for task in held)
    while True:
        open_runs = db.rows(
            "select run_id from singularity_workflow.runs where status = 'paused'"
        )
        db.call("resume_runs", [row.run_id for row in open_runs])
        fired = db.fire()["fired"]
        if not db.work(queues) and not fired and not open_runs:
            waits = db.call("next_timer_in")
            if waits is None or waits > 3_600:
                return
            clock.advance(seconds=waits + 0.001)
