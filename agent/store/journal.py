"""The log: lanes of segments, one writer a lane, followers in any number of processes.

    log/epoch                       the identity of this log, made once, shared by all lanes
    log/a.lock                      held by the process that writes lane a
    log/a-00000000000000000001.seg  lane a from seq 1 on
    log/a-....seg.bad               set aside: its header cannot be read, and it was the last
    log/a.checkpoint                where opening may begin to read (checkpoint.py)
    log/a.removed                   what retention has removed, and why (removal.py)
    log/a.spare                     the file of the next segment, while one is begun

Payloads are opaque bytes; their framing is segment.py's. What must hold after any cut or damage:
every seq below the next one is read intact or lies in a lost range, and a seq that anyone may have
seen is never given out again. So nothing is repaired in place: a segment in doubt stays as it is,
and a new one, whose header declares the seqs in doubt, goes on. A follower hands out only what is
on disk. Corruption never stops an opening; only the operating system's refusal does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from agent.durations import Durations
from agent.errors import StoreError
from agent.store import disk
from agent.store.identity import read_epoch, settle_epoch
from agent.store.items import Item, Lost, Stored
from agent.store.lane_writer import LaneWriter
from agent.store.losses import declared_losses, lowest_seq
from agent.store.reader import LaneReader, export, newest_first, next_seq
from agent.store.retention import Acknowledged, Limits, Retention, nobody
from agent.store.verify import LaneReport, Report, verify

# The one door to the log: who reads or writes it needs no other module of this room.
__all__ = [
    "Item",
    "Journal",
    "LaneReader",
    "LaneReport",
    "Limits",
    "Lost",
    "Report",
    "Stored",
    "declared_losses",
    "export",
    "lowest_seq",
    "newest_first",
    "next_seq",
    "read_epoch",
    "verify",
]

_NO_LIMITS = Limits()


class Journal:
    """The lanes that this process writes. One thread only. `flushes`: how long they took [us]."""

    def __init__(self, epoch: int, lanes: dict[str, LaneWriter], flushes: Durations) -> None:
        self.epoch = epoch
        self.flushes = flushes
        self._lanes = lanes

    @classmethod
    def open(
        cls,
        root: Path,
        lanes: str,
        *,
        limits: Limits = _NO_LIMITS,
        acknowledged: Acknowledged = nobody,
    ) -> Journal:
        """Opens `lanes`, one letter each, in the directory `root`, which is made when absent.

        limits: when old segments go; acknowledged: what consumers have, asked only then.
        Raises: StoreError when a lane has its writer already, or the system refuses a file.
        """
        writers: dict[str, LaneWriter] = {}
        flushes = Durations()
        try:
            _make_directory(root)
            epoch = settle_epoch(root)
            retention = Retention(root, epoch, limits, acknowledged)
            for lane in lanes:
                writers[lane] = LaneWriter(root, lane, epoch, retention, flushes)
        except (OSError, StoreError) as error:
            for writer in writers.values():
                writer.release()
            if isinstance(error, StoreError):
                raise
            raise disk.refused(root, "the log cannot be opened", error) from error
        return cls(epoch, writers, flushes)

    def append(self, lane: str, payload: bytes, *, sync: bool = True) -> int:
        """Writes one record and returns its seq; with `sync` it is on disk by then.

        Without, it is when `sync()` has returned. Raises: StoreError when the record cannot be
        written: it has no seq then, and the next append tries anew.
        """
        return self._lanes[lane].append(payload, sync=sync)

    def append_group(self, lane: str, payloads: Sequence[bytes]) -> range:
        """Writes records with one sync, and one write in each segment; returns their seqs.

        Raises: StoreError when they cannot all be written. Those that were are below `next_seq`;
        whoever appends the group again may store these twice.
        """
        first = self._lanes[lane].append_group(payloads)
        return range(first, first + len(payloads))

    def sync(self) -> None:
        """Brings to disk what was appended without; every lane is tried before StoreError."""
        errors = []
        for writer in self._lanes.values():
            try:
                writer.sync()
            except StoreError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def next_seq(self, lane: str) -> int:
        """The seq that the next append will get."""
        return self._lanes[lane].next_seq

    def losses(self, lane: str) -> list[Lost]:
        """The lost ranges that the lane declares, in order."""
        return self._lanes[lane].losses()

    def close(self) -> None:
        """Brings everything to disk and lets go of the lanes; a second call does nothing."""
        try:
            self.sync()
        finally:
            for writer in self._lanes.values():
                writer.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _make_directory(root: Path) -> None:
    if not root.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        disk.sync_directory(root.parent)
