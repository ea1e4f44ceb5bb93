"""P1, P2, P6, P9 and P21 on a real database, over random goals and faults."""

from __future__ import annotations

import contextlib
import random
import threading

import psycopg
import pytest
from engine.support import Sql, unique

from orchestrator.programs.graphs import Graph, digest, work
from singularity_workflow import (
    DecompositionFailed,
    Engine,
    Fail,
    RunFailed,
)
from singularity_workflow.orchestrator import (
    NeedsReplan,
    Orchestrator,
    OrchestratorNotifications,
    WorkflowComposer,
)

MODES = {
    "flat": {},
    "kept": {"preserve_structure": True},
    "lazy": {"expansion": "lazy"},
}
TIMES = """
select s.output->>'name', s.started_at, s.ended_at, s.output::text
from singularity_workflow.step_states s
join singularity_workflow.runs r using (run_id)
join singularity_workflow.workflows w using (workflow_id)
where w.name like %s and s.status = 'completed' and s.output->>'name' is not null
"""
KEPT = """
select (s.output->>'revision')::int, k.key, k.value::text
from singularity_workflow.step_states s
join singularity_workflow.runs r using (run_id)
join singularity_workflow.workflows w using (workflow_id)
cross join json_each(s.output->'kept') k
where w.name = %s and s.status = 'completed' and s.output->>'revision' is not null
"""
STORED = """
select (q.msg_id << 16) + e.place - 1
from pgmq.q_workflow_events q
cross join jsonb_array_elements(q.message->'events') with ordinality e (event, place)
where q.headers->>'run' = any (%s)
"""
CUT = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and application_name = 'singularity_workflow'
  and query ~ '^(select 1;|listen|unlisten)'
