"""singularity_workflow.start_runs: the fan-out of root maps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fixtures.definitions import map_step, single

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_a_root_map_has_a_task_for_each_element(db):
    """
    Three elements are three queued tasks with their messages (E 57).
    """
    run = db.start(db.make_workflow(map_step("m")), ["x", "y", "z"])

    step = run.step("m")
    assert (step.status, step.initial_tasks, step.remaining_tasks) == ("started", 3, 3)
    assert [(t.task_index, t.status, t.item) for t in run.tasks()] == [
        (0, "queued", "x"),
        (1, "queued", "y"),
        (2, "queued", "z"),
    ]
    assert [m["task"] for m in run.messages()] == [0, 1, 2]
    db.check()


def test_a_single_step_has_one_task(db):
    """
    Its index is 0, whatever the input is (E 58).
    """
    run = db.start(db.make_workflow(single("a")), [1, 2, 3])

    assert [(t.task_index, t.item) for t in run.tasks()] == [(0, None)]


def test_the_tasks_of_a_delayed_map_wait_for_one_timer(db):
    """
    When it is due all are queued (E 59).
    """
    db.set_now(NOON)
    run = db.start(db.make_workflow(map_step("m", start_delay=60)), [1, 2, 3])
    assert run.task_statuses() == ["waiting"] * 3
    assert [t.due_at for t in run.timers()] == [NOON + timedelta(minutes=1)]

    db.advance(minutes=1)
    db.fire()

    assert run.task_statuses() == ["queued"] * 3
    assert run.timers() == []
    db.check()


@pytest.mark.parametrize(
    "input_",
    [None, "text", 5, True, {}, {"items": None}, {"items": "text"}, {"list": [1]}],
)
def test_a_root_map_without_elements_is_refused(db, input_):
    """
    Without an array, in the input or its items, nothing is created (E 60).
    """
    workflow = db.make_workflow(map_step("m"), name="etl")

    with db.raises("SW401") as caught:
        db.start(workflow, input_)

    assert "'m'" in caught.value.diag.message_primary
    assert db.count("runs") == db.count("step_states") == db.count("tasks") == 0


def test_a_fixed_map_refuses_an_array_of_another_length(db):
    """
    The number of tasks and of elements must agree (E 60).
    """
    workflow = db.make_workflow(map_step("m", initial_tasks=3))

    with db.raises("SW401") as caught:
        db.start(workflow, [1, 2])

    assert "3" in caught.value.diag.message_primary
    assert db.count("runs") == 0


def test_a_fixed_map_takes_an_array_of_its_length(db):
    """
    Then its items are the elements.
    """
    db.start(db.make_workflow(map_step("m", initial_tasks=2)), {"items": ["x", "y"]})

    assert [task.item for task in db.claim()] == ["x", "y"]


def test_elements_may_stand_in_the_items_of_an_object(db):
    """
    A root map takes the array in `items`, when the input is an object.
    """
    run = db.start(db.make_workflow(map_step("m")), {"items": [1, 2], "rate": 3})

    assert [task.item for task in db.claim()] == [1, 2]
    assert run.row.input == {"items": [1, 2], "rate": 3}


ELEMENTS = [
    [1, 2.5, -1],
    ["a", "", "ü€😀"],
    [True, False],
    [None, None],
    [{}, {"b": 1, "a": None}],
    [[], [1, [2]], [[]]],
    [1, 1, 1],
]


@pytest.mark.parametrize("elements", ELEMENTS)
def test_every_top_level_element_is_a_task(db, elements):
    """
    Of any type, repeated or null; nested arrays are not flattened (E 61).
    """
    run = db.start(db.make_workflow(map_step("m")), elements)

    assert [task.item for task in db.claim()] == elements
    assert run.step("m").initial_tasks == len(elements)


def test_several_root_maps_get_all_elements_each(db):
    """
    They share the input (E 62).
    """
    run = db.start(db.make_workflow(map_step("m"), map_step("n")), [1, 2])

    assert len(run.tasks("m")) == len(run.tasks("n")) == 2
    db.check()


def test_a_dependent_map_does_not_know_its_size_yet(db):
    """
    Also where it depends on another map (E 63, E 65).
    """
    run = db.start(
        db.make_workflow(single("a"), map_step("m", "a"), map_step("n", "m"))
    )

    for name in ("m", "n"):
        step = run.step(name)
        assert (step.status, step.initial_tasks) == ("created", None)
        assert run.tasks(name) == []


def test_a_map_starts_when_its_producer_completes(db):
    """
    It then has as many tasks as the output has elements (E 66).
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a")))

    db.complete(db.claim_one(), [7, 8, 9])

    step = run.step("m")
    assert (step.status, step.initial_tasks, step.remaining_tasks) == ("started", 3, 3)
    assert run.task_statuses("m") == ["queued"] * 3
    db.check()


def test_a_map_over_an_empty_array_completes_at_once(db):
    """
    Without a task, and its output is the empty array (E 67).
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a")))

    reply = db.complete(db.claim_one(), [], wanted=[run.id])

    step = run.step("m")
    assert (step.status, step.initial_tasks, step.output) == ("completed", 0, [])
    assert reply.ended == [[str(run.id), "completed", {"m": []}, None, None]]
    db.check()


def test_a_map_over_a_map_waits_for_all_of_it(db):
    """
    After one of four its count is unknown, after the last it is four (E 69).
    """
    run = db.start(db.make_workflow(map_step("m"), map_step("n", "m")), [1, 2, 3, 4])
    tasks = db.claim()
    db.complete(tasks[0])
    assert run.step("n").initial_tasks is None

    for task in tasks[1:]:
        db.complete(task)

    assert run.step("n").initial_tasks == 4
    assert run.task_statuses("n") == ["queued"] * 4
    db.check()


def test_a_run_of_a_batch_without_elements_undoes_the_others(db):
    """
    The check sees each run of the batch.
    """
    workflow = db.make_workflow(map_step("m"))
    requests = [db.request(workflow, input=[1]), db.request(workflow, input={})]

    with db.raises("SW401"):
        db.call("start_runs", requests)

    assert db.count("runs") == 0
