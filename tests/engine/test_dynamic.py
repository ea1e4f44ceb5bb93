"""execute_dynamic: functions by step name, and no other difference."""

from __future__ import annotations

import asyncio
import gc
import random
import time
import weakref

import pytest

from engine.support import PATIENCE, make_workflow, run, unique, until
from singularity_workflow import (
    AsyncEngine,
    ConflictError,
    Context,
    DefinitionError,
    Flow,
    InvalidInput,
    RunFailed,
    Skip,
    Worker,
    Workflow,
    WorkflowNotFound,
)

VERSIONS = "select count(*) from singularity_workflow.workflows where name = %s"


@pytest.fixture
def builder(engine):
    """A builder over the shared engine."""
    return engine.flow_builder


def save(builder, *steps, **options):
    """Store a flow of steps, each a name and its dependencies; return its name."""
    flow = Flow(unique("flow"), **options)
    for name, *depends_on in steps:
        flow.step(name, depends_on)
    return builder.save(flow)


def issues_of(call, *args, **options):
    """Return the code of each issue that a call raises, with what it is about."""
    with pytest.raises(DefinitionError) as caught:
        call(*args, **options)
    return [(one.code, one.pointer) for one in caught.value.issues]


def test_the_example_of_the_specification(engine, builder):
    """
    Steps are added, and run with functions by name.
    """
    name = builder.create_flow(unique(), max_attempts=2)
    builder.add_step(name, "fetch")
    builder.add_map_step(name, "price", ["fetch"])
    builder.add_step(name, "total", depends_on=["price"])

    result = engine.execute_dynamic(
        name,
        {"count": 3},
        {
            "fetch": lambda run_input: list(range(run_input["count"])),
            "price": lambda item: item * 10,
            "total": lambda price: price[0] + price[1] + price[2],
        },
    )

    assert result == {"total": 30}


def test_the_first_start_freezes_the_draft(engine, builder):
    """
    A later step is in the next version; runs of the first keep theirs (C 37, C 39).
    """
    name = save(builder, ["a"])
    assert builder.get_workflow(name).version is None

    first = engine.execute_dynamic(name, None, {"a": lambda: 1})
    frozen = builder.get_workflow(name)
    builder.add_step(name, "b", "a")
    draft = builder.get_workflow(name)
    second = engine.execute_dynamic(name, None, {"a": lambda: 1, "b": lambda a: a + 1})

    assert (first, second) == ({"a": 1}, {"b": 2})
    assert (frozen.is_draft, draft.is_draft) == (False, True)
    assert frozen.version == draft.version != builder.get_workflow(name).version


def test_a_run_keeps_its_shape_while_steps_are_added(dsn):
    """
    The run that is under way ends as it began (C 39).
    """

    async def main():
        go = asyncio.Event()
        async with AsyncEngine(dsn) as engine:
            builder = engine.flow_builder
            name = await builder.create_flow(unique())
            await builder.add_step(name, "a")
            old = await engine.start_dynamic(name, None, {"a": go.wait})
            await builder.add_step(name, "b", "a")
            new = await engine.start_dynamic(
                name, None, {"a": go.wait, "b": lambda a: not a}
            )
            go.set()
            return await old.result(), await new.result()

    assert run(main) == ({"a": True}, {"b": False})


def test_missing_and_surplus_functions_are_told_in_one_error(engine, builder):
    """
    With what was probably meant; nothing is started or frozen.
    """
    name = save(builder, ["fetch"], ["price", "fetch"])

    with pytest.raises(DefinitionError) as caught:
        engine.execute_dynamic(name, None, {"fecth": print, "other": print})

    assert [one.code for one in caught.value.issues] == [
        "missing_function", "missing_function", "surplus_function", "surplus_function",
    ]  # fmt: skip
    assert "Did you mean 'fetch'?" in str(caught.value)
    assert builder.get_workflow(name).is_draft
    assert len(engine.list_workflow_runs(workflow=name)) == 0


@pytest.mark.parametrize("functions", [None, [], "text", [("a", print)], print])
def test_functions_are_a_mapping(engine, builder, functions):
    """
    Anything else is refused.
    """
    name = save(builder, ["a"])

    with pytest.raises(DefinitionError, match="mapping"):
        engine.execute_dynamic(name, None, functions)


