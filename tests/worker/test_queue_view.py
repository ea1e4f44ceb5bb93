"""QueueView: hints and claims together tell whether it is worth to look."""

from __future__ import annotations

import pytest

from singularity_workflow.store.replies import HandedTask, Reply
from singularity_workflow.worker.queue_view import IDLE_POLL, QueueView

TASK = HandedTask("run", 0, 0, 1, None, 0)


class Clock:
    """Seconds that a test moves."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def view(clock):
    """A view whose queues were found empty, up to key 50."""
    view = QueueView(clock)
    view.end_claim(view.begin_claim(), 10, Reply(tasks=[TASK], last=50))
    return view


def test_a_claim_that_found_too_little_has_emptied_the_queues(view):
    """
    Nothing is looked for until somebody tells.
    """
    assert not view.may_have_messages
    assert view.head is None


def test_a_full_claim_says_where_the_rest_begins(view):
    """
    The head is the bound for what may be handed over before it.
    """
    view.end_claim(view.begin_claim(), 1, Reply(tasks=[TASK], last=60, head=60))

    assert view.may_have_messages
    assert view.head == 60


def test_a_claim_begins_at_the_last_key_that_was_taken(view):
    """
    What an old snapshot keeps before it is not passed over again.
    """
    assert view.begin_claim() == 50


def test_an_announcement_below_the_last_key_moves_the_next_claim_there(view):
    """
    A retry keeps its old key.
    """
    view.announce(30)

    assert view.may_have_messages
    assert view.begin_claim() == 30


def test_an_announcement_during_a_claim_outlives_its_empty_reply(view):
    """
    The message was committed after the claim had looked.
    """
    low = view.begin_claim()
    view.announce(70)
    view.end_claim(low, 10, Reply())

    assert view.may_have_messages


def test_a_low_announcement_during_a_claim_outlives_its_last_key(view):
    """
    The claim took higher keys, and did not see the lower one.
    """
    low = view.begin_claim()
    view.announce(20)
    view.end_claim(low, 10, Reply(tasks=[TASK], last=90))

    assert view.begin_claim() == 20


def test_a_reply_full_of_handed_tasks_says_nothing_of_the_queues(view):
    """
    The claim was left out: the slots were taken.
    """
    view.announce(60)
    view.end_claim(view.begin_claim(), 1, Reply(tasks=[TASK]))

    assert view.may_have_messages


def test_now_and_then_a_claim_begins_at_the_first_key(view, clock):
    """
    Whatever a hint did not tell is found.
    """
    clock.now += 6

    assert view.begin_claim() == 0


def test_a_claim_from_the_first_key_that_takes_long_is_made_more_seldom(view, clock):
    """
    Beside an old snapshot each of them passes over all that was ever claimed (F7).
    """
    clock.now += 6
    low = view.begin_claim()
    clock.now += 0.5
    view.end_claim(low, 1, Reply(tasks=[TASK], last=60, head=60))

    clock.now += 20
    soon = view.begin_claim()
    view.end_claim(soon, 1, Reply(tasks=[TASK], last=70, head=70))
    clock.now += 6
    later = view.begin_claim()

    assert (low, soon, later) == (0, 60, 0)


def test_empty_queues_are_believed_for_a_while_only(view, clock):
    """
    A hint may be lost.
    """
    clock.now += IDLE_POLL / 2
    view.look_again()
    believed = not view.may_have_messages
    clock.now += IDLE_POLL
    view.look_again()

    assert believed
    assert view.may_have_messages
