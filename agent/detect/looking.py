"""The slow looks of all bays of a source at once, by arithmetic on whole arrays; see look.py."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agent.detect import tables
from agent.detect.look import CYCLES, ORDERS, Channel, Look
from agent.detect.sight import Taps

Array = npt.NDArray[np.float64]


class Looking:
    """taps: of every bay, sums included. summed: which roles of each bay are sums."""

    def __init__(self, taps: list[Taps], summed: list[frozenset[str]]) -> None:
        self._taps = taps
        self._summed = summed
        self._window = 0
        self._rows = np.empty((0, 0))

    def looks(
        self, samples: Array, window: int, times_us: tuple[int, int], frequency_mhz: int
    ) -> list[Look]:
        """One a bay. samples: (channels, CYCLES * window) counts; times_us: first and last."""
        if window != self._window:
            self._window = window
            rows = [row for order in ORDERS for row in tables.harmonic(window, order)]
            self._rows = np.array(rows, dtype=np.float64)
        cycles = samples.reshape(len(samples), CYCLES, window)
        parts = cycles @ self._rows.T
        squares = np.vecdot(cycles, cycles)
        steps = np.diff(cycles, axis=1)
        steps = np.vecdot(steps, steps)
        summed = parts.reshape(*parts.shape[:2], len(ORDERS), 2).tolist()
        told = list(
            zip(
                *(summed, squares.tolist(), steps.tolist()),
                zip(samples.min(axis=1).tolist(), samples.max(axis=1).tolist(), strict=True),
                strict=True,
            )
        )
        since_us, t_us = times_us
        return [
            Look(
                t_us,
                since_us,
                frequency_mhz,
                {role: Channel(tap.scale, window, *told[tap.index]) for role, tap in taps.items()},
                sums,
            )
            for taps, sums in zip(self._taps, self._summed, strict=True)
        ]
