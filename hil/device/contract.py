"""The one promise of a device under test: it takes a site file, runs, is struck, and ends.

Everything else about it is learnt from outside: what arrives at the consumer, what its log holds.
A device is one file; it may be processes on this machine, another firmware, or a board on a bench.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, Self

Part = Literal["guard", "link", "all"]
PARTS: tuple[Part, ...] = ("guard", "link", "all")


@dataclass(frozen=True, slots=True)
class Places:
    """Paths of a device's files as the device itself names them: on a board, of the board."""

    folder: str
    site: str
    data: str


class Answer(NamedTuple):
    """What a command of the device said. error: its standard error, where it comes apart."""

    status: int
    out: str
    error: str


class Device(Protocol):
    """Its files stay through stop, strike and start, as those of a terminal do; `async with` ends
    it, whatever state it is in.
    """

    @property
    def log(self) -> Path | None:
        """The folder of its log, to be read and damaged while it stands; None: out of reach."""
        ...

    async def start(self, site: str, environment: Mapping[str, str] | None = None) -> None:
        """Start it with this site file (TOML text), and return once it runs.

        environment: more variables for its processes: how faults.clock reaches it.
        Raises: BenchError when it runs already, or cannot be started, with its last words.
        """
        ...

    async def stop(self) -> int:
        """Ask it to end; its exit status, once it has. Raises: BenchError when it does not."""
        ...

    async def strike(self, part: Part) -> bool:
        """SIGKILL of a part at once; False when that part is not alive just now.

        "all": the whole device, as if its processor stopped; it has to be started again.
        """
        ...

    def said(self) -> str:
        """Its own log lines since it was made, over all its starts."""
        ...

    @property
    def places(self) -> Places:
        """Where it keeps its files, by its own names for them."""
        ...

    async def put(self, name: str, text: str) -> None:
        """A file beside its site file."""
        ...

    async def ask(self, *words: str) -> Answer:
        """Its command, `ftu-agent`, with these words. Raises: BenchError when there is no end."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...
