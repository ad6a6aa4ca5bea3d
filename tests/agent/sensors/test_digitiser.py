"""The driver at a real pseudo terminal: a board that is slow, silent, away, wrong or replaced."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import tty
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.errors import SensorError
from agent.records import Block, Notice, Quality
from agent.sensors import digitiser, serial_reader
from agent.sensors.digitiser import BAUDS, Digitiser, from_options
from agent.sensors.digitiser_frame import Announcement, announcement_frame, samples_frame
from agent.sensors.serial_reader import SerialReader
from agent.site_keys import DRIVERS
from agent.site_kinds import OneOf

CHANNELS = (("ia", "A", "A", (1, 2)), ("ua", "V", "A", (1, 4)))
WITHIN_S = 20


def now_us() -> int:
    return time.monotonic_ns() // 1000


class Port:
    """A pseudo terminal under a path of its own, which stays when the port goes and comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = self.first = 0
        self.plug()

    def plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self._master)
        os.close(self._slave)

    def say(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)

    async def speak(self, seconds: float, *, stream: int = 1, rate_hz: int = 4000) -> None:
        """Frames of 2 ms at their pace; sample k is (k, -k) modulo 10000."""
        announced = announcement_frame(Announcement(stream, (rate_hz, 1), CHANNELS, (), "board"))
        begin, sets, first = time.monotonic(), rate_hz // 500, self.first
        for k in range(round(seconds * 500)):
            await asyncio.sleep(max(0, begin + k * 0.002 - time.monotonic()))
            if k % 125 == 0:
                self.say(announced)
            counts = np.arange(self.first, self.first + sets) % 10_000
            data = np.stack((counts, -counts), axis=1).astype("<i2").tobytes()
            self.say(samples_frame(stream, self.number, self.first, 0, data))
            self.number, self.first = (self.number + 1) % 65_536, self.first + sets
        self.said = self.first - first


@pytest.fixture
def port(tmp_path: Path) -> Any:
    opened = Port(tmp_path / "board")
    yield opened
    with contextlib.suppress(OSError):
        opened.unplug()


def sensor_at(path: Path) -> Digitiser:
    return from_options("s", {"port": str(path)}, now_us)


@contextlib.asynccontextmanager
async def listening(sensor: Digitiser) -> AsyncIterator[list[Any]]:
    """What it delivers, as it comes; the driver is closed in the end."""
    items: list[Any] = []

    async def drain() -> None:
        async with contextlib.aclosing(sensor.stream()) as stream:
            async for item in stream:
                items.append(item)  # noqa: PERF401  # others watch it grow

    task = asyncio.create_task(drain())
    try:
        yield items
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not sensor._reader.is_open


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not true():  # noqa: ASYNC110  # any condition
            await asyncio.sleep(0.005)


def blocks(items: list[Any]) -> list[Block]:
    return [item for item in items if isinstance(item, Block)]


def states(items: list[Any]) -> list[str]:
    return [item.state for item in items if isinstance(item, Notice)]


def heard(items: list[Any]) -> int:
    return sum(block.counts.shape[1] for block in blocks(items))


def test_samples_come_as_they_were_sent_at_their_instants(port: Port) -> None:
    async def scenario() -> list[Any]:
        async with listening(sensor_at(port.path)) as items:
            await asyncio.sleep(0.05)
            await port.speak(0.6)
            await until(lambda: heard(items) >= port.said - 8)
            return items

    items = asyncio.run(scenario())

    (live,) = [item for item in items if isinstance(item, Notice)]
    assert (live.state, live.detail) == ("live", "board: 4000 Hz, ia ua")
    expected = 0
    for block in blocks(items):
        if block.quality == Quality.GOOD:
            assert block.first == expected
        expected = block.first + block.counts.shape[1]
        assert (block.counts[0] == -block.counts[1]).all()
        assert (np.diff(block.counts[0]) == 1).all()


def test_silence_is_a_stall_and_its_end_is_told_with_a_gap(port: Port) -> None:
    async def scenario() -> list[Any]:
        async with listening(sensor_at(port.path)) as items:
            await asyncio.sleep(0.05)
            await port.speak(0.4)
            ended = time.monotonic()
            await until(lambda: "stalled" in states(items))
            # It sampled on and could not send.
            port.first += round((time.monotonic() - ended) * 4000)
            await port.speak(0.3)
            await until(lambda: "reconnected" in states(items))
            return items

    items = asyncio.run(scenario())

    assert states(items)[:3] == ["live", "stalled", "reconnected"]
    _, stalled, again = [item for item in items if isinstance(item, Notice)]
    assert stalled.detail == f"{port.path}: nothing comes"
    first = next(b for b in items[items.index(again) :] if isinstance(b, Block))
    assert first.quality & Quality.GAP
    assert again.detail.startswith("samples come again; ")


def test_a_port_that_vanishes_is_opened_again_by_itself(port: Port) -> None:
    async def scenario() -> list[Any]:
        async with listening(sensor_at(port.path)) as items:
            await asyncio.sleep(0.05)
            await port.speak(0.4)
            await until(lambda: heard(items) > 0)
            port.unplug()
            await until(lambda: "stalled" in states(items))
            port.plug()
            port.first = port.number = 0
            before = heard(items)
            speaking = asyncio.create_task(port.speak(6, stream=2))
            await until(lambda: heard(items) > before)
            speaking.cancel()
            return items

    items = asyncio.run(scenario())

    assert states(items)[:2] == ["live", "stalled"]
    assert states(items).count("reconnected") == 2  # the board began anew; samples come again
    assert sum(1 for block in blocks(items) if block.quality & Quality.GAP) >= 1
    instants = [block.sample_us(block.first) for block in blocks(items)]
    assert instants == sorted(instants)


