"""What an instrument that never falls silent shows, sample by sample on a grid of its own.

Until a play begins that is the lead-in of its recording, after one its run-out (steady.py). A play
begins where the lead-in that shows would begin again, since the network must not jump in phase: a
`start_us` that is no such instant is put off to the next one, and `Pacing.start_us` says which it
was. Another recording begins its lead-in at once, which the device sees as a step of the network
unless the two are alike there.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from dataclasses import dataclass

from hil.case import Counts
from hil.errors import BenchError
from hil.instruments.endless import Endless
from hil.instruments.pacing import Pacer, now_us

SECOND_US = 1_000_000


@dataclass(slots=True)
class Turn:
    """A wave on the grid: `begin` is the place of its first sample. pacer None: nothing happens."""

    wave: Endless
    begin: int
    pacer: Pacer | None
    done: Future[None]

    def counts(self, place: int, count: int) -> Counts:
        """Samples of the grid from a place on, shape (channels, count)."""
        return self.wave.counts(place - self.begin, count, repeating=self.pacer is None)

    def wrote(self, place: int, due_us: int) -> None:
        """All before this place is out; the last of it was due then."""
        if self.pacer is None or self.done.done() or place <= self.begin:
            return
        self.pacer.wrote(due_us)
        if place - self.begin >= self.wave.recording.length:
            with contextlib.suppress(Exception):  # nobody waits any more
                self.done.set_result(None)

    def fail(self, error: BenchError) -> None:
        """It ends so, if it has not ended yet."""
        if not self.done.done():
            with contextlib.suppress(Exception):
                self.done.set_exception(error)


class Programme:
    """origin_us: instant of the grid's place 0. idle: what shows at first.

    prepare_s: a play must be asked for so long before its start. where: for errors.
    """

    def __init__(
        self, *, where: str, rate_hz: int, origin_us: int, idle: Endless, prepare_s: float
    ) -> None:
        self._where, self._rate_hz, self._prepare_s = where, rate_hz, prepare_s
        self.grid = Pacer(origin_us)
        self.turn = Turn(idle, 0, None, Future())

    def due_us(self, place: int) -> int:
        """Instant of this place. [us]"""
        return self.grid.due_us(place, self._rate_hz)

    def begin(self, wave: Endless, start_us: int) -> tuple[Turn, Pacer]:
        """The turn of this wave, which is the one that shows from now on. Raises: BenchError."""
        shown = self.turn
        if shown.pacer and not shown.done.done():
            raise BenchError(self._where, "it plays already", "one at a time")
        if start_us < now_us() + self._prepare_s * SECOND_US:
            late = f"start {start_us} is over or too near"
            raise BenchError(self._where, late, f"{self._prepare_s} s to prepare")
        wanted = -((self.grid.start_us - start_us) * self._rate_hz // SECOND_US)
        begin = wanted + (shown.begin - wanted) % wave.lead
        pacer = Pacer(self.due_us(begin))
        self.turn = Turn(wave, begin, pacer, Future())
        return self.turn, pacer
