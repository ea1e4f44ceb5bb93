"""The code of the pages: it compiles, and what can run as it stands does."""

from __future__ import annotations

import doctest
import sys
import types

import pytest

from docs.pages import DOCS, PAGES, code_blocks

ALL = [
    (page, block)
    for page in PAGES
    for block in code_blocks(page.read_text("utf-8"), "python")
]
RUN = sorted({page for page, block in ALL if block.is_run})


def page_id(page):
    return page.relative_to(DOCS).as_posix()


@pytest.fixture
def namespace(monkeypatch):
    """The globals of a module that can be found by its name, as annotations need."""
    module = types.ModuleType("sample")
    monkeypatch.setitem(sys.modules, "sample", module)
    return vars(module)


def run_doctest(text, namespace, place):
    """Run a block with prompts; what it prints must be what stands there."""
    parsed = doctest.DocTestParser().get_doctest(text, namespace, place, place, 0)
    parsed.globs = namespace
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    report = []
    runner = doctest.DocTestRunner(optionflags=flags)
    runner.run(parsed, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("page", RUN, ids=page_id)
def test_the_samples_of_a_page_run_one_after_the_other(
    database, monkeypatch, namespace, page
):
    """
    A page is a program: whoever types its samples sees what it says.
    """
    monkeypatch.setenv("SINGULARITY_WORKFLOW_DATABASE_URL", database)

    for block in code_blocks(page.read_text("utf-8"), "python"):
        place = f"{page_id(page)}:{block.line}"
        if block.is_run and ">>>" in block.text:
            run_doctest(block.text, namespace, place)
        elif block.is_run:
            code = compile(block.text, place, "exec", dont_inherit=True)
            exec(code, namespace)


@pytest.mark.parametrize(
    ("page", "block"), ALL, ids=[f"{page_id(p)}:{b.line}" for p, b in ALL]
)
def test_a_sample_compiles(page, block):
    """
    What cannot run here is Python all the same.
    """
    examples = doctest.DocTestParser().get_examples(block.text)
    sources = [one.source for one in examples] or [block.text]

    for source in sources:
        compile(source, page_id(page), "exec", dont_inherit=True)


def test_there_are_samples():
    """
    A folder that moved must not pass as one without faults.
    """
    assert len(ALL) > 20
    assert len(RUN) > 5
