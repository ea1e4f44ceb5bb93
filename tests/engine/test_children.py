"""Child workflows: steps that are runs of other workflows."""

from __future__ import annotations

import asyncio
import threading

import pytest
from pydantic import BaseModel

from engine.support import fail, make_workflow, run, single, unique, until, wait_until
from singularity_workflow import (
    AsyncEngine,
    DefinitionError,
    Engine,
    RetryPolicy,
    RunCancelled,
    RunFailed,
    RunFilter,
    RunStatus,
    StateTransitionError,
    Worker,
    Workflow,
)


class Invoice(BaseModel):
    """What a child of these tests wants."""

    amount: int


def children_of(engine, handle):
    """Return the runs that a run has started, oldest first."""
    page = engine.list_workflow_runs(parent=handle.id, limit=1000)
    return list(reversed(page.items))


def doubling():
    """A workflow that doubles a number."""
    flow = make_workflow()

    @flow.step
    async def doubled(run_input):
        return run_input * 2

    return flow


def gated(gate, **options):
    """A workflow whose step waits for the gate, or for its cancellation."""
    flow = make_workflow(**options)
    began = []

    @flow.step
    def wait(run_input, ctx):
        began.append(run_input)
        while not gate.wait(0.01) and not ctx.cancelled:
            pass
        return run_input

    return flow, began


def test_the_output_is_the_result_of_the_child(engine):
    """
    As `execute` would return it; its parent is known.
    """
    child, parent = doubling(), make_workflow()
    parent.step(name="number")(lambda: 21)

    @parent.child(child, name="double")
    def double(number):
        return number

    parent.step(name="after")(lambda double: double["doubled"] + 1)
    handle = engine.start(parent)

    assert handle.result() == {"after": 43}
    (run,) = children_of(engine, handle)
    assert (run.workflow, run.parent_id, run.status) == (
        child.name, handle.id, "completed",
    )  # fmt: skip


def test_as_a_statement_it_gets_the_merged_view(engine):
    """
    The step is called like the workflow.
    """
    child = make_workflow()
    child.step(name="keys")(lambda run_input: [*sorted(run_input)])
    parent = make_workflow()
    parent.step(name="first")(lambda: {"b": 2})
    parent.child(child, depends_on="first")

    result = engine.execute(parent, {"a": 1})

    assert result == {child.name: {"keys": ["a", "b", "first"]}}


def test_a_root_child_gets_the_input(engine):
    """
    Whatever that is.
    """
    child, parent = doubling(), make_workflow()
    parent.child(child, name="double")

    assert engine.execute(parent, 4) == {"double": {"doubled": 8}}


def test_mapped_children_keep_their_order(engine):
    """
    One run for each element, each with the element as its input.
    """
    child, parent = doubling(), make_workflow()
    parent.step(name="numbers")(lambda: list(range(30)))
    parent.child(child, name="each", over="numbers")
    parent.step(name="total")(lambda each: [one["doubled"] for one in each])
    handle = engine.start(parent)

    assert handle.result() == {"total": [2 * n for n in range(30)]}
    assert len(children_of(engine, handle)) == 30


def test_a_decorated_map_of_children(engine):
    """
    What the function returns is the input of its element's child.
    """
    child, parent = doubling(), make_workflow()

    @parent.child(child, initial_tasks=3)
    def each(item, index, run_input):
        return item + index + run_input["plus"]

    result = engine.execute(parent, {"plus": 10})

    assert [one["doubled"] for one in result["each"]] == [20, 24, 28]


def test_children_of_an_empty_array(engine):
    """
    There are none.
    """
    child, parent = doubling(), make_workflow()
    parent.step(name="none")(list)
    parent.child(child, name="each", over="none")

    assert engine.execute(parent) == {"each": []}


def test_options_of_a_map_hold_for_children(engine):
    """
    `max_concurrency`, `on_error` and `when`, with a child as the element's task.
    """
    inside, most = [], []
    child = make_workflow(max_attempts=1)

    @child.step
    async def step(run_input):
        inside.append(run_input)
        most.append(len(inside))
        await asyncio.sleep(0)
        inside.remove(run_input)
        if run_input == 3:
            raise ValueError("three")
        return run_input

    parent = make_workflow()
    parent.child(
        child, name="each", initial_tasks=8, max_concurrency=2, on_error="skip",
        when=lambda item: item != 5,
    )  # fmt: skip

    result = engine.execute(parent, {})

    assert [one["step"] for one in result["each"]] == [0, 1, 2, 4, 6, 7]
    assert max(most) <= 2


