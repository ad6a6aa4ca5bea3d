"""Ranges that were asked for, against a plain set of seqs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.uplink.requests import MOST, Requests

ranges = st.tuples(st.integers(1, 60), st.integers(0, 20)).map(lambda each: (each[0], sum(each)))


@given(st.lists(ranges, max_size=12), st.integers(1, 9), st.integers(2, 90))
def test_what_was_asked_for_goes_once_in_order_and_what_was_never_sent_is_forgotten(
    asked: list[tuple[int, int]], size: int, head: int
) -> None:
    requests = Requests()
    wanted: set[int] = set()
    for first, last in asked:
        assert requests.add("h", first, last, None)
        wanted |= set(range(first, last + 1))

    sent: list[int] = []
    while due := requests.first("h", head, 0):
        last = min(due[1], due[0] + size - 1)
        requests.sent("h", due[0], last)
        sent += range(due[0], last + 1)

    assert sent == sorted(seq for seq in wanted if seq < head)
    assert len(requests) == 0


def test_too_many_holes_are_refused_and_neighbours_count_once() -> None:
    requests = Requests()

    taken = [requests.add("a", 10 * n + 1, 10 * n + 2, None) for n in range(MOST + 1)]

    assert taken == [True] * MOST + [False]
    assert requests.add("a", 3, 10, None)  # joins two of them
    assert len(requests) == MOST - 1
    assert requests.add("h", 1, 1, None)
    assert not requests.add("s", 1, 1, None)


def test_a_deadline_drops_a_range_and_the_later_one_counts_for_two_that_join() -> None:
    requests = Requests()
    requests.add("a", 1, 5, 100)
    requests.add("a", 6, 9, 200)
    requests.add("s", 1, 5, 100)

    assert requests.first("s", 99, 100) is None
    assert requests.first("a", 99, 199) == (1, 9)
    assert requests.first("a", 99, 200) is None
    assert requests.expired == 2
