"""The payloads of runs: kept exactly as long as something relies on them."""

from __future__ import annotations

import pytest

from singularity_workflow import Workflow
from singularity_workflow.store.replies import HandedTask, Reply
from singularity_workflow.worker.memory import RunMemory

RUN = "01a20c24-93b3-7000-826d-b0b054f6d201"
OUTPUTS = {RUN: {0: [10, 20], 1: "whole"}}


@pytest.fixture
def compiled():
    flow = Workflow("flow")
    flow.step(name="a")(lambda: [10, 20])
    flow.step(name="b")(lambda: "whole")
    flow.map(name="each", over="a", depends_on=["b"])(lambda item, b: item)
    return flow.compile()


@pytest.fixture
def memory(compiled):
    """A memory that has the run's input, as a reply that brings tasks makes it."""
    found = RunMemory()
    found.add_run(RUN, compiled, {"n": 1})
    return found


def handed(step_no, index, item):
    values = dict.fromkeys(HandedTask._fields, 0)
    values |= {"run_id": RUN, "step_no": step_no, "task_index": index, "item": item}
    return HandedTask(**values)


def element(index):
    return handed(2, index, 10)


def root():
    return handed(0, 0, None)


def test_a_task_gets_the_outputs_of_its_dependencies_by_name(memory):
    """
    In the order of step numbers, with its element and the run's input.
    """
    workflow, step, inputs = memory.take(element(0), OUTPUTS)

    assert (workflow.name, step.name) == ("flow", "each")
    assert list(inputs.outputs.items()) == [("a", [10, 20]), ("b", "whole")]
    assert (inputs.item, inputs.index, inputs.run_input) == (10, 0, {"n": 1})


def test_later_elements_need_no_outputs(memory):
    """
    The reply may leave out what a map has here already.
    """
    memory.take(element(0), OUTPUTS)

    _, _, inputs = memory.take(element(1), {})

    assert inputs.outputs == {"a": [10, 20], "b": "whole"}


def test_the_last_task_takes_all_with_it(memory):
    """
    Then the next reply must bring input and outputs again.
    """
    tasks = [element(0), element(1)]
    for task in tasks:
        memory.take(task, OUTPUTS)

    memory.release(tasks[0].ref)
    assert memory.has_run(RUN)
    memory.release(tasks[1].ref)
    assert not memory.has_run(RUN)
    assert memory.pin_maps() == []


def test_a_map_is_forgotten_while_its_run_goes_on(memory):
    """
    Each map is counted for itself.
    """
    memory.take(root(), {})
    memory.take(element(0), OUTPUTS)
    memory.release(element(0).ref)

    assert memory.has_run(RUN)
    assert memory.pin_maps() == []


def test_what_a_call_relies_on_stays_until_its_reply(memory):
    """
    A map that was told to be known is known, although its last task ends meanwhile.
    """
    memory.take(element(0), OUTPUTS)
    pinned = memory.pin_maps()
    memory.release(element(0).ref)

    _, _, inputs = memory.take(element(1), {})
    memory.unpin_maps(pinned)

    assert inputs.outputs == {"a": [10, 20], "b": "whole"}
    memory.release(element(1).ref)
    assert not memory.has_run(RUN)


def test_the_input_of_a_run_that_is_being_started_stays(compiled):
    """
    Although a first task of it comes and goes before the start's reply is there.
    """
    memory = RunMemory()
    memory.pin_run(RUN, compiled, {"n": 1})
    memory.take(root(), {})
    memory.release(root().ref)

    assert memory.has_run(RUN)
    memory.unpin_runs([RUN])
    assert not memory.has_run(RUN)


def test_letting_go_twice_does_no_harm(memory):
    """
    A run that is gone is gone.
    """
    memory.take(root(), {})
    for _ in range(2):
        memory.release(root().ref)
    memory.unpin_runs([RUN])

    assert not memory.has_run(RUN)


def test_a_known_run_keeps_its_input(memory, compiled):
    """
    A repeated input is the same one.
    """
    memory.add_run(RUN, compiled, {"n": 2})

    assert memory.take(root(), {})[2].run_input == {"n": 1}


def test_outputs_of_a_reply_are_sorted_by_run(memory):
    """
    Runs that share a reply do not see each other's outputs.
    """
    reply = Reply(outputs=[("x", 0, 1), ("y", 0, 2), ("x", 1, 3)])

    assert memory.outputs_of(reply) == {"x": {0: 1, 1: 3}, "y": {0: 2}}
