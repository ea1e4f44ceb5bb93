"""The README: its quick start runs, and what it promises of files is there."""

from __future__ import annotations

import doctest

from docs.pages import ROOT


def test_the_quick_start_prints_what_it_says(database, monkeypatch):
    """
    The first thing that anybody tries works as it stands.
    """
    monkeypatch.setenv("SINGULARITY_WORKFLOW_DATABASE_URL", database)

    failed, tried = doctest.testfile(
        str(ROOT / "README.md"), module_relative=False, encoding="utf-8"
    )

    assert tried >= 8
    assert failed == 0
