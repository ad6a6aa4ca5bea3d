"""What a meter's registers mean, and the reads that fetch them: points, word orders, plans.

Values come out in the unit that the point states; None is what the meter itself calls no value.
Pure; how a map is written down is in profile.py, how it is asked for in modbus.py.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.records import Channel

SPACES = ("holding", "input", "coil", "discrete")
BIT_SPACES = ("coil", "discrete")
# How each type is packed once its words are in order; sm.. is a sign bit and a magnitude.
TYPES = {
    "u16": ">H",
    "s16": ">h",
    "sm16": ">H",
    "u32": ">I",
    "s32": ">i",
    "sm32": ">I",
    "u64": ">Q",
    "s64": ">q",
    "f32": ">f",
    "f64": ">d",
}
UNITS = ("A", "V", "W", "var", "Hz", "")
LONGEST_READ = 125  # registers in one answer (Modbus application protocol 1.1b3, 6.3)
WIDEST_HOLE = 8  # registers that are read along rather than asking twice
LARGEST_EXPONENT = 10  # of a scale factor register (SunSpec information model, sunssf)


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a meter: value = scale * 10 ** exponent * raw; bits are 0 or 1.

    word_order, byte_order: big is ABCD; little words CDAB; little bytes BADC; both little DCBA.
    exponent: the point that holds the power of ten, as SunSpec's scale factors do.
    bit: one bit of the register, 0 the lowest. ones, zeros: raw values that mean 1 and 0 where a
    register tells a state; any other is no value: a switch between its ends is neither.
    invalid: raw values by which the meter says that it has none. low, high: what is plausible.
    heartbeat: it must change from poll to poll, or the meter repeats itself.
    """

    name: str
    address: int
    space: str = "holding"
    type: str = "u16"
    word_order: str = "big"
    byte_order: str = "big"
    scale: float = 1.0
    exponent: str = ""
    bit: int | None = None
    ones: tuple[int, ...] = ()
    zeros: tuple[int, ...] = ()
    unit: str = ""
    phase: str = ""
    invalid: tuple[int, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    heartbeat: bool = False

    @property
    def width(self) -> int:
        """Registers that it takes; one bit counts as one."""
        return 1 if self.space in BIT_SPACES else struct.calcsize(TYPES[self.type]) // 2

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.width

    @property
    def is_state(self) -> bool:
        """Whether it tells a state, 0 or 1, and no quantity."""
        return self.space in BIT_SPACES or self.bit is not None or bool(self.ones or self.zeros)

    def value(self, words: Sequence[int], exponent: float | None = 0.0) -> float | None:
        """The value that these registers hold; None when the meter says it has none."""
        if self.space in BIT_SPACES:
            return float(bool(words[0]))
        packed = self._in_order(words)
        pattern = int.from_bytes(packed, "big")
        if pattern in self.invalid:
            return None
        if self.bit is not None:
            return float(pattern >> self.bit & 1)
        if self.ones or self.zeros:
            return 1.0 if pattern in self.ones else 0.0 if pattern in self.zeros else None
        return self._scaled(_raw(self.type, packed), exponent)

    def _in_order(self, words: Sequence[int]) -> bytes:
        ordered = words if self.word_order == "big" else words[::-1]
        return struct.pack(f"{'>' if self.byte_order == 'big' else '<'}{len(ordered)}H", *ordered)

    def _scaled(self, raw: float, exponent: float | None) -> float | None:
        if not math.isfinite(raw) or exponent is None or abs(exponent) > LARGEST_EXPONENT:
            return None
        return float(raw * self.scale * 10.0 ** int(exponent))

    @property
    def is_plain(self) -> bool:
        """Whether its value is what one register counts, times its scale."""
        told = self.is_state or self.exponent or self.invalid
        return self.type == "u16" and self.byte_order == "big" and not told


def _raw(kind: str, packed: bytes) -> float:
    (raw,) = struct.unpack(TYPES[kind], packed)
    if kind.startswith("sm"):
        sign = 1 << (8 * len(packed) - 1)
        return float(-(raw - sign) if raw & sign else raw)
    return float(raw) if kind.startswith("f") else int(raw)


@dataclass(frozen=True, slots=True)
class Span:
    """Addresses of a space, both ends included."""

    space: str
    first: int
    last: int

    def meets(self, space: str, begin: int, end: int) -> bool:
        """Whether it shares an address with `begin` up to, not including, `end`."""
        return self.space == space and begin <= self.last and self.first < end


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device lets itself be asked, and how long it takes at worst to answer. [s]"""

    most_registers: int = LONGEST_READ
    widest_hole: int = WIDEST_HOLE
    forbidden: tuple[Span, ...] = ()
    # The application's answer, the line's own time apart; no meter that we know needs longer.
    slowest_reply_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Read:
    """One request: `count` registers of a space from `address` on, and the points in it."""

    space: str
    address: int
    count: int
    points: tuple[int, ...] = field(default=(), hash=False)  # each look-up would hash them all


Image = Mapping[Read, Sequence[int] | None]


@dataclass(frozen=True, slots=True)
class Profile:
    """A meter's points, in the file's order, and the reads that fetch them all.

    A point that only scales others is read, but it is no channel.
    """

    name: str
    source: str
    points: tuple[Point, ...]
    limits: Limits = Limits()
    reads: tuple[Read, ...] = field(init=False)
    measured: tuple[int, ...] = field(init=False)
    _home: tuple[Read, ...] = field(init=False)
    # Of each measured point its read and, where it is plain, its place there and its scale.
    _ways: tuple[tuple[int, int, int, float | None], ...] = field(init=False)

    def __post_init__(self) -> None:
        reads = tuple(_apart(plan_reads(self.points, self.limits)))
        home = {k: read for read in reads for k in read.points}
        scalers = {point.exponent for point in self.points}
        measured = (k for k, point in enumerate(self.points) if point.name not in scalers)
        object.__setattr__(self, "reads", reads)
        object.__setattr__(self, "measured", tuple(measured))
        object.__setattr__(self, "_home", tuple(home[k] for k in range(len(self.points))))
        object.__setattr__(self, "_ways", tuple(map(self._way, self.measured)))

    def _way(self, k: int) -> tuple[int, int, int, float | None]:
        point, read = self.points[k], self._home[k]
        scale = point.scale if point.is_plain else None
        return k, self.reads.index(read), point.address - read.address, scale

    def measured_points(self) -> tuple[Point, ...]:
        """The points that are channels."""
        return tuple(self.points[k] for k in self.measured)

    def channels(self) -> tuple[Channel, ...]:
        """The points as channels of a source; their values are scaled already."""
        return tuple(Channel(p.name, p.unit, phase=p.phase) for p in self.measured_points())

    def values(self, image: Image) -> list[float | None]:
        """One value a channel; None for what the meter refused to tell or has not."""
        told = [image[read] for read in self.reads]
        return [
            self._value(k, image)
            if scale is None
            else None
            if (words := told[home]) is None
            else words[place] * scale
            for k, home, place, scale in self._ways
        ]

    def _value(self, k: int, image: Image) -> float | None:
        point, read = self.points[k], self._home[k]
        words = image[read]
        if words is None:
            return None
        begin = point.address - read.address
        exponent = self._value(self._index(point.exponent), image) if point.exponent else 0.0
        return point.value(words[begin : begin + point.width], exponent)

    def _index(self, name: str) -> int:
        return next(k for k, point in enumerate(self.points) if point.name == name)

    def reads_of(self, channels: Iterable[int]) -> list[Read]:
        """The reads that fetch these channels, and what scales them, in the plan's order."""
        wanted = [self.measured[channel] for channel in channels]
        wanted += [
            self._index(p.exponent) for p in map(self.points.__getitem__, wanted) if p.exponent
        ]
        needed = {self._home[k] for k in wanted}
        return [read for read in self.reads if read in needed]


def plan_reads(points: Sequence[Point], limits: Limits = Limits()) -> Iterable[Read]:
    """The fewest requests that fetch every point and keep within what the device takes."""
    order = sorted(range(len(points)), key=lambda k: (points[k].space, points[k].address))
    group: list[int] = []
    for k in order:
        if group and not _joins(points, group, points[k], limits):
            yield _read(points, group)
            group = []
        group.append(k)
    if group:
        yield _read(points, group)


def _joins(points: Sequence[Point], group: list[int], point: Point, limits: Limits) -> bool:
    space, begin = points[group[0]].space, points[group[0]].address
    end = max(points[k].end for k in group)
    return (
        point.space == space
        and point.address - end <= limits.widest_hole
        and max(end, point.end) - begin <= limits.most_registers
        and not any(span.meets(space, end, point.address) for span in limits.forbidden)
    )


def _read(points: Sequence[Point], group: list[int]) -> Read:
    begin = points[group[0]].address
    end = max(points[k].end for k in group)
    return Read(points[group[0]].space, begin, end - begin, tuple(group))


def _apart(reads: Iterable[Read]) -> Iterable[Read]:
    """The same reads, where it can be no two of one length in a row.

    On a line whose answers carry no number, an answer that comes twice then does not fit the next
    question.
    """
    left, last = list(reads), None
    while left:
        differs = (read for read in left if (read.space, read.count) != last)
        chosen = next(differs, left[0])
        left.remove(chosen)
        last = chosen.space, chosen.count
        yield chosen


def prefixes(points: Sequence[Point], reads: Iterable[Read]) -> list[Read]:
    """Shorter and shorter beginnings of the reads, each ending where a point ends.

    A device may refuse to be asked for half a value, never for its first values alone.
    """
    found: dict[tuple[str, int], Read] = {}
    for read in reads:
        last = read.address + read.count
        for end in sorted({points[k].end for k in read.points if points[k].end <= last}):
            count = end - read.address
            found.setdefault((read.space, count), Read(read.space, read.address, count))
    return list(found.values())