def test_what_is_plugged_in_anew_is_not_read_by_what_was_announced_before(port: Port) -> None:
    async def scenario() -> list[Any]:
        async with listening(sensor_at(port.path)) as items:
            await asyncio.sleep(0.05)
            await port.speak(0.4)
            await until(lambda: "stalled" in states(items) and heard(items))
            before = heard(items)
            port.unplug()
            port.plug()
            for number in range(400):  # an index that would follow on
                port.say(samples_frame(1, number, 2000 + number, 0, bytes(4)))
                await asyncio.sleep(0.005)
            assert heard(items) == before
            return items

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        pytest.param(
            b"\x00\x05\x11\x22\x33\x44\x00" * 50, "passed over: short", id="another-speed"
        ),
        pytest.param(b"", "nothing comes", id="silent"),
        pytest.param(samples_frame(1, 0, 0, 0, bytes(4)), "no announcement in", id="unannounced"),
    ],
)
def test_why_no_samples_come_is_told_once(
    port: Port, said: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digitiser, "FIRST_S", 0.3)

    async def scenario() -> list[Any]:
        async with listening(sensor_at(port.path)) as items:
            await asyncio.sleep(0.05)
            for _ in range(12):
                port.say(said)
                await asyncio.sleep(0.1)
            await until(lambda: states(items))
            return items

    (told,) = asyncio.run(scenario())
    assert told.state == "stalled"
    assert why in told.detail


def test_a_port_that_does_not_exist_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digitiser, "FIRST_S", 0.3)

    async def scenario() -> list[Any]:
        async with listening(sensor_at(tmp_path / "board")) as items:
            await until(lambda: states(items))
            port = Port(tmp_path / "board")
            speaking = asyncio.create_task(port.speak(6))
            await until(lambda: blocks(items))
            speaking.cancel()
            port.unplug()
            return items

    items = asyncio.run(scenario())
    assert states(items)[:3] == ["stalled", "reconnected", "live"] or states(items)[:3] == [
        "stalled",
        "live",
        "reconnected",
    ]
    assert "No such file or directory" in items[0].detail


def test_a_file_that_is_no_serial_port_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digitiser, "FIRST_S", 0.3)
    (tmp_path / "board").write_text("not a port")

    async def scenario() -> list[Any]:
        async with listening(sensor_at(tmp_path / "board")) as items:
            await until(lambda: states(items))
            return items

    assert "is it a serial port?" in asyncio.run(scenario())[0].detail


def test_lost_frames_are_gaps_and_told_once_a_minute(port: Port) -> None:
    async def scenario() -> list[Any]:
        async with listening(sensor_at(port.path)) as items:
            await asyncio.sleep(0.05)
            for _ in range(4):
                await port.speak(0.25)
                await asyncio.sleep(0.02)
                port.first, port.number = port.first + 80, port.number + 10
            await port.speak(0.1)
            await until(lambda: blocks(items) and blocks(items)[-1].counts[0, -1] > 4200)
            return items

    items = asyncio.run(scenario())

    gaps = [block for block in blocks(items) if block.quality & Quality.GAP]
    assert len(gaps) >= 4
    losses = [i.detail for i in items if isinstance(i, Notice) and i.state == "stalled"]
    assert len([detail for detail in losses if "samples are missing" in detail]) == 1
    for block in blocks(items):
        assert (block.counts[0] - block.counts[0, 0] == np.arange(block.counts.shape[1])).all()


def test_while_nobody_takes_them_bytes_are_kept_and_the_oldest_given_up_in_time(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_reader, "MOST_WAITING_BYTES", 10_000)

    async def scenario() -> tuple[int, list[serial_reader.Chunk]]:
        reader = SerialReader(str(port.path), 921_600, now_us)
        reader.open()
        for _ in range(20):
            port.say(bytes(1000))
            await asyncio.to_thread(time.sleep, 0.01)
        chunks = await reader.heard(1)
        reader.close()
        return reader.dropped_bytes, chunks

    dropped, chunks = asyncio.run(scenario())

    assert sum(len(chunk.data) for chunk in chunks) <= 10_000
    assert dropped > 0
    assert [chunk.at_us for chunk in chunks] == sorted(chunk.at_us for chunk in chunks)


def test_bytes_are_taken_from_the_kernel_while_the_loop_is_held_up(port: Port) -> None:
    async def scenario() -> int:
        reader = SerialReader(str(port.path), 921_600, now_us)
        reader.open()
        for _ in range(60):  # more than the kernel keeps
            port.say(bytes([1]) * 1000)
            time.sleep(0.005)  # noqa: ASYNC251  # what a flush to disk does to the loop
        heard = 0
        while heard < 60_000:
            chunks = await reader.heard(1)
            assert chunks
            heard += sum(len(chunk.data) for chunk in chunks)
        reader.close()
        return heard

    assert asyncio.run(scenario()) == 60_000


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "port missing"),
        ({"port": 7}, "port = 7: not a serial port"),
        ({"port": "/dev/x", "baud": 9600}, "baud = 9600: not one of 115200"),
        ({"port": "/dev/x", "tcp": "no"}, "tcp: unknown"),
    ],
)
def test_options_that_cannot_be_taken_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(SensorError, match=f"sensor s: .*{told}"):
        from_options("s", options, now_us)


def test_the_site_file_offers_the_speeds_that_the_driver_takes() -> None:
    kinds = {key.name: key for key in DRIVERS["digitiser"]}
    assert isinstance(kinds["baud"].kind, OneOf)
    assert kinds["baud"].kind.choices == BAUDS
    assert kinds["baud"].default == digitiser.DEFAULT_BAUD
