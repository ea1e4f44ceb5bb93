"""Conditions: when a step runs, and what follows when it does not."""

from __future__ import annotations

import asyncio

import pytest

from engine.programs.predicates import is_even_apart, square_apart
from engine.support import fail, make_workflow, run, until
from singularity_workflow import (
    AsyncEngine,
    Context,
    DefinitionError,
    Engine,
    Fail,
    RetryPolicy,
    RunFailed,
    RunTimeout,
    Skip,
    Worker,
)


def one_of_two(**options):
    """A root step with a condition, beside one without."""
    flow = make_workflow()
    flow.step(name="step", **options)(lambda: "ran")
    flow.step(name="other")(lambda: "other")
    return flow


def statuses(handle):
    """Return the status of each step, and the reasons of those that were skipped."""
    _, figures = handle.status()
    return {
        one["name"]: (one["status"], one.get("skip_reason")) for one in figures["steps"]
    }


ROOT = [
    ({"when": {"role": "admin"}}, {"role": "admin", "id": 1}, True),
    ({"when": {"role": "admin"}}, {"role": "user"}, False),
    ({"when": {"role": "admin"}}, {}, False),
    ({"when": {"role": "admin"}}, None, False),
    ({"when": {"a": {"b": [1]}}}, {"a": {"b": [2, 1], "c": 0}}, True),
    ({"when": {}}, {"a": 1}, True),
    ({"when_not": {"role": "admin"}}, {"role": "admin"}, False),
    ({"when_not": {"role": "admin"}}, {"role": "user"}, True),
    ({"when_not": {"role": "admin"}}, {}, True),
    ({"when": "$.total > 100"}, {"total": 101}, True),
    ({"when": "$.total > 100"}, {"total": 100}, False),
    ({"when": "$.total > 100"}, {"total": "many"}, False),
    ({"when": "$.total > 100"}, {}, False),
    ({"when": "$.items[*] ? (@.n == 1)"}, {"items": [{"n": 0}, {"n": 1}]}, True),
    ({"when": "$.items[*] ? (@.n == 1)"}, {"items": []}, False),
    ({"when_not": "$.total > 100"}, {"total": 5}, True),
    ({"when": {"a": 1}, "when_not": "$.b == 1"}, {"a": 1, "b": 2}, True),
    ({"when": {"a": 1}, "when_not": "$.b == 1"}, {"a": 1, "b": 1}, False),
    ({"when": lambda run_input: run_input["n"] > 1}, {"n": 2}, True),
    ({"when": lambda run_input: run_input["n"] > 1}, {"n": 1}, False),
    ({"when_not": lambda run_input: run_input["n"] > 1}, {"n": 1}, True),
    ({"when": lambda run_input: run_input["items"]}, {"items": []}, False),
    ({"when": lambda run_input: run_input["items"]}, {"items": [0]}, True),
    (
        {"when": {"n": 1}, "when_not": lambda run_input: run_input["m"]},
        {"n": 1, "m": 0},
        True,
    ),
    ({"when": lambda ctx: ctx.attempt == 1}, {}, True),
]


@pytest.mark.parametrize(("options", "given", "runs"), ROOT)
def test_a_root_step_looks_at_the_input(engine, options, given, runs):
    """
    Unmet it is skipped, and the others run (M 154, M 155, M 159, M 162).
    """
    handle = engine.start(one_of_two(**options), given)

    result = handle.result()

    if runs:
        assert result == {"step": "ran", "other": "other"}
        assert statuses(handle)["step"] == ("completed", None)
    else:
        assert result == {"other": "other"}
        status, reason = statuses(handle)["step"]
        assert (status, reason) == ("skipped", "condition unmet")


@pytest.mark.parametrize(
    "condition",
    [{"first": {"ok": True}}, "$.first.ok == true", lambda first: first["ok"]],
)
@pytest.mark.parametrize("ok", [True, False])
@pytest.mark.parametrize("on_unmet", ["skip", "skip_cascade", "fail"])
def test_a_dependent_step_looks_at_outputs(engine, condition, ok, on_unmet):
    """
    Of its dependencies, by their names (M 158).
    """
    flow = make_workflow()
    flow.step(name="first")(lambda run_input: {"ok": run_input["ok"]})
    flow.step(name="second", depends_on="first", when=condition, on_unmet=on_unmet)(
        lambda: 2
    )
    flow.step(name="third", depends_on="second")(lambda second=None: [second])
    flow.step(name="beside", depends_on="first")(lambda: "beside")

    handle = engine.start(flow, {"ok": ok})

    if ok:
        assert handle.result() == {"third": [2], "beside": "beside"}
    elif on_unmet == "skip":
        assert handle.result() == {"third": [None], "beside": "beside"}
    elif on_unmet == "skip_cascade":
        assert handle.result() == {"beside": "beside"}
        assert statuses(handle)["third"] == ("skipped", "dependency skipped")
    else:
        with pytest.raises(RunFailed, match="condition") as caught:
            handle.result()
        assert caught.value.step == "second"


