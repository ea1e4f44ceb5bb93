"""singularity_workflow.advance_steps: dependents start, or end without a task."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import completed


def test_an_only_step_that_is_empty_ends_the_run(db):
    """
    A map over nothing completes without a task, in the start call (I 113).
    """
    run = db.start(db.make_workflow(map_step("m")), [])

    assert (run.status, run.steps) == ("completed", {"m": "completed"})
    assert run.tasks() == []
    assert run.output == {"m": []}
    db.check()


def test_a_map_over_an_empty_map_is_empty(db):
    """
    Both complete in the start call, and nothing is pending (I 114).
    """
    run = db.start(db.make_workflow(map_step("m"), map_step("n", "m")), [])

    assert run.steps == {"m": "completed", "n": "completed"}
    assert run.step("n").remaining_deps == 0
    assert run.output == {"n": []}
    db.check()


def test_a_single_step_that_returns_nothing_to_map(db):
    """
    The map child completes without tasks; the run too if it was the last (I 116).
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a")))

    db.complete(db.claim_one(), [])

    assert run.status == "completed"
    assert run.tasks("m") == []
    db.check()


def test_the_single_dependents_of_an_empty_map_start(db):
    """
    With one task each; the run goes on (I 117).
    """
    run = db.start(
        db.make_workflow(map_step("m"), single("a", "m"), single("b", "m")), []
    )

    assert run.status == "started"
    assert run.steps == {"m": "completed", "a": "started", "b": "started"}
    assert run.task_statuses() == ["queued", "queued"]
    db.check()


def test_a_step_without_tasks_starts_and_ends_at_once(db):
    """
    It was never started for anybody to see: both times are one (I 119).
    """
    run = db.start(db.make_workflow(map_step("m"), map_step("n", "m")), [])

    for step in run.step_rows():
        assert step.started_at == step.ended_at
        assert (step.initial_tasks, step.remaining_tasks) == (0, 0)


def test_a_chain_of_a_thousand_empty_maps_ends_in_the_start_call(db):
    """
    There is no limit on the length (I 120).
    """
    steps = [map_step("m0")] + [map_step(f"m{i}", f"m{i - 1}") for i in range(1, 1_000)]
    workflow = db.make_workflow(*steps)

    run = db.start(workflow, [])

    assert run.status == "completed"
    assert run.reply.ended[0][2] == {"m999": []}


def test_an_empty_array_may_empty_a_whole_tree(db):
    """
    Maps below the empty one complete in the report that emptied it.
    """
    run = db.start(
        db.make_workflow(
            single("a"),
            map_step("m", "a"),
            map_step("n", "m"),
            map_step("o", "m"),
            single("end", "n", "o"),
        )
    )

    reply = db.complete(db.claim_one(), [], slots=1, queues=["default"])

    assert reply.steps == ["end"]
    assert run.steps == {
        "a": "completed",
        "m": "completed",
        "n": "completed",
        "o": "completed",
        "end": "started",
    }
    db.check()


def test_a_dependent_starts_when_its_last_dependency_ends(db):
    """
    Not with the first (G 87).
    """
    run = db.start(db.make_workflow(single("a"), single("b"), single("c", "a", "b")))
    one, two = db.claim()

    db.complete(one)
    assert (run.step("c").status, run.step("c").remaining_deps) == ("created", 1)
    db.complete(two)

    assert (run.step("c").status, run.step("c").remaining_deps) == ("started", 0)
    db.check()


def test_two_parents_that_end_in_one_batch_count_twice(db):
    """
    The dependent's count falls by two in one statement, and it starts once (M 164).
    """
    run = db.start(db.make_workflow(single("a"), single("b"), single("c", "a", "b")))

    db.report(*(completed(task) for task in db.claim()))

    assert run.step("c").remaining_deps == 0
    assert run.task_statuses("c") == ["queued"]
    db.check()


def test_a_diamond_joins_once(db):
    """
    One task of the join, whatever the order of its parents.
    """
    run = db.start(
        db.make_workflow(
            single("a"), single("b", "a"), single("c", "a"), single("d", "c", "b")
        )
    )
    db.complete(db.claim_one())
    left, right = db.claim()

    db.complete(right)
    db.complete(left)

    assert run.task_statuses("d") == ["queued"]
    db.check()


def test_many_runs_advance_together(db):
    """
    One call takes a batch of several runs and workflows a step further.
    """
    one = db.make_workflow(single("a"), single("b", "a"))
    two = db.make_workflow(single("x"), map_step("y", "x"), single("z", "x"))
    runs = [db.start(workflow) for workflow in (one, two, one)]

    db.report(*(completed(task, [1, 2]) for task in db.claim()))

    assert [run.task_statuses() for run in runs] == [
        ["completed", "queued"],
        ["completed", "queued", "queued", "queued"],
        ["completed", "queued"],
    ]
    db.check()


def test_an_ended_step_is_counted_once(db):
    """
    A repeated report is refused, so that no dependent starts early (L 150).
    """
    run = db.start(db.make_workflow(single("a"), single("b"), single("c", "a", "b")))
    task = db.claim(1)[0]

    db.complete(task)
    db.complete(task)

    assert run.step("c").remaining_deps == 1
    db.check()


@pytest.mark.parametrize("over", ["a", "b"])
def test_a_map_over_one_of_several_dependencies(db, over):
    """
    It waits for all and maps over the one it names.
    """
    run = db.start(
        db.make_workflow(single("a"), single("b"), map_step("m", "a", "b", over=over))
    )
    values = {"a": [1], "b": [2, 3]}

    db.report(*(completed(task, values[task.step]) for task in db.claim()))

    assert [task.item for task in run.tasks("m")] == values[over]
    db.check()


def test_a_paused_run_starts_steps_but_queues_nothing(db):
    """
    What becomes ready meanwhile is parked for the resumption.
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a"), map_step("m", "a")))
    task = db.claim_one()
    db.execute(
        "update singularity_workflow.runs set status = 'paused' where run_id = %s",
        run.id,
    )

    reply = db.complete(task, [1, 2], slots=9, queues=["default"])

    assert reply.tasks == []
    assert [(t.status, t.wait_reason) for t in run.tasks()][1:] == [
        ("waiting", "paused")
    ] * 3
    db.check()
