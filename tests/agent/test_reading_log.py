"""Readings that are logged one by one, and what their values are called."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from agent.clock import Stamp
from agent.reading_log import CHANNELS_AT_ONCE, VALUES_AT_ONCE, ReadingLog
from agent.records import Channel, Layout, Quality, Reading
from agent.store import cbor, entry
from agent.store.journal import verify
from tests.house import Agent, until
from tests.meter import Meter

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


SITE = """
[site]
name = "hebin"
[device]
id = "ftu-7"
data_dir = "data"
[[sensor]]
name = "meter"
driver = "modbus"
host = "127.0.0.1"
port = {logged}
profile = "generic"
period_ms = 50
log = "readings"
[[sensor]]
name = "other"
driver = "modbus"
host = "127.0.0.1"
port = {unlogged}
profile = "generic"
period_ms = 50
[[bay]]
name = "head"
section = "s1"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
channels = {{ ia = "meter.ia", ib = "meter.ib", ic = "meter.ic" }}
[[bay]]
name = "tail"
section = "s2"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
channels = {{ ia = "other.ia", ib = "other.ib", ic = "other.ic" }}
"""


def logged(agent: Agent) -> list[dict[str, Any]]:
    """What the log holds of readings, in its order."""
    items = [item for lane, item in agent.records() if lane == "h"]
    told = [entry.as_dict(cbor.loads(each.payload)) for each in items]
    return [one for one in told if one["type"] in ("channels", "readings")]


def phase_a(agent: Agent) -> list[int | None]:
    return [one["values_milli"][0] for one in logged(agent) if one["type"] == "readings"]


def test_every_poll_of_a_real_meter_stands_in_the_log_of_a_guard_that_was_killed(
    tmp_path: Path,
) -> None:
    with Meter({"ia": 100.25, "ib": 7.5}) as meter, Meter({"ia": 55.0}) as other:
        agent = Agent(tmp_path, SITE.format(logged=meter.port, unlogged=other.port))
        agent.start()
        try:
            until(lambda: phase_a(agent).count(100_250) > 5, "readings")
            meter.set({"ia": 0.01})
            until(lambda: phase_a(agent).count(10) > 5, "the other value")
            agent.kill("guard")
            before = len(logged(agent))
            until(lambda: len(logged(agent)) > before + 5, "readings of another guard")
            assert agent.end() == 0
        finally:
            agent.put_down()
        found = logged(agent)

    assert {one["sensor"] for one in found} == {"meter"}
    named = [n for n, one in enumerate(found) if one["type"] == "channels"]
    assert (named[0], len(named)) == (0, 2)  # once for each guard, before its first reading
    assert found[0]["channels"][:4] == ["ia", "A", "ib", "A"]
    readings = [one for one in found if one["type"] == "readings"]
    assert {one["values_milli"][0] for one in readings} == {100_250, 10}
    assert {one["values_milli"][1] for one in readings} == {7_500}
    assert all(one["mono_us"] < later["mono_us"] for one, later in pairwise(readings))
    assert verify(agent.log).ok
