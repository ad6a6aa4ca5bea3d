"""What the bays of one source see: the front end's channels as amperes and volts of each bay.

A sight is an array of shape (ROWS, bays, n): one row a quantity, one column a decision, RMS and
primary, NaN where there is no sensor. All bays are scaled at once, element by element in a fixed
order: IEEE rounds + - * / and square roots alike everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agent.detect.front_end import Channels, Exact
from agent.detect.short_circuit import STABILISING_SHARE
from agent.detect.sight import (
    ADDED,
    CURRENTS,
    LINE,
    NEUTRAL,
    RESIDUAL,
    ROWS,
    STABILISED,
    VOLTAGES,
    WATCHED,
    Band,
    Taps,
)

Array = npt.NDArray[np.float64]
Bays = npt.NDArray[np.intp]

_ROLES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
_ROOT2 = 2.0**0.5


class Wiring:
    """Taps of every bay of a source as arrays."""

    def __init__(self, taps: Sequence[Taps]) -> None:
        self.taps = list(taps)
        rows = [[bay.get(role) for bay in taps] for role in _ROLES]
        places = [[tap.index if tap else 0 for tap in row] for row in rows]
        self.places = np.array(places, dtype=np.intp)
        scales = [[tap.scale if tap else np.nan for tap in row] for row in rows]
        self.scales = np.array(scales, dtype=np.float64)
        self._missing = np.isnan(self.scales)
        self._complete = not self._missing.any()

    def channels(self, bays: Bays) -> Channels:
        """The channels that these bays need; None: all."""
        if len(bays) == len(self.taps):
            return None
        return np.unique(self.places[:, bays])

    def sight(self, exact: Exact, window: int, channels: Channels, bays: Bays) -> Array:
        """What these bays see, from the quantities of these channels."""
        places = self.places[:, bays]
        if channels is not None:
            places = np.searchsorted(channels, places)
        scales = self.scales[:, bays, None]
        re = exact.even[places]
        re *= scales * (1.0 / (_ROOT2 * exact.even_gain))
        im = exact.odd[places]
        im *= scales * (1.0 / (_ROOT2 * exact.odd_gain))
        seen = np.empty((ROWS, *re.shape[1:]))
        sizes = _sizes(re, im)
        seen[CURRENTS], seen[VOLTAGES] = sizes[:3], sizes[4:7]
        turned = [5, 6, 4]
        seen[LINE] = _sizes(re[4:7] - re[turned], im[4:7] - im[turned])
        seen[RESIDUAL] = self._own_or_sum(sizes[3], re[:3], im[:3], bays, role=3)
        seen[NEUTRAL] = self._own_or_sum(sizes[7], re[4:7] / 3.0, im[4:7] / 3.0, bays, role=7)
        added = np.sqrt(exact.change[places[:3]] * (1.0 / window))
        seen[ADDED] = np.multiply(added, np.abs(scales[:3]), out=added)
        return _completed(seen, whole=self._complete)

    def bounding(self, channels: int) -> Array:
        """(10 bays, channels): what makes of re or im of every channel the rows up to `LINE`.

        Row by row as in a sight, the bays of a row together; for proofs, not for verdicts.
        """
        unit = np.eye(channels)[self.places] * np.nan_to_num(self.scales)[..., None] / _ROOT2
        currents, voltages = unit[:3], unit[4:7]
        residual = np.where(self._missing[3, :, None], currents.sum(axis=0), unit[3])
        line = voltages - voltages[[1, 2, 0]]
        missing = self._missing[4:7]
        line[missing | missing[[1, 2, 0]]] = 0.0
        rows = np.concatenate((currents, residual[None], voltages, line))
        return rows.reshape(-1, channels)

    def _own_or_sum(self, own: Array, re: Array, im: Array, bays: Bays, role: int) -> Array:
        """Of its own sensor where the bay has one, else of the sum of the three phases."""
        missing = self._missing[role, bays]
        if not missing.any():
            return own
        summed = _sizes((re[0] + re[1]) + re[2], (im[0] + im[1]) + im[2])
        return np.where(missing[:, None], summed, own)


def _sizes(re: Array, im: Array) -> Array:
    squares = re * re
    squares += im * im
    return np.sqrt(squares, out=squares)


def _completed(seen: Array, *, whole: bool) -> Array:
    """3I0 is 0 where it cannot be told, and stabilised by the largest phase current.

    whole: no sensor is missing.
    """
    if not whole:
        for row in (RESIDUAL, ADDED):
            seen[row] = np.nan_to_num(seen[row])
    largest = np.fmax(np.fmax(seen[0], seen[1]), seen[2])
    largest *= STABILISING_SHARE
    if not whole:
        largest = np.nan_to_num(largest)
    np.subtract(seen[RESIDUAL], largest, out=seen[STABILISED])
    return seen


class SampledSight:
    """One bay's part of what all see, shape (rows, n)."""

    def __init__(self, seen: Array) -> None:
        self._seen = seen
        self.count = seen.shape[1]

    def column(self, k: int) -> list[float]:
        """All rows at decision `k`."""
        column: list[float] = self._seen[:, k].tolist()
        return column

    def outside(self, band: Band, k: int) -> int:
        """The first decision from `k` on at which a watched row leaves the band, else `count`."""
        low, high = (np.array(limits)[:, None] for limits in band)
        watched = self._seen[:WATCHED, k:]
        moving = np.flatnonzero(((watched >= high) | (watched < low)).any(axis=0))
        return k + int(moving[0]) if moving.size else self.count
