"""Records in a folder: the agent's `replay` reads them, its `comtrade` driver plays one live."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent.records import Block
from agent.sensors import drivers
from agent.sensors.comtrade import read
from agent.site import SensorConfig
from hil.errors import BenchError
from hil.instruments.contract import Instrument
from hil.instruments.drop_folder import TEARS, DropFolder
from hil.instruments.pacing import now_us
from tests.hil.instruments.waves import feeder


def replayed(folder: Path) -> tuple[int, list[dict[str, Any]], str]:
    done = subprocess.run(
        [sys.executable, "-m", "agent", "replay", str(folder), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_record_is_there_when_its_last_sample_is_and_replay_finds_the_fault() -> None:
    recording = feeder(seconds=0.4)

    async def scenario() -> tuple[Any, ...]:
        async with DropFolder(recording) as instrument:
            start_us = now_us()
            pacing = await instrument.play(recording, start_us)
            assert now_us() >= start_us + 400_000
            return instrument.folder, pacing, start_us, replayed(instrument.folder)

    folder, pacing, start_us, (status, events, _) = asyncio.run(scenario())

    assert status == 0
    assert [event["kind"] for event in events if event["event"] == "fault"] == ["BC"]
    assert (pacing.start_us, pacing.writes) == (start_us, 1)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("tear", "status", "told"),
    [
        ("no_samples", 1, "no .dat file beside it"),
        ("half_samples", 0, "800 samples, the header tells of 1600"),
        ("half_header", 1, "the header ends here"),
        ("no_header", 1, "samples without a header"),
    ],
)
def test_a_torn_record_is_told_and_whole_again_with_the_next_drop(
    tear: str, status: int, told: str, tmp_path: Path
) -> None:
    assert tear in TEARS
    recording = feeder(seconds=0.4, fault_s=(0.25, 0.35))
    folder = DropFolder(recording, tmp_path)

    folder.drop(recording, tear)
    torn = replayed(tmp_path)
    folder.drop(recording)

    assert torn[0] == status
    assert told in torn[2]
    assert "Traceback" not in torn[2]
    assert faults(torn) == []  # it lay in the second half
    assert (read(folder.path).counts == recording.counts).all()


def faults(replayed: tuple[int, list[dict[str, Any]], str]) -> list[str]:
    return [event["kind"] for event in replayed[1] if event.get("event") == "fault"]


def test_the_agent_plays_a_record_live() -> None:
    recording = feeder(seconds=0.1)

    async def scenario() -> list[Block]:
        folder = DropFolder(recording)
        instrument: Instrument = folder
        async with instrument:
            folder.drop(recording)
            (table,) = tomllib.loads(instrument.sensor())["sensor"]
            name, driver = table.pop("name"), table.pop("driver")
            sensor = drivers.build(SensorConfig(name, driver, table), now_us)
            return [item async for item in sensor.stream() if isinstance(item, Block)]

    blocks = asyncio.run(scenario())
    assert sum(block.counts.shape[1] for block in blocks) == recording.length
    assert (blocks[0].counts == recording.counts[:, : blocks[0].counts.shape[1]]).all()


def test_nothing_but_whole_files_ever_has_a_record_s_name(tmp_path: Path) -> None:
    recording = feeder(seconds=0.1)
    DropFolder(recording, tmp_path).drop(recording)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["head.cfg", "head.dat"]


def test_what_cannot_be_dropped_is_one_clear_line(tmp_path: Path) -> None:
    recording = feeder(seconds=0.1)
    with pytest.raises(BenchError, match="tear 'wet'; expected one of no_samples"):
        DropFolder(recording, tmp_path).drop(recording, "wet")
    with pytest.raises(BenchError, match="No such file or directory"):
        DropFolder(recording, tmp_path / "nowhere").drop(recording)

    async def scenario() -> None:
        async with DropFolder(recording, tmp_path) as instrument:
            with pytest.raises(BenchError, match="is over"):
                await instrument.play(recording, now_us() - 200_000)
        with pytest.raises(BenchError, match="no folder"):
            await DropFolder(recording, tmp_path / "nowhere").__aenter__()

    asyncio.run(scenario())
