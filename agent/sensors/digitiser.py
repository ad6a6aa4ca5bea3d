"""A digitiser on a serial port: waveforms from a board of our own frames (docs/digitiser.md).

The line is one way: the board speaks, we listen, and whatever is wrong with it cures itself with
the next frame, the next announcement, or the next opening of the port. What a frame is stands in
digitiser_frame.py, how blocks come of them in digitiser_blocks.py, when a sample was taken in
sample_clock.py, how bytes come in, in serial_reader.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from agent.errors import SensorError
from agent.records import Block, Notice
from agent.sensors.digitiser_blocks import Assembler
from agent.sensors.digitiser_frame import Decoder
from agent.sensors.serial_reader import SerialReader

# Rates that Linux knows by name, from the least that carries a feeder's currents at 800 Hz.
BAUDS = (
    *(115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000),
    *(1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000),
)
DEFAULT_BAUD = 921_600
# A dozen cycles without a sample is more than any adapter holds back.
STALL_S = 0.25
# An announcement comes every second, and samples wait for 0.2 s to be dated.
FIRST_S = 2.0
# A port that is away costs nothing but the attempt.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
# A bad line loses frames all day: one notice a minute says how many.
LOSS_PERIOD_US = 60_000_000


class Digitiser:
    """One board on one port."""

    def __init__(self, *, name: str, port: str, baud: int, now_us: Callable[[], int]) -> None:
        self.name = name
        self._now_us = now_us
        self._reader = SerialReader(port, baud, now_us)
        self._decoder = Decoder()
        self._assembler = Assembler(name)
        self._pause_s = FIRST_PAUSE_S
        self._trouble = ""  # with the port
        self._heard_bytes = 0  # since the last block
        self._told_missed, self._told_us = 0, -LOSS_PERIOD_US

    async def stream(self) -> AsyncGenerator[Block | Notice, None]:
        """Endless: blocks while samples come, and notices when that changes."""
        stalled = False
        due_us = self._now_us() + round(FIRST_S * 1e6)
        try:
            while True:
                told = await self._heard()
                now_us = self._now_us()
                if any(isinstance(item, Block) for item in told):
                    due_us, self._heard_bytes = now_us + round(STALL_S * 1e6), 0
                    if stalled:
                        stalled = False
                        missed = f"samples come again; {self._missed()} are missing"
                        yield Notice(self.name, now_us, "reconnected", missed)
                for item in told:
                    yield item
                if not stalled and now_us >= due_us:
                    stalled = True
                    for block in self._assembler.flush():
                        yield block
                    yield Notice(self.name, now_us, "stalled", self._why())
                if not stalled and (loss := self._loss(now_us)):
                    yield loss
        finally:
            self._reader.close()

    async def _heard(self) -> list[Block | Notice]:
        """What came in within a while."""
        try:
            if not self._reader.is_open:
                self._decoder.begin()
                self._reader.open()
            chunks = await self._reader.heard(STALL_S)
        except OSError as error:
            self._reader.close()
            self._trouble = error.strerror or str(error)
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            return []
        told: list[Block | Notice] = []
        for chunk in chunks:
            self._trouble, self._pause_s = "", FIRST_PAUSE_S
            self._heard_bytes += len(chunk.data)
            told += self._assembler.hear(self._decoder.feed(chunk.data), chunk.at_us)
        return told

    def _why(self) -> str:
        """Why no samples come, as far as one can see from here."""
        if self._trouble:
            return f"{self._reader.device}: {self._trouble}"
        if not self._heard_bytes:
            return f"{self._reader.device}: nothing comes"
        if not self._decoder.announced:
            return f"no announcement in {self._heard_bytes} bytes{self._passed_over()}"
        return f"no samples in {self._heard_bytes} bytes{self._passed_over()}"

    def _passed_over(self) -> str:
        passed = self._decoder.passed_over
        told = ", ".join(f"{reason} {number}" for reason, number in sorted(passed.items()))
        return f"; passed over: {told}" if told else ""

    def _loss(self, now_us: int) -> Notice | None:
        """Samples that are missing, once a minute at most."""
        if now_us - self._told_us < LOSS_PERIOD_US or not (missed := self._missed()):
            return None
        self._told_us = now_us
        frames = f"{self._assembler.lost_frames} frames lost until now"
        detail = f"{missed} samples are missing; {frames}{self._passed_over()}"
        return Notice(self.name, now_us, "stalled", detail)

    def _missed(self) -> int:
        """Samples that are missing and were not told yet."""
        missed = self._assembler.missed_samples - self._told_missed
        self._told_missed += missed
        return missed


def from_options(name: str, options: Mapping[str, Any], now_us: Callable[[], int]) -> Digitiser:
    """The driver as its table in the site file asks for it: port, baud.

    Raises: SensorError that names every option that cannot be taken.
    """
    port, baud = options.get("port"), options.get("baud", DEFAULT_BAUD)
    wrong = [f"{key}: unknown" for key in options if key not in ("port", "baud")]
    if not isinstance(port, str) or not port:
        wrong.append("port missing" if port is None else f"port = {port!r}: not a serial port")
    if baud not in BAUDS:
        wrong.append(f"baud = {baud!r}: not one of {', '.join(map(str, BAUDS))}")
    if wrong or not isinstance(port, str):
        raise SensorError(f"sensor {name}", "; ".join(wrong), "port and baud")
    return Digitiser(name=name, port=port, baud=int(baud), now_us=now_us)
