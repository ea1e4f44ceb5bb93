"""singularity_workflow.delete_workflow: a workflow and all that it has, by batches."""

from __future__ import annotations

import pytest
from fixtures.definitions import chain, definition, map_step, single

from sql.flows.support import Flow

RUN_TABLES = ("runs", "step_states", "tasks", "task_failures", "timers")
TABLES = (
    *RUN_TABLES, "run_tags", "idempotency_keys", "workflows", "workflow_steps",
    "workflow_step_dependencies", "flow_drafts", "flow_draft_steps", "deleted_flows",
)  # fmt: skip


def counts(db, tables=TABLES):
    """Return the number of rows of each table that has any."""
    return {table: n for table in tables if (n := db.count(table))}


def delete(db, name, limit=500):
    """Delete a workflow and return the answers of all calls."""
    answers, after = [], None
    while True:
        answers.append(db.call("delete_workflow", name, limit, after))
        if answers[-1]["is_done"]:
            return answers
        after = answers[-1]["after"]


@pytest.fixture
def fill(db):
    """Make runs of a workflow, ended in each way, with all that can belong to one."""

    def fill(name):
        workflow = db.make_workflow(
            single("a", max_attempts=2, retry=None), map_step("m", "a"), name=name
        )
        done = db.start(workflow, key=f"{name} key", timeout=3600, tags=["x"])
        db.work(a=[1, 2, 3])
        failed = db.start(workflow)
        task = db.claim_one()
        db.fail(task, final=True)
        cancelled = db.start(workflow, 5)
        db.call("cancel_runs", [cancelled.id], "test")
        assert [run.status for run in (done, failed, cancelled)] == [
            "completed", "failed", "cancelled",
        ]  # fmt: skip
        Flow(db, name).add("z")
        return workflow

    return fill


def test_everything_of_a_workflow_goes(db, fill):
    """
    Runs, tasks, failures, timers, keys, versions and the draft (C 45).
    """
    fill("etl")
    assert counts(db).keys() == set(TABLES) - {"deleted_flows"}

    delete(db, "etl")

    assert counts(db) == {}
    assert db.value("select count(*) from pgmq.q_swf_tasks") == 0


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_no_batch_is_larger_than_its_limit(db, fill, limit):
    """
    Whatever it is made of (C 45).
    """
    fill("etl")

    answers = delete(db, "etl", limit)

    assert counts(db) == {}
    assert max(answer["deleted"] for answer in answers[1:]) <= limit
    assert sum(answer["deleted"] for answer in answers) > 20


def test_other_workflows_are_untouched(db, fill):
    """
    Also one whose name begins like it, or has a run of the same key (C 45).
    """
    fill("etl_2")
    before = counts(db)
    fill("etl")

    delete(db, "etl")

    assert counts(db) == before
    db.check()


@pytest.mark.parametrize("is_local", [False, True])
def test_a_workflow_with_live_runs_is_kept(db, is_local):
    """
    The error counts them and says what to do; nothing has changed (C 45).
    """
    workflow = db.make_workflow(single("a"), name="etl")
    owner = db.register_worker() if is_local else None
    run = db.start(workflow, owner=owner)
    before = counts(db)

    with db.raises("SW423") as caught:
        delete(db, "etl")

    assert str(run.id) in caught.value.diag.message_primary
    assert "Cancel" in caught.value.diag.message_hint
    assert counts(db) == before


@pytest.mark.parametrize("status", ["pending", "paused"])
def test_runs_that_have_not_begun_or_pause_are_live(db, status):
    """
    They would go on one day (C 45).
    """
    workflow = db.make_workflow(single("a"), name="etl")
    db.start(workflow)
    db.execute(f"update singularity_workflow.runs set status = '{status}'")

    with db.raises("SW423"):
        delete(db, "etl")


def test_runs_of_older_versions_count(db):
    """
    A workflow is all of its versions (C 45).
    """
    db.start(db.make_workflow(single("a"), name="etl"))
    db.make_workflow(single("b"), name="etl")

    with db.raises("SW423"):
        delete(db, "etl")


def test_runs_of_others_do_not_count(db):
    """
    Their workflow stays, with them (C 45).
    """
    db.make_workflow(single("a"), name="etl")
    run = db.start(db.make_workflow(single("a"), name="other"))

    delete(db, "etl")

    db.work()
    assert run.status == "completed"


