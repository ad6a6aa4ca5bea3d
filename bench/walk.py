"""Quarter hours of a synthetic 10 kV switching station: what a backlog of history is made of.

Bays on one busbar, so that voltages and frequency are common to them. Loads follow a day with a
morning and an evening peak, wander together by 1.5 % a quarter hour (pulled back by a fifth) and by
0.5 % phase by phase; the busbar wanders by 15 V, its phases by 2 V, the frequency by 10 mHz; U0 and
the negative sequence of the voltage by 0.5 V, the power factor by 0.003. The relation of UTC to the
monotonic clock, which Linux changes only where it steps, is read with a jitter of 2 us, and the
bound of the clock's error goes up and down between polls. Each bay's CTs and loads differ for good.
The seed is fixed, so that two runs give the same bytes. These figures are assumed, not measured.
"""

from __future__ import annotations

import math
import random
from typing import Any

from agent.clock import Stamp
from agent.history import QUARTER_US
from agent.store import entries, entry

BAYS = ("head", "bay-1", "bay-2", "bay-3", "bay-4", "bay-5")
MIDNIGHT_US = 1_795_478_400_000_000  # 2026-11-24T00:00:00Z
# Switchgear of 630 A at its limit, the voltage 10 % high: the longest that a quiet bay has to say.
AT_ITS_LIMIT: dict[str, Any] = {
    "currents": [631.12, 627.85, 629.4],
    "residual_amps": 19.37,
    "voltages": [6_352.4, 6_351.9, 6_350.8],
    "neutral_volts": 123.4,
    "active_watts": 10_903_251.0,
    "reactive_vars": -4_912_345.0,
    "frequency_hz": 49.987,
    "negative_amps": 31.25,
    "negative_volts": 48.1,
}
_TURN = complex(-0.5, math.sqrt(3) / 2)


def quarters(count: int, bays: int = len(BAYS), seed: int = 5) -> list[list[Any]]:
    """Entries of `count` quarter hours of so many bays, in the order in which guard writes them."""
    chance = random.Random(seed)  # noqa: S311  the same walk in every run is the point
    loads = [_Load(chance) for _ in range(bays)]
    bus = 0.0
    written = []
    for number in range(1, count + 1):
        ahead_us = 1_794_000_000_000_000 + round(chance.gauss(0, 2))
        bus = 0.8 * bus + chance.gauss(0, 15)
        shared = _voltages(chance, bus)
        utc_us = MIDNIGHT_US + number * QUARTER_US
        stamp = Stamp(41, utc_us - ahead_us, utc_us, 2, chance.choice((6_000, 12_000, 12_000)))
        for bay, load in zip(BAYS, loads, strict=False):
            meter = shared | load.currents(number, shared["voltages"])
            written.append(history(bay, meter, stamp))
    return written


def history(bay: str, meter: dict[str, Any], stamp: Stamp, observed_s: int = 900) -> list[Any]:
    """The entry of one quarter hour."""
    values: dict[str, Any] = dict(zip(entry.METERED, entries.metered(meter), strict=True))
    values |= {"bay": bay, "observed_s": observed_s}
    return entries.interval_entry(stamp, entry.HISTORY, values)


class _Load:
    """What hangs on one bay."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._rated = chance.uniform(80, 300)
        self._unequal = [1 + chance.gauss(0, 0.03) for _ in range(3)]
        self._wander = 0.0

    def currents(self, number: int, volts: list[float]) -> dict[str, Any]:
        """Currents, their residual and negative sequence, P and Q of a quarter hour."""
        chance = self._chance
        self._wander = 0.8 * self._wander + chance.gauss(0, 0.015)
        amps = self._rated * _day_curve(number / 4 % 24) * (1 + self._wander)
        a, b, c = (amps * (share + chance.gauss(0, 0.005)) for share in self._unequal)
        power_factor = 0.93 + chance.gauss(0, 0.003)
        apparent = sum(u * i for u, i in zip(volts, (a, b, c), strict=True))
        return {
            "currents": [a, b, c],
            "residual_amps": abs(a + b * _TURN**2 + c * _TURN),
            "negative_amps": abs(a + b * _TURN + c * _TURN**2) / 3,
            "active_watts": apparent * power_factor,
            "reactive_vars": apparent * math.sqrt(1 - power_factor**2),
        }


def _voltages(chance: random.Random, bus: float) -> dict[str, Any]:
    return {
        "voltages": [10_400 / math.sqrt(3) + bus + chance.gauss(0, 2) for _ in range(3)],
        "neutral_volts": 25 + chance.gauss(0, 0.5),
        "negative_volts": 18 + chance.gauss(0, 0.5),
        "frequency_hz": 50 + chance.gauss(0, 0.01),
    }


def _day_curve(hour: float) -> float:
    """The share of its rated load that a feeder carries, around the clock."""
    morning, evening = math.exp(-(((hour - 11) / 3) ** 2)), math.exp(-(((hour - 19.5) / 2) ** 2))
    return 0.5 + 0.25 * morning + 0.45 * evening
