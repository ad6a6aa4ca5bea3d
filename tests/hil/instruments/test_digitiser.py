"""The digitiser instrument on a real pseudo terminal, read by the agent's own driver."""

from __future__ import annotations

import asyncio
import contextlib
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.records import Block, Notice, Quality
from agent.sensors import drivers
from agent.sensors.contract import Sensor
from agent.site import SensorConfig
from agent.store import cbor, entry
from agent.store.journal import Stored
from hil.errors import BenchError
from hil.instruments import line_faults
from hil.instruments.contract import Instrument
from hil.instruments.digitiser import Digitiser, ratio
from hil.instruments.pacing import now_us
from tests.hil.instruments.waves import feeder
from tests.house import Agent, faults_in, until

WITHIN_S = 30
GRID_US = 40_000


def next_start(ahead_us: int = 400_000) -> int:
    """An instant that the instrument keeps to the microsecond."""
    return (now_us() + ahead_us) // GRID_US * GRID_US + GRID_US


def reader_of(instrument: Digitiser) -> Sensor:
    (table,) = tomllib.loads(instrument.sensor())["sensor"]
    name, driver = table.pop("name"), table.pop("driver")
    return drivers.build(SensorConfig(name, driver, table), now_us)


@contextlib.asynccontextmanager
async def read(instrument: Digitiser) -> AsyncIterator[list[Any]]:
    items: list[Any] = []

    async def drain() -> None:
        async with contextlib.aclosing(reader_of(instrument).stream()) as stream:  # type: ignore[type-var]
            async for item in stream:
                items.append(item)  # noqa: PERF401  # others watch it grow

    task = asyncio.create_task(drain())
    try:
        yield items
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def wait_for(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not true():  # noqa: ASYNC110  # any condition
            await asyncio.sleep(0.01)


Scenario = Callable[[Digitiser, list[Any]], Awaitable[Any]]


def undisturbed(made: Callable[[], Digitiser], scenario: Scenario) -> Any:
    """What the scenario answers; once more where this machine was too busy to be a bench."""

    async def tried() -> tuple[Any, bool]:
        async with made() as instrument, read(instrument) as items:
            await wait_for(lambda: blocks(items))
            before = instrument.unheard_bytes
            answer = await scenario(instrument, items)
            return answer, instrument.unheard_bytes > before

    for _ in range(4):
        answer, disturbed = asyncio.run(tried())
        if not disturbed:
            break
    return answer


def blocks(items: list[Any]) -> list[Block]:
    return [item for item in items if isinstance(item, Block)]


def line(items: list[Any]) -> tuple[Any, Any]:
    """Indices and counts of all samples, side by side."""
    indices = [block.first + np.arange(block.counts.shape[1]) for block in blocks(items)]
    return np.concatenate(indices), np.concatenate([b.counts for b in blocks(items)], axis=1)


def places_of(counts: Any, wanted: Any) -> list[int]:
    """Where these samples stand as a whole among others."""
    width = wanted.shape[1]
    near = np.flatnonzero(counts[0, : counts.shape[1] - width + 1] == wanted[0, 0])
    return [int(k) for k in near if (counts[:, k : k + width] == wanted).all()]


def test_a_recording_arrives_sample_by_sample_with_a_steady_network_around_it() -> None:
    recording = feeder(seconds=0.4)

    async def scenario(instrument: Digitiser, items: list[Any]) -> tuple[list[Any], Any, int]:
        await wait_for(lambda: len(blocks(items)) > 60)
        start_us = next_start()
        pacing = await instrument.play(recording, start_us)
        after = len(blocks(items))
        await wait_for(lambda: len(blocks(items)) > after + 60)
        return items, pacing, start_us

    items, pacing, start_us = undisturbed(lambda: Digitiser(recording), scenario)
    _, counts = line(items)

    assert pacing.start_us == start_us
    assert pacing.writes >= recording.seconds * 500
    assert 0 <= pacing.mean_us <= pacing.max_us
    (begin,) = places_of(counts, recording.counts)
    end = begin + recording.length
    # Before it and behind it: cycles that close without a step.
    for part in (counts[:, begin - 400 : begin + 160], counts[:, end - 160 : end + 100]):
        assert np.abs(part[:, 80:] - part[:, :-80]).max() <= 1
    # In its time: what the way adds is late, never early.
    index = blocks(items)[0].first + begin
    assert 0 <= blocks(items)[-1].sample_us(index) - start_us < 50_000
    assert states(items)[0] == "live"


def test_a_start_beside_the_grid_is_put_off_and_the_pacing_says_so() -> None:
    recording = feeder(seconds=0.1)

    async def scenario() -> tuple[int, int]:
        instrument: Instrument = Digitiser(recording)
        async with instrument:
            start_us = next_start() + 1
            return start_us, (await instrument.play(recording, start_us)).start_us

    start_us, played_us = asyncio.run(scenario())
    assert 0 < played_us - start_us < GRID_US
    assert played_us % GRID_US == 0


@pytest.mark.parametrize(("hz", "rate_hz"), [(49.6, 4000), (50.0, 12_800), (60.0, 4000)])
def test_the_lead_in_closes_at_any_frequency_and_rate(hz: float, rate_hz: int) -> None:
    recording = feeder(rate_hz=rate_hz, hz=hz, seconds=0.3, fault_s=None)

    async def scenario() -> list[Any]:
        async with Digitiser(recording) as instrument, read(instrument) as items:
            await wait_for(lambda: sum(b.counts.shape[1] for b in blocks(items)) > rate_hz)
            return items

    indices, counts = line(asyncio.run(scenario()))

    steps = np.abs(np.diff(counts, n=2, axis=1))[:, np.diff(indices, n=2) == 0]
    smooth = np.abs(np.diff(recording.counts, n=2, axis=1)).max()
    # A joint is off by less than the half sample that no piece of whole samples can avoid.
    allowed = 2 if hz == 50.0 or (hz, rate_hz) == (60.0, 4000) else np.pi * hz / rate_hz * 17_000
    assert steps.max() <= smooth + allowed


def test_contacts_come_with_the_samples_and_stand_still_before_and_after() -> None:
    n = 1600
    closed, door = np.arange(n) >= 700, np.arange(n) < 5
    recording = feeder(seconds=0.4, fault_s=None, contacts={"switch": closed, "door": door})

    async def scenario(instrument: Digitiser, items: list[Any]) -> tuple[list[Any], str]:
        await instrument.play(recording, next_start())
        played = len(blocks(items))
        await wait_for(lambda: len(blocks(items)) > played + 60)
        return items, instrument.channels()

    items, channels = undisturbed(lambda: Digitiser(recording), scenario)
    _, counts = line(items)

    layout = blocks(items)[0].layout
    switch, doors = counts[layout.index("switch")], counts[layout.index("door")]
    (on,) = np.flatnonzero(np.diff(switch) == 1)
    (shut,) = np.flatnonzero(np.diff(doors) == -1)
    assert on - shut == 700 - 5
    assert len(np.flatnonzero(np.diff(switch))) == 1
    assert tomllib.loads(channels)["switch"] == "head.switch"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(line_faults.losing(0.1, 3), id="losing"),
        pytest.param(line_faults.damaging(0.1, 3), id="damaging"),
        pytest.param(line_faults.delaying(0.02, 3, 0.03), id="delaying"),
    ],
)
def test_whatever_the_line_does_what_arrives_was_sampled_and_stands_where_it_was(
    fault: line_faults.Fault,
) -> None:
    n = 2400
    recording = feeder(seconds=0.6, fault_s=None)
    ramp = np.tile(np.arange(n, dtype=np.int32), (8, 1))
    recording = type(recording)(**{**_fields(recording), "counts": ramp})

    async def scenario(instrument: Digitiser, items: list[Any]) -> list[Any]:
        await instrument.play(recording, next_start())
        await wait_for(lambda: blocks(items)[-1].counts[0, -1] > n - 170)
        return items

    items = undisturbed(lambda: Digitiser(recording, fault=fault), scenario)
    indices, counts = line(items)

    assert (counts == counts[0]).all()
    played = np.flatnonzero(counts[0] > 200)  # behind the lead-in, before what repeats
    inside = played[counts[0, played] < n - 200]
    assert len(set(counts[0, inside] - indices[inside])) == 1
    assert (np.diff(indices) > 0).all()
    gaps = [block for block in blocks(items) if block.quality & Quality.GAP]
    assert bool(gaps) == (fault.__qualname__.split(".")[0] != "delaying")


