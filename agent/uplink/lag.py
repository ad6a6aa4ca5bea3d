"""How long records take from their instant to the broker's word, and to the last acknowledgement.

Each message sent for the first time counts once, by its oldest record.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from agent import metrics
from agent.clock import Stamp
from agent.durations import Durations
from agent.errors import RecordError
from agent.metrics import Values
from agent.store import cbor, entry
from agent.store.journal import LaneReader, Stored

# Messages of a lane that wait for an acknowledgement and are measured; of a longer backlog these
# are the newest.
MEASURED = 256
# Behind a lost range a record follows at once, if any does.
_LOOKED_AT = 4


def age_us(logged: list[Any], now: Stamp) -> int | None:
    """How old an entry is; None where no clock can tell, because it is of another boot."""
    if logged[entry.BOOT] == now.boot:
        return max(0, now.mono_us - int(logged[entry.MONO]))
    unknown = entry.code_of(entry.SOURCES, "unknown")
    if unknown in (logged[entry.SOURCE], now.source):
        return None
    return max(0, now.utc_us - int(logged[entry.UTC]))


class Lag:
    """The messages of some lanes on their way. Instants are monotonic. [us]"""

    def __init__(self, lanes: str) -> None:
        self._to_puback = {lane: Durations() for lane in lanes}
        self._to_ack = {lane: Durations() for lane in lanes}
        self._flying: dict[int, tuple[str, int, int]] = {}
        self._waiting: dict[str, deque[tuple[int, int]]] = {
            lane: deque(maxlen=MEASURED) for lane in lanes
        }

    def sent(self, token: int, lane: str, last: int, oldest: list[Any], now: Stamp) -> None:
        """The message `token`, up to the seq `last`, leaves for the first time."""
        if (age := age_us(oldest, now)) is not None:
            self._flying[token] = lane, last, now.mono_us - age

    def answered(self, token: int, now_us: int, *, ok: bool) -> None:
        """The broker has taken it, or has not."""
        lane, last, since_us = self._flying.pop(token, ("", 0, 0))
        if lane and ok:
            self._to_puback[lane].add(now_us - since_us)
            self._waiting[lane].append((last, since_us))

    def acked(self, lane: str, mark: int, now_us: int) -> None:
        """Every required consumer has what lies up to `mark`."""
        waiting = self._waiting[lane]
        while waiting and waiting[0][0] <= mark:
            self._to_ack[lane].add(now_us - waiting.popleft()[1])

    def disconnected(self) -> None:
        """Nothing is on its way any more."""
        self._flying.clear()

    def told(self) -> Values:
        """What was measured since the last `clear`."""
        values: Values = {}
        for lane in self._to_ack:
            metrics.spread(values, "puback_lag_%_ms", 1000, self._to_puback[lane], lane)
            metrics.spread(values, "ack_lag_%_ms", 1000, self._to_ack[lane], lane)
        return values

    def clear(self) -> None:
        """A new interval begins."""
        for durations in (*self._to_puback.values(), *self._to_ack.values()):
            durations.clear()


class Oldest:
    """The oldest record of each lane that lacks an acknowledgement, read once and remembered."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._known: dict[str, tuple[int, list[Any] | None]] = {}

    def age_us(self, lane: str, acked: int, now: Stamp) -> int | None:
        """Its age; None: there is none, or nobody can tell. Raises: StoreError."""
        if self._known.get(lane, (-1, None))[0] != acked:
            self._known[lane] = acked, self._read(lane, acked)
        logged = self._known[lane][1]
        return None if logged is None else age_us(logged, now)

    def _read(self, lane: str, acked: int) -> list[Any] | None:
        with LaneReader(self._log, lane, after=acked) as reader:
            for item in reader.read(_LOOKED_AT):
                if isinstance(item, Stored):
                    try:
                        opened: list[Any] = cbor.loads(item.payload)
                        entry.check(opened)
                    except (RecordError, ValueError):
                        continue
                    return opened
        return None