def test_a_parameter_named_like_another_step_is_refused(engine, builder):
    """
    The edges are those of the flow; a parameter adds none.
    """
    name = save(builder, ["a"], ["b"])

    found = issues_of(
        engine.execute_dynamic, name, None, {"a": lambda: 1, "b": lambda a: a}
    )

    assert found == [("not_a_dependency", "/steps/1")]
    assert builder.get_workflow(name).is_draft


def test_two_parameters_that_match_nothing_are_refused(engine, builder):
    """
    As in a workflow from code.
    """
    name = save(builder, ["a"])

    assert issues_of(
        engine.execute_dynamic, name, None, {"a": lambda x, y: 1}
    ) == [("unbound_parameters", "/steps/0")]  # fmt: skip


def test_parameters_are_bound_as_everywhere(engine, builder):
    """
    Context, run input, elements, dependencies, the merged view, defaults.
    """
    flow = Flow(unique()).step("a").map("m", over="a").step("z", ["m", "a"])
    builder.save(flow)

    def z(a: list[int], m: list, run_input: dict, ctx: Context, more=5):
        return [a, m, run_input["n"], ctx.step, more]

    result = engine.execute_dynamic(
        flow.name,
        {"n": 2},
        {
            "a": lambda run_input: list(range(run_input["n"])),
            "m": lambda item, index: [item, index],
            "z": z,
        },
    )

    assert result == {"z": [[0, 1], [[0, 0], [1, 1]], 2, "z", 5]}


def test_types_are_checked(engine, builder):
    """
    The input when the run starts, misfits between steps before (T 206).
    """
    name = save(builder, ["a"], ["b", "a"])

    def a(input: int) -> list[int]:
        return [input]

    def b(a: int) -> int:
        return a

    assert issues_of(engine.execute_dynamic, name, 1, {"a": a, "b": b}) == [
        ("type_misfit", "/steps/1")
    ]
    with pytest.raises(InvalidInput):
        engine.execute_dynamic(name, "text", {"a": a, "b": lambda a: a})
    assert builder.get_workflow(name).input_schema == {"type": "integer"}


def test_options_are_those_of_execute(engine, builder):
    """
    Keys, tags, priorities; unknown ones are refused.
    """
    name = save(builder, ["a"])
    functions = {"a": lambda run_input: run_input}
    key = unique()

    first = engine.start_dynamic(name, 1, functions, idempotency_key=key, tags=["x"])
    again = engine.start_dynamic(name, 1, functions, idempotency_key=key)

    assert first.id == again.id
    assert again.result() == {"a": 1}
    with pytest.raises(ConflictError):
        engine.execute_dynamic(name, 2, functions, idempotency_key=key)
    with pytest.raises(TypeError):
        engine.execute_dynamic(name, 2, functions, colour="red")
    (info,) = engine.list_workflow_runs(workflow=name)
    assert info.tags == ("x",)


def test_options_of_steps_hold(engine, builder):
    """
    Attempts of the flow, of a step, and what to do on failure (A 6, B 21).
    """
    flow = (
        Flow(unique(), max_attempts=1)
        .step("a", max_attempts=2, retry=None, on_failure="skip")
        .step("b", "a")
    )
    builder.save(flow)
    calls = []

    def a():
        calls.append(1)
        raise ValueError("no")

    def b(a=None):
        raise ValueError(f"a is {a}")

    with pytest.raises(RunFailed) as caught:
        engine.execute_dynamic(flow.name, None, {"a": a, "b": b}, timeout=PATIENCE)

    assert len(calls) == 2
    assert (caught.value.step, caught.value.attempts) == ("b", 1)


def test_a_step_may_be_skipped(engine, builder):
    """
    Signals are the same.
    """
    name = save(builder, ["a"])

    def a():
        raise Skip("not today")

    assert engine.execute_dynamic(name, None, {"a": a}) == {}


def test_an_unknown_workflow_is_refused(engine):
    """
    Its name is in the error.
    """
    name = unique()

    with pytest.raises(WorkflowNotFound, match=name):
        engine.execute_dynamic(name, None, {})


def test_an_empty_flow_is_refused(engine, builder):
    """
    There is nothing to run.
    """
    name = builder.create_flow(unique())

    assert issues_of(engine.execute_dynamic, name, None, {}) == [("no_steps", "/steps")]


