"""Goals on a real database: decomposed, run, and told about."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import threading
from typing import ClassVar

import psycopg
import pytest
from engine.support import run, single, unique, until, wait_until

from singularity_workflow import (
    AsyncEngine,
    DecompositionFailed,
    InvalidInput,
    InvalidSetting,
    RunCancelled,
    RunFailed,
    RunStatus,
    RunTimeout,
    StepNotFound,
    Worker,
    Workflow,
)
from singularity_workflow.orchestrator import (
    GoalHandle,
    Limits,
    Orchestrator,
    SyncGoalHandle,
    SyncOrchestrator,
    SyncWorkflowComposer,
    TaskGraph,
    WorkflowComposer,
)

UNSERVED = """
select count(*)
from singularity_workflow.tasks t
join singularity_workflow.runs r using (run_id)
join singularity_workflow.workflows w using (workflow_id)
where w.name like %s and t.wait_reason = 'unserved'
"""
RUNS = "select count(*) from singularity_workflow.runs r join singularity_workflow.workflows w using (workflow_id) where w.name like %s"  # noqa: E501


@pytest.fixture
def composer(engine):
    """A composer over the shared engine."""
    return WorkflowComposer(engine)


@pytest.fixture
def orchestrator(engine):
    """An orchestrator over the shared engine."""
    return Orchestrator(engine)


class Auth:
    """The decomposer of the seed's example, and its functions."""

    FUNCTIONS: ClassVar = {
        "design": lambda input: {"flow": f"flow of {input['goal']}"},
        "implement": lambda input: {"code": f"code for {input['flow']}"},
        "test": lambda input: {"passed": "code" in input["implement"]},
    }

    def decompose(self, goal):
        assert goal == "Build authentication system"
        return [
            {"id": "design", "description": "Design auth flow", "depends_on": []},
            {"id": "implement", "description": "Implement", "depends_on": ["design"]},
            {"id": "test", "description": "Test", "depends_on": ["implement"]},
        ]


def plan(*tasks):
    """Return a decomposer that always answers with these tasks."""
    return lambda goal: list(tasks)


def see(input):
    """Return all that is to be seen."""
    return input


def test_the_seeds_example(composer, caplog):
    """
    A goal in words, a decomposer, functions by name, and progress in the log.
    """
    with caplog.at_level(logging.INFO, "singularity_workflow.orchestrator"):
        found = composer.compose_from_goal(
            "Build authentication system",
            Auth().decompose,
            Auth.FUNCTIONS,
            optimization_level="advanced",
            monitoring=True,
        )

    assert found.result == {"test": {"passed": True}}
    assert [task.id for task in found.graph.tasks] == ["design", "implement", "test"]
    assert found.revisions == 0
    assert found.stats["tasks"] == 3
    assert {"goal_decomposition_started", "goal_decomposition_completed"} <= {
        record.message for record in caplog.records
    }


def test_a_goal_is_a_run_of_two_steps(composer, engine):
    """
    The plan is the first one's output; what runs of it is a child of the second.
    """
    name = unique("auth")

    found = composer.compose_from_goal(
        "Build authentication system", Auth(), Auth.FUNCTIONS, workflow_name=name
    )

    _, told = engine.get_run_status(found.run_id)
    (child,) = engine.list_workflow_runs(parent=found.run_id)
    assert told["workflow"] == name
    assert [step["name"] for step in told["steps"]] == ["_decompose", "_execute"]
    assert child.workflow.startswith(f"{name}_")


def test_the_goal_is_what_tasks_see(composer):
    """
    A mapping is the tasks' run input, and anything else its member `goal`.
    """
    goals = [{"size": 3}, "words", 7, ["a"]]

    found = [
        composer.compose_from_goal(goal, plan({"id": "see"}), {"see": see}).result[
            "see"
        ]
        for goal in goals
    ]

    assert found == [{"size": 3}, {"goal": "words"}, {"goal": 7}, {"goal": ["a"]}]


