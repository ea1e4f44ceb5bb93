"""
A draft, as its functions show it.
"""

from __future__ import annotations

from typing import Any

__all__ = ["BAD_NAMES", "GOOD_NAMES", "Flow"]

BAD_NAMES = [
    None, "", "a" * 129, "a-b", "a b", "1st", "é", "a\n", "input", "run_input", "ctx",
    "item", "index", "Input",
]  # fmt: skip
GOOD_NAMES = ["a", "_", "a1", "_1", "snake_case", "CamelCase", "A" * 128, "inputs"]


class Flow:
    """A dynamic workflow of one database."""

    def __init__(self, db: Any, name: str = "flow", **options: Any) -> None:
        self.db = db
        self.name = name
        db.call("create_flow", name, options)

    def add(self, name: str, *depends_on: str, **members: Any) -> dict[str, Any]:
        """Add a step with these dependencies and other members."""
        step = {"name": name, "depends_on": list(depends_on), **members}
        return self.db.call("add_flow_step", self.name, step)

    def read(self) -> dict[str, Any]:
        """Return it as it would be started."""
        return self.db.call("read_flow", self.name)

    def freeze(self) -> dict[str, Any]:
        """Make the draft a version."""
        return self.db.call("freeze_flow", self.name)

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        """Its steps by name, in order."""
        return {step["name"]: step for step in self.read()["steps"]}

    @property
    def names(self) -> list[str]:
        """The names of its steps, in order."""
        return list(self.steps)
