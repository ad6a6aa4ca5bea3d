"""A meter for the tests: a real pymodbus TCP server that speaks the map profiles/generic.toml."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, Self

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from agent.sensors import profile
from hil.loopback import LOOPBACK, free_port

WRITE_REGISTERS = 16
BEAT_S = 0.03  # its heartbeat register counts faster than anyone polls


class Meter:
    """Serves in a thread of its own; `set` states what it measures from now on."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.port = free_port()
        self._points = {point.name: point for point in profile.load("generic").points}
        self._values = dict(values)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: Any = None
        self._beating: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def set(self, values: Mapping[str, float]) -> None:
        self._values.update(values)
        self._do(self._write())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=5)

    async def _start(self) -> None:
        registers = [SimData(0, count=64, values=0, datatype=DataType.REGISTERS)]
        bits = [SimData(0, count=64, values=True, datatype=DataType.BITS)]
        device = SimDevice(1, simdata=(bits, bits, registers, registers))
        self._server = ModbusTcpServer(device, address=(LOOPBACK, self.port))
        await self._server.serve_forever(background=True)
        await self._write()
        self._beating = asyncio.create_task(self._beat())

    async def _stop(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
        await self._server.shutdown()

    async def _write(self) -> None:
        for name, value in self._values.items():
            point = self._points[name]
            raw = round(value / point.scale)
            words = [raw >> 16 & 0xFFFF, raw & 0xFFFF][-point.width :]
            await self._server.async_setValues(1, WRITE_REGISTERS, point.address, words)

    async def _beat(self) -> None:
        count = 0
        while True:
            count = (count + 1) % 65_536
            address = self._points["count"].address
            await self._server.async_setValues(1, WRITE_REGISTERS, address, [count])
            await asyncio.sleep(BEAT_S)
