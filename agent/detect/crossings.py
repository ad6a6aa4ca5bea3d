"""Where a quantity crosses a level that some element asks about, for all bays at once.

Between two crossings no element would answer differently, except by its own timers; so a bay that
is awake is stepped where something crosses, and where a timer is due (bay.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agent.detect.levels import Levels
from agent.detect.sampled_sight import Bays
from agent.detect.sight import (
    ADDED,
    ADDED_NEUTRAL,
    ADDED_RESIDUAL,
    CURRENTS,
    LINE,
    NEUTRAL,
    RESIDUAL,
    STABILISED,
    VOLTAGES,
    Band,
)

Array = npt.NDArray[np.float64]

# The rows of a sight that share their levels.
_GROUPS = [
    list(range(rows.start, rows.stop)) if isinstance(rows, slice) else [rows]
    for rows in (
        *(CURRENTS, RESIDUAL, STABILISED, VOLTAGES, LINE, NEUTRAL),
        *(ADDED, ADDED_RESIDUAL, ADDED_NEUTRAL),
    )
]


class Crossings:
    """Remembers for each bay which levels were reached at its last sample."""

    def __init__(self, bays: Sequence[Levels]) -> None:
        groups = [levels.groups() for levels in bays]
        most = [max((len(each[k]) for each in groups), default=0) for k in range(len(_GROUPS))]
        # One pair for each level of each row; a bay without that level has one that is infinite.
        self._rows = np.array(
            [row for rows, count in zip(_GROUPS, most, strict=True) for row in rows * count],
            dtype=np.intp,
        )
        filled = [_filled(levels, most) for levels in bays]
        self._table = np.array(filled, dtype=np.float64).reshape(len(filled), len(self._rows)).T
        self._last = np.zeros(self._table.shape, dtype=np.bool_)
        self._bands: list[Band | None] = [None] * len(bays)

    def of(self, sight: Array, bays: Bays) -> list[list[int]]:
        """The decisions at which something crosses, bay by bay, for a sight of these bays."""
        # A row whose least and largest value both reach the levels that its last one reached has
        # crossed none: most stretches end here.
        levels, last = self._table[:, bays], self._last[:, bays]
        crossed = (sight.min(axis=2)[self._rows] >= levels) != last
        crossed |= (sight.max(axis=2)[self._rows] >= levels) != last
        suspects = crossed.any(axis=0).tolist()
        return [
            self._crossed(sight[:, place], number) if suspects[place] else []
            for place, number in enumerate(bays.tolist())
        ]

    def between(self, bay: int) -> Band:
        """The levels that the rows of this bay lie between at its last sample.

        One and the same object until something crosses.
        """
        band = self._bands[bay]
        if band is None:
            band = self._bands[bay] = self._between(bay)
        return band

    def _between(self, bay: int) -> Band:
        low, high = np.full(STABILISED + 1, -np.inf), np.full(STABILISED + 1, np.inf)
        levels, reached = self._table[:, bay], self._last[:, bay]
        np.maximum.at(low, self._rows[reached], levels[reached])
        np.minimum.at(high, self._rows[~reached], levels[~reached])
        return low.tolist(), high.tolist()

    def _crossed(self, sight: Array, bay: int) -> list[int]:
        reached = sight[self._rows] >= self._table[:, bay, None]
        before = np.concatenate((self._last[:, bay, None], reached[:, :-1]), axis=1)
        self._last[:, bay] = reached[:, -1]
        self._bands[bay] = None
        crossed: list[int] = np.flatnonzero((reached != before).any(axis=0)).tolist()
        return crossed


def _filled(levels: Levels, most: list[int]) -> list[float]:
    """The bay's levels in the order of the pairs: group by group, level by level, row by row."""
    return [
        level
        for rows, group, count in zip(_GROUPS, levels.groups(), most, strict=True)
        for level in group + [np.inf] * (count - len(group))
        for _ in rows
    ]
