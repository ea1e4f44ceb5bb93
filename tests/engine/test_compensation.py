"""Compensation: what a run has done is undone when it fails or is cancelled."""

from __future__ import annotations

import os
import threading

import pytest
from pydantic import BaseModel

from engine.programs.predicates import square_apart, undo_apart
from engine.support import make_workflow, run, unique, until, wait_until
from singularity_workflow import (
    AsyncEngine,
    Context,
    DefinitionError,
    Engine,
    RetryPolicy,
    RunFailed,
    RunStatus,
    StateTransitionError,
    Worker,
    Workflow,
)
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.parsing import definition_from_json


class Booking(BaseModel):
    """What a step of these tests returns."""

    id: int


def undoing_of(engine, handle):
    """Wait for the run that undoes another one, and return its handle."""

    def found():
        runs = engine.list_workflow_runs(origin=handle.id).items
        return [one for one in runs if one.workflow.endswith("__compensation")]

    (run,) = wait_until(found, "the compensation to start")
    return engine.get_handle(run.id)


def broken(engine, flow, given=None):
    """Run a workflow that fails, wait until it is undone, and return its handle."""
    handle = engine.start(flow, given)
    with pytest.raises(RunFailed):
        handle.result()
    undoing_of(engine, handle).result()
    return handle


