"""Hypothesis strategies for task graphs, trees of goals, and hostile data."""

from __future__ import annotations

from hypothesis import strategies as st

from singularity_workflow.orchestrator import GoalTree, TaskGraph, TaskSpec

names = st.sampled_from([f"t{number}" for number in range(12)])


@st.composite
def dags(draw, most=12):
    """Return the tasks of an acyclic graph, each a function that takes what it gets."""
    count = draw(st.integers(1, most))
    order = draw(st.permutations(range(count)))
    tasks = []
    for place, number in enumerate(order):
        earlier = [f"t{one}" for one in order[:place]]
        needs = draw(st.lists(st.sampled_from(earlier), max_size=3)) if earlier else []
        tasks.append({"id": f"t{number}", "handler": "see", "depends_on": needs})
    return draw(st.permutations(tasks))


@st.composite
def trees(draw, depth=3):
    """Return a goal and what it was decomposed into, some levels deep."""
    tasks, nested = [], {}
    for task in draw(dags(most=4)):
        spec = dict(task)
        if depth > 1 and draw(st.integers(0, 2)) == 0:
            del spec["handler"]
            nested[spec["id"]] = draw(trees(depth=depth - 1))
            spec["goal"] = nested[spec["id"]].graph.goal
        needs = spec["depends_on"]
        if needs and draw(st.booleans()):
            # a reference is an edge, and an argument of the function or the goal
            spec["args"] = {"ref": {"task": needs[0]}, "value": draw(st.integers(0, 9))}
        tasks.append(TaskSpec.model_validate(spec))
    goal = draw(st.sampled_from(["some words", {"name": "x", "size": 3}]))
    return GoalTree(graph=TaskGraph(goal=goal, tasks=tuple(tasks)), nested=nested)


MEMBERS = (
    "tasks", "id", "handler", "depends_on", "args", "goal", "outputs", "map_over",
    "task", "path", "retry", "timeout", "version",
)  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | names
)
anything = st.recursive(
    scalars | st.binary(max_size=4) | st.sets(st.integers(), max_size=2),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(scalars, inner, max_size=4)
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(MEMBERS, inner),
        )
    ),
    max_leaves=30,
)  # fmt: skip
