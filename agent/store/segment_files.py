"""The files that segments live in: their names, how they are made, read and found.

A segment's file has its full size from the first moment on, reserved by the file system and
reading as zeros, so that a record that follows costs no allocation and zeros behind the last one
mean that nothing was there. The file of a removed segment becomes the next one: emptied first, so
that of what it held not a byte is left.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.store import checkpoint, disk, removal, segment
from agent.store.segment import Header, Walker

# Small enough that one bad header costs little and a whole segment fits in memory, large enough
# that a million alarms are some 500 files.
SEGMENT_BYTES = 256 * 1024
# What is taken in of a file at most, should a later version have written larger segments.
LARGEST_SEGMENT_BYTES = 1024 * 1024
# Seqs never come near it; a name that does is not ours.
_LAST_PLAUSIBLE_SEQ = (1 << 63) - 1
_NAME = re.compile(r"([a-z])-(\d{20})\.seg(\.bad)?")


@dataclass(frozen=True, slots=True)
class File:
    """A segment's file, by its name alone."""

    name: str
    first_seq: int
    aside: bool


@dataclass(frozen=True, slots=True)
class End:
    """Where good frames end, the seq that would follow, and how many torn records may be there.

    last: place and seq of the last good frame that was walked.
    """

    at: int
    next_seq: int
    torn: int
    last: tuple[int, int] | None


def files(root: Path, lane: str) -> list[File]:
    """The files of a lane in the order of their seqs, without those that are given up."""
    kept_from = removal.read(root, lane).kept_from
    return [file for file in every_file(root, lane) if file.first_seq >= kept_from]


def every_file(root: Path, lane: str) -> list[File]:
    """The files of a lane, also those that are given up and not yet gone."""
    found = [
        File(name[0], int(name[2]), name[3] is not None)
        for name in _names(root)
        if name[1] == lane and int(name[2]) <= _LAST_PLAUSIBLE_SEQ
    ]
    return sorted(found, key=lambda file: (file.first_seq, not file.aside))


def lanes(root: Path) -> str:
    """The letters of the lanes that have files. Raises: StoreError without a log at `root`."""
    try:
        return "".join(sorted({name[1] for name in _names(root)}))
    except OSError as error:
        raise disk.refused(root, "the log cannot be read", error) from error


def _names(root: Path) -> list[re.Match[str]]:
    with os.scandir(root) as entries:
        return [match for entry in entries if (match := _NAME.fullmatch(entry.name))]


def open_segment(root: Path, file: File, epoch: int | None) -> tuple[int, Header] | None:
    """The descriptor, for reading, and the header; None when there is no intact header.

    Intact is a header that says what the file's name says, and `epoch` when that is known.
    """
    if file.aside:
        return None
    fd = os.open(root / file.name, os.O_RDONLY)
    try:
        header = segment.parse_header(os.pread(fd, segment.HEADER_BYTES, 0))
    except OSError as error:
        os.close(fd)
        if error.errno in disk.UNREADABLE:
            return None
        raise
    if header is None or not (
        file.name.startswith(header.lane)
        and file.first_seq == header.first_seq
        and epoch in (None, header.epoch)
    ):
        os.close(fd)
        return None
    return fd, header


def read_header(root: Path, file: File, epoch: int | None) -> Header | None:
    """The segment's header; None when it is not intact."""
    opened = open_segment(root, file, epoch)
    if opened is None:
        return None
    os.close(opened[0])
    return opened[1]


def file_of(header: Header) -> File:
    """The file that a segment with this header is kept in."""
    return File(f"{header.lane}-{header.first_seq:020d}.seg", header.first_seq, aside=False)


def create(root: Path, header: Header) -> int:
    """The segment's file, open, with its header on disk; its name is not yet.

    It is made of the lane's spare file when there is one. A failure leaves the spare for the next
    attempt. Raises: OSError.
    """
    spare = spare_of(root, header.lane)
    fd = os.open(spare, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        os.ftruncate(fd, 0)  # whatever it held is gone
        os.posix_fallocate(fd, 0, SEGMENT_BYTES)
        disk.write_all(fd, header.raw, 0)
        os.fsync(fd)
        spare.rename(root / file_of(header).name)
    except BaseException:
        os.close(fd)
        raise
    return fd


def spare_of(root: Path, lane: str) -> Path:
    """The file that becomes the lane's next segment, if it is there."""
    return root / f"{lane}.spare"


def walk_to_end(root: Path, fd: int, header: Header) -> End:
    """Where the segment's good frames end; from the checkpoint on, where that holds."""
    at, seq = checkpoint.start(root, header.lane, fd, header)
    walker = Walker(read(fd, at), header.seed, seq)
    last: tuple[int, int] | None = None
    while (step := walker.step()) is not None:
        if step[2] is not None:
            last = at + walker.at - segment.FRAME_BYTES - len(step[2]), step[0]
    return End(at + walker.at, walker.next_seq, walker.torn_records(), last)


def read(fd: int, at: int, most: int = LARGEST_SEGMENT_BYTES) -> bytes:
    """The segment's bytes from `at` on; what the medium refuses reads as 0xff, never a frame."""
    parts = []
    size = min(os.fstat(fd).st_size, LARGEST_SEGMENT_BYTES, at + most)
    while at < size:
        try:
            part = os.pread(fd, size - at, at)
        except OSError as error:
            if error.errno not in disk.UNREADABLE:
                raise
            part = b"\xff" * (size - at)
        if not part:  # a short read alone may also stand before a bad sector
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def gap(
    next_seq: int, header: Header, reason: int, kept_from: int
) -> Iterator[tuple[int, int, int]]:
    """(first, last, reason) of what is lost between `next_seq` and the segment's first seq.

    What the header does not declare was there once: it was removed if below `kept_from`, else it
    is lost for `reason`.
    """
    removed = min(kept_from, header.previous_next)
    if next_seq < removed:
        yield next_seq, removed - 1, segment.QUOTA
    there = max(next_seq, removed)
    if there < header.previous_next:
        yield there, header.previous_next - 1, reason
    declared = max(next_seq, header.previous_next)
    if declared < header.first_seq:
        yield declared, header.first_seq - 1, header.reason
