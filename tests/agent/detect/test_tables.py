"""The window filter against what its docstring claims, with waveforms from formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from agent.detect import tables
from tests.agent.detect.feeder import ANGLES_15, Array, times


def magnitudes(tuning: tables.Tuning, samples: Array) -> Array:
    """RMS of the fundamental at every sample from the first whole window on."""
    even, odd = (sliding_window_view(samples, tuning.length) @ np.array(tuning.weights())).T
    return np.asarray(np.hypot(even, odd) / np.sqrt(2))


@pytest.mark.parametrize("rate", [1600, 4000, 12800])
@pytest.mark.parametrize("angle", ANGLES_15)
def test_a_sine_is_measured_to_a_ten_thousandth(rate: int, angle: float) -> None:
    t = times(rate, 0.06, 0.0)
    seen = magnitudes(tables.tuned(rate, 1, 50_000), np.sqrt(2) * np.cos(314.159265 * t + angle))
    assert np.allclose(seen, 1.0, atol=1e-4)


@pytest.mark.parametrize("rate", [1600, 4000])
def test_a_constant_and_a_ramp_leave_nothing(rate: int) -> None:
    t = times(rate, 0.06, 0.0)
    assert magnitudes(tables.tuned(rate, 1, 50_000), 100 + 50 * t).max() < 0.02


@pytest.mark.parametrize("tau_s", [0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.15])
def test_overreach_stays_below_1_21_and_for_less_than_half_a_cycle(tau_s: float) -> None:
    tuning = tables.tuned(4000, 1, 50_000)
    t = times(4000, 0.2, 0.06)
    for load, load_angle in ((0.0, 0.0), (0.5, 1.0), (1.0, 2.4), (1.0, 3.2)):
        for angle in ANGLES_15:
            jump = load * np.cos(load_angle) - np.cos(angle)
            after = np.cos(314.159265 * t + angle) + jump * np.exp(-np.maximum(t, 0) / tau_s)
            before = load * np.cos(314.159265 * t + load_angle)
            seen = magnitudes(tuning, np.sqrt(2) * np.where(t < 0, before, after))
            assert seen.max() < 1.21
            assert longest_run(seen > 1.0 + 1 / 49) < 40  # samples above 1/0.98: half a cycle


def longest_run(true: np.typing.NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], true.astype(int), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))
