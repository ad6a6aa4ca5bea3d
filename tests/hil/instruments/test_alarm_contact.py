"""The contact's first touch in a record with bounce, noise, spikes and droop."""

from __future__ import annotations

import numpy as np
import pytest

from hil.errors import BenchError
from hil.instruments.alarm_contact import contact_latency

RATE_HZ = 48_000
ONSET = 9600.25  # samples
TOUCH = 10_400  # 16.66 ms later


def line(
    *,
    touch: int = TOUCH,
    high: float = 0.4,
    noise: float = 0.01,
    bounces: int = 3,
    droop_hz: float = 0.0,
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The input: at rest, then closed with breaks of 0.6 ms, 1 ms apart."""
    level = np.zeros(24_000)
    level[touch:] = high
    for k in range(bounces):
        begin = touch + 40 + 48 * k
        level[begin : begin + 29] = 0.0
    if droop_hz:  # a capacitor in series: what holds sinks back
        keep, out, last = 1 - 2 * np.pi * droop_hz / RATE_HZ, 0.0, level[0]
        for k, now in enumerate(level.copy()):
            out = keep * (out + now - last)
            level[k], last = out, now
    level += 0.05 + noise * np.random.default_rng(3).standard_normal(level.size)
    return level


EXPECTED_MS = (TOUCH - ONSET) * 1000 / RATE_HZ


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(line(), id="bounce-and-noise"),
        pytest.param(line(bounces=0, noise=0.0), id="clean"),
        pytest.param(line(high=-0.4), id="falling"),
        pytest.param(line(high=0.15, noise=0.012), id="weak"),
        pytest.param(line(droop_hz=10.0), id="through-a-capacitor"),
    ],
)
def test_the_first_touch_counts(
    record: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    assert contact_latency(record, ONSET, RATE_HZ) == pytest.approx(EXPECTED_MS, abs=0.025)


def test_a_spike_is_no_touch() -> None:
    record = line()
    record[ONSET_SPIKE : ONSET_SPIKE + 4] += 0.8
    record[TOUCH - 30 : TOUCH - 25] -= 0.8

    assert contact_latency(record, ONSET, RATE_HZ) == pytest.approx(EXPECTED_MS, abs=0.025)


ONSET_SPIKE = 9800


def test_a_contact_that_stays_open_or_closed_before_is_no_latency() -> None:
    with pytest.raises(BenchError, match="no edge after the onset"):
        contact_latency(line(high=0.0), ONSET, RATE_HZ)
    with pytest.raises(BenchError, match="no edge after the onset"):
        contact_latency(line(touch=2000), ONSET, RATE_HZ)
    with pytest.raises(BenchError, match="onset at 90000 of 24000 samples"):
        contact_latency(line(), 90_000.0, RATE_HZ)
