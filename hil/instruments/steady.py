"""The network before the first sample and after the last one: whole cycles, again and again.

The piece that is repeated begins where it ends, so that the joint is no event on the feeder.
"""

from __future__ import annotations

from math import gcd

import numpy as np
import numpy.typing as npt

from hil.case import Recording

CYCLES = 2
# A piece of another length is taken only where it closes this much better: the frequency of the
# network was not the nominal one.
BETTER = 4.0
CLOSED = 1e-3  # square of what a joint may be off, of a channel's RMS: below its noise
# Where the network is off its nominal frequency, some number of cycles up to this is nearly whole.
MOST_CYCLES = 6


def nominal_length(recording: Recording) -> int:
    """Samples of two cycles, or of the fewest cycles that are whole samples."""
    common = gcd(recording.rate_hz, recording.nominal_hz)
    cycles = recording.nominal_hz // common  # that are a whole number of samples
    return recording.rate_hz // common * -(-CYCLES // cycles)


def lead_in(recording: Recording) -> int:
    """Length of the beginning that can be repeated before the first sample. [samples]"""
    return _length(recording.counts, nominal_length(recording))


def run_out(recording: Recording) -> int:
    """Length of the end that can be repeated after the last sample. [samples]"""
    return _length(recording.counts[:, ::-1], nominal_length(recording))


def places(
    indices: npt.NDArray[np.int64], length: int, lead: int, out: int
) -> npt.NDArray[np.int64]:
    """Which sample of a recording shows at these indices; those below 0 are before its start.

    length, lead, out: of the recording, its lead-in and its run-out. [samples]
    """
    after = length - out + (indices - length) % out
    inside = np.where(indices < length, indices, after)
    return np.where(indices < 0, indices % lead, inside)


def _length(counts: npt.NDArray[np.int32], nominal: int) -> int:
    """Where the piece closes best, nominal where nothing is clearly better."""
    window, held = max(4, nominal // 8), int(counts.shape[1])
    if held < nominal + window:
        return min(nominal, held)
    values = counts.astype(np.float64)
    if _misfit(values, nominal, window) < CLOSED:
        return nominal
    longest = min(nominal * MOST_CYCLES // CYCLES, held - window)
    misfits = {k: _misfit(values, k, window) for k in range(nominal // 2, longest + 1)}
    best = min(misfits, key=lambda k: misfits[k])
    return best if misfits[nominal] > BETTER * misfits[best] else nominal


def _misfit(values: npt.NDArray[np.float64], length: int, window: int) -> float:
    """How far what follows the piece is from what the piece begins with."""
    spread = values.std(axis=1) + 1.0
    off = (values[:, length : length + window] - values[:, :window]) / spread[:, None]
    return float((off * off).mean())
