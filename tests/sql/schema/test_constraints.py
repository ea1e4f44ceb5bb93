"""What the tables refuse: each invariant of a row has a CHECK that says it."""

from __future__ import annotations

from typing import NamedTuple

import psycopg
import pytest
from fixtures.definitions import map_step, single

CHECK_VIOLATION = "23514"


class Breach(NamedTuple):
    """A change of one row that must not be possible."""

    table: str
    change: str
    constraint: str

    def __str__(self) -> str:
        return f"{self.table}: {self.change}"


OF_A_STARTED_RUN = [
    Breach("runs", "status = 'in_progress'", "run_status_is_known"),
    Breach("runs", "ended_at = now()", "runs_fit_their_status"),
    Breach("runs", "status = 'completed'", "runs_fit_their_status"),
    Breach("runs", "status = 'completed', ended_at = now()", "runs_fit_their_status"),
    Breach("runs", "status = 'failed', ended_at = now()", "runs_fit_their_status"),
    Breach("runs", "status = 'failed', error = '{}'", "runs_fit_their_status"),
    Breach("runs", "status = 'cancelled'", "runs_fit_their_status"),
    Breach("step_states", "status = 'running'", "step_status_is_known"),
    Breach(
        "step_states",
        "remaining_deps = -1",
        "step_states_remaining_deps_is_not_negative",
    ),
    Breach(
        "step_states",
        "remaining_tasks = -1",
        "step_states_remaining_tasks_is_within_initial",
    ),
    Breach(
        "step_states",
        "remaining_tasks = initial_tasks + 1",
        "step_states_remaining_tasks_is_within_initial",
    ),
    # a step is never started while its number of tasks is unknown (E 68)
    Breach(
        "step_states",
        "initial_tasks = null, remaining_tasks = null",
        "step_states_fit_their_status",
    ),
    Breach("step_states", "ended_at = now()", "step_states_fit_their_status"),
    Breach(
        "step_states",
        "status = 'created', ended_at = now()",
        "step_states_fit_their_status",
    ),
    Breach(
        "step_states",
        "status = 'completed', ended_at = now(), output = '1'",
        "step_states_fit_their_status",
    ),
    Breach(
        "step_states",
        "status = 'completed', ended_at = now(), remaining_tasks = 0",
        "step_states_fit_their_status",
    ),
    Breach(
        "step_states",
        "status = 'skipped', ended_at = now()",
        "step_states_fit_their_status",
    ),
    Breach("step_states", "status = 'failed'", "step_states_fit_their_status"),
    Breach("step_states", "status = 'cancelled'", "step_states_fit_their_status"),
    Breach("tasks", "status = 'running'", "task_status_is_known"),
    Breach("tasks", "wait_reason = 'tired'", "wait_reason_is_known"),
    Breach("tasks", "msg_id = null", "tasks_fit_their_status"),
    Breach("tasks", "wait_reason = 'retry'", "tasks_fit_their_status"),
    Breach("tasks", "ended_at = now()", "tasks_fit_their_status"),
    Breach("tasks", "status = 'waiting'", "tasks_fit_their_status"),
    Breach(
        "tasks", "status = 'waiting', wait_reason = 'retry'", "tasks_fit_their_status"
    ),
    Breach("tasks", "status = 'waiting', msg_id = null", "tasks_fit_their_status"),
    Breach("tasks", "status = 'started', msg_id = null", "tasks_fit_their_status"),
    Breach(
        "tasks",
        "status = 'started', worker_id = gen_random_uuid()",
        "tasks_fit_their_status",
    ),
    Breach("tasks", "status = 'completed', msg_id = null", "tasks_fit_their_status"),
    Breach("tasks", "status = 'failed', ended_at = now()", "tasks_fit_their_status"),
    Breach("timers", "kind = 'nap'", "timers_kind_is_known"),
    Breach("workers", "lease = interval '0'", "workers_lease_is_positive"),
]
OF_A_DEFINITION = [
    Breach("workflows", "name = 'bad-name'", "workflows_name_is_valid"),
    Breach("workflows", "name = repeat('a', 129)", "workflows_name_is_valid"),
    Breach("workflow_steps", "name = '1st'", "workflow_steps_name_is_valid"),
    Breach("workflow_steps", "kind = 'loop'", "workflow_steps_kind_is_known"),
    Breach("workflow_steps", "step_no = -1", "workflow_steps_number_is_not_negative"),
    Breach("workflow_steps", "kind = 'single'", "workflow_steps_only_maps_map"),
    Breach(
        "workflow_steps",
        "initial_tasks = -1",
        "workflow_steps_initial_tasks_is_not_negative",
    ),
    Breach(
        "workflow_steps",
        "start_delay = interval '-1 s'",
        "workflow_steps_start_delay_is_not_negative",
    ),
    Breach(
        "workflow_steps", "on_failure = 'retry'", "workflow_steps_on_failure_is_known"
    ),
    Breach(
        "workflow_step_dependencies",
        "step_no = depends_on_no",
        "workflow_step_dependencies_not_on_itself",
    ),
]

