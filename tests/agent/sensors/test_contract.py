"""The driver contract, one suite over every driver, fake and real."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.records import Block, Layout, Notice, Reading
from agent.sensors import drivers
from agent.sensors.contract import Sensor
from agent.site import SensorConfig
from hil.instruments.digitiser import Digitiser
from hil.instruments.serial_bridge import BridgeThread, Units
from tests.hil.instruments.waves import feeder
from tests.meter import Meter


def now_us() -> int:
    return time.monotonic_ns() // 1000


CFG = """station,device,1999
2,2A,0D
1,IA,A,,A,0.5,0,0,-32767,32767,1,1,P
2,UA,A,,V,0.5,0,0,-32767,32767,1,1,P
50
1
1000,200
24/11/2026,08:00:00.000000
24/11/2026,08:00:00.000000
ASCII
1
"""


@pytest.fixture(
    params=[
        *("simulated", "simulated-fast", "comtrade", "comtrade-fast", "modbus", "rtu"),
        "digitiser",
    ]
)
def sensor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sensor]:
    driver, _, fast = request.param.partition("-")
    speed = {"speed": "fast"} if fast else {}
    options: dict[str, dict[str, Any]] = {
        "simulated": speed,
        "comtrade": {"path": "r.cfg", **speed},
        "modbus": {"host": "127.0.0.1", "profile": "generic", "period_ms": 100},
        "rtu": {"baud": 115_200, "profile": "eastron-sdm630", "period_ms": 100},
        "digitiser": {},
    }
    (tmp_path / "r.cfg").write_text(CFG)
    rows = [f"{n + 1},{n * 1000},{n},{-n}" for n in range(200)]
    (tmp_path / "r.dat").write_text("\r\n".join(rows) + "\r\n")
    with contextlib.ExitStack() as stack:
        if driver == "modbus":
            meter = stack.enter_context(Meter({"ia": 1.0}))
            options["modbus"]["port"] = meter.port
        if driver == "rtu":
            bridge = BridgeThread(Units({1: lambda address: 0x4366}), baud=115_200)
            options["rtu"]["serial"] = stack.enter_context(bridge)
        if driver == "digitiser":
            board = Digitiser(feeder(fault_s=None))
            stack.callback(lambda: asyncio.run(board.__aexit__()))
            asyncio.run(board.__aenter__())  # it speaks in a thread of its own
            options["digitiser"]["port"] = str(board.path)
        kind = "modbus" if driver == "rtu" else driver
        yield drivers.build(SensorConfig("s", kind, options[driver]), now_us, tmp_path)


async def some(sensor: Sensor, number: int) -> list[Any]:
    items: list[Any] = []
    async with asyncio.timeout(10), contextlib.aclosing(sensor.stream()) as stream:  # type: ignore[type-var]
        async for item in stream:
            items.append(item)
            if len(items) == number:
                break
    return items


def test_only_blocks_readings_and_notices_of_its_own_come(sensor: Sensor) -> None:
    for item in asyncio.run(some(sensor, 12)):
        assert isinstance(item, Block | Reading | Notice)
        assert (item.sensor if isinstance(item, Notice) else item.layout.sensor) == "s"


def test_indices_rise_without_overlap_and_instants_never_go_back(sensor: Sensor) -> None:
    next_index, latest_us = 0, 0
    for item in asyncio.run(some(sensor, 12)):
        if isinstance(item, Block):
            assert item.first >= next_index
            next_index = item.first + item.counts.shape[1]
            t_us = item.sample_us(item.first)
        else:
            t_us = item.t_us
        if not isinstance(item, Notice):
            assert t_us >= latest_us
            latest_us = t_us


def test_the_layout_is_one_and_fits_what_comes(sensor: Sensor) -> None:
    layouts: list[Layout] = []
    for item in asyncio.run(some(sensor, 12)):
        if isinstance(item, Notice):
            continue
        layouts.append(item.layout)
        width = item.counts.shape[0] if isinstance(item, Block) else len(item.values)
        assert width == len(item.layout.channels)
    assert all(layout is layouts[0] for layout in layouts)


def test_it_ends_at_once_when_cancelled_and_leaves_nothing_running(sensor: Sensor) -> None:
    async def scenario() -> None:
        async def drain() -> None:
            async for _ in sensor.stream():
                started.set()

        started = asyncio.Event()
        task = asyncio.create_task(drain())
        async with asyncio.timeout(10):
            await started.wait()
        task.cancel()
        async with asyncio.timeout(1):
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)  # what was closed may say goodbye
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())
