"""The fast path: proof that no bay of a source left its quiet band, by arithmetic on whole blocks.

What cannot be proven is looked at sample by sample, so a proof that is too careful costs time and
never a decision. While a bay is quiet this is all that happens to its samples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agent.detect.front_end import Reach
from agent.detect.sampled_sight import Wiring
from agent.detect.sight import ADDED, LINE, WATCHED, Band

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Quiet:
    """The bands of all bays of a source, held against what the front end proves."""

    def __init__(self, wiring: Wiring, channels: int) -> None:
        bays = len(wiring.taps)
        self._bays = bays
        self._bands: list[Band | None] = [None] * bays
        self._limits = np.empty((2, WATCHED, bays))
        self._limits[0], self._limits[1] = -np.inf, np.inf
        self._rows = wiring.bounding(channels)
        self._sizes = np.abs(self._rows)
        self._currents = wiring.places[:3].reshape(-1)
        self._loads = np.nan_to_num(wiring.scales[:3].reshape(-1)) ** 2

    def take_up(self, bay: int, band: Band) -> None:
        """The band of a bay, which may have changed with what was told."""
        if self._bands[bay] is band:
            return
        self._bands[bay] = band
        self._limits[:, :, bay] = band
        self._low, self._high = self._limits[:, : LINE.stop].reshape(2, -1)
        self._energy = self._limits[1, ADDED].reshape(-1) ** 2

    def moved(self, reach: Reach, window: int) -> Flags | None:
        """The bays that may have left their band, shape (bays,); None: surely none has."""
        ends = self._rows @ reach.ends.T
        ends *= ends
        size = np.sqrt(ends[:, 0] + ends[:, 1])
        away = self._sizes @ reach.away
        out = np.asarray(size * reach.most + away >= self._high)
        size *= reach.least
        size -= away
        out |= size < self._low
        added = reach.change[self._currents] * self._loads >= self._energy * window
        if not (np.count_nonzero(out) or np.count_nonzero(added)):
            return None
        bays = (-1, self._bays)
        moved = out.reshape(bays).any(axis=0) | added.reshape(bays).any(axis=0)
        return np.asarray(moved)
