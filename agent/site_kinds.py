"""The kinds of value that a key of the site file may hold, and what is said of one that is not.

Each kind reads one value: it answers with the value as the agent uses it, or tells its place what
is wrong. Which key holds which kind stands in site_keys.py.
"""

from __future__ import annotations

import os
import re
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_RATIO = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*/\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*")
_BROKER = re.compile(
    r"mqtts?://(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?/?"
)
_SHOWN_LENGTH = 60  # a finding stays one line that a terminal of 100 columns shows


class Wrong:
    """Stands for a value that was refused."""


WRONG = Wrong()


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the file a value stands, and the list that takes what is wrong with it.

    base: folder of the site file. look: files that are named must exist.
    """

    table: str
    key: str
    base: Path
    look: bool
    findings: list[str] = field(repr=False)

    def at(self, key: str) -> Place:
        """The place of a key below this one."""
        return replace(self, key=f"{self.key}.{shown_key(key)}" if self.key else shown_key(key))

    def refuse(self, value: object, what: str, expected: str) -> Wrong:
        """One line: `[table] key = value: what; expected ...`."""
        self.findings.append(
            f"{self.table} {self.key} = {shown(value)}: {what}; expected {expected}"
        )
        return WRONG

    def miss(self, expected: str) -> Wrong:
        """The line for a key that is not there."""
        self.findings.append(f"{self.table} {self.key}: missing; expected {expected}")
        return WRONG


def shown(value: object) -> str:
    """A value of the file as one short line of printable characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        kind, none = ("a table", "{}") if isinstance(value, dict) else ("a list", "[]")
        return f"{kind} of {len(value)}" if value else none
    if isinstance(value, int) and abs(value) >= 10**_SHOWN_LENGTH:
        return f"a number of {value.bit_length()} bits"
    return _short(repr(value) if isinstance(value, str) else str(value))


def shown_key(key: str) -> str:
    """A key as it may stand in the file: bare where it can be."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key) else _short(repr(key))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 3] + "..."


class Kind(Protocol):
    """What a key may hold; `expected` completes the sentence "expected ..."."""

    @property
    def expected(self) -> str:
        """The values that are taken, in words."""
        ...

    def read(self, value: Any, place: Place) -> Any:
        """The value as the agent uses it, or WRONG after `place` was told why."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """Free text that people read: one printable line."""

    most: int = 64

    @property
    def expected(self) -> str:
        """The values that are taken, in words."""
        return f"text of 1 to {self.most} printable characters"

    def read(self, value: Any, place: Place) -> Any:
        """The text."""
        if isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= self.most:
            return value.strip()
        return place.refuse(value, "not such text", self.expected)


@dataclass(frozen=True, slots=True)
class Name:
    """A name that stands in topics (contract.md, section 2); what is reserved has its own topic."""

    reserved: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """The values that are taken, in words."""
        but = f", but not {' or '.join(self.reserved)}" if self.reserved else ""
        return f"1 to 32 of the characters A-Z a-z 0-9 _ -{but}"

    def read(self, value: Any, place: Place) -> Any:
        """The name."""
        if isinstance(value, str) and NAME.fullmatch(value) and value not in self.reserved:
            return value
        return place.refuse(value, "not a name that topics can carry", self.expected)


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, both included; `whole` takes no fraction."""

    low: float
    high: float
    unit: str = ""
    whole: bool = False

    @property
    def expected(self) -> str:
        """The values that are taken, in words."""
        what = "a whole number" if self.whole else "a number"
        return f"{what} from {_plain(self.low)} to {_plain(self.high)} {self.unit}".rstrip()

    def read(self, value: Any, place: Place) -> Any:
        """The number; NaN and the infinities lie outside any range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return place.refuse(value, "not a number", self.expected)
        if not self.low <= value <= self.high:
            return place.refuse(value, "out of range", self.expected)
        if self.whole and value != int(value):
            return place.refuse(value, "not a whole number", self.expected)
        return int(value) if self.whole else float(value)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Primary over secondary of a transformer, as a number or as its plate says it."""

    expected: str = 'a number from 0.001 to 1000000, or a text like "600/5"'

    def read(self, value: Any, place: Place) -> Any:
        """The ratio as a number."""
        number = value
        if isinstance(value, str) and (plate := _RATIO.fullmatch(value)):
            primary, secondary = float(plate[1]), float(plate[2])
            number = primary / secondary if secondary else 0.0
        if isinstance(number, bool) or not isinstance(number, int | float):
            return place.refuse(value, "not a ratio", self.expected)
        if not 0.001 <= number <= 1_000_000:
            return place.refuse(value, "out of range", self.expected)
        return float(number)


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few values; a text of digits may also be written as a number."""

    choices: tuple[str | int, ...]
    later: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """The values that are taken, in words."""
        return "one of " + ", ".join(str(choice) for choice in self.choices)

    def read(self, value: Any, place: Place) -> Any:
        """The choice as the table has it."""
        for choice in self.choices:
            spellings = {choice, int(choice)} if str(choice).isdigit() else {choice}
            if isinstance(value, str | int | float) and value in spellings:
                return choice
        if value in self.later:
            return place.refuse(value, "comes with a later part", self.expected)
        return place.refuse(value, "unknown" + nearest(value, self.choices), self.expected)


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no."""

    expected: str = "true or false"

    def read(self, value: Any, place: Place) -> Any:
        """The boolean."""
        return value if isinstance(value, bool) else place.refuse(value, "neither", self.expected)