def test_nested_goals_flat_or_as_runs_of_their_own(composer, engine):
    """
    P6: the same result either way; with their structure kept, goals are child runs.
    """
    plans = {
        "top": [
            {"id": "a", "handler": "see"},
            {"id": "b", "goal": "B", "depends_on": ["a"]},
            {"id": "c", "handler": "see", "depends_on": ["b"]},
            {"id": "d", "goal": "D", "depends_on": ["b"]},
        ],
        "B": [{"id": "x", "handler": "see"}, {"id": "y", "handler": "see"}],
        "D": [{"id": "z", "goal": "Z"}],
        "Z": [{"id": "w", "handler": "see"}],
    }

    def decompose(goal):
        return plans[goal]

    flat = composer.compose_from_goal("top", decompose, {"see": see})
    nested = composer.compose_from_goal(
        "top", decompose, {"see": see}, preserve_structure=True
    )

    assert flat.result == nested.result
    assert list(flat.result) == ["c", "d"]
    (child,) = engine.list_workflow_runs(parent=nested.run_id)
    assert len(engine.list_workflow_runs(parent=child.id)) == 2


def test_a_wrong_plan_runs_nothing(composer, sql):
    """
    All that is wrong is told by the error; no task has run.
    """
    ran = []
    name = unique("wrong")

    with pytest.raises(DecompositionFailed) as caught:
        composer.compose_from_goal(
            "goal",
            plan({"id": "a"}, {"id": "b", "depends_on": ["c"]}, {"id": "a"}),
            {"a": ran.append},
            workflow_name=name,
        )

    codes = {issue.code for issue in caught.value.issues}
    assert codes == {"unknown_dependency", "unknown_handler", "duplicate_id"}
    assert ran == []
    assert sql.value(RUNS, f"{name}%") == 1


def test_a_decomposer_that_raises_is_asked_again(composer):
    """
    A model that was away for a moment is no failure.
    """
    asked = []

    def flaky(goal, ctx):
        asked.append((ctx.attempt, len(ctx.failures)))
        if len(asked) < 2:
            raise ConnectionError("away")
        return [{"id": "see"}]

    composer.compose_from_goal("goal", flaky, {"see": see})

    assert asked == [(1, 0), (2, 1)]


def test_a_decomposer_that_keeps_raising_fails_the_goal(composer):
    """
    With its own error, after the attempts that were given.
    """

    def broken(goal):
        raise ZeroDivisionError("oops")

    with pytest.raises(DecompositionFailed, match="failed with ZeroDiv") as caught:
        composer.compose_from_goal("goal", broken, {"see": see}, retry_attempts=1)

    assert "oops" in caught.value.message
    assert caught.value.__cause__.step == "_decompose"


def test_a_decomposition_that_takes_too_long_fails(composer):
    """
    `decompose_timeout` is the time of one attempt.
    """

    async def slow(goal):
        await asyncio.Event().wait()

    with pytest.raises(DecompositionFailed, match="it took too long"):
        composer.compose_from_goal(
            "goal", slow, {}, decompose_timeout=0.05, retry_attempts=1
        )


def test_a_task_that_fails_fails_the_goal(composer):
    """
    After its attempts, with the step and the error.
    """
    attempts = []

    def fail(input):
        attempts.append(1)
        raise ValueError("no")

    with pytest.raises(RunFailed, match="no"):
        composer.compose_from_goal(
            "goal", plan({"id": "fail"}), {"fail": fail}, retry_attempts=1
        )

    assert len(attempts) == 1


def test_a_goal_has_a_deadline(composer, engine):
    """
    `timeout` is that of the whole run, whatever it is at.
    """

    async def forever(input):
        await asyncio.Event().wait()

    with pytest.raises(RunTimeout):
        composer.compose_from_goal(
            "goal", plan({"id": "forever"}), {"forever": forever}, timeout=0.3
        )


def test_limits_hold(composer):
    """
    Depth and tasks are bounded by options.
    """

    def deeper(goal):
        return [{"id": "a", "goal": [goal]}]

    for options in ({"max_depth": 2}, {"limits": Limits(max_expansions=2)}):
        with pytest.raises(DecompositionFailed) as caught:
            composer.compose_from_goal("goal", deeper, {"see": see}, **options)

        (issue,) = caught.value.issues
        assert issue.code in ("too_deep", "budget_exhausted")


