"""The one local socket between guard and link: live values, and "the log grew".

Datagrams from guard to link. Guard never waits: what link does not take in time is counted and
forgotten, for nothing of value travels here; events go through the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NAME = "live.sock"
_LARGEST = 8192


def _address(directory: Path, opened: list[int]) -> str:
    """Path of the socket through an open directory, since sun_path holds only 108 bytes."""
    number = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    opened.append(number)
    return f"/proc/self/fd/{number}/{_NAME}"


class LiveSender:
    """Guard's end."""

    def __init__(self, directory: Path) -> None:
        self._opened: list[int] = []
        self._address = _address(directory, self._opened)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self.dropped = 0

    def send(self, message: dict[str, Any]) -> None:
        """Offer a message to link; counted as dropped when link is away or slow."""
        try:
            self._socket.sendto(json.dumps(message).encode(), self._address)
        except OSError:
            self.dropped += 1

    def close(self) -> None:
        """Free the socket and the directory."""
        self._socket.close()
        for number in self._opened:
            os.close(number)


class LiveReceiver(asyncio.DatagramProtocol):
    """Link's end: calls `take` for each message that is one."""

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self._take = take
        self.refused = 0

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        """A message of guard; anything else is counted."""
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):  # nested deeper than any message of ours
            message = None
        if isinstance(message, dict):
            self._take(message)
        else:
            self.refused += 1


@contextlib.asynccontextmanager
async def receiving(directory: Path, take: Callable[[dict[str, Any]], None]) -> Any:
    """Receive guard's messages while the context lasts."""
    opened: list[int] = []
    address = _address(directory, opened)
    with contextlib.suppress(FileNotFoundError):
        (directory / _NAME).unlink()  # of a link that was killed
    end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    end.setblocking(False)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * _LARGEST)
    end.bind(address)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: LiveReceiver(take), sock=end)
    try:
        yield protocol
    finally:
        transport.close()
        with contextlib.suppress(FileNotFoundError):
            (directory / _NAME).unlink()
        for number in opened:
            os.close(number)
