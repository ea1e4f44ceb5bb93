"""singularity_workflow.skip_tasks: a handler said that its work is not needed."""

from __future__ import annotations

from fixtures.definitions import map_step, single
from fixtures.workbench import by_step, completed, skipped


def test_a_single_step_is_skipped_with_its_task(db):
    """
    The reason is the handler's; the dependents start.
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")))

    reply = db.skip(db.claim_one(), "nothing new")

    assert run.steps == {"a": "skipped", "b": "started"}
    assert run.step("a").skip_reason == "nothing new"
    assert (run.task("a").status, run.task("a").failures) == ("skipped", 0)
    assert run.failures() == []
    assert reply.refused == []
    db.check()


def test_a_skip_without_a_reason_has_one(db):
    """
    A skipped step always says why.
    """
    run = db.start(db.make_workflow(single("a")))

    db.skip(db.claim_one(), "")

    assert run.step("a").skip_reason == "handler skipped"


def test_a_skipped_element_is_left_out(db):
    """
    The step goes on with the others.
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2, 3])
    one, two, three = db.claim()

    db.skip(two)
    assert (run.step("m").status, run.step("m").remaining_tasks) == ("started", 2)
    db.report(completed(one, "a"), completed(three, "c"))

    assert run.output == {"m": ["a", "c"]}
    db.check()


def test_the_last_element_may_be_the_skipped_one(db):
    """
    Then it is the skip that completes the step.
    """
    run = db.start(db.make_workflow(map_step("m"), single("end", "m")), [1, 2])
    one, two = db.claim()
    db.complete(one, "a")

    db.skip(two)

    assert run.step("m").output == ["a"]
    assert run.step("end").status == "started"
    db.check()


def test_a_map_of_which_all_is_skipped_is_empty(db):
    """
    It has completed, with the empty array.
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2])

    db.report(*map(skipped, db.claim()))

    assert run.output == {"m": []}
    assert run.task_statuses() == ["skipped", "skipped"]
    db.check()


def test_skips_and_completions_of_one_map_in_one_batch(db):
    """
    They are counted together, and the output holds the completed ones.
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2, 3])
    one, two, three = db.claim()

    db.report(skipped(one), completed(two, "b"), skipped(three))

    assert run.output == {"m": ["b"]}
    db.check()


def test_a_skip_beside_a_failure_of_the_same_map(db):
    """
    The failure ends the step by its mode, whatever was counted before.
    """
    run = db.start(
        db.make_workflow(
            map_step("m", max_attempts=1, on_failure="skip"), single("end", "m")
        ),
        [1, 2],
    )
    one, two = db.claim()

    db.report(skipped(one), {**two.ref, "outcome": "failed"})

    assert run.steps == {"m": "skipped", "end": "started"}
    db.check()


def test_two_single_steps_of_one_run_in_one_batch(db):
    """
    Both count, and what waits for both starts once.
    """
    run = db.start(db.make_workflow(single("a"), single("b"), single("c", "a", "b")))
    tasks = by_step(db.claim())

    db.report(skipped(tasks["a"], "one"), skipped(tasks["b"], "two"))

    assert [s.skip_reason for s in run.step_rows()] == ["one", "two", None]
    assert run.task_statuses("c") == ["queued"]
    db.check()


def test_skipped_and_failed_elements_make_room_in_a_window(db):
    """
    The next ones are let go, and the map keeps its count.
    """
    run = db.start(
        db.make_workflow(
            map_step("m", max_concurrency=2, max_attempts=1, on_error="skip")
        ),
        list(range(5)),
    )
    one, two = db.claim()

    db.skip(one)
    db.fail(two)

    assert [t.index for t in db.claim()] == [2, 3]
    assert (run.step("m").window_used, run.step("m").remaining_tasks) == (2, 3)
    db.check()
