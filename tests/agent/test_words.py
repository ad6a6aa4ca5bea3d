"""Records as one line that a person reads."""

from __future__ import annotations

from agent import listen
from agent.clock import Stamp
from agent.store import entries, entry
from bench.walk import AT_ITS_LIMIT, MIDNIGHT_US, history

STAMP = Stamp(3, 5_000_000, MIDNIGHT_US + 900_000_000, 2, 900)


def test_a_quarter_hour_is_one_line() -> None:
    logged = history("head", AT_ITS_LIMIT, STAMP)

    assert listen.line(logged) == (
        "2026-11-24T00:15:00.000000Z         bay head, quarter hour from 00:00 UTC, "
        "observed 900 s, I 631 628 629 A, U 6352 6352 6351 V, P 10903 kW"
    )


def test_a_day_is_one_line_and_what_is_unknown_a_dash() -> None:
    most = entries.metered(AT_ITS_LIMIT)
    least = [None, *most[1:]]
    values = {
        "bay": "head",
        "day_start_utc_s": 1_795_363_200,
        "observed_s": 3600,
        "maxima": least,
        "maxima_after_s": [5] * 13,
        "minima": most,
        "minima_after_s": [5] * 13,
        "quality": entry.STEPPED,
    }

    day = entries.interval_entry(STAMP, entry.EXTREMES, values)

    assert listen.line(day).endswith(
        "bay head, day from 2026-11-22T16:00 UTC, observed 3600 s, I up to - 628 629 A, "
        "U 6352 6352 6351 to 6352 6352 6351 V, P 10903 to 10903 kW, stepped"
    )
