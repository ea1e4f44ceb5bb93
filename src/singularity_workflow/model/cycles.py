"""
Find the circles of a graph that is given as lists of numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["find_cycles"]


def find_cycles(edges: Sequence[Sequence[int]]) -> list[list[int]]:
    """
    Return circles of the graph, none if it has none.

    Args:
        edges: For each node, the nodes that it waits for.

    Returns:
        Node numbers in the order of waiting, each circle from its smallest node on.
        Every node of the graph is in one circle at most; after each of them is
        broken there may be more.
    """
    left = _stuck(edges)
    seen: set[int] = set()
    cycles: list[list[int]] = []
    for start in sorted(left):
        position: dict[int, int] = {}
        path: list[int] = []
        node: int | None = start
        while node is not None and node not in seen:
            seen.add(node)
            position[node] = len(path)
            path.append(node)
            node = next((other for other in edges[node] if other in left), None)
        if node is not None and node in position:
            cycles.append(_from_smallest(path[position[node] :]))
    return cycles


def _stuck(edges: Sequence[Sequence[int]]) -> set[int]:
    """Return the nodes that never become ready: on a circle, or behind one."""
    dependents: list[list[int]] = [[] for _ in edges]
    waits = [len(needed) for needed in edges]
    for node, needed in enumerate(edges):
        for other in needed:
            dependents[other].append(node)

    ready = [node for node, count in enumerate(waits) if not count]
    while ready:
        for dependent in dependents[ready.pop()]:
            waits[dependent] -= 1
            if not waits[dependent]:
                ready.append(dependent)
    return {node for node, count in enumerate(waits) if count}


def _from_smallest(cycle: list[int]) -> list[int]:
    at = cycle.index(min(cycle))
    return cycle[at:] + cycle[:at]
