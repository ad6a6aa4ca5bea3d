"""A real mosquitto for a test, what lies between it and us, and how to wait for things."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class Mosquitto:
    """One mosquitto process on a loopback port of its own, with its files in `directory`.

    `persistence`: whether it writes its store when it is stopped. `acl`: lines of an ACL file;
    without one everybody may do everything. `extra`: more configuration lines.
    """

    def __init__(
        self,
        directory: Path,
        *,
        persistence: bool = False,
        acl: str | None = None,
        extra: str = "",
        port: int | None = None,
    ) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._persistence = persistence
        self._acl = acl
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{LOOPBACK}:{self.port}"

    @property
    def log(self) -> str:
        return (self.directory / "mosquitto.log").read_text()

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        assert self._process is None, "it runs already"
        executable = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        if executable is None:
            pytest.fail("mosquitto is not installed; `make test` does it")
        with (self.directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [executable, "-v", "-c", str(self._configuration())], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 10
        while not _listens(self.port):
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.005)  # between two looks at the port

    def stop(self) -> None:
        """SIGTERM: it tells its clients, and writes its store if it has one."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        """SIGKILL: nobody is told, nothing is written."""
        self._end(lambda process: process.kill())

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is not None:
            how(self._process)
            self._process.wait(10)
            self._process = None

    def _configuration(self) -> Path:
        lines = [
            f"listener {self.port} {LOOPBACK}",
            "allow_anonymous true",
            # The default of 20 in flight and 1000 queued per client would drop in some tests.
            "max_queued_messages 100000",
            f"persistence {'true' if self._persistence else 'false'}",
            f"persistence_location {self.directory}/",
            # It would give up root and could not write into a test's directory any more.
            *(["user root"] if os.geteuid() == 0 else []),
            self._extra,
        ]
        if self._acl is not None:
            acl = self.directory / "acl"
            acl.write_text(self._acl)
            acl.chmod(0o600)
            lines.append(f"acl_file {acl}")
        path = self.directory / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        return path


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


@contextlib.contextmanager
def mosquitto(directory: Path, **options: Any) -> Iterator[Mosquitto]:
    """A mosquitto that runs, and ends with the test."""
    directory.mkdir(exist_ok=True)
    broker = Mosquitto(directory, **options)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


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


class Wire:
    """A TCP proxy before a broker: it can go silent, be cut, or speak for an older broker.

    `no_version5`: bytes to answer a CONNECT of MQTT 5 with before hanging up; b"" just hangs up.
    """

    def __init__(self, target: int, no_version5: bytes | None = None) -> None:
        self.port = 0
        self.connects: list[int] = []
        self._target = target
        self._no_version5 = no_version5
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"mqtt://{LOOPBACK}:{self.port}"

    def silence(self) -> None:
        """Keep every connection open and pass on nothing more, as a dead radio does."""
        self._speaks.clear()

    def speak(self) -> None:
        """Pass on again, first of all what was held back."""
        self._speaks.set()

    def cut(self) -> None:
        """Reset every connection; new ones are taken as before."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        # CONNECT: type, length of one byte here, "MQTT" with its own length, protocol level.
        level = first[8] if len(first) > 8 else 0
        self.connects.append(level)
        if level == 5 and self._no_version5 is not None:
            writer.write(self._no_version5)
            await writer.drain()
            writer.write_eof()
            await reader.read()
            return
        up_reader, up_writer = await asyncio.open_connection(LOOPBACK, self._target)
        pair = {writer, up_writer}
        self._writers |= pair
        up_writer.write(first)
        try:
            passing = (self._pass(reader, up_writer), self._pass(up_reader, writer))
            tasks = [asyncio.ensure_future(each) for each in passing]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers -= pair
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            up_writer.transport.abort()
            with contextlib.suppress(OSError):
                await up_writer.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._speaks.wait()
            writer.write(data)
            await writer.drain()


@contextlib.asynccontextmanager
async def wire(target: int, no_version5: bytes | None = None) -> AsyncIterator[Wire]:
    """A proxy on a loopback port of its own, ended with the test."""
    between = Wire(target, no_version5)
    async with serving(between.serve) as between.port:
        yield between


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
