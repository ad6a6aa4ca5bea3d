"""`unbalance` and `frequency` from samples to events; truth by Fortescue and by the wave itself."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from agent.detect.settings import parse
from agent.records import Event
from tests.agent.detect.feeder import BAY, Array, counts, detect

RATE = 1_600
OWN = ("unbalance", "frequency", "interruption", "voltage_loss")
PHASE_VOLTS = BAY.nominal_volts / 3**0.5
SHIFTS = np.array([[0.0], [-2 * np.pi / 3], [2 * np.pi / 3]])
SET = {"unbalance_delay_ms": 500.0, "frequency_delay_ms": 300.0}


def told(volts: Array, amps: Array, **more: float) -> list[Event]:
    chosen = parse({BAY.name: {**SET, **more}}, (BAY,), "test")[BAY.name]
    noise = np.random.default_rng(3).normal(0, 1, (2, *volts.shape))
    noisy_amps = amps + 0.01 * BAY.rating_amps * noise[0]  # 40 dB
    noisy_volts = volts + 0.01 * PHASE_VOLTS * noise[1]
    events = detect(counts(noisy_amps, noisy_volts), RATE, settings=chosen)
    return [event for event in events if event.event in OWN and event.element != "46BC"]


def waves(hz: Array | float, seconds: float) -> Array:
    """Three waves of RMS 1 whose frequency is `hz`, sample by sample."""
    angle = 2 * np.pi * np.cumsum(np.broadcast_to(hz, round(RATE * seconds))) / RATE
    return np.asarray(2**0.5 * np.cos(angle + SHIFTS))


def unequal(share: float, seconds: float, since_s: float, until_s: float) -> Array:
    """Waves of which one is less for a while, so that I2 / I1 is `share`."""
    t = np.arange(round(RATE * seconds)) / RATE
    less = 3 * share / (1 + share)
    factor = np.where((t >= since_s) & (t < until_s), 1 - less, 1.0)
    made = waves(50.0, seconds)
    made[0] *= factor
    return made


LOAD = 0.5 * BAY.rating_amps


def test_equal_phases_are_silent() -> None:
    made = waves(50.0, 3.0)
    assert told(PHASE_VOLTS * made, LOAD * made) == []


@pytest.mark.parametrize(("share", "element"), [(0.024, "47"), (0.018, "")])
def test_unequal_voltages_are_told_and_when_they_are_over(share: float, element: str) -> None:
    events = told(PHASE_VOLTS * unequal(share, 4.0, 1.0, 2.5), LOAD * waves(50.0, 4.0))
    assert [event.element for event in events] == ([element] * 2 if element else [])
    for event, outcome in zip(events, (None, "self_cleared"), strict=False):
        assert (event.event, event.alarm, event.outcome) == ("unbalance", False, outcome)
        assert event.why["negative_share"] == pytest.approx(0 if outcome else share, abs=0.002)
        assert event.bounds_us is not None
        assert event.bounds_us[0] <= 1_000_000 <= event.bounds_us[1]
    if events:
        assert events[1].why["duration_s"] == pytest.approx(1.5, abs=0.2)


@pytest.mark.parametrize(("amps", "expected"), [(LOAD, 1), (0.05 * BAY.rating_amps, 0)])
def test_unequal_currents_are_told_from_a_tenth_of_the_rating_on(
    amps: float, expected: int
) -> None:
    events = told(PHASE_VOLTS * waves(50.0, 2.5), amps * unequal(0.18, 2.5, 1.0, 9.0))
    assert [event.element for event in events] == ["46"] * expected


def test_a_short_time_of_it_is_silent() -> None:
    made = unequal(0.3, 3.0, 1.0, 1.35)
    assert told(PHASE_VOLTS * waves(50.0, 3.0), LOAD * made) == []


@pytest.mark.parametrize("off_hz", [-0.7, 0.55, 1.2])
def test_a_frequency_that_is_off_is_told_and_when_it_is_back(off_hz: float) -> None:
    t = np.arange(RATE * 4) / RATE
    hz = 50 + off_hz * np.clip(np.minimum((t - 0.5) * 2, (3.2 - t) * 2), 0, 1)
    begun, over = told(PHASE_VOLTS * waves(hz, 4.0), LOAD * waves(hz, 4.0))
    assert (begun.event, begun.element, begun.alarm) == ("frequency", "81", False)
    assert begun.why["frequency_hz"] == pytest.approx(50 + off_hz, abs=0.02)
    assert over.outcome == "self_cleared"
    assert 0.5 <= begun.t_us / 1e6 <= 1.6
    assert over.detail is not None
    assert float(over.detail.split()[-2]) == pytest.approx(50 + off_hz, abs=0.03)


@pytest.mark.parametrize("off_hz", [-0.45, 0.45])
def test_a_frequency_within_its_limit_is_silent(off_hz: float) -> None:
    made = waves(50 + off_hz, 3.0)
    assert told(PHASE_VOLTS * made, LOAD * made) == []


def test_a_supply_that_is_gone_has_no_frequency_and_no_unbalance() -> None:
    made = waves(50.0, 3.0)
    made[:, RATE:] *= 0.001
    assert {e.event for e in told(PHASE_VOLTS * made, 0.0 * made)} == {
        "interruption",
        "voltage_loss",
    }


def test_phases_wired_the_other_way_round_are_no_unbalance() -> None:
    made = waves(50.6, 3.0)[[0, 2, 1]]
    events = told(PHASE_VOLTS * made, LOAD * made)
    (event,) = [e for e in events if e.event != "sensor_trouble"]
    assert event.event == "frequency"
    assert event.why["frequency_hz"] == pytest.approx(50.6, abs=0.01)


def test_at_a_rate_of_no_whole_number_of_samples_a_cycle_the_frequency_is_true() -> None:
    rate = Fraction(767_836, 100)
    t = np.arange(round(float(rate) * 3)) / float(rate)
    made = 2**0.5 * np.cos(2 * np.pi * 50.8 * t + SHIFTS)
    chosen = parse({BAY.name: SET}, (BAY,), "test")[BAY.name]
    events = detect(counts(LOAD * made, PHASE_VOLTS * made), rate, settings=chosen)
    (event,) = (event for event in events if event.event == "frequency")
    assert event.why["frequency_hz"] == pytest.approx(50.8, abs=0.01)
