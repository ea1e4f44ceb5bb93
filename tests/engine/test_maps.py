"""Map steps: one task an element, the order kept."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engine.support import make_workflow, wait_until
from singularity_workflow import InvalidInput, RunStatus, Skip


def square_items():
    flow = make_workflow()

    @flow.map
    async def squares(item):
        return item * item

    return flow


def test_a_root_map_runs_over_the_input(engine):
    """
    The run's input is the array (E 57, F 77).
    """
    assert engine.execute(square_items(), [1, 2, 3]) == {"squares": [1, 4, 9]}


def test_a_root_map_runs_over_items_of_the_input(engine):
    """
    An object's `items` is the array, and the whole object is the run's input.
    """
    flow = make_workflow()

    @flow.map
    async def scaled(item, run_input):
        return item * run_input["factor"]

    assert engine.execute(flow, {"items": [1, 2], "factor": 10}) == {"scaled": [10, 20]}


def test_initial_tasks_alone_give_indices(engine):
    """
    Without an array n tasks run, whose item is their index.
    """
    flow = make_workflow()

    @flow.map(initial_tasks=4)
    async def numbers(item, index):
        return [item, index]

    assert engine.execute(flow, {}) == {"numbers": [[n, n] for n in range(4)]}


def test_initial_tasks_must_fit_the_array(engine):
    """
    With an array both must be of one length (E 60).
    """
    flow = make_workflow()

    @flow.map(initial_tasks=2)
    async def numbers(item):
        return item

    assert engine.execute(flow, ["a", "b"]) == {"numbers": ["a", "b"]}
    with pytest.raises(InvalidInput, match="3"):
        engine.execute(flow, ["a", "b", "c"])


@pytest.mark.parametrize("value", [None, "abc", 5, True, {}, {"items": 5}])
def test_a_root_map_without_an_array_is_refused(engine, sql, value):
    """
    The start says so, and nothing is created (E 60).
    """
    flow = square_items()

    with pytest.raises(InvalidInput):
        engine.execute(flow, value)

    assert engine.list_workflow_runs(workflow=flow.name).items == []


def test_elements_of_each_kind_arrive_unchanged(engine):
    """
    Nulls, nested arrays and objects are elements like others (E 61, F 80).
    """
    elements = [0, "", None, True, [], [1, [2]], {}, {"a": None}, "ü", 1.5, 1, 1]
    flow = make_workflow()

    @flow.map
    async def same(item):
        return item

    assert engine.execute(flow, elements) == {"same": elements}


def test_a_dependent_map_runs_over_its_dependency(engine):
    """
    Its elements are those of the output of its only dependency (E 66, F 78).
    """
    flow = make_workflow()

    @flow.step
    async def source(input):
        return list(range(input["n"]))

    @flow.map
    async def doubled(item, source):
        return [item * 2, len(source)]

    assert engine.execute(flow, {"n": 3}) == {"doubled": [[0, 3], [2, 3], [4, 3]]}


def test_over_says_which_dependency_is_split(engine):
    """
    The other dependencies arrive whole (B 24, H 104).
    """
    flow = make_workflow()
    flow.step(name="factor")(lambda: [10])
    flow.step(name="source")(lambda: [1, 2])

    @flow.map(over="source")
    async def scaled(item, factor):
        return item * factor[0]

    assert engine.execute(flow) == {"scaled": [10, 20]}


def test_a_map_over_a_map(engine):
    """
    The second map's inputs are the first one's outputs, by index (E 69, F 81).
    """
    flow = square_items()

    @flow.map(over="squares")
    async def texts(item, index):
        return f"{index}:{item}"

    assert engine.execute(flow, [3, 2]) == {"texts": ["0:9", "1:4"]}


def test_a_consumer_gets_the_array_in_the_order_of_the_elements(engine):
    """
    The elements end in reverse, by events; the array is in order (H 98, H 99).
    """
    flow = make_workflow()
    count = 8
    ended = [asyncio.Event() for _ in range(count + 1)]
    ended[count].set()
    order = []

    @flow.map
    async def backwards(item, index):
        await ended[index + 1].wait()
        order.append(index)
        ended[index].set()
        return item

    @flow.step
    async def joined(backwards):
        return "".join(backwards)

    assert engine.execute(flow, list("abcdefgh")) == {"joined": "abcdefgh"}
    assert order == list(reversed(range(count)))


def test_the_order_is_kept_although_each_task_is_reported_alone(engine, sql):
    """
    Each element waits until the database has recorded the one after it (H 107).
    """
    flow = make_workflow()
    count = 4
    recorded = (
        "select count(*) from singularity_workflow.tasks t "
        "join singularity_workflow.runs r using (run_id) "
        "join singularity_workflow.workflows w using (workflow_id) "
        "where w.name = %s and t.step_no = 0 and t.status = 'completed'"
    )
    consumer_started = threading.Event()

    @flow.map
    def backwards(item, index):
        wanted = count - 1 - index
        wait_until(lambda: sql.value(recorded, flow.name) == wanted, "the one after")
        assert not consumer_started.is_set()
        return item

    @flow.step
    async def joined(backwards):
        consumer_started.set()
        return backwards

    assert engine.execute(flow, [0, 1, 2, 3]) == {"joined": [0, 1, 2, 3]}


def test_nulls_keep_their_places(engine):
    """
    A function that returns nothing gives null (H 100).
    """
    flow = make_workflow()

    @flow.map
    async def odd(item):
        return item if item % 2 else None

    assert engine.execute(flow, [1, 2, 3]) == {"odd": [1, None, 3]}


def test_one_element_gives_an_array_of_one(engine):
    """
    Not the bare value (H 101).
    """
    assert engine.execute(square_items(), [5]) == {"squares": [25]}


def test_an_empty_root_map_completes_at_once(engine):
    """
    It has no tasks and gives an empty array (I 113).
    """
    flow = square_items()
    handle = engine.start(flow, [])

    assert handle.result() == {"squares": []}
    status, figures = handle.status()
    assert (status, figures["total_tasks"]) == (RunStatus.COMPLETED, 0)


def test_execute_of_an_empty_map_returns(engine):
    """
    The run ends within its own start, and the caller learns of it (I 113).
    """
    assert engine.execute(square_items(), []) == {"squares": []}


def test_an_empty_map_feeds_its_dependents(engine):
    """
    Maps after it are empty too, and single steps get the empty array (I 114, I 117).
    """
    flow = square_items()
    flow.map(name="more", over="squares")(lambda item: item)
    flow.step(name="count")(lambda squares, more: len(squares) + len(more))
    flow.step(name="other")(lambda squares: squares)

    assert engine.execute(flow, []) == {"count": 0, "other": []}


def test_an_array_of_no_elements_ends_a_run(engine):
    """
    A map over an empty output completes without tasks (I 116, H 102).
    """
    flow = make_workflow()
    flow.step(name="source")(list)
    flow.map(name="each", over="source")(lambda item: item)

    assert engine.execute(flow) == {"each": []}


def test_a_long_chain_of_empty_maps_completes(engine):
    """
    There is no limit on how many follow one another (I 120).
    """
    flow = make_workflow()
    flow.map(name="m0")(lambda item: item)
    for number in range(1, 200):
        flow.map(name=f"m{number}", over=f"m{number - 1}")(lambda item: item)

    assert engine.execute(flow, []) == {"m199": []}


def test_a_thousand_elements(engine):
    """
    They are all run, in however many batches, and come back in order (H 110).
    """
    flow = square_items()

    @flow.step
    async def total(squares):
        return [len(squares), squares[:3], squares[-1], sum(squares)]

    expected = [1000, [0, 1, 4], 999**2, sum(n * n for n in range(1000))]
    assert engine.execute(flow, list(range(1000))) == {"total": expected}


def test_more_elements_than_one_transaction_makes(engine):
    """
    Above a thousand elements the rest is made in chunks (S13).
    """
    flow = square_items()
    count = 2_500

    result = engine.execute(flow, list(range(count)))

    assert result == {"squares": [n * n for n in range(count)]}


def test_plain_functions_map_too(engine):
    """
    Elements of a map of plain functions run in threads.
    """
    flow = make_workflow()

    @flow.map
    def where(item):
        return threading.current_thread().name.startswith("swf-step")

    assert engine.execute(flow, [1, 2, 3]) == {"where": [True, True, True]}


def test_an_element_that_is_a_mapping_is_merged(engine):
    """
    Its members win over those of the input and the dependencies.
    """
    flow = make_workflow()

    @flow.map
    async def merged(input):
        return [input["a"], input["b"]]

    given = {"items": [{"a": 1}, {"a": 2}], "a": 0, "b": "b"}
    assert engine.execute(flow, given) == {"merged": [[1, "b"], [2, "b"]]}


def test_an_element_that_is_no_mapping_is_the_view(engine):
    """
    A map task whose element is a number gets that number.
    """
    flow = make_workflow()

    @flow.map
    async def plus_one(number):
        return number + 1

    assert engine.execute(flow, [1, 2]) == {"plus_one": [2, 3]}


def test_a_skipped_element_is_left_out(engine):
    """
    The elements after it keep their order.
    """
    flow = make_workflow()

    @flow.map
    async def odd(item):
        if item % 2 == 0:
            raise Skip("even")
        return item

    assert engine.execute(flow, [1, 2, 3, 4, 5]) == {"odd": [1, 3, 5]}


def test_a_failing_element_fails_the_run(engine):
    """
    Its siblings are cancelled (K 135).
    """
    flow = make_workflow(max_attempts=1)
    hang = asyncio.Event()

    @flow.map
    async def each(item):
        if item == "bad":
            raise ValueError(item)
        await hang.wait()

    handle = engine.start(flow, ["good", "bad", "good"])

    with pytest.raises(Exception, match="bad"):
        handle.result()
    status, figures = handle.status()
    assert (status, figures["failed_tasks"]) == (RunStatus.FAILED, 1)
    assert figures["started_tasks"] == figures["queued_tasks"] == 0


@pytest.mark.parametrize("output", [{"a": 1}, "abc", None, 5])
def test_a_map_over_something_else_fails_the_run(engine, output):
    """
    The producer is to blame; there is no other attempt (J 123).
    """
    flow = make_workflow(max_attempts=3)
    calls = []

    @flow.step
    async def source():
        calls.append(1)
        return output

    @flow.map(over=source)
    async def each(item):
        return item

    handle = engine.start(flow)

    with pytest.raises(Exception, match="array") as caught:
        handle.result()
    assert (caught.value.step, len(calls)) == ("source", 1)
    _, figures = handle.status()
    assert figures["steps"][1]["status"] == "created"
    assert figures["steps"][1]["initial_tasks"] is None


def test_large_shared_inputs_are_sent_once(engine):
    """
    A hundred elements share an input of a megabyte (S9).
    """
    flow = make_workflow()

    @flow.map
    async def each(item, run_input):
        return len(run_input["big"]) + item

    given = {"items": list(range(100)), "big": "x" * 1_000_000}
    assert engine.execute(flow, given) == {"each": [1_000_000 + n for n in range(100)]}


def test_several_root_maps_share_the_array(engine):
    """
    Each has all its elements (E 62, E 63).
    """
    flow = square_items()
    flow.map(name="texts")(lambda item: f"{item}")
    flow.map(name="after", over="texts")(lambda item: f"<{item}>")

    assert engine.execute(flow, [1, 2]) == {
        "squares": [1, 4],
        "after": ["<1>", "<2>"],
    }


def test_a_consumer_gets_arrays_of_different_lengths(engine):
    """
    And plain values beside them (H 104, H 105).
    """
    flow = make_workflow()
    flow.step(name="few")(lambda: [1])
    flow.step(name="many")(lambda: [1, 2, 3])
    flow.map(name="a", over="few")(lambda item: item)
    flow.map(name="b", over="many")(lambda item: -item)
    flow.step(name="plain")(lambda: "plain")

    @flow.step
    async def joined(a, b, plain):
        return [a, b, plain]

    assert engine.execute(flow) == {"joined": [[1], [-1, -2, -3], "plain"]}
