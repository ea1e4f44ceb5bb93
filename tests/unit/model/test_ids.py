"""Ids of runs and workers are version 7 uuids in the order of their creation."""

from __future__ import annotations

import time
from uuid import RFC_4122

from singularity_workflow.model.ids import IdMaker


def test_ids_are_version_7():
    """
    The database takes no other version.
    """
    made = IdMaker().new_id()

    assert (made.version, made.variant) == (7, RFC_4122)


def test_ids_ascend_within_a_millisecond():
    """
    More ids than a millisecond has numbers for are in order all the same.
    """
    maker = IdMaker()

    made = [maker.new_id() for _ in range(10_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_tell_the_time():
    """
    The first 48 bits are Unix milliseconds.
    """
    before = time.time_ns() // 1_000_000

    made = IdMaker().new_id()

    after = time.time_ns() // 1_000_000
    assert before <= made.int >> 80 <= after


def test_two_makers_do_not_meet():
    """
    Ids of different processes differ in their random part.
    """
    one, other = IdMaker(), IdMaker()

    made = {maker.new_id() for maker in (one, other) for _ in range(1_000)}

    assert len(made) == 2_000
