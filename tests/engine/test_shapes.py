"""Chains, diamonds and fans: what runs after what, and what comes out."""

from __future__ import annotations

from engine.support import make_workflow, single

BIG = 2**63


def test_only_final_steps_are_in_the_result(engine):
    """
    The result has a key for each step that nothing depends on (G 89).
    """
    flow = make_workflow()

    @flow.step
    async def a():
        return 1

    @flow.step
    async def b(a):
        return a + 1

    @flow.step
    async def c(a):
        return a + 10

    assert engine.execute(flow) == {"b": 2, "c": 11}


def test_a_chain_passes_values_on(engine):
    """
    Each of thirty steps sees the output of the one before (G 87).
    """
    flow = make_workflow()
    flow.step(name="s0")(lambda view: [view["first"]])
    for number in range(1, 30):

        async def append(input, number=number):
            return [*input[f"s{number - 1}"], number]

        flow.step(name=f"s{number}", depends_on=f"s{number - 1}")(append)

    assert engine.execute(flow, {"first": 0}) == {"s29": list(range(30))}


def test_a_diamond_joins_both_sides(engine):
    """
    A step with two dependencies starts after both, with the outputs of both.
    """
    flow = make_workflow()

    @flow.step
    async def top(input):
        return input["n"]

    @flow.step
    async def left(top):
        return top * 2

    @flow.step
    def right(top):
        return top * 3

    @flow.step
    async def bottom(left, right):
        return [left, right]

    assert engine.execute(flow, {"n": 7}) == {"bottom": [14, 21]}


def test_a_fan_out_and_a_fan_in(engine):
    """
    Twenty parallel steps meet in one that depends on all.
    """
    flow = make_workflow()
    names = [f"part{number}" for number in range(20)]

    @flow.step
    async def source():
        return 100

    for number, name in enumerate(names):

        async def part(source, number=number):
            return source + number

        flow.step(name=name)(part)

    @flow.step(depends_on=names)
    async def total(input):
        return sum(input[name] for name in names)

    assert engine.execute(flow) == {"total": 20 * 100 + sum(range(20))}


def test_several_roots_all_get_the_input(engine):
    """
    Steps without dependencies all start with the run's input (D 48).
    """
    flow = make_workflow()
    for name in "abc":
        flow.step(name=name)(lambda run_input: run_input["n"])

    assert engine.execute(flow, {"n": 1}) == {"a": 1, "b": 1, "c": 1}


def test_the_merged_view_has_input_members_and_outputs(engine):
    """
    Later steps win over earlier ones, outputs over the input, names over members.
    """
    flow = make_workflow()
    flow.step(name="a")(lambda: {"x": "a", "y": "a", "b": "a"})
    flow.step(name="b")(lambda: {"y": "b"})

    @flow.step(depends_on=["b", "a"])
    async def seen(input):
        return input

    assert engine.execute(flow, {"w": "input", "x": "input"}) == {
        "seen": {
            "w": "input",
            "x": "a",
            "y": "b",
            "a": {"x": "a", "y": "a", "b": "a"},
            "b": {"y": "b"},
        }
    }


def test_the_order_of_depends_on_changes_nothing(engine):
    """
    Outputs are merged in the order of definition (C 29).
    """
    results = []
    for depends_on in (["a", "b"], ["b", "a"]):
        flow = make_workflow()
        flow.step(name="a")(lambda: {"x": "a"})
        flow.step(name="b")(lambda: {"x": "b"})
        flow.step(name="c", depends_on=depends_on)(lambda view: view["x"])
        results.append(engine.execute(flow))

    assert results == [{"c": "b"}, {"c": "b"}]


def test_a_step_may_change_its_view_without_harm(engine):
    """
    The merged view is a fresh mapping for each step that asks for it.
    """
    flow = make_workflow()

    @flow.step
    async def a(input):
        input["n"] = "changed"
        return 1

    @flow.step
    async def b(input, a):
        return input["n"]

    assert engine.execute(flow, {"n": "given"}) == {"b": "given"}


def test_values_survive_a_round_trip(engine):
    """
    Empty and false values, and the odd number, come back as they were (U 216).
    """
    values = [
        0, False, "", {}, [], None, [None], {"": None}, 0.1, -0.0, 1e16, 1e-300,
        BIG - 1, -BIG, "ünïcödé 🐘", "line\nbreak\ttab", "\\u0000", {"b": 1, "a": 2},
    ]  # fmt: skip

    flow = make_workflow()
    for number, value in enumerate(values):
        flow.step(name=f"s{number}")(lambda v=value: v)

    result = engine.execute(flow)

    got = [result[f"s{number}"] for number in range(len(values))]
    assert list(map(repr, got)) == list(map(repr, values))


def test_the_input_may_be_any_json_value(engine):
    """
    A run's input that is no mapping reaches a root step as it is.
    """
    flow = single(lambda view: [view])

    for value in (None, 0, "text", [1, [2]], {"a": [None]}):
        assert engine.execute(flow, value) == {"step": [value]}


def test_a_large_payload_goes_through(engine):
    """
    Five megabytes of output are stored and handed on.
    """
    flow = make_workflow()
    flow.step(name="big")(lambda: ["x" * 1000] * 5000)
    flow.step(name="size")(lambda big: sum(map(len, big)))

    assert engine.execute(flow) == {"size": 5_000_000}
