"""singularity_workflow.advance_steps: what an unmet condition does to its run."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single

NEVER = {"when": {"never": 1}}


def test_skip_goes_on_with_the_dependents(db):
    """
    They start as behind any step that ended (M 163).
    """
    run = db.start(
        db.make_workflow(single("a", **NEVER), single("b", "a"), single("c"))
    )

    assert run.steps == {"a": "skipped", "b": "started", "c": "started"}
    assert run.row.remaining_steps == 2
    db.check()


def test_skip_cascade_takes_the_dependents_along(db):
    """
    But not the other roots (M 156).
    """
    run = db.start(
        db.make_workflow(
            single("a", **NEVER, on_unmet="skip_cascade"),
            single("b", "a"),
            single("d"),
            single("e", "b", "d"),
        )
    )

    assert run.steps == {"a": "skipped", "b": "skipped", "d": "started", "e": "skipped"}
    assert [run.step(s).skip_reason for s in "abe"] == [
        "condition unmet",
        "dependency skipped",
        "dependency skipped",
    ]
    db.check()


def test_a_diamond_is_skipped_once(db):
    """
    The join of two skipped branches counts as one step.
    """
    steps = [single("a", **NEVER, on_unmet="skip_cascade")]
    for n in range(30):
        tip = "a" if n == 0 else f"j{n - 1}"
        steps += [single(f"l{n}", tip), single(f"r{n}", tip)]
        steps.append(single(f"j{n}", f"l{n}", f"r{n}"))

    run = db.start(db.make_workflow(*steps))

    assert (run.status, set(run.steps.values())) == ("completed", {"skipped"})
    db.check()


def test_fail_ends_the_run_and_what_began_beside_it(db):
    """
    No task and no message is left (M 158, M 159).
    """
    run = db.start(
        db.make_workflow(
            single("a"), single("b", **NEVER, on_unmet="fail"), map_step("m")
        ),
        [1, 2],
    )

    assert run.status == "failed"
    assert run.steps == {"a": "cancelled", "b": "failed", "m": "cancelled"}
    assert (run.row.error["step"], run.row.error["error"]["type"]) == (
        "b",
        "condition_unmet",
    )
    assert (run.tasks(), run.messages(), db.claim()) == ([], [], [])
    db.check()


def test_fail_behind_a_step_cancels_the_tasks_under_way(db):
    """
    A report of theirs comes too late.
    """
    run = db.start(
        db.make_workflow(
            single("a"), single("b"), single("c", "a", **NEVER, on_unmet="fail")
        )
    )
    a, b = db.claim()

    reply = db.complete(a)

    assert [end[:2] for end in reply.ended] == [[str(run.id), "failed"]]
    assert run.task("b").status == "cancelled"
    assert len(db.complete(b).refused) == 1
    db.check()


def test_a_failing_run_leaves_the_others_of_the_batch_alone(db):
    """
    Two runs are reported together, and one of them fails.
    """
    workflow = db.make_workflow(
        single("a"), single("b", "a", when={"a": 1}, on_unmet="fail"), single("c", "a")
    )
    bad, good = db.start(workflow), db.start(workflow)
    tasks = {task.run_id: task for task in db.claim()}

    db.report(
        *(
            {**tasks[run.id].ref, "outcome": "completed", "output": output}
            for run, output in ((bad, 2), (good, 1))
        )
    )

    assert (bad.status, good.status) == ("failed", "started")
    assert good.steps == {"a": "completed", "b": "started", "c": "started"}
    assert {task.run_id for task in db.claim()} == {good.id}
    db.check()


def test_two_parents_skipped_in_one_pass_count_twice(db):
    """
    Their dependent starts, once (M 164).
    """
    run = db.start(
        db.make_workflow(
            single("a", **NEVER), single("b", **NEVER), single("c", "a", "b")
        )
    )

    assert run.steps["c"] == "started"
    assert len(run.tasks("c")) == 1
    db.check()


def test_two_of_three_parents_skipped(db):
    """
    The dependent waits for the third (M 165).
    """
    run = db.start(
        db.make_workflow(
            single("a", **NEVER),
            single("b", **NEVER),
            single("c"),
            single("d", "a", "b", "c"),
        )
    )
    assert run.step("d").remaining_deps == 1

    db.complete(db.claim_one())

    assert run.steps["d"] == "started"
    db.check()


def test_a_thousand_unmet_steps_end_in_the_call_that_starts_them(db):
    """
    There is no bound on the depth, and the step behind them starts (M 163).
    """
    steps = [single("s0", **NEVER)]
    steps += [single(f"s{i}", f"s{i - 1}", **NEVER) for i in range(1, 1_000)]

    run = db.start(db.make_workflow(*steps, single("last", "s999")))

    assert run.row.remaining_steps == 1
    assert [task.step for task in run.tasks()] == ["last"]


@pytest.mark.parametrize("options", [{"start_delay": 5}, {"queue": "other"}])
def test_a_conditional_root_keeps_its_options(db, options):
    """
    It begins like any other if its condition holds.
    """
    run = db.start(db.make_workflow(single("a", when={"go": 1}, **options)), {"go": 1})

    assert (run.task("a").status, db.claim()) == (
        "waiting" if "start_delay" in options else "queued",
        [],
    )
    db.check()


@pytest.mark.parametrize("value", [None, 1, "x", {"items": 1}])
def test_a_root_map_that_is_skipped_needs_no_elements(db, value):
    """
    One that runs does (E 60).
    """
    run = db.start(db.make_workflow(map_step("m", **NEVER)), value)
    assert (run.status, run.steps) == ("completed", {"m": "skipped"})

    with db.raises("SW401"):
        db.start(db.make_workflow(map_step("m", when_not={"never": 1})), value)
    db.check()


def test_conditions_in_a_serial_run(db):
    """
    The turn goes to what runs.
    """
    run = db.start(
        db.make_workflow(single("a", **NEVER), single("b", "a"), single("c")),
        serial=True,
    )

    assert [task.step for task in db.work()] == ["b", "c"]
    assert run.status == "completed"
    db.check()


def test_what_becomes_ready_in_a_paused_run_is_parked(db):
    """
    The condition is looked at when the step becomes ready; its task waits.
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a", when="$.a == 1")))
    task = db.claim_one()
    db.pause(run)

    db.complete(task, 1)

    assert run.task("b").wait_reason == "paused"
    db.resume(run)
    db.work()
    assert run.status == "completed"
    db.check()
