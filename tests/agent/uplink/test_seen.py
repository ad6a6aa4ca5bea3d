"""What has come, against a plain set of seqs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.uplink.seen import Seen

PARTS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 12)), max_size=30)


def mark_of(seqs: set[int]) -> int:
    mark = 0
    while mark + 1 in seqs:
        mark += 1
    return mark


@given(PARTS)
def test_it_behaves_as_a_set_of_seqs(parts: list[tuple[int, int]]) -> None:
    seen, seqs = Seen(), set[int]()
    for first, length in parts:
        span = set(range(first, first + length + 1))
        fresh = [
            seq for low, high in seen.fresh(first, first + length) for seq in range(low, high + 1)
        ]
        assert fresh == sorted(span - seqs)

        gaps, joins = seen.gaps, seen.joins(first, first + length)
        assert joins == (first == 1 or bool(seqs & set(range(first - 1, first + length + 2))))

        seen.add(first, first + length)
        seqs |= span
        assert not joins or seen.gaps <= gaps

        assert {seq for low, high in seen.ranges() for seq in range(low, high + 1)} == seqs
        assert seen.mark == mark_of(seqs)
        assert Seen(seen.ranges()).ranges() == seen.ranges()


@given(PARTS)
def test_closing_the_lowest_gap_takes_one_gap_at_a_time(parts: list[tuple[int, int]]) -> None:
    seen = Seen()
    for first, length in parts:
        seen.add(first, first + length)
    gaps, highest = seen.gaps, max((last for _, last in seen.ranges()), default=0)

    for left in reversed(range(gaps)):
        mark = seen.mark
        seen.close_lowest_gap()
        assert seen.gaps == left
        assert seen.mark > mark

    seen.close_lowest_gap()
    assert seen.mark == highest


def test_what_comes_in_order_stays_one_range() -> None:
    seen = Seen()
    for seq in range(1, 1000):
        seen.add(seq, seq)

    assert seen.ranges() == [(1, 999)]
    assert seen.gaps == 0


@pytest.mark.parametrize(
    "ranges", [[(3, 2)], [(1, 2), (3, 4)], [(5, 6), (1, 2)], [(-5, -3)], [(1, 5), (4, 9)]]
)
def test_ranges_out_of_order_are_refused(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="expected one behind a gap"):
        Seen(ranges)
