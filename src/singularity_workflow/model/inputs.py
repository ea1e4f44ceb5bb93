"""
What a task works on: the run's input, its dependencies' outputs, its element.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["NO_ITEM", "UNDONE", "StepInputs"]


class _NoItem(Enum):
    NO_ITEM = "no item"

    def __repr__(self) -> str:
        return "NO_ITEM"


NO_ITEM: Final = _NoItem.NO_ITEM
"""The item of a task that is not of a map; None is a possible element."""

UNDONE: Final = "output"
"""What an undoing function calls the output that it undoes."""


class StepInputs:
    """
    The data of one task.

    Args:
        run_input: The run's input.
        outputs: Outputs of the completed dependencies by step name, in the order of
            step numbers; skipped ones are absent.
        item: The element of a map task, else `NO_ITEM`.
        index: Its position, else 0.
    """

    __slots__ = ("index", "item", "outputs", "run_input")

    def __init__(
        self,
        run_input: object,
        outputs: dict[str, object] | None = None,
        item: object = NO_ITEM,
        index: int = 0,
    ) -> None:
        self.run_input = run_input
        self.outputs: dict[str, object] = {} if outputs is None else outputs
        self.item = item
        self.index = index

    def merged(self, *, is_root: bool) -> object:
        """
        Return the merged view: a fresh dict whose nested values are shared.

        It has the members of the run's input, then those of each output, then each
        output under its step's name, then those of the element; later ones win. What
        is no mapping has no members; in a root step such an input, and in a map task
        such an element, is the whole view.

        Args:
            is_root: Whether the step has no dependencies, completed or not.
        """
        run_input, item = self.run_input, self.item
        if item is not NO_ITEM:
            if not isinstance(item, dict):
                return item
        elif is_root and not isinstance(run_input, dict):
            return run_input

        view: dict[str, object] = {}
        if isinstance(run_input, dict):
            view.update(run_input)
        if outputs := self.outputs:
            for output in outputs.values():
                if isinstance(output, dict):
                    view.update(output)
            view.update(outputs)
        if isinstance(item, dict):
            view.update(item)
        return view
