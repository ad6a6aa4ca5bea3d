"""Meters on Modbus as the product's own driver reads them, on a real socket and a real pty."""

from __future__ import annotations

import asyncio
import contextlib
import tomllib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.records import Notice, Quality, Reading
from agent.sensors import profile as profiles
from agent.sensors.modbus import from_options
from hil.case import Recording
from hil.errors import BenchError
from hil.instruments import bus_faults
from hil.instruments.modbus_rtu import ModbusRtu
from hil.instruments.modbus_tcp import ModbusTcp
from hil.instruments.pacing import now_us
from hil.instruments.serial_bridge import Fault
from tests.hil.waves import AMPS, VOLTS, feeder, recording

FAULT_FROM_S = 0.4


def struck() -> Recording:
    """A load of 0.8 s whose phase A takes five times as much from FAULT_FROM_S on."""
    waves = feeder(seconds=0.8)
    later = np.arange(waves["ia"].size) >= FAULT_FROM_S * 4000
    waves["ia"] = waves["ia"] * np.where(later, 5.0, 1.0)
    return recording(waves, contacts={"52a": ~later})


Stream = AsyncGenerator[Reading | Notice, None]


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """The generic map of a meter that is never slow, so that a line need not be silent for long."""
    generic = Path(profiles.__file__).with_name("profiles") / "generic.toml"
    path = tmp_path / "quick.toml"
    path.write_text("slowest_reply_ms = 20\n" + generic.read_text())
    return str(path)


def opened(instrument: ModbusTcp | ModbusRtu) -> Stream:
    """The product's driver, as the instrument's own table makes it."""
    (table,) = tomllib.loads(instrument.sensor())["sensor"]
    assert table.pop("driver") == "modbus"
    return from_options(table.pop("name"), table, now_us).stream()


async def read(
    stream: Stream, enough: Callable[[list[Reading]], bool], within_s: float = 20.0
) -> list[Reading]:
    """Readings until they are enough."""
    seen: list[Reading] = []
    async with asyncio.timeout(within_s):
        while not enough(seen):
            item = await anext(stream)
            if isinstance(item, Reading):
                seen.append(item)
    return seen


def named(reading: Reading) -> dict[str, float | None]:
    return dict(zip((c.name for c in reading.layout.channels), reading.values, strict=True))


def shows_fault(seen: list[Reading]) -> bool:
    return bool(seen) and (named(seen[-1])["ia"] or 0.0) > 4.9 * AMPS


@pytest.mark.parametrize("kind", [ModbusTcp, ModbusRtu])
def test_the_driver_reads_before_during_and_after_what_the_meter_shows(
    kind: type[ModbusTcp | ModbusRtu], quick: str
) -> None:
    extra: dict[str, Any] = {"baud": 115_200} if kind is ModbusRtu else {}

    async def scenario() -> tuple[list[list[Reading]], int, Any]:
        case = struck()
        async with kind(case, profile=quick, period_ms=100, **extra) as meter:
            async with contextlib.aclosing(opened(meter)) as stream:
                before = await read(stream, lambda got: len(got) == 2)
                start_us = now_us() + 300_000
                playing = asyncio.create_task(meter.play(case, start_us))
                during = await read(stream, shows_fault)
                pacing = await playing
                after = await read(stream, lambda got: len(got) == 2)
            assert tomllib.loads(meter.channels()) == {
                name: f"ftu1.{name}" for name in ("ia", "ib", "ic", "ua", "ub", "uc", "switch")
            }
            return [before, during, after], start_us, pacing

    (before, during, after), start_us, pacing = asyncio.run(scenario())
    for reading in before:
        assert named(reading)["ia"] == pytest.approx(AMPS, rel=2e-3)
        assert named(reading)["ub"] == pytest.approx(VOLTS, rel=2e-3)
        assert named(reading)["switch"] == 1.0
    assert during[-1].t_us >= start_us + FAULT_FROM_S * 1e6  # never before it happened
    for reading in after:
        assert named(reading)["ia"] == pytest.approx(5 * AMPS, rel=2e-3)
        assert named(reading)["switch"] == 0.0
    assert all(r.quality is Quality.GOOD for r in (*before, *after))
    assert pacing.start_us == start_us
    assert pacing.writes == 39  # windows of 20 ms that end from 25 ms on
    assert 0 <= pacing.mean_us <= pacing.max_us


