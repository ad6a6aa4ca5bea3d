"""Which segment goes when the log needs room: its oldest ones, waveforms first, alarms last.

A lane at its quota gives up its own oldest segment. Below the disk's free floor, or when the disk
is full, the lanes of this process give up segments in the order of GIVEN_UP_FIRST, those that every
consumer has acknowledged before all others. What is given up is declared first (removal.py), and
its file becomes the next segment. The segment that a lane grows in is never given up.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agent.store import disk, removal, segment_files
from agent.store.segment_files import File

# Waveforms are large and a chunk more or less changes no verdict; alarms are why we are here. A
# lane that is not named here is never given up.
GIVEN_UP_FIRST = "whxsa"
# A full disk may stay full whatever is given up, because another process takes it; after so many
# segments in vain the log waits until one can be begun.
MOST_IN_VAIN = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes that each lane may keep; a lane that is not named has no limit of its own.

    free_floor_bytes: free space of the file system below which the log no longer grows.
    """

    quota_bytes: Mapping[str, int] = field(default_factory=dict)
    free_floor_bytes: int = 0


# (epoch, lane) -> the seq up to which every required consumer has acknowledged.
Acknowledged = Callable[[int, str], int]


def nobody(_epoch: int, _lane: str) -> int:
    """Where nobody acknowledges, nothing counts as received."""
    return 0


class Retention:
    """Makes room in the log at `root` among the lanes that this process writes."""

    def __init__(
        self, root: Path, epoch: int, limits: Limits, acknowledged: Acknowledged = nobody
    ) -> None:
        self._root = root
        self._limits = limits
        self._acknowledged = partial(acknowledged, epoch)
        self._kept: dict[str, deque[File]] = {}
        self._in_vain = 0

    def take_up(self, lane: str, files: Iterable[File]) -> None:
        """These files are there, the oldest first."""
        self._kept[lane] = deque(files)

    def begun(self, file: File) -> None:
        """A lane grows in this file from now on."""
        self._kept[file.name[0]].append(file)
        self._in_vain = 0

    def make_room(self, lane: str, *, disk_full: bool = False) -> bool:
        """Gives up a segment for the next one of `lane`, if a limit or a full disk asks for it.

        True: its file is the lane's spare now. Raises: OSError.
        """
        if segment_files.spare_of(self._root, lane).exists() and not disk_full:
            return False  # an attempt that failed has left it, and must not cost a second segment
        giver = self._giver(lane, disk_full=disk_full)
        if giver is None or self._in_vain == MOST_IN_VAIN:
            return False
        self._in_vain += 1
        self._give_up(giver, lane)
        return True

    def _giver(self, lane: str, *, disk_full: bool) -> str | None:
        """The lane to give up a segment, if one has to."""
        able = [each for each in GIVEN_UP_FIRST if len(self._kept.get(each, ())) > 1]
        if lane in able and self._at_quota(lane):
            return lane
        if not disk_full and not self._below_floor():
            return None
        received = (e for e in able if self._last_of_oldest(e) <= self._acknowledged(e))
        return next(received, next(iter(able), None))

    def _at_quota(self, lane: str) -> bool:
        quota = self._limits.quota_bytes.get(lane)
        size = (len(self._kept[lane]) + 1) * segment_files.SEGMENT_BYTES
        return quota is not None and size > quota

    def _below_floor(self) -> bool:
        if not self._limits.free_floor_bytes:
            return False
        system = os.statvfs(self._root)
        free = system.f_bavail * system.f_frsize
        return free < self._limits.free_floor_bytes + segment_files.SEGMENT_BYTES

    def _last_of_oldest(self, lane: str) -> int:
        return self._kept[lane][1].first_seq - 1

    def _give_up(self, giver: str, taker: str) -> None:
        last, received = self._last_of_oldest(giver), self._acknowledged(giver)
        removed = removal.read(self._root, giver).and_up_to(
            last,
            acknowledged=received,
            quota_bytes=self._limits.quota_bytes.get(giver, 0),
        )
        # Should power go now, what everybody has is told as missing instead, which nobody asks.
        removal.declare(self._root, giver, removed, sync=received < last)
        oldest = self._kept[giver].popleft()
        (self._root / oldest.name).replace(segment_files.spare_of(self._root, taker))


def clear_leftovers(root: Path, lane: str) -> tuple[int, list[File]]:
    """Deletes files declared removed when power or process went. Raises: OSError.

    Returns: the lowest seq that is kept, and the files that are.
    """
    kept_from = removal.read(root, lane).kept_from
    files = segment_files.every_file(root, lane)
    for file in files:
        if file.first_seq < kept_from:
            disk.remove(root / file.name)
    return kept_from, [file for file in files if file.first_seq >= kept_from]