def test_limits_can_be_raised(composer):
    """
    What the options allow is not refused by the defaults.
    """
    many = [
        {"id": f"t{n}", "handler": "see", "depends_on": ["see"]} for n in range(1_100)
    ]

    found = composer.compose_from_goal(
        "goal",
        plan({"id": "see"}, *many),
        {"see": lambda: 1},
        limits=Limits(max_fan_out=2_000),
    )

    assert len(found.result) == 1_100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimisation_level": "basic"}, "no option 'optimisation_level'"),
        ({"optimization_level": "fastest"}, "optimization_level must be one of"),
        ({"timeout": -1}, "timeout must be > 0"),
        ({"retry_attempts": 0}, "retry_attempts must be"),
        ({"workflow_name": "a b"}, "workflow_name 'a b'"),
        ({"workflow_name": "a" * 101}, "at most 100"),
        ({"monitoring": "yes"}, "monitoring must be True or False"),
        ({"max_depth": 20}, "max_depth must be from 1 to 19"),
        ({"execution": "remote"}, "execution must be"),
    ],
)
def test_an_option_that_cannot_be_is_refused(composer, options, message):
    """
    Before anything is stored or asked.
    """
    with pytest.raises(InvalidSetting, match=message):
        composer.compose_from_goal("goal", plan(), {}, **options)


@pytest.mark.parametrize("goal", ["", None, {}, [], object(), float("nan")])
def test_a_goal_that_says_nothing_is_refused(composer, goal):
    """
    So is one that is not JSON.
    """
    with pytest.raises(InvalidInput, match="the goal is"):
        composer.compose_from_goal(goal, plan(), {})


