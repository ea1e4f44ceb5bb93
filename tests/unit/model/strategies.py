"""Hypothesis strategies that several tests of the model share."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.names import RESERVED_NAMES
from singularity_workflow.model.options import StepOptions, WorkflowOptions
from singularity_workflow.model.retry import RetryPolicy

_FIRST = string.ascii_letters + "_"

names = st.builds(
    str.__add__,
    st.sampled_from(_FIRST),
    st.text(_FIRST + string.digits, max_size=6),
).filter(lambda name: name.lower() not in RESERVED_NAMES)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))

json_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)

json_values = st.recursive(
    json_leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=20,
)

objects = st.dictionaries(st.sampled_from(["a", "b c", "$"]), json_leaves, max_size=2)

seconds = st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000)

policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 50),
    delay=seconds,
    backoff=st.floats(1, 100),
    max_delay=seconds,
    jitter=st.booleans(),
)

modes = st.sampled_from(["fail", "skip", "skip_cascade"])

_shared = {
    "timeout": seconds.filter(bool),
    "queue": names,
    "priority": st.integers(-1000, 1000),
    "on_failure": modes,
    "on_unmet": modes,
}

_attempts = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"max_attempts": st.integers(1, 50)}),
    st.fixed_dictionaries({"retry": policies}),
)


def _options(more: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[dict]:
    given = st.fixed_dictionaries({}, optional=_shared | more)
    return st.builds(dict.__or__, given, _attempts)


step_options = _options(
    {
        "start_delay": seconds,
        "when": objects | st.just("$.a == 1"),
        "when_not": objects,
    }
).map(lambda given: StepOptions.read(given)[0])

workflow_options = _options({"deadline": seconds.filter(bool)}).map(
    lambda given: WorkflowOptions.read(given)[0]
)


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Draw a valid definition whose edges may point forwards and backwards."""
    unique = draw(st.lists(names, min_size=1, max_size=5, unique_by=str.lower))
    rank = draw(st.permutations(range(len(unique))))
    steps = []
    for number, name in enumerate(unique):
        before = [unique[n] for n in range(len(unique)) if rank[n] < rank[number]]
        depends_on = (
            draw(st.lists(st.sampled_from(before), max_size=4)) if before else []
        )
        steps.append(_draw_step(draw, name, depends_on))
    return Definition(
        name="etl",
        steps=tuple(steps),
        options=draw(workflow_options),
        input_schema=draw(st.none() | objects),
    )


def _draw_step(draw: st.DrawFn, name: str, depends_on: list[str]) -> StepDefinition:
    is_map = draw(st.booleans())
    over = initial_tasks = None
    if is_map:
        initial_tasks = draw(st.none() | st.integers(0, 1000))
        if len(set(depends_on)) > 1 or (depends_on and draw(st.booleans())):
            over = draw(st.sampled_from(depends_on))
    return StepDefinition(
        name=name,
        kind=StepKind.MAP if is_map else StepKind.SINGLE,
        depends_on=tuple(depends_on),
        over=over,
        initial_tasks=initial_tasks,
        options=draw(step_options),
    )
