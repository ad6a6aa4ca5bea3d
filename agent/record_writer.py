"""Brings records to disk beside guard's work: a thread that encodes and writes in small pieces.

Guard hands over a story and goes on; what became of it is fetched between blocks and told in
lane h. The same thread packs records that are to be sent (wave_lane.py). A story that finds the
queue full is counted and told, never waited for. When the disk is full or refuses, records are lost
and said so; decisions and the log go on.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import record_notes
from agent.clock import Stamp
from agent.errors import RecordError, StoreError, UsageError
from agent.record_sheet import sheet_of
from agent.recorder import Story, cause
from agent.sensors.comtrade_write import single
from agent.store import wave_orders
from agent.store.record_files import DROPPED, LOST, NOT_SENT, STORED, RecordFiles, path_of

# Stories at once: six bays with a fault each, and as many again while the disk is slow.
WAITING_STORIES = 12
# And at most so many bytes of them: five long ones of 48 channels at 12.8 kHz.
WAITING_BYTES = 64 << 20
# Nothing that was told waits for long, but nobody may fetch it any more: the newest stay.
_TOLD = 256
_SWITCH_S = 0.001
# How long the end of guard waits for the disk.
GOODBYE_S = 2.0

# More than the notes and the header of any record.
_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Told:
    """Word of a record, as an audit of lane h says it."""

    what: str
    detail: str


# Which records are sent without being asked for: [uplink] waveforms.
ASK, ALARMS, ALL = "ask", "alarms", "all"


class RecordWriter:
    """files: opens the folder, when there is a first record. station: as the header calls it.
    offset_min: of the place's own time to UTC. sent: ASK, ALARMS, ALL; orders: the folder where
    those to be sent are ordered. Counts since the start: stored, dropped, lost.
    """

    def __init__(
        self,
        files: Callable[[], RecordFiles],
        *,
        station: str,
        offset_min: int = 0,
        sent: str = ASK,
        orders: Path | None = None,
    ) -> None:
        self._open = files
        self._files: RecordFiles | None = None
        self._station = station
        self._offset_min = offset_min
        self._sent = sent
        self._orders = orders
        # A story, the name of a record to be packed, or the end.
        self._queue: queue.Queue[tuple[Story, Stamp] | str | None] = queue.Queue(WAITING_STORIES)
        self._packed: deque[tuple[str, bytes, str]] = deque(maxlen=1)
        self._told: deque[Told] = deque(maxlen=_TOLD)
        self.stored = self.dropped = self.lost = 0
        self._counting = threading.Lock()
        # Bytes handed over and bytes dealt with, each counted by one thread alone.
        self._taken_bytes = self._done_bytes = 0
        # Guard waits at most so long for an interpreter that is busy here; Python's own is 5 ms.
        sys.setswitchinterval(_SWITCH_S)
        self._thread = threading.Thread(target=self._work, name="records", daemon=True)
        self._thread.start()

    def take(self, story: Story, stamp: Stamp) -> None:
        """Keep a story, whose first sample stood at `stamp`. Never waits."""
        size = _size(story)
        waiting = self._taken_bytes - self._done_bytes
        try:
            if waiting and waiting + size > WAITING_BYTES:
                raise queue.Full
            self._queue.put_nowait((story, stamp))
        except queue.Full:
            self._lose(f"{waiting} bytes of records wait to be written already", story)
        else:
            self._taken_bytes += size

    def told(self) -> list[Told]:
        """What became of them since the last call."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def pack(self, name: str) -> bool:
        """Read and pack a stored record; False: too much waits. One at a time. Never waits."""
        try:
            self._queue.put_nowait(name)
        except queue.Full:
            return False
        return True

    def packed(self) -> tuple[str, bytes, str] | None:
        """(name, packed record, "") of the one that was to be packed, or why it cannot be; None:
        not yet.
        """
        return self._packed.popleft() if self._packed else None

    def stop(self, timeout_s: float = GOODBYE_S) -> None:
        """What waits is written, as far as the time allows."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, str):
                self._packed.append(self._read(item))
            else:
                self._keep(*item)
                self._done_bytes += _size(item[0])

    def _read(self, name: str) -> tuple[str, bytes, str]:
        """A record that is on disk, packed."""
        from agent.record_packed import packed  # what reads records, which writing does not need

        try:
            if self._files is None:
                self._files = self._open()
            return name, packed(path_of(self._files.folder, name)), ""
        except (UsageError, RecordError, StoreError, ValueError, MemoryError) as error:
            return name, b"", str(error)

    def _keep(self, story: Story, stamp: Stamp) -> None:
        try:
            notes = record_notes.of_story(story, stamp)
            begin_us = story.sample_us(story.mark.index)
            sheet = sheet_of(
                notes,
                [(p.first, p.start_us - begin_us, p.counts) for p in story.pieces],
                stem=notes.layout.sensor,
                station=self._station,
                offset_min=self._offset_min,
            )
            size = _size(story) + _HEAD_BYTES
            utc_us = stamp.utc_us + sheet.trigger_us
            bay = cause(notes.told).bay
            if self._files is None:
                self._files = self._open()
            record, dropped = self._files.keep(utc_us, bay, size, single(sheet))
        except (StoreError, ValueError, ArithmeticError, MemoryError) as error:
            self._files = None  # the folder may be another one when the next story comes
            self._lose(str(error), story)
            return
        self.stored += 1
        self._told.append(Told(STORED, f"{record.name} of {_keys(story)}; {record.size} bytes"))
        if self._sent == ALL or (self._sent == ALARMS and any(e.alarm for e in notes.told)):
            self._order(record.name)
        if dropped:
            self.dropped += dropped
            self._told.append(Told(DROPPED, f"{dropped} oldest for {record.name}"))

    def _order(self, name: str) -> None:
        """By policy, through the folder: so it survives a restart as what is asked for does."""
        if self._orders is None:
            return
        try:
            if not wave_orders.place(self._orders, name):
                what = f"{name}: {wave_orders.MOST} wait to be sent already; it can be asked for"
                self._told.append(Told(NOT_SENT, what))
        except StoreError as error:
            self._told.append(Told(NOT_SENT, f"{name}: {error}"))

    def _lose(self, why: str, story: Story) -> None:
        with self._counting:  # guard loses what finds no place, the thread what finds no disk
            self.lost += 1
        told = f"{self.lost} since the start; {_keys(story)}: {why}"
        self._told.append(Told(LOST, told))


def _size(story: Story) -> int:
    """Bytes of its samples, here and, at most, on disk but for their numbers."""
    return sum(piece.counts.nbytes for piece in story.pieces)


def _keys(story: Story) -> str:
    """The events by their keys in lane a: what joins a record to what was told."""
    seqs = [logged.seq for logged in story.events if logged.seq is not None]
    shown = " ".join(f"a:{seq}" for seq in seqs[:12])
    return f"{shown} and {len(seqs) - 12} more" if len(seqs) > 12 else shown or "no logged event"
