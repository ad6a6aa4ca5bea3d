"""The folder of waveform records: a ring of files, each whole or not there at all.

A name is `NUMBER-YYYYMMDDTHHMMSSmmmZ-BAY`: the number rises for ever, so that names sort in the
order in which records were made even where the clock was set back, and the oldest is known. What
a record holds stays out: bytes come in.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from agent.errors import StoreError, UsageError
from agent.store import disk

# What becomes of a record, as an audit of lane h calls it.
STORED, DROPPED, LOST = "record_stored", "records_dropped", "record_lost"
# And of its way to the consumers: it stands in lane w from seq to seq, or cannot be brought there.
IN_LANE, NOT_SENT = "record_in_lane", "record_not_sent"

FOLDER = "records"
EXTENSION = ".cff"
_NAME = re.compile(r"(?P<number>[0-9]{6,12})-[0-9]{8}T[0-9]{9}Z-[A-Za-z0-9_-]{1,32}")
_COMING = ".coming"  # a file that is being written
# What reaches the disk at once. An alarm's own flush may have to wait behind one such piece: 64 kB
# are 6 ms on the slowest card that a terminal is sold with (10 MB/s, speed class 10).
PIECE_BYTES = 64 * 1024
# Between two pieces the disk is left to the log.
_PAUSE_S = 0.002


class Limits(NamedTuple):
    """most: records; quota_bytes: all of them together; floor_bytes: free space left to others."""

    most: int
    quota_bytes: int
    floor_bytes: int


@dataclass(frozen=True, slots=True)
class Held:
    """A record in the folder."""

    name: str
    size: int

    @property
    def number(self) -> int:
        """That of its name."""
        return int(self.name.partition("-")[0])


def named(number: int, utc_us: int, bay: str) -> str:
    """The name of a record."""
    try:
        at = datetime.fromtimestamp(utc_us // 1_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        at = datetime.fromtimestamp(0, UTC)
    return f"{number:06d}-{at:%Y%m%dT%H%M%S}{utc_us // 1000 % 1000:03d}Z-{bay}"


def is_name(text: str) -> bool:
    """Whether a record may be called so: nothing that could lead out of the folder."""
    return _NAME.fullmatch(text) is not None


def held(folder: Path) -> list[Held]:
    """The records that are there, oldest first; none where there is no folder."""
    try:
        with os.scandir(folder) as found:
            files = [
                Held(entry.name.removesuffix(EXTENSION), entry.stat().st_size)
                for entry in found
                if entry.name.endswith(EXTENSION) and is_name(entry.name.removesuffix(EXTENSION))
            ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk.refused(folder, "cannot be read", error) from error
    return sorted(files, key=lambda each: (each.number, each.name))


def path_of(folder: Path, wanted: str) -> Path:
    """The file of a record by its name, or by its number alone. Raises: UsageError."""
    records = held(folder)
    for each in records:
        if wanted in (each.name, str(each.number), each.name.partition("-")[0]):
            return folder / f"{each.name}{EXTENSION}"
    kept = f"{records[0].name} to {records[-1].name}" if records else "none yet"
    raise UsageError(str(folder), f"no record {wanted!r}", f"one of those kept: {kept}")


class RecordFiles:
    """The one writer's end of the folder; `folder` itself is for whoever reads there."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        """Raises: StoreError."""
        self.folder = folder
        self._limits = limits
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob(f"*{_COMING}"):  # of a guard that was killed
                leftover.unlink()
        except OSError as error:
            raise disk.refused(folder, "cannot be used", error) from error
        self._records = held(folder)
        self._next = self._records[-1].number + 1 if self._records else 1

    def keep(self, utc_us: int, bay: str, size: int, pieces: Iterable[bytes]) -> tuple[Held, int]:
        """A record on disk, and how many of the oldest had to make room for it.

        size: about how many bytes. Raises: StoreError when there is no room, or the disk refuses.
        """
        name = named(self._next, utc_us, bay)
        coming = self.folder / f"{name}{_COMING}"
        dropped = 0
        try:
            dropped = self._make_room(size)
            written = _write(coming, pieces)
            coming.replace(self.folder / f"{name}{EXTENSION}")
            disk.sync_directory(self.folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                coming.unlink()
            raise disk.refused(self.folder, f"{name} cannot be written", error) from error
        self._next += 1
        record = Held(name, written)
        self._records.append(record)
        return record, dropped

    def _make_room(self, size: int) -> int:
        """Oldest ones go until the limits hold with `size` bytes more; none where that is in vain.

        Raises: StoreError when it is.
        """
        most, quota, floor = self._limits
        total = size + sum(each.size for each in self._records)
        free = self._free()
        if size > quota or free + total - 2 * size < floor:
            raise StoreError(
                str(self.folder),
                f"no room for {size} bytes: {free} are free, {floor} are left to others",
                f"more room on the disk, and at most {quota} bytes",
            )
        dropped = 0
        while self._records and (
            len(self._records) >= most or total > quota or self._free() - size < floor
        ):
            oldest = self._records.pop(0)
            disk.remove(self.folder / f"{oldest.name}{EXTENSION}")
            total -= oldest.size
            dropped += 1
        return dropped

    def _free(self) -> int:
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize


def _write(path: Path, pieces: Iterable[bytes]) -> int:
    """All bytes on disk, a piece at a time; how many."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    at = synced = 0
    try:
        for piece in pieces:
            for begin in range(0, len(piece), PIECE_BYTES):
                part = piece[begin : begin + PIECE_BYTES]
                disk.write_all(fd, part, at)
                at += len(part)
                if at - synced >= PIECE_BYTES:
                    os.fdatasync(fd)
                    synced = at
                time.sleep(_PAUSE_S)  # whoever waits for the processor or the disk comes first
        os.fsync(fd)
    finally:
        os.close(fd)
    return at
