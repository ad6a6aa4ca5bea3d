"""The loop-back calibration finds what a cable of known gain and delay does."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

import numpy as np
import pytest

from hil.errors import BenchError, CaseError
from hil.instruments.loopback import Calibration, calibrated, lag, load, solved, tones
from hil.instruments.sound_card import Card
from tests.hil.instruments.alsa import (
    Array,
    card,
    played,
    skip_without_alsa,
    through_a_cable,
    to_be_heard,
)

RATE_HZ = 48_000
GAINS = [0.91, 0.35, 1.02, 0.8, 0.8001, 0.77, 0.05, 0.66]
# Beside what all have in common; a card's channels differ by microseconds, amplifiers by more.
DELAYS_US = [0.0, 3.3, 10.4, 20.8, 131.7, 12.0, 402.9, 7.0]


@functools.cache
def looped(common_s: float = 0.0731, noise: float = 1e-4) -> Array:
    """The tones behind eight cables, with an offset, as a record that began earlier hears them."""
    sound = tones(8, RATE_HZ)
    quiet = np.zeros((8, RATE_HZ // 2))
    rows = np.concatenate((sound, quiet), axis=1)
    heard = [
        through_a_cable(row, gain, common_s + delay / 1e6)
        for row, gain, delay in zip(rows, GAINS, DELAYS_US, strict=True)
    ]
    random = np.random.default_rng(7)
    return np.array(heard) + 0.01 + noise * random.standard_normal(rows.shape)


def assert_found(calibration: Calibration) -> None:
    for channel, gain, delay_us in zip(calibration.channels, GAINS, DELAYS_US, strict=True):
        assert channel.gain == pytest.approx(gain, rel=1e-4)
        assert channel.delay_s * 1e6 == pytest.approx(delay_us, abs=0.1)


def test_gains_and_delays_are_found_whatever_the_channels_have_in_common() -> None:
    for common_s in (0.0731, 0.31):
        assert_found(solved(tones(8, RATE_HZ), looped(common_s), RATE_HZ, "test"))


def test_through_alsa_the_tones_reach_the_card_and_the_calibration_finds_the_cables(
    tmp_path: Path,
) -> None:
    skip_without_alsa()
    to_be_heard(tmp_path, looped())

    calibration = asyncio.run(calibrated(card(tmp_path)))

    assert_found(calibration)
    assert calibration.source == "player to recorder, tones of 45 to 1805 Hz"
    sound = tones(8, RATE_HZ)
    assert np.max(np.abs(played(tmp_path)[:, : sound.shape[1]] - sound)) < 1e-9


def test_a_calibration_is_kept_as_toml(tmp_path: Path) -> None:
    found = solved(tones(8, RATE_HZ), looped(), RATE_HZ, "test")
    path = tmp_path / "calibration.toml"
    path.write_text(found.toml())

    back = load(path)

    assert (back.rate_hz, back.source) == (RATE_HZ, "test")
    for one, other in zip(back.channels, found.channels, strict=True):
        assert one.gain == other.gain
        assert one.delay_s == pytest.approx(other.delay_s, abs=1e-15)
    path.write_text("rate_hz = 1\n")
    with pytest.raises(CaseError, match="a calibration that the rig wrote"):
        load(path)


def test_swapped_cables_silence_and_hum_are_told_by_channel() -> None:
    sound, good = tones(8, RATE_HZ), looped()
    swapped = good[[0, 1, 3, 2, 4, 5, 6, 7]]
    with pytest.raises(BenchError, match=r"loop-back of channel 3: "):
        solved(sound, swapped, RATE_HZ, "test")
    silent = good * np.array([1, 1, 1, 1, 0, 1, 1, 1])[:, np.newaxis]
    with pytest.raises(BenchError, match=r"loop-back of channel 5: "):
        solved(sound, silent, RATE_HZ, "test")
    hum = good.copy()
    hum[6] += 0.05 * np.sin(2 * np.pi * 50 * np.arange(good.shape[1]) / RATE_HZ)
    with pytest.raises(BenchError, match=r"channel 7: .* of what is heard is none of its tones"):
        solved(sound, hum, RATE_HZ, "test")
    with pytest.raises(BenchError, match=r"loop-back of channel 1: .*polarity"):
        solved(sound, -good, RATE_HZ, "test")


def test_a_lag_may_go_either_way() -> None:
    wave = np.random.default_rng(1).standard_normal(1000)
    later = np.concatenate((np.zeros(123), wave))

    assert lag(wave, later) == 123
    assert lag(later, wave) == -123


def test_a_card_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    skip_without_alsa()
    (tmp_path / "asoundrc").write_text("")
    wrong = Card("nonesuch", "nonesuch", settings=tmp_path / "asoundrc")

    with pytest.raises(BenchError, match=r"^a(play|record) -D nonesuch: .*nonesuch") as told:
        asyncio.run(calibrated(wrong))
    assert "\n" not in str(told.value)
