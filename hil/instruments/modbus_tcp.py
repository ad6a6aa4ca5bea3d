"""A meter on Modbus TCP: pymodbus' server, refreshed in real time with what a recording shows.

From opening on it shows the first reading of its recording, after playing the last one. A play is
announced at once; its readings before `start_us` are again its first one. Faults of the connection
are a matter of the network between (hil/faults).
"""

from __future__ import annotations

import contextlib
from typing import Any, Self

from pymodbus.server import ModbusTcpServer

from hil.case import Recording
from hil.instruments.contract import Pacing
from hil.instruments.modbus_unit import MeterUnit, served
from hil.instruments.phasor_meter import shown

LOOPBACK = "127.0.0.1"


class ModbusTcp:
    """The instrument.

    recording: what it will play; its terminal and channels are the sensor's.
    port: 0 takes a free one. cycles, every_s: the meter's window and how often it is refreshed.
    period_ms: how often the device asks.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        profile: str = "generic",
        host: str = LOOPBACK,
        port: int = 0,
        unit: int = 1,
        cycles: int = 1,
        every_s: float | None = None,
        period_ms: int = 100,
    ) -> None:
        self._recording = recording
        self.unit = MeterUnit(profile, unit)
        self._profile = profile
        self.host, self.port = host, port
        self._cycles, self._every_s, self._period_ms = cycles, every_s, period_ms
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        server = ModbusTcpServer(self.unit.device(), address=(self.host, self.port))
        where = f"Modbus TCP {self.host}:{self.port}"
        await self._open.enter_async_context(served(self.unit, server, where))
        self.port = bound_port(server)
        showing = shown(self._recording, cycles=self._cycles, every_s=self._every_s)
        await self.unit.show(showing.at(0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def sensor(self) -> str:
        """The [[sensor]] table."""
        return (
            f'[[sensor]]\nname = "{self._recording.terminal}"\ndriver = "modbus"\n'
            f'host = "{self.host}"\nport = {self.port}\nunit = {self.unit.number}\n'
            f'profile = "{self._profile}"\nperiod_ms = {self._period_ms}\n'
        )

    def channels(self) -> str:
        """Lines of [bay.channels]."""
        return self.unit.channels(self._recording)

    async def play(self, recording: Recording, start_us: int) -> Pacing:
        """Refresh by refresh. start_us: instant of the first sample, CLOCK_MONOTONIC."""
        return await self.unit.play(recording, start_us, cycles=self._cycles, every_s=self._every_s)


def bound_port(server: ModbusTcpServer) -> int:
    """The port that a running server listens on."""
    listening: Any = server.transport
    return int(listening.sockets[0].getsockname()[1])
