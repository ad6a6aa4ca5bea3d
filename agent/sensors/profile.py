"""Register maps of meters as data: TOML in, a frozen profile out.

What a register means stands in profiles/*.toml, each citing its document; no meter is known here.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.errors import SiteError
from agent.sensors.registers import (
    BIT_SPACES,
    LONGEST_READ,
    SPACES,
    TYPES,
    UNITS,
    Limits,
    Point,
    Profile,
    Span,
)

# The longest that ships has a tenth of it.
MOST_BYTES = 262_144
Check = tuple[Callable[[Any], bool], str]


def load(name: str) -> Profile:
    """A profile that ships with the agent by its name, or any file by its path.

    Raises: SiteError with every finding.
    """
    shipped = Path(__file__).with_name("profiles") / f"{name}.toml"
    path = Path(name) if name.endswith(".toml") else shipped
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"longer than {MOST_BYTES} bytes")
        document = tomllib.loads(content.decode())
    except OSError as error:
        known = ", ".join(sorted(p.stem for p in shipped.parent.glob("*.toml")))
        raise SiteError(
            f"profile {name}", (f"cannot be read ({error.strerror}); shipped are {known}",)
        ) from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or digits by the thousand
        raise SiteError(f"profile {name}", (f"is not TOML: {str(error)[:160]}",)) from error
    return parse(path.stem, document)


def parse(name: str, document: Mapping[str, Any]) -> Profile:
    """The profile of a TOML document. Raises: SiteError with every finding."""
    findings: list[str] = []
    own = {key: value for key, value in document.items() if key not in ("point", "every_point")}
    _check("", own, _PROFILE, findings, needed=("source",))
    limits = _limits(own) if not findings else Limits()
    points = _points(document, findings)
    if not findings:
        findings += _beside(points, limits)
    if findings:
        raise SiteError(f"profile {name}", tuple(findings))
    return Profile(name, document["source"], tuple(points), limits)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _within(low: int, high: int) -> Check:
    return lambda v: _whole(v) and low <= v <= high, f"{low} to {high}"


def _one_of(*choices: str) -> Check:
    shown = ", ".join(choice or '""' for choice in choices)
    return lambda v: isinstance(v, str) and v in choices, f"one of {shown}"


def _text(most: int) -> Check:
    return (
        lambda v: isinstance(v, str) and 0 < len(v.strip()) <= most,
        f"text of 1 to {most} characters",
    )


_WHOLES: Check = (
    lambda v: isinstance(v, list) and all(map(_whole, v)),
    "a list of whole numbers",
)
_NUMBER: Check = (_number, "a number")

_PROFILE: dict[str, Check] = {
    "source": _text(2000),
    "most_registers": _within(1, LONGEST_READ),
    "widest_hole": _within(0, LONGEST_READ),
    "slowest_reply_ms": _within(20, 10_000),
    "forbidden": (
        lambda v: isinstance(v, list) and all(map(_is_span, v)),
        "a list of { space, first, last }, addresses 0 to 65535",
    ),
}
_POINT: dict[str, Check] = {
    "name": _text(32),
    "address": _within(0, 65_535),
    "space": _one_of(*SPACES),
    "type": _one_of(*TYPES),
    "word_order": _one_of("big", "little"),
    "byte_order": _one_of("big", "little"),
    "scale": (lambda v: _number(v) and v != 0, "a number, not 0"),
    "exponent": _text(32),
    "bit": _within(0, 63),
    "ones": _WHOLES,
    "zeros": _WHOLES,
    "unit": _one_of(*UNITS),
    "phase": _one_of("A", "B", "C", "N", ""),
    "invalid": _WHOLES,
    "low": _NUMBER,
    "high": _NUMBER,
    "heartbeat": (lambda v: isinstance(v, bool), "true or false"),
}


def _is_span(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"space", "first", "last"}
        and value["space"] in SPACES
        and _whole(value["first"])
        and _whole(value["last"])
        and 0 <= value["first"] <= value["last"] <= 65_535
    )


def _limits(own: Mapping[str, Any]) -> Limits:
    standard = Limits()
    return Limits(
        own.get("most_registers", standard.most_registers),
        own.get("widest_hole", standard.widest_hole),
        tuple(Span(**span) for span in own.get("forbidden", ())),
        own.get("slowest_reply_ms", standard.slowest_reply_s * 1000) / 1000,
    )


def _points(document: Mapping[str, Any], findings: list[str]) -> list[Point]:
    """The points that are good; keys of [every_point] stand for those that a point leaves out."""
    common = document.get("every_point", {})
    tables = document.get("point")
    if not isinstance(common, dict):
        findings.append("every_point: expected a table")
        common = {}
    if not isinstance(tables, list) or not tables:
        findings.append("point: expected one [[point]] for each value")
        return []
    read = (_point(n, table, common, findings) for n, table in enumerate(tables, start=1))
    return [point for point in read if point]


def _point(number: int, table: Any, common: Mapping[str, Any], findings: list[str]) -> Point | None:
    where = f"[[point]] {number}"
    if not isinstance(table, dict):
        findings.append(f"{where}: expected a table")
        return None
    before = len(findings)
    whole = {**common, **table}
    _check(f"{where} ", whole, _POINT, findings, needed=("name", "address"))
    if len(findings) > before:
        return None
    lists = {key: tuple(whole[key]) for key in ("ones", "zeros", "invalid") if key in whole}
    return Point(**{**whole, **lists})


def _check(
    where: str,
    table: Mapping[str, Any],
    checks: Mapping[str, Check],
    findings: list[str],
    needed: Sequence[str],
) -> None:
    findings += [f"{where}{key}: missing" for key in needed if key not in table]
    for key, value in table.items():
        if key not in checks:
            findings.append(f"{where}{key}: unknown; expected one of {', '.join(checks)}")
            continue
        fits, expected = checks[key]
        if not _safely(fits, value):
            findings.append(f"{where}{key} = {value!r}: expected {expected}")


def _safely(fits: Callable[[Any], bool], value: Any) -> bool:
    try:
        return fits(value)
    except TypeError:  # a list where a plain value belongs cannot be looked up
        return False


def _beside(points: Sequence[Point], limits: Limits) -> list[str]:
    """What points are to each other, to their registers and to the device's limits."""
    names = [point.name for point in points]
    twice = sorted({name for name in names if names.count(name) > 1})
    findings = [f"point {name}: stands twice" for name in twice]
    scalers = [point for point in points if any(p.exponent == point.name for p in points)]
    for point in points:
        where = f"point {point.name}"
        if point.end > 65_536:
            findings.append(f"{where}: ends behind address 65535")
        if point.width > limits.most_registers:
            findings.append(f"{where}: wider than most_registers")
        if any(span.meets(point.space, point.address, point.end) for span in limits.forbidden):
            findings.append(f"{where}: lies in what is forbidden")
        if point.exponent and point.exponent not in names:
            findings.append(f"{where}: exponent {point.exponent}: no such point")
        if point.exponent and point in scalers:
            findings.append(f"{where}: scales a point and is itself scaled by another")
        if point.bit is not None and (
            point.space in BIT_SPACES or point.bit >= 16 * point.width or point.type[0] == "f"
        ):
            findings.append(f"{where}: bit {point.bit} is none of its register")
    return findings