def test_after_the_first_call_nothing_can_be_started(db):
    """
    What is left goes in peace; the version is not there any more (C 45).
    """
    workflow = db.make_workflow(single("a"), name="etl")
    db.start(workflow)
    db.work()

    db.call("delete_workflow", "etl")

    for which in (workflow, "etl"):
        with db.raises("SW404"):
            db.start(which)
    with db.raises("SW404"):
        db.call("read_flow", "etl")


def test_a_deletion_that_broke_off_is_taken_up(db, fill):
    """
    Called anew, it goes on where it was.
    """
    fill("etl")
    after = None
    for _ in range(3):
        after = db.call("delete_workflow", "etl", 2, after)["after"]

    delete(db, "etl", 3)

    assert counts(db) == {}


def test_a_workflow_that_was_registered_meanwhile_is_another_one(db, fill):
    """
    The deletion of its namesake passes it by.
    """
    old = fill("etl")
    after = db.call("delete_workflow", "etl", 2, None)["after"]
    new = db.make_workflow(single("a"), map_step("m", "a"), name="etl")
    run = db.start(new)

    while not (answer := db.call("delete_workflow", "etl", 50, after))["is_done"]:
        after = answer["after"]

    assert new.id != old.id
    assert counts(db, ["runs", "workflows", "workflow_steps"]) == {
        "runs": 1, "workflows": 1, "workflow_steps": 2,
    }  # fmt: skip
    db.work(a=[])
    assert run.status == "completed"


def test_a_draft_alone_can_be_deleted(db):
    """
    It has no version and no run.
    """
    flow = Flow(db)
    for name in "abc":
        flow.add(name)

    delete(db, "flow")

    assert counts(db) == {}


def test_a_name_is_free_again(db):
    """
    For another workflow, with other steps.
    """
    flow = Flow(db)
    flow.add("a")
    flow.freeze()
    delete(db, "flow")

    again = Flow(db)
    again.add("b")

    assert again.names == ["b"]
    assert again.read()["version"] is None


def test_a_large_workflow_goes_too(db):
    """
    Its steps and edges in batches (C 45).
    """
    db.make_workflow(*chain(1200), name="etl")

    answers = delete(db, "etl")

    assert counts(db) == {}
    assert max(answer["deleted"] for answer in answers) == 500


def test_an_unknown_workflow_is_refused(db):
    """
    So that a wrong name is noticed.
    """
    with db.raises("SW404"):
        delete(db, "nowhere")


def test_only_the_name_itself_is_meant(db):
    """
    Names that differ by case are different workflows.
    """
    db.make_workflow(single("a"), name="etl")

    with db.raises("SW404"):
        delete(db, "ETL")


def test_messages_of_a_run_that_is_being_swept_go_with_its_tasks(db):
    """
    A large run that was cancelled has some until its sweep comes.
    """
    workflow = db.make_workflow(map_step("m"), name="etl")
    run = db.start(workflow, list(range(3000)))
    while run.timers("fan_out"):
        db.fire()
    db.call("cancel_runs", [run.id])
    assert run.messages()

    delete(db, "etl")

    assert counts(db) == {}
    assert db.value("select count(*) from pgmq.q_swf_tasks") == 0


def test_a_late_report_of_a_deleted_run_is_refused(db):
    """
    Like any that comes too late.
    """
    run = db.start(db.make_workflow(single("a"), name="etl"))
    task = db.claim_one()
    db.call("cancel_runs", [run.id])
    delete(db, "etl")

    reply = db.complete(task, 1)

    assert len(reply.raw["refused"]) == 1
    assert counts(db) == {}


def test_a_sparse_workflow_is_found_among_many_runs(db):
    """
    Those of others are passed over.
    """
    other = db.make_workflow(single("a"), name="other")
    workflow = db.make_workflow(single("a"), name="etl")
    for number in range(40):
        db.start(workflow if number % 10 == 5 else other)
    db.work()

    delete(db, "etl", 3)

    assert db.count("runs") == 36
    db.check()


def test_a_child_of_live_runs_is_kept(db):
    """
    They would ask for it (C 45).
    """
    db.make_workflow(single("a"), name="child")
    parent = db.make_workflow({**single("c"), "workflow": "child"}, name="parent")
    run = db.start(parent)

    with db.raises("SW423") as caught:
        delete(db, "child")
    db.call("cancel_runs", [run.id])
    delete(db, "child")

    assert str(run.id) in caught.value.diag.message_primary
    assert db.count("workflows") == 1


