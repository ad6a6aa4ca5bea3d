"""What a link does to a device: a TCP proxy before the broker, whose faults are switched while it
runs, each way by itself. It needs no root and knows nothing of MQTT but a CONNECT's version.

What it is not: the kernel answers a SYN before we see it, so a black hole here takes the connection
and then says nothing, where a dead route would not even take it. Neither do packets overtake each
other: TCP mends that before anybody sees it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field
from typing import Literal, Self

from hil.loopback import LOOPBACK

_CHUNK = 65536
_ON_THE_WAY = 64  # chunks of a connection that are under way at once
_SLICE_S = 0.05  # a slow line hands over what it has carried this often
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST and forgets what was not sent
_EOF = b""

Side = Literal["device", "broker"]


@dataclass(slots=True)
class Way:
    """One direction, for all connections; every field may be changed while bytes flow.

    swallow: take bytes and pass none on, and never tell of an end. delay_s, jitter_s: each chunk is
    under way for delay_s, and for up to jitter_s more; order is kept. bytes_per_s: the line's
    speed, None: without limit. lost, flipped: share of bytes that vanish, or arrive with one bit
    wrong. TCP never does this; a modem whose PPP runs without its check sum does.
    The counters are of bytes.
    """

    swallow: bool = False
    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    lost: float = 0.0
    flipped: float = 0.0
    taken: int = 0
    passed: int = 0
    swallowed: int = 0
    vanished: int = 0
    damaged: int = 0
    speaks: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.speaks.set()

    def heal(self) -> None:
        """As it was at first; the counters go on."""
        self.swallow, self.lost, self.flipped = False, 0.0, 0.0
        self.delay_s, self.jitter_s, self.bytes_per_s = 0.0, 0.0, None
        self.speaks.set()


@dataclass(slots=True, eq=False)
class _Link:
    """A connection of a device and ours to the broker for it. torn: no later byte can mend it."""

    writers: dict[Side, asyncio.StreamWriter]
    torn: bool = False
    half_open: bool = False


class Proxy:
    """Between a device and a broker, on a port of its own; an async context manager.

    target, address: the broker's port, and where it and the proxy listen. refusal: what to answer a
    CONNECT of MQTT 5 with before hanging up, as a broker does that knows 3.1.1 only; b"" just hangs
    up; None: the broker decides. seed: of jitter, loss and flipped bits. up: from the device to the
    broker, down: back.
    connects: the protocol level of each CONNECT that came. unanswered: the broker was not there.
    """

    def __init__(
        self, target: int, *, refusal: bytes | None = None, seed: int = 1, address: str = LOOPBACK
    ) -> None:
        self.port = 0
        self.up, self.down = Way(), Way()
        self.connects: list[int] = []
        self.unanswered = 0
        self._target = target
        self._address = address
        self._refusal = refusal
        self._chance = random.Random(seed)  # noqa: S311  the same faults again, no secret
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where a device finds the broker."""
        return f"mqtt://{self._address}:{self.port}"

    @property
    def links(self) -> int:
        """Connections that stand just now, as the proxy sees it."""
        return len(self._links)

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What may be done to all connections.

    def silence(self) -> None:
        """Hold everything back, both ways: a radio in the shadow. TCP keeps it for later."""
        self.up.speaks.clear()
        self.down.speaks.clear()

    def speak(self) -> None:
        """Pass on again, first of all what was held back."""
        self.up.speaks.set()
        self.down.speaks.set()

    def swallow(self) -> None:
        """A black hole, both ways: bytes are taken and gone, ends are never told, new connections
        are taken and never answered. `heal` resets what it has torn.
        """
        self.up.swallow = self.down.swallow = True

    def slow(self, *, delay_s: float = 0.0, jitter_s: float = 0.0, bytes_per_s: float = 0) -> None:
        """A poor line, both ways; 0 bytes_per_s: without limit."""
        for way in (self.up, self.down):
            way.delay_s, way.jitter_s, way.bytes_per_s = delay_s, jitter_s, bytes_per_s or None

    def cut(self) -> None:
        """Reset every connection, to both sides; new ones are taken as before."""
        for link in list(self._links):
            _reset(link)

    def half_open(self, told: Side) -> None:
        """Each connection ends for one side, and the other is never told: it goes on talking to
        nobody, as after a restart of a router that kept its state in memory.
        """
        for link in self._links:
            link.half_open = True
            link.writers[told].close()

    def refuse(self) -> None:
        """Nobody listens any more: a new connection is refused. Those that stand go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def accept(self) -> None:
        """Listen, after `refuse` on the same port again."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self._address, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def heal(self) -> None:
        """A good line again. What can never be right again is reset: both sides learn it."""
        self.up.heal()
        self.down.heal()
        for link in list(self._links):
            if link.torn or link.half_open:
                _reset(link)
        await self.accept()

    # One connection.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  asyncio calls us in one
        self._tasks.add(task)
        link = _Link({"device": writer, "broker": writer})
        self._links.add(link)
        try:
            # Its end is what the other side and the tests see, not an error of the rig's.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._introduce(reader, writer, link)
        finally:
            self._links.discard(link)
            self._tasks.discard(task)
            for each in link.writers.values():
                each.transport.abort()

    async def _introduce(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link
    ) -> None:
        """Read the CONNECT, and find the broker for it."""
        first = await reader.read(_CHUNK)
        # CONNECT: type, length of one byte here, "MQTT" with its own length, protocol level.
        level = first[8] if len(first) > 8 else 0
        self.connects.append(level)
        if level == 5 and self._refusal is not None:
            writer.write(self._refusal)
            await writer.drain()
            writer.write_eof()
            await reader.read()
            return
        if self.up.swallow:
            self.up.taken += len(first)
            self.up.swallowed += len(first)
            link.torn = True
            await self._drain(reader)
            return
        try:
            back, link.writers["broker"] = await asyncio.open_connection(
                self._address, self._target
            )
        except OSError:
            self.unanswered += 1
            _reset(link)
            return
        ways = (
            self._carry(first, reader, "broker", self.up, link),
            self._carry(b"", back, "device", self.down, link),
        )
        await _until_one_ends([asyncio.ensure_future(way) for way in ways])

    async def _drain(self, reader: asyncio.StreamReader) -> None:
        """Take for ever; only `cut` and `heal` end it."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                self.up.taken += len(data)
                self.up.swallowed += len(data)
        await asyncio.get_running_loop().create_future()

    async def _carry(
        self, first: bytes, reader: asyncio.StreamReader, to: Side, way: Way, link: _Link
    ) -> None:
        """One way of one connection, until its end has been passed on."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_ON_THE_WAY)
        taking = asyncio.ensure_future(self._take(first, reader, way, link, queue))
        try:
            await self._give(link.writers[to], way, queue)
            if link.half_open:
                await asyncio.get_running_loop().create_future()
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _take(
        self,
        first: bytes,
        reader: asyncio.StreamReader,
        way: Way,
        link: _Link,
        queue: asyncio.Queue[tuple[float, bytes]],
    ) -> None:
        loop = asyncio.get_running_loop()
        due, data = 0.0, first or await _read(reader)
        while data:
            way.taken += len(data)
            if way.swallow:
                way.swallowed += len(data)
                link.torn = True
            else:
                late = way.delay_s + way.jitter_s * self._chance.random()
                due = max(due, loop.time() + late)
                await queue.put((due, self._worn(data, way, link)))
            data = await _read(reader)
        if way.swallow:
            link.torn = True
            return
        await queue.put((due, _EOF))

    async def _give(
        self, writer: asyncio.StreamWriter, way: Way, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if data == _EOF:
                await way.speaks.wait()
                return
            while data:
                size = len(data) if not way.bytes_per_s else max(1, int(way.bytes_per_s * _SLICE_S))
                piece, data = data[:size], data[size:]
                if way.bytes_per_s:
                    await asyncio.sleep(len(piece) / way.bytes_per_s)
                await way.speaks.wait()
                if writer.is_closing():
                    continue  # half open: this side hears nothing any more
                writer.write(piece)
                await writer.drain()
                way.passed += len(piece)

    def _worn(self, data: bytes, way: Way, link: _Link) -> bytes:
        """What a broken modem makes of it; never b"", which would be an end."""
        if not way.lost and not way.flipped:
            return data
        kept = bytearray(byte for byte in data if self._chance.random() >= way.lost)
        hit = [at for at in range(len(kept)) if self._chance.random() < way.flipped]
        for at in hit:
            kept[at] ^= 1 << self._chance.randrange(8)
        way.vanished += len(data) - len(kept)
        way.damaged += len(hit)
        link.torn = link.torn or bool(hit) or len(kept) < len(data)
        return bytes(kept or data[:1])


async def _read(reader: asyncio.StreamReader) -> bytes:
    """The next bytes; a reset is an end too."""
    try:
        return await reader.read(_CHUNK)
    except OSError:
        return _EOF


async def _until_one_ends(ways: list[asyncio.Future[None]]) -> None:
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in done:
            way.result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


def _reset(link: _Link) -> None:
    """RST to both sides."""
    for writer in set(link.writers.values()):
        sock = writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