OF_A_DRAFT = [
    Breach("flow_drafts", "name = 'bad-name'", "flow_drafts_name_is_valid"),
    Breach("flow_draft_steps", "name = '1st'", "flow_draft_steps_name_is_valid"),
    Breach("flow_draft_steps", "kind = 'loop'", "flow_draft_steps_kind_is_known"),
    Breach(
        "flow_draft_steps", "step_no = -1", "flow_draft_steps_number_is_not_negative"
    ),
    Breach("flow_draft_steps", "kind = 'single'", "flow_draft_steps_only_maps_map"),
    Breach(
        "flow_draft_steps",
        "initial_tasks = -1",
        "flow_draft_steps_initial_tasks_is_not_negative",
    ),
    Breach("deleted_flows", "workflow_id = null", "deleted_flows_is_one_of_them"),
    Breach("deleted_flows", "draft_id = 1", "deleted_flows_is_one_of_them"),
]


@pytest.fixture
def _rows(db):
    """One row in each table of runs: a started step with a queued task, and others."""
    db.start(db.make_workflow(single("a")), timeout=60)
    db.register_worker()


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("breach", OF_A_STARTED_RUN, ids=str)
def test_a_row_of_a_run_is_consistent(db, breach):
    """
    Whoever writes it, and however (E 68).
    """
    with db.raises(CHECK_VIOLATION) as caught:
        db.execute(f"update singularity_workflow.{breach.table} set {breach.change}")

    assert caught.value.diag.constraint_name == breach.constraint


@pytest.mark.parametrize("breach", OF_A_DEFINITION, ids=str)
def test_a_row_of_a_definition_is_consistent(db, breach):
    """
    The tables keep the rules that check_definition explains.
    """
    db.make_workflow(single("a"), map_step("m", "a", initial_tasks=2))

    with db.raises(CHECK_VIOLATION) as caught:
        db.execute(f"update singularity_workflow.{breach.table} set {breach.change}")

    assert caught.value.diag.constraint_name == breach.constraint


@pytest.mark.parametrize("breach", OF_A_DRAFT, ids=str)
def test_a_row_of_a_draft_is_consistent(db, breach):
    """
    As those of the version that it becomes.
    """
    db.call("create_flow", "flow")
    step = {"name": "m", "kind": "map", "initial_tasks": 2}
    db.call("add_flow_step", "flow", step)
    db.execute(
        "insert into singularity_workflow.deleted_flows (name, workflow_id) "
        "values ('gone', 1)"
    )

    with db.raises(CHECK_VIOLATION) as caught:
        db.execute(f"update singularity_workflow.{breach.table} set {breach.change}")

    assert caught.value.diag.constraint_name == breach.constraint


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("workflow_steps", "workflow_id, step_no"),
        ("workflow_steps", "workflow_id, name"),
        ("workflow_steps", "workflow_id, lower(name)"),
        ("workflow_step_dependencies", "workflow_id, depends_on_no, step_no"),
        ("workflows", "name, version"),
        ("flow_drafts", "name"),
        ("flow_drafts", "lower(name)"),
        ("flow_draft_steps", "draft_id, step_no"),
        ("flow_draft_steps", "draft_id, lower(name)"),
        ("runs", "run_id"),
        ("step_states", "run_id, step_no"),
        ("tasks", "run_id, step_no, task_index"),
        ("task_failures", "run_id, step_no, task_index, attempt"),
        ("idempotency_keys", "workflow_name, key"),
        ("workers", "worker_id"),
    ],
)
def test_keys_are_unique(db, table, columns):
    """
    Each table has the unique index of its key (B 14).
    """
    keys = db.rows(
        "select indexdef from pg_indexes "
        "where schemaname = 'singularity_workflow' and tablename = %s",
        table,
    )

    assert any(
        row.indexdef.startswith("CREATE UNIQUE") and f"({columns})" in row.indexdef
        for row in keys
    )


def test_tasks_have_no_index_but_their_key(db):
    """
    Another one would end HOT updates on the hot path (F6).
    """
    count = "select count(*) from pg_indexes where schemaname = %s and tablename = %s"

    assert db.value(count, "singularity_workflow", "tasks") == 1
    assert db.value(count, "singularity_workflow", "step_states") == 1


def test_payloads_are_json(db):
    """
    Not jsonb, which would rewrite them (S14).
    """
    rows = db.rows(
        "select table_name, column_name, data_type from information_schema.columns "
        "where table_schema = 'singularity_workflow' "
        "and column_name in ('input', 'output', 'item', 'error')"
    )

    assert len(rows) > 8
    assert {row.data_type for row in rows} == {"json"}


def test_the_error_class_of_a_check_is_known():
    """
    The code above is psycopg's CheckViolation.
    """
    assert psycopg.errors.lookup(CHECK_VIOLATION) is psycopg.errors.CheckViolation
