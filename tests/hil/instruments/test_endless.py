"""A recording's ends, repeated."""

from __future__ import annotations

import numpy as np
import pytest

from hil.errors import CaseError
from hil.instruments.endless import Endless, at_rate
from tests.hil.waves import AMPS, feeder, recording


def test_the_recording_lies_between_its_first_and_last_cycles() -> None:
    waves = feeder(seconds=0.1, hz=50.0)
    waves["ia"][200:] *= 3
    wave = Endless(recording(waves))

    counts = wave.counts(-500, 2000)

    held = wave.recording.counts
    assert np.array_equal(counts[:, 500:900], held)
    assert np.array_equal(counts[:, 340:500], held[:, :160])
    assert np.array_equal(counts[:, 180:340], held[:, :160])
    assert np.array_equal(counts[:, 900:1060], held[:, -160:])
    assert np.array_equal(counts[:, 1060:1220], held[:, -160:])
    later = 900 + (10**7 - 400) % 160
    assert np.array_equal(wave.counts(10**7, 5), counts[:, later : later + 5])
    assert np.array_equal(wave.counts(-160 * 3, 800, repeating=True)[:, 640:], held[:, :160])


def test_nothing_steps_where_the_ends_join() -> None:
    rows = Endless(recording(feeder(seconds=0.2))).counts(-1000, 3000)

    steps = np.abs(np.diff(rows[0].astype(float)))
    assert steps.max() <= steps[1100:1700].max() + 1


def test_a_recording_of_less_than_two_cycles_is_refused() -> None:
    with pytest.raises(CaseError, match="terminal ftu1: 120 samples; expected at least 160"):
        Endless(recording(feeder(seconds=0.03)))


def test_another_rate_leaves_the_ends_whole() -> None:
    case = recording(feeder(seconds=0.2), contacts={"switch": np.arange(800) < 300})

    other = at_rate(case, 12_800)

    t = np.arange(2560) / 12_800
    expected = AMPS * 2**0.5 * np.cos(2 * np.pi * 50 * t - 0.4)
    assert np.max(np.abs(other.values("ia") - expected)) < 0.03
    assert (other.rate_hz, other.length) == (12_800, 2560)
    assert np.flatnonzero(~other.contacts["switch"])[0] == pytest.approx(960, abs=2)
    assert at_rate(case, 4000) is case
