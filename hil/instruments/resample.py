"""Another sampling rate for a wave, band-limited: a windowed sinc, phase by phase of the two rates.

Between 0 and PASS of the lower rate's half a sine comes out with an error below 1e-4 of it; what is
beyond the lower rate's half does not come out at all (-80 dB), so nothing folds back.
Source: J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", 1974.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PASS = 0.84
ZEROS = 40  # of the sinc on each side of its middle
BETA = 8.0  # of the window: 80 dB


def resampled(wave: Array, from_hz: int, to_hz: int, delay_s: float = 0.0) -> Array:
    """The wave, shape (n,), at another rate; before and after it there is nothing.

    Sample k of the result is the wave's value at k / to_hz - delay_s after its first sample.
    """
    common = math.gcd(from_hz, to_hz)
    phases, step = to_hz // common, from_hz // common
    lower = min(from_hz, to_hz)
    # The middle of the slope lies between what passes and half the lower rate. [cycles a sample]
    cutoff = (1 + PASS) / 4 * lower / from_hz
    half = math.ceil(ZEROS / (2 * cutoff))
    length = math.ceil(wave.size * to_hz / from_hz)
    shift = -delay_s * from_hz
    padding = half + abs(math.floor(shift)) + 2
    padded = np.concatenate((np.zeros(padding), wave, np.zeros(padding + half + step)))
    result = np.empty(length)
    for phase in range(min(phases, length)):
        place = phase * step / phases + shift
        base = math.floor(place)
        taps = _taps(place - base, half, cutoff)
        every = np.correlate(padded, taps, mode="valid")[padding + base - half + 1 :: step]
        result[phase::phases] = every[: -(-(length - phase) // phases)]
    return result


def _taps(fraction: float, half: int, cutoff: float) -> Array:
    """Weights of the samples from half - 1 before to half after a place between two samples."""
    away = np.arange(1 - half, half + 1) - fraction
    window = np.i0(BETA * np.sqrt(np.maximum(0.0, 1 - (away / half) ** 2))) / np.i0(BETA)
    taps = 2 * cutoff * np.sinc(2 * cutoff * away) * window
    return np.asarray(taps / taps.sum())
