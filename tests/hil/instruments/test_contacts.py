from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.instruments.contacts import Contact, bouncing, with_bounce
from tests.hil.instruments.waves import feeder

RATE_HZ = 10_000


def trace(changes: list[int], length: int = 4000) -> np.ndarray:
    states = np.zeros(length, dtype=np.bool_)
    for change in changes:
        states[change:] ^= True
    return states


def edges(states: np.ndarray) -> list[int]:
    return [int(k) + 1 for k in np.flatnonzero(np.diff(states))]


@given(st.lists(st.integers(1, 3999), unique=True, max_size=8).map(sorted), st.integers(0, 999))
def test_a_contact_moves_when_the_trace_says_and_rests_within_its_bounce_time(
    changes: list[int], seed: int
) -> None:
    ideal = trace(changes)

    moved = bouncing(ideal, RATE_HZ, seed, Contact(closing_ms=5, opening_ms=2))

    for begin, end in pairwise([*changes, 4000]):
        assert moved[begin] == ideal[begin]
        rests = begin + (51 if ideal[begin] else 21)
        assert (moved[rests:end] == ideal[rests:end]).all()
    before = changes[0] if changes else 4000
    assert not moved[:before].any()


def test_it_bounces_a_few_times_and_the_same_seed_bounces_the_same() -> None:
    ideal = trace([500])
    bounces = [len(edges(bouncing(ideal, RATE_HZ, seed))) for seed in range(200)]

    assert set(bounces) == {3, 5, 7, 9}
    assert (bouncing(ideal, RATE_HZ, 5) == bouncing(ideal, RATE_HZ, 5)).all()


def test_every_flight_is_followed_by_shorter_ones_on_the_whole() -> None:
    ideal = trace([500])
    first, last = [], []
    for seed in range(200):
        moves = edges(bouncing(ideal, 1_000_000, seed, Contact(closing_ms=5)))
        if len(moves) == 9:
            first.append(moves[2] - moves[1])
            last.append(moves[8] - moves[7])
    assert np.mean(first) > 3 * np.mean(last)


@pytest.mark.parametrize("contact", [Contact(closing_ms=0, opening_ms=0), Contact(bounces=0)])
def test_a_contact_that_does_not_bounce_is_the_trace(contact: Contact) -> None:
    ideal = trace([100, 900, 950])
    assert (bouncing(ideal, RATE_HZ, 1, contact) == ideal).all()


def test_a_recording_s_contacts_bounce_each_in_its_own_way_and_nothing_else_changes() -> None:
    n = 2000
    closed = np.arange(n) >= 700
    recording = feeder(contacts={"switch": closed, "earth": closed})

    moved = with_bounce(recording, 7)

    assert (moved.contacts["switch"] != moved.contacts["earth"]).any()
    assert moved.counts is recording.counts
    assert (recording.contacts["switch"] == closed).all()
