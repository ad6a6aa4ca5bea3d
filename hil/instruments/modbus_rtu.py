"""A meter on a serial line: pymodbus' RTU server behind a pty that paces bytes at the baud rate.

From opening on it shows the first reading of its recording, after playing the last one. `fault`
may be changed while it runs (bus_faults.py); questions to other units stay unanswered.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import AsyncIterator
from typing import Any, Self

from pymodbus.server import ModbusSerialServer

from hil.case import Recording
from hil.errors import BenchError
from hil.instruments.contract import Pacing
from hil.instruments.modbus_unit import MeterUnit, served
from hil.instruments.phasor_meter import shown
from hil.instruments.serial_bridge import Bridge, Fault, faultless, pymodbus_units


class ModbusRtu:
    """The instrument.

    recording: what it will play; its terminal and channels are the sensor's.
    cycles, every_s: the meter's window and how often it is refreshed.
    period_ms: how often the device asks; a line of 9600 baud takes about 100 ms for one meter.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        profile: str = "generic",
        baud: int = 9600,
        unit: int = 1,
        cycles: int = 1,
        every_s: float | None = None,
        period_ms: int = 200,
        fault: Fault = faultless,
    ) -> None:
        self._recording = recording
        self._profile, self._baud, self._period_ms = profile, baud, period_ms
        self.unit = MeterUnit(profile, unit)
        self.fault = fault
        self._cycles, self._every_s = cycles, every_s
        self._open = contextlib.AsyncExitStack()
        self._bridge: Bridge | None = None

    async def __aenter__(self) -> Self:
        if importlib.util.find_spec("serial") is None:  # pymodbus opens serial ports with it
            raise BenchError("Modbus RTU", "pyserial is not installed", "the packages of the rig")
        real = await self._open.enter_async_context(pymodbus_units(self._server))

        async def respond(request: bytes) -> bytes:
            return await real(request) if request[0] == self.unit.number else b""

        def fault(number: int, asked: bytes, reply: bytes) -> Any:
            return self.fault(number, asked, reply) if reply else []

        bridge = Bridge(respond, baud=self._baud, fault=fault)
        self._bridge = await self._open.enter_async_context(bridge)
        showing = shown(self._recording, cycles=self._cycles, every_s=self._every_s)
        await self.unit.show(showing.at(0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @contextlib.asynccontextmanager
    async def _server(self, path: str) -> AsyncIterator[Any]:
        server = ModbusSerialServer(self.unit.device(), port=path, baudrate=self._baud)
        async with served(self.unit, server, f"Modbus RTU on {path}"):
            yield server

    @property
    def path(self) -> str:
        """The serial port that the device opens, once this is open."""
        return self._bridge.path if self._bridge else ""

    @property
    def questions(self) -> int:
        """How many have come until now."""
        return len(self._bridge.requests) if self._bridge else 0

    def sensor(self) -> str:
        """The [[sensor]] table."""
        return (
            f'[[sensor]]\nname = "{self._recording.terminal}"\ndriver = "modbus"\n'
            f'serial = "{self.path}"\nbaud = {self._baud}\nparity = "even"\n'
            f"unit = {self.unit.number}\n"
            f'profile = "{self._profile}"\nperiod_ms = {self._period_ms}\n'
        )

    def channels(self) -> str:
        """Lines of [bay.channels]."""
        return self.unit.channels(self._recording)

    async def play(self, recording: Recording, start_us: int) -> Pacing:
        """Refresh by refresh. start_us: instant of the first sample, CLOCK_MONOTONIC."""
        return await self.unit.play(recording, start_us, cycles=self._cycles, every_s=self._every_s)
