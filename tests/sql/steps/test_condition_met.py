"""singularity_workflow.condition_met: may a step run?"""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single


@pytest.mark.parametrize(
    ("options", "input", "status"),
    [
        ({"when": {"vip": True}}, {"vip": True}, "started"),
        ({"when": {"vip": True}}, {"vip": False}, "skipped"),
        ({"when": {"vip": True}}, None, "skipped"),
        ({"when": {"vip": True}}, [{"vip": True}], "skipped"),
        ({"when": {"vip": True}}, "vip", "skipped"),
        ({"when": "$.vip"}, [{"vip": 1}], "started"),
        ({"when_not": {"vip": True}}, {}, "started"),
        ({"when_not": {"vip": True}}, {"vip": True}, "skipped"),
        ({"when": "strict $.vip"}, {}, "skipped"),
        ({"when": "strict $.vip"}, 1, "skipped"),
        ({"when_not": "strict $.vip"}, {}, "started"),
        ({"when_not": "$.n > 1"}, {"n": 2}, "skipped"),
        ({"when_not": "$.n > 1"}, {"n": "x"}, "started"),
        ({"when_not": "$.n > $limit"}, {"n": 2}, "started"),
        ({"when": {"a": 1}, "when_not": {"b": 1}}, {"a": 1}, "started"),
        ({"when": {"a": 1}, "when_not": {"b": 1}}, {"a": 1, "b": 1}, "skipped"),
        ({"when": {"a": 1}, "when_not": {"b": 1}}, {}, "skipped"),
        ({}, None, "started"),
    ],
)
def test_a_root_step_sees_the_input(db, options, input, status):
    """
    Whatever its type; both conditions must allow it (M 154, M 155, M 159, M 162).
    """
    run = db.start(db.make_workflow(single("a", **options), single("b")), input)

    assert run.steps == {"a": status, "b": "started"}
    if status == "skipped":
        assert run.step("a").skip_reason == "condition unmet"
        assert run.tasks("a") == []
    db.check()


@pytest.mark.parametrize(
    ("when", "output", "status"),
    [
        ({"a": {"role": "admin"}}, {"role": "admin"}, "started"),
        ({"a": {"role": "admin"}}, {"role": "user"}, "skipped"),
        ({"a": {"role": "admin"}}, None, "skipped"),
        ({"run_input": {"go": 1}}, None, "started"),
        ("$.a[*] > 2", [1, 2, 3], "started"),
        ("$.a > $.run_input.go", 2, "started"),
        ("$.a.size() == 0", [], "started"),
        ("$.a == null", None, "started"),
    ],
)
def test_another_step_sees_input_and_outputs_by_name(db, when, output, status):
    """
    An object of run_input and each completed dependency (M 158).
    """
    run = db.start(
        db.make_workflow(single("a"), single("b", "a", when=when)), {"go": 1}
    )

    db.complete(db.claim_one(), output)

    assert run.steps["b"] == status
    assert run.status == ("started" if status == "started" else "completed")
    db.check()


def test_a_skipped_dependency_is_absent(db):
    """
    A pattern on its output is unmet (M 167).
    """
    run = db.start(
        db.make_workflow(
            single("a"),
            single("b", "a", when={"a": {}}, on_unmet="skip"),
            single("c", "a", when_not="exists($.a)"),
        )
    )

    db.skip(db.claim_one())

    assert run.steps == {"a": "skipped", "b": "skipped", "c": "started"}
    db.check()


@pytest.mark.parametrize(
    ("input", "chosen"), [({"admin": 1}, "yes"), ({"admin": 0}, "no"), ({}, "no")]
)
def test_of_two_opposite_branches_one_starts(db, input, chosen):
    """
    Whether the member is there or not (M 161).
    """
    run = db.start(
        db.make_workflow(
            single("yes", when={"admin": 1}), single("no", when_not={"admin": 1})
        ),
        input,
    )

    assert [name for name, s in run.steps.items() if s == "started"] == [chosen]
    db.check()


def test_a_map_over_an_output_that_jsonb_cannot_take(db):
    """
    Its condition does not hold; the run goes on.
    """
    workflow = db.make_workflow(single("a"), map_step("m", "a", when={"a": []}))
    run = db.start(workflow)
    task = db.claim_one()

    db.execute(
        "select singularity_workflow.report_tasks(%s, json_build_array("
        "json_build_object('run', %s::uuid, 'step', 0, 'task', 0, 'attempt', %s::int,"
        "'outcome', 'completed', 'output', '[1e300000]'::json)))",
        *(db.worker, run.id, task.attempt),
    )

    assert run.steps == {"a": "completed", "m": "skipped"}
    db.check()
