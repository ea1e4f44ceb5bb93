"""FlowBuilder: workflows whose steps are data, for both kinds of engine."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from engine.support import Sql, make_workflow, run, single, unique, until
from singularity_workflow import (
    AsyncEngine,
    DefinitionError,
    Engine,
    Flow,
    FlowBuilder,
    InvalidSetting,
    SyncFlowBuilder,
    WorkflowInUse,
    WorkflowNotFound,
)
from singularity_workflow.model.definition import StepKind

BAD_NAMES = [None, "", "a" * 129, "a-b", "a b", "1st", "input", "Ctx", 5, ["a"]]


@pytest.fixture
def builder(engine):
    """A builder over the shared engine."""
    return engine.flow_builder


@pytest.fixture
def flow(builder):
    """The name of a new draft."""
    return builder.create_flow(unique("flow"))


def names(builder, flow):
    """Return the names of a workflow's steps."""
    return [step.name for step in builder.get_workflow(flow).steps]


def issues_of(call, *args, **options):
    """Return the code and the place of each issue that a call raises."""
    with pytest.raises(DefinitionError) as caught:
        call(*args, **options)
    return [(one.code, one.pointer) for one in caught.value.issues]


def test_a_flow_is_built_step_by_step(builder, flow):
    """
    Each call returns the name of what it made (A 1, B 11, B 12, B 14, B 24).
    """
    assert builder.add_step(flow, "fetch", timeout=5) == "fetch"
    assert builder.add_map_step(flow, "price", over="fetch") == "price"
    assert builder.add_map_step(flow, "twice", (), 2) == "twice"
    assert builder.add_step(flow, "total", ["price", "fetch", "price"]) == "total"

    info = builder.get_workflow(flow)
    assert (info.name, info.version, info.is_draft) == (flow, None, True)
    assert [step.number for step in info.steps] == [0, 1, 2, 3]
    fetch, price, twice, total = info.steps
    assert fetch.options == {"timeout": 5}
    assert (price.kind, price.over, price.depends_on) == (
        StepKind.MAP, "fetch", ("fetch",),
    )  # fmt: skip
    assert twice.initial_tasks == 2
    assert (total.kind, total.depends_on) == (StepKind.SINGLE, ("price", "fetch"))
    assert fetch.created_at < total.created_at


def test_options_of_the_flow_are_kept(builder):
    """
    Those that were given; an existing name is left as it is (A 2, A 5, A 6).
    """
    name = unique()
    builder.create_flow(name, max_attempts=5, timeout=None)

    assert builder.create_flow(name, max_attempts=7) == name

    assert builder.get_workflow(name).options == {"max_attempts": 5}


def test_a_step_that_is_there_is_left_as_it_is(builder, flow):
    """
    Its first options stay; other dependencies are refused (B 15, U 218).
    """
    builder.add_step(flow, "a", timeout=1)
    builder.add_step(flow, "b", "a")
    assert builder.add_step(flow, "a", timeout=2) == "a"

    with pytest.raises(DefinitionError, match="exists"):
        builder.add_step(flow, "b")

    first, second = builder.get_workflow(flow).steps
    assert first.options == {"timeout": 1}
    assert second.depends_on == ("a",)


def test_what_is_wrong_with_a_step_is_told_at_once(builder, flow):
    """
    Pointers begin at the step; nothing is stored (B 22, B 26, B 27, T 206).
    """
    found = issues_of(
        builder.add_step, flow, "a-b", [5], start_delay=-1, on_unmet="x", when=[1],
        colour="red",
    )  # fmt: skip

    assert found == [
        ("bad_option", "/options/start_delay"),
        ("bad_option", "/options/on_unmet"),
        ("bad_option", "/options/when"),
        ("unknown_option", "/options/colour"),
        ("bad_name", "/name"),
        ("bad_dependency", "/depends_on/0"),
    ]
    assert names(builder, flow) == []