@pytest.mark.parametrize("name", [None, 5, "a b", "input", ""])
def test_a_bad_name_is_refused(engine, name):
    """
    Before the database is asked (A 8).
    """
    assert issues_of(engine.execute_dynamic, name, None, {}) == [("bad_name", "/name")]


def test_workflows_may_have_steps_of_the_same_name(engine, builder):
    """
    They are isolated from one another (B 20).
    """
    one, other = save(builder, ["a"]), save(builder, ["a"])

    assert engine.execute_dynamic(one, None, {"a": lambda: 1}) == {"a": 1}
    assert engine.execute_dynamic(other, None, {"a": lambda: 2}) == {"a": 2}


def test_a_static_workflow_can_be_run_with_other_functions(engine, builder, sql):
    """
    Both are the same rows: no other version is made.
    """
    flow = make_workflow()
    flow.step(name="a")(lambda: 1)
    flow.step(name="b")(lambda a: a + 1)
    assert engine.execute(flow) == {"b": 2}

    result = engine.execute_dynamic(
        flow.name, None, {"a": lambda: 10, "b": lambda a: a + 1}
    )

    assert result == {"b": 11}
    assert engine.execute(flow) == {"b": 2}
    assert sql.value(VERSIONS, flow.name) == 1


def test_a_step_may_be_a_run_of_another_workflow(engine, builder):
    """
    It needs no function; with one, that makes the input of the child.
    """
    child = builder.save(Flow(unique("child")).step("c"))
    engine.execute_dynamic(child, 1, {"c": lambda run_input: run_input})
    builder.bind(child, {"c": lambda run_input: run_input})
    name = builder.save(
        Flow(unique()).step("a").map("m", over="a", workflow=child).step("z", "m")
    )

    info = builder.get_workflow(name)
    result = engine.execute_dynamic(
        name, None, {"a": lambda: [1, 2], "z": lambda m: m}, timeout=PATIENCE
    )

    assert info.steps[1].workflow == child
    assert info.to_flow().definition.shape()["steps"][1]["workflow"] == child
    assert result == {"z": [{"c": 1}, {"c": 2}]}


def test_conditions_are_evaluated(engine, builder):
    """
    Patterns and paths, by the database (B 26).
    """
    flow = (
        Flow(unique())
        .step("a", when={"kind": "x"})
        .step("b", when="$.n > 1")
        .step("c", when_not={"kind": "x"})
    )
    builder.save(flow)
    functions = {name: lambda: 1 for name in "abc"}

    found = [
        sorted(engine.execute_dynamic(flow.name, value, functions))
        for value in ({"kind": "x", "n": 1}, {"kind": "y", "n": 2})
    ]

    assert found == [["a"], ["b", "c"]]


def test_a_failed_run_is_retried(engine, builder):
    """
    With the functions that are bound.
    """
    name = save(builder, ["a"], ["b", "a"], max_attempts=1)
    tries = []

    def b(a):
        tries.append(a)
        if len(tries) < 2:
            raise ValueError("not yet")
        return a + 1

    functions = {"a": lambda: 1, "b": b}
    handle = engine.start_dynamic(name, None, functions)
    with pytest.raises(RunFailed):
        handle.result(PATIENCE)

    again = engine.retry_failed_workflow(handle.id)

    assert again.result(PATIENCE) == {"b": 2}


# binding


def test_a_bound_workflow_is_a_workflow(engine, builder):
    """
    With functions, a definition and a schema, for `execute` and its like.
    """
    name = save(builder, ["a"], ["b", "a"])

    def a(input: int) -> int:
        return input + 1

    workflow = builder.bind(name, {"a": a, "b": lambda a: a * 2})

    assert type(workflow) is Workflow
    assert [step.name for step in workflow.steps] == ["a", "b"]
    assert workflow.input_schema() == {"type": "integer"}
    assert engine.execute(workflow, 1) == {"b": 4}
    assert engine.execute_many(workflow, [1, 2]) == [{"b": 4}, {"b": 6}]
    assert engine.register(workflow).version == builder.get_workflow(name).version


