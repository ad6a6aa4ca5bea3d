"""Samples to quantities: for every channel of a source at once, for every sample, exact in counts.

Sums of integer samples times integer tables are exact in float64 whatever their order, so the
same samples give the same bits on any processor and for any block size. Scaling to amperes and
volts, and everything that knows of a bay, comes after this file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agent.detect import tables
from agent.records import Block, Layout, Quality

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quantities:
    """What is known at each sample; arrays have shape (channels, n), column k is sample first+k.

    re, im: quadratures of the fundamental [counts, amplitude]; square: mean of the squares over
    the window [counts^2]; change: mean over the window of the squared difference to the sample
    one window earlier [counts^2]: zero in steady state, and from the inception of a fault on the
    energy of what the fault added.
    """

    first: int
    re: Array
    im: Array
    square: Array
    change: Array


class FrontEnd:
    """One cycle of memory for each channel of a source, and the filters over it."""

    def __init__(self, layout: Layout, frequency_hz: int) -> None:
        if layout.rate_hz is None:
            raise ValueError("a front end needs samples, not readings")
        rate = layout.rate_hz
        filters = tables.fundamental(rate.numerator, rate.denominator, frequency_hz)
        self.window = filters.length
        self._cosine = np.array(filters.cosine, dtype=np.float64)
        self._sine = np.array(filters.sine, dtype=np.float64)
        self._gains = float(filters.cosine_gain), float(filters.sine_gain)
        self._offsets = np.rint([[channel.offset] for channel in layout.channels])
        self._memory = np.empty((len(layout.channels), 0))
        self._next = 0

    def feed(self, block: Block) -> Quantities | None:
        """Quantities of the block's samples; None while the first window fills.

        After a gap, or a jump of the index, the windows start anew: no sum bridges what was
        not seen.
        """
        samples = block.counts + self._offsets
        if block.first != self._next or block.quality & (Quality.GAP | Quality.INVALID):
            self._memory = self._memory[:, :0]
        self._next = block.first + samples.shape[1]
        held = np.concatenate((self._memory, samples), axis=1)
        # A difference over one window, summed over one window: two windows less one sample.
        self._memory = held[:, -(2 * self.window - 1) :]
        fresh = min(samples.shape[1], held.shape[1] - self.window + 1)
        return self._quantities(held, fresh) if fresh > 0 else None

    def _quantities(self, held: Array, fresh: int) -> Quantities:
        window = self.window
        recent = held[:, -(fresh + window - 1) :]
        re = _filtered(recent, self._cosine) / self._gains[0]
        im = _filtered(recent, self._sine) / self._gains[1]
        square = _moving_sum(recent * recent, window) / window
        change = np.zeros_like(held)
        change[:, window:] = held[:, window:] - held[:, :-window]
        change = change[:, -(fresh + window - 1) :]
        energy = _moving_sum(change * change, window) / window
        return Quantities(self._next - fresh, re, im, square, energy)


def _filtered(samples: Array, table: Array) -> Array:
    """FIR over each row, newest sample times the last coefficient; shape (channels, n-len+1)."""
    return np.stack([np.correlate(row, table, "valid") for row in samples])


def _moving_sum(values: Array, window: int) -> Array:
    """Sum over `window` values ending at each column; exact, since all are whole numbers."""
    total = np.cumsum(values, axis=1)
    total[:, window:] -= total[:, :-window].copy()
    return total[:, window - 1 :]