def test_the_same_name_with_other_functions(composer):
    """
    Each goal keeps the functions that it was started with, also side by side.
    """
    gate = threading.Barrier(2)

    def make(word):
        def work(input):
            gate.wait(timeout=20)
            return word

        return work

    results = {}

    def go(word):
        found = composer.compose_from_goal(
            "goal", plan({"id": "work"}), {"work": make(word)}
        )
        results[word] = found.result

    threads = [threading.Thread(target=go, args=(word,)) for word in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert results == {"a": {"work": "a"}, "b": {"work": "b"}}


def test_a_graph_that_is_there_is_run(composer):
    """
    Nobody decomposes; its goal, or another one, is what its tasks see.
    """
    graph = TaskGraph.model_validate(
        {"goal": "own", "tasks": [{"id": "a", "handler": "see"}],
         "outputs": {"it": {"task": "a", "path": "/goal"}}}
    )  # fmt: skip

    own = composer.compose_from_task_graph(graph, {"see": see})
    other = composer.compose_from_task_graph(
        graph.to_json(), {"see": see}, goal="other"
    )

    assert own.result == {"it": "own"}
    assert other.result == {"it": "other"}


def test_a_graph_with_goals_needs_a_decomposer(composer):
    """
    Its compound tasks are decomposed by whoever is given.
    """
    graph = [{"id": "a", "goal": "A"}]

    found = composer.compose_from_task_graph(
        graph, {"see": see}, decomposer=plan({"id": "see"})
    )

    assert found.result == {"a": {"see": {"goal": "A"}}}
    with pytest.raises(DecompositionFailed, match="no decomposer"):
        composer.compose_from_task_graph(graph, {"see": see})


def test_a_created_workflow_is_like_any_other(orchestrator, engine):
    """
    It can be executed again and again, with any input.
    """
    workflow = orchestrator.create_workflow([{"id": "see"}], {"see": see})

    assert isinstance(workflow, Workflow)
    assert engine.execute(workflow, {"x": 1}) == {"see": {"x": 1}}
    assert engine.execute(workflow, {"x": 2}) == {"see": {"x": 2}}


def test_decomposing_alone_stores_nothing(orchestrator, sql):
    """
    To look at a plan no run is needed.
    """
    name = unique("preview")

    tree = orchestrator.decompose_goal(
        "goal", plan({"id": "see"}), {"see": see}, workflow_name=name
    )

    assert [task.id for task in tree.graph.tasks] == ["see"]
    assert sql.value(RUNS, f"{name}%") == 0


def test_status_and_stats_of_a_goal(orchestrator, engine):
    """
    The figures are those of the plan's run; other runs have none.
    """
    found = orchestrator.execute_goal(
        "goal", plan({"id": "a"}, {"id": "b"}), {"a": see, "b": see},
        optimization_level="aggressive",
    )  # fmt: skip

    status, told = orchestrator.get_execution_status(found.run_id)
    stats = orchestrator.get_execution_stats(str(found.run_id))

    assert (status, told["total_steps"]) == (RunStatus.COMPLETED, 2)
    assert stats["tasks"] == 2
    assert stats["optimization_level"] == "aggressive"
    assert stats["execution_time"] > 0
    (child,) = engine.list_workflow_runs(parent=found.run_id)
    with pytest.raises(StepNotFound, match="not that of a goal"):
        orchestrator.get_execution_stats(child.id)


def test_a_goal_is_named_by_its_handle_and_its_result(orchestrator):
    """
    As well as by the id of its run.
    """
    handle = orchestrator.start_goal("goal", plan({"id": "see"}), {"see": see})
    found = handle.result()

    of_handle = orchestrator.get_execution_stats(handle)
    of_result = orchestrator.get_execution_stats(found)

    assert of_handle == of_result == orchestrator.get_execution_stats(handle.id)
    assert orchestrator.get_execution_status(found)[0] == "completed"


def test_a_goal_can_be_cancelled(orchestrator, engine):
    """
    With all that runs for it.
    """
    began = threading.Event()

    async def forever(input):
        began.set()
        await asyncio.Event().wait()

    handle = orchestrator.start_goal(
        "goal", plan({"id": "forever"}), {"forever": forever}
    )
    assert began.wait(timeout=20)

    orchestrator.cancel_execution(handle.id, "enough")

    with pytest.raises(RunCancelled, match="enough"):
        handle.result(timeout=20)
    (child,) = engine.list_workflow_runs(parent=handle.id)
    wait_until(
        lambda: engine.get_run_status(child.id)[0] is RunStatus.CANCELLED, "cancelled"
    )


def test_several_goals_at_once(composer, sql):
    """
    They start in one transaction, and their results are in order.
    """
    name = unique("many")
    gate = threading.Barrier(3)

    def work(input):
        gate.wait(timeout=20)
        return input["goal"]

    found = composer.compose_multiple_workflows(
        ["a", "b", "c"], plan({"id": "work"}), {"work": work}, workflow_name=name
    )

    assert [one.result for one in found] == [
        {"work": "a"},
        {"work": "b"},
        {"work": "c"},
    ]
    times = "select count(distinct r.xmin::text), count(distinct r.created_at) from singularity_workflow.runs r join singularity_workflow.workflows w using (workflow_id) where w.name = %s"  # noqa: E501
    ((_, created),) = sql.rows(times, name)
    assert created == 1


def fail_on_b(input):
    """Fail for one of the goals."""
    if input["goal"] == "b":
        raise ValueError("b failed")
    return input["goal"]


def test_one_of_several_goals_fails(composer):
    """
    "all" raises when all have ended; "best_effort" puts the error in its place.
    """
    arguments = ["a", "b", "c"], plan({"id": "work"}), {"work": fail_on_b}

    found = composer.compose_multiple_workflows(
        *arguments, policy="best_effort", max_concurrent=1, retry_attempts=1
    )

    assert [getattr(one, "result", None) for one in found] == [
        {"work": "a"}, None, {"work": "c"},
    ]  # fmt: skip
    assert isinstance(found[1], RunFailed)
    with pytest.raises(RunFailed, match="b failed"):
        composer.compose_multiple_workflows(*arguments, retry_attempts=1)


def test_fail_fast_cancels_the_others(composer, engine):
    """
    The first error ends those that still run, and nothing is raised.
    """
    name = unique("fast")
    began = threading.Event()

    async def work(input):
        if input["goal"] == "b":
            await asyncio.to_thread(began.wait, 20)
            raise ValueError("b failed")
        began.set()
        await asyncio.Event().wait()

    found = composer.compose_multiple_workflows(
        ["a", "b"], plan({"id": "work"}), {"work": work}, policy="fail_fast",
        retry_attempts=1, workflow_name=name,
    )  # fmt: skip

    assert isinstance(found[1], RunFailed)
    assert isinstance(found[0], RunCancelled)
    assert engine.get_run_status(found[0].run_id)[0] == "cancelled"
    statuses = {str(one.status) for one in engine.list_workflow_runs(workflow=name)}
    assert statuses == {"cancelled", "failed"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "some"}, "policy must be one of"),
        ({"max_concurrent": 0}, "max_concurrent must be"),
        ({"idempotency_key": "x"}, "cannot share one idempotency_key"),
    ],
)
def test_a_composition_that_cannot_be_is_refused(composer, options, message):
    """
    Before the first goal starts.
    """
    with pytest.raises(InvalidSetting, match=message):
        composer.compose_multiple_workflows(["a"], plan(), {}, **options)


def test_no_goals_at_all(composer):
    """
    An empty list is no error.
    """
    assert composer.compose_multiple_workflows([], plan(), {}) == []


