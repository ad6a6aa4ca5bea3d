"""Register maps of meters as data: TOML in, frozen points out, and the reads that fetch them.

What a register means stands in profiles/*.toml, each citing its document; no meter is known here.
"""

from __future__ import annotations

import math
import struct
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import SiteError
from agent.records import Channel

SPACES = ("holding", "input", "coil", "discrete")
TYPES = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "f32": ">f"}
UNITS = ("A", "V", "")
LONGEST_READ = 125  # registers in one answer (Modbus application protocol 1.1b3, 6.3)
WIDEST_HOLE = 8  # registers that are read along rather than asking twice


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a meter: value = scale * raw. `bits` spaces hold 0 or 1.

    invalid: raw values by which the meter says that it has none. low, high: what is plausible.
    heartbeat: it must change from poll to poll, or the meter repeats itself.
    """

    name: str
    address: int
    space: str = "holding"
    type: str = "u16"
    word_order: str = "big"
    scale: float = 1.0
    unit: str = ""
    phase: str = ""
    invalid: tuple[int, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    heartbeat: bool = False

    @property
    def width(self) -> int:
        """Registers that it takes; one bit counts as one."""
        bits = self.space in ("coil", "discrete")
        return 1 if bits else struct.calcsize(TYPES[self.type]) // 2

    def value(self, words: Sequence[int]) -> float | None:
        """The value that these registers hold; None when the meter says it has none."""
        if self.space in ("coil", "discrete"):
            return float(bool(words[0]))
        ordered = words if self.word_order == "big" else words[::-1]
        packed = struct.pack(f">{len(ordered)}H", *ordered)
        if int.from_bytes(packed, "big") in self.invalid:
            return None
        (raw,) = struct.unpack(TYPES[self.type], packed)
        return float(raw) * self.scale if math.isfinite(raw) else None


@dataclass(frozen=True, slots=True)
class Read:
    """One request: `count` registers of a space from `address` on, and the points in it."""

    space: str
    address: int
    count: int
    points: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A meter's points, in the file's order, and the reads that fetch them all."""

    name: str
    source: str
    points: tuple[Point, ...]
    reads: tuple[Read, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reads", tuple(plan_reads(self.points)))

    def channels(self) -> tuple[Channel, ...]:
        """The points as channels of a source; their values are scaled already."""
        return tuple(Channel(p.name, p.unit, phase=p.phase) for p in self.points)


def plan_reads(points: Sequence[Point]) -> Iterable[Read]:
    """The fewest requests, none longer than LONGEST_READ, that fetch every point."""
    order = sorted(range(len(points)), key=lambda k: (points[k].space, points[k].address))
    group: list[int] = []
    for k in order:
        if group and not _joins(points, group, points[k]):
            yield _read(points, group)
            group = []
        group.append(k)
    if group:
        yield _read(points, group)


def _joins(points: Sequence[Point], group: list[int], point: Point) -> bool:
    begin = points[group[0]].address
    end = max(points[k].address + points[k].width for k in group)
    return (
        point.space == points[group[0]].space
        and point.address - end <= WIDEST_HOLE
        and point.address + point.width - begin <= LONGEST_READ
    )


def _read(points: Sequence[Point], group: list[int]) -> Read:
    begin = points[group[0]].address
    end = max(points[k].address + points[k].width for k in group)
    return Read(points[group[0]].space, begin, end - begin, tuple(group))


def load(name: str) -> Profile:
    """A profile that ships with the agent by its name, or any file by its path.

    Raises: SiteError with every finding.
    """
    shipped = Path(__file__).with_name("profiles") / f"{name}.toml"
    path = Path(name) if name.endswith(".toml") else shipped
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(p.stem for p in shipped.parent.glob("*.toml")))
        raise SiteError(
            f"profile {name}", (f"cannot be read ({error.strerror}); shipped are {known}",)
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SiteError(f"profile {name}", (f"is not TOML: {error}",)) from error
    return parse(path.stem, document)


def parse(name: str, document: Mapping[str, Any]) -> Profile:
    """The profile of a TOML document. Raises: SiteError with every finding."""
    findings = [f"{key}: unknown" for key in document if key not in ("source", "point")]
    source = document.get("source")
    if not isinstance(source, str) or not source.strip():
        findings.append("source: expected the register document that this map is from")
    tables = document.get("point")
    if not isinstance(tables, list) or not tables:
        tables = []
        findings.append("point: expected one [[point]] for each value")
    points = [_point(n, table, findings) for n, table in enumerate(tables, start=1)]
    names = [point.name for point in points if point]
    findings += [
        f"point {n}: stands twice" for n in sorted({n for n in names if names.count(n) > 1})
    ]
    if findings:
        raise SiteError(f"profile {name}", tuple(findings))
    return Profile(name, str(source), tuple(point for point in points if point))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_CHECKS: dict[str, tuple[Any, str]] = {
    "name": (lambda v: isinstance(v, str) and 0 < len(v) <= 32, "text of 1 to 32 characters"),
    "address": (lambda v: _whole(v) and 0 <= v <= 65_535, "0 to 65535"),
    "space": (lambda v: v in SPACES, f"one of {', '.join(SPACES)}"),
    "type": (lambda v: v in TYPES, f"one of {', '.join(TYPES)}"),
    "word_order": (lambda v: v in ("big", "little"), "big or little"),
    "scale": (lambda v: _number(v) and v != 0, "a number, not 0"),
    "unit": (lambda v: v in UNITS, 'A, V or ""'),
    "phase": (lambda v: v in ("A", "B", "C", "N", ""), 'A, B, C, N or ""'),
    "invalid": (lambda v: isinstance(v, list) and all(map(_whole, v)), "a list of whole numbers"),
    "low": (_number, "a number"),
    "high": (_number, "a number"),
    "heartbeat": (lambda v: isinstance(v, bool), "true or false"),
}


def _point(number: int, table: Any, findings: list[str]) -> Point | None:
    where = f"[[point]] {number}"
    if not isinstance(table, dict):
        findings.append(f"{where}: expected a table")
        return None
    before = len(findings)
    findings += [f"{where} {key}: missing" for key in ("name", "address") if key not in table]
    for key, value in table.items():
        fits, expected = _CHECKS.get(key, (None, ""))
        if fits is None:
            findings.append(f"{where} {key}: unknown; expected one of {', '.join(_CHECKS)}")
        elif not _safely(fits, value):
            findings.append(f"{where} {key} = {value!r}: expected {expected}")
    if len(findings) > before:
        return None
    return Point(**{**table, "invalid": tuple(table.get("invalid", ()))})


def _safely(fits: Any, value: Any) -> bool:
    try:
        return bool(fits(value))
    except TypeError:  # a list where a plain value belongs cannot be looked up
        return False
