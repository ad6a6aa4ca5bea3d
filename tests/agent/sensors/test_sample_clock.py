"""When samples were taken, learnt from arrivals that are late by chance and clocks that part."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sensors.sample_clock import FOLLOW_PPM, SETTLE_US, TRUST_US, SampleClock

RATE = Fraction(4000)
FRAME = 8  # samples: 2 ms
BEGAN_US = 1_000_000_000
Way = Callable[[float], float]  # from seconds since the beginning to a delay [us]


def jitter(seed: int, usb: float = 0.0) -> Way:
    """A scheduler's lateness; and, with `usb`, an adapter that hands over every so many ms."""
    chance = random.Random(seed)

    def late(s: float) -> float:
        held = (-s * 1000 % usb) * 1000 if usb else 0.0
        return 60 + chance.expovariate(1 / 150) + held + (chance.random() < 0.01) * 8000

    return late


def played(
    seconds: float, way: Way, ppm: float = 0.0, clock: SampleClock | None = None
) -> Iterator[tuple[float, float, int]]:
    """(seconds, error of the stamp [us], stamped start [ns]) of each frame, once settled.

    ppm: how much faster the digitiser's crystal is than our clock.
    """
    clock = clock or SampleClock(RATE)
    for index in range(FRAME - 1, round(seconds * RATE), FRAME):
        true_us = index / float(RATE) * 1e6 / (1 + ppm * 1e-6)
        arrival_us = round(BEGAN_US + true_us + way(true_us / 1e6))
        clock.hear(index, arrival_us)
        if clock.settled(arrival_us):
            start_ns = clock.start_ns(index)
            stamp_us = (start_ns + clock.after_ns(index)) / 1000 - BEGAN_US
            yield true_us / 1e6, stamp_us - true_us, start_ns


@pytest.mark.parametrize("ppm", [-100, -20, 0, 20, 100])
@pytest.mark.parametrize("usb", [0.0, 16.0])
def test_a_stamp_is_late_by_the_way_s_least_delay_for_hours_whatever_the_jitter(
    ppm: float, usb: float
) -> None:
    errors = [error for _, error, _ in played(60, jitter(1, usb), ppm)]

    assert min(errors) >= 50
    # An adapter that hands over every 16 ms takes a frame along that ended up to a frame ago.
    assert max(errors) < 60 + 120 + (2000 + 16 * 8 if usb else 0)


def test_a_way_that_is_blocked_for_a_while_moves_no_stamp_by_more_than_the_crystals() -> None:
    steady = jitter(2)

    def way(s: float) -> float:
        return steady(s) + (2_000_000 * (22 - s) / 2 if 20 <= s < 22 else 0)  # then all at once

    errors = [error for _, error, _ in played(40, way)]

    assert max(errors) < 60 + 2 * 500 + 120
    assert errors[-1] < 200


def test_stamps_that_began_late_catch_up_and_time_never_goes_back() -> None:
    steady = jitter(3)
    clock = SampleClock(RATE)

    def way(s: float) -> float:
        return steady(s) + (15_000 if s < 0.5 else 0)

    told = list(played(40, way, clock=clock))

    assert told[0][1] > 14_000
    assert told[-1][1] < 200
    step_ns = clock.after_ns(FRAME) * FOLLOW_PPM // 1_000_000
    starts = [start_ns for _, _, start_ns in told]
    assert all(abs(b - a) <= step_ns for a, b in pairwise(starts))


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 3_000_000)), max_size=40))
def test_instants_of_samples_always_rise(frames: list[tuple[int, int]]) -> None:
    clock, index, arrival_us, latest_ns = SampleClock(Fraction(51_200)), -1, 0, -(10**12)
    for sets, wait_us in frames:
        begin, index = index + 1, index + sets
        arrival_us += wait_us
        clock.hear(index, arrival_us)
        if not clock.settled(arrival_us):
            continue
        start_ns = clock.start_ns(index)
        assert start_ns + clock.after_ns(begin) > latest_ns
        latest_ns = start_ns + clock.after_ns(index)


def test_nothing_is_stamped_before_several_arrivals_were_seen() -> None:
    clock = SampleClock(RATE)
    assert not clock.settled(0)
    clock.hear(7, 500)
    assert not clock.settled(500 + SETTLE_US - 1)
    assert clock.settled(500 + SETTLE_US)


@pytest.mark.parametrize(
    ("ppm", "sign"), [pytest.param(-10_000, 1, id="slow"), pytest.param(10_000, -1, id="fast")]
)
def test_another_rate_than_the_announced_one_is_noticed(ppm: float, sign: int) -> None:
    clock = SampleClock(RATE)
    for s, error, _ in played(60, jitter(4), ppm, clock):
        if parted_us := clock.parted_us():
            assert parted_us * sign > TRUST_US
            assert s < 30
            assert abs(error) < 300_000
            return
    raise AssertionError("it was believed")


def test_a_good_crystal_never_seems_to_part_from_the_time() -> None:
    clock = SampleClock(RATE)
    assert not any(clock.parted_us() for _ in played(60, jitter(5, 16.0), 100, clock))


def test_an_index_that_jumps_ahead_without_time_is_no_clock() -> None:
    clock = SampleClock(RATE)
    for _ in played(2, jitter(6), clock=clock):
        assert clock.parted_us() == 0
    clock.hear(100_000, BEGAN_US + 2_000_000)
    assert clock.parted_us() < -TRUST_US


def test_a_known_delay_is_no_part_of_the_instant() -> None:
    clock = SampleClock(RATE)
    for index in range(0, 2000, 8):
        clock.hear(index, BEGAN_US + index * 250 + 1300, lag_us=1300)
    assert clock.start_ns(2000) == BEGAN_US * 1000
