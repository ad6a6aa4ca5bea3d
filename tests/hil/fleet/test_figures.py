from __future__ import annotations

import os

from hil.fleet import figures

A1, A2, H1 = ("n1", "a", 1), ("n1", "a", 2), ("n1", "h", 1)


def test_what_arrives_once_and_whole_is_held() -> None:
    found = figures.held({A1: 7, H1: 8}, [(H1, 8), (A1, 7)])

    assert found.ok
    assert found.records == 2


def test_each_way_to_go_wrong_is_told_by_its_key() -> None:
    found = figures.held({A1: 7, A2: 8}, [(A2, 9), (A2, 9), (H1, 1)])

    assert not found.ok
    assert found.lost == [A1]
    assert found.doubled == [A2]
    assert found.altered == [A2]
    assert found.invented == [H1]


def test_a_summary_takes_ranks_that_occurred() -> None:
    assert figures.summary([]) is None
    assert figures.summary([5.0]) == (5.0, 5.0, 5.0)
    assert figures.summary(range(1, 201)) == (100, 198, 200)


def test_the_load_of_a_process_grows_and_one_that_ended_counts_nothing() -> None:
    before = figures.load([os.getpid()])
    sum(n * n for n in range(2_000_000))

    assert figures.load([os.getpid()]).cpu_s > before.cpu_s
    assert before.rss_mb > 1
    assert figures.load([2**22 + 1]) == figures.Load()