"""
AT_ONCE = {"delay": 0}


@pytest.fixture
def composer(engine):
    """A composer over the shared engine."""
    return WorkflowComposer(engine)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(10))
def test_a_goal_gives_what_plain_python_gives(composer, sql, seed, mode):
    """
    P1, P2, P6: in one run, in many or when ready, though its functions fail at first;
    and by the times of the database nothing begins before what it depends on.
    """
    graph, name = Graph(seed), unique("plain")
    draw, failures = random.Random(seed), {}

    def flaky(name, **refs):
        left = failures.setdefault(name, draw.choice((0, 0, 1, 2)))
        failures[name] -= 1
        if left > 0:
            raise ConnectionError(name)
        return work(name, **refs)

    class Quick(Graph):
        def decompose(self, goal):
            tasks = super().decompose(goal)
            return [t if "goal" in t else {**t, "retry": AT_ONCE} for t in tasks]

    found = composer.compose_from_goal(
        graph.goal, Quick(seed), {"work": flaky}, workflow_name=name, **MODES[mode]
    )

    rows = {row[0]: row for row in sql.rows(TIMES, f"{name}%")}
    assert found.result == graph.gives()
    assert set(rows) == set(failures)
    for before, after in graph.edges():
        assert rows[before][2] <= rows[after][1], (before, after)


class Fickle:
    """
    A planner of random plans, in each of which a task asks for another one.

    Args:
        seed: Decides the plans.
        most: How many tasks ask for another plan.
    """

    def __init__(self, seed, most):
        self._draw = random.Random(seed)
        self._most = most
        self.finished = []
        self.outputs = {}
        self._count = 0

    def plan(self, completed):
        is_last = self._count == self._most
        names = [f"p{self._count}_{n}" for n in range(self._draw.randint(2, 5))]
        breaks = None if is_last else self._draw.choice(names)
        self._count += 1
        known, tasks = [*completed], []
        for name in names:
            needs = self._draw.sample(known, min(len(known), self._draw.randint(0, 2)))
            refs = {f"r{place}": {"task": one} for place, one in enumerate(needs)}
            tasks.append({
                "id": name, "handler": "ask" if name == breaks else "work",
                "args": {"name": name, **refs},
            })  # fmt: skip
            known.append(name)
        return tasks

    def decompose(self, goal):
        return self.plan([])

    def replan(self, ctx):
        assert ctx.completed == {name: self.outputs[name] for name in ctx.completed}
        return self.plan(sorted(ctx.completed))

    def work(self, name, **refs):
        assert all(one == self.outputs[one["name"]] for one in refs.values())
        self.outputs[name] = {**work(name, **refs), "odd": [1e22, 2**53 + 1, "é\u2028"]}
        self.finished.append(name)
        return self.outputs[name]

    def ask(self, name, **refs):
        raise NeedsReplan(name)


@pytest.mark.parametrize("asks", [2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_what_has_completed_is_done_with(composer, sql, seed, asks):
    """
    P9: its output is carried to the byte, no task completes in two plans, and there
    are as many plans as there may be.
    """
    planner, name = Fickle(seed, asks), unique("fickle")

    with contextlib.ExitStack() as stack:
        if asks == 3:
            stack.enter_context(pytest.raises(RunFailed, match="max_replans is 2"))
        found = composer.compose_from_goal(
            "goal", planner, {"work": planner.work, "ask": planner.ask},
            workflow_name=name, max_replans=2,
        )  # fmt: skip
        assert found.revisions == 2
        assert set(found.result) <= set(planner.finished)

    stored = sql.rows(TIMES, f"{name}%")
    texts = {row[0]: row[3] for row in stored}
    kept = sql.rows(KEPT, f"{name}__revision")
    assert len(texts) == len(stored)
    assert len(planner.finished) == len(set(planner.finished))
    assert {key: text for _, key, text in kept} == {
        key: texts[key] for _, key, _ in kept
    }
    assert {revision for revision, _, _ in kept} <= {1, 2}


def story(seed):
    """Return a goal with all that may happen to one, and its functions."""
    failed = set()

    def decompose(goal, ctx):
        if goal == "inner":
            return [
                {"id": "flaky", "retry": AT_ONCE},
                {"id": "many", "depends_on": ["flaky"]},
                {"id": "each", "map_over": {"task": "many"}},
            ]
        if ctx.failures:
            return [{"id": "first", "handler": "work"}, {"id": "again"}]
        if seed == 3:
            return [{"id": "nobody"}]
        return [
            {"id": "first", "handler": "work"},
            {"id": "inner", "goal": "inner", "depends_on": ["first"]},
            {"id": "tried", "handler": "fail", "goal": "inner", "retry": AT_ONCE},
            {"id": "skipped", "handler": "fail", "on_failure": "skip",
             "retry": {"max_attempts": 1}},
            {"id": "asks", "depends_on": ["inner"]},
        ]  # fmt: skip

    def flaky(ctx):
        if ctx.run_id not in failed:
            failed.add(ctx.run_id)
            raise ConnectionError

    def fail():
        raise Fail("never")

    def asks():
        if seed % 2 == 0:
            raise NeedsReplan("asked")

    functions = {
        "work": lambda: {"name": "x"}, "flaky": flaky, "many": lambda: [1, 2],
        "each": lambda item: item, "fail": fail, "asks": asks, "again": lambda: 1,
    }  # fmt: skip
    return decompose, functions


@pytest.mark.parametrize("mode", MODES)
def test_each_change_is_heard_once_by_who_is_cut_off(private, mode):
    """
    P21: nested goals, further plans, failures, each told once (see `invariants.sql`);
    a listener hears all of it in order, though its connection is cut all the time.
    """
    heard, is_over = {}, threading.Event()

    def cut():
        with psycopg.connect(private, autocommit=True) as connection:
            while not is_over.wait(0.02):
                connection.execute(CUT)

    with Engine(private) as engine:
        orchestrator = Orchestrator(engine)
        notifications = OrchestratorNotifications(engine)
        cutting = threading.Thread(target=cut)
        cutting.start()
        try:
            for seed in range(4):
                decompose, functions = story(seed)
                handle = orchestrator.start_goal(
                    f"story {seed}", decompose, functions, monitoring=True,
                    **MODES[mode],
                )  # fmt: skip
                heard[handle] = list(notifications.listen(handle))
                with contextlib.suppress(RunFailed, DecompositionFailed):
                    handle.result(timeout=25)
        finally:
            is_over.set()
            cutting.join()

    assert any(event.type == "plan_revised" for one in heard.values() for event in one)
    for events in heard.values():
        runs = {str(event.run_id) for event in events}
        stored = Sql(private).rows(STORED, sorted(runs))
        assert sorted(event.seq for event in events) == sorted(stored)
        for run_id in runs:
            own = [event.seq for event in events if str(event.run_id) == run_id]
            assert own == sorted(set(own))


def test_the_plain_evaluation_sees_any_change():
    """
    So that equal results mean equal inputs.
    """
    graph = Graph(3)
    tasks = graph.decompose(graph.goal)
    names = {leaf for task in tasks for leaf in graph.leaves(task)}

    assert digest(1) != digest(2)
    assert len({str(Graph(seed).gives()) for seed in range(10)}) == 10
    assert {one for edge in graph.edges() for one in edge} <= names
