"""singularity_workflow.register_workflow: the same definition twice is one version."""

from __future__ import annotations

import pytest
from fixtures.definitions import definition, map_step, single

PAIR = (single("a"), single("b", "a"))


def stored(db, workflow):
    """Return the row of a version."""
    return db.row(
        "select * from singularity_workflow.workflows where workflow_id = %s",
        workflow.id,
    )


def step_row(db, workflow, name):
    """Return the row of a step of a version."""
    return db.row(
        "select * from singularity_workflow.workflow_steps "
        "where workflow_id = %s and name = %s",
        workflow.id,
        name,
    )


def test_a_new_workflow_is_stored(db):
    """
    The first registration compiles the version with its steps and edges (A 1, C 37).
    """
    workflow = db.make_workflow(*PAIR, name="etl")

    assert workflow.outcome == "compiled"
    assert stored(db, workflow).step_count == 2
    assert step_row(db, workflow, "b").dependency_count == 1
    assert db.count("workflow_step_dependencies") == 1


def test_registering_makes_no_queue_and_no_table(db):
    """
    All workflows share one queue table (A 1).
    """
    count = "select count(*) from pg_class where relkind in ('r', 'i', 'S')"
    before = db.value(count)

    db.make_workflow(*PAIR)

    assert db.value(count) == before


def test_the_same_definition_is_verified(db):
    """
    A second registration returns the version that is there (A 2, C 38).
    """
    first = db.make_workflow(*PAIR, name="etl")

    second = db.make_workflow(*PAIR, name="etl")

    assert second.outcome == "verified"
    assert (second.id, second.version) == (first.id, first.version)
    assert db.count("workflows") == 1
    assert db.count("workflow_steps") == 2


def test_other_options_are_tuned_in_place(db):
    """
    Options are not structure: the version stays, its options change (A 3, C 43).
    """
    first = db.make_workflow(*PAIR, name="etl", max_attempts=3)

    second = db.make_workflow(*PAIR, name="etl", max_attempts=7)

    assert (second.outcome, second.id) == ("verified", first.id)
    assert stored(db, second).options == {"max_attempts": 7}


def test_options_of_steps_are_tuned_in_place(db):
    """
    What the hot path reads of an option changes with it (A 3).
    """
    db.make_workflow(single("a", queue="slow", priority=1), name="etl")

    workflow = db.make_workflow(
        single("a", queue="FAST", priority=5, start_delay=2), name="etl"
    )

    row = step_row(db, workflow, "a")
    assert (row.queue, row.priority, row.start_delay.total_seconds()) == ("fast", 5, 2)


def test_another_queue_of_the_workflow_reaches_its_steps(db):
    """
    A step without a queue of its own follows the workflow's (A 3).
    """
    steps = (single("a"), single("b", queue="own"))
    db.make_workflow(*steps, name="etl", queue="one")

    workflow = db.make_workflow(*steps, name="etl", queue="two")

    assert step_row(db, workflow, "a").queue == "two"
    assert step_row(db, workflow, "b").queue == "own"


def test_another_shape_is_another_version(db):
    """
    A changed workflow is stored beside the old one; nothing is deleted (A 3, C 39).
    """
    old = db.make_workflow(*PAIR, name="etl")

    new = db.make_workflow(*PAIR, single("c", "b"), name="etl")

    assert new.outcome == "compiled"
    assert new.version != old.version
    assert stored(db, old).step_count == 2


def test_a_run_keeps_the_shape_it_was_started_with(db):
    """
    Runs of the old version finish on the old shape (C 39).
    """
    old = db.make_workflow(*PAIR, name="etl")
    run = db.start(old)
    db.make_workflow(*PAIR, single("c", "b"), name="etl")

    db.work(b="done")

    assert run.status == "completed"
    assert run.output == {"b": "done"}


@pytest.mark.parametrize("options", [None, {}, {"max_attempts": None}])
def test_options_that_are_null_are_the_defaults(db, options):
    """
    Null means "not given", for all options or for one (A 5).
    """
    plain = db.register(definition(single("a"), name="etl"))

    again = db.register({**definition(single("a"), name="etl"), "options": options})

    assert again.version == plain.version
    run = db.start(again)
    db.fail(db.claim_one())
    assert run.task("a").wait_reason == "retry"


