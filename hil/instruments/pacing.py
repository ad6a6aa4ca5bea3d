"""The clock of every instrument: absolute instants of CLOCK_MONOTONIC, and how late each write was.

Each write has an instant of its own, so that one that was late does not put off the next. A thread
waits with `wait` (tens of microseconds late on an idle machine); an asyncio task with `until`,
whose loop counts in whole milliseconds and is up to one late.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from array import array

from hil.instruments.contract import Pacing

# A day's playing is millions of writes: they are counted in classes of lateness, not kept.
CLASS_US = 10
CLASSES = 10_000  # up to 100 ms; the last class holds all that is beyond


def now_us() -> int:
    """CLOCK_MONOTONIC, the axis of every `start_us`. [us]"""
    return time.monotonic_ns() // 1000


def go_first() -> bool:
    """Let the calling thread run as soon as its instant comes, before all ordinary processes.

    For threads that mostly wait. False: the system does not allow it; lateness is told either way.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return False
    return True


class Pacer:
    """Waits for the instants of one play, and remembers how they were kept.

    start_us: instant of the recording's first sample.
    """

    def __init__(self, start_us: int) -> None:
        self.start_us = start_us
        self._classes = array("Q", bytes(8 * CLASSES))
        self._writes = self._total_us = self._worst_us = 0

    def due_us(self, samples: int, rate_hz: int) -> int:
        """Instant of the sample with this index, which may be negative: before the start. [us]"""
        return self.start_us + samples * 1_000_000 // rate_hz

    def wait(self, due_us: int) -> None:
        """Block this thread until then."""
        ahead_us = due_us - now_us()
        if ahead_us > 0:
            time.sleep(ahead_us / 1e6)

    async def until(self, due_us: int) -> None:
        """Let others run until then; they get their turn even where it is late already."""
        await asyncio.sleep(max(0, due_us - now_us()) / 1e6)

    def wrote(self, due_us: int, at_us: int | None = None) -> None:
        """A write that was due then is done, now or at `at_us`. [us]"""
        late_us = max(0, (now_us() if at_us is None else at_us) - due_us)
        self._classes[min(late_us // CLASS_US, CLASSES - 1)] += 1
        self._writes += 1
        self._total_us += late_us
        self._worst_us = max(self._worst_us, late_us)

    def pacing(self) -> Pacing:
        """What there is to say of all writes until now."""
        return Pacing(
            start_us=self.start_us,
            writes=self._writes,
            mean_us=self._total_us / max(1, self._writes),
            p99_us=self._share_us(0.99),
            max_us=float(self._worst_us),
        )

    def _share_us(self, share: float) -> float:
        """Lateness that this share of the writes did not exceed, a class's upper end. [us]"""
        left = math.ceil(share * self._writes)
        for k, count in enumerate(self._classes[:-1]):
            left -= count
            if left <= 0:
                return float(min((k + 1) * CLASS_US, self._worst_us))
        return float(self._worst_us)
