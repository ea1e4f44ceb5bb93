"""
The pages of the documentation, and the parts that tests look at.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DOCS", "PAGES", "ROOT", "CodeBlock", "code_blocks", "links", "prose"]

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))

sys.path.append(str(DOCS / "tools"))  # what makes the generated pages

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_NOT_RUN = re.compile(r"<!-- not run: [^>]+ -->\s*\Z")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_GENERATED = re.compile(r"<!-- (benchmark[\w-]*) -->.*?<!-- /\1 -->", re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """
    A block of code of a page.

    Args:
        language: As the page says.
        text: The code.
        line: Where it stands.
        is_run: Whether it can run as it is; the page says so if not.
    """

    language: str
    text: str
    line: int
    is_run: bool


def code_blocks(text: str, language: str) -> Iterator[CodeBlock]:
    """Yield the blocks of one language."""
    for found in _FENCE.finditer(text):
        if found[2] == language:
            line = text.count("\n", 0, found.start()) + 2
            is_run = _NOT_RUN.search(text, 0, found.start()) is None
            yield CodeBlock(language, found[3], line, is_run)


def links(text: str) -> list[str]:
    """Return the targets of the links, outside of code."""
    return _LINK.findall(_INLINE_CODE.sub("", _FENCE.sub("", text)))


def prose(text: str) -> str:
    """Return the page without code, and without what a program wrote into it."""
    return _INLINE_CODE.sub("", _GENERATED.sub("", _FENCE.sub("", text)))