def test_a_condition_sees_the_input_and_the_outputs(engine):
    """
    In a dependent step under `run_input` and the dependencies' names.
    """
    flow = make_workflow()
    flow.step(name="first")(lambda: 5)
    flow.step(name="second", depends_on="first", when="$.first > $.run_input.least")(
        lambda: "more"
    )

    assert engine.execute(flow, {"least": 4}) == {"second": "more"}
    assert engine.execute(flow, {"least": 5}) == {}


@pytest.mark.parametrize(
    ("given", "branch"), [({"role": "admin"}, "a"), ({"role": "user"}, "b"), ({}, "b")]
)
def test_two_branches_with_opposite_patterns(engine, given, branch):
    """
    Exactly one runs (M 161).
    """
    flow = make_workflow()
    flow.step(name="a", when={"role": "admin"})(lambda: "a")
    flow.step(name="b", when_not={"role": "admin"})(lambda: "b")
    flow.step(name="joined")(lambda a=None, b=None: [a, b])

    expected = ["a", None] if branch == "a" else [None, "b"]
    assert engine.execute(flow, given) == {"joined": expected}


def test_a_chain_of_skips(engine):
    """
    It is followed to its end, where a step without a condition runs (M 163, M 167).
    """
    flow = make_workflow()
    flow.step(name="s0", when={"go": True})(lambda: 0)
    for number in range(1, 20):
        before = f"s{number - 1}"
        flow.step(name=f"s{number}", depends_on=before, when=f"$.{before} >= 0")(
            lambda: 1
        )
    flow.step(name="last", depends_on="s19")(lambda: "last")

    handle = engine.start(flow, {})

    assert handle.result() == {"last": "last"}
    assert handle.status()[1]["skipped_steps"] == 20


def test_all_of_a_run_may_be_skipped(engine):
    """
    It completes, with no result.
    """
    flow = make_workflow()
    flow.step(name="a", when={"x": 1})(lambda: 1)
    flow.step(name="b", depends_on="a", when={"a": 1})(lambda: 1)

    assert engine.execute(flow, {}) == {}


def test_a_workflow_says_what_unmet_conditions_do(engine):
    """
    `on_unmet` of the workflow holds for its steps.
    """
    flow = make_workflow(on_unmet="fail")
    flow.step(name="step", when={"x": 1})(lambda: 1)
    flow.step(name="other", when={"x": 2}, on_unmet="skip")(lambda: 1)

    assert fail(engine, flow, {"x": 2}).step == "step"
    assert engine.execute(flow, {"x": 1}) == {"step": 1}


def test_an_async_predicate(engine):
    """
    It is awaited.
    """

    async def is_large(first):
        await asyncio.sleep(0)
        return first > 10

    flow = make_workflow()
    flow.step(name="first")(lambda run_input: run_input)
    flow.step(name="second", depends_on="first", when=is_large)(lambda: "large")
    flow.step(name="third", depends_on="first", when_not=is_large)(lambda: "small")

    assert engine.execute(flow, 11) == {"second": "large"}
    assert engine.execute(flow, 10) == {"third": "small"}


def test_a_predicate_that_forgets_to_await(engine):
    """
    A coroutine is true whatever it would return: the step must not run for that.
    """

    async def never():
        return False

    flow = make_workflow(max_attempts=1)
    flow.step(name="step", when=lambda: never())(lambda: 1)  # noqa: PLW0108

    assert "coroutine function" in str(fail(engine, flow))


class Elusive(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError, StopIteration, SystemExit, Elusive])
@pytest.mark.parametrize("is_async", [True, False])
def test_a_predicate_that_raises_fails_the_step(engine, error, is_async):
    """
    With its error, and is tried again as the step is.
    """
    calls = []

    def check():
        calls.append(1)
        raise error("broken")

    async def check_async():
        check()

    flow = make_workflow(retry=RetryPolicy(max_attempts=2, delay=0))
    flow.step(name="step", when=check_async if is_async else check)(lambda: 1)

    caught = fail(engine, flow)

    # the policy retries exceptions, and not what ends a program
    attempts = 2 if issubclass(error, Exception) else 1
    assert (caught.step, caught.attempts, len(calls)) == ("step", attempts, attempts)
    assert "broken" in str(caught)


