"""What one bay sees: the rows of a sight, and the taps that they are read from.

Amperes and volts, RMS and primary, NaN where there is no sensor. A source of samples shows many
decisions at once (sampled_sight.py), a source of readings one (readings.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

# Rows of a sight. Currents and voltages are fundamentals, voltages to earth and between phases,
# then U0; the `ADDED` ones are the RMS of what the last cycle added to each phase current, 3I0 and
# U0.
CURRENTS, RESIDUAL, VOLTAGES, LINE, NEUTRAL = slice(0, 3), 3, slice(4, 7), slice(7, 10), 10
ADDED, ADDED_RESIDUAL, ADDED_NEUTRAL = slice(11, 14), 14, 15
# 3I0 less what unequal phase CTs may feign.
STABILISED, ROWS = 16, 17
# The rows that a bay watches while it is quiet: all but the last, which follows from them.
WATCHED = 16

# Quiet is what lies from the first up to, not including, the second, for the watched rows.
Band = tuple[list[float], list[float]]


@dataclass(frozen=True, slots=True)
class Tap:
    """Where a role of a bay (ia ... u0) is found: channel of the layout, and unit per count."""

    index: int
    scale: float


Taps = Mapping[str, Tap]


class Sight(Protocol):
    """Consecutive decisions of one bay."""

    count: int

    def column(self, k: int) -> list[float]:
        """All rows at decision `k`."""
        ...

    def outside(self, band: Band, k: int) -> int:
        """The first decision from `k` on at which a watched row leaves the band, else `count`."""
        ...
