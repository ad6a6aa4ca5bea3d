"""Back-off: contract.md section 4, promise 6."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.uplink.backoff import Backoff

S = 1_000_000


def _longest(limit: int) -> int:
    return limit - 1


def test_the_ceiling_doubles_from_one_second_to_five_minutes() -> None:
    backoff = Backoff(_longest)

    delays = [backoff.failed(0) for _ in range(11)]

    assert delays == [n * S for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300)]


def test_the_jitter_is_full_so_the_shortest_delay_is_none_at_all() -> None:
    backoff = Backoff(lambda limit: 0)

    assert [backoff.failed(0) for _ in range(5)] == [0] * 5


def test_a_minute_of_good_link_starts_anew() -> None:
    backoff = Backoff(_longest)
    for _ in range(6):
        backoff.failed(0)

    backoff.connected(100 * S)

    assert backoff.failed(160 * S) == 1 * S


def test_a_link_that_breaks_within_the_minute_does_not_start_anew() -> None:
    backoff = Backoff(_longest)
    for _ in range(6):
        backoff.failed(0)

    backoff.connected(100 * S)

    assert backoff.failed(160 * S - 1) == 64 * S


def test_a_good_link_is_good_once_only() -> None:
    backoff = Backoff(_longest)
    backoff.connected(0)
    backoff.failed(60 * S)

    assert backoff.failed(120 * S) == 2 * S


@pytest.mark.parametrize(
    ("random_below", "delay_s"), [(_longest, 900), (lambda limit: 0, 450)], ids=["most", "least"]
)
def test_a_reason_that_lasts_keeps_away_for_a_quarter_of_an_hour_or_half_of_it(
    random_below: Callable[[int], int], delay_s: int
) -> None:
    backoff = Backoff(random_below)

    assert [backoff.failed(n, lasting=True) for n in range(3)] == [delay_s * S] * 3


def test_a_reason_that_lasts_leaves_the_other_delays_as_they_are() -> None:
    backoff = Backoff(_longest)
    backoff.failed(0)
    backoff.failed(0, lasting=True)

    assert backoff.failed(0) == 2 * S


@given(st.integers(0, 2**32), st.lists(st.integers(0, 90 * S), max_size=40))
def test_every_delay_lies_between_nothing_and_the_ceiling(seed: int, links: list[int]) -> None:
    backoff = Backoff(random.Random(seed).randrange)
    now_us = 0
    for up_us in links:
        ceiling_us = backoff.ceiling_us if up_us < 60 * S else 1 * S
        backoff.connected(now_us)
        now_us += up_us
        delay_us = backoff.failed(now_us)
        assert 0 <= delay_us <= ceiling_us <= 300 * S
        now_us += delay_us
