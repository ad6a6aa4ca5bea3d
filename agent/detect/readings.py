"""A source of readings into its bays: RMS values that it measured itself, one decision each.

No arrays here: a terminal that only polls meters does not load numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan

from agent.detect.bay import BayDetector
from agent.detect.instants import Moment
from agent.detect.meter import Meter
from agent.detect.short_circuit import STABILISING_SHARE
from agent.detect.sight import (
    ADDED,
    ADDED_NEUTRAL,
    ADDED_RESIDUAL,
    CURRENTS,
    NEUTRAL,
    RESIDUAL,
    ROWS,
    STABILISED,
    VOLTAGES,
    WATCHED,
    Band,
    Taps,
)
from agent.records import Event, Quality, Reading

_CURRENTS, _VOLTAGES = ("ia", "ib", "ic"), ("ua", "ub", "uc")
_BESIDE = ("u_load_a", "u_load_b", "u_load_c", "switch")
# What a meter may say of power and frequency, by the names of its points (profiles/).
_ACTIVE, _REACTIVE, _FREQUENCY = "p", "q", "f"


class Readings:
    """The bays of one such source, with the taps of each."""

    def __init__(self, bays: Sequence[BayDetector], taps: Sequence[Taps]) -> None:
        self._bays = list(zip(bays, taps, strict=True))
        self._previous_us: int | None = None
        self._latest: Reading | None = None

    def feed(self, reading: Reading) -> list[Event]:
        """Events of one reading; one that cannot be trusted decides nothing."""
        if reading.quality and reading.quality & (Quality.STALE | Quality.INVALID):
            return []
        since_us = reading.t_us if self._previous_us is None else self._previous_us
        self._previous_us, self._latest = reading.t_us, reading
        when = Moment(reading.t_us, since_us)
        events: list[Event] = []
        for bay, taps in self._bays:
            sight = ReadSight(reading, taps)
            events += bay.feed(sight, [0], when, _no_raw)
            if beside := _beside(reading, taps):
                events += bay.read(reading.t_us, since_us, beside, sight.column(0))
        return events

    def meters(self) -> list[Meter]:
        """What the source says of each bay."""
        latest = self._latest
        return [] if latest is None else [_meter(bay.bay.name, latest, t) for bay, t in self._bays]


class ReadSight:
    """One decision; it tells no change, so its faults are judged by size alone."""

    count = 1

    def __init__(self, reading: Reading, taps: Taps) -> None:
        seen = [nan] * ROWS
        seen[CURRENTS] = [_size(reading, taps, role) for role in _CURRENTS]
        seen[VOLTAGES] = [_size(reading, taps, role) for role in _VOLTAGES]
        residual = _size(reading, taps, "i0")
        seen[RESIDUAL] = 0.0 if isnan(residual) else residual
        seen[NEUTRAL] = _size(reading, taps, "u0")
        seen[ADDED], seen[ADDED_RESIDUAL], seen[ADDED_NEUTRAL] = [0.0] * 3, 0.0, 0.0
        largest = max((amps for amps in seen[CURRENTS] if not isnan(amps)), default=0.0)
        seen[STABILISED] = seen[RESIDUAL] - largest * STABILISING_SHARE
        self._seen = seen

    def column(self, _: int) -> list[float]:
        """All rows."""
        return self._seen

    def outside(self, band: Band, k: int) -> int:
        """`k` when a watched row leaves the band."""
        watched = zip(*band, self._seen[:WATCHED], strict=True)
        moves = any(value >= high or value < low for low, high, value in watched)
        return k if moves else self.count


def _no_raw(_: int) -> None:
    """A meter has no samples to look at."""


def _value(reading: Reading, taps: Taps, role: str) -> float | None:
    tap = taps.get(role)
    counted = None if tap is None else reading.values[tap.index]
    return None if tap is None or counted is None else counted * tap.scale


def _beside(reading: Reading, taps: Taps) -> dict[str, float]:
    """What it knows of the switch and of the voltages behind it, by role."""
    roles = (role for role in _BESIDE if role in taps)
    sizes = ((role, _size(reading, taps, role)) for role in roles)
    return {role: size for role, size in sizes if not isnan(size)}


def _size(reading: Reading, taps: Taps, role: str) -> float:
    value = _value(reading, taps, role)
    return nan if value is None else abs(value)


def _meter(bay: str, reading: Reading, taps: Taps) -> Meter:
    """What the meter itself says; its power is scaled as its volts and amperes are."""
    amps, volts = taps.get("ia"), taps.get("ua")
    power = amps.scale * volts.scale if amps and volts else None

    def told(name: str, scale: float | None) -> float | None:
        for channel, value in zip(reading.layout.channels, reading.values, strict=True):
            if channel.name == name and value is not None and scale is not None:
                return value * scale
        return None

    return Meter(
        bay,
        reading.t_us,
        tuple(_value(reading, taps, role) for role in _CURRENTS),
        tuple(_value(reading, taps, role) for role in _VOLTAGES),
        _value(reading, taps, "i0"),
        _value(reading, taps, "u0"),
        told(_ACTIVE, power),
        told(_REACTIVE, power),
        told(_FREQUENCY, 1.0),
    )
