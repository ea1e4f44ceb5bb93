"""
Draw a definition as Mermaid text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from singularity_workflow.model.definition import Definition

__all__ = ["to_mermaid"]

_SPECIAL: Final = re.compile(r"[^A-Za-z0-9_ .,:()-]")


def to_mermaid(definition: Definition) -> str:
    """
    Return *definition* as a Mermaid graph, from top to bottom.

    Steps are boxes, maps have a double border; the edge that a map maps over is
    thick. Nodes are called by number, so that no name can be taken for syntax.
    """
    numbers = {step.name: number for number, step in enumerate(definition.steps)}
    lines = ["graph TD"]
    for number, step in enumerate(definition.steps):
        opening, closing = ("[[", "]]") if step.is_map else ("[", "]")
        lines.append(f'    s{number}{opening}"{_escape(step.name)}"{closing}')
    for number, step in enumerate(definition.steps):
        for name in step.depends_on:
            if name in numbers:
                arrow = "==>" if name == step.over else "-->"
                lines.append(f"    s{numbers[name]} {arrow} s{number}")
    return "\n".join(lines) + "\n"


def _escape(text: object) -> str:
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", str(text))
