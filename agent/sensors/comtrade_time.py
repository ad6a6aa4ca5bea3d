"""What a COMTRADE header says of time: instants, the clock that stamped them, and its state.

Detection runs on sample numbers and rates alone; all this is for people, who have to put records of
several devices side by side. So what cannot be understood here is told and unknown, never an error.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

_INSTANT = re.compile(
    r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{2,4})\s*[,;]\s*"
    r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,]([0-9]{1,12}))?"
)
_DAY_NS = 86_400 * 1_000_000_000
# A sign, hours, minutes behind an "h"; a letter at the end is of no use here (C37.232: s, t, z).
_OFFSET = re.compile(r"([+-]?)([0-9]{1,2})(?:h([0-9]{1,2}))?[a-gi-z]?", re.IGNORECASE)
_FARTHEST_MIN = 14 * 60  # Kiribati; nobody lives farther from Greenwich

# Source: IEEE C37.111-2013, table of tmq_code (that of C37.118.1): 10^(code - 10) seconds.
_LOCKED, _FAILED = "0", "F"
_UNLOCKED = "123456789AB"
_LEAPS = {"0": "none", "1": "added", "2": "removed", "3": "unknown"}


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock behind a record's stamps, as revision 2013 states it; None: not said.

    utc_offset_min: of the stamps to UTC; local_offset_min: of the recorder's place. [min]
    locked: to its source of time. error_s: bound of the stamps' error, None when there is none.
    [s] leap: a leap second within the record, "none", "added", "removed" or "unknown".
    """

    utc_offset_min: int | None = None
    local_offset_min: int | None = None
    locked: bool | None = None
    error_s: float | None = None
    leap: str | None = None


def clock(codes: Sequence[str], quality: Sequence[str]) -> tuple[Clock, list[str]]:
    """The clock by the fields time_code, local_code and tmq_code, leapsec, and what is odd.

    Source: IEEE C37.111-2013 (IEC 60255-24:2013), configuration file: time and quality codes.
    """
    time_code, local_code, tmq_code, leap_code = (*_two(codes), *_two(quality))
    findings: list[str] = []
    utc, local = _offset(time_code), _offset(local_code)
    if time_code and utc is None:
        findings.append(f"time_code {time_code[:12]!r} is no offset as +5h30; taken as unknown")
    if local_code and local is None and local_code.lower() != "x":
        findings.append(f"local_code {local_code[:12]!r} is no offset as +5h30; taken as unknown")
    locked, error_s = _state(tmq_code.upper(), findings)
    leap = _LEAPS.get(leap_code)
    if leap_code and leap is None:
        findings.append(f"leapsec {leap_code[:12]!r} is none of 0 to 3; taken as unknown")
    if leap in ("added", "removed"):
        findings.append(f"a leap second was {leap} within the record; instants count on")
    return Clock(utc, local, locked, error_s, leap), findings


def _two(fields: Sequence[str]) -> tuple[str, str]:
    first, second, *_ = *fields, "", ""
    return first, second


def _offset(code: str) -> int | None:
    """Minutes ahead of UTC; None when the code is no such offset."""
    match = _OFFSET.fullmatch(code)
    if match is None:
        return None
    minutes = 60 * int(match[2]) + int(match[3] or 0)
    if int(match[3] or 0) > 59 or minutes > _FARTHEST_MIN:
        return None
    return -minutes if match[1] == "-" else minutes


def _state(code: str, findings: list[str]) -> tuple[bool | None, float | None]:
    """Locked or not, and the bound of the error [s]; a word where the clock was not locked."""
    if code == _LOCKED:
        return True, None
    if code == _FAILED:
        findings.append("the recorder's clock had failed: its stamps are not reliable")
        return False, None
    if len(code) == 1 and code in _UNLOCKED:
        error_s = float(f"1e{int(code, 16) - 10}")
        findings.append(f"the recorder's clock was not locked: stamps are within {error_s:g} s")
        return False, error_s
    if code:
        findings.append(f"tmq_code {code[:12]!r} is no known quality; taken as unknown")
    return None, None


def counts_nanoseconds(*instants: str) -> bool:
    """Whether an instant is written finer than to the microsecond; time stamps then are as well."""
    matches = (_INSTANT.fullmatch(text.strip()) for text in instants)
    return any(match and len(match[7] or "") > 6 for match in matches)


def between_us(first: str, second: str, *, month_first: bool) -> int | None:
    """Microseconds from one written instant to another; None when either cannot be read."""
    begin, end = (_nanoseconds(text, month_first=month_first) for text in (first, second))
    return None if begin is None or end is None else (end - begin) // 1000


def _nanoseconds(text: str, *, month_first: bool) -> int | None:
    """Nanoseconds of an instant since some day long ago."""
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        return None
    day, month, year = int(match[1]), int(match[2]), int(match[3])
    if month_first:
        day, month = month, day
    try:
        ordinal = dt.date(year, month, day).toordinal()
    except ValueError:
        return None
    hours, minutes, seconds = int(match[4]), int(match[5]), int(match[6])
    if hours > 24 or minutes > 59 or seconds > 60:
        return None
    fraction = int((match[7] or "0").ljust(9, "0")[:9])
    return ordinal * _DAY_NS + ((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + fraction