def _fields(recording: Any) -> dict[str, Any]:
    return {name: getattr(recording, name) for name in recording.__dataclass_fields__}


def test_a_board_that_is_reset_or_unplugged_is_found_again() -> None:
    recording = feeder(seconds=0.2, fault_s=None)

    async def scenario() -> list[Any]:
        async with Digitiser(recording) as instrument, read(instrument) as items:
            await wait_for(lambda: blocks(items))
            instrument.restart()
            await wait_for(lambda: "reconnected" in states(items))
            seen = len(blocks(items))
            await wait_for(lambda: len(blocks(items)) > seen + 10)
            instrument.unplug()
            await wait_for(lambda: "stalled" in states(items))
            seen = len(blocks(items))
            instrument.plug()
            await wait_for(lambda: len(blocks(items)) > seen + 10)
            return items

    items = asyncio.run(scenario())
    assert states(items)[0] == "live"
    assert states(items)[-1] == "reconnected"
    instants = [block.sample_us(block.first) for block in blocks(items)]
    assert instants == sorted(instants)


def states(items: list[Any]) -> list[str]:
    return [item.state for item in items if isinstance(item, Notice)]


def test_what_cannot_be_played_is_one_clear_line() -> None:
    recording = feeder(seconds=0.1)

    async def scenario() -> None:
        async with Digitiser(recording) as instrument:
            with pytest.raises(BenchError, match="other channels or another rate"):
                await instrument.play(feeder(rate_hz=8000), next_start())
            with pytest.raises(BenchError, match="is over or too near"):
                await instrument.play(recording, now_us())

    asyncio.run(scenario())

    def torn(number: int, frame: bytes) -> Any:
        raise ZeroDivisionError(f"frame {number} of {len(frame)} bytes")

    async def broken() -> None:
        async with Digitiser(recording, fault=torn) as instrument:
            with pytest.raises(BenchError, match="digitiser head: ZeroDivisionError"):
                await instrument.play(recording, next_start())

    asyncio.run(broken())
    with pytest.raises(BenchError, match="115200 baud: too slow; expected at least"):
        Digitiser(recording, baud=115_200, paced=True)


