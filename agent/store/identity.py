"""Whose log this is: the epoch that all lanes share, and the lock of each lane's one writer."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from agent.errors import StoreError
from agent.store import disk, segment_files

# Making the epoch takes milliseconds; whoever holds the directory longer hangs.
DIRECTORY_WAIT_S = 5.0
_EPOCH_DIGITS = 16


def read_epoch(root: Path) -> int | None:
    """The log's identity; None when its file is absent or damaged."""
    text = disk.read_line(root / "epoch")
    try:
        return int(text, 16) if text is not None and len(text) == _EPOCH_DIGITS else None
    except ValueError:
        return None


def settle_epoch(root: Path) -> int:
    """The log's epoch, made when there is none, by one process for all."""
    with _directory_lock(root):
        epoch = read_epoch(root)
        if epoch is None:
            epoch = _epoch_of_segments(root) or secrets.randbelow((1 << 32) - 1) + 1
            disk.replace_file(root / "epoch", disk.checked_line(f"{epoch:0{_EPOCH_DIGITS}x}"))
    return epoch


def _epoch_of_segments(root: Path) -> int | None:
    """The epoch that most segments bear; None when no segment is left."""
    files = [f for lane in segment_files.lanes(root) for f in segment_files.files(root, lane)]
    headers = [segment_files.read_header(root, file, None) for file in files]
    epochs = Counter(header.epoch for header in headers if header is not None)
    return epochs.most_common(1)[0][0] if epochs else None


@contextlib.contextmanager
def _directory_lock(root: Path) -> Iterator[None]:
    """Alone in the directory, among those who ask."""
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    deadline = time.monotonic() + DIRECTORY_WAIT_S
    try:
        while not _flock(directory):
            if time.monotonic() > deadline:
                raise StoreError(str(root), "another process hangs while it opens the log")
            time.sleep(0.005)
        yield
    finally:
        os.close(directory)


def lock_lane(root: Path, lane: str) -> int:
    """The descriptor that holds the lane. Raises: StoreError when another process does."""
    path = root / f"{lane}.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        if not _flock(fd):
            holder = os.pread(fd, 200, 0).decode(errors="replace").strip() or "another process"
            raise StoreError(str(path), f"lane {lane} is written by {holder}", "one writer a lane")
        with contextlib.suppress(OSError):  # the lock counts; the name only helps whoever asks
            name = f"process {os.getpid()} ({Path(sys.argv[0]).name})\n".encode()
            os.ftruncate(fd, os.pwrite(fd, name, 0))
    except BaseException:
        os.close(fd)
        raise
    return fd


def _flock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
