"""When the decisions of a stretch stand: from a sample's index to its instant, and back."""

from __future__ import annotations

from agent.records import Block


class Instants:
    """Decisions 0 .. n - 1 of a stretch; each rests on the window that ends at its sample."""

    def __init__(self, block: Block, first: int, window: int) -> None:
        rate = block.layout.rate_hz
        if rate is None:
            raise ValueError("a block has a rate")
        self._start_us = block.start_us
        self._first = first
        self._window = window
        self._samples, self._in_us = rate.numerator, 1_000_000 * rate.denominator

    def t_us(self, k: int) -> int:
        """Instant of the last sample that decision `k` used: as Block.sample_us has it."""
        return self._start_us + (self._first + k) * self._in_us // self._samples

    def since_us(self, k: int) -> int:
        """Beginning of the time that decision `k` covers."""
        return self.t_us(k - self._window)

    def index(self, k: int) -> int:
        """Index of that sample since the stream began."""
        return self._first + k

    def at(self, t_us: int) -> int:
        """The first decision at `t_us` or later; may lie outside of the stretch."""
        # floor(index / rate) >= t holds from index >= t * rate on: instants are whole microseconds.
        index = -((self._start_us - t_us) * self._samples // self._in_us)
        return index - self._first


class Moment:
    """The one decision of a reading, which covers the time since the one before."""

    def __init__(self, t_us: int, since_us: int) -> None:
        self._t_us = t_us
        self._since_us = since_us

    def t_us(self, _: int) -> int:
        """Instant of the reading."""
        return self._t_us

    def since_us(self, _: int) -> int:
        """Instant of the reading before."""
        return self._since_us

    def index(self, _: int) -> int:
        """Readings are not numbered; each of them is looked at."""
        return 0

    def at(self, t_us: int) -> int:
        """0 when the instant has come."""
        return 0 if t_us <= self._t_us else 1


When = Instants | Moment
