"""Where a good frame stands near a lane's end, so that opening walks from there.

`log/a.checkpoint` is one checked line: first seq of the segment, place of the frame, its seq. It
needs neither sync nor trust: the frame's own CRC proves it, and where it does not, the segment is
walked from its beginning. It is written over in place, torn at worst.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from agent.store import disk, segment
from agent.store.segment import Header, Walker

# A walk over so many bytes takes about a millisecond.
EVERY_BYTES = 64 * 1024


def save(root: Path, lane: str, *, first_seq: int, at: int, seq: int) -> None:
    """Notes the frame of `seq` at `at`, which is on disk; a disk that refuses costs only time."""
    with contextlib.suppress(OSError):
        fd = os.open(root / f"{lane}.checkpoint", os.O_WRONLY | os.O_CREAT, 0o640)
        try:
            os.pwrite(fd, disk.checked_line(f"{first_seq:020d} {at:07d} {seq:020d}"), 0)
        finally:
            os.close(fd)


def start(root: Path, lane: str, fd: int, header: Header) -> tuple[int, int]:
    """(place, seq) of a frame to walk the segment from: the noted one, or the first."""
    beginning = segment.HEADER_BYTES, header.first_seq
    text = disk.read_line(root / f"{lane}.checkpoint")
    if text is None:
        return beginning
    try:
        first_seq, at, seq = map(int, text.split())
    except ValueError:  # a whole line, of another hand
        return beginning
    inside = segment.HEADER_BYTES <= at <= os.fstat(fd).st_size
    if first_seq != header.first_seq or not inside:
        return beginning
    largest = segment.FRAME_BYTES + segment.MAX_PAYLOAD_BYTES
    step = Walker(os.pread(fd, largest, at), header.seed, seq).step()
    proved = step is not None and step[2] is not None and step[0] == seq
    return (at, seq) if proved else beginning
