"""Where a quantity crosses a level that some element asks about, for all bays at once.

Between two crossings no element would answer differently, except by its own timers; so a bay that
is awake is stepped where something crosses, and where a timer is due (bay.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agent.detect.sight import ADDED, CURRENTS, LINE, RESIDUAL, STABILISED, VOLTAGES, Bays

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_GROUPS = (
    CURRENTS,
    slice(RESIDUAL, RESIDUAL + 1),
    slice(STABILISED, STABILISED + 1),
    VOLTAGES,
    LINE,
    ADDED,
)


class Levels:
    """The levels of one bay's elements, RMS primary."""

    def __init__(self) -> None:
        self.currents: list[float] = []
        self.residual: list[float] = []
        self.stabilised: list[float] = []
        self.voltages: list[float] = []
        self.line: list[float] = []
        self.added: list[float] = []

    def groups(self) -> tuple[list[float], ...]:
        """In the order of `_GROUPS`."""
        phases = self.currents, self.residual, self.stabilised
        return *phases, self.voltages, self.line, self.added


class Crossings:
    """Remembers for each bay which levels were reached at its last sample."""

    def __init__(self, bays: Sequence[Levels]) -> None:
        self._groups = []
        pairs = 0
        for place, rows in enumerate(_GROUPS):
            lists = [levels.groups()[place] for levels in bays]
            most = max(map(len, lists))
            table = np.array([each + [np.inf] * (most - len(each)) for each in lists])
            count = most * (rows.stop - rows.start)
            self._groups.append((rows, slice(pairs, pairs + count), table.T[:, None, :]))
            pairs += count
        self._pairs = pairs
        self._last = np.zeros((pairs, len(bays)), dtype=np.bool_)

    def of(self, sight: Array, bays: Bays) -> list[list[int]]:
        """The decisions at which something crosses, bay by bay, for a sight of these bays."""
        # A row whose least and largest value both reach the levels that its last one reached has
        # crossed none: most stretches end here.
        low = self._reached(sight.min(axis=2), bays)
        high = self._reached(sight.max(axis=2), bays)
        last = self._last[:, bays]
        suspects = ((low != last) | (high != last)).any(axis=0).tolist()
        return [
            self._crossed(sight[:, place], number) if suspects[place] else []
            for place, number in enumerate(bays.tolist())
        ]

    def _reached(self, values: Array, bays: Bays) -> Flags:
        """Which levels are reached; values: (rows, n); bays: (n,), whose; (pairs, n)."""
        reached = np.empty((self._pairs, values.shape[1]), dtype=np.bool_)
        for rows, place, table in self._groups:
            reached[place] = (values[rows] >= table[:, :, bays]).reshape(-1, values.shape[1])
        return reached

    def _crossed(self, sight: Array, bay: int) -> list[int]:
        reached = self._reached(sight, np.full(sight.shape[1], bay))
        before = np.concatenate((self._last[:, bay, None], reached[:, :-1]), axis=1)
        self._last[:, bay] = reached[:, -1]
        crossed: list[int] = np.flatnonzero((reached != before).any(axis=0)).tolist()
        return crossed