@pytest.mark.parametrize(
    ("fault", "costs"),
    [
        pytest.param(bus_faults.late(0.2), True, id="late"),
        pytest.param(bus_faults.silent, True, id="silent"),
        pytest.param(bus_faults.wrong_unit(9), True, id="another-unit"),
        pytest.param(bus_faults.wrong_crc, True, id="crc"),
        pytest.param(bus_faults.cut(4), True, id="cut"),
        pytest.param(bus_faults.refused(6), True, id="busy"),
        pytest.param(bus_faults.twice(0.001), False, id="twice"),
    ],
)
def test_faults_of_the_line_cost_answers_and_give_no_wrong_one(
    fault: Fault, costs: bool, quick: str
) -> None:
    async def scenario() -> tuple[list[Reading], int]:
        options: dict[str, Any] = {"profile": quick, "baud": 115_200, "period_ms": 100}
        async with ModbusRtu(struck(), fault=bus_faults.within(3, 3, fault), **options) as meter:
            (table,) = tomllib.loads(meter.sensor())["sensor"]
            table["timeout_ms"] = 100
            sensor = from_options(table.pop("name"), table, now_us)
            async with contextlib.aclosing(sensor.stream()) as stream:
                seen = await read(stream, lambda got: len(got) == 5)
            return seen, sensor.failures

    seen, failures = asyncio.run(scenario())
    told = [named(reading)["ia"] for reading in seen]
    assert told[-1] == pytest.approx(AMPS, rel=2e-3)
    assert {round(amps) for amps in told if amps is not None} == {round(AMPS)}
    marked = [reading for reading in seen if reading.quality is not Quality.GOOD]
    assert failures + len(marked) >= costs  # a busy machine may add to it


def test_every_map_that_ships_can_be_served() -> None:
    async def scenario() -> None:
        for name in ("eastron-sdm630", "abb-b23", "carlo-gavazzi-em340"):
            async with ModbusTcp(struck(), profile=name) as meter:
                async with contextlib.aclosing(opened(meter)) as stream:
                    (reading,) = await read(stream, lambda got: len(got) == 1)
                shown = named(reading)
                assert shown["f"] == pytest.approx(50.0, abs=0.051)
                assert shown["p"] == pytest.approx(3 * AMPS * VOLTS * np.cos(0.4), rel=5e-3)

    asyncio.run(scenario())


def test_other_units_are_silent(quick: str) -> None:
    async def scenario() -> None:
        async with ModbusRtu(struck(), profile=quick, baud=115_200) as meter:
            (table,) = tomllib.loads(meter.sensor())["sensor"]
            table |= {"unit": 2, "timeout_ms": 100}
            async with contextlib.aclosing(from_options("x", table, now_us).stream()) as stream:
                notice = await anext(stream)
        assert isinstance(notice, Notice)
        assert (notice.state, "no answer" in notice.detail) == ("stalled", True)
        assert meter.questions >= 1

    asyncio.run(scenario())


def test_what_cannot_be_opened_is_one_line() -> None:
    async def scenario() -> None:
        async with ModbusTcp(struck()) as first:
            with pytest.raises(BenchError, match=r"^Modbus TCP 127.0.0.1:\d+: cannot be opened .*"):
                await ModbusTcp(struck(), port=first.port).__aenter__()

    asyncio.run(scenario())
    with pytest.raises(BenchError, match=r"register map nonesuch: .* shipped are abb-b23"):
        ModbusTcp(struck(), profile="nonesuch")
