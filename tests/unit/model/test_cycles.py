"""find_cycles: a graph has a topological order, or a circle that can be shown."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singularity_workflow.model.cycles import find_cycles


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    """Draw any graph of up to ten nodes."""
    size = draw(st.integers(1, 10))
    needed = st.lists(st.integers(0, size - 1), max_size=3, unique=True)
    return [draw(needed) for _ in range(size)]


@st.composite
def acyclic_graphs(draw: st.DrawFn) -> list[list[int]]:
    """Draw a graph whose edges all lead to nodes of lower rank."""
    size = draw(st.integers(2, 12))
    rank = draw(st.permutations(range(size)))
    edges: list[list[int]] = [[] for _ in range(size)]
    for place in range(1, size):
        before = st.sampled_from(rank[:place])
        edges[rank[place]] = draw(st.lists(before, max_size=4, unique=True))
    return edges


def has_order(edges):
    """Tell whether the standard library finds a topological order."""
    try:
        TopologicalSorter(dict(enumerate(edges))).prepare()
    except CycleError:
        return False
    return True


def is_circle(cycle, edges):
    """Tell whether each member waits for the next, and the last for the first."""
    following = [*cycle[1:], cycle[0]]
    return all(b in edges[a] for a, b in zip(cycle, following, strict=True))


@pytest.mark.parametrize(
    ("edges", "cycles"),
    [
        ([], []),
        ([[]], []),
        ([[], [0], [0, 1]], []),
        ([[0]], [[0]]),
        ([[1], [0]], [[0, 1]]),
        ([[2], [0], [1]], [[0, 2, 1]]),
        ([[1], [0], [3], [2]], [[0, 1], [2, 3]]),
        ([[1], [2], [1]], [[1, 2]]),
        ([[], [0, 2], [3], [1], [3]], [[1, 2, 3]]),
    ],
)
def test_shows_circles_in_the_order_of_waiting(edges, cycles):
    """
    Each circle starts at its smallest node; nodes behind a circle are not in it.
    """
    found = find_cycles(edges)

    assert found == cycles


@given(graphs())
def test_finds_a_circle_exactly_when_there_is_no_topological_order(edges):
    """
    A graph is accepted if and only if its nodes can be put in order.
    """
    found = find_cycles(edges)

    assert (not found) == has_order(edges)


@given(graphs())
def test_every_circle_is_real_and_in_one_piece(edges):
    """
    What is shown is a circle of the graph, and no node is shown twice.
    """
    found = find_cycles(edges)

    shown = [node for cycle in found for node in cycle]
    assert all(is_circle(cycle, edges) for cycle in found)
    assert len(shown) == len(set(shown))
    assert all(cycle[0] == min(cycle) for cycle in found)


@given(acyclic_graphs(), st.data())
def test_a_circle_that_is_put_in_is_found(edges, data):
    """
    Whatever else the graph holds, closing one path makes a circle through it.
    """
    ring = data.draw(st.permutations(range(len(edges))))
    ring = ring[: data.draw(st.integers(2, len(edges)))]
    for node, following in zip(ring, [*ring[1:], ring[0]], strict=True):
        if following not in edges[node]:
            edges[node].append(following)

    found = find_cycles(edges)

    assert found
    assert all(is_circle(cycle, edges) for cycle in found)


def test_a_long_chain_needs_no_recursion():
    """
    A chain and a circle of ten thousand nodes are searched like small ones.
    """
    chain = [[], *([number] for number in range(9_999))]
    circle = [[9_999], *chain[1:]]

    assert find_cycles(chain) == []
    assert [len(cycle) for cycle in find_cycles(circle)] == [10_000]
