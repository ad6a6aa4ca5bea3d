"""Days as the site counts them: 23, 24 or 25 hours from one local midnight to the next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY_US = 86_400_000_000


def local_day(zone: str) -> Callable[[int], tuple[int, int]]:
    """What answers the day in which an instant lies, as instants of its two midnights. [us, UTC]

    Where the clocks skip midnight the day begins with its first instant; where an hour repeats
    across it, with the first of the two. An instant that no calendar holds has a day of UTC.
    """
    local = ZoneInfo(zone)

    def midnight_us(day: date) -> int:
        return round(datetime.combine(day, time(), local).timestamp()) * 1_000_000

    def day_of(utc_us: int) -> tuple[int, int]:
        try:
            day = datetime.fromtimestamp(utc_us // 1_000_000, UTC).astimezone(local).date()
            return midnight_us(day), midnight_us(day + timedelta(days=1))
        except (OverflowError, ValueError, OSError):
            start_us = utc_us // _DAY_US * _DAY_US
            return start_us, start_us + _DAY_US

    return day_of
