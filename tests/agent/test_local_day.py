"""Days as the site counts them, against zoneinfo's own local times."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.local_day import local_day

HOUR_US = 3_600_000_000


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("zone", "instant", "start", "hours"),
    [
        pytest.param(
            "Asia/Shanghai", "2026-11-24T15:59:59Z", "2026-11-23T16:00Z", 24, id="east-of-utc"
        ),
        pytest.param(
            "Asia/Shanghai", "2026-11-24T16:00:00Z", "2026-11-24T16:00Z", 24, id="its-midnight"
        ),
        pytest.param("Europe/Berlin", "2026-03-29T12:00Z", "2026-03-28T23:00Z", 23, id="spring"),
        pytest.param("Europe/Berlin", "2026-10-25T01:30Z", "2026-10-24T22:00Z", 25, id="autumn"),
        pytest.param(
            "America/Santiago", "2026-09-06T12:00Z", "2026-09-06T04:00Z", 23, id="no-midnight"
        ),
        pytest.param(
            "America/Havana", "2026-11-01T05:30Z", "2026-11-01T04:00Z", 25, id="midnight-twice"
        ),
        pytest.param("Asia/Kathmandu", "2026-01-01T00:00Z", "2025-12-31T18:15Z", 24, id="quarters"),
    ],
)
def test_a_day_lasts_from_midnight_to_midnight(
    zone: str, instant: str, start: str, hours: int
) -> None:
    begin_us, end_us = local_day(zone)(us(instant))

    assert begin_us == us(start)
    assert end_us - begin_us == hours * HOUR_US


ZONES = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/Santiago", "Africa/Cairo"])


@given(ZONES, st.integers(us("2020-01-01T00:00Z"), us("2030-01-01T00:00Z")))
def test_an_instant_lies_in_its_day_and_days_meet(zone: str, utc_us: int) -> None:
    day_of = local_day(zone)
    start_us, end_us = day_of(utc_us)

    assert start_us <= utc_us < end_us
    assert day_of(start_us) == day_of(end_us - 1) == (start_us, end_us)
    assert day_of(end_us)[0] == end_us
    local = ZoneInfo(zone)
    dates = {
        datetime.fromtimestamp(t / 1e6, UTC).astimezone(local).date() for t in (start_us, utc_us)
    }
    assert len(dates) == 1


@given(st.integers(0, 1 << 62))
def test_a_clock_beyond_every_calendar_still_has_days(utc_us: int) -> None:
    start_us, end_us = local_day("Asia/Shanghai")(utc_us)

    assert start_us <= utc_us < end_us