def diamond(*, has_gap=False):
    """A diamond whose steps can be undone, before a step that fails."""
    undone = []

    def note(step):
        return {} if step == has_gap else {"compensate": lambda: undone.append(step)}

    flow = make_workflow(max_attempts=1)
    flow.step(name="top", **note("top"))(lambda: "top")
    flow.step(name="left", depends_on="top", **note("left"))(lambda: "left")
    flow.step(name="right", depends_on="top", **note("right"))(lambda: "right")
    flow.step(name="bottom", depends_on=["left", "right"], **note("bottom"))(lambda: 1)
    flow.step(name="bad", depends_on="bottom", **note("bad"))(lambda: 1 // 0)
    return flow, undone


def test_in_reverse_order(engine):
    """
    What came last is undone first; what failed has nothing to undo.
    """
    flow, undone = diamond()

    broken(engine, flow)

    assert undone[0] == "bottom"
    assert sorted(undone[1:3]) == ["left", "right"]
    assert undone[3:] == ["top"]


def test_over_steps_that_cannot_be_undone(engine):
    """
    The order holds across them.
    """
    flow, undone = diamond(has_gap="bottom")

    broken(engine, flow)

    assert sorted(undone[:2]) == ["left", "right"]
    assert undone[2:] == ["top"]


def test_a_run_that_completes_is_not_undone(engine):
    """
    Nothing else starts either.
    """
    flow = make_workflow()
    flow.step(name="step", compensate=lambda: pytest.fail("undone"))(lambda: 1)
    handle = engine.start(flow)

    assert handle.result() == {"step": 1}
    assert engine.list_workflow_runs(origin=handle.id).items == []


def test_nothing_to_undo(engine):
    """
    If nothing has completed, there is no such run.
    """
    flow = make_workflow(max_attempts=1)
    flow.step(name="bad", compensate=lambda: None)(lambda: 1 // 0)
    flow.step(name="after", depends_on="bad", compensate=lambda: None)(lambda: 1)
    after = make_workflow(max_attempts=1)
    after.step(name="good", compensate=lambda: None)(lambda: 1)
    after.step(name="bad", depends_on="good")(lambda: 1 // 0)

    handle = engine.start(flow)
    with pytest.raises(RunFailed):
        handle.result()
    broken(engine, after)  # by then the first one's timer has fired too

    assert engine.list_workflow_runs(origin=handle.id).items == []


def test_what_an_undoing_is_given(dsn):
    """
    The output, also under the step's own name; the input; resources; the context.
    """
    given = []
    flow = make_workflow(max_attempts=1)

    def undo(output: Booking, book, run_input, mailer, ctx: Context):
        given.append((output, book, run_input, mailer, ctx.step, ctx.workflow))

    @flow.step(compensate=undo)
    def book() -> Booking:
        return Booking(id=7)

    @flow.step
    def bad(book):
        raise ValueError("bad")

    with Engine(dsn, resources={"mailer": "a mailer"}) as engine:
        broken(engine, flow, {"user": 1})

    assert given == [
        (Booking(id=7), {"id": 7}, {"user": 1}, "a mailer", "book",
         f"{flow.name}__compensation"),
    ]  # fmt: skip


def test_completed_elements_of_a_map_are_undone(engine):
    """
    Each by itself, with its element, position and output; the others are not.
    """
    undone = []
    flow = make_workflow(max_attempts=1)

    async def cancel(item, index, output, book):
        undone.append((item, index, output, book))

    @flow.map(compensate=cancel, on_error="skip")
    def book(item):
        if item == "b":
            raise ValueError("sold out")
        return item * 2

    flow.step(name="bad", depends_on="book")(lambda: 1 // 0)

    broken(engine, flow, ["a", "b", "c"])

    assert sorted(undone) == [("a", 0, "aa", "aa"), ("c", 2, "cc", "cc")]


def test_a_map_that_failed_in_the_middle(engine):
    """
    What of it had completed is undone.
    """
    undone = []
    flow = make_workflow(max_attempts=1)

    @flow.map(compensate=lambda item: undone.append(int(item)))
    def each(item):
        if item == 2:
            wait_until(lambda: handle.status()[1]["completed_tasks"] == 2, "the others")
            raise ValueError(item)
        return item

    handle = engine.start(flow, [0, 1, 2])
    with pytest.raises(RunFailed):
        handle.result()
    undoing_of(engine, handle).result()

    assert sorted(undone) == [0, 1]


def test_a_skipped_step_is_not_undone(engine):
    """
    It has done nothing.
    """
    undone = []
    flow = make_workflow(max_attempts=1)
    flow.step(name="maybe", when={"x": 1}, compensate=lambda: undone.append("maybe"))(
        lambda: 1
    )
    flow.step(
        name="done", depends_on="maybe", compensate=lambda: undone.append("done")
    )(lambda: 1)
    flow.step(name="bad", depends_on="done")(lambda: 1 // 0)

    broken(engine, flow, {})

    assert undone == ["done"]


def test_a_cancelled_run_is_undone(engine):
    """
    As one that failed.
    """
    undone = []
    gate = threading.Event()
    flow = make_workflow()
    flow.step(name="first", compensate=lambda: undone.append("first"))(lambda: 1)

    @flow.step
    def second(first, ctx):
        gate.set()
        while not ctx.cancelled:
            threading.Event().wait(0.01)

    handle = engine.start(flow)
    assert gate.wait(20)
    handle.cancel("changed their mind")

    undoing_of(engine, handle).result()
    assert undone == ["first"]


def test_an_undoing_that_fails_is_tried_again(engine):
    """
    By the policy of its step; then its run fails, and can be retried as any run.
    """
    calls = []
    flow = make_workflow(max_attempts=1)
    retry = RetryPolicy(max_attempts=2, delay=0)

    def undo():
        calls.append(1)
        if len(calls) < 4:
            raise ValueError("cannot undo")

    flow.step(name="first", retry=retry, compensate=undo)(lambda: 1)
    flow.step(name="bad", depends_on="first")(lambda: 1 // 0)
    handle = engine.start(flow)
    with pytest.raises(RunFailed):
        handle.result()
    undoing = undoing_of(engine, handle)
    with pytest.raises(RunFailed, match="cannot undo") as caught:
        undoing.result()
    assert (caught.value.step, caught.value.attempts, len(calls)) == ("first", 2, 2)

    again = undoing.retry()

    again.result()
    assert len(calls) == 4
    assert handle.status()[0] is RunStatus.FAILED


def test_what_was_undone_runs_again_in_a_retry(engine):
    """
    A retry of the run reuses what stands, and repeats what was undone.
    """
    calls = []
    flow = make_workflow(max_attempts=1)
    flow.step(name="kept")(lambda: calls.append("kept"))

    @flow.step(compensate=lambda: calls.append("undo"))
    def book(kept):
        calls.append("book")

    @flow.step
    def last(book):
        calls.append("last")
        if calls.count("last") == 1:
            raise ValueError("once")
        return "done"

    handle = broken(engine, flow)
    again = handle.retry()

    assert again.result() == {"last": "done"}
    assert calls == ["kept", "book", "last", "undo", "book", "last"]


def test_no_retry_while_it_is_being_undone(engine):
    """
    It says why; the bulk form passes over it.
    """
    gate, began = threading.Event(), threading.Event()
    flow = make_workflow(max_attempts=1)

    def undo():
        began.set()
        gate.wait(20)

    flow.step(name="first", compensate=undo)(lambda: 1)
    flow.step(name="bad", depends_on="first")(lambda: 1 // 0)
    handle = engine.start(flow)
    with pytest.raises(RunFailed):
        handle.result()
    try:
        assert began.wait(20)
        with pytest.raises(StateTransitionError, match="undoes"):
            handle.retry()
    finally:
        gate.set()
    undoing_of(engine, handle).result()


def test_an_undoing_in_a_process_of_its_own(engine, tmp_path):
    """
    The executor of the step is that of its undoing.
    """
    flow = make_workflow(max_attempts=1)
    flow.map(name="each", executor="process", compensate=undo_apart)(square_apart)
    flow.step(name="bad", depends_on="each")(lambda: 1 // 0)
    given = {"items": [2, 3], "file": str(tmp_path / "undone")}

    broken(engine, flow, given)

    lines = [line.split() for line in (tmp_path / "undone").read_text().splitlines()]
    assert sorted(number for number, _ in lines) == ["4", "9"]
    assert str(os.getpid()) not in {pid for _, pid in lines}


def test_an_undoing_is_annotated_with_local_types(engine):
    """
    As its step is.
    """

    class Local(BaseModel):
        id: int

    undone = []

    def undo(output: Local):
        undone.append(output.id)

    flow = make_workflow(max_attempts=1)

    @flow.step(compensate=undo)
    def first() -> Local:
        return Local(id=3)

    flow.step(name="bad", depends_on="first")(lambda: 1 // 0)

    broken(engine, flow)

    assert undone == [3]


def test_an_undoing_in_a_transaction_of_its_own(engine, sql):
    """
    What it writes commits with its completion, as of any step.
    """
    table = f"undone_{unique()}"
    sql.rows(f"create table {table} (value int)")

    def undo(output, ctx):
        with ctx.transaction() as connection:
            connection.execute(f"insert into {table} values (%s)", (output,))

    flow = make_workflow(max_attempts=1)
    flow.step(name="first", compensate=undo)(lambda: 7)
    flow.step(name="bad", depends_on="first")(lambda: 1 // 0)

    broken(engine, flow)

    assert sql.rows(f"select value from {table}") == [7]


def test_any_worker_undoes_distributed_runs(dsn):
    """
    One that serves the workflow serves its compensation too.
    """
    undone = []
    flow = make_workflow(max_attempts=1)
    flow.step(name="first", compensate=lambda: undone.append(1))(lambda: 1)
    flow.step(name="bad", depends_on="first")(lambda: 1 // 0)

    async def main():
        async with (
            AsyncEngine(dsn) as one,
            AsyncEngine(dsn) as caller,
            Worker(one, flow),
        ):
            handle = await caller.start(flow, execution="distributed")
            with pytest.raises(RunFailed):
                await handle.result()

            async def undoing():
                return (await caller.list_workflow_runs(origin=handle.id)).items

            (info,) = await until(undoing, "the compensation to start")
            return await caller.get_handle(info.id).result()

    run(main)
    assert undone == [1]


def test_a_failing_parent_undoes_its_child_steps(engine):
    """
    The undoing of a child step gets the child's result.
    """
    undone = []
    child = make_workflow()
    child.step(name="paid")(lambda run_input: run_input["amount"])
    parent = make_workflow(max_attempts=1)
    parent.child(child, name="pay", compensate=lambda output: undone.append({**output}))
    parent.step(name="bad", depends_on="pay")(lambda: 1 // 0)

    broken(engine, parent, {"amount": 5})

    assert undone == [{"paid": 5}]


def test_children_are_undone_by_themselves(engine):
    """
    A child that is cancelled with its parent undoes what it has done.
    """
    undone = []
    began = threading.Event()
    child = make_workflow()
    child.step(name="first", compensate=lambda: undone.append("child"))(lambda: 1)

    @child.step
    def second(first, ctx):
        began.set()
        while not ctx.cancelled:
            threading.Event().wait(0.01)

    parent = make_workflow()
    parent.child(child, name="call")
    handle = engine.start(parent, {})
    assert began.wait(20)

    handle.cancel()

    wait_until(lambda: undone == ["child"], "the child to be undone")
    (info,) = engine.list_workflow_runs(parent=handle.id)
    undoing_of(engine, engine.get_handle(info.id)).result()


def test_compensation_of_a_run_without_a_second_task_at_a_time(engine):
    """
    With `parallel=False` the undoing keeps to it.
    """
    inside, undone = [], []
    flow = make_workflow(max_attempts=1)

    def undo(item):
        inside.append(item)
        assert len(inside) == 1
        inside.remove(item)
        undone.append(item)

    flow.map(name="each", compensate=undo)(lambda item: item)
    flow.step(name="bad", depends_on="each")(lambda: 1 // 0)
    handle = engine.start(flow, [1, 2, 3], parallel=False)
    with pytest.raises(RunFailed):
        handle.result()

    undoing_of(engine, handle).result()
    assert sorted(undone) == [1, 2, 3]


def generate():
    """Yield, which no step may."""
    yield


def test_what_cannot_be_called_as_a_step():
    """
    It is refused where it is written.
    """
    with pytest.raises(DefinitionError, match="yields") as caught:
        make_workflow().step(name="step", compensate=generate)(lambda: 1)

    assert caught.value.issues[0].pointer == "/steps/0"


@pytest.mark.parametrize("wrong", [5, "undo", [print], {}])
def test_what_is_no_function(wrong):
    """
    The error has the place and says what to give.
    """
    with pytest.raises(DefinitionError) as caught:
        make_workflow().step(name="step", compensate=wrong)(lambda: 1)

    (issue,) = caught.value.issues
    assert issue.pointer == "/steps/0/options/compensate"
    assert "'step'" in issue.message
    assert issue.hint


def test_a_parameter_that_matches_nothing(engine):
    """
    Two of them are an error; it says in which step, and where.
    """
    flow = make_workflow()
    flow.step(name="step", compensate=lambda one, other: None)(lambda: 1)

    with pytest.raises(DefinitionError) as caught:
        engine.register(flow)

    text = str(caught.value)
    assert "'step'" in text
    assert "'one', 'other'" in text
    assert "test_compensation.py" in text


def test_the_name_needs_room_for_the_compensation():
    """
    The error says how long it may be; without compensate it may be longer.
    """
    name = "n" * 115
    flow = Workflow(name)
    flow.step(name="a")(lambda: 1)
    assert flow.definition.name == name

    flow.step(name="b", compensate=lambda: None)(lambda: 1)
    with pytest.raises(DefinitionError, match="at most 114") as caught:
        _ = flow.definition
    assert "__compensation" in caught.value.hint

    shorter = Workflow(name[:114])
    shorter.step(name="b", compensate=lambda: None)(lambda: 1)
    assert len(shorter.compile_compensation().name) == 128


@pytest.mark.parametrize("name", ["w__compensation", "W__COMPENSATION"])
def test_the_suffix_is_reserved(name):
    """
    Else a workflow could take the place of another's compensation.
    """
    with pytest.raises(DefinitionError, match="compensation"):
        Workflow(name)


def test_an_older_version_is_undone_with_the_newest_code(dsn):
    """
    As its steps run with it; what is gone from it waits, visibly.
    """
    undone = []
    old = make_workflow(max_attempts=1)
    old.step(name="first", compensate=lambda: undone.append("old"))(lambda: 1)
    old.step(name="bad", depends_on="first")(lambda: 1 // 0)
    new = type(old)(old.name, max_attempts=1)
    new.step(name="first", compensate=lambda: undone.append("new"))(lambda: 1)
    new.step(name="bad", depends_on="first")(lambda: 1 // 0)
    new.step(name="more", depends_on="bad", compensate=lambda: None)(lambda: 1)

    async def main():
        async with AsyncEngine(dsn) as one, AsyncEngine(dsn) as two:
            handle = await one.start(old, execution="distributed")
            async with Worker(two, new):
                with pytest.raises(RunFailed):
                    await handle.result()

                async def undoing():
                    return (await one.list_workflow_runs(origin=handle.id)).items

                (info,) = await until(undoing, "the compensation to start")
                await one.get_handle(info.id).result()

    run(main)
    assert undone == ["new"]


def test_a_compensation_can_be_read_back():
    """
    The database keeps it as JSON, as any definition.
    """
    flow, _ = diamond()
    definition = flow.compile_compensation().definition

    read = definition_from_json(definition.to_json())

    assert read.to_json() == definition.to_json()
    assert {one.kind for one in read.steps} == {StepKind.UNDO}
    parent = make_workflow()
    parent.child("other", name="call", max_attempts=2)
    again = definition_from_json(parent.definition.to_json())
    assert again.steps[0].workflow == "other"
    assert "call" in parent.to_mermaid()
    assert definition_from_json(flow.definition.to_json()).compensation
