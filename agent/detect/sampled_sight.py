"""What the bays of one source see: the front end's channels as amperes and volts of each bay.

A sight is an array of shape (ROWS, bays, n): one row a quantity, one column a decision, RMS and
primary, NaN where there is no sensor. All bays are scaled at once, element by element in a fixed
order: IEEE rounds + - * / and square roots alike everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agent.detect.front_end import Channels, Exact, Sum
from agent.detect.short_circuit import STABILISING_SHARE
from agent.detect.sight import (
    ADDED,
    ADDED_NEUTRAL,
    ADDED_RESIDUAL,
    CURRENTS,
    LINE,
    NEUTRAL,
    RESIDUAL,
    ROWS,
    STABILISED,
    VOLTAGES,
    WATCHED,
    Band,
    Tap,
    Taps,
)

Array = npt.NDArray[np.float64]
Bays = npt.NDArray[np.intp]

_ROLES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
_PHASES = "ABC"
_ROOT2 = 2.0**0.5
# Of three channels with unlike scales the sum is rounded to this share of the finest.
_FINER = 0.25
_MOST_UNLIKE = 16.0  # scales that differ by more belong to no one set of transformers

# The roles whose change is followed, by their place in _ROLES.
_CHANGING = [0, 1, 2, 3, 7]


class Wiring:
    """Taps of every bay of a source as arrays.

    channels: how many the source delivers. taps: where a bay has no 3I0 or U0 of its own, with the
    `sums` of its three phases in their place, which the front end appends to the channels.
    """

    def __init__(self, taps: Sequence[Taps], channels: int) -> None:
        self.sums: list[Sum] = []
        self.taps = [self._with_sums(bay, channels) for bay in taps]
        rows = [[bay.get(role) for bay in self.taps] for role in _ROLES]
        places = [[tap.index if tap else 0 for tap in row] for row in rows]
        self.places = np.array(places, dtype=np.intp)
        scales = [[tap.scale if tap else np.nan for tap in row] for row in rows]
        self.scales = np.array(scales, dtype=np.float64)
        self._missing = np.isnan(self.scales)
        self._complete = not self._missing.any()

    def _with_sums(self, taps: Taps, channels: int) -> Taps:
        """The taps with 3I0 = IA + IB + IC and U0 = (UA + UB + UC) / 3 where they are missing."""
        completed = dict(taps)
        for role, phases, share in (("i0", "ia ib ic", 1.0), ("u0", "ua ub uc", 1.0 / 3.0)):
            parts = [taps[phase] for phase in phases.split() if phase in taps]
            if role in taps or len(parts) < len(_PHASES):
                continue
            scales = [part.scale for part in parts]
            sizes = [abs(scale) for scale in scales]
            if max(sizes) > _MOST_UNLIKE * min(sizes):
                continue
            unit = scales[0] if len(set(scales)) == 1 else _FINER * min(sizes)
            places, weights = [part.index for part in parts], [scale / unit for scale in scales]
            completed[role] = Tap(channels + len(self.sums), unit * share)
            self.sums.append((tuple(places), tuple(weights)))
        return completed

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
        seen[RESIDUAL], seen[NEUTRAL] = sizes[3], sizes[7]
        added = np.sqrt(exact.change[places[_CHANGING]] * (1.0 / window))
        added *= np.abs(scales[_CHANGING])
        seen[ADDED], seen[ADDED_RESIDUAL], seen[ADDED_NEUTRAL] = added[:3], added[3], added[4]
        return _completed(seen, whole=self._complete)

    def bounding(self, channels: int) -> Array:
        """(11 bays, channels): what makes of re or im of every channel the rows up to `NEUTRAL`.

        Row by row as in a sight, the bays of a row together; for proofs, not for verdicts.
        """
        unit = np.eye(channels)[self.places] * np.nan_to_num(self.scales)[..., None] / _ROOT2
        voltages = unit[4:7]
        line = voltages - voltages[[1, 2, 0]]
        missing = self._missing[4:7]
        line[missing | missing[[1, 2, 0]]] = 0.0
        rows = np.concatenate((unit[:4], voltages, line, unit[7:]))
        return rows.reshape(-1, channels)

    def changing(self) -> tuple[npt.NDArray[np.intp], Array]:
        """Channels and scales of the rows from `ADDED` to `ADDED_NEUTRAL`, (5, bays) each."""
        return self.places[_CHANGING], self.scales[_CHANGING]


def _sizes(re: Array, im: Array) -> Array:
    squares = re * re
    squares += im * im
    return np.sqrt(squares, out=squares)


def _completed(seen: Array, *, whole: bool) -> Array:
    """3I0 is 0 where it cannot be told, and stabilised by the largest phase current.

    whole: no sensor is missing.
    """
    if not whole:
        for row in (RESIDUAL, slice(ADDED.start, ADDED_NEUTRAL + 1)):
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
