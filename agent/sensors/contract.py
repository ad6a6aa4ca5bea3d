"""The one promise a driver keeps: an endless or ending stream of what it saw, and honest notices.

A driver knows one kind of source and nothing of bays, detection or storage. It never blocks the
loop, bounds every wait, marks what it cannot vouch for, and reconnects by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from agent.records import Block, Notice, Reading

Item = Block | Reading | Notice


class Sensor(Protocol):
    """A source of samples or readings, named as in the site file."""

    name: str

    def stream(self) -> AsyncIterator[Item]:
        """What the source delivers, in order; ends when the source has ended for good.

        Raises: SensorError when the source can never work (no such file, impossible option).
        A source that is merely away yields notices and goes on trying.
        """
        ...
