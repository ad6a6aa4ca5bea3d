"""A serial line with meters: a pty whose far end paces bytes at the baud rate, and errs as told.

Behind it stand units by a formula, or a real pymodbus server on a second pty. What can be wrong on
such a line is in bus_faults.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Self

from pymodbus.framer.rtu import FramerRTU

REQUEST_BYTES = 8  # of every question that reads
FIFO_BYTES = 4  # a UART hands over so many at once
BIT_FUNCTIONS = (1, 2)
SLOWEST_S = 0.5  # pymodbus answers within milliseconds, or not at all: it did not understand
# What goes out for a request, instead of or beside the right reply: bytes, each after a wait. [s]
Fault = Callable[[int, bytes, bytes], Iterable[tuple[float, bytes]]]
Responder = Callable[[bytes], Awaitable[bytes]]


def with_crc(frame: bytes) -> bytes:
    """The frame with its check at the end."""
    return frame + FramerRTU.compute_CRC(frame).to_bytes(2, "big")


def words_reply(request: bytes, words: Iterable[int]) -> bytes:
    """The right frame for a request of registers."""
    data = b"".join(word.to_bytes(2, "big") for word in words)
    return with_crc(request[:2] + bytes((len(data),)) + data)


def registers(request: bytes) -> tuple[int, int]:
    """First address and count of a request."""
    return int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")


def faultless(_: int, __: bytes, reply: bytes) -> Iterable[tuple[float, bytes]]:
    """The right reply at once."""
    return [(0.0, reply)]


class Units:
    """Meters by unit number, each a function from an address to its word."""

    def __init__(self, words: Mapping[int, Callable[[int], int]], response_s: float = 0.0) -> None:
        self._words, self._response_s = words, response_s

    async def __call__(self, request: bytes) -> bytes:
        """What the unit says; nothing when there is none of that number."""
        await asyncio.sleep(self._response_s)
        word = self._words.get(request[0])
        if word is None:
            return b""
        address, count = registers(request)
        return words_reply(request, [word(address + k) for k in range(count)])


class Bridge:
    """One pty pair in the running loop; `path` is what the device opens.

    A character is eleven bits. With `paced` False bytes go as fast as they are taken.
    """

    path: str

    def __init__(
        self, respond: Responder, *, baud: int = 9600, fault: Fault = faultless, paced: bool = True
    ) -> None:
        self._respond, self._fault, self._paced = respond, fault, paced
        self._character_s = 11 / baud
        self._heard = bytearray()
        self._queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self.asked = asyncio.Event()
        self.requests: list[tuple[float, bytes]] = []
        self.overlaps = 0  # requests that came while a reply was on the line
        self._speaking_until = 0.0

    async def __aenter__(self) -> Self:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        asyncio.get_running_loop().add_reader(self._master, self._hear)
        self._serving = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
        os.close(self._master)
        os.close(self._slave)

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._heard += os.read(self._master, 256)
        while len(self._heard) >= REQUEST_BYTES:
            request = bytes(self._heard[:REQUEST_BYTES])
            del self._heard[:REQUEST_BYTES]
            now = asyncio.get_running_loop().time()
            self.overlaps += now < self._speaking_until
            self.requests.append((now, request))
            self.asked.set()
            self._queue.put_nowait((len(self.requests), request))

    async def _serve(self) -> None:
        """One after the other, as every unit does: a slow answer holds up the next."""
        while True:
            await self._answer(*await self._queue.get())

    async def _answer(self, number: int, request: bytes) -> None:
        await asyncio.sleep(len(request) * self._character_s if self._paced else 0)
        reply = await self._respond(request)
        for wait_s, part in self._fault(number, request, reply):
            await asyncio.sleep(wait_s)
            await self.speak(part)

    async def speak(self, part: bytes) -> None:
        """A few bytes at a time at the line's pace; a loop that was late catches up."""
        now = asyncio.get_running_loop().time
        began = now()
        for k in range(0, len(part), FIFO_BYTES):
            few = part[k : k + FIFO_BYTES]
            if self._paced:
                due = self._speaking_until = began + (k + len(few)) * self._character_s
                await asyncio.sleep(max(0.0, due - now()))
            self._put(few)

    def _put(self, few: bytes) -> None:
        os.write(self._master, few)


class BridgeThread:
    """A bridge in a loop of its own, for those whose driver runs in another."""

    def __init__(self, respond: Responder, **options: Any) -> None:
        self._bridge = Bridge(respond, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        self._do(self._bridge.__aenter__())
        return self._bridge.path

    def __exit__(self, *_: object) -> None:
        self._do(self._bridge.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=5)


@contextlib.asynccontextmanager
async def pymodbus_units(
    server_of: Callable[[str], contextlib.AbstractAsyncContextManager[Any]],
) -> AsyncIterator[Responder]:
    """A real server behind a second pty: what it answers to a request; b"" when nothing.

    server_of: opens the server on the path of its port.
    """
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    heard, more = bytearray(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear() -> None:
        heard.extend(os.read(master, 256))
        more.set()

    async def respond(request: bytes) -> bytes:
        heard.clear()
        os.write(master, request)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SLOWEST_S):
                while not whole(request, heard):
                    more.clear()
                    await more.wait()
        return bytes(heard)

    loop.add_reader(master, hear)

    try:
        async with server_of(os.ttyname(slave)):
            yield respond
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


def whole(request: bytes, heard: bytes | bytearray) -> bool:
    """Whether that is the whole answer: as long as was asked for, or an exception."""
    count = registers(request)[1]
    data = -(-count // 8) if request[1] in BIT_FUNCTIONS else 2 * count
    return len(heard) >= (5 if heard[1:2] and heard[1] & 0x80 else 5 + data)
