"""singularity_workflow.claim_idempotency_keys: one key is one run."""

from __future__ import annotations

from fixtures.definitions import single


def test_the_same_key_is_the_same_run(db):
    """
    The second start returns the first run and starts nothing (U 221, S6).
    """
    workflow = db.make_workflow(single("a"))
    first = db.start(workflow, {"x": 1}, key="order-7")

    second = db.start(workflow, {"x": 1}, key="order-7")

    assert (second.id, second.is_new) == (first.id, False)
    assert first.row.idempotency_key == "order-7"
    assert db.count("runs") == 1


def test_the_reply_says_what_was_asked_for(db):
    """
    The id of the request and the run that it became stand side by side.
    """
    workflow = db.make_workflow(single("a"))
    first = db.start(workflow, key="k")
    request = db.request(workflow, key="k")

    reply = db.call("start_runs", [request])

    assert reply["runs"] == [[request["id"], str(first.id), False]]


def test_an_id_in_capitals_is_the_same_id(db):
    """
    However the client writes its uuid, the key decides.
    """
    workflow = db.make_workflow(single("a"))
    first = db.start(workflow, key="k")
    request = db.request(workflow, key="k")

    db.call("start_runs", [request | {"id": request["id"].upper()}])

    assert db.count("runs") == 1
    assert first.status == "started"


def test_a_key_belongs_to_its_workflow(db):
    """
    Two workflows may use the same key.
    """
    one, two = db.make_workflow(single("a")), db.make_workflow(single("a"))

    runs = [db.start(one, key="k"), db.start(two, key="k")]

    assert runs[0].id != runs[1].id
    assert all(run.is_new for run in runs)


def test_a_key_holds_for_all_versions_of_a_workflow(db):
    """
    A deployment between two requests does not start the run twice.
    """
    old = db.make_workflow(single("a"), name="etl")
    first = db.start(old, key="k")
    new = db.make_workflow(single("b"), name="etl")

    assert db.start(new, key="k").id == first.id
    assert db.start("etl", key="k").id == first.id


def test_a_key_with_another_input_is_a_conflict(db):
    """
    The error names the run that holds the key.
    """
    workflow = db.make_workflow(single("a"))
    first = db.start(workflow, {"x": 1}, key="k")

    with db.raises("SW402") as caught:
        db.start(workflow, {"x": 2}, key="k")

    assert str(first.id) in caught.value.diag.message_primary


def test_one_batch_may_hold_a_key_twice(db):
    """
    Both requests get the one run.
    """
    workflow = db.make_workflow(single("a"))
    requests = [db.request(workflow, key="k", input=1) for _ in range(2)]

    runs = db.start_many(requests)

    assert {run.id for run in runs} == {runs[0].id}
    assert db.count("runs") == 1
    db.check()


def test_requests_with_and_without_keys_mix(db):
    """
    What has no key is left as it was.
    """
    workflow = db.make_workflow(single("a"))
    known = db.start(workflow, 1, key="k")

    runs = db.start_many(
        [
            db.request(workflow, input=2),
            db.request(workflow, key="k", input=1),
            db.request(workflow, key="new", input=3),
        ]
    )

    assert [run.is_new for run in runs] == [True, False, True]
    assert runs[1].id == known.id
    assert [run.row.input for run in runs] == [2, 1, 3]


def test_the_input_of_a_keyed_request_is_not_touched(db):
    """
    Rebuilding the request keeps key order and numbers as they were written (S14).
    """
    workflow = db.make_workflow(single("a"))
    text = '{"b": -0.0, "a": 1e16, "b2": 1.10}'

    run_id = db.value(
        'select singularity_workflow.start_run(%s, %s::json, \'{"key": "k"}\')',
        workflow.name,
        text,
    )

    stored = "select input::text from singularity_workflow.runs where run_id = %s"
    assert db.value(stored, run_id) == text
