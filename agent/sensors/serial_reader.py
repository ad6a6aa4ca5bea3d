"""Everything that comes in at a serial port, with the instants at which it came.

A thread of its own takes the bytes from the kernel, which keeps but 4 KB of them: while a decision
is flushed to disk the line goes on speaking, 200 bytes a millisecond. Their instants are so told
before anything else of the process gets its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from agent.sensors.serial_port import open_port

CHUNK_BYTES = 65_536
# Five seconds of the fastest digitiser: who is behind by more has lost the present.
MOST_WAITING_BYTES = 1 << 20


class Chunk(NamedTuple):
    """Bytes that the kernel handed over at once, and when. [us, monotonic]"""

    at_us: int
    data: bytes


class SerialReader:
    """One port; open it, take what was heard, close it, open it again."""

    def __init__(self, device: str, baud: int, now_us: Callable[[], int]) -> None:
        self.device = device
        self._baud, self._now_us = baud, now_us
        self._chunks: deque[Chunk] = deque()
        self._waiting_bytes = 0
        self.dropped_bytes = 0  # ever; nobody took them in time
        self._lost: OSError | None = None
        self._port: int | None = None
        self._stop = -1
        self._thread: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a port that is being listened to."""
        return self._port is not None

    def open(self) -> None:
        """Listen from now on. Raises: OSError."""
        self._port = open_port(self.device, self._baud)
        self._stop = os.eventfd(0)
        self._lost = None
        self._chunks.clear()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._guard = threading.Lock()
        self._thread = threading.Thread(
            target=self._listen,
            args=(self._port, self._stop, asyncio.get_running_loop()),
            name=f"serial {self.device}",
            daemon=True,
        )
        self._thread.start()

    async def heard(self, within_s: float) -> list[Chunk]:
        """What came since the last call, at once or within so long. Raises: OSError, port gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        with self._guard:
            chunks = list(self._chunks)
            self._chunks.clear()
            self._waiting_bytes = 0
            self._changed.clear()
        if not chunks and self._lost is not None:
            raise self._lost
        return chunks

    def close(self) -> None:
        """Let go of it; the thread has ended when this returns."""
        if self._port is None or self._thread is None:
            return
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._port)
        os.close(self._stop)
        self._port = self._thread = None

    def _listen(self, port: int, stop: int, loop: asyncio.AbstractEventLoop) -> None:
        poller = select.poll()
        poller.register(port, select.POLLIN)
        poller.register(stop, select.POLLIN)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            while stop not in (ready for ready, _ in poller.poll()):
                try:
                    data = os.read(port, CHUNK_BYTES)
                    if not data:
                        raise OSError(0, "the port is gone")
                except BlockingIOError:
                    continue
                except OSError as error:
                    self._lost = error
                    loop.call_soon_threadsafe(self._changed.set)
                    return
                self._keep(Chunk(self._now_us(), data))
                loop.call_soon_threadsafe(self._changed.set)

    def _keep(self, chunk: Chunk) -> None:
        """The newest bytes count: what nobody took for so long is given up."""
        with self._guard:
            self._chunks.append(chunk)
            self._waiting_bytes += len(chunk.data)
            while self._waiting_bytes > MOST_WAITING_BYTES:
                dropped = len(self._chunks.popleft().data)
                self._waiting_bytes -= dropped
                self.dropped_bytes += dropped
