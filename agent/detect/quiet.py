"""The fast path: proof that no bay of a source left its quiet band, by arithmetic on whole blocks.

What cannot be proven is looked at sample by sample, so a proof that is too careful costs time and
never a decision. While a bay is quiet this is all that happens to its samples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agent.detect.front_end import Reach
from agent.detect.sight import ADDED, LINE, WATCHED, Wiring

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Quiet:
    """The bands of all bays of a source, held against what the front end proves.

    low, high: (WATCHED, bays), RMS primary; a row is quiet from `low` up to, not including, `high`.
    """

    def __init__(self, wiring: Wiring, channels: int) -> None:
        bays = len(wiring.taps)
        self.low = np.full((WATCHED, bays), -np.inf)
        self.high = np.full((WATCHED, bays), np.inf)
        self._bays = bays
        self._rows = wiring.bounding(channels)
        self._sizes = np.abs(self._rows)
        self._currents = wiring.places[:3].reshape(-1)
        self._loads = np.nan_to_num(wiring.scales[:3].reshape(-1)) ** 2
        self.watch()

    def watch(self) -> None:
        """Take up bands that have changed."""
        self._low = self.low[: LINE.stop].reshape(-1)
        self._high = self.high[: LINE.stop].reshape(-1)
        self._energy = self.high[ADDED].reshape(-1) ** 2

    def moved(self, reach: Reach, window: int) -> Flags | None:
        """The bays that may have left their band, shape (bays,); None: surely none has."""
        ends = self._rows @ reach.ends.T
        ends *= ends
        size = np.sqrt(ends[:, 0] + ends[:, 1])
        away = self._sizes @ reach.away
        out = size * reach.most + away >= self._high
        size *= reach.least
        size -= away
        out |= size < self._low
        added = reach.change[self._currents] * self._loads >= self._energy * window
        if not (out.any() or added.any()):
            return None
        moved: Flags = out.reshape(-1, self._bays).any(axis=0)
        moved |= added.reshape(-1, self._bays).any(axis=0)
        return moved
