"""Bringing small things to disk: whole files, lines that prove themselves, names."""

from __future__ import annotations

import contextlib
import errno
import os
import zlib
from pathlib import Path

from agent.errors import StoreError

# The medium or the file system, not our rights, keeps us from these bytes: corruption.
UNREADABLE = (errno.EIO, errno.EISDIR, errno.EUCLEAN, errno.EBADMSG)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# Nothing that is kept in a line is longer.
_LONGEST_LINE = 64 * 1024


def checked_line(text: str) -> bytes:
    """A line of ASCII with its CRC-32 at the end."""
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()


def read_line(path: Path) -> str | None:
    """The text of the checked line that the file begins with; None when it is absent or damaged.

    Raises: OSError when the system refuses the file.
    """
    try:
        with path.open("rb") as file:
            data = file.readline(_LONGEST_LINE)
        text = data[:-10].decode()
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        if error.errno in UNREADABLE:
            return None
        raise
    return text if data == checked_line(text) else None


def replace_file(path: Path, data: bytes, *, mode: int = 0o640) -> None:
    """A file that appears whole or not at all, and under its name on disk."""
    temporary = path.with_name(path.name + ".new")
    remove(temporary)  # what a cut has left there may have another mode
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        write_all(fd, data, 0)
        os.fsync(fd)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    finally:
        os.close(fd)
    sync_directory(path.parent)


def remove(path: Path) -> None:
    """The file is gone; a directory that stands in its place stays."""
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        path.unlink()


def write_all(fd: int, data: bytes, at: int) -> None:
    """One write; a second one only to learn why the first fell short."""
    written = os.pwrite(fd, data, at)
    while written < len(data):
        written += os.pwrite(fd, data[written:], at + written)


def bring_to_disk(fd: int) -> None:
    """What others have written to the file, too."""
    try:
        os.fdatasync(fd)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EINVAL):  # a file system nobody writes to
            raise


def sync_directory(path: Path) -> None:
    """Brings to disk which files are in the directory, and under which names."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def refused(root: Path, what: str, error: OSError) -> StoreError:
    """The one line for a refusal by the system."""
    return StoreError(str(root), f"{what} ({error.strerror or error})")
