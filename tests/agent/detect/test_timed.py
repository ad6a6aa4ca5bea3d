"""`operate` and `swell` from samples to events, with the detector as it runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agent.detect.detector import Detector, Tap
from agent.detect.settings import Settings, defaults, parse
from agent.records import Block, Event
from tests.agent.detect import scenarios
from tests.agent.detect.feeder import (
    BAY,
    ROLES,
    TAPS,
    Array,
    counts,
    detect,
    driving_volts,
    healthy_volts,
    layout,
    shorted,
    three_phase,
    times,
)

RATE = 1600
ONSET_S = 0.1
DEFAULTS = defaults(BAY)
IS = DEFAULTS.phase_inverse_pickup_amps


def set_to(**values: object) -> Settings:
    return parse({BAY.name: values}, (BAY,), "test")[BAY.name]


# Pickups of 100 A (50P), 20 A (50N), 80 A (51P) and 10 A (51N).
KEYS = {
    "phase_pickup_amps": 100.0,
    "phase_delay_ms": 200.0,
    "residual_pickup_amps": 20.0,
    "residual_delay_ms": 200.0,
    "phase_inverse_curve": "definite",
    "phase_inverse_pickup_amps": 80.0,
    "phase_inverse_multiplier": 1.0,
    "phase_inverse_minimum_ms": 0.0,
    "phase_inverse_delay_ms": 400.0,
    "phase_inverse_reset": "instantaneous",
    "phase_inverse_reset_ms": 0.0,
    "residual_inverse_curve": "B",
    "residual_inverse_pickup_amps": 10.0,
    "residual_inverse_multiplier": 0.1,
    "residual_inverse_minimum_ms": 0.0,
    "residual_inverse_delay_ms": 1000.0,
    "residual_inverse_reset": "dependent",
    "residual_inverse_reset_ms": 0.0,
}
REST = [[0.0, 0.0, 0.0], 0.0, [False, False]]
HEAVY = [[150.0, 90.0, 70.0], 0.0, [True, False]]
EARTH = [[60.0, 50.0, 50.0], 40.0, [False, True]]
UNEQUAL = [[500.0, 490.0, 480.0], 45.0, [True, False]]


@pytest.mark.parametrize(
    ("spans", "off", "expected"),
    [
        pytest.param([(100, REST)], {}, [True], id="at-rest-all-are-idle"),
        pytest.param(
            [(100, REST), (600, HEAVY)],
            {},
            [[292, "50P", 100, ""], [492, "51P", 100, "AB"], False],
            id="50P-after-its-delay-and-51P-with-the-phases-that-stand",
        ),
        pytest.param(
            [(100, REST), (600, EARTH), (700, REST)],
            {},
            # 0.1 x 13.5 / (4 - 1) = 450 ms, less the credit of 13.75
            [[292, "50N", 100, ""], [540, "51N", 100, ""], False],
            id="both-residual-stages-and-a-disc-that-turns-back-is-not-idle",
        ),
        pytest.param(
            [(600, UNEQUAL), (700, REST)],
            {},
            [[192, "50P", 0, ""], [392, "51P", 0, "ABC"], True],
            id="a-residual-below-a-tenth-of-the-current-is-none",
        ),
        pytest.param(
            [(600, HEAVY), (700, REST)],
            {"phase_inverse_curve": "off", "residual_inverse_curve": "off"},
            [[192, "50P", 0, ""], True],
            id="51-is-off",
        ),
    ],
)
def test_the_timed_stages(board: Any, spans: Any, off: Any, expected: Any) -> None:
    arguments = (KEYS | off, [[until, *values] for until, values in spans])
    answer = scenarios.timed(*arguments)
    assert board([("tests.agent.detect.scenarios", "timed", arguments)]) == [answer]
    *told, idle = answer
    in_ms = [[t // 1000, name, since // 1000, phases] for t, name, since, phases in told]
    assert [*in_ms, idle] == expected


def story(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(event.event, event.element) for event in events]


def three_phase_fault(amps: float, lasting_s: float, load: float = 200.0) -> Array:
    t = times(RATE, ONSET_S + lasting_s + 0.1, ONSET_S)
    currents = three_phase(t, amps, 0.7, 0.03, (load, -0.3))
    currents[:, t > lasting_s] = 0.0
    return counts(currents, driving_volts(t, three_phase, 0.7, 2 * np.pi * 50 * 0.03))


def within(seen_s: float, expected_s: float) -> bool:
    return abs(seen_s - expected_s) <= max(0.02 * expected_s, 0.010)


def test_the_fault_is_told_at_its_start_and_the_stages_when_they_operate() -> None:
    events = detect(three_phase_fault(5 * IS, 1.2), RATE)
    assert story(events) == [
        ("fault", "50P"),
        ("operate", "50P"),
        ("operate", "51P"),
        ("fault_cleared", None),
    ]
    fault, definite, inverse, _ = events
    assert [event.alarm for event in events] == [True, False, False, False]
    assert within(definite.t_us / 1e6 - ONSET_S, 0.3)
    assert within(inverse.t_us / 1e6 - ONSET_S, 0.3 * 13.5 / (5 - 1))  # B with TMS 0.3
    assert inverse.phases == "ABC"
    assert inverse.kind == definite.kind == fault.kind == "ABC"
    assert inverse.why["curve"] == "B"
    assert inverse.why["pickup_amps"] == IS


@pytest.mark.parametrize("ratio", [1.5, 2.0, 5.0, 20.0])
@pytest.mark.parametrize("angle", [0.0, 0.8, 1.6, 2.4])
@pytest.mark.parametrize("x_over_r", [1, 10, 40])
def test_a_definite_stage_errs_by_less_than_10_ms_from_the_inception(
    ratio: float, angle: float, x_over_r: float
) -> None:
    t = times(RATE, ONSET_S + 0.25, ONSET_S)
    amps = ratio * DEFAULTS.phase_pickup_amps
    currents = three_phase(t, amps, angle, x_over_r / (2 * np.pi * 50), (200.0, -0.3))
    settings = set_to(phase_delay_ms=200)
    events = detect(counts(currents, healthy_volts(t)), RATE, settings=settings)
    (operate,) = [e for e in events if (e.event, e.element) == ("operate", "50P")]
    assert within(operate.t_us / 1e6 - ONSET_S, 0.2)


def test_the_residual_stages_operate_on_an_earth_fault() -> None:
    t = times(RATE, ONSET_S + 1.5, ONSET_S)
    earth_amps = 4 * DEFAULTS.residual_inverse_pickup_amps
    currents = shorted(t, (earth_amps, 0.0, 0.0), (0.3, 0.0, 0.0), 0.03)
    events = detect(counts(currents, healthy_volts(t)), RATE)
    assert story(events) == [("fault", "50N"), ("operate", "50N"), ("operate", "51N")]
    assert within(events[1].t_us / 1e6 - ONSET_S, 0.3)
    assert within(events[2].t_us / 1e6 - ONSET_S, 0.3 * 0.14 / (4**0.02 - 1))  # A with TMS 0.3
    assert not any(event.alarm for event in events[1:])


def test_a_residual_that_unequal_transformers_feign_operates_nothing() -> None:
    """Phase A's transformer shows 8 % too much of a heavy, balanced current."""
    t = times(RATE, 3.0, ONSET_S)
    currents = three_phase(t, 4000.0, 0.7, 0.03)
    currents[0] *= 1.08
    events = detect(counts(currents, healthy_volts(t)), RATE)
    assert DEFAULTS.residual_inverse_pickup_amps * 1.1 < 4000 * 0.08
    assert "51N" not in [event.element for event in events]