def test_composition_stats(composer):
    """
    How the goals of one name have gone.
    """
    name = unique("stats")
    for goal in ("a", "b", "a"):
        composer.compose_multiple_workflows(
            [goal], plan({"id": "work"}), {"work": fail_on_b}, policy="best_effort",
            retry_attempts=1, workflow_name=name,
        )  # fmt: skip

    found = composer.get_composition_stats(name)

    assert (found["total"], found["completed"], found["failed"]) == (3, 2, 1)
    assert found["success_rate"] == pytest.approx(2 / 3)
    assert found["mean_duration"] > 0


def test_the_same_key_is_the_same_goal(composer):
    """
    A second start with the key of the first one asks and runs nothing.
    """
    asked = []
    name = unique("once")

    def decompose(goal):
        asked.append(goal)
        return [{"id": "see"}]

    found = [
        composer.compose_from_goal(
            "goal", decompose, {"see": see}, idempotency_key="k", workflow_name=name
        )
        for _ in range(2)
    ]

    assert found[0].run_id == found[1].run_id
    assert found[0].result == found[1].result
    assert asked == ["goal"]


def test_workers_serve_distributed_goals(dsn):
    """
    Whoever has the goal's workflow decomposes it and runs what came of it.
    """

    async def main():
        name = unique("remote")
        async with AsyncEngine(dsn) as one, AsyncEngine(dsn) as other:
            theirs = await Orchestrator(other).goal_workflow(
                plan({"id": "see"}), {"see": see}, workflow_name=name
            )
            async with Worker(other, [theirs]):
                return await Orchestrator(one).execute_goal(
                    "goal", plan({"id": "see"}), {"see": see},
                    execution="distributed", workflow_name=name,
                )  # fmt: skip

    assert run(main).result == {"see": {"goal": "goal"}}


def test_what_is_wrong_with_a_workers_plan_reaches_who_waits_elsewhere(dsn):
    """
    Each issue with its pointer, and the hint, though another engine decomposed.
    """
    name = unique("wrong")
    wrong = plan({"id": "see", "depends_on": ["sea"]}, {"id": "nope"})

    async def main():
        async with AsyncEngine(dsn) as one, AsyncEngine(dsn) as other:
            theirs = await Orchestrator(other).goal_workflow(
                wrong, {"see": see}, workflow_name=name
            )
            async with Worker(other, [theirs]):
                with pytest.raises(DecompositionFailed) as caught:
                    await Orchestrator(one).execute_goal(
                        "goal", wrong, {"see": see},
                        execution="distributed", workflow_name=name,
                    )  # fmt: skip
                return caught.value

    error = run(main)

    assert [(one.code, one.pointer) for one in error.issues] == [
        ("unknown_dependency", "/tasks/0/depends_on/0"),
        ("unknown_handler", "/tasks/1/id"),
    ]
    assert error.issues[0].hint == "Use the id of a task of this plan."


def test_a_worker_without_a_function_leaves_the_plan_to_others(dsn, sql):
    """
    The tasks of a plan wait for a worker that has all functions of it.
    """
    name = unique("partly")
    graph = plan({"id": "see"}, {"id": "end", "depends_on": ["see"]})
    whole = {"see": see, "end": lambda see: see["goal"]}

    async def main():
        began = asyncio.Event()

        async def hang(_input):
            began.set()
            await asyncio.Event().wait()

        async with AsyncEngine(dsn) as one, AsyncEngine(dsn) as other:
            orchestrator = Orchestrator(other)

            async def serving(functions):
                theirs = await orchestrator.goal_workflow(
                    graph, functions, workflow_name=name
                )
                return Worker(other, [theirs])

            handle = await Orchestrator(one).start_goal(
                "goal", graph, whole, execution="distributed", workflow_name=name
            )
            async with await serving({**whole, "see": hang}) as first:
                await began.wait()
                await first.close()
            async with await serving({"see": see}):
                await until(lambda: sql.value(UNSERVED, f"{name}%"), "unserved")
            async with await serving(whole):
                return await handle.result(timeout=30)

    assert run(main).result == {"end": "goal"}


@pytest.mark.parametrize(
    ("sync", "twin"),
    [
        (SyncOrchestrator, Orchestrator),
        (SyncWorkflowComposer, WorkflowComposer),
        (SyncGoalHandle, GoalHandle),
    ],
)
def test_the_blocking_twins_have_the_same_methods(sync, twin):
    """
    Same names and parameters; those that only our own code calls are left out.
    """
    ours = {"start_requests", "wait_or_cancel"}

    def methods(kind):
        return {
            name: list(inspect.signature(one).parameters.values())
            for name, one in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") and name not in ours
        }

    assert methods(sync) == methods(twin)
    for name, one in inspect.getmembers(twin, inspect.iscoroutinefunction):
        assert (
            name.startswith("_")
            or name in ours
            or not inspect.iscoroutinefunction(getattr(sync, name))
        ), one


