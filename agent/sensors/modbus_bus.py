"""One line and the units on it: turns, and how much of the line the silent ones may take.

Requests go out strictly one at a time, first come first served, so that no unit gets a second turn
while another waits. A unit that did not answer asks with `probing`: such probes go one at a time
and the line rests from them, so that all dead units together take at most a fifth of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from agent.errors import SensorError
from agent.sensors.modbus_frame import Question
from agent.sensors.modbus_line import Away, Line

REST = 4  # after a probe that failed the line is without probes for so many times what it cost


class Bus:
    """Shared by the units of one line; closes it when the last of them leaves."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._units: set[int] = set()
        self._turn = asyncio.Lock()  # its waiters are served in the order of their coming
        self._probe = asyncio.Lock()
        self._rest_until = 0.0
        self._using = 0

    def claim(self, unit: int) -> None:
        """Raises: SensorError when the unit is another sensor's already."""
        if unit in self._units:
            raise SensorError(self.line.name, f"unit {unit} stands twice", "each unit once")
        self._units.add(unit)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps the line open for a unit."""
        self._using += 1
        try:
            yield
        finally:
            self._using -= 1
            if not self._using:
                self.line.close()

    async def ask(self, question: Question, timeout_s: float, *, probing: bool) -> list[int]:
        """The registers or bits. Raises: Away, Refused."""
        if not probing:
            async with self._turn:
                return await self.line.ask(question, timeout_s)
        now = asyncio.get_running_loop().time
        async with self._probe:
            await asyncio.sleep(max(0.0, self._rest_until - now()))
            async with self._turn:
                began = now()
                try:
                    return await self.line.ask(question, timeout_s)
                except Away:
                    self._rest_until = now() + REST * (now() - began + self.line.quiet_s)
                    raise
