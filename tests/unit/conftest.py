"""Fixtures of the unit tests; nothing here needs a database."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import settings

from singularity_workflow.model.context import Context

# A busy machine is no failure, and the whole suite is to take seconds.
settings.register_profile("unit", deadline=None, max_examples=40)
settings.load_profile("unit")


@pytest.fixture
def context():
    """The context of the first attempt of a task."""
    return Context(UUID(int=1), "etl", "load")
