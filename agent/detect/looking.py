"""The slow looks of all bays of a source at once, by arithmetic on whole arrays; see look.py.

What every look is asked for is worked out for all channels together, element by element and in the
order in which look.py does it for one: the same bits. The rest is left to a channel that is asked.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from agent.detect import look, tables
from agent.detect.look import CYCLES, ORDERS, Look
from agent.detect.sight import Taps

Array = npt.NDArray[np.float64]
Phasor = tuple[float, float]

# Harmonics that are worked out for all.
_ASKED = ORDERS[:4]
_LAST = CYCLES - 1


class Looking:
    """taps: of every bay, sums included. summed: which roles of each bay are sums. channels: how
    many there are, sums included.
    """

    def __init__(self, taps: list[Taps], summed: list[frozenset[str]], channels: int) -> None:
        self._roles = [tuple(bay) for bay in taps]
        self._summed = summed
        all_taps = [tap for bay in taps for tap in bay.values()]
        self._indices = [tap.index for tap in all_taps]
        # Where every channel is a tap's own, in their order, nothing has to be moved.
        straight = self._indices == list(range(channels))
        self._places = slice(None) if straight else np.array(self._indices, dtype=np.intp)
        self._scales = np.array([tap.scale for tap in all_taps], dtype=np.float64)
        self._units = np.abs(self._scales)[:, None]
        self._window = 0

    def _tune(self, window: int, channels: int) -> None:
        """The tables of another window, and what makes RMS values of their sums."""
        self._window = window
        rows = [row for order in ORDERS for row in tables.harmonic(window, order)]
        self._rows = np.array(rows, dtype=np.float64)
        asked = self._rows[: 2 * len(_ASKED)]
        self._whole = np.ascontiguousarray(np.tile(asked, CYCLES)).T
        self._first = np.ascontiguousarray(asked[:2]).T
        norm = self._scales * sqrt(2.0) / (tables.SCALE * window * CYCLES)
        self._norms = np.tile(np.stack([norm, -norm], axis=1), len(_ASKED))
        norm = self._scales * sqrt(2.0) / (tables.SCALE * window)
        self._norms_of_cycle = np.tile(np.stack([norm, -norm], axis=1), 2)
        self._change = np.empty((channels, CYCLES - 1, window))

    def looks(
        self, samples: Array, window: int, times_us: tuple[int, int], frequency_mhz: int
    ) -> list[Look]:
        """One a bay. samples: (channels, CYCLES * window) counts; times_us: first and last."""
        if window != self._window:
            self._tune(window, len(samples))
        since_us, t_us = times_us
        channels = self._channels(samples, window)
        made, at = [], 0
        for roles, summed in zip(self._roles, self._summed, strict=True):
            own = dict(zip(roles, channels[at : at + len(roles)], strict=True))
            made.append(Look(t_us, since_us, frequency_mhz, own, summed))
            at += len(roles)
        return made

    def _channels(self, samples: Array, window: int) -> list[Channel]:
        """One a tap, bay by bay."""
        places, last = self._places, _LAST * window
        whole = (samples @ self._whole)[places]
        whole *= self._norms
        squares = whole * whole
        sizes = np.sqrt(squares[:, ::2] + squares[:, 1::2])
        both = samples[:, :window] @ self._first, samples[:, last:] @ self._first
        ends = np.concatenate(both, axis=1)[places]
        ends *= self._norms_of_cycle
        cycles = samples.reshape(len(samples), CYCLES, window)
        np.subtract(cycles[:, 1:], cycles[:, :-1], out=self._change)
        jitter = np.vecdot(self._change, self._change)[places]
        jitter /= window
        np.sqrt(jitter, out=jitter)
        jitter *= self._units
        bottom, top = samples.min(axis=1)[places], samples.max(axis=1)[places]
        told = zip(
            *(self._scales.tolist(), whole.tolist(), sizes.tolist(), ends.tolist()),
            *(jitter.tolist(), bottom.tolist(), top.tolist(), self._indices),
            strict=True,
        )
        return [Channel(window, samples, self._rows, *each) for each in told]


class Channel(look.Channel):
    """One channel of such a look; samples: of all channels, only until the next one comes."""

    __slots__ = (
        "_ends",
        "_index",
        "_jitter",
        "_rows",
        "_samples",
        "_sizes",
        "_sums",
        "_whole",
    )

    def __init__(
        self,
        window: int,
        samples: Array,
        rows: Array,
        scale: float,
        whole: list[float],
        sizes: list[float],
        ends: list[float],
        jitter: list[float],
        bottom: float,
        top: float,
        index: int,
    ) -> None:
        self.window = window
        self.scale = scale
        self.bottom = bottom
        self.top = top
        self._samples = samples
        self._rows = rows
        self._index = index
        self._whole = whole
        self._sizes = sizes
        self._ends = ends
        self._jitter = jitter
        self._sums: look.Channel | None = None

    def phasor(self, order: int = 1) -> Phasor:
        """See look.py; the others too."""
        if order > _ASKED[-1]:
            return self._summed().phasor(order)
        place = 2 * order - 2
        return self._whole[place], self._whole[place + 1]

    def size(self, order: int = 1) -> float:
        """As the phasor."""
        return self._sizes[order - 1] if order <= _ASKED[-1] else self._summed().size(order)

    def cycle(self, number: int, order: int = 1) -> Phasor:
        """The first and the last one are asked for at every look."""
        if order == 1 and number == 0:
            return self._ends[0], self._ends[1]
        if order == 1 and number == _LAST:
            return self._ends[2], self._ends[3]
        return self._summed().cycle(number, order)

    def rms(self) -> float:
        """By all samples."""
        return self._summed().rms()

    def jitter(self) -> list[float]:
        """Not to be changed."""
        return self._jitter

    def at_bottom(self) -> int:
        """Counted when it is asked for."""
        return int(np.count_nonzero(self._samples[self._index] == self.bottom))

    def at_top(self) -> int:
        """The same."""
        return int(np.count_nonzero(self._samples[self._index] == self.top))

    def _summed(self) -> look.Channel:
        """Of the sums over each cycle, made when something rare is asked for."""
        if self._sums is None:
            cycles = self._samples[self._index].reshape(CYCLES, self.window)
            parts = cycles @ self._rows.T
            squares = np.vecdot(cycles, cycles).tolist()
            total, unasked = parts.sum(axis=0).tolist(), [0.0] * _LAST
            self._sums = look.Channel(
                self.scale,
                self.window,
                parts.tolist(),
                total,
                squares,
                unasked,
                self.bottom,
                self.top,
            )
        return self._sums
