"""One word for one thing: what the glossary calls by another name is not used."""

from __future__ import annotations

import re

import pytest

from docs.pages import DOCS, PAGES, prose

BANNED = {
    r"jobs?": "task",
    r"activit(y|ies)": "step or task",
    r"subtasks?": "task",
    r"(workflow|flow|execution) instances?": "run",
    r"flow runs?|task run": "run, task",
    r"in[_ ]progress": "started",
    r"succeeded|successful": "completed",
    r"upstream|predecessors?": "dependency",
    r"downstream|successors?": "dependent",
    r"job queues?": "queue",
    r"brokers?": "queue",
    r"time-?outs? policy": "timeout",
    r"time-outs?": "timeout",
}
FOREIGN = r"blazing(ly)?|seamless(ly)?|effortless(ly)?|world-class|powerful|leverage"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_uses_the_words_of_the_glossary(page):
    """
    A second word for a thing makes readers look for a second thing.
    """
    text = prose(page.read_text("utf-8"))

    for pattern, instead in BANNED.items():
        found = re.search(rf"\b({pattern})\b", text, re.IGNORECASE)
        assert found is None, f"{found[0]!r} is called {instead!r} here"
    assert re.search(rf"\b({FOREIGN})\b", text, re.IGNORECASE) is None


def test_the_glossary_has_the_words_that_the_pages_rest_on():
    """
    Each concept has an entry.
    """
    text = (DOCS / "glossary.md").read_text("utf-8")
    words = re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE)

    assert {
        "workflow", "version", "step", "run", "task", "attempt", "worker", "lease",
        "queue", "message", "timer", "hand-over", "merged view", "condition",
        "predicate", "child run", "compensation", "retry", "fork", "window",
    } <= set(words)  # fmt: skip
    assert words == sorted(words, key=str.lower)
