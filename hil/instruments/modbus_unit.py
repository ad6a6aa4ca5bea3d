"""A meter on a Modbus line: a real pymodbus device that holds the registers of one of the product's
maps, and is kept up to date with what the meter shows.

Which line it hangs on is in modbus_tcp.py and modbus_rtu.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from pymodbus.simulator import DataType, SimData, SimDevice

from agent.errors import SiteError
from agent.sensors import profile as profiles
from agent.sensors.registers import BIT_SPACES
from hil.case import Recording
from hil.errors import BenchError
from hil.instruments.contract import Pacing
from hil.instruments.pacing import Pacer
from hil.instruments.phasor_meter import contacts, shown
from hil.instruments.register_image import RegisterImage

BEAT_S = 0.03  # its heartbeat register counts faster than anyone polls
# pymodbus finds the block by the function that would write there (or read, where none writes).
_FUNCTIONS = {"coil": 15, "discrete": 2, "holding": 16, "input": 4}


class MeterUnit:
    """One unit with the register map `profile`: a name that ships with the product, or a file.

    Raises: BenchError when there is no such map.
    """

    def __init__(self, profile: str = "generic", unit: int = 1) -> None:
        try:
            self.profile = profiles.load(profile)
        except SiteError as error:
            raise BenchError(f"register map {profile}", str(error)) from error
        self.number = unit
        self._image = RegisterImage(self.profile)
        self._server: Any = None
        self._beating: asyncio.Task[None] | None = None

    def device(self) -> SimDevice:
        """For pymodbus' server. An address beside the map's reads is refused: exception 2."""
        blocks = [self._block(space) for space in ("coil", "discrete", "holding", "input")]
        return SimDevice(self.number, simdata=(blocks[0], blocks[1], blocks[2], blocks[3]))

    def _block(self, space: str) -> list[SimData]:
        reads = [read for read in self.profile.reads if read.space == space]
        if space in BIT_SPACES:
            bits = {read.address: list(map(bool, self._image.words(read))) for read in reads}
            # pymodbus wants each of the four spaces to have something in it.
            return [
                SimData(at, values=states, datatype=DataType.BITS)
                for at, states in (bits or {0: [False]}).items()
            ]
        words = {read.address: self._image.words(read) for read in reads}
        return [
            SimData(at, count=len(held), values=0, datatype=DataType.REGISTERS)
            for at, held in (words or {65_535: [0]}).items()
        ]

    async def on(self, server: Any) -> None:
        """It speaks on this server, which runs, from now on."""
        self._server = server
        await self._write()
        if self._image.counts:
            self._beating = asyncio.create_task(self._beat(), name="heartbeat of a meter")

    async def off(self) -> None:
        """It counts no more."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)

    async def show(self, values: Mapping[str, float]) -> None:
        """What it measures from now on, by the map's names."""
        self._image.show(values)
        await self._write()

    async def _write(self) -> None:
        """Read by read: one write each, so that no answer holds half a value."""
        for read in self.profile.reads:
            words: list[Any] = self._image.words(read)
            if read.space in BIT_SPACES:
                words = list(map(bool, words))
            function = _FUNCTIONS[read.space]
            await self._server.async_setValues(self.number, function, read.address, words)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            self._image.beat()
            await self._write()

    async def play(
        self, recording: Recording, start_us: int, *, cycles: int, every_s: float | None
    ) -> Pacing:
        """What a meter shows while that happens, refresh by refresh; then its last reading stays.

        start_us: CLOCK_MONOTONIC of the recording's first sample.
        """
        showing, pacer = shown(recording, cycles=cycles, every_s=every_s), Pacer(start_us)
        await self.show(showing.at(0))
        for k in range(showing.length):
            due_us = start_us + showing.first_us + k * showing.every_us
            await pacer.until(due_us)
            await self.show(showing.at(k))
            pacer.wrote(due_us)
        await pacer.until(start_us + round(recording.seconds * 1e6))
        return pacer.pacing()

    def channels(self, recording: Recording) -> str:
        """Lines of [bay.channels] for what the recording has and the map can say."""
        held = {trace.name for trace in recording.traces} | set(contacts(recording))
        return "".join(
            f'{point.name} = "{recording.terminal}.{point.name}"\n'
            for point in self.profile.measured_points()
            if point.name in held
        )


@contextlib.asynccontextmanager
async def served(unit: MeterUnit, server: Any, where: str) -> Any:
    """The server runs, and the unit on it. Raises: BenchError when it cannot."""
    try:
        await server.serve_forever(background=True)
    except (RuntimeError, OSError) as error:
        raise BenchError(
            where, f"cannot be opened ({error})", "an interface that is free"
        ) from error
    try:
        await unit.on(server)
        yield server
    finally:
        await unit.off()
        await server.shutdown()
