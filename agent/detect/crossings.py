"""Where a quantity crosses a level that some element asks about, for all bays at once.

Between two crossings no element would answer differently, except by its own timers; so a bay that
is awake is stepped where something crosses, and where a timer is due (bay.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agent.detect.sight import ADDED, CURRENTS, LINE, STABILISED, VOLTAGES, Bays

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_GROUPS = (CURRENTS, slice(STABILISED, STABILISED + 1), VOLTAGES, LINE, ADDED)


class Levels:
    """The levels of one bay's elements, RMS primary."""

    def __init__(self) -> None:
        self.currents: list[float] = []
        self.stabilised: list[float] = []
        self.voltages: list[float] = []
        self.line: list[float] = []
        self.added: list[float] = []

    def groups(self) -> tuple[list[float], ...]:
        """In the order of `_GROUPS`."""
        return self.currents, self.stabilised, self.voltages, self.line, self.added


class Crossings:
    """Remembers for each bay which levels were reached at its last sample."""

    def __init__(self, bays: Sequence[Levels]) -> None:
        self._levels = []
        pairs = 0
        for place, rows in enumerate(_GROUPS):
            lists = [levels.groups()[place] for levels in bays]
            most = max(map(len, lists))
            table = np.array([each + [np.inf] * (most - len(each)) for each in lists])
            height = rows.stop - rows.start
            self._levels.append((rows, pairs, most, height, table.T[:, None, :, None]))
            pairs += most * height
        self._pairs = pairs
        self._last = np.zeros((pairs, len(bays)), dtype=np.bool_)

    def of(self, sight: Array, bays: Bays) -> Flags:
        """Where something crosses, shape (bays, n), for a sight of these bays."""
        count = sight.shape[2]
        reached = np.empty((self._pairs, len(bays), count + 1), dtype=np.bool_)
        reached[:, :, 0] = self._last[:, bays]
        for rows, first, most, height, table in self._levels:
            part = reached[first : first + most * height]
            part = part.reshape(most, height, len(bays), count + 1)
            np.greater_equal(sight[rows], table[:, :, bays], out=part[..., 1:])
        self._last[:, bays] = reached[:, :, -1]
        crossed: Flags = (reached[:, :, 1:] != reached[:, :, :-1]).any(axis=0)
        return crossed
