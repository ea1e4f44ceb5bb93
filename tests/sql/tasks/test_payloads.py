"""What is put in comes out: payloads are json, and nobody rewrites them."""

from __future__ import annotations

import json

import pytest
from fixtures.definitions import map_step, single

VALUES = [
    0,
    False,
    "",
    {},
    [],
    None,
    -0.0,
    1e16,
    1.5e300,
    12345678901234567890,
    {"b": 1, "a": 2, "aa": {"z": None, "y": []}},
    "\"quoted\" \\ back\\slash\ttab 'single' %s {}",
    "üñí€😀\u2028",
    [None, [None]],
    {"": ""},
]
TEXTS = ["-0.0", "1e16", '{"b":1,"a":1.10}', "1E+2"]


def as_text(value):
    """Return a value in a form in which 0, False and -0.0 differ."""
    return json.dumps(value)


@pytest.mark.parametrize("value", VALUES, ids=as_text)
def test_the_output_of_a_single_step(db, value):
    """
    To its dependent, and into the result (U 216, S14).
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")))

    reply = db.complete(db.claim_one(), value, slots=1, queues=["default"])
    db.complete(reply.tasks[0], value)

    assert as_text(reply.outputs[0][2]) == as_text(value)
    assert as_text(run.output) == as_text({"b": value})


@pytest.mark.parametrize("value", VALUES, ids=as_text)
def test_the_element_and_the_output_of_a_map_task(db, value):
    """
    From the input to the task, and from the task into the array (U 216, S14).
    """
    run = db.start(db.make_workflow(map_step("m")), [value])
    task = db.claim_one()

    db.complete(task, value)

    assert as_text(task.item) == as_text(value)
    assert as_text(run.output) == as_text({"m": [value]})


@pytest.mark.parametrize("value", VALUES, ids=as_text)
def test_the_input_of_a_run(db, value):
    """
    Stored and sent as it was given (S14).
    """
    run = db.start(db.make_workflow(single("a")), value)

    reply = db.claim_reply()

    assert as_text(reply.inputs[run.id]) == as_text(value)


@pytest.mark.parametrize("text", TEXTS)
def test_not_even_the_spelling_changes(db, text):
    """
    Digits and the order of keys are those of the client (S14).
    """
    workflow = db.make_workflow(map_step("m"))
    run = db.run(
        db.value(
            "select singularity_workflow.start_run(%s, %s::json)",
            workflow.name,
            f"[{text}]",
        )
    )
    report = '[{{"run": "{}", "step": 0, "task": 0, "attempt": 1, {}}}]'.format(
        db.claim_one().run_id, f'"outcome": "completed", "output": {text}'
    )

    db.execute(
        "select singularity_workflow.report_tasks(%s, %s::json)", db.worker, report
    )

    stored = db.row(
        "select item::text, output::text from singularity_workflow.tasks "
        "where run_id = %s",
        run.id,
    )
    assert stored == (text, text)
    results = "select singularity_workflow.run_results(array[%s::uuid])::text"
    assert f'{{ "m" : [{text}] }}' in db.value(results, run.id)
