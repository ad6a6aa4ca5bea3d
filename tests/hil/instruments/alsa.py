"""ALSA without a card: what is played goes into a file, what is heard comes out of one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from hil.instruments.sound_card import FULL, Card

Array = npt.NDArray[np.float64]

NAMES = """
pcm.player {{ type file slave.pcm {{ type null }} file "{folder}/out.raw" format "raw" }}
pcm.recorder {{
  type file slave.pcm {{ type null }} file "/dev/null" infile "{folder}/in.raw" format "raw"
}}
"""
WITHOUT = shutil.which("aplay") is None or shutil.which("arecord") is None


def skip_without_alsa() -> None:
    if WITHOUT:
        pytest.skip("aplay and arecord (Debian: alsa-utils) are not installed")


def card(folder: Path, *, capture: bool = True) -> Card:
    settings = folder / "asoundrc"
    settings.write_text(NAMES.format(folder=folder))
    return Card("player", "recorder" if capture else "", settings=settings)


def played(folder: Path) -> Array:
    """What has reached the card."""
    words = np.fromfile(folder / "out.raw", dtype="<i4")
    return np.asarray(words[: words.size // 8 * 8].reshape(-1, 8).T / FULL)


def to_be_heard(folder: Path, samples: Array) -> None:
    np.rint(samples * FULL).astype("<i4").T.tofile(folder / "in.raw")


def through_a_cable(samples: Array, gain: float, delay_s: float, rate_hz: int = 48_000) -> Array:
    """The same later and smaller, to the last digit: by its spectrum."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(samples.size, 1 / rate_hz)
    late = np.fft.irfft(spectrum * np.exp(-2j * np.pi * hz * delay_s), samples.size)
    return np.asarray(gain * late)
