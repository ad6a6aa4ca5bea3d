"""Reads the tables of a scenario file key by key, and tells everything that is wrong at once.

What keys there are stands in language.py; here is how a value is taken or refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NEEDED: Any = object()
_WRONG: Any = object()
_SHOWN = 60  # characters of a value; a finding stays one line
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Take:
    """What a key may hold. expected: completes "expected ..."; read: the value, or _WRONG."""

    expected: str
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table; without a default it must be given."""

    name: str
    take: Take
    default: Any = NEEDED


@dataclass(frozen=True, slots=True)
class Place:
    """A table of a file, and the list that takes what is wrong with it."""

    file: str
    table: str
    findings: list[str] = field(repr=False)

    def tell(self, key: str, what: str, expected: str) -> None:
        """One line: `file: [table] key = value: what; expected ...`."""
        at = " ".join(part for part in (self.table, key) if part)
        self.findings.append(f"{self.file}: {at}: {what}; expected {expected}")

    def refuse(self, key: str, value: object, what: str, expected: str) -> None:
        """The line for a value that cannot be taken."""
        self.tell(f"{key} = {shown(value)}", what, expected)


def read(content: Mapping[str, Any], keys: Sequence[Key], place: Place) -> dict[str, Any]:
    """The good values of a table, defaults included; a wrong or missing one is told."""
    names = [key.name for key in keys]
    for name in content:
        if name not in names:
            place.refuse(
                name, content[name], "unknown key" + nearest(name, names), ", ".join(names)
            )
    values = {}
    for key in keys:
        if key.name not in content:
            if key.default is NEEDED:
                place.tell(key.name, "missing", key.take.expected)
            else:
                values[key.name] = key.default
            continue
        value = key.take.read(content[key.name])
        if value is _WRONG:
            place.refuse(key.name, content[key.name], "cannot be taken", key.take.expected)
        else:
            values[key.name] = value
    return values


def shown(value: object) -> str:
    """A value of the file, short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return f"{'a table' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint at what was meant, or nothing."""
    near = difflib.get_close_matches(word[:64], known, n=1)
    return f", did you mean {near[0]}?" if near else ""


def _when(fits: Callable[[Any], bool], expected: str) -> Take:
    return Take(expected, lambda value: value if fits(value) else _WRONG)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text(most: int = 200, *, lines: bool = False) -> Take:
    """Text that people read; of one line unless `lines`."""

    def fits(value: Any) -> bool:
        if not isinstance(value, str) or not 0 < len(value.strip()) <= most:
            return False
        return lines or value.isprintable()

    return _when(fits, f"text of 1 to {most} characters")


def name() -> Take:
    """A name that serves as a file's stem too."""
    return _when(
        lambda value: isinstance(value, str) and NAME.fullmatch(value) is not None,
        "1 to 64 of the characters a-z 0-9 -",
    )


def number(low: float, high: float, unit: str = "", *, whole: bool = False) -> Take:
    """A number within bounds, both included."""

    def take(value: Any) -> Any:
        if not _is_number(value) or not low <= value <= high or (whole and value != int(value)):
            return _WRONG
        return int(value) if whole else float(value)

    what = "a whole number" if whole else "a number"
    return Take(f"{what} from {low:g} to {high:g} {unit}".rstrip(), take)


def flag() -> Take:
    """Yes or no."""
    return _when(lambda value: isinstance(value, bool), "true or false")


def one_of(*choices: str) -> Take:
    """One word of a few."""
    return _when(lambda value: value in choices, f"one of {', '.join(choices)}")


def list_of(take: Take, least: int = 0) -> Take:
    """Values of one kind, as a tuple."""

    def read_all(value: Any) -> Any:
        if not isinstance(value, list) or len(value) < least:
            return _WRONG
        items = tuple(take.read(item) for item in value)
        return _WRONG if _WRONG in items else items

    return Take(f"a list of at least {least}, each {take.expected}", read_all)


def bounds(low: float, high: float, unit: str) -> Take:
    """Two numbers, the lower one first, as a tuple."""

    def take(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
            return _WRONG
        return tuple(value) if low <= value[0] <= value[1] <= high else _WRONG

    return Take(f"[lowest, highest] {unit}, from {low:g} to {high:g}", take)


def pair(what: str) -> Take:
    """Two numbers, as a tuple."""

    def take(value: Any) -> Any:
        fits = isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
        return (float(value[0]), float(value[1])) if fits else _WRONG

    return Take(what, take)


def count() -> Take:
    """How often: a number, or [least, most], as a tuple of both."""

    def take(value: Any) -> Any:
        pair = [value, value] if isinstance(value, int) else value
        fits = (
            isinstance(pair, list)
            and len(pair) == 2
            and all(isinstance(item, int) and not isinstance(item, bool) for item in pair)
            and 0 <= pair[0] <= pair[1]
        )
        return tuple(pair) if fits else _WRONG

    return Take("a number of times, or [least, most]", take)


def plain_table() -> Take:
    """A table of plain values: what it may hold is for somebody else to say."""

    def fits(value: Any) -> bool:
        return isinstance(value, dict) and not any(isinstance(v, dict) for v in value.values())

    return _when(fits, "a table of plain values")


def texts_by_name() -> Take:
    """A table of texts."""

    def fits(value: Any) -> bool:
        return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())

    return _when(fits, "a table of texts")
