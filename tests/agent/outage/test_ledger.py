from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.outage import ledger
from agent.outage.ledger import Ledger

SCENARIOS = [
    pytest.param([], [], id="nothing-happened"),
    pytest.param(
        [["s1", "ABC", False, 10, 12]],
        [
            ["s1", "A", 10, 12, None, None],
            ["s1", "B", 10, 12, None, None],
            ["s1", "C", 10, 12, None, None],
        ],
        id="still-dead",
    ),
    pytest.param(
        [["s1", "B", False, 10, 12], ["s1", "B", True, 30, 33]],
        [["s1", "B", 10, 12, 30, 33]],
        id="one-phase-and-back",
    ),
    pytest.param(
        [["s1", "B", False, 10, 12], ["s1", "B", False, 20, 22], ["s1", "ABC", True, 30, 33]],
        [["s1", "B", 10, 12, 30, 33]],
        id="a-second-loss-and-a-return-of-the-live-tell-nothing",
    ),
    pytest.param(
        [["s1", "A", False, 10, 40], ["s1", "A", True, 5, 45]],
        [["s1", "A", 10, 40, 10, 45]],
        id="bounds-of-a-blind-time-overlap-but-it-came-back-later",
    ),
    pytest.param(
        [["s1", "A", False, 1, 2], ["s2", "A", False, 3, 4], ["s1", "A", True, 5, 6]],
        [["s1", "A", 1, 2, 5, 6], ["s2", "A", 3, 4, None, None]],
        id="sections-apart",
    ),
]


@pytest.mark.parametrize(("facts", "expected"), SCENARIOS)
def test_intervals(board: Any, facts: list[Any], expected: list[Any]) -> None:
    intervals = ledger.intervals(facts)
    assert [list(interval) for interval in intervals] == expected
    assert board([("agent.outage.ledger", "intervals", [facts])]) == [intervals]


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the earlier first"):
        Ledger().feed(("s1", "A", False, 2, 1))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, str, bool, int, int]]:
    t_us, facts = 0, []
    for _ in range(draw(st.integers(0, 30))):
        t_us += draw(st.integers(0, 1000))
        width = draw(st.integers(0, 500))
        phases = draw(st.sampled_from(["A", "B", "C", "AB", "BC", "ABC"]))
        section = draw(st.sampled_from(["s1", "s2"]))
        facts.append((section, phases, draw(st.booleans()), t_us - width, t_us))
    return facts


@given(histories())
def test_intervals_are_ordered_and_never_negative(facts: list[Any]) -> None:
    for _, _, start_low, start_high, end_low, end_high in ledger.intervals(facts):
        assert start_low <= start_high
        if end_low is not None and end_high is not None:
            assert start_low <= end_low <= end_high
            assert start_high <= end_high


@given(histories())
def test_phases_do_not_know_of_each_other(facts: list[Any]) -> None:
    def of_phase(some: list[Any]) -> list[Any]:
        return [i for i in ledger.intervals(some) if i[:2] == ("s1", "B")]

    alone = [
        ("s1", "B", live, low, high)
        for section, phases, live, low, high in facts
        if section == "s1" and "B" in phases
    ]
    assert of_phase(facts) == of_phase(alone)


@given(histories())
def test_rebuilt_after_any_restart_it_is_as_it_was_when_fed_one_by_one(facts: list[Any]) -> None:
    running = Ledger()
    for count, fact in enumerate(facts, start=1):
        running.feed(fact)
        seen = [i for section in ("s1", "s2") for i in running.intervals(section)]
        assert sorted(seen, key=repr) == sorted(ledger.intervals(facts[:count]), key=repr)


@given(histories())
def test_dead_now_is_what_the_last_fact_of_each_phase_said(facts: list[Any]) -> None:
    ledger_now, last = Ledger(), {}
    for section, phases, live, low, high in facts:
        ledger_now.feed((section, phases, live, low, high))
        last.update({(section, phase): live for phase in phases})
    for section in ("s1", "s2"):
        dead = "".join(phase for phase in "ABC" if last.get((section, phase)) is False)
        assert ledger_now.dead_phases(section) == dead
        lasting = [i[1] for i in ledger_now.intervals(section) if i[4] is None]
        assert sorted(lasting) == list(dead)


def test_long_histories_are_the_same_on_the_board(board: Any) -> None:
    calls, expected = [], []
    for seed in range(20):
        chance = random.Random(seed)
        facts: list[Any] = []
        t_us = 1_795_478_400_000_000  # beyond the small integers of a board
        for _ in range(40):
            t_us += chance.randrange(10**6)
            section, phases = chance.choice(["s1", "s2"]), chance.choice(["A", "BC", "ABC"])
            live, width_us = chance.random() < 0.5, chance.randrange(10**6)
            facts.append([section, phases, live, t_us - width_us, t_us])
        calls.append(("agent.outage.ledger", "intervals", [facts]))
        expected.append(ledger.intervals(facts))
    assert board(calls) == expected
