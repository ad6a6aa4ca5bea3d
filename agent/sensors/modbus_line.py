"""The two kinds of line to a meter: a serial port, and a connection to a TCP server or gateway.

A line carries one exchange at a time (modbus_bus.py sees to that). Whatever goes wrong, and also a
cancellation in the middle, leaves it unclean, and an unclean line is cleansed before it is used
again: a connection is made anew, a serial line is listened to until it has been silent for as long
as the slowest unit may take, so that a late reply is never taken for the next answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
from typing import Any, Protocol

from agent.sensors.modbus_frame import (
    RTU_OVERHEAD,
    TCP_HEAD,
    Foreign,
    Question,
    rtu_answer,
    rtu_length,
    rtu_request,
    tcp_answer,
    tcp_length,
    tcp_request,
)
from agent.sensors.serial_port import open_port

# Frames are 3.5 characters apart, above 19200 baud 1.75 ms (serial line specification, 2.5.1.1).
GAP_CHARACTERS, FASTEST_GAP_S = 3.5, 0.00175
# USB adapters hand over what they have every 16 ms, and a busy processor looks later than that.
LATENCY_S = 0.05
# A line that babbles so long without a pause has another master, or a fault; it is told as that.
LONGEST_BABBLE_S = 10.0
MOST_HEARD = 512  # twice the longest frame; what comes beyond it is noise and is not kept


class Away(Exception):
    """No answer that fits the question; what went wrong, in words."""


class Line(Protocol):
    """Carries one question and its answer."""

    name: str
    # Whether answers carry the number of their question, so that a late one shows.
    numbered: bool
    # How long it must be left alone after a failure. [s]
    quiet_s: float

    async def ask(self, question: Question, timeout_s: float) -> list[int]:
        """The registers or bits. Raises: Away, Refused."""
        ...

    def close(self) -> None:
        """Let go of it; the next question opens it again."""
        ...


class TcpLine:
    """A connection to a Modbus TCP server, which may be a gateway to several units."""

    numbered = True
    quiet_s = 0.0

    def __init__(self, host: str, port: int) -> None:
        self.name = f"{host}:{port}"
        self._address = host, port
        self._connection: _Connection | None = None
        self._clean = False
        self._number = 0

    async def ask(self, question: Question, timeout_s: float) -> list[int]:
        """The registers or bits. Raises: Away, Refused."""
        try:
            if not self._clean or self._connection is None:
                self.close()
                self._connection = await _connected(*self._address, 2 * timeout_s)
            return await self._exchange(self._connection, question, timeout_s)
        except TimeoutError as error:
            raise Away(f"{self.name}: no answer within {timeout_s:g} s") from error
        except (OSError, EOFError, UnicodeError) as error:  # UnicodeError: a host that is no name
            raise Away(f"{self.name}: {_told(error)}") from error
        except Foreign as error:
            self._clean = False
            raise Away(f"{self.name}: an answer that does not fit the question: {error}") from error

    async def _exchange(
        self, connection: _Connection, question: Question, timeout_s: float
    ) -> list[int]:
        self._number = self._number % 0xFFFF + 1
        self._clean = False
        async with asyncio.timeout(timeout_s):
            connection.say(tcp_request(question, self._number))
            head = await connection.heard(TCP_HEAD)
            body = await connection.heard(tcp_length(self._number, head))
        self._clean = True
        return tcp_answer(question, body)

    def close(self) -> None:
        """Let go of it; the next question connects again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class _Connection(asyncio.BufferedProtocol):
    """Hears into one small buffer; a stream of asyncio takes 256 KiB for each answer."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._buffer = memoryview(bytearray(MOST_HEARD))
        self._filled = 0
        self._more = asyncio.Event()
        self._lost: Exception | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._buffer[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled == MOST_HEARD:  # no answer is so long: it says what nobody asked
            self._transport.abort()
        self._more.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = exc or EOFError()
        self._more.set()

    def say(self, frame: bytes) -> None:
        """Send it."""
        self._transport.write(frame)

    async def heard(self, count: int) -> bytes:
        """The next so many bytes. Raises: EOFError, OSError."""
        while self._filled < count:
            if self._lost is not None:
                raise self._lost
            self._more.clear()
            await self._more.wait()
        taken = bytes(self._buffer[:count])
        left = bytes(self._buffer[count : self._filled])
        self._filled = len(left)
        self._buffer[: self._filled] = left
        return taken

    def close(self) -> None:
        """Let go of it."""
        with contextlib.suppress(OSError, RuntimeError):  # its loop is gone already
            self._transport.close()


async def _connected(host: str, port: int, timeout_s: float) -> _Connection:
    """Raises: OSError, TimeoutError, UnicodeError."""
    async with asyncio.timeout(timeout_s):
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, host, port)
        return connection


class SerialLine:
    """A serial port with one or more units on it."""

    numbered = False

    def __init__(self, device: str, *, baud: int, parity: str, stop_bits: int) -> None:
        self.name = device
        self.settings = (baud, parity, stop_bits)
        self._character_s = (10 + (parity != "none") + (stop_bits - 1)) / baud
        self._gap_s = max(GAP_CHARACTERS * self._character_s, FASTEST_GAP_S)
        self.quiet_s = 0.0
        self._port: int | None = None
        self._clean = False
        self._heard = bytearray()
        self._changed = asyncio.Event()
        self._lost: OSError | None = None
        self._silent_since = 0.0

    def allow(self, slowest_reply_s: float, registers: int) -> None:
        """A unit whose answers may take so long, and be so many registers long, joins the line."""
        longest = 2 * RTU_OVERHEAD + 2 * registers
        needed = slowest_reply_s + longest * self._character_s + LATENCY_S
        self.quiet_s = max(self.quiet_s, needed)

    async def ask(self, question: Question, timeout_s: float) -> list[int]:
        """The registers or bits. Raises: Away, Refused."""
        try:
            if self._port is None:
                self._open()
            await self._silence()
            self._clean = False
            self._send(rtu_request(question))
            frame = await self._hear(question, timeout_s)
            self._clean = True
            return rtu_answer(question, frame)
        except OSError as error:
            self.close()
            raise Away(f"{self.name}: {_told(error)}") from error
        except Foreign as error:
            self._clean = False
            raise Away(f"{self.name}: an answer that does not fit the question: {error}") from error

    async def _silence(self) -> None:
        """Wait until the line may be used: a gap after a good answer, else all that may be late."""
        now = asyncio.get_running_loop().time
        give_up = now() + self.quiet_s + LONGEST_BABBLE_S
        while True:
            self._read()
            if self._heard:  # nobody was asked
                self._clean = False
            self._heard.clear()
            self._raise_if_lost()
            free = self._silent_since + (self._gap_s if self._clean else self.quiet_s)
            if now() >= free:
                return
            if now() >= give_up:
                raise Away(f"{self.name}: never silent; another master, or a fault of the line")
            await self._wait_until(free)

    def _send(self, frame: bytes) -> None:
        assert self._port is not None  # noqa: S101  # _open
        if os.write(self._port, frame) != len(frame):
            raise Away(f"{self.name}: the port takes no bytes")
        sent = asyncio.get_running_loop().time() + len(frame) * self._character_s
        self._silent_since = sent

    async def _hear(self, question: Question, timeout_s: float) -> bytes:
        """The whole answer. Raises: Away, Foreign, OSError."""
        length = rtu_length(question, b"")
        deadline = self._silent_since + timeout_s + length * self._character_s + LATENCY_S
        while len(self._heard) < length:
            if asyncio.get_running_loop().time() >= deadline:
                part = f", {len(self._heard)} bytes came" if self._heard else ""
                raise Away(f"{self.name}: no answer within {timeout_s:g} s{part}")
            await self._wait_until(deadline)
            self._raise_if_lost()
            length = rtu_length(question, bytes(self._heard))
        frame = bytes(self._heard)
        self._heard.clear()
        return frame

    async def _wait_until(self, instant: float) -> None:
        """Until then, or until the line says something."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(instant):
                await self._changed.wait()

    def _read(self) -> None:
        assert self._port is not None  # noqa: S101  # _open
        try:
            chunk = os.read(self._port, MOST_HEARD)
            if not chunk:
                raise OSError(0, "the port is gone")
        except BlockingIOError:
            return
        except OSError as error:
            self._lost = error
            asyncio.get_running_loop().remove_reader(self._port)
        else:
            self._heard += chunk[: MOST_HEARD - len(self._heard)]
            self._silent_since = max(self._silent_since, asyncio.get_running_loop().time())
        self._changed.set()

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _open(self) -> None:
        """Raw bytes, for us alone; what it was saying until now is nobody's answer."""
        port = open_port(self.name, *self.settings)
        loop = asyncio.get_running_loop()
        self._port, self._lost, self._clean = port, None, False
        self._heard.clear()
        self._silent_since = loop.time()
        loop.add_reader(port, self._read)

    def close(self) -> None:
        """Let go of it; the next question opens it again."""
        if self._port is not None:
            with contextlib.suppress(RuntimeError):  # its loop is gone already
                asyncio.get_running_loop().remove_reader(self._port)
            with contextlib.suppress(termios.error):  # closing waits for what is still to go out
                termios.tcflush(self._port, termios.TCIOFLUSH)
            os.close(self._port)
        self._port = None


def _told(error: BaseException) -> str:
    """What an error of the system is, in its words."""
    if isinstance(error, EOFError):
        return "the connection was closed"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
