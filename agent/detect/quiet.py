"""The fast path: proof that no bay of a source left its band, by arithmetic on whole blocks.

What cannot be proven is looked at sample by sample, so a proof that is too careful costs time and
never a decision. A proof of one stretch leaves room for changes to come: until their energy has
used that up, the stretches after it are proven too. While a bay stays in its band this is nearly
all that happens to its samples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agent.detect.front_end import CAUTION, FrontEnd, Reach
from agent.detect.look import CYCLES
from agent.detect.sampled_sight import Wiring
from agent.detect.short_circuit import STABILISING_SHARE
from agent.detect.sight import (
    ADDED,
    ADDED_NEUTRAL,
    CURRENTS,
    NEUTRAL,
    RESIDUAL,
    STABILISED,
    Band,
)

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_CHANGES = slice(ADDED.start, ADDED_NEUTRAL + 1)
# So many windows a proof is gone on from: one of the source is made at each slow look.
_LASTING = CYCLES


class Quiet:
    """The bands of all bays of a source, held against what the front end proves.

    A bay at rest has the band in which its elements would change nothing. A bay that is awake has
    the one between the levels that its quantities lie between: while it stays there, only timers
    and what integrates can speak.
    """

    def __init__(self, wiring: Wiring, channels: int) -> None:
        bays = len(wiring.taps)
        self._bays = bays
        self._bands: list[Band | None] = [None] * bays
        self._limits = np.empty((2, STABILISED + 1, bays))
        self._limits[0], self._limits[1] = -np.inf, np.inf
        self._rows = np.ascontiguousarray(wiring.bounding(channels).T)
        self._sizes = np.abs(self._rows)
        # Of all rows and, after them, of the stabilised 3I0, which moves with the currents too.
        shares = self._sizes.reshape(channels, NEUTRAL + 1, bays)
        stabilised = shares[:, RESIDUAL] + STABILISING_SHARE * shares[:, CURRENTS].sum(axis=1)
        sizes = np.concatenate((self._sizes, stabilised), axis=1)
        self._in_row, row_sizes = sizes > 0.0, sizes.sum(axis=0)
        self._row_sizes = np.where(row_sizes > 0.0, row_sizes, 1.0)  # of no sensor: any will do
        self._followed, scales = wiring.changing()
        self._loads = np.nan_to_num(scales) ** 2
        self._most_change = np.empty(channels)
        # What is left of the last proof: samples, and of each channel what has changed since, what
        # may, and what may within a window.
        self._left = 0
        self._since = self._room = self._most_energy = np.empty(channels)
        self._take_up()

    def take_up(self, bay: int, band: Band) -> None:
        """The band of a bay, which changes with what was told and what was crossed."""
        if self._bands[bay] is band:
            return
        self._bands[bay] = band
        for limits, values, beyond in zip(self._limits, band, (-np.inf, np.inf), strict=True):
            limits[:, bay] = beyond
            limits[: len(values), bay] = values
        self._stale = True

    def still(self, front_end: FrontEnd, count: int) -> bool:
        """Whether the last proof holds for `count` samples more.

        The window at any of them is that of the proof turned in a circle, but for what has changed
        since (FrontEnd.reach). A place that changed k times moved by the sum of them, whose energy
        is at most k times the sum of theirs: k is _LASTING at most.
        """
        self._left -= count
        if self._left < 0 or self._stale:
            self._left = 0
            return False
        self._since += front_end.fresh
        used_up = np.count_nonzero(self._since >= self._room)
        return not (used_up or np.count_nonzero(front_end.change >= self._most_energy))

    def forget(self) -> None:
        """There is a gap: what was proven before it is proven of nothing after it."""
        self._left = 0

    def _go_on(self, reach: Reach, window: int, most: Array, least: Array) -> None:
        """From now on, with the room that is left in every row of every bay."""
        low, high = self._stabilised_room(most, least)
        room = np.concatenate(
            (np.minimum(self._high - most, least - self._low), np.minimum(low, high))
        )
        room /= reach.fresh * self._row_sizes
        room *= room
        self._room = np.where(self._in_row, room, np.inf).min(axis=1, initial=np.inf) / _LASTING
        self._since = np.zeros_like(self._room)
        self._most_energy = self._most_change * window
        self._left = _LASTING * window

    def _take_up(self) -> None:
        self._stale = False
        self._low, self._high = self._limits[:, : NEUTRAL + 1].reshape(2, -1)
        self._stabilised = self._limits[:, STABILISED]
        self._stabilising = bool(np.isfinite(self._stabilised).any())
        # No bound of a change from below is known: who must stay above a level is looked at.
        self._changing = np.asarray((self._limits[0, _CHANGES] > 0).any(axis=0))
        with np.errstate(divide="ignore", invalid="ignore"):  # no current, no limit
            energy = (self._limits[1, _CHANGES] / CAUTION) ** 2 / self._loads
        self._energy = np.where(np.isnan(energy), np.inf, energy)
        # Of the mean square; a channel that several bays use has the lowest limit of them.
        self._most_change.fill(np.inf)
        np.minimum.at(self._most_change, self._followed, self._energy)

    def moved(self, reach: Reach, window: int) -> Flags | None:
        """The bays that may have left their band, shape (bays,); None: surely none has."""
        if self._stale:
            self._take_up()
        ends = reach.ends @ self._rows
        ends *= ends
        size = np.sqrt(np.add.reduce(ends))
        away = reach.away @ self._sizes
        most = size * reach.most + away
        least = size * reach.least
        least -= away
        out = most >= self._high
        out |= least < self._low
        moved: Flags | None = None
        if np.count_nonzero(self._changing):
            moved = self._changing
        if np.count_nonzero(out):
            moved = _with(moved, out.reshape(-1, self._bays))
        if np.count_nonzero(reach.change >= self._most_change * window):
            moved = _with(moved, reach.change[self._followed] >= self._energy * window)
        if self._stabilising:
            low, high = self._stabilised_room(most, least)
            out = (low < 0.0) | (high <= 0.0)
            if np.count_nonzero(out):
                moved = _with(moved, out[None])
        if moved is None:
            self._go_on(reach, window, most, least)
        return moved

    def _stabilised_room(self, most: Array, least: Array) -> tuple[Array, Array]:
        """How far the stabilised 3I0 of every bay surely is from the ends of its band."""
        rows = (-1, self._bays)
        most, least = most.reshape(rows), least.reshape(rows)
        low, high = self._stabilised
        largest = most[CURRENTS].max(axis=0), np.maximum(least[CURRENTS].max(axis=0), 0.0)
        return (
            least[RESIDUAL] - largest[0] * STABILISING_SHARE - low,
            high - (most[RESIDUAL] - largest[1] * STABILISING_SHARE),
        )


def _with(moved: Flags | None, rows: Flags) -> Flags:
    """Those that moved already, and those of which any row did."""
    more = rows.any(axis=0)
    return np.asarray(more if moved is None else moved | more)
