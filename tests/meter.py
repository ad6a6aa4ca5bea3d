"""The rig's Modbus TCP meter in a thread of its own, for tests that are not asynchronous."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, Self

from pymodbus.server import ModbusTcpServer

from hil.instruments.modbus_unit import MeterUnit, served
from hil.loopback import LOOPBACK, free_port


class Meter:
    """Speaks the map profiles/generic.toml; `set` states what it measures from now on."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.port = free_port()
        self._values = dict(values)
        self._unit = MeterUnit("generic")
        self._open = contextlib.AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._open.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def set(self, values: Mapping[str, float]) -> None:
        self._values.update(values)
        self._do(self._unit.show(self._values))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=5)

    async def _start(self) -> None:
        server = ModbusTcpServer(self._unit.device(), address=(LOOPBACK, self.port))
        await self._open.enter_async_context(served(self._unit, server, "the tests' meter"))
        await self._unit.show(self._values)
