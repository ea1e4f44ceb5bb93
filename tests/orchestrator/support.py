"""
What tests of events of goals have in common.
"""

from __future__ import annotations


def see(input):
    """Return all that is to be seen."""
    return input


def nested(goal):
    """Decompose into a task and a goal."""
    if goal == "within":
        return [{"id": "see"}]
    return [{"id": "first", "handler": "see"}, {"id": "b", "goal": "within"}]
