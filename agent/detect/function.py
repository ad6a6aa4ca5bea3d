"""What a protection function of a bay is: elements that decide, and the events that tell of it.

A bay (bay.py) runs its functions in a fixed order over the same decisions. The rules of an element
hold for a function: while it is idle, a decision inside the band that it asks for changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from agent.detect.levels import Levels
from agent.detect.look import Look
from agent.detect.raw import Raw
from agent.records import Event


class Now:
    """One decision. seen: the rows of the sight; t_us: the last sample's instant; since_us:
    beginning of the time that the rows cover. raw(): the samples up to here, worth asking for only
    when they matter; None where there are none (a meter's readings).
    """

    __slots__ = ("raw", "seen", "since_us", "t_us")

    def __init__(
        self, seen: list[float], t_us: int, since_us: int, raw: Callable[[], Raw | None]
    ) -> None:
        self.seen = seen
        self.t_us = t_us
        self.since_us = since_us
        self.raw = raw


class Function(Protocol):
    """See each of functions/.

    A function that learns from slow looks also has `learned()`, numbers, and `relearn(numbers)`, so
    that a record can hold what it knew (bay.py).
    """

    def idle(self) -> bool:
        """True when decisions inside the band would change nothing here."""
        ...

    def dues_us(self) -> list[int]:
        """When it may answer differently though nothing crosses a level."""
        ...

    def narrow(self, low: list[float], high: list[float]) -> None:
        """Narrow the band, by row of the sight, to what is quiet here."""
        ...

    def add_levels(self, levels: Levels) -> None:
        """Where it would answer differently, for the whole life of the bay."""
        ...

    def step(self, now: Now) -> list[Event]:
        """What is told at this decision."""
        ...

    def look(self, look: Look) -> list[Event]:
        """What is told at this slow look, which comes every four cycles."""
        ...


class FastFunction:
    """A function that goes by samples alone: slow looks tell it nothing."""

    def look(self, _: Look) -> list[Event]:
        """Nothing: it is a matter of samples."""
        return []


class SlowFunction:
    """A function that goes by slow looks alone: samples neither wake it nor change anything."""

    def idle(self) -> bool:
        """Always."""
        return True

    def dues_us(self) -> list[int]:
        """None."""
        return []

    def narrow(self, low: list[float], high: list[float]) -> None:
        """Not at all."""

    def add_levels(self, levels: Levels) -> None:
        """None."""

    def step(self, _: Now) -> list[Event]:
        """Nothing."""
        return []
