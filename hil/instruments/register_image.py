"""What stands in a meter's registers for what it measures, by one of the device's register maps.

The way back of agent/sensors/registers.py, written apart from it: raw = value / scale, packed as
the map's types, word and byte orders say.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from agent.sensors.registers import BIT_SPACES, TYPES, Point, Profile, Read

# What a state shows that nobody measures: a switch of which nothing is known to be wrong is closed.
UNMEASURED_STATE = 1.0
WORD = 0xFFFF


class RegisterImage:
    """The words of every register and the states of every bit that the map has."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._words: dict[tuple[str, int], int] = {}
        self._beats = 0
        self.show({})
        self.beat()

    @property
    def counts(self) -> bool:
        """Whether the map has a register that only counts, to show that the meter lives."""
        return any(point.heartbeat for point in self.profile.points)

    def show(self, values: Mapping[str, float]) -> None:
        """What it measures from now on, by the points' names; the others it has no value for."""
        for point in self.profile.points:
            if not point.heartbeat:
                self._store(point, self._pattern(point, values.get(point.name)))

    def beat(self) -> None:
        """The registers that only count go on by one."""
        self._beats += 1
        for point in self.profile.points:
            if point.heartbeat:
                self._store(point, self._beats % (1 << 16 * point.width))

    def words(self, read: Read) -> list[int]:
        """What answers this read of the map; 0 in its holes."""
        addresses = range(read.address, read.address + read.count)
        return [self._words.get((read.space, address), 0) for address in addresses]

    def _pattern(self, point: Point, value: float | None) -> int:
        """Bits of the point, in the order of big words and bytes."""
        if any(other.exponent == point.name for other in self.profile.points):
            return 0  # scale factors are 10 ** 0
        if point.is_state:
            return _state(point, UNMEASURED_STATE if value is None else value)
        if value is None:
            return point.invalid[0] if point.invalid else 0
        return int.from_bytes(_packed(point, value), "big")

    def _store(self, point: Point, pattern: int) -> None:
        if point.bit is not None:
            word, bit = point.width - 1 - point.bit // 16, point.bit % 16
            place = point.space, point.address + word
            self._words[place] = self._words.get(place, 0) & ~(1 << bit) | pattern << bit
            return
        for k, word in enumerate(_in_order(point, pattern)):
            self._words[point.space, point.address + k] = word


def _state(point: Point, value: float) -> int:
    on = value >= 0.5
    if point.ones or point.zeros:
        told = point.ones if on else point.zeros
        # A register that names one of its states only shows some other word for the other.
        return told[0] if told else (max(point.ones + point.zeros) + 1) & WORD
    return int(on)


def _packed(point: Point, value: float) -> bytes:
    """A value beyond what the register holds shows as the most that it holds, as meters do."""
    kind, raw = TYPES[point.type], value / point.scale
    if point.type.startswith("f"):
        return struct.pack(kind, raw)
    bits = 16 * point.width
    if point.type.startswith("sm"):
        size = min(abs(round(raw)), (1 << bits - 1) - 1)
        return struct.pack(kind, size | (1 << bits - 1 if raw < 0 else 0))
    low, high = (
        (-(1 << bits - 1), (1 << bits - 1) - 1) if point.type[0] == "s" else (0, 2**bits - 1)
    )
    return struct.pack(kind, min(max(round(raw), low), high))


def _in_order(point: Point, pattern: int) -> list[int]:
    if point.space in BIT_SPACES:
        return [pattern]
    packed = pattern.to_bytes(2 * point.width, "big")
    order = ">" if point.byte_order == "big" else "<"
    words = list(struct.unpack(f"{order}{point.width}H", packed))
    return words if point.word_order == "big" else words[::-1]
