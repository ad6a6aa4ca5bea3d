"""The clock through everything that happens to clocks, on a machine whose true time is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import clock, kernel_time
from agent.clock import HOLDOVER, NTP, UNKNOWN, Clock, Stamp, Timekeeper, Timemap
from agent.kernel_time import IN_LEAP, Kernel, Reading
from tests.agent.machine import BEGIN_US, DAY, Machine, S

HOUR = 3600 * S
Step = tuple[str, int, int]


def seen(keeper: Timekeeper, machine: Machine) -> tuple[Stamp, Timemap | None]:
    told = keeper.feed(machine.reading())
    return keeper.stamp(machine.mono_us), told


def cause(told: Timemap | None) -> str:
    return "" if told is None else told.cause


@pytest.mark.parametrize(
    ("happens", "source", "error_us", "told"),
    [
        pytest.param(lambda m: None, HOLDOVER, 60_000_501, "", id="a-battery-kept-it"),
        pytest.param(lambda m: m.synchronise(0, 900), NTP, 900, "source", id="synchronised"),
        pytest.param(lambda m: m.set(3 * S), HOLDOVER, 60_000_001, "step", id="set-forward"),
        pytest.param(lambda m: m.set(-3 * S), HOLDOVER, 60_000_001, "step", id="set-back"),
        pytest.param(
            lambda m: m.set(S // 5), HOLDOVER, 60_200_501, "adjusted", id="moved-a-little"
        ),
        pytest.param(lambda m: m.set(9), HOLDOVER, 60_000_501, "", id="within-our-looks"),
        pytest.param(lambda m: m.set(-BEGIN_US), UNKNOWN, None, "step", id="set-to-1970"),
    ],
)
def test_what_happens_to_a_clock_that_nobody_disciplines(
    happens: Callable[[Machine], None], source: int, error_us: int | None, told: str
) -> None:
    machine, keeper = Machine(), Timekeeper(1)
    assert cause(seen(keeper, machine)[1]) == "start"
    machine.run(S)
    happens(machine)
    stamp, change = seen(keeper, machine)
    assert (stamp.source, stamp.error_us, cause(change)) == (source, error_us, told)


def test_a_kernel_that_does_not_tell_is_no_discipline() -> None:
    keeper = Timekeeper(1)
    keeper.feed(Reading(S, BEGIN_US, None))
    stamp = keeper.stamp(S)
    assert (stamp.source, stamp.error_us) == (HOLDOVER, 60_000_501)


def test_holdover_grows_from_the_last_word_of_the_daemon() -> None:
    machine, keeper = Machine(drift_ppm=40), Timekeeper(1)
    machine.synchronise(0, 1000)
    assert seen(keeper, machine)[0].source == NTP
    machine.lose()
    errors = []
    for _ in range(4):
        machine.run(6 * HOUR)
        stamp, _ = seen(keeper, machine)
        assert stamp.source == HOLDOVER
        assert stamp.error_us is not None
        errors.append(stamp.error_us)
    assert errors[0] == pytest.approx(1000 + 6 * 3600 * 500, rel=1e-3)
    assert errors[3] == pytest.approx(1000 + 24 * 3600 * 500, rel=1e-3)


def test_a_daemon_that_died_is_holdover_long_before_the_kernel_says_so() -> None:
    machine, keeper = Machine(), Timekeeper(1)
    machine.synchronise(0, 1000)
    sources = []
    for _ in range(12):
        stamp, _ = seen(keeper, machine)
        sources.append(stamp.source)
        machine.run(HOUR)
    assert sources == [NTP] * 2 + [HOLDOVER] * 10
    assert machine.reading().kernel == Kernel(0, False, 16 * S)  # the kernel needs 9 h


def test_the_bound_does_not_fall_when_the_kernel_gives_up() -> None:
    machine, keeper = Machine(), Timekeeper(1)
    machine.synchronise(0, 1000)
    errors = []
    for _ in range(20):
        errors.append(seen(keeper, machine)[0].error_us)
        machine.run(HOUR)
    assert errors == sorted(errors, key=lambda error: error or 0)


def test_a_clock_that_was_never_set_is_unknown_until_somebody_sets_it() -> None:
    machine, keeper = Machine(utc_us=0), Timekeeper(1)
    machine.run(100 * S)
    early, _ = seen(keeper, machine)
    assert (early.utc_us, early.source, early.error_us) == (100 * S, UNKNOWN, None)
    machine.run(20 * S)
    machine.synchronise(0, 2000)
    late, told = seen(keeper, machine)
    assert (late.source, late.error_us) == (NTP, 2000)
    assert told == Timemap(late, 0, BEGIN_US, "set")


def test_an_instant_before_a_clock_of_1970_began_is_still_an_instant() -> None:
    machine, keeper = Machine(utc_us=-50 * S), Timekeeper(1)
    machine.run(51 * S)
    seen(keeper, machine)
    assert keeper.stamp(20 * S).utc_us == 0


def leaping(off_us: int) -> Iterator[tuple[Machine, Stamp, Timemap | None]]:
    """A day's end with an inserted second, looked at five times a second."""
    machine, keeper = Machine(), Timekeeper(1)
    machine.run(HOUR)
    seen(keeper, machine)
    pieces = machine.insert_second(off_us, 1000 + abs(off_us))
    for piece in pieces:
        yield machine, *seen(keeper, machine)
        machine.run(piece)
        machine.leap()