def test_what_only_the_database_knows_is_told_in_the_same_way(builder, flow):
    """
    An unknown dependency, a name that differs by case (B 16, B 17, U 220).
    """
    builder.add_step(flow, "fetch")

    assert issues_of(builder.add_step, flow, "price", "fecth") == [
        ("refused", "/depends_on")
    ]
    assert issues_of(builder.add_step, flow, "Fetch") == [("refused", "/name")]
    assert issues_of(builder.add_step, flow, "a", "a") == [
        ("self_dependency", "/depends_on/0")
    ]
    with pytest.raises(DefinitionError) as caught:
        builder.add_step(flow, "price", "fecth")
    assert "fetch" in caught.value.hint
    assert names(builder, flow) == ["fetch"]


def test_a_map_of_several_says_which(builder, flow):
    """
    Without `over` it is refused, with a hint (B 24).
    """
    for name in "ab":
        builder.add_step(flow, name)

    with pytest.raises(DefinitionError) as caught:
        builder.add_map_step(flow, "m", ["a", "b"])

    assert caught.value.issues[0].pointer == "/over"
    assert "'a', 'b'" in caught.value.hint


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_are_refused(builder, flow, name):
    """
    Of workflows and of steps; nothing is stored (A 7, A 8).
    """
    assert ("bad_name", "/name") in issues_of(builder.create_flow, name)
    assert ("bad_name", "/name") in issues_of(builder.add_step, flow, name)
    assert ("bad_name", "/name") in issues_of(builder.add_step, name, "a")
    assert names(builder, flow) == []


def test_bad_options_of_a_flow_are_refused(builder):
    """
    All at once, with the name (T 206).
    """
    found = issues_of(builder.create_flow, "a b", max_attempts=0, colour="red")

    assert [code for code, _ in found] == ["bad_name", "bad_option", "unknown_option"]


def test_an_unknown_workflow_is_refused(builder):
    """
    By everything that needs one (B 18, C 30).
    """
    name = unique()
    for call in (
        lambda: builder.add_step(name, "a"),
        lambda: builder.get_workflow(name),
        lambda: builder.delete_workflow(name),
        lambda: builder.bind(name, {}),
    ):
        with pytest.raises(WorkflowNotFound, match=name):
            call()


@pytest.mark.parametrize("name", [5, None, "a\x00b", ["a"]])
def test_something_that_is_no_name_finds_nothing(builder, name):
    """
    It is refused before the database is asked.
    """
    for call in (builder.get_workflow, builder.delete_workflow):
        with pytest.raises((InvalidSetting, WorkflowNotFound)):
            call(name)


def test_a_flow_is_saved_as_a_whole(builder):
    """
    In one transaction, instead of the draft that was there.
    """
    name = builder.create_flow(unique())
    builder.add_step(name, "old")
    flow = Flow(name, deadline=60).step("a").map("m", over="a").step("z", ["m", "a"])

    assert builder.save(flow) == name

    info = builder.get_workflow(name)
    assert names(builder, name) == ["a", "m", "z"]
    assert info.options == {"deadline": 60}
    assert info.to_flow().definition == flow.definition


def test_a_wrong_flow_is_one_error_with_all_issues(builder):
    """
    Nothing is stored.
    """
    flow = Flow(unique()).step("a", "b").step("c", timeout=-1)

    with pytest.raises(DefinitionError) as caught:
        builder.save(flow)

    assert list(caught.value.issues) == flow.validate()
    with pytest.raises(WorkflowNotFound):
        builder.get_workflow(flow.name)


@pytest.mark.parametrize("flow", [None, "flow", {"name": "a"}, make_workflow()])
def test_only_a_flow_can_be_saved(builder, flow):
    """
    The hint says how to make one of a document.
    """
    with pytest.raises(InvalidSetting, match="Flow"):
        builder.save(flow)


