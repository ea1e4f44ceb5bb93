"""singularity_workflow.freeze_flow: drafts become versions, each once."""

from __future__ import annotations

from fixtures.definitions import definition, map_step, single

from sql.flows.support import Flow


def test_a_draft_becomes_a_version(db):
    """
    The rows of a version are there, and those of the draft are gone (C 37).
    """
    flow = Flow(db, max_attempts=2)
    flow.add("a")
    flow.add("b", "a", options={"queue": "slow"})

    found = flow.freeze()

    assert (found["outcome"], found["draft"]) == ("compiled", None)
    assert found["frozen"] is not None
    assert db.count("flow_drafts") == db.count("flow_draft_steps") == 0
    rows = db.rows(
        "select name, queue from singularity_workflow.workflow_steps "
        "where workflow_id = %s order by step_no",
        found["workflow_id"],
    )
    assert rows == [("a", "default"), ("b", "slow")]


def test_steps_that_were_added_are_the_version_of_the_definition(db):
    """
    Building and registering are two ways to the same version (C 38).
    """
    steps = [
        single("a", max_attempts=2, when={"x": 1}),
        map_step("m", "a", initial_tasks=2, on_error="skip"),
        {**single("c", "m", "a"), "workflow": "other"},
        map_step("z", "a", "m", over="m", on_failure="skip"),
    ]
    registered = db.register(definition(*steps, name="flow", max_attempts=5))
    delete = db.call("delete_workflow", "flow")
    while not delete["is_done"]:
        delete = db.call("delete_workflow", "flow", 500, delete["after"])

    flow = Flow(db, max_attempts=5)
    for step in steps:
        db.call("add_flow_step", "flow", step)
    frozen = flow.freeze()

    assert frozen["version"] == registered.version
    before = db.row("select * from singularity_workflow.workflows")
    flow.add("more")
    assert flow.freeze()["version"] != registered.version
    after = db.rows("select * from singularity_workflow.workflows")
    assert before in after
    assert before.options == {"max_attempts": 5}


def test_without_a_draft_the_latest_version_is_found(db):
    """
    Nothing changes (C 38).
    """
    flow = Flow(db)
    flow.add("a")
    first = flow.freeze()

    again = flow.freeze()

    assert (again["outcome"], again["frozen"]) == ("verified", None)
    assert again["workflow_id"] == first["workflow_id"]
    assert db.count("workflows") == 1


def test_a_workflow_from_code_is_found(db):
    """
    It has no draft, and a version.
    """
    workflow = db.make_workflow(single("a"), name="etl")

    assert db.call("freeze_flow", "etl")["workflow_id"] == workflow.id


def test_what_was_frozen_last_is_the_latest_version(db):
    """
    Although it is an older shape again: that is what a start by name means.
    """
    one = definition(single("a"), name="etl")
    two = definition(single("a"), single("b", "a"), name="etl")
    versions = []
    for data in (one, two, one):
        db.call("save_flow", data)
        versions.append(db.call("freeze_flow", "etl")["workflow_id"])

    assert versions[0] == versions[2] != versions[1]
    assert db.call("latest_version", "etl") == versions[0]


def test_options_of_a_saved_flow_hold(db):
    """
    Although they were seen before: whoever saved them meant them (A 3).
    """
    for attempts in (1, 2, 1):
        db.call("save_flow", definition(single("a"), name="etl", max_attempts=attempts))
        found = db.call("freeze_flow", "etl")

    assert db.count("workflows") == 1
    assert db.call("read_flow", "etl")["options"] == {"max_attempts": 1}
    assert found["outcome"] == "verified"


def test_other_options_are_another_revision(db):
    """
    Whoever keeps a compiled version can tell.
    """
    revisions = []
    for attempts in (1, 2, 2):
        db.call("save_flow", definition(single("a"), name="etl", max_attempts=attempts))
        revisions.append(db.call("freeze_flow", "etl")["revision"])

    assert revisions[0] != revisions[1] == revisions[2]


def test_the_schema_of_the_input_is_kept(db):
    """
    What follows from the functions is stored with the version.
    """
    flow = Flow(db)
    flow.add("a")

    db.call("freeze_flow", "flow", {"type": "array"})

    assert flow.read()["input_schema"] == {"type": "array"}