def test_a_collected_error_of_a_child(engine):
    """
    Stands in the place of its result.
    """
    child = single(lambda run_input: 1 // run_input, max_attempts=1)
    parent = make_workflow()
    parent.step(name="numbers")(lambda: [1, 0])
    parent.child(child, name="each", over="numbers", on_error="collect")

    good, bad = engine.execute(parent)["each"]

    assert good == {"step": 1}
    assert bad["error"]["type"] == "child_failed"
    assert "division" in bad["error"]["message"]


def test_a_child_that_fails_fails_the_step(engine):
    """
    At once: the child had attempts of its own.
    """
    calls = []

    def broken():
        calls.append(1)
        raise ValueError("broken")

    child = single(broken, retry=RetryPolicy(max_attempts=2, delay=0))
    parent = make_workflow(max_attempts=5)
    parent.child(child, name="call")

    error = fail(engine, parent)

    assert (error.step, error.attempts, len(calls)) == ("call", 1, 2)
    assert "broken" in str(error)
    assert child.name in str(error)


def test_a_child_is_tried_again_if_the_step_says_so(engine):
    """
    Each attempt is a new run.
    """
    calls = []

    def broken_at_first():
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("broken")
        return "mended"

    child = single(broken_at_first, max_attempts=1)
    parent = make_workflow()
    retry = RetryPolicy(max_attempts=3, delay=0)
    parent.child(child, name="call", retry=retry)
    handle = engine.start(parent)

    assert handle.result() == {"call": {"step": "mended"}}
    statuses = [one.status for one in children_of(engine, handle)]
    assert statuses == ["failed", "failed", "completed"]


def test_the_timeout_of_a_child_step_is_the_deadline_of_the_child(engine):
    """
    Each attempt has it anew; that of the workflow is for steps that run here.
    """
    gate = threading.Event()
    child, _ = gated(gate)
    parent = make_workflow(timeout=0.3)
    retry = RetryPolicy(max_attempts=2, delay=0)
    parent.child(child, name="call", timeout=0.4, retry=retry)
    patient = make_workflow(timeout=0.01)
    patient.child(child, name="call")

    slow = engine.start(patient, 1)
    handle = engine.start(parent, 1)
    with pytest.raises(RunFailed, match="deadline") as caught:
        handle.result()

    assert (caught.value.error_type, caught.value.attempts) == ("child_cancelled", 2)
    assert [one.status for one in children_of(engine, handle)] == ["cancelled"] * 2
    gate.set()
    assert slow.result() == {"call": {"wait": 1}}


def test_the_sooner_deadline_of_a_child_holds(engine):
    """
    Its own, or the timeout of the step that starts it.
    """
    gate = threading.Event()
    child, _ = gated(gate, deadline=0.3)
    parent = make_workflow()
    parent.child(child, name="call", timeout=3600)

    assert fail(engine, parent, 1).error_type == "child_cancelled"


def test_a_child_that_is_cancelled_fails_the_step(engine):
    """
    With the reason of the child.
    """
    gate = threading.Event()
    child, began = gated(gate)
    parent = make_workflow()
    parent.child(child, name="call")
    handle = engine.start(parent)
    wait_until(lambda: began, "the child to begin")
    (run,) = children_of(engine, handle)

    engine.cancel_workflow_run(run.id, reason="not wanted")

    with pytest.raises(RunFailed, match="not wanted") as caught:
        handle.result()
    assert caught.value.step == "call"


@pytest.mark.parametrize("on_failure", ["skip", "skip_cascade"])
def test_on_failure_of_a_child_step(engine, on_failure):
    """
    As of any step.
    """
    child = single(lambda: 1 // 0, max_attempts=1)
    parent = make_workflow()
    parent.child(child, name="call", on_failure=on_failure)
    parent.step(name="after", depends_on="call")(lambda call=None: ["after", call])

    expected = {"after": ["after", None]} if on_failure == "skip" else {}
    assert engine.execute(parent) == expected


def test_a_skipped_child_step_starts_no_child(engine):
    """
    Its condition comes first.
    """
    child, parent = doubling(), make_workflow()
    parent.child(child, name="call", when={"go": True})
    handle = engine.start(parent, {})

    assert handle.result() == {}
    assert children_of(engine, handle) == []


def test_the_input_is_checked_by_the_model_of_the_child(engine):
    """
    A misfit fails the step for good, and no child starts.
    """
    child = Workflow(unique(), input=Invoice)
    child.step(name="amount")(lambda run_input: run_input["amount"])
    parent = make_workflow(max_attempts=3)

    @parent.child(child)
    def invoice(run_input):
        return run_input

    handle = engine.start(parent, {"amount": "many"})
    with pytest.raises(RunFailed, match="amount") as caught:
        handle.result()

    assert (caught.value.attempts, children_of(engine, handle)) == (1, [])
    assert engine.execute(parent, {"amount": 5}) == {"invoice": {"amount": 5}}


def test_a_workflow_may_be_its_own_descendant(engine):
    """
    As long as it comes to an end.
    """
    factorial = make_workflow()
    factorial.child(factorial, name="smaller", when="$ > 1", depends_on=())(
        lambda run_input: run_input - 1
    )

    @factorial.step
    def product(run_input, smaller=None):
        return run_input * (smaller["product"] if smaller else 1)

    assert engine.execute(factorial, 6) == {"product": 720}


def test_grandchildren_of_several_workflows(engine):
    """
    Registering the first registers all.
    """
    last = doubling()
    middle, first = make_workflow(), make_workflow()
    middle.child(last, name="last")
    first.child(middle, name="middle")

    assert engine.execute(first, 3) == {"middle": {"last": {"doubled": 6}}}


def test_a_child_given_by_name(engine):
    """
    It is looked up when it starts.
    """
    child, parent = doubling(), make_workflow()
    parent.child(child.name, name="call")
    engine.register(child)

    assert engine.execute(parent, 4) == {"call": {"doubled": 8}}


def test_a_child_by_name_runs_where_its_code_is(dsn):
    """
    Although its parent is a local run of an engine that does not have it.
    """
    child, parent = doubling(), make_workflow()
    parent.child(child.name, name="call")
    parent.step(name="after")(lambda call: call["doubled"] + 1)

    async def main():
        async with AsyncEngine(dsn) as one, AsyncEngine(dsn) as two, Worker(two, child):
            return await asyncio.wait_for(one.execute(parent, 4), 20)

    assert run(main) == {"after": 9}


def test_a_child_by_a_name_that_nobody_knows(engine):
    """
    Fails its task, with that message, and no other.
    """
    name, parent = unique("nobody"), make_workflow(max_attempts=1)
    parent.child(name, name="call", on_failure="skip")
    parent.map(name="others", initial_tasks=20)(lambda item: item)
    parent.step(name="joined")(lambda call, others: [call, len(others)])
    bad = make_workflow()
    bad.child(name, name="call")

    assert engine.execute(parent, {}) == {"joined": [None, 20]}
    error = fail(engine, bad, {})
    assert name in str(error)
    assert error.error_type.endswith("WorkflowNotFound")
    assert error.attempts == 1


def test_a_child_whose_input_the_server_refuses(engine):
    """
    It maps over what is no array: the task fails, and not the batch around it.
    """
    child = make_workflow()
    child.map(name="each")(lambda item: item)
    parent = make_workflow()

    @parent.child(child, initial_tasks=20, on_error="collect")
    def call(item):
        return [item] if item % 2 else item

    parent.map(name="others", initial_tasks=20)(lambda item: item)
    result = engine.execute(parent, {})

    assert len(result["others"]) == 20
    for number, one in enumerate(result["call"]):
        if number % 2:
            assert one == {"each": [number]}
        else:
            assert one["error"]["type"].endswith("InvalidInput")
            assert "array" in one["error"]["message"]


def test_no_slot_is_held_while_a_child_runs(dsn):
    """
    An engine of one slot runs a parent, its children and theirs.
    """
    leaf = doubling()
    middle, first = make_workflow(), make_workflow()
    middle.child(leaf, name="leaf")
    first.step(name="numbers")(lambda: [1, 2, 3])
    first.child(middle, name="each", over="numbers")

    async def main():
        async with AsyncEngine(dsn, concurrency=1) as engine:
            return await engine.execute(first)

    result = run(main)["each"]
    assert [one["leaf"]["doubled"] for one in result] == [2, 4, 6]


def test_one_task_at_a_time_with_children(engine):
    """
    `parallel=False` holds for the parent: a child keeps its turn.
    """
    child = doubling()
    parent = make_workflow()
    parent.child(child, name="each", initial_tasks=3)
    parent.step(name="beside")(lambda: 1)

    result = engine.execute(parent, {}, parallel=False)

    assert [one["doubled"] for one in result["each"]] == [0, 2, 4]


def test_cancelling_a_parent_reaches_its_children(engine):
    """
    And theirs; what runs is stopped.
    """
    gate = threading.Event()
    leaf, began = gated(gate)
    middle, first = make_workflow(), make_workflow()
    middle.child(leaf, name="leaf")
    first.child(middle, name="each", initial_tasks=2)
    handle = engine.start(first, {})
    wait_until(lambda: len(began) == 2, "the leaves to begin")

    handle.cancel("enough")

    with pytest.raises(RunCancelled, match="enough"):
        handle.result()
    middles = children_of(engine, handle)
    leaves = [run for one in middles for run in children_of(engine, one)]
    assert len(middles) == len(leaves) == 2

    def all_ended():
        return all(
            engine.get_run_status(one.id)[0] is RunStatus.CANCELLED
            for one in (*middles, *leaves)
        )

    wait_until(all_ended, "the children to be cancelled")


def test_a_parent_that_fails_cancels_its_children(engine):
    """
    Nobody waits for them any more.
    """
    gate = threading.Event()
    child, began = gated(gate)
    parent = make_workflow(max_attempts=1)
    parent.child(child, name="call")

    @parent.step
    def broken():
        wait_until(lambda: began, "the child to begin")
        raise ValueError("broken")

    handle = engine.start(parent, {})
    with pytest.raises(RunFailed, match="broken"):
        handle.result()

    (run,) = children_of(engine, handle)
    wait_until(
        lambda: engine.get_run_status(run.id)[0] is RunStatus.CANCELLED,
        "the child to be cancelled",
    )


def test_pausing_a_parent_pauses_its_children(engine):
    """
    And resuming it resumes them.
    """
    gate = threading.Event()
    child, began = gated(gate)
    child.step(name="after", depends_on="wait")(lambda: "after")
    parent = make_workflow()
    parent.child(child, name="call")
    handle = engine.start(parent, {})
    wait_until(lambda: began, "the child to begin")
    (run,) = children_of(engine, handle)

    handle.pause()
    wait_until(
        lambda: engine.get_run_status(run.id)[0] is RunStatus.PAUSED, "a paused child"
    )
    gate.set()
    wait_until(
        lambda: engine.get_run_status(run.id)[1]["completed_steps"] == 1, "its step"
    )
    assert engine.get_run_status(run.id)[0] is RunStatus.PAUSED
    handle.resume()

    assert handle.result() == {"call": {"after": "after"}}


def test_a_child_that_was_paused_alone_stays_paused(engine):
    """
    Resuming its parent does not resume it.
    """
    gate = threading.Event()
    child, began = gated(gate)
    child.step(name="after", depends_on="wait")(lambda: "after")
    parent = make_workflow()
    parent.child(child, name="call")
    handle = engine.start(parent, {})
    wait_until(lambda: began, "the child to begin")
    (run,) = children_of(engine, handle)
    engine.pause_workflow_run(run.id)
    gate.set()

    handle.pause()
    handle.resume()

    assert engine.get_run_status(run.id)[0] is RunStatus.PAUSED
    engine.resume_workflow_run(run.id)
    assert handle.result() == {"call": {"after": "after"}}


def test_the_deadline_of_a_parent_reaches_its_children(engine):
    """
    When it passes, they are cancelled too.
    """
    gate = threading.Event()
    child, began = gated(gate)
    parent = make_workflow()
    parent.child(child, name="call")
    handle = engine.start(parent, {}, timeout=0.5)
    wait_until(lambda: began, "the child to begin")
    (run,) = children_of(engine, handle)

    with pytest.raises(Exception, match="deadline"):
        handle.result()

    wait_until(
        lambda: engine.get_run_status(run.id)[0] is RunStatus.CANCELLED,
        "the child to be cancelled",
    )


def test_workers_take_children_of_distributed_runs(dsn):
    """
    One that serves the child's workflow only runs the child.
    """
    child, parent = doubling(), make_workflow()
    parent.child(child.name, name="call")
    both = make_workflow()
    both.child(child, name="call")

    async def main():
        async with (
            AsyncEngine(dsn) as one,
            AsyncEngine(dsn) as two,
            AsyncEngine(dsn) as caller,
            Worker(one, parent),
            Worker(two, child),
            Worker(one, both),
        ):
            first = await caller.execute(parent, 1, execution="distributed")
            second = await caller.execute(both, 2, execution="distributed")
            return first, second

    assert run(main) == ({"call": {"doubled": 2}}, {"call": {"doubled": 4}})


def test_a_worker_that_knows_neither_does_not_invent_the_input(dsn):
    """
    The function of a decorated child step is code, without which nothing starts.
    """
    child, parent = doubling(), make_workflow()
    parent.child(child, name="call")(lambda run_input: run_input + 100)
    stranger = single(lambda: 1)

    async def main():
        async with (
            AsyncEngine(dsn) as one,
            AsyncEngine(dsn) as caller,
            Worker(one, stranger),
        ):
            handle = await caller.start(parent, 1, execution="distributed")

            async def is_unserved():
                _, figures = await handle.status()
                return figures["waiting_tasks"]

            await until(is_unserved, "the task to be put aside")
            assert not (await caller.list_workflow_runs(parent=handle.id)).items
            async with AsyncEngine(dsn) as two, Worker(two, parent):
                return await handle.result()

    assert run(main) == {"call": {"doubled": 202}}


def test_a_retry_of_a_parent_starts_new_children(engine):
    """
    Children that completed are reused, as any output is.
    """
    calls = []
    child = make_workflow(max_attempts=1)

    @child.step
    def step(run_input):
        calls.append(run_input)
        if run_input == 1 and calls.count(1) == 1:
            wait_until(first_is_done, "the other child's end")
            raise ValueError("once")
        return run_input

    def first_is_done():
        return handle.status()[1]["completed_tasks"] == 1

    parent = make_workflow()
    parent.child(child, name="each", initial_tasks=2)
    handle = engine.start(parent, {})
    with pytest.raises(RunFailed):
        handle.result()

    again = handle.retry()

    assert again.result() == {"each": [{"step": 0}, {"step": 1}]}
    assert sorted(calls) == [0, 1, 1]
    assert len(children_of(engine, again)) == 1


def test_a_child_may_be_retried_by_itself(engine):
    """
    The new run has no parent, and changes nothing for the old one.
    """
    calls = []

    def once_broken():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("once")
        return "mended"

    child = single(once_broken, max_attempts=1)
    parent = make_workflow()
    parent.child(child, name="call")
    handle = engine.start(parent, {})
    with pytest.raises(RunFailed):
        handle.result()
    (run,) = children_of(engine, handle)

    again = engine.retry_failed_workflow(run.id)

    assert again.result() == {"step": "mended"}
    assert handle.status()[0] is RunStatus.FAILED
    with pytest.raises(StateTransitionError):
        engine.retry_failed_workflow(again.id)


def test_deleting_a_parent_leaves_its_children(engine):
    """
    They are runs of their own; the filter finds them by their parent before.
    """
    child, parent = doubling(), make_workflow()
    parent.child(child, name="call")
    handle = engine.start(parent, 1)
    handle.result()
    (run,) = children_of(engine, handle)

    assert engine.delete_runs(RunFilter(parent=handle.id)) == [run.id]
    engine.delete_run(handle.id)


def test_two_children_of_one_name(engine):
    """
    Two objects of one name are two workflows, of which one name can stand for one.
    """
    child, twin = doubling(), make_workflow()
    twin.name = child.name
    twin.step(name="other")(lambda: 1)
    parent = make_workflow()
    parent.child(child, name="a")
    parent.child(twin, name="b")
    engine_knows = make_workflow()
    engine_knows.child(twin, name="b")

    with pytest.raises(DefinitionError, match="two different workflows"):
        engine.register(parent)
    engine.register(child)
    with pytest.raises(DefinitionError, match="two different workflows"):
        engine.execute(engine_knows)


@pytest.mark.parametrize("wrong", [5, None, Invoice, "no name", "", object()])
def test_what_is_no_child(wrong):
    """
    The error says which step, and what could be given.
    """
    with pytest.raises(DefinitionError) as caught:
        make_workflow().child(wrong, name="call")

    (issue,) = caught.value.issues
    assert issue.pointer == "/steps/0/workflow"
    assert issue.hint or "name" in issue.message


def test_what_is_no_child_without_a_name():
    """
    It is an error of the definition then too.
    """
    with pytest.raises(DefinitionError, match="child must be"):
        make_workflow().child(5)


def test_the_version_holds_the_name_of_the_child():
    """
    Another child is another shape; the mermaid graph and the parser know it.
    """
    one, other = doubling(), doubling()
    shapes = []
    for child in (one, other):
        parent = Workflow("parent")
        parent.child(child, name="call")
        shapes.append(parent.definition.shape())

    assert shapes[0] != shapes[1]
    assert shapes[0]["steps"][0]["workflow"] == one.name


def test_the_parent_is_adopted_with_its_children(dsn):
    """
    An engine that goes away leaves both; the next one goes on with both.
    """
    gate = threading.Event()
    child, began = gated(gate)
    parent = make_workflow()
    parent.child(child, name="call")

    with Engine(dsn, lease=1) as first:
        handle = first.start(parent, {})
        wait_until(lambda: began, "the child to begin")
    gate.set()
    with Engine(dsn, lease=1) as second:
        second.recover(parent)
        assert second.get_handle(handle.id).result() == {"call": {"wait": {}}}