def test_the_same_functions_are_bound_once(engine, builder, monkeypatch):
    """
    Of one version; others, or other options, are bound anew.
    """
    name = save(builder, ["a"])
    functions = {"a": lambda: 1}
    compiled = []
    original = Workflow.compile
    monkeypatch.setattr(
        Workflow,
        "compile",
        lambda self, *args: compiled.append(self) or original(self, *args),
    )

    first = builder.bind(name, functions)
    for _ in range(3):
        assert builder.bind(name, dict(functions)) is first
        engine.execute_dynamic(name, None, functions)
    assert len(compiled) == 1

    assert builder.bind(name, {"a": lambda: 1}) is not first
    assert len(compiled) == 2
    builder.save(Flow(name, timeout=5).step("a"))
    again = builder.bind(name, functions)
    assert again is not first
    assert again.options.timeout.total_seconds() == 5


def test_bound_methods_are_the_same_function(builder):
    """
    Although Python makes them anew each time.
    """

    class Steps:
        def a(self):
            return 1

    name = save(builder, ["a"])
    steps = Steps()

    first = builder.bind(name, {"a": steps.a})

    assert builder.bind(name, {"a": steps.a}) is first
    assert builder.bind(name, {"a": Steps().a}) is not first


def test_several_bindings_of_one_name_live_side_by_side(engine, builder):
    """
    With other functions, and of another version.
    """
    name = save(builder, ["a"])
    one = builder.bind(name, {"a": lambda: 1})
    two = builder.bind(name, {"a": lambda: 2})
    builder.add_step(name, "b", "a")
    three = builder.bind(name, {"a": lambda: 3, "b": lambda a: -a})

    assert engine.execute(one) == {"a": 1}
    assert engine.execute(two) == {"a": 2}
    assert engine.execute(three) == {"b": -3}
    assert engine.execute(one) == {"a": 1}


def test_a_run_keeps_the_functions_it_was_started_with(engine, builder):
    """
    Although others of the same version come with others while it waits for a retry.
    """
    name = builder.save(
        Flow(unique(), retry={"delay": 0.3, "jitter": False}).step("a").step("b", "a")
    )

    def functions(mark):
        tries = []

        def a():
            tries.append(1)
            if len(tries) < 2:
                raise ValueError("not yet")
            return mark

        return {"a": a, "b": lambda a: [a, mark]}

    handles = [engine.start_dynamic(name, None, functions(mark)) for mark in range(10)]

    assert [one.result(PATIENCE) for one in handles] == [
        {"b": [mark, mark]} for mark in range(10)
    ]


def test_binding_fails_for_one_and_leaves_the_draft_to_others(engine, builder):
    """
    What was refused has frozen nothing.
    """
    name = save(builder, ["a"])
    with pytest.raises(DefinitionError):
        builder.bind(name, {})

    builder.add_step(name, "b")

    functions = {"a": lambda: 1, "b": lambda: 2}
    assert engine.execute_dynamic(name, None, functions) == {"a": 1, "b": 2}


def test_starters_that_come_at_once_compile_one_version(dsn, sql):
    """
    From several engines, and several times from each (C 42).
    """
    functions = {"a": lambda: 1, "b": lambda a: a + 1}

    async def main():
        async with AsyncEngine(dsn) as engine:
            name = await engine.flow_builder.create_flow(unique())
            await engine.flow_builder.add_step(name, "a")
            await engine.flow_builder.add_step(name, "b", "a")
        return name, await asyncio.gather(*(start(name) for _ in range(4)))

    async def start(name):
        async with AsyncEngine(dsn) as engine:
            return await asyncio.gather(
                *(engine.execute_dynamic(name, None, functions) for _ in range(5))
            )

    name, results = run(main)
    assert results == [[{"b": 2}] * 5] * 4
    assert sql.value(VERSIONS, name) == 1


def test_steps_may_be_added_while_runs_are_started(dsn):
    """
    Each run is of a version that there was, with the functions of its steps.
    """

    async def main():
        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            builder = other.flow_builder
            name = await builder.create_flow(unique())
            await builder.add_step(name, "s0")
            adding = asyncio.create_task(add(builder, name))
            results = []
            while not adding.done() or len(results) < 3:
                results.append(await start(engine, name))
            await adding
            return [one for one in results if one is not None], await start(
                engine, name
            )

    async def add(builder, name):
        for number in range(1, 15):
            await builder.add_step(name, f"s{number}", f"s{number - 1}")

    async def start(engine, name):
        info = await engine.flow_builder.get_workflow(name)
        functions = {step.name: lambda run_input: 1 for step in info.steps}
        try:
            return await engine.execute_dynamic(name, {}, functions)
        except DefinitionError:
            return None  # one more step meanwhile

    results, last = run(main)
    assert all(len(result) == 1 for result in results)
    assert last == {"s14": 1}


