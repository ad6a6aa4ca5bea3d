from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.durations import Durations


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=200), st.integers(1, 100))
def test_a_quantile_is_told_by_an_eighth_too_high_at_most(taken: list[int], percent: int) -> None:
    durations = Durations()
    for each in taken:
        durations.add(each)

    exact = sorted(taken)[-(-len(taken) * percent // 100) - 1]  # by sorting them all

    assert exact <= durations.quantile(percent) <= max(exact, exact * 9 // 8)
    assert (durations.longest, durations.count) == (max(taken), len(taken))


def test_any_load_takes_little_memory() -> None:
    durations = Durations()
    for each in range(100_000):
        durations.add(each * 7919 % 1_000_003)
    assert len(durations._counts) < 160


def test_nothing_measured_is_zero_and_clearing_begins_anew() -> None:
    durations = Durations()
    assert durations.quantile(99) == 0
    durations.add(-5)
    durations.clear()
    assert (durations.count, durations.longest, durations.quantile(50)) == (0, 0, 0)
