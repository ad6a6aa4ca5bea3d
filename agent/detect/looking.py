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
        channels = len(samples)
        cycles = samples.reshape(channels, CYCLES, window)
        parts = (cycles.reshape(-1, window) @ self._rows.T).reshape(channels, CYCLES, -1)
        bottom, top = samples.min(axis=1), samples.max(axis=1)
        at_bottom = np.count_nonzero(samples == bottom[:, None], axis=1)
        at_top = np.count_nonzero(samples == top[:, None], axis=1)
        steps = cycles[:, 1:] - cycles[:, :-1]
        told = list(
            zip(
                *(parts, parts.sum(axis=1).tolist()),
                *(np.vecdot(cycles, cycles).tolist(), np.vecdot(steps, steps).tolist()),
                *(bottom.tolist(), top.tolist(), at_bottom.tolist(), at_top.tolist()),
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