def test_a_long_overload_below_50p_operates_51p_and_alarms_nobody() -> None:
    events = detect(three_phase_fault(1.5 * IS, 9.0), RATE)
    assert story(events) == [("operate", "51P")]
    assert within(events[0].t_us / 1e6 - ONSET_S, 0.3 * 13.5 / 0.5)
    assert not events[0].alarm


@pytest.mark.parametrize("lasting_s", [0.26, 0.6])
def test_a_fault_cleared_before_a_stage_does_not_operate_it(lasting_s: float) -> None:
    told = story(detect(three_phase_fault(5 * IS, lasting_s), RATE))
    assert ("operate", "51P") not in told
    assert (("operate", "50P") in told) == (lasting_s > 0.3)


def test_a_stage_that_is_off_operates_never() -> None:
    settings = set_to(phase_inverse_curve="off", residual_inverse_curve="off")
    told = story(detect(three_phase_fault(5 * IS, 1.2), RATE, settings=settings))
    assert told == [("fault", "50P"), ("operate", "50P"), ("fault_cleared", None)]


def test_the_load_of_the_rating_starts_nothing_by_default() -> None:
    assert detect(three_phase_fault(1.05 * BAY.rating_amps, 3.0, 300.0), RATE) == []


def two_faults() -> Array:
    """Two pulses, so that a dependent reset matters."""
    first, second = three_phase_fault(5 * IS, 0.6), three_phase_fault(6 * IS, 0.9)
    chance = np.random.default_rng(5)
    both = np.concatenate((first, second), axis=1)
    return np.asarray(np.rint(both + chance.normal(0, 3, both.shape)))


