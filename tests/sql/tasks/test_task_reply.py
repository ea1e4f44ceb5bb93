"""singularity_workflow.task_reply: tasks with references, each payload once."""

from __future__ import annotations

from fixtures.definitions import map_step, single


def test_each_payload_stands_in_the_reply_once(db):
    """
    However many tasks of the batch need it (S9).
    """
    run = db.start(
        db.make_workflow(single("a"), map_step("m", "a"), single("b", "a")), {"big": 1}
    )
    db.complete(db.claim_one(), [1, 2, 3])

    reply = db.claim_reply()

    assert len(reply.tasks) == 4
    (found,) = reply.raw["work"]["runs"]
    assert found == [str(run.id), run.row.workflow_id, {"big": 1}, None, None]
    assert reply.outputs == [(run.id, 0, [1, 2, 3])]


def test_a_run_brings_its_trace(db):
    """
    So that the spans of its tasks are below the one that started it.
    """
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    db.start(db.make_workflow(single("a")), traceparent=trace)

    (found,) = db.claim_reply().raw["work"]["runs"]

    assert found[3] == trace


def test_a_run_says_whether_it_is_redacted(db):
    """
    So that no log and no span quotes what its tasks raise.
    """
    db.start(db.make_workflow(single("a")), goal={"redact": True})

    (found,) = db.claim_reply().raw["work"]["runs"]

    assert found[4] is True


def test_what_the_worker_knows_is_left_out(db):
    """
    The input of a run that it has just reported on (S9).
    """
    db.start(db.make_workflow(single("a"), single("b", "a")), {"big": 1})

    reply = db.complete(db.claim_one(), "x", slots=1, queues=["default"])

    assert reply.steps == ["b"]
    assert reply.inputs == {}


def test_the_dependencies_of_a_known_map_are_left_out(db):
    """
    A worker that runs a map in many batches gets its dependencies once (S9).
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a")))
    db.complete(db.claim_one(), [1, 2, 3])

    first = db.claim_reply(1)
    second = db.claim_reply(1, known_maps=[(run.id, 1)])
    other = db.claim_reply(1, known_maps=[(db.new_id(), 1), (run.id, 0)])

    assert first.outputs == other.outputs == [(run.id, 0, [1, 2, 3])]
    assert second.outputs == []


def test_a_root_step_depends_on_nothing(db):
    """
    It has the input and no outputs.
    """
    db.start(db.make_workflow(single("a")), 5)

    reply = db.claim_reply()

    assert list(reply.inputs.values()) == [5]
    assert reply.outputs == []


def test_only_direct_dependencies_are_sent(db):
    """
    What lies further back is none of the task's business.
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a"), single("c", "b")))
    db.complete(db.claim_one(), "a")
    db.complete(db.claim_one(), "b")

    assert db.claim_reply().outputs == [(run.id, 1, "b")]


def test_two_runs_of_one_workflow_have_their_own_outputs(db):
    """
    A batch never mixes them.
    """
    workflow = db.make_workflow(single("a"), single("b", "a"))
    runs = [db.start(workflow), db.start(workflow)]
    for task in db.claim():
        db.complete(task, str(task.run_id))

    reply = db.claim_reply()

    assert sorted(reply.outputs) == sorted((r.id, 0, str(r.id)) for r in runs)
