"""to_mermaid: a picture of a definition, as text."""

from __future__ import annotations

from hypothesis import given

from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.mermaid import to_mermaid

from .strategies import definitions


def test_draws_steps_maps_and_edges():
    """
    Maps have a double border, and the edge that they map over is thick.
    """
    definition = Definition(
        name="etl",
        steps=(
            StepDefinition(name="fetch"),
            StepDefinition(name="rates"),
            StepDefinition(
                name="price",
                kind=StepKind.MAP,
                depends_on=("fetch", "rates"),
                over="fetch",
            ),
            StepDefinition(name="total", depends_on=("price",)),
        ),
    )

    text = to_mermaid(definition)

    assert text == (
        "graph TD\n"
        '    s0["fetch"]\n'
        '    s1["rates"]\n'
        '    s2[["price"]]\n'
        '    s3["total"]\n'
        "    s0 ==> s2\n"
        "    s1 --> s2\n"
        "    s2 --> s3\n"
    )


def test_no_name_is_taken_for_syntax():
    """
    A definition that is wrong can be drawn too: special characters are escaped.
    """
    definition = Definition(
        name="etl", steps=(StepDefinition(name='end"]; x', depends_on=("gone",)),)
    )

    text = to_mermaid(definition)

    assert text == 'graph TD\n    s0["end#34;#93;#59; x"]\n'


@given(definitions())
def test_every_step_and_every_edge_is_one_line(definition):
    """
    Nothing is left out and nothing drawn twice.
    """
    normal = definition.normalized()

    lines = to_mermaid(normal).splitlines()

    edges = sum(len(step.depends_on) for step in normal.steps)
    assert len(lines) == len(set(lines)) == 1 + len(normal.steps) + edges
