"""
Names of the steps that goals have besides their tasks; no task can have one of them.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ATTEMPT", "DECOMPOSE", "EXECUTE", "JUDGE", "OUTPUTS", "REPLAN"]

ATTEMPT: Final = "_attempt"
"""Tries the handler of a task that may become a goal."""

DECOMPOSE: Final = "_decompose"
"""The first step of a goal: its output is the plan."""

EXECUTE: Final = "_execute"
"""The second step of a goal: its output is the goal's result."""

JUDGE: Final = "_judge"
"""The same in a run of a further plan."""

OUTPUTS: Final = "_outputs"
"""Makes the result of a plan with outputs."""

REPLAN: Final = "_replan"
"""The first step of a run of a further plan: its output is that plan."""