def test_a_task_may_be_called_like_a_word_of_python(composer):
    """
    No parameter can have such a name; whoever wants its output uses its input, or args.
    """
    tasks = [
        {"id": "in", "handler": "one"},
        {"id": "class", "handler": "add", "args": {"n": {"task": "in"}}},
    ]

    found = composer.compose_from_goal(
        "goal", plan(*tasks), {"one": lambda: 1, "add": lambda n: n + 1}
    )

    assert found.result == {"class": 2}


WAITING = """
select count(*) from pg_stat_activity
where wait_event_type = 'Lock' and datname = current_database()
"""


@pytest.mark.parametrize("several", [None, 1, 2])
def test_a_call_that_is_cancelled_while_it_starts_leaves_no_goal(private, several):
    """
    The start may be committed already when the caller is gone.
    """
    name = unique("gone")

    async def main():
        with psycopg.connect(private) as other:
            async with AsyncEngine(private) as engine:
                composer = WorkflowComposer(engine)
                given = (plan({"id": "say"}), {"say": lambda: asyncio.Event().wait()})
                await engine.execute(single(lambda: 1))  # its worker has begun
                other.execute("lock table singularity_workflow.runs in share mode")
                call = asyncio.ensure_future(
                    composer.compose_from_goal("a", *given, workflow_name=name)
                    if several is None
                    else composer.compose_multiple_workflows(
                        ["a", "b"], *given, workflow_name=name, max_concurrent=several
                    )
                )
                await until(lambda: other.execute(WAITING).fetchone()[0], "the start")
                call.cancel()
                other.commit()
                with pytest.raises(asyncio.CancelledError):
                    await call
                runs = await engine.list_workflow_runs(workflow=name)
                return [one.status for one in runs]

    statuses = run(main)

    assert statuses
    assert set(statuses) == {RunStatus.CANCELLED}


def test_goals_go_on_although_the_workflow_of_their_plan_was_deleted(private):
    """
    Somebody who tidies up does not know which processes hold it.
    """

    async def main():
        async with AsyncEngine(private) as engine, AsyncEngine(private) as other:
            given = (plan({"id": "say"}), {"say": lambda: "hello"})
            composer = WorkflowComposer(engine)
            await composer.compose_from_goal("a", *given, workflow_name="kind")
            builder = other.flow_builder
            for one in await builder.list_workflows():
                if one.name.startswith("kind_"):
                    await builder.delete_workflow(one.name)
            return await composer.compose_from_goal("a", *given, workflow_name="kind")

    assert run(main).result == {"say": "hello"}


def test_the_run_of_a_plan_can_be_retried(engine, orchestrator):
    """
    By the process that makes its functions, though nobody has given it the workflow.
    """
    is_mended = threading.Event()

    def say():
        if not is_mended.is_set():
            raise ValueError("not yet")
        return "hello"

    handle = orchestrator.start_goal(
        "a", plan({"id": "say", "retry": {"max_attempts": 1}}), {"say": say}
    )
    with pytest.raises(RunFailed):
        handle.result()
    (failed,) = engine.list_workflow_runs(parent=handle.id)
    is_mended.set()

    again = engine.retry_failed_workflow(failed.id)

    assert again.result(timeout=30) == {"say": "hello"}


def test_recovering_again_and_again_keeps_each_plan_once(private):
    """
    A process may look for goals without an owner every minute, for months.
    """

    def kept():
        gc.collect()
        found = [one for one in gc.get_objects() if isinstance(one, Workflow)]
        return sum(one.name.startswith("lasting_") for one in found)

    async def main():
        begun = asyncio.Event()

        async def say():
            begun.set()
            await asyncio.Event().wait()

        given = (plan({"id": "say"}), {"say": say})
        first, second = (AsyncEngine(private, lease=1) for _ in range(2))
        async with first as engine, second as other:
            orchestrator = Orchestrator(other)
            handle = await Orchestrator(engine).start_goal(
                "a", *given, workflow_name="lasting"
            )
            await begun.wait()
            await orchestrator.recover(*given, workflow_name="lasting")
            once = kept()
            for _ in range(2):
                await orchestrator.recover(*given, workflow_name="lasting")
            again = kept()
            await handle.cancel()
        return once, again

    once, again = run(main)

    assert once >= 1
    assert again == once
