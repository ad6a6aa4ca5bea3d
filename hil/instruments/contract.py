"""The one promise of an instrument: it plays what a terminal measured into a real interface, in
real time, and says how well it kept the time.

Each instrument is one file. Before the first sample and after the last one it shows the network as
it was at that end of the recording, so that switching an instrument on is no event on the feeder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from hil.case import Recording


@dataclass(frozen=True, slots=True)
class Pacing:
    """How late each write was against its instant. [us]

    start_us: instant of the recording's first sample, CLOCK_MONOTONIC. writes: how many there were.
    """

    start_us: int
    writes: int
    mean_us: float
    p99_us: float
    max_us: float


class Instrument(Protocol):
    """An interface that is open from `async with` on."""

    async def __aenter__(self) -> Self:
        """Open it. Raises: BenchError that says what this machine lacks."""
        ...

    async def __aexit__(self, *_: object) -> None: ...

    def sensor(self) -> str:
        """The [[sensor]] table, TOML text, by which a device reads it; named as the terminal."""
        ...

    def channels(self) -> str:
        """The lines of [bay.channels], TOML text, that give its channels their roles."""
        ...

    async def play(self, recording: Recording, start_us: int) -> Pacing:
        """Until the last sample is out. start_us: instant of the first one, CLOCK_MONOTONIC."""
        ...