# workers


def test_a_worker_serves_a_bound_workflow(dsn):
    """
    On whatever machine it is.
    """

    async def main():
        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            queue = unique("q")
            name = await other.flow_builder.save(
                Flow(unique(), queue=queue).step("a").step("b", "a")
            )
            functions = {"a": lambda: 1, "b": lambda a: a + 1}
            served = await engine.flow_builder.bind(name, functions)
            async with Worker(engine, workflows=[served]):
                return await other.execute_dynamic(
                    name, None, {"a": print, "b": print}, execution="distributed"
                )

    assert run(main) == {"b": 2}


def test_a_local_run_is_recovered_by_binding_again(dsn):
    """
    After the process that had started it is gone.
    """

    async def main():
        started = asyncio.Event()

        async def wait():
            started.set()
            await asyncio.sleep(PATIENCE)

        async with AsyncEngine(dsn) as engine:
            name = await engine.flow_builder.save(
                Flow(unique()).step("a").step("b", "a")
            )
            handle = await engine.start_dynamic(
                name, None, {"a": wait, "b": lambda a: a + 1}
            )
            await started.wait()
        async with AsyncEngine(dsn) as other:
            functions = {"a": lambda: 1, "b": lambda a: a + 1}
            workflow = await other.flow_builder.bind(name, functions)
            (adopted,) = await other.recover(workflow)
            assert adopted.id == handle.id
            return await adopted.result()

    assert run(main) == {"b": 2}


# memory


def test_an_engine_lets_workflows_go(private):
    """
    Of many dynamic workflows, only the last ones are kept; and none has a table or a
    queue of its own.
    """

    async def main():
        count = 300
        async with AsyncEngine(private) as engine:
            builder = engine.flow_builder
            compiled = []
            for number in range(count):
                name = await builder.save(Flow(f"flow_{number}").step("a"))
                workflow = await builder.bind(name, {"a": lambda run_input: run_input})
                compiled.append(weakref.ref(workflow))
                assert await engine.execute(workflow, number) == {"a": number}
            del workflow
            gc.collect()
            alive = sum(one() is not None for one in compiled)
            return alive, len(engine.session.catalog.ids())

    alive, known = run(main)
    assert alive == known == 256


def test_a_workflow_of_a_run_is_kept(dsn):
    """
    As long as the run goes on here, whoever else has forgotten it.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            name = await engine.flow_builder.save(
                Flow(unique(), retry={"delay": 0.5, "jitter": False})
                .step("a")
                .step("b", "a")
            )
            tries = []

            async def a():
                tries.append(1)
                if len(tries) < 2:
                    raise ValueError("not yet")
                return 1

            handle = await engine.start_dynamic(
                name, None, {"a": a, "b": lambda a: a + 1}
            )
            run_id = handle.id
            await until(lambda: tries, "the first attempt")
            del handle
            engine.session.binder.forget(name)
            gc.collect()
            return await engine.get_handle(run_id).result(PATIENCE)

    assert run(main) == {"b": 2}


def test_a_random_graph_of_five_thousand_steps(engine, builder):
    """
    It is stored, frozen, started and run like a small one, and not much slower.
    """
    count, draw = 5_000, random.Random(7)
    flow = Flow(unique())
    for number in range(count):
        before = range(max(0, number - 100), number)
        depends_on = draw.sample(before, min(len(before), 3))
        flow.step(f"s{number}", [f"s{one}" for one in depends_on])
    functions = {f"s{number}": lambda ctx: ctx.step for number in range(count)}
    start = time.perf_counter()

    builder.save(flow)
    handle = engine.start_dynamic(flow.name, None, functions)

    assert time.perf_counter() - start < 10  # less than a second, if nobody else works
    finals = {step.name for step in flow.steps}.difference(
        *(step.depends_on for step in flow.steps)
    )
    assert handle.result(60) == {name: name for name in finals}
