"""One lane of the log as the uplink needs it: how far it reaches, and its items from any seq on.

It follows the lane while another process writes it. A record that cannot be read as an entry is
handed out as lost, because an envelope of nothing would hold up everything behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.errors import RecordError
from agent.store import cbor, entry
from agent.store.journal import Item, LaneReader, Stored

# A full envelope holds some 200 small records; of histories, packed, 900.
READ_AHEAD = 256
HISTORY_AHEAD = 900
# Three places of the lane are sent from in turn: its end, what is resent, and what is new.
RUNS = 3

# ("record", seq, entry) or ("lost", first, last, reason), as wire.envelope takes them.
LaneItem = tuple[Any, ...]


class Feed:
    """A lane below `root`; `start`: a seq that is known not to lie behind the lane's next one.

    tell: takes a line about a record that is none. Raises: StoreError, here and in every method,
    when the system refuses a file; the next call tries anew.
    """

    def __init__(self, root: Path, lane: str, *, start: int, tell: Callable[[str], None]) -> None:
        self.lane = lane
        self.unreadable = 0
        self._ahead = HISTORY_AHEAD if lane == "h" else READ_AHEAD
        self._root = root
        self._tell = tell
        self._tail = LaneReader(root, lane, after=self._end(start) - 1)
        self._runs: list[_Run] = []

    @property
    def next_seq(self) -> int:
        """The first seq that was not on disk at the last look."""
        return self._tail.next_seq

    def grow(self) -> int:
        """Look how far the lane reaches now: its next seq."""
        while self._tail.read(self._ahead):
            pass
        return self._tail.next_seq

    def items(self, first: int) -> list[LaneItem]:
        """Items from the seq `first` on, as many as an envelope may take; [] beyond the end."""
        run = next((run for run in self._runs if run.reaches(first)), None)
        if run is None:
            run = _Run(LaneReader(self._root, self.lane, after=first - 1), first)
            for old in self._runs[RUNS - 1 :]:
                old.reader.close()
        # The one used last comes first, so that the one used longest ago is given up.
        self._runs = [run, *[each for each in self._runs if each is not run][: RUNS - 1]]
        run.skip_to(first)
        run.items += [self._opened(item) for item in run.reader.read(self._ahead - len(run.items))]
        return run.items

    def close(self) -> None:
        """Let go of every file."""
        for run in self._runs:
            run.reader.close()
        self._tail.close()

    def _opened(self, item: Item) -> LaneItem:
        if not isinstance(item, Stored):
            return "lost", item.first, item.last, item.reason
        try:
            opened = cbor.loads(item.payload)
            entry.check(opened)
        except (RecordError, ValueError) as error:
            self.unreadable += 1
            self._tell(f"lane {self.lane}, seq {item.seq}: {error}")
            return "lost", item.seq, item.seq, "damaged"
        return "record", item.seq, opened

    def _end(self, start: int) -> int:
        """The lane's next seq, found without reading the records before it."""
        low, step = start, 1
        while self._exists(low + step - 1):
            low, step = low + step, step * 2
        while step > 1:
            step //= 2
            if self._exists(low + step - 1):
                low += step
        return low

    def _exists(self, seq: int) -> bool:
        with LaneReader(self._root, self.lane, after=seq - 1) as reader:
            return bool(reader.read(1))


class _Run:
    """A reader, and what it has read ahead: `items` begin at the seq `first`."""

    def __init__(self, reader: LaneReader, first: int) -> None:
        self.reader = reader
        self.items: list[LaneItem] = []
        self._first = first

    def reaches(self, seq: int) -> bool:
        return self._first <= seq <= self.reader.next_seq

    def skip_to(self, seq: int) -> None:
        kept = next((n for n, item in enumerate(self.items) if last_of(item) >= seq), None)
        self.items = [] if kept is None else self.items[kept:]
        if self.items and self.items[0][0] == "lost":
            _, first, last, reason = self.items[0]
            self.items[0] = ("lost", max(first, seq), last, reason)
        self._first = seq


def last_of(item: LaneItem) -> int:
    """The last seq that the item stands for."""
    last: int = item[1] if item[0] == "record" else item[2]
    return last
