"""Readings that are logged one by one, and what their values are called."""

from __future__ import annotations

from agent.clock import Stamp
from agent.reading_log import CHANNELS_AT_ONCE, VALUES_AT_ONCE, ReadingLog
from agent.records import Channel, Layout, Quality, Reading
from agent.store import cbor, entry

STAMP = Stamp(3, 5_000_000, 1_795_478_400_000_000, 2, 900)
TWO = Layout("meter", (Channel("ia", "A", phase="A"), Channel("ua", "V", phase="A")))


def told(log: ReadingLog, reading: Reading) -> list[dict[str, object]]:
    return [entry.as_dict(cbor.loads(each)) for each in log.records(reading, STAMP)]


def test_the_names_come_once_before_the_first_reading_and_again_when_they_change() -> None:
    log = ReadingLog(["meter"])
    first = told(log, Reading(TWO, 5_000_000, (1.2345, None)))
    assert [each["type"] for each in first] == ["channels", "readings"]
    assert first[0]["channels"] == ["ia", "A", "ua", "V"]
    assert first[1]["values_milli"] == [1234, None]
    assert "doubt" not in first[1]
    assert [each["type"] for each in told(log, Reading(TWO, 6_000_000, (1.0, 2.0)))] == ["readings"]
    other = Layout("meter", (Channel("ib", "A", phase="B"),))
    assert told(log, Reading(other, 7_000_000, (1.0,)))[0]["channels"] == ["ib", "A"]


def test_a_sensor_that_is_not_asked_for_is_left_alone() -> None:
    assert told(ReadingLog(["other"]), Reading(TWO, 5_000_000, (1.0, 2.0))) == []


def test_doubt_and_values_of_another_world_are_told() -> None:
    doubtful = Reading(TWO, 5_000_000, (float("inf"), 1e300), Quality.STALE | Quality.INVALID)
    told_last = told(ReadingLog(["meter"]), doubtful)[-1]
    assert told_last["values_milli"] == [None, None]
    assert told_last["doubt"] == 0b110
    assert len(entry.READING_DOUBTS) == len(Quality)


def test_any_number_of_channels_fits() -> None:
    channels = tuple(Channel(f"a-rather-long-channel-name-{n:05d}", "kvarh") for n in range(600))
    values = tuple(-9.0e12 - n for n in range(600))
    parts = told(ReadingLog(["meter"]), Reading(Layout("meter", channels), 1, values))
    assert len(parts) == -(-600 // CHANNELS_AT_ONCE) + -(-600 // VALUES_AT_ONCE)
    told_values = [
        value
        for part in parts
        if part["type"] == "readings" and isinstance(part["values_milli"], list)
        for value in part["values_milli"]
    ]
    assert told_values == [round(value * 1000) for value in values]
