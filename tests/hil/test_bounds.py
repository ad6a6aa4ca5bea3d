"""Exact intervals, against the printed tables."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from hil.bounds import at_most, interval, upper_bound


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # Tables of Clopper and Pearson, 95 %, as Documenta Geigy prints them.
        (0, 10, 0.0, 0.3085),
        (5, 10, 0.1871, 0.8129),
        (8, 8, 0.6306, 1.0),
        (1, 20, 0.0013, 0.2487),
        (95, 100, 0.8872, 0.9836),
    ],
)
def test_an_interval_is_the_one_of_the_tables(count: int, of: int, low: float, high: float) -> None:
    assert interval(count, of) == pytest.approx((low, high), abs=6e-5)


def test_none_of_fifty_nine_shows_less_than_five_in_a_hundred() -> None:
    assert upper_bound(0, 58) > 0.05 >= upper_bound(0, 59)


def test_nothing_seen_tells_nothing() -> None:
    assert interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("count", [0, 1, 499])
def test_a_large_count_stays_within_a_share(count: int) -> None:
    low, high = interval(count, 500)

    assert 0.0 <= low <= count / 500 <= high <= 1.0


def test_at_most_all_is_certain_and_at_most_none_is_the_miss_of_every_one() -> None:
    assert at_most(5, 5, 0.3) == pytest.approx(1.0)
    assert at_most(0, 3, 0.5) == pytest.approx(0.125)


@pytest.mark.parametrize(("failed", "done"), [(0, 1), (0, 59), (1, 100), (5, 50), (20, 400)])
def test_at_the_bound_so_few_failures_have_a_chance_of_one_in_twenty(
    failed: int, done: int
) -> None:
    share = Fraction(upper_bound(failed, done))
    chance = sum(
        math.comb(done, k) * share**k * (1 - share) ** (done - k) for k in range(failed + 1)
    )

    assert float(chance) == pytest.approx(0.05, rel=1e-6)


def test_where_all_failed_nothing_bounds_it() -> None:
    assert upper_bound(3, 3) == 1.0
