"""Readings as records: every poll of the sensors that are logged whole, not only its means.

A meter's values leave the terminal as live values, which may be lost, and as means of a quarter
hour. Whoever needs every single poll (a test of a meter, a power-quality study, a substation
without samples) asks for it in the site file: log = "readings". What the values are called stands
once in the log, before the first of them, and again when the channels change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from agent.clock import Stamp
from agent.records import Layout, Reading
from agent.store import cbor, entries, entry

# A value takes up to 9 bytes of a record's 4096, a channel's name and unit up to 40.
VALUES_AT_ONCE = 256
CHANNELS_AT_ONCE = 64
# What a float64 holds exactly; beyond it there is no thousandth to tell.
_LARGEST = 1 << 53


class ReadingLog:
    """sensors: those whose readings are logged, by their names."""

    def __init__(self, sensors: Collection[str]) -> None:
        self._sensors = frozenset(sensors)
        self._told: dict[str, Layout] = {}

    def records(self, reading: Reading, stamp: Stamp) -> list[bytes]:
        """The payloads, for lane h, of this reading; none where it is not to be logged.

        stamp: of the reading's own instant.
        """
        sensor = reading.layout.sensor
        if sensor not in self._sensors:
            return []
        told = list(_readings(reading, stamp))
        if self._told.get(sensor) != reading.layout:
            self._told[sensor] = reading.layout
            told = [*_channels(reading.layout, stamp), *told]
        return [cbor.dumps(each) for each in told]


def _readings(reading: Reading, stamp: Stamp) -> Iterator[list[Any]]:
    counts = _milli(reading.values)
    for first in range(0, len(counts), VALUES_AT_ONCE):
        values: dict[str, Any] = {
            "sensor": reading.layout.sensor,
            "first": first,
            "values_milli": counts[first : first + VALUES_AT_ONCE],
            "doubt": int(reading.quality) or None,
        }
        yield entries.interval_entry(stamp, entry.READINGS, values)


def _channels(layout: Layout, stamp: Stamp) -> Iterator[list[Any]]:
    for first in range(0, len(layout.channels), CHANNELS_AT_ONCE):
        some = layout.channels[first : first + CHANNELS_AT_ONCE]
        names = [text for channel in some for text in (channel.name, channel.unit)]
        values = {"sensor": layout.sensor, "first": first, "channels": names}
        yield entries.interval_entry(stamp, entry.CHANNELS, values)


def _milli(values: Sequence[float | None]) -> list[int | None]:
    """Thousandths; what is not a number of this world is absent."""
    return [
        None if value is None or not -_LARGEST < value * 1000 < _LARGEST else round(value * 1000)
        for value in values
    ]