def test_an_empty_draft_is_refused(db):
    """
    There is nothing to run; it stays a draft.
    """
    flow = Flow(db)

    with db.raises("SW400") as caught:
        flow.freeze()

    assert caught.value.diag.message_detail == "/steps"
    assert flow.read()["draft"] is not None


def test_an_unknown_workflow_is_refused(db):
    """
    There is neither a draft nor a version (C 30).
    """
    for function in ("freeze_flow", "find_flow", "read_flow"):
        with db.raises("SW404"):
            db.call(function, "nowhere")


def test_a_draft_tells_its_states_apart(db):
    """
    Each step, and each saving, makes another state.
    """
    flow = Flow(db)
    seen = [db.call("find_flow", "flow")["draft"]]
    for name in "ab":
        flow.add(name)
        seen.append(db.call("find_flow", "flow")["draft"])
    flow.add("b")
    assert db.call("find_flow", "flow")["draft"] == seen[-1]
    db.call("save_flow", definition(single("a"), single("b"), name="flow"))
    seen.append(db.call("find_flow", "flow")["draft"])

    assert len(set(seen)) == 4


def test_many_starters_compile_once(sessions):
    """
    One makes the version, the others wait and find it (C 42).
    """
    db = sessions.monitor
    flow = Flow(db)
    flow.add("a")
    first, second = sessions.open(), sessions.open()

    with first.connection.transaction():
        one = first.call("freeze_flow", "flow")
        waiting = sessions.start(second, second.call, "freeze_flow", "flow")
        sessions.wait_until_blocked(second)

    other = waiting.result(timeout=5)
    assert (one["outcome"], other["outcome"]) == ("compiled", "verified")
    assert (one["workflow_id"], other["frozen"]) == (other["workflow_id"], None)
    assert db.count("workflows") == 1


def test_a_freezing_that_was_rolled_back_is_made_by_the_next(sessions):
    """
    The draft was there all the time (C 42).
    """
    db = sessions.monitor
    flow = Flow(db)
    flow.add("a")
    first, second = sessions.open(), sessions.open()

    with first.rolled_back():
        first.call("freeze_flow", "flow")
        waiting = sessions.start(second, second.call, "freeze_flow", "flow")
        sessions.wait_until_blocked(second)

    assert waiting.result(timeout=5)["outcome"] == "compiled"


def test_a_step_waits_for_the_freezing(sessions):
    """
    And opens the draft of the next version.
    """
    db = sessions.monitor
    flow = Flow(db)
    flow.add("a")
    first, second = sessions.open(), sessions.open()

    with first.connection.transaction():
        first.call("freeze_flow", "flow")
        waiting = sessions.start(
            second, second.call, "add_flow_step", "flow", {"name": "b"}
        )
        sessions.wait_until_blocked(second)

    assert waiting.result(timeout=5) == {"step": "b", "step_no": 1, "outcome": "added"}
    assert flow.names == ["a", "b"]
    assert flow.read()["version"] is not None


def test_steps_that_are_added_at_once_have_numbers_of_their_own(sessions):
    """
    None is lost, none is doubled (B 14).
    """
    flow = Flow(sessions.monitor)
    adders = [sessions.open() for _ in range(4)]

    def add(session, number):
        for place in range(10):
            session.call("add_flow_step", "flow", {"name": f"s{(number + place) % 20}"})

    calls = [
        sessions.start(session, add, session, 5 * number)
        for number, session in enumerate(adders)
    ]
    for call in calls:
        call.result(timeout=20)

    assert sorted(flow.names) == sorted(f"s{number}" for number in range(20))


def test_starts_of_other_workflows_do_not_wait(sessions):
    """
    Only those of the same name are one after the other.
    """
    for name in ("one", "two"):
        Flow(sessions.monitor, name).add("a")
    first, second = sessions.open(), sessions.open()

    with first.connection.transaction():
        first.call("freeze_flow", "one")
        found = second.call("freeze_flow", "two")

    assert found["outcome"] == "compiled"
