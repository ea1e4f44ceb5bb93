"""The links between pages, and from the source to them."""

from __future__ import annotations

import re

import pytest

from docs.pages import DOCS, PAGES, ROOT, links

LINKED = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))]
SOURCES = [
    path
    for folder in ("src", "tests", "examples", "benchmarks")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".sql")
]


def anchors(text):
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", one.lower()) for one in headings)
    return {one.replace(" ", "-") for one in plain}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    """
    A page that was moved takes the links to it along.
    """
    dead = []
    for link in links(page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text("utf-8"))
        ):
            dead.append(link)

    assert dead == []


def test_every_page_is_reachable_from_the_map():
    """
    A page that nothing leads to is read by nobody.
    """
    seen, waiting = set(), [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_relative_to(DOCS):
            continue
        seen.add(page)
        waiting += [
            (page.parent / link.partition("#")[0]).resolve()
            for link in links(page.read_text("utf-8"))
            if not re.match(r"\w+:", link)
        ]

    assert sorted(set(PAGES) - seen) == []


def test_pages_that_the_source_names_exist():
    """
    A docstring that says "see docs/..." names a page.
    """
    named = {
        found
        for path in SOURCES
        for found in re.findall(r"\bdocs/[\w/]+\.md", path.read_text("utf-8"))
    }

    assert named
    assert sorted(one for one in named if not (ROOT / one).is_file()) == []