def test_a_leap_second_is_told_as_one_and_says_that_it_is_there_twice() -> None:
    stamps, told = [], []
    for machine, stamp, change in leaping(0):
        inside = machine.reading().kernel
        assert inside is not None
        assert stamp.error_us is not None
        assert (stamp.error_us > S) == (inside.state == IN_LEAP)
        stamps.append(stamp)
        told += [] if change is None else [change]
    leaps = [change for change in told if change.cause == "leap"]
    assert [(x.before_us, x.after_us, x.at.mono_us) for x in leaps] == [
        (BEGIN_US, BEGIN_US - S, DAY)  # exactly at the day's end, not when it was noticed
    ]
    for one, next_one in pairwise(stamps):
        assert one.mono_us < next_one.mono_us
        assert one.utc_us - (one.error_us or 0) <= next_one.utc_us + (next_one.error_us or 0)


def test_an_instant_before_the_leap_keeps_its_second() -> None:
    keeper = Timekeeper(1)
    before = Reading(DAY - S, BEGIN_US + DAY - S, Kernel(kernel_time.INSERTING, True, 1000))
    inside = Reading(DAY + 9000, BEGIN_US + DAY + 9000 - S, Kernel(IN_LEAP, True, 1000))
    keeper.feed(before)
    keeper.feed(inside)
    assert keeper.stamp(DAY - 20_000).utc_us == BEGIN_US + DAY - 20_000


def test_a_second_taken_away_is_a_leap_too() -> None:
    keeper = Timekeeper(1)
    keeper.feed(Reading(DAY - 2 * S, BEGIN_US + DAY - 2 * S, Kernel(kernel_time.DELETING, True, 9)))
    told = keeper.feed(Reading(DAY, BEGIN_US + DAY + S, Kernel(kernel_time.LEAP_DONE, True, 9)))
    assert told is not None
    assert (told.cause, told.at.mono_us) == ("leap", DAY - S)
    assert keeper.stamp(DAY - S - 1).utc_us == BEGIN_US + DAY - S - 1


def test_a_sawtooth_of_errors_is_told_once_in_ten_minutes_and_every_step_at_once() -> None:
    machine, keeper = Machine(), Timekeeper(1)
    told = []
    for second in range(3600):
        machine.synchronise(0, 500 if second % 64 < 32 else 50_000)
        told.append(cause(seen(keeper, machine)[1]))
        machine.run(S)
    assert 4 <= len([each for each in told if each == "error"]) <= 6
    machine.set(5 * S)
    assert cause(seen(keeper, machine)[1]) == "step"
    machine.set(-5 * S)
    assert cause(seen(keeper, machine)[1]) == "step"