def test_a_predicate_that_raises_at_first(engine):
    """
    At the second attempt it is asked again.
    """
    flow = make_workflow(retry=RetryPolicy(max_attempts=2, delay=0))

    def check(ctx: Context):
        if ctx.attempt == 1:
            raise ValueError("at first")
        return True

    flow.step(name="step", when=check)(lambda: 1)

    assert engine.execute(flow) == {"step": 1}


def test_signals_of_a_predicate(engine):
    """
    They mean what they mean in the step.
    """

    def give_up():
        raise Fail("for good")

    def pass_over():
        raise Skip("not now")

    failing = make_workflow(max_attempts=3)
    failing.step(name="step", when=give_up)(lambda: 1)
    skipping = make_workflow()
    skipping.step(name="step", when=pass_over)(lambda: 1)

    assert fail(engine, failing).attempts == 1
    assert engine.execute(skipping) == {}


def test_a_predicate_that_hangs(engine):
    """
    The step's timeout is the predicate's too.
    """

    async def hang():
        await asyncio.Event().wait()

    flow = make_workflow(max_attempts=1)
    flow.step(name="step", when=hang, timeout=0.1)(lambda: 1)

    assert fail(engine, flow).error_type.endswith("StepTimeout")


def test_a_run_with_a_predicate_that_hangs_can_be_cancelled(engine):
    """
    As one whose step hangs.
    """

    async def hang():
        await asyncio.Event().wait()

    flow = make_workflow()
    flow.step(name="step", when=hang)(lambda: 1)

    with pytest.raises(RunTimeout):
        engine.execute(flow, timeout=0.2)


def test_a_predicate_opens_no_transaction(engine):
    """
    It would commit with the completion of the step, of which there may be none.
    """

    def check(ctx):
        with ctx.transaction():
            return False

    flow = make_workflow(max_attempts=1)
    flow.step(name="step", when=check)(lambda ctx: 1)

    assert fail(engine, flow).error_type.endswith("ConfigurationError")


def test_a_step_with_a_predicate_may_open_a_transaction(engine):
    """
    As one without.
    """

    async def write(ctx):
        async with ctx.transaction() as connection:
            cursor = await connection.execute("select 7")
            return (await cursor.fetchone())[0]

    flow = make_workflow()
    flow.step(name="step", when=lambda ctx: ctx.attempt == 1)(write)

    assert engine.execute(flow) == {"step": 7}


def test_an_unmet_element_is_left_out(engine):
    """
    A predicate of a map is asked for each element (item and index, too).
    """
    flow = make_workflow()

    @flow.map(when=lambda item: item["n"] % 2 == 0)
    def even(item):
        return item["n"]

    @flow.map(when_not=lambda index: index == 0)
    async def rest(item):
        return item["n"]

    given = [{"n": n} for n in range(5)]
    assert engine.execute(flow, given) == {"even": [0, 2, 4], "rest": [1, 2, 3, 4]}


@pytest.mark.parametrize("on_unmet", ["fail", "skip_cascade"])
def test_an_unmet_element_and_on_unmet(engine, on_unmet):
    """
    `fail` fails the run; otherwise the element is left out, whatever depends on it.
    """
    flow = make_workflow()
    flow.map(name="each", when=lambda item: item > 0, on_unmet=on_unmet)(
        lambda item: item
    )
    flow.step(name="total")(lambda each: sum(each, 0))

    if on_unmet == "fail":
        assert fail(engine, flow, [1, 0]).step == "each"
    else:
        assert engine.execute(flow, [1, 0, 2]) == {"total": 3}


def test_a_map_with_a_pattern(engine):
    """
    The database decides for the map as a whole, before there are tasks.
    """
    flow = make_workflow()
    flow.step(name="source")(lambda run_input: run_input)
    flow.map(name="each", over="source", when="$.source[*] > 5")(lambda item: item)
    flow.step(name="after", depends_on="each")(lambda each=None: each)

    assert engine.execute(flow, [1, 6]) == {"after": [1, 6]}
    handle = engine.start(flow, [1, 2])
    assert handle.result() == {"after": None}
    assert statuses(handle)["each"][0] == "skipped"


def test_a_predicate_of_a_step_in_a_process(engine):
    """
    The predicate runs in the worker, the step in its process.
    """
    flow = make_workflow()
    flow.map(name="each", when=is_even_apart, executor="process")(square_apart)

    assert engine.execute(flow, [1, 2, 3, 4]) == {"each": [4, 16]}