def test_an_explicit_null_among_options_is_no_option(db):
    """
    Explicit options are kept, null ones inherit (A 5).
    """
    workflow = db.make_workflow(
        single("a", max_attempts=None, queue="own"), max_attempts=1
    )
    run = db.start(workflow)

    db.fail(db.claim_one(["own"]))

    assert run.status == "failed"


def test_one_option_changes_nothing_else(db):
    """
    With only the attempts given, the waits are the default ones (A 6).
    """
    db.make_workflow(single("a", max_attempts=5), name="etl")

    policy = db.value(
        "select singularity_workflow.retry_policy(f.options, w.options, null) "
        "from singularity_workflow.workflows f "
        "join singularity_workflow.workflow_steps w using (workflow_id)"
    )

    assert policy == {
        "max_attempts": 5,
        "delay": 1,
        "backoff": 2,
        "max_delay": 60,
        "jitter": True,
    }


def test_an_invalid_workflow_leaves_nothing_behind(db):
    """
    A rejected definition is not stored (A 7).
    """
    with db.raises("SW400") as caught:
        db.make_workflow(single("a"), name="bad-name")

    assert caught.value.diag.message_detail == "/name"
    assert db.count("workflows") == 0


def test_a_name_that_differs_by_case_only_is_refused(db):
    """
    Two workflows that differ by case are one mistake (U 220).
    """
    db.make_workflow(single("a"), name="Etl")

    with db.raises("SW400") as caught:
        db.make_workflow(single("a"), name="etl")

    assert "Etl" in caught.value.diag.message_primary


def test_definitions_have_a_time_of_creation(db):
    """
    Workflow, steps and edges say when they were made; a later one is later (A 9).
    """
    times = "select created_at from singularity_workflow."
    first = db.make_workflow(*PAIR)

    second = db.make_workflow(*PAIR)

    assert stored(db, first).created_at < stored(db, second).created_at
    assert all(row[0] for row in db.rows(times + "workflow_steps"))
    assert all(row[0] for row in db.rows(times + "workflow_step_dependencies"))


@pytest.mark.parametrize("mode", ["on_failure", "on_unmet"])
def test_a_default_that_is_written_out_is_the_same_version(db, mode):
    """
    Saying what holds anyway changes nothing, as in the model's shape (A 5, C 32).
    """
    default = {"on_failure": "fail", "on_unmet": "skip"}[mode]
    plain = db.make_workflow(single("a"), name="etl")

    explicit = db.make_workflow(single("a", **{mode: default}), name="etl")
    inherited = db.make_workflow(single("a"), name="etl", **{mode: default})

    assert {explicit.version, inherited.version} == {plain.version}


def test_an_older_build_does_not_turn_options_back(db):
    """
    An options set that was seen before and replaced changes nothing (S17).
    """
    db.make_workflow(single("a"), name="etl", max_attempts=1)
    db.make_workflow(single("a"), name="etl", max_attempts=2)

    workflow = db.make_workflow(single("a"), name="etl", max_attempts=1)

    assert stored(db, workflow).options == {"max_attempts": 2}


def test_force_turns_options_back(db):
    """
    A rollback that is meant as one takes effect (S17).
    """
    old = definition(single("a"), name="etl", max_attempts=1)
    db.register(old)
    db.make_workflow(single("a"), name="etl", max_attempts=2)

    workflow = db.register(old, force=True)

    assert stored(db, workflow).options == {"max_attempts": 1}


def test_the_older_options_stay_known_after_a_rollback(db):
    """
    After a forced rollback, the newer build is the one that was seen before (S17).
    """
    old = definition(single("a"), name="etl", max_attempts=1)
    new = definition(single("a"), name="etl", max_attempts=2)
    db.register(old)
    db.register(new)
    db.register(old, force=True)

    workflow = db.register(new)

    assert stored(db, workflow).options == {"max_attempts": 1}
    assert len(stored(db, workflow).options_seen) == 2


def test_the_input_schema_is_kept_as_it_was_written(db):
    """
    The schema of the input is part of what can be tuned.
    """
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}

    workflow = db.register(
        {**definition(map_step("a"), name="etl"), "input_schema": schema}
    )

    assert stored(db, workflow).input_schema == schema
