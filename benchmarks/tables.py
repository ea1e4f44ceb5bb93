"""
A table, as aligned text and as Markdown.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["replace_between_markers", "to_markdown", "to_text"]

Cells = Sequence[str]


def to_text(header: Cells, rows: Sequence[Cells]) -> str:
    """Return the rows under their header, in columns as wide as they need to be."""
    columns = zip(header, *rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    rule = ["-" * width for width in widths]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (header, rule, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)


def to_markdown(header: Cells, rows: Sequence[Cells]) -> str:
    """Return the same as a Markdown table."""
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def replace_between_markers(path: Path, name: str, text: str) -> None:
    """
    Put *text* where a document says that it belongs.

    Args:
        path: A document with the comments `<!-- name -->` and `<!-- /name -->`.
        name: The name of the place.
        text: What replaces all between them.

    Raises:
        ValueError: If the document has no such place.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found_begin, rest = path.read_text("utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{path} has no place between {begin} and {end}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