PULSED = {"phase_inverse_reset": "dependent", "residual_inverse_reset": "definite"}


@pytest.fixture(scope="module")
def told_at_once() -> list[Event]:
    return detect(two_faults(), RATE, settings=set_to(**PULSED))


def test_a_disc_that_has_not_turned_back_operates_sooner(told_at_once: list[Event]) -> None:
    plain = detect(two_faults(), RATE)
    (sooner,), (later,) = (
        [event.t_us for event in events if event.element == "51P"]
        for events in (told_at_once, plain)
    )
    # 0.6 of 1.0125 s travelled, 0.2 s of the 0.3 * 43.2 s back: all but 0.0154 of it is left.
    left = 0.6 / 1.0125 - 0.2 / (0.3 * 43.2)
    assert later / 1e6 == pytest.approx(0.9 + 0.3 * 13.5 / 5, abs=0.015)
    assert sooner / 1e6 == pytest.approx(0.9 + (1 - left) * 0.3 * 13.5 / 5, abs=0.020)


@pytest.mark.parametrize("block", [1, 3, 7, 32, 50, 1000])
def test_blocks_of_any_size_tell_the_same_bit_for_bit(
    block: int, told_at_once: list[Event]
) -> None:
    assert detect(two_faults(), RATE, block, set_to(**PULSED)) == told_at_once


@pytest.mark.parametrize("factor", [0.5, 4.0])
def test_the_same_ct_ratio_on_currents_and_pickups_changes_no_instant(factor: float) -> None:
    wired = layout(RATE)
    taps = {
        role: Tap(tap.index, tap.scale * (factor if role[0] == "i" else 1.0))
        for role, tap in TAPS.items()
    }
    bay = replace(BAY, rating_amps=BAY.rating_amps * factor)
    scaled = Detector(wired, [(bay, defaults(bay), taps)])
    events = scaled.feed(Block(wired, 0, 0, two_faults()))
    plain = detect(two_faults(), RATE)
    assert [(e.event, e.element, e.t_us) for e in events] == [
        (e.event, e.element, e.t_us) for e in plain
    ]


def risen(t: Array, until_s: float, *shares: float) -> Array:
    """Counts of a feeder whose phase voltages are `shares` of nominal for a while. [V]"""
    during = (t >= 0) & (t < until_s)
    volts = healthy_volts(t) * np.where(during, np.array(shares)[:, np.newaxis], 1.0)
    return counts(np.zeros_like(volts), volts)


def test_a_swell_is_told_once_and_its_end_with_its_height_and_length() -> None:
    t = times(RATE, 0.8, ONSET_S)
    events = detect(risen(t, 0.4, 1.25, 1.25, 1.25), RATE)
    assert story(events) == [("swell", "59"), ("swell", "59")]
    begun, over = events
    assert [event.alarm for event in events] == [False, False]
    assert begun.phases == over.phases == "ABC"
    assert begun.outcome is None
    assert over.outcome == "self_cleared"
    assert begun.onset_us == over.onset_us
    assert begun.onset_us == pytest.approx(ONSET_S * 1e6, abs=20_000)
    assert 0.05 <= begun.t_us / 1e6 - ONSET_S <= 0.075
    assert over.t_us / 1e6 - ONSET_S == pytest.approx(0.41, abs=0.012)
    assert float(over.why["highest_volts"]) >= 1.249 * BAY.nominal_volts


def test_an_earth_fault_that_lifts_two_phases_by_sqrt_3_is_no_swell() -> None:
    t = times(RATE, 0.8, ONSET_S)
    volts = healthy_volts(t)
    volts = np.where(t < 0, volts, volts - volts[0])  # the star point takes the voltage of A
    events = detect(counts(np.zeros_like(volts), volts), RATE)
    assert np.abs(volts[1]).max() * 0.9 > BAY.nominal_volts  # to earth it is high indeed
    assert "swell" not in [event.event for event in events]


def test_a_bay_with_two_voltages_watches_what_lies_between_them() -> None:
    t = times(RATE, 0.4, ONSET_S)
    wired = layout(RATE)
    taps = {role: TAPS[role] for role in ROLES if role != "uc"}
    detector = Detector(wired, [(BAY, DEFAULTS, taps)])
    (swell,) = detector.feed(Block(wired, 0, 0, risen(t, 1.0, 1.3, 1.3, 1.0)))
    assert (swell.event, swell.phases) == ("swell", "AB")