def test_small_corrections_are_told_as_one_since_the_last_mapping() -> None:
    machine, keeper = Machine(), Timekeeper(1)
    seen(keeper, machine)
    told = []
    for second in range(1, 1200):
        machine.run(S)
        machine.set(-second * 1000)  # a millisecond a second
        told += [change] if (change := seen(keeper, machine)[1]) else []
    assert [change.cause for change in told] == ["adjusted", "adjusted"]
    assert told[1].before_us == told[0].after_us
    assert told[0].before_us == BEGIN_US


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(1, 40_000), st.just(0)),
        st.tuples(st.just("set"), st.integers(-59_000, 59_000), st.just(0)),
        st.tuples(st.just("set"), st.integers(-500, 500), st.just(0)),
        st.tuples(st.just("synchronise"), st.integers(-400, 400), st.integers(0, 400_000)),
        st.tuples(st.just("lose"), st.just(0), st.just(0)),
        st.tuples(st.just("leap"), st.integers(-400, 400), st.just(0)),
    ),
    max_size=12,
)


def lived(machine: Machine, steps: list[Step]) -> Iterator[None]:
    """Let these things happen to the machine; yields whenever somebody looks at its clocks."""
    yield
    leapt = False
    for what, number, spread_us in steps:
        if what == "run":
            machine.run(number * S)
        elif what == "set":
            machine.set(number * 1000)
        elif what == "lose":
            machine.lose()
        elif what == "synchronise":
            machine.synchronise(number * 1000, abs(number) * 1000 + spread_us)
        elif not leapt:
            leapt = True
            for piece in machine.insert_second(number * 1000, abs(number) * 1000 + 1000):
                yield
                machine.run(piece)
                machine.leap()
        yield


@settings(max_examples=500, deadline=None)
@given(STEPS, st.integers(-499, 499), st.sampled_from([0, BEGIN_US - 30 * S, BEGIN_US + 59 * S]))
def test_the_truth_lies_within_the_error_and_stamps_keep_their_order(
    steps: list[Step], drift_ppm: int, utc_us: int
) -> None:
    machine, keeper = Machine(drift_ppm, utc_us), Timekeeper(1)
    sure: list[Stamp] = []
    for _ in lived(machine, steps):
        stamp, _told = seen(keeper, machine)
        assert (stamp.error_us is None) == (stamp.source == UNKNOWN)
        if stamp.error_us is not None:
            off_us = min(abs(stamp.utc_us - truth) for truth in machine.truths())
            assert off_us <= stamp.error_us
            sure.append(stamp)
    for one, next_one in pairwise(sure):
        assert one.mono_us <= next_one.mono_us
        assert one.utc_us - (one.error_us or 0) <= next_one.utc_us + (next_one.error_us or 0)


# --- the shell on this machine ---


def test_utc_follows_the_system_clock_and_the_monotonic_instant() -> None:
    now = Clock(boot=3)
    t_us = now.now_us()
    stamp = now.stamp(t_us - 5_000_000)
    assert stamp.boot == 3
    assert stamp.mono_us == t_us - 5_000_000
    assert abs(stamp.utc_us + 5_000_000 - time.time_ns() // 1000) < 1_000_000


def test_a_change_that_a_stamp_has_noticed_is_told_once() -> None:
    machine = Machine()
    watch = Clock(1, machine.reading)
    assert [change.cause for change in watch.changes()] == ["start"]
    machine.set(7 * S)
    watch.stamp(0)
    machine.set(-7 * S)
    assert [change.cause for change in watch.changes()] == ["step", "step"]
    assert watch.changes() == []


def test_what_nobody_fetches_does_not_grow() -> None:
    machine = Machine()
    watch = Clock(1, machine.reading)
    for turn in range(4 * clock.CHANGES):
        machine.set((-1) ** turn * S)
        watch.stamp(0)
    assert len(watch.changes()) == clock.CHANGES
