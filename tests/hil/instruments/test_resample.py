"""Another rate against the analytic sine."""

from __future__ import annotations

import numpy as np
import pytest

from hil.instruments.resample import PASS, resampled

RATES = [(4000, 48_000), (12_800, 48_000), (6400, 48_000), (4000, 4800), (12_800, 4000)]


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("share", [0.0, 0.025, 0.25, 0.6, PASS])
@pytest.mark.parametrize("delay_s", [0.0, 3.3e-4, -1.234e-3])
def test_a_sine_that_passes_is_the_same_sine(
    from_hz: int, to_hz: int, share: float, delay_s: float
) -> None:
    hz = share * min(from_hz, to_hz) / 2
    wave = np.cos(2 * np.pi * hz * np.arange(from_hz // 4) / from_hz + 0.3)

    out = resampled(wave, from_hz, to_hz, delay_s)

    t = np.arange(out.size) / to_hz - delay_s
    middle = slice(out.size // 4, -out.size // 4)
    assert out.size == to_hz // 4
    assert np.max(np.abs(out - np.cos(2 * np.pi * hz * t + 0.3))[middle]) < 1e-4


def test_what_the_lower_rate_cannot_hold_does_not_fold_back() -> None:
    wave = np.cos(2 * np.pi * 2100 * np.arange(6400) / 12_800)

    assert np.max(np.abs(resampled(wave, 12_800, 4000))[500:-500]) < 2e-4


def test_a_step_stays_at_its_instant() -> None:
    wave = np.concatenate((np.zeros(200), np.ones(200)))

    out = resampled(wave, 4000, 48_000)

    assert np.flatnonzero(out > 0.5)[0] == pytest.approx(199.5 * 12, abs=1)
