"""A Modbus TCP meter of 64 registers that knows how often it was asked: pymodbus' own server.

Register 0 counts the reads, so that whoever receives a value knows which poll it came from;
registers 1 to 3 are currents that change together now and then, and when they did is known; 4 to 6
are voltages; the others stand still.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any, Self

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hil.loopback import LOOPBACK, free_port

REGISTERS = 64
COUNTS = 1 << 16
AMPERES, VOLTAGES = (1, 2, 3), (4, 5, 6)
FIRST_AMPS, VOLTS = 100, 5773
# Long enough that each change is seen by the slowest; the jitter keeps it out of step with polls.
CHANGE_S, JITTER_S = 0.4, 0.2

PROFILE = 'source = "the bench\'s own meter"\n' + "".join(
    f'[[point]]\nname = "r{n}"\naddress = {n}\ntype = "u16"\nunit = "{unit}"\nphase = ""\n'
    for n in range(REGISTERS)
    for unit in ("A" if n in AMPERES else "V" if n in VOLTAGES else "",)
)


class WideMeter:
    """In the event loop. `asked`: reads so far; `changed_at`: value to monotonic instant [s]."""

    def __init__(self) -> None:
        self.port = free_port()
        self.asked = 0
        self.changed_at: dict[int, float] = {}
        self._amps = FIRST_AMPS
        self._chance = random.Random(7)  # noqa: S311  both sides see the same instants
        self._server: Any = None
        self._changing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        held = [SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)]
        bits = [SimData(0, values=[False], datatype=DataType.BITS)]
        spare = [SimData(65_535, count=1, values=0, datatype=DataType.REGISTERS)]
        device = SimDevice(1, simdata=(bits, bits, held, spare), action=self._on_request)
        self._server = ModbusTcpServer(device, address=(LOOPBACK, self.port))
        await self._server.serve_forever(background=True)
        self._changing = asyncio.create_task(self._change(), name="changes of the meter")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._changing is not None:
            self._changing.cancel()
            await asyncio.gather(self._changing, return_exceptions=True)
        await self._server.shutdown()

    async def _on_request(
        self,
        function: int,  # noqa: ARG002
        start: int,
        address: int,
        count: int,  # noqa: ARG002
        registers: list[int],
        values: Any,
    ) -> None:
        """What pymodbus calls before it answers; who reads the first register begins a poll."""
        if values is None and address == 0:
            self.asked += 1
            registers[0 - start] = self.asked % COUNTS
            for place in AMPERES:
                registers[place - start] = self._amps
            for place in VOLTAGES:
                registers[place - start] = VOLTS

    async def _change(self) -> None:
        while True:
            await asyncio.sleep(CHANGE_S + self._chance.uniform(0, JITTER_S))
            self._amps += 1
            self.changed_at[self._amps] = time.monotonic()
