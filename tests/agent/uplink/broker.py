"""A real mosquitto for a test, other servers, and how to wait for things."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from hil.faults.broker import Mosquitto
from hil.loopback import LOOPBACK


@contextlib.contextmanager
def mosquitto(directory: Path, **options: Any) -> Iterator[Mosquitto]:
    """A mosquitto that runs, and ends with the test."""
    with Mosquitto(directory, **options) as broker:
        yield broker


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """A TCP server on a loopback port, which it yields; ended with all its connections."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            tasks.discard(task)

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def scripted(
    answer: Callable[[bytes], bytes] = lambda packet: b"", connack: bytes = b""
) -> AsyncIterator[str]:
    """A broker by the byte: it answers CONNECT with `connack`, or says welcome, and every piece of
    what comes then with what `answer` says. For replies that no real broker gives on demand.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version5 = (await reader.read(65536))[8] == 5
        writer.write(connack or (b"\x20\x03\x00\x00\x00" if version5 else b"\x20\x02\x00\x00"))
        while packet := await reader.read(65536):
            writer.write(answer(packet))

    async with serving(serve) as port:
        yield f"mqtt://{LOOPBACK}:{port}"


def run(scenario: Coroutine[Any, Any, None], timeout_s: float = 30.0) -> None:
    """Run an asynchronous test; a test that hangs fails."""

    async def bounded() -> None:
        async with asyncio.timeout(timeout_s):
            await scenario

    asyncio.run(bounded())


async def eventually(
    condition: Callable[[], object] | Callable[[], Awaitable[object]], timeout_s: float = 10.0
) -> None:
    """Wait until `condition` holds; fails when it does not within the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {condition}"
        await asyncio.sleep(0.005)
