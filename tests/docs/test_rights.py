"""The rights that the guide gives to the role of an application are enough."""

from __future__ import annotations

import secrets

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from docs.pages import DOCS, code_blocks
from singularity_workflow import Engine, Workflow
from singularity_workflow.errors import PermissionDenied

PAGE = DOCS / "howto" / "own_database.md"


@pytest.fixture
def as_app(database):
    """Return an address whose role has the rights of the guide, and no others."""
    role = f"swf_test_{secrets.token_hex(4)}"
    rights = [
        block.text.replace(" to app;", f" to {role};")
        for block in code_blocks(PAGE.read_text("utf-8"), "sql")
    ]
    assert rights
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"create role {role}")
        connection.execute(
            f"grant usage on schema testing to {role};"
            f"grant select on all tables in schema testing to {role}"
        )
        for one in rights:
            connection.execute(one)
    yield make_conninfo(database, options=f"-c role={role}")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"drop owned by {role}; drop role {role}")


def test_a_role_without_rights_is_told_where_they_are_listed(database):
    """
    As an error of the library, whatever it was about to do.
    """
    role = f"swf_test_{secrets.token_hex(4)}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"create role {role}")
    as_nobody = make_conninfo(database, options=f"-c role={role}")
    try:
        with (
            pytest.raises(PermissionDenied, match="permission denied") as caught,
            Engine(as_nobody) as engine,
        ):
            engine.list_workflow_runs()
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"drop role {role}")

    assert PAGE.name in caught.value.hint


def test_the_rights_of_the_guide_are_enough(as_app):
    """
    For runs with their events, for the queue that it names, and for a new one.
    """
    flow = Workflow("flow")
    flow.step(name="step")(lambda: 1)

    with Engine(as_app) as engine:
        events = [one.type for one in engine.start(flow).events()]
        for queue in ("orders", "news"):
            with engine.notifications.listen(queue) as listener:
                engine.notifications.send_with_notify(queue, 1)
                assert listener.get(timeout=20).payload == 1
            engine.notifications.set_retention(queue, 60)

    assert events[-1] == "workflow_completed"