def test_workflows_are_listed_by_name(private):
    """
    Drafts, versions, and those from code, more than a page holds.
    """

    async def main():
        async with AsyncEngine(private) as engine:
            builder = FlowBuilder(engine)
            flow = single(lambda: 1)
            await engine.register(flow)
            for number in range(205):
                await builder.create_flow(f"flow_{number:03}")
            await builder.add_step("flow_000", "a")
            await builder.bind("flow_000", {"a": print})
            return flow.name, await builder.list_workflows()

    name, found = run(main)
    assert [info.name for info in found] == sorted(
        [name, *(f"flow_{number:03}" for number in range(205))]
    )
    assert {info.name for info in found if not info.is_draft} == {name, "flow_000"}
    assert found[0].version is not None


def test_static_and_dynamic_workflows_can_be_read_alike(engine, builder):
    """
    A workflow from code is shown as one from data.
    """
    flow = make_workflow(max_attempts=2)
    flow.step(name="a")(lambda: [1])
    flow.map(name="m", over="a", timeout=3)(lambda item: item)
    engine.register(flow)

    info = builder.get_workflow(flow.name)

    assert not info.is_draft
    assert info.to_flow().definition.shape() == flow.definition.shape()
    assert info.options == {"max_attempts": 2}


def test_the_builder_fits_its_engine(engine, dsn):
    """
    One name for both: its methods block, or are coroutines.
    """
    assert isinstance(FlowBuilder(engine), SyncFlowBuilder)
    assert isinstance(engine.flow_builder, SyncFlowBuilder)

    async def main():
        async with AsyncEngine(dsn) as other:
            builders = [FlowBuilder(other), other.flow_builder]
            return builders, [await one.create_flow(unique()) for one in builders]

    builders, made = run(main)
    assert all(type(one) is FlowBuilder for one in builders)
    assert len(set(made)) == 2
    assert "FlowBuilder" in repr(builders[0])
    assert "FlowBuilder" in repr(engine.flow_builder)


@pytest.mark.parametrize("engine", [None, "dsn", Engine])
def test_a_builder_needs_an_engine(engine):
    """
    Anything else is refused at once.
    """
    with pytest.raises(InvalidSetting, match="engine"):
        FlowBuilder(engine)


def test_many_processes_build_the_same_flow_at_once(dsn):
    """
    Each step is there once, with its edges (A 2, B 14, C 42).
    """
    name = unique()
    wanted = [("a", []), ("b", ["a"]), ("c", ["a"]), ("d", ["b", "c"])]

    async def build():
        async with AsyncEngine(dsn) as engine:
            builder = engine.flow_builder
            await builder.create_flow(name)
            for step, depends_on in wanted:
                await builder.add_step(name, step, depends_on)
            return await builder.get_workflow(name)

    async def main():
        return await asyncio.gather(*(build() for _ in range(4)))

    for info in run(main):
        assert [(one.name, list(one.depends_on)) for one in info.steps] == wanted


def test_many_calls_at_once_lose_no_step(dsn):
    """
    Numbers are given one after the other (B 14).
    """
    name = unique()
    steps = [f"s{number}" for number in range(60)]

    async def main():
        async with AsyncEngine(dsn) as engine:
            builder = engine.flow_builder
            await builder.create_flow(name)
            await asyncio.gather(*(builder.add_step(name, step) for step in steps))
            return await builder.get_workflow(name)

    info = run(main)
    assert sorted(step.name for step in info.steps) == sorted(steps)
    assert [step.number for step in info.steps] == list(range(60))


# deletion


def test_a_deleted_workflow_is_gone_with_its_runs(engine, builder, sql):
    """
    And another may have its name (C 45).
    """
    name = builder.create_flow(unique())
    builder.add_step(name, "a")
    for _ in range(3):
        engine.execute_dynamic(name, None, {"a": lambda: 1}, idempotency_key=unique())

    builder.delete_workflow(name)

    assert len(engine.list_workflow_runs(workflow=name)) == 0
    assert sql.value(
        "select count(*) from singularity_workflow.idempotency_keys "
        "where workflow_name = %s", name,
    ) == 0  # fmt: skip
    with pytest.raises(WorkflowNotFound):
        engine.execute_dynamic(name, None, {"a": lambda: 1})
    builder.create_flow(name)
    builder.add_step(name, "b")
    assert engine.execute_dynamic(name, None, {"b": lambda: 2}) == {"b": 2}