@given(st.floats(1e-9, 1e9))
def test_a_scale_is_the_nearest_ratio_of_two_32_bit_numbers(scale: float) -> None:
    over, under = ratio(scale)
    assert 1 <= over < 1 << 32
    assert 1 <= under < 1 << 32
    assert abs(Fraction(over, under) / Fraction(scale) - 1) < Fraction(1, 10)
    if 1e-3 < scale < 1e3:  # as scales are: to the last bit
        assert over / under == scale


SITE = """
[site]
name = "hebin"
[device]
id = "ftu-7"
data_dir = "data"
{sensor}
[[bay]]
name = "head"
section = "s1"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
[bay.channels]
{channels}
"""


def test_the_real_agent_sees_a_short_circuit_over_the_port(tmp_path: Path) -> None:
    recording = feeder(seconds=0.5, contacts={"switch": np.ones(2000, dtype=np.bool_)})

    async def scenario() -> int:
        async with Digitiser(recording) as instrument:
            site = SITE.format(sensor=instrument.sensor(), channels=instrument.channels())
            agent = Agent(tmp_path, site)
            agent.start()
            try:
                await asyncio.to_thread(until, lambda: "sensor head live" in agent.said(), "live")
                await asyncio.sleep(0.5)  # windows fill
                pacing = await instrument.play(recording, next_start())
                await asyncio.to_thread(until, lambda: faults_in(agent) > 0, "the fault")
                assert agent.end() == 0
            finally:
                agent.put_down()
            faults = [fields for fields in alarms(agent) if fields["event"] == "fault"]
            assert [fault["kind"] for fault in faults] == ["BC"]
            onset_us = faults[0]["mono_us"] - faults[0]["onset_before_us"]
            return int(onset_us - pacing.start_us)

    onset_us = asyncio.run(scenario())
    assert abs(onset_us - 200_000) < 10_000 + 50_000  # of the onset, and of a machine under load


def alarms(agent: Agent) -> list[dict[str, Any]]:
    """What is on disk, each with its instant on CLOCK_BOOTTIME."""
    entries = [
        cbor.loads(item.payload)
        for lane, item in agent.records()
        if lane == "a" and isinstance(item, Stored)
    ]
    return [{**entry.as_dict(each), "mono_us": each[entry.MONO]} for each in entries]