def test_the_compensation_goes_with_its_workflow(db):
    """
    It is of no use alone (C 45).
    """
    undo = {"name": "a", "kind": "undo"}
    db.register({**definition(undo, name="etl__undo"), "undoes": "etl"})
    db.register({**definition(single("a"), name="etl"), "compensation": "etl__undo"})

    delete(db, "etl")

    assert counts(db) == {}


# with others


def test_a_run_that_is_repeated_meanwhile_is_refused(sessions):
    """
    As one that is started: it waits, and finds no version (C 45).
    """
    db = sessions.monitor
    run = db.start(db.make_workflow(single("a"), name="etl"))
    db.fail(db.claim_one(), final=True)
    repeater, deleter = sessions.open(), sessions.open()

    with deleter.connection.transaction():
        deleter.call("delete_workflow", "etl")
        repeating = sessions.start(
            repeater, repeater.call, "copy_run", run.id, db.new_id()
        )
        sessions.wait_until_blocked(repeater)

    assert repeating.exception(timeout=5).sqlstate == "SW404"
    delete(db, "etl")
    assert counts(db) == {}


def test_a_start_that_was_faster_keeps_the_workflow(sessions):
    """
    The deletion waits for its commit, sees its run, and is refused (C 45).
    """
    db = sessions.monitor
    workflow = db.make_workflow(single("a"), name="etl")
    starter, deleter = sessions.open(), sessions.open()

    with starter.connection.transaction():
        run = starter.start(workflow)
        deleting = sessions.start(deleter, deleter.call, "delete_workflow", "etl")
        sessions.wait_until_blocked(deleter)

    assert deleting.exception(timeout=5).sqlstate == "SW423"
    assert run.status == "started"
    db.check()


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_start_that_was_slower_leaves_nothing(sessions, by_name, key):
    """
    It waits for the deletion, and finds no version: no run, no step, no key (C 45).
    """
    db = sessions.monitor
    workflow = db.make_workflow(single("a"), name="etl")
    starter, deleter = sessions.open(), sessions.open()
    which = "etl" if by_name else workflow

    with deleter.connection.transaction():
        after = deleter.call("delete_workflow", "etl")["after"]
        starting = sessions.start(starter, starter.start, which, key=key)
        sessions.wait_until_blocked(starter)
    assert starting.exception(timeout=5).sqlstate == "SW404"
    while not (answer := db.call("delete_workflow", "etl", 500, after))["is_done"]:
        after = answer["after"]

    assert counts(db) == {}


def test_a_long_transaction_that_starts_runs_is_not_waited_for(sessions):
    """
    Meanwhile nobody else could write runs: the deletion gives up (C 45).
    """
    db = sessions.monitor
    db.make_workflow(single("a"), name="etl")
    other = db.make_workflow(single("a"), name="other")
    starter, deleter = sessions.open(), sessions.open()

    with starter.connection.transaction():
        starter.start(other)
        with deleter.raises("SW423") as caught:
            deleter.call("delete_workflow", "etl")

    assert "open for long" in caught.value.diag.message_primary
    assert counts(db)["workflows"] == 2


def test_two_deletions_at_once_are_one(sessions):
    """
    The second waits for the first, and finds nothing or goes on with it.
    """
    db = sessions.monitor
    db.make_workflow(single("a"), name="etl")
    first, second = sessions.open(), sessions.open()

    with first.connection.transaction():
        first.call("delete_workflow", "etl")
        waiting = sessions.start(second, delete, second, "etl")
        sessions.wait_until_blocked(second)

    assert waiting.result(timeout=5)[-1]["is_done"]
    assert counts(db) == {}


def test_a_registration_waits_for_the_deletion(sessions):
    """
    And makes the workflow anew.
    """
    db = sessions.monitor
    old = db.make_workflow(single("a"), name="etl")
    deleter, registrar = sessions.open(), sessions.open()

    with deleter.connection.transaction():
        deleter.call("delete_workflow", "etl")
        waiting = sessions.start(
            registrar, registrar.make_workflow, single("a"), name="etl"
        )
        sessions.wait_until_blocked(registrar)

    new = waiting.result(timeout=5)
    assert (new.outcome, new.version) == ("compiled", old.version)
    assert new.id != old.id