def test_a_workflow_with_live_runs_is_not_deleted(dsn):
    """
    The error names one; when they have ended it can be (C 45).
    """

    async def main():
        go = asyncio.Event()
        async with AsyncEngine(dsn) as engine:
            builder = engine.flow_builder
            name = await builder.create_flow(unique())
            await builder.add_step(name, "a")
            handle = await engine.start_dynamic(name, None, {"a": go.wait})
            with pytest.raises(WorkflowInUse) as caught:
                await builder.delete_workflow(name)
            go.set()
            result = await handle.result()
            await builder.delete_workflow(name)
            return handle.id, result, caught.value

    run_id, result, error = run(main)
    assert result == {"a": True}
    assert str(run_id) in error.message
    assert error.hint


def test_a_workflow_from_code_can_be_deleted_and_used_again(engine, builder):
    """
    Using it registers it anew.
    """
    flow = single(lambda: 1)
    engine.execute(flow)

    builder.delete_workflow(flow.name)

    assert engine.execute(flow) == {"step": 1}


def test_a_bound_workflow_that_was_deleted_is_registered_by_its_use(engine, builder):
    """
    As any other workflow that somebody holds.
    """
    name = builder.create_flow(unique())
    builder.add_step(name, "a")
    workflow = builder.bind(name, {"a": lambda: 1})
    builder.delete_workflow(name)

    assert engine.execute(workflow) == {"a": 1}
    assert [step.name for step in builder.get_workflow(name).steps] == ["a"]


def test_starts_that_race_with_a_deletion_leave_nothing_behind(private):
    """
    Each start either ran, or found nothing (C 45).
    """

    async def main():
        async with AsyncEngine(private) as engine, AsyncEngine(private) as other:
            for _ in range(5):
                await race(engine, other)
            return await other.list_workflow_runs()

    async def race(engine, other):
        name = await engine.flow_builder.create_flow("flow")
        await engine.flow_builder.add_step(name, "a")
        flow = await engine.flow_builder.bind(name, {"a": lambda: 1})
        starts = [asyncio.create_task(start(engine, flow)) for _ in range(20)]
        while True:
            try:
                await other.flow_builder.delete_workflow(name)
                break
            except WorkflowInUse:
                await asyncio.sleep(0)
        answers = await asyncio.gather(*starts)
        assert set(answers) <= {"done", "gone"}

    async def start(engine, flow):
        try:
            handle = await engine.start(flow)
            await asyncio.wait_for(handle.result(), 20)
        except (WorkflowNotFound, LookupError):
            return "gone"
        return "done"

    assert len(run(main)) == 0


@pytest.mark.parametrize("execution", ["local", "distributed"])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_start_that_waited_for_a_deletion_is_told(private, execution, key):
    """
    At once, and not by a run that never comes (C 45).
    """
    delete = "select singularity_workflow.delete_workflow('flow')"
    blocked = (
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
        "and datname = current_database()"
    )

    async def main():
        async with (
            AsyncEngine(private) as engine,
            await psycopg.AsyncConnection.connect(private) as connection,
        ):
            builder = engine.flow_builder
            await builder.save(Flow("flow").step("a"))
            flow = await builder.bind("flow", {"a": lambda: 1})
            assert await engine.execute(flow) == {"a": 1}
            async with connection.transaction():
                await connection.execute(delete)
                running = asyncio.create_task(
                    engine.execute(flow, execution=execution, idempotency_key=key)
                )
                await until(lambda: Sql(private).value(blocked), "the start waits")
            with pytest.raises(WorkflowNotFound, match="flow"):
                await running
            await builder.delete_workflow("flow")
            return await engine.list_workflow_runs()

    assert len(run(main)) == 0
    assert (
        Sql(private).rows("select * from singularity_workflow.idempotency_keys") == []
    )