@dataclass(frozen=True, slots=True)
class File:
    """A path, relative to the site file; `must_exist` where nothing works without it."""

    must_exist: bool = True

    @property
    def expected(self) -> str:
        """The values that are taken, in words."""
        return "an existing file" if self.must_exist else "a path"

    def read(self, value: Any, place: Place) -> Any:
        """The path, absolute where the site file's own is."""
        if not isinstance(value, str) or not 0 < len(value) < 4096 or not value.isprintable():
            return place.refuse(value, "not a path", self.expected)
        path = place.base / value
        # Not Path.exists: it raises where a name is too long or a folder may not be entered.
        if self.must_exist and place.look and not os.path.exists(path):  # noqa: PTH110
            return place.refuse(value, "does not exist", self.expected)
        return path


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone, for what people read; everything stored is UTC."""

    expected: str = "a name of the IANA time zone database, like Asia/Shanghai"

    def read(self, value: Any, place: Place) -> Any:
        """The name."""
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, AttributeError, OSError):
            return place.refuse(value, "no such time zone", self.expected)
        return value


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Where the uplink goes; a password has no place in a URL that logs repeat."""

    expected: str = "mqtt://HOST[:PORT] or mqtts://HOST[:PORT], port 1 to 65535"

    def read(self, value: Any, place: Place) -> Any:
        """The URL as it stands."""
        match = _BROKER.fullmatch(value) if isinstance(value, str) else None
        if match and 1 <= int(match[1] or 1883) <= 65535:
            return value
        if isinstance(value, str) and "@" in value:
            return place.refuse("(hidden)", "user and password do not belong here", self.expected)
        return place.refuse(value, "not a broker", self.expected)


@dataclass(frozen=True, slots=True)
class Channel:
    """Where a role of a bay is measured."""

    expected: str = '"SENSOR.CHANNEL", or a channel\'s name in a file without [[sensor]]'

    def read(self, value: Any, place: Place) -> Any:
        """The text; whether the sensor exists is for the whole file to say."""
        if isinstance(value, str) and 0 < len(value.strip()) <= 128 and value.isprintable():
            return value.strip()
        return place.refuse(value, "not a channel", self.expected)


@dataclass(frozen=True, slots=True)
class ListOf:
    """Several values of one kind, none twice."""

    kind: Kind
    least: int = 0
    most: int = 16

    @property
    def expected(self) -> str:
        """The values that are taken, in words."""
        return f"a list of {self.least} to {self.most}, each {self.kind.expected}"

    def read(self, value: Any, place: Place) -> Any:
        """The values as a tuple."""
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            return place.refuse(value, "not such a list", self.expected)
        read = [self.kind.read(item, place.at(str(n))) for n, item in enumerate(value, 1)]
        if WRONG in read:
            return WRONG
        twice = [item for n, item in enumerate(read) if item in read[:n]]
        if twice:
            return place.refuse(twice[0], "stands twice", "each value once")
        return tuple(read)


@dataclass(frozen=True, slots=True)
class Later:
    """A key that the contract knows and no part of the agent obeys yet."""

    expected: str = "the key to be left out"

    def read(self, value: Any, place: Place) -> Any:
        """Always refused: a setting that is not obeyed must not look as if it were."""
        return place.refuse(value, "comes with a later part", self.expected)


def _plain(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else str(number)


def nearest(word: object, known: Iterable[object]) -> str:
    """A hint at what was meant, or nothing."""
    if not isinstance(word, str):
        return ""
    import difflib  # 0.2 MB, for a file with a slip in it

    near = difflib.get_close_matches(word[:64], [str(k) for k in known], n=1)
    return f", did you mean {near[0]}?" if near else ""
