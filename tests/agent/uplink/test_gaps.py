"""When a hole is asked for, and when not again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.uplink import gaps
from agent.uplink.gaps import ANSWER_LONGEST_US, ANSWER_US, MOST_OPEN, MOST_SEQS, Gaps

S = 1_000_000
LANE = ("site", "node", 5, "a")

Step = tuple[int, tuple[int, int] | None]  # seconds, the lowest hole


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([(0, None), (9, None)], [], id="nothing-missing-nothing-asked"),
        pytest.param([(0, (4, 7)), (2, (4, 7)), (2, None), (9, None)], [], id="filled-in-time"),
        pytest.param([(0, (4, 7)), (3, (4, 7))], [(3, 4, 7)], id="asked-after-the-window"),
        pytest.param(
            [(0, (4, 7)), (2, (6, 7)), (4, (6, 7)), (5, (6, 7))],
            [(5, 6, 7)],
            id="order-that-moves-waits-anew",
        ),
        pytest.param(
            [(0, (4, 7)), *((t, (4, 7)) for t in range(1, 33))], [(3, 4, 7)], id="not-twice-at-once"
        ),
        pytest.param(
            [(0, (4, 7)), (3, (4, 7)), (33, (4, 7)), (92, (4, 7)), (93, (4, 7))],
            [(3, 4, 7), (33, 4, 7), (93, 4, 7)],
            id="again-after-the-deadline-then-more-patient",
        ),
        pytest.param(
            [(0, (4, 7)), (3, (4, 7)), (4, (6, 7)), (32, (6, 7)), (33, (6, 7))],
            [(3, 4, 7), (33, 6, 7)],
            id="half-an-answer-still-counts-as-outstanding",
        ),
        pytest.param(
            [(0, (1, 1200)), (3, (1, 1200)), (4, (501, 1200)), (5, (1001, 1200)), (6, None)],
            [(3, 1, 500), (4, 501, 1000), (5, 1001, 1200)],
            id="a-wide-hole-piece-by-piece",
        ),
        pytest.param(
            [(0, (4, 7)), (3, (4, 7)), (4, (9, 9))],
            [(3, 4, 7), (4, 9, 9)],
            id="the-hole-behind-has-waited-too",
        ),
    ],
)
def test_a_hole_is_asked_for(steps: list[Step], expected: list[tuple[int, int, int]]) -> None:
    watched = Gaps(window_us=3 * S)
    asked = []
    for at_s, hole in steps:
        watched.stands(LANE, hole, at_s * S)
        asked += [(at_s, each.first, each.last) for each in watched.due(at_s * S)]

    assert asked == expected
    assert watched.asked == len(expected)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 3000)), max_size=60))
def test_whatever_comes_requests_are_bounded_and_have_a_deadline(
    moves: list[tuple[int, int]],
) -> None:
    watched = Gaps()
    now_us = outstanding_until_us = 0
    asked_to = 0
    for later_s, first in moves:
        now_us += later_s * S
        watched.stands(LANE, (first, first + 2000), now_us)
        for each in watched.due(now_us):
            assert each.last - each.first < MOST_SEQS
            assert ANSWER_US <= each.answer_us <= ANSWER_LONGEST_US
            assert now_us >= outstanding_until_us or each.first > asked_to or first < asked_to
            outstanding_until_us, asked_to = now_us + each.answer_us, each.last


def test_no_more_requests_than_one_link_can_answer_are_open() -> None:
    watched = Gaps(window_us=0)
    for number in range(MOST_OPEN + 10):
        watched.stands(("site", f"n{number}", 5, "a"), (1, 2), 0)

    first = watched.due(0)
    assert len(first) == MOST_OPEN
    assert watched.due(1) == []
    for each in first[:4]:
        watched.stands((each.site, each.node, each.epoch, each.lane), None, 2)
    assert len(watched.due(2)) == 4


def test_the_window_is_what_the_contract_leaves_to_order() -> None:
    assert 2 * S <= gaps.WINDOW_US <= 5 * S
