"""Measurement against the bars of contract.md section 5: values from formulas, any frequency."""

from __future__ import annotations

import numpy as np
import pytest

from agent.detect.measure import MEASURED_S, measure
from agent.detect.meter import Meter
from agent.detect.sight import Tap
from tests.agent.detect.feeder import BAY, Array

ROLES = ("ia", "ib", "ic", "ua", "ub", "uc")
TAPS = {role: Tap(k, 0.05 if role[0] == "i" else 0.5) for k, role in enumerate(ROLES)}
AMPS, VOLTS, LAG = 300.0, 5773.5, 0.5
THIRD, FIFTH, SEVENTH = 0.02, 0.04, 0.025
THD = (THIRD**2 + FIFTH**2 + SEVENTH**2) ** 0.5  # 5.1 %
POWER = 3 * AMPS * VOLTS


def wave(angle: Array, rms: float) -> Array:
    harmonics = ((1, 1.0), (3, THIRD), (5, FIFTH), (7, SEVENTH))
    return np.asarray(rms * 2**0.5 * sum(share * np.cos(n * angle) for n, share in harmonics))


def feeder(rate: float, hz: float, start: float, seconds: float = MEASURED_S) -> Array:
    angle = np.asarray(
        2 * np.pi * hz * np.arange(round(rate * seconds)) / rate + start, dtype=float
    )
    shifts = [0.0, -2 * np.pi / 3, 2 * np.pi / 3]
    waves = [wave(angle + s - LAG, AMPS) for s in shifts] + [wave(angle + s, VOLTS) for s in shifts]
    scales = np.array([[TAPS[role].scale] for role in ROLES])
    return np.asarray(np.rint(np.stack(waves) / scales))


def metered(samples: Array, rate: float, taps: dict[str, Tap] | None = None) -> Meter:
    return measure(BAY, 7, samples, taps or TAPS, rate)


@pytest.mark.parametrize("rate", [1600, 4000, 12800])
@pytest.mark.parametrize("hz", [45.0, 47.3, 49.98, 50.0, 50.41, 52.7, 55.0, 60.0, 65.0])
def test_everything_is_within_its_bar_at_any_frequency(rate: int, hz: float) -> None:
    active = POWER * sum(
        share**2 * np.cos(n * LAG) for n, share in ((1, 1), (3, THIRD), (5, FIFTH), (7, SEVENTH))
    )
    for start in (0.0, 0.7, 2.1, 4.4):
        meter = metered(feeder(rate, hz, start), rate)
        assert meter.frequency_hz == pytest.approx(hz, abs=0.002)
        assert meter.currents == pytest.approx([AMPS * (1 + THD**2) ** 0.5] * 3, rel=0.002)
        assert meter.voltages == pytest.approx([VOLTS * (1 + THD**2) ** 0.5] * 3, rel=0.002)
        assert meter.active_watts == pytest.approx(active, abs=0.005 * POWER)
        assert meter.reactive_vars == pytest.approx(POWER * np.sin(LAG), abs=0.005 * POWER)
        assert meter.negative_amps == pytest.approx(0.0, abs=0.002 * AMPS)


def test_noise_of_60_db_leaves_the_frequency_within_two_millihertz() -> None:
    chance = np.random.default_rng(4)
    worst = 0.0
    for _ in range(50):
        samples = feeder(4000, 50.2, chance.uniform(0, 6))
        peak = np.abs(samples).max(axis=1, keepdims=True)
        samples = np.rint(samples + chance.normal(0, 1, samples.shape) * peak / 2**0.5 * 1e-3)
        frequency_hz = metered(samples, 4000).frequency_hz
        assert frequency_hz is not None
        worst = max(worst, abs(frequency_hz - 50.2))
    assert worst < 0.002


def test_power_that_flows_back_is_negative() -> None:
    samples = feeder(4000, 50, 0.3)
    samples[:3] *= -1
    meter = metered(samples, 4000)
    assert meter.active_watts is not None
    assert meter.active_watts < -0.8 * POWER
    assert meter.reactive_vars == pytest.approx(-POWER * np.sin(LAG), rel=0.01)


def test_the_negative_sequence_of_swapped_phases_is_all_there_is() -> None:
    samples = feeder(4000, 50, 0.0)[[0, 2, 1, 3, 5, 4]]
    meter = metered(samples, 4000)
    assert meter.negative_amps == pytest.approx(AMPS, rel=0.002)
    assert meter.negative_volts == pytest.approx(VOLTS, rel=0.002)


def test_a_sensor_that_is_not_there_leaves_its_values_open() -> None:
    taps = {role: TAPS[role] for role in ("ia", "ib", "ic", "ua")}
    meter = metered(feeder(4000, 50, 0.0), 4000, taps)
    assert meter.voltages[1:] == (None, None)
    assert meter.active_watts is None
    assert meter.negative_volts is None
    assert meter.negative_amps is not None
    assert meter.frequency_hz == pytest.approx(50.0, abs=0.002)


@pytest.mark.parametrize("seconds", [0.02, 0.08])
def test_too_short_a_time_tells_no_frequency(seconds: float) -> None:
    meter = metered(feeder(4000, 50, 0.0, seconds), 4000)
    assert meter.frequency_hz is None
    assert meter.reactive_vars is None
    assert meter.voltages[0] == pytest.approx(VOLTS, rel=0.05)


@pytest.mark.parametrize("left", [0.0, 1e-3])
def test_a_dead_feeder_measures_nothing_and_invents_nothing(left: float) -> None:
    meter = metered(np.rint(left * feeder(4000, 45.2, 0.0)), 4000)
    assert meter.currents == pytest.approx((0.0, 0.0, 0.0), abs=1.0)
    assert meter.frequency_hz is None
    assert meter.active_watts is None
