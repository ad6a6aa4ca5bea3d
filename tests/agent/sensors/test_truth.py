"""What is believed of a meter: a table of what it says, read by read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.records import Quality
from agent.sensors.registers import Point
from agent.sensors.truth import FROZEN_POLLS, Truth

VOLTS, AMPS = Point("ua", 0, unit="V"), Point("ia", 2, unit="A", high=50_000.0)
SWITCH, POWER = Point("switch", 4, space="discrete"), Point("p", 6, unit="W")
GOOD, INVALID = Quality.GOOD, Quality.INVALID


class Meter:
    """Polls a truth as the driver does, with what the second read would say beside the first."""

    def __init__(self, *points: Point) -> None:
        self.truth = Truth(points)
        self.second_reads = 0

    def poll(
        self, first: list[float | None], second: list[float | None] | None = None
    ) -> tuple[list[float | None], Quality]:
        values = list(first)
        doubtful = self.truth.doubts(values)
        if doubtful:
            self.second_reads += 1
            values = self.truth.settle(values, second or first, doubtful)
        quality = self.truth.judge(values)
        return values, quality


@pytest.mark.parametrize(
    ("point", "last", "first", "second", "believed", "quality"),
    [
        pytest.param(VOLTS, 5773.0, 0.0, 0.0, 0.0, GOOD, id="a-loss-said-twice"),
        pytest.param(VOLTS, 5773.0, 0.0, 5770.0, 5770.0, GOOD, id="a-zero-said-once"),
        pytest.param(VOLTS, 5773.0, 0.0, None, None, INVALID, id="a-zero-and-then-nothing"),
        pytest.param(VOLTS, 5773.0, 0.0, 9000.0, None, INVALID, id="a-zero-and-then-too-much"),
        pytest.param(VOLTS, 5773.0, 2000.0, 400.0, 400.0, GOOD, id="falling-still"),
        pytest.param(VOLTS, 0.0, 5773.0, 5773.0, 5773.0, GOOD, id="a-return-said-twice"),
        pytest.param(AMPS, 100.0, 2400.0, 2390.0, 2390.0, GOOD, id="a-fault-said-twice"),
        pytest.param(AMPS, 100.0, 2400.0, 101.0, 101.0, GOOD, id="a-fault-said-once"),
        pytest.param(AMPS, 100.0, 900.0, 2400.0, 2400.0, GOOD, id="rising-still"),
        pytest.param(AMPS, 100.0, 2400.0, 90_000.0, None, INVALID, id="then-beyond-plausible"),
        pytest.param(SWITCH, 1.0, 0.0, 0.0, 0.0, GOOD, id="opened"),
        pytest.param(SWITCH, 1.0, 0.0, 1.0, 1.0, GOOD, id="opened-said-once"),
    ],
)
def test_a_jump_is_believed_when_a_second_read_says_it_too(
    point: Point,
    last: float,
    first: float,
    second: float | None,
    believed: float | None,
    quality: Quality,
) -> None:
    meter = Meter(point)
    meter.poll([last])
    assert meter.poll([first], [second]) == ([believed], quality)


def test_what_a_second_read_denies_is_counted() -> None:
    meter = Meter(VOLTS)
    meter.poll([5773.0])
    meter.poll([0.0], [5773.0])
    meter.poll([0.0], [9000.0])
    meter.poll([0.0], [0.0])
    assert meter.truth.unconfirmed == 2


@pytest.mark.parametrize(
    ("point", "last", "now"),
    [
        pytest.param(VOLTS, 5773.0, 5600.0, id="volts-within-five-percent"),
        pytest.param(AMPS, 100.0, 118.0, id="amps-within-a-fifth"),
        pytest.param(AMPS, 0.01, 0.05, id="noise-of-an-idle-line"),
        pytest.param(POWER, 1000.0, -1000.0, id="power-raises-no-alarm"),
        pytest.param(SWITCH, 1.0, 1.0, id="a-switch-that-stays"),
    ],
)
def test_what_does_not_jump_costs_no_second_read(point: Point, last: float, now: float) -> None:
    meter = Meter(point)
    meter.poll([last])
    before = meter.second_reads
    assert meter.poll([now]) == ([now], GOOD)
    assert meter.second_reads == before


def test_the_very_first_word_of_a_meter_is_not_believed_alone() -> None:
    meter = Meter(VOLTS)
    assert meter.poll([0.0], [5773.0]) == ([None], INVALID)
    assert meter.truth.complaint == "not confirmed by a second read: ua"
    assert meter.poll([5774.0]) == ([5774.0], GOOD)
    assert meter.truth.complaint == ""


def test_a_jump_in_the_second_read_alone_has_been_said_once_only() -> None:
    meter = Meter(VOLTS, AMPS)
    meter.poll([5773.0, 100.0])
    assert meter.poll([0.0, 100.0], [0.0, 2400.0]) == ([0.0, 100.0], GOOD)
    assert meter.poll([0.0, 2400.0]) == ([0.0, 2400.0], GOOD)


def test_an_implausible_value_is_none_and_named() -> None:
    meter = Meter(VOLTS, AMPS)
    meter.poll([5773.0, 100.0])
    assert meter.poll([5773.0, 60_000.0]) == ([5773.0, None], INVALID)
    assert meter.truth.complaint == "implausible: ia = 60000"


def test_a_heartbeat_that_stands_still_makes_readings_stale() -> None:
    meter = Meter(Point("count", 0, heartbeat=True))
    marks = [meter.poll([7.0])[1] for _ in range(FROZEN_POLLS + 2)]
    assert marks == [GOOD] * FROZEN_POLLS + [Quality.STALE] * 2
    assert meter.poll([8.0]) == ([8.0], GOOD)


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.floats(0, 1e4)), st.one_of(st.none(), st.floats(0, 1e4))),
        min_size=1,
        max_size=30,
    )
)
def test_whatever_a_meter_says_a_delivered_value_was_said_in_this_very_poll(
    polls: list[tuple[float | None, float | None]],
) -> None:
    meter = Meter(VOLTS)
    last: float | None = None
    for first, second in polls:
        (value,), _ = meter.poll([first], [second])
        if value is None:
            continue
        assert value in {first, second}
        if last is not None and abs(value - last) > 0.05 * max(value, last) + 1.0:
            # A jump: both reads of this poll went the same way.
            assert first is not None
            assert second is not None
            assert (first > last) == (second > last) == (value > last)
        last = value
