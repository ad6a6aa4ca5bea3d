"""What the log last told of every bay's supply, without reading a million records at each start.

Lane a is the truth (docs/decisions/0009-the-log-remembers-the-supply.md). This follows it and, now
and then, notes in a file beside it what it said up to which seq; a start reads the note and the
records after it. The note is never another truth: an old one only means more to read, and a
damaged one, or one of another log, is no note.

    <data_dir>/supply    {"epoch": .., "seq": .., "supply": {bay: [A, B, C]}}, a checked line
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.detect.supply import DEAD, LIVE
from agent.errors import RecordError, StoreError
from agent.records import LOAD_SIDE, PHASES, Event
from agent.store import cbor, disk, entries, entry
from agent.store.journal import LaneReader, Stored

States = tuple[int | None, ...]

LANE = "a"
# A note so often, in records: some 10 ms of reading at the next start.
NOTE_EVERY = 512
# Records taken at a time while guard decides: some 2 ms, a tenth of what a decision may take.
AT_A_TIME = 64
# Without a note no more than these last records are read, within a second; what a bay told before
# them is unknown, as at a first start.
FARTHEST = 50_000

# What a note that is none of ours may lead to; json follows nesting by calling itself.
_UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError),
    *(RecursionError, OverflowError),
)
_STATES = {"voltage_loss": DEAD, "voltage_restored": LIVE}
_TELLING = {entry.code_of(entry.EVENTS, name) for name in ("started", *_STATES)}


class SupplyMemory:
    """The supply as lane a tells it up to the seq `seq`.

    path: of the note; log: the folder of the lanes; epoch: the log's; next_seq: lane a's next one.
    """

    def __init__(self, path: Path, log: Path, epoch: int, next_seq: int) -> None:
        self._path = path
        self._epoch = epoch
        self.seq, self.supply = _noted(path, epoch, next_seq)
        if self.seq == 0:
            self.seq = max(0, next_seq - 1 - FARTHEST)
        self._noted_seq = self.seq
        self._reader = LaneReader(log, LANE, after=self.seq)

    def catch_up(self) -> None:
        """Take everything that the lane holds. Raises: StoreError."""
        while self._take(4096):
            pass

    def follow(self) -> None:
        """Take a few of the records that have come, and make a note when it is time.

        Raises: StoreError when the log cannot be read or the note not be written.
        """
        self._take(AT_A_TIME)
        if self.seq - self._noted_seq >= NOTE_EVERY:
            self.note()

    def note(self) -> None:
        """Write the note; after a cut there is the old one or this. Raises: StoreError."""
        self._noted_seq = self.seq  # one that fails is tried again with the next
        text = json.dumps({"epoch": self._epoch, "seq": self.seq, "supply": self.supply})
        try:
            disk.replace_file(self._path, disk.checked_line(text))
        except OSError as error:
            what = f"what the log said of the supply cannot be noted ({error.strerror})"
            raise StoreError(str(self._path), what) from error

    def _take(self, limit: int) -> bool:
        """Whether there was anything."""
        items = self._reader.read(limit)
        for item in items:
            event = _telling(item.payload) if isinstance(item, Stored) else None
            if event is not None:
                states = self.supply.get(event.bay, (None,) * len(PHASES))
                self.supply[event.bay] = _after(event, states)
        self.seq = self._reader.next_seq - 1
        return bool(items)


def _telling(payload: bytes) -> Event | None:
    """The event, if it says anything of the supply on the source's side."""
    try:
        logged: Any = cbor.loads(payload)
        if logged[entry.TYPE] != entry.EVENT or logged[entry.FIRST] not in _TELLING:
            return None
        event = entries.entry_event(logged)[0]
    except (RecordError, TypeError, LookupError):
        return None  # who reads the log for people has told it
    return None if event.element == LOAD_SIDE else event


def _after(event: Event, states: States) -> States:
    """The states of a bay's phases after an event."""
    phases = event.phases or ""
    if event.event == "started":
        return tuple(LIVE if phase in phases else DEAD for phase in PHASES)
    state = _STATES[event.event]
    return tuple(
        state if phase in phases else known for phase, known in zip(PHASES, states, strict=True)
    )


def _noted(path: Path, epoch: int, next_seq: int) -> tuple[int, dict[str, States]]:
    """(seq, supply) of the note; (0, {}) when there is none of this log."""
    try:
        text = disk.read_line(path)
        if text is None:
            return 0, {}
        note = json.loads(text)
        supply = {str(bay): tuple(states) for bay, states in note["supply"].items()}
        seq, of = int(note["seq"]), note["epoch"]
        fits = of == epoch and 0 < seq < next_seq and all(map(_plausible, supply.values()))
    except _UNREADABLE:
        return 0, {}
    return (seq, supply) if fits else (0, {})


def _plausible(states: States) -> bool:
    return len(states) == len(PHASES) and all(state in (None, DEAD, LIVE) for state in states)