def test_resources_of_a_predicate(dsn):
    """
    It gets them by name, as a step does.
    """
    flow = make_workflow()
    flow.step(name="step", when=lambda flags: flags["on"])(lambda: 1)

    with Engine(dsn, resources={"flags": {"on": True}}) as engine:
        assert engine.execute(flow) == {"step": 1}


def test_another_predicate_is_another_version(engine):
    """
    The shape holds its qualified name; runs of the old version keep theirs.
    """

    def one():
        return True

    def other():
        return True

    flow = make_workflow()
    flow.step(name="step", when=one)(lambda: 1)
    first = engine.register(flow).version
    engine.execute(flow)

    again = type(flow)(flow.name)
    again.step(name="step", when=other)(lambda: 1)

    async def main():
        async with AsyncEngine(engine._engine._settings.dsn) as another:
            return (await another.register(again)).version

    assert first
    assert again.definition.shape() != flow.definition.shape()


@pytest.mark.parametrize("condition", ["$.[", "nonsense !", "$.a ? (@ >", "exists($.a"])
@pytest.mark.parametrize("option", ["when", "when_not"])
def test_what_is_no_path_is_refused_at_registration(engine, option, condition):
    """
    Only the server can tell; the error names the step, the option and the place.
    """
    flow = make_workflow()
    flow.step(name="fine", when="$.a == 1")(lambda: 1)
    flow.step(name="broken", **{option: condition})(lambda: 1)

    with pytest.raises(DefinitionError) as caught:
        engine.register(flow)

    text = str(caught.value)
    assert flow.name in text
    assert "'broken'" in text
    assert option in text
    assert "test_conditions.py" in text
    (issue,) = caught.value.issues
    assert issue.pointer == f"/steps/1/options/{option}"


@pytest.mark.parametrize("condition", [5, "", "  ", [1], {"a": object()}, True])
def test_what_is_no_condition_is_refused_at_once(condition):
    """
    Without any server.
    """
    flow = make_workflow()

    with pytest.raises(DefinitionError, match="when"):
        flow.step(name="step", when=condition)(lambda: 1)


def test_a_predicate_with_unknown_parameters(engine):
    """
    The error says whose they are.
    """
    flow = make_workflow()
    flow.step(name="step", when=lambda a, b: True)(lambda: 1)

    with pytest.raises(DefinitionError, match="'a', 'b'"):
        engine.execute(flow)


def test_conditions_of_a_fork_and_a_retry(dsn):
    """
    What was skipped stays skipped in a retry, and is decided anew in a fork.
    """
    flow = make_workflow(max_attempts=1)
    answers = {"met": False, "bad": True}

    @flow.step(when=lambda: answers["met"])
    def choosy():
        return "chosen"

    @flow.step
    def after(choosy=None):
        if answers["bad"]:
            raise ValueError("bad")
        return choosy

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(flow)
            with pytest.raises(RunFailed):
                await handle.result()
            answers.update(met=True, bad=False)
            retried = await (await handle.retry()).result()
            forked = await (await handle.fork("choosy")).result()
            return retried, forked

    assert run(main) == ({"after": None}, {"after": "chosen"})


def is_large(run_input):
    """Tell whether a number is."""
    return run_input > 10


def versions_of(**newer):
    """Return a workflow with a predicate, and a newer version of it."""
    old = make_workflow()
    old.step(name="step", when=is_large)(lambda: "ran")
    new = type(old)(old.name)
    new.step(name="step", **newer)(lambda: "ran")
    new.step(name="more")(lambda: 1)
    return old, new


def test_an_older_version_finds_its_predicate_in_newer_code(dsn):
    """
    By its qualified name.
    """
    old, new = versions_of(when=is_large)

    async def main():
        async with AsyncEngine(dsn) as one, AsyncEngine(dsn) as two:
            handles = [
                await one.start(old, number, execution="distributed")
                for number in (10, 11)
            ]
            async with Worker(two, new):
                return [await handle.result() for handle in handles]

    assert run(main) == [{}, {"step": "ran"}]


def test_an_older_version_whose_predicate_is_gone(dsn):
    """
    Its step waits for a worker that has it, visibly.
    """
    old, new = versions_of()

    async def main():
        async with AsyncEngine(dsn) as one, AsyncEngine(dsn) as two:
            handle = await one.start(old, 11, execution="distributed")

            async def is_put_aside():
                return (await handle.status())[1]["waiting_tasks"]

            async with Worker(two, new):
                await until(is_put_aside, "the task to be put aside")
                newer = await two.execute(new, 1, execution="distributed")
            async with Worker(one, old):
                return newer, await handle.result()

    assert run(main) == ({"step": "ran", "more": 1}, {"step": "ran"})
