"""Torn conductors from samples to events, as the detector runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.detect.measured import detect, recorded
from tests.agent.detect.open_phase import Source, State, beyond, load, opened

HERE, THERE = load(60.0), load(90.0, 30.0)
WHOLE = Source().feed(HERE, THERE)
TORN = Source().feed(HERE, opened(THERE, 1))
ALONE = Source().feed(THERE)
ALL_TORN = Source().feed(opened(THERE, 1))
BEHIND = State(ALL_TORN.amps, beyond(THERE, 1, ALL_TORN.volts))
BRANCH = Source().feed(load(135.0), load(15.0)), Source().feed(load(135.0), opened(load(15.0), 2))


def told(before: State, after: State, **more: Any) -> list[Any]:
    named = ("broken_conductor", "unbalance", "sensor_trouble", "fault")
    return [e for e in detect(recorded(before, after, **more)) if e.event in named]


@pytest.mark.parametrize("rate_hz", [800, 4_000, 12_800])
@pytest.mark.parametrize("frequency_hz", [49.8, 50.0])
def test_a_torn_conductor_ahead_is_an_alarm_within_a_third_of_a_second(
    rate_hz: int, frequency_hz: float
) -> None:
    (event,) = told(WHOLE, TORN, rate_hz=rate_hz, frequency_hz=frequency_hz)

    assert (event.event, event.alarm, event.element) == ("broken_conductor", True, "46BC")
    assert (event.phases, event.direction) == ("B", "forward")
    assert event.t_us < 400_000 + 330_000
    assert event.onset_us == pytest.approx(400_000, abs=30_000)
    earliest_us, latest_us = event.bounds_us
    assert earliest_us <= 400_000 <= latest_us
    assert event.why["share"] == pytest.approx(0.6, abs=0.03)


def test_noise_and_distorted_load_do_not_hide_it() -> None:
    (event,) = told(WHOLE, TORN, noise_db=40.0, fifth=0.2)

    assert (event.event, event.phases, event.alarm) == ("broken_conductor", "B", True)


def test_behind_the_gap_it_is_no_alarm() -> None:
    (event,) = told(ALONE, BEHIND)

    assert (event.event, event.alarm, event.direction) == ("broken_conductor", False, "reverse")


def test_fed_from_the_other_side_it_lies_towards_the_normal_source() -> None:
    turned = [State(-state.amps, state.volts) for state in (WHOLE, TORN)]
    (event,) = told(*turned)

    assert (event.alarm, event.direction) == (False, "reverse")


def test_without_voltages_what_still_flows_says_where() -> None:
    (partly,) = told(WHOLE, TORN, roles=("ia", "ib", "ic", "i0"))
    (wholly,) = told(ALONE, ALL_TORN, roles=("ia", "ib", "ic", "i0"))

    assert (partly.alarm, partly.direction) == (True, "forward")
    assert (wholly.alarm, wholly.direction) == (False, "unknown")
    assert "no voltages" in wholly.undetermined


def test_a_branch_that_loses_a_phase_is_named_otherwise() -> None:
    (event,) = told(*BRANCH)

    assert (event.event, event.alarm, event.phases) == ("unbalance", False, "C")
    assert "fuse" in event.detail


def test_a_transformer_that_opens_tears_nothing() -> None:
    opened_ct = State(WHOLE.amps * [1, 0, 1], WHOLE.volts)

    assert {e.event for e in told(WHOLE, opened_ct)} == {"sensor_trouble"}


def test_blocks_change_nothing() -> None:
    made = recorded(WHOLE, TORN)
    assert detect(made, block=97) == detect(made)
