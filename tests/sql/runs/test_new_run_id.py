"""singularity_workflow.new_run_id: a version 7 uuid."""

from __future__ import annotations

from uuid import RFC_4122


def test_it_is_of_version_7(db):
    """
    Version and variant are those of RFC 9562 (S7).
    """
    ids = [
        row[0]
        for row in db.rows(
            "select singularity_workflow.new_run_id() from generate_series(1, 200)"
        )
    ]

    assert {found.version for found in ids} == {7}
    assert {found.variant for found in ids} == {RFC_4122}
    assert len(set(ids)) == 200


def test_it_begins_with_the_time(db):
    """
    Milliseconds since 1970 in the first 48 bits, so that ids order by creation.
    """
    before, found, after = db.row(
        "select floor(extract(epoch from clock_timestamp()) * 1000), "
        "singularity_workflow.new_run_id(), "
        "ceil(extract(epoch from clock_timestamp()) * 1000)"
    )

    assert before <= found.int >> 80 <= after
