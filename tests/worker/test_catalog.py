"""Catalog: which code a version gets, and for how long it is kept."""

from __future__ import annotations

import asyncio
import gc

from singularity_workflow.errors import WorkflowNotFound
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.worker.catalog import _MOST_PIECED, Catalog, unserved


class Versions:
    """What `read_workflow` finds, and how often it was asked."""

    def __init__(self):
        self.asked = []
        self.found = {}

    async def read_workflow(self, workflow_id):
        self.asked.append(workflow_id)
        if workflow_id not in self.found:
            raise WorkflowNotFound("there is no such version")
        return self.found[workflow_id]


def compiled(name="flow", **functions):
    """Return a workflow of these steps, ready to run."""
    workflow = Workflow(name)
    for step, function in functions.items():
        workflow.step(name=step)(function)
    return workflow.compile()


def find(catalog, workflow_id):
    """Return a version, as the dispatcher looks for it."""
    return asyncio.run(catalog.find(workflow_id))


def test_a_lent_version_is_there_while_somebody_holds_it():
    """
    After that it is read again, without its code.
    """
    versions = Versions()
    catalog = Catalog(versions)
    lent = compiled(a=lambda: 1)
    versions.found[7] = lent.definition.to_json()
    catalog.lend(7, lent)

    assert catalog.get(7) is lent
    assert (catalog.ids(), catalog.names()) == ([7], ["flow"])
    del lent
    gc.collect()

    assert catalog.get(7) is None
    assert (catalog.ids(), catalog.names()) == ([], [])
    assert find(catalog, 7).steps[0].original is unserved


def test_an_added_version_stays():
    """
    Nobody else has to hold it.
    """
    catalog = Catalog(Versions())
    catalog.add(7, compiled(a=lambda: 1))
    gc.collect()

    assert catalog.get(7) is not None
    assert catalog.ids() == [7]


def test_lending_mends_what_was_pieced_together():
    """
    A version that was met before its code came.
    """
    versions = Versions()
    catalog = Catalog(versions)
    lent = compiled(a=lambda: 1)
    versions.found = {6: lent.definition.to_json(), 7: lent.definition.to_json()}
    assert find(catalog, 6).steps[0].original is unserved

    catalog.lend(7, lent)

    assert find(catalog, 6).steps[0].original is lent.steps[0].original
    assert versions.asked == [6, 6]


def test_versions_without_code_are_not_kept_for_ever():
    """
    A worker that meets the runs of any number of workflows keeps the last of them.
    """
    versions = Versions()
    catalog = Catalog(versions)
    data = compiled(a=lambda: 1).definition.to_json()
    count = _MOST_PIECED + 10
    versions.found = dict.fromkeys(range(count), data)

    async def find_all():
        for workflow_id in range(count):
            await catalog.find(workflow_id)

    asyncio.run(find_all())

    assert catalog.get(0) is None
    assert catalog.get(count - 1) is not None
    assert find(catalog, 0).name == "flow"


def test_a_workflow_can_be_forgotten():
    """
    All of its versions, and none of others.
    """
    catalog = Catalog(Versions())
    kept, lent = compiled("kept", a=lambda: 1), compiled("gone", a=lambda: 1)
    catalog.add(1, kept)
    catalog.add(2, compiled("gone", b=lambda: 1))
    catalog.lend(3, lent)

    catalog.forget("gone")

    assert catalog.ids() == [1]
    assert catalog.names() == ["kept"]
    assert catalog.get(2) is catalog.get(3) is None
