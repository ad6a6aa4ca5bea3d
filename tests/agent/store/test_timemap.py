"""Records are never rewritten; whoever reads them finds the truth by the timemaps beside them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import clock
from agent.clock import DRIFT_PPM, Stamp, Timekeeper
from agent.records import Event
from agent.store import entries, entry, timemap
from tests import portable
from tests.agent.machine import BEGIN_US, Machine, S
from tests.agent.test_clock import STEPS, Step, lived
from tests.conftest import Board

Entry = list[Any]


def record(stamp: Stamp) -> Entry:
    event = Event(event="fault", bay="b", t_us=stamp.mono_us)
    return entries.event_entry(event, stamp, logged_us=stamp.mono_us)


class Log:
    """What a terminal on this machine writes: a record at each look, timemaps as they come up."""

    def __init__(self, machine: Machine, boot: int = 1) -> None:
        self._machine = machine
        self._keeper = Timekeeper(boot)
        self.timemaps: list[Entry] = []
        self.records: list[tuple[Entry, list[int]]] = []

    def look(self) -> None:
        told = self._keeper.feed(self._machine.reading())
        if told is not None:
            self.timemaps.append(entries.timemap_entry(told))
        stamp = self._keeper.stamp(self._machine.mono_us)
        self.records.append((record(stamp), self._machine.truths()))

    def assert_true(self) -> None:
        for logged, truths in self.records:
            bounds = timemap.corrected(self.timemaps, logged)
            if bounds is not None:
                assert any(bounds[0] <= truth <= bounds[1] for truth in truths)


def width(bounds: tuple[int, int] | None) -> int:
    assert bounds is not None
    return bounds[1] - bounds[0]


def test_events_from_before_the_clock_was_set_get_their_true_utc() -> None:
    machine = Machine(drift_ppm=-80, utc_us=0)
    log = Log(machine)
    machine.run(90 * S)
    log.look()
    (early, (truth,)) = log.records[0]
    assert timemap.corrected(log.timemaps, early) is None  # nobody can say yet
    machine.run(60 * S)
    machine.synchronise(0, 5000)
    log.look()
    bounds = timemap.corrected(log.timemaps, early)
    assert bounds is not None
    assert bounds[0] <= truth <= bounds[1]
    assert width(bounds) < 2 * (8192 + 60 * DRIFT_PPM + 10)  # 5 ms, as a power of two, and a minute
    assert early[entry.UTC] == early[entry.MONO] < 90 * S  # as it was stored


def test_a_clock_that_somebody_sets_wrong_does_not_spoil_what_is_known() -> None:
    machine = Machine()
    log = Log(machine)
    machine.synchronise(0, 1000)
    log.look()
    machine.run(10 * S)
    machine.set(3600 * S)  # by hand: the error it claims, a minute, is no bound
    log.look()
    bounds = timemap.corrected(log.timemaps, log.records[-1][0])
    assert bounds is not None
    assert bounds[0] <= machine.truths()[0] <= bounds[1]
    log.assert_true()


def test_a_server_that_told_a_wrong_time_is_refuted_by_the_one_after_it() -> None:
    machine = Machine()
    log = Log(machine)
    machine.synchronise(3600 * S, 1000)  # it lies
    for _ in range(3):
        log.look()
        machine.run(S)
    machine.synchronise(0, 1000)
    log.look()
    log.assert_true()


def test_another_boot_says_nothing_of_this_one() -> None:
    machine, other = Machine(utc_us=0), Machine()
    log, later = Log(machine), Log(other, boot=2)
    machine.run(S)
    log.look()
    later.look()
    assert timemap.corrected(later.timemaps, log.records[0][0]) is None


@settings(max_examples=300, deadline=None)
@given(
    STEPS,
    st.integers(-499, 499),
    st.sampled_from([0, BEGIN_US - 30 * S, BEGIN_US + 59 * S]),
    st.randoms(use_true_random=False),
)
def test_the_truth_lies_within_what_is_corrected(
    steps: list[Step], drift_ppm: int, utc_us: int, chance: Any
) -> None:
    machine = Machine(drift_ppm, utc_us)
    log = Log(machine)
    for _ in lived(machine, steps):
        log.look()
    chance.shuffle(log.timemaps)  # in any order
    log.assert_true()
    for logged, _ in log.records:
        if logged[entry.ERROR] is not None:  # never less sure than the record was by itself
            assert width(timemap.corrected(log.timemaps, logged)) <= 2 * logged[entry.ERROR]


def test_the_board_answers_the_same(board: Board) -> None:
    machine = Machine(drift_ppm=200, utc_us=0)
    log = Log(machine)
    for off_us in (None, 0, 2 * S, -S):
        machine.run(1000 * S)
        if off_us is not None:
            machine.synchronise(off_us, 3000)
        log.look()
    calls = [
        ("agent.store.timemap", "corrected", (log.timemaps, logged)) for logged, _ in log.records
    ]
    answers = board(calls)
    assert answers == portable.here(calls)
    assert not [each for each in answers if isinstance(each, portable.Failure)]


def test_a_timemap_reads_as_what_it_is() -> None:
    machine = Machine()
    log = Log(machine)
    log.look()
    shown = entries.shown(log.timemaps[0])
    assert (shown["event"], shown["cause"], shown["utc_offset_after_us"]) == (
        "timemap",
        "start",
        BEGIN_US,
    )


def test_both_ends_mean_the_same_by_their_words() -> None:
    assert (timemap.DRIFT_PPM, timemap.LEAP, timemap.DISCIPLINED) == (
        clock.DRIFT_PPM,
        clock.LEAP,
        clock.NTP,
    )


@pytest.mark.parametrize("cause", ["", None, 3])
def test_a_cause_is_a_text(cause: Any) -> None:
    values = {"utc_offset_after_us": 1, "cause": cause}
    if cause == "":
        entry.compose(entry.TIMEMAP, (1, 0, 0, 1, None), values)
    else:
        with pytest.raises(ValueError, match=r"timemap\.cause"):
            entry.compose(entry.TIMEMAP, (1, 0, 0, 1, None), values)
