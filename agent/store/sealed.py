"""A small file that is replaced as a whole and survives a power cut at any byte.

    settings.json        what holds now
    settings.json.1      what held before it
    settings.json.new    being written, or left there by a cut: nobody reads it
    settings.json.bad1   set aside because nobody could read it; never deleted, see SET_ASIDE
    settings.json.lock   held by whoever changes the file; readers need no lock

The first line says the length and the CRC-32 of the rest, so that a torn, flipped or foreign file
never passes. What the rest means is the caller's: `check` raises ValueError for what is not his.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.errors import StoreError
from agent.store.disk import sync_directory

# Rewritten whole at each change, and read by a process that must not wait: so it stays small.
MOST_BYTES = 200_000
# So many unreadable files are kept beside; the one after them takes the last one's place.
SET_ASIDE = 4
_HEAD = re.compile(rb"ftu-sealed 1 ([0-9]{1,9}) ([0-9a-f]{8})\n")
_HEAD_BYTES = 64
# The medium or a stranger, not our rights, keeps us from these bytes.
_UNREADABLE = (errno.EIO, errno.EISDIR, errno.EUCLEAN, errno.EBADMSG, errno.ELOOP, errno.ENXIO)

Found = Literal["new", "whole", "previous", "damaged"]


@dataclass(frozen=True, slots=True)
class Content:
    """What stood there. "new": nothing; "whole": what was last written; "previous": what held
    before, since the file itself is damaged or gone; "damaged": neither copy can be read.

    body: empty when new or damaged. told: one line for each copy that cannot be read.
    """

    body: bytes
    found: Found
    told: tuple[str, ...]


class Sealed:
    """The file at `path`, and its previous copy."""

    def __init__(self, path: Path, check: Callable[[bytes], object]) -> None:
        self.path = path
        self._previous = path.with_name(path.name + ".1")
        self._new = path.with_name(path.name + ".new")
        self._aside = [path.with_name(f"{path.name}.bad{n + 1}") for n in range(SET_ASIDE)]
        self._check = check

    def state(self) -> tuple[int, int, int] | None:
        """Differs after every replacement; None when there is no file. Costs one stat."""
        try:
            seen = self.path.stat()
        except OSError:
            return None
        return seen.st_ino, seen.st_mtime_ns, seen.st_size

    def read(self) -> Content:
        """The newest copy that is intact. Raises: StoreError when the system refuses, never for
        what stands in the file.
        """
        told: list[str] = []
        absent = 0
        for path, found in ((self.path, "whole"), (self._previous, "previous")):
            try:
                body = self._opened(path)
            except FileNotFoundError:
                absent += 1
            except ValueError as error:
                told.append(f"{path}: {error}")
            except OSError as error:
                raise self._refused("read", error) from error
            else:
                if absent:
                    told.append(f"{self.path}: is gone")
                return Content(body, "whole" if found == "whole" else "previous", tuple(told))
        if absent == 2 and not os.path.lexists(self._aside[0]):
            return Content(b"", "new", ())
        # Also when a cut came after the setting aside: who has lost his settings is told so.
        told = told or [f"{self.path}: is gone, but {self._aside[0].name} is there"]
        return Content(b"", "damaged", tuple(told))

    def replace(self, body: bytes, over: Content) -> None:
        """Puts `body` in the place of `over`, which was read under the same lock.

        Raises: StoreError; then `over` still holds, unless the error says otherwise. ValueError
        of `check`: what could not be read again is never written.
        """
        self._check(body)
        if len(body) > MOST_BYTES:
            raise StoreError(str(self.path), f"{len(body)} bytes", f"at most {MOST_BYTES}")
        try:
            self._write_new(body)
            self._make_room(over)
            self._new.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._new.unlink()
            raise self._refused("written", error) from error
        try:
            sync_directory(self.path.parent)
        except OSError as error:
            raise StoreError(
                str(self.path),
                f"is written, but the disk does not confirm it ({error.strerror})",
                "a look at what holds after the next start",
            ) from error

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Alone among those who change the file. Raises: StoreError, at once when another does."""
        fd = self._lock()
        try:
            yield
        finally:
            os.close(fd)

    def _lock(self) -> int:
        path = self.path.with_name(self.path.name + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise self._refused("written", error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                what = "is being changed by another process"
                raise StoreError(str(self.path), what, "one at a time: try again") from error
            raise self._refused("written", error) from error
        return fd

    def _opened(self, path: Path) -> bytes:
        """The body of a copy. Raises: ValueError saying what is wrong with it, OSError."""
        try:
            # Without waiting: what stands there may be anything, also a pipe.
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as file:
                data = file.read(MOST_BYTES + _HEAD_BYTES)
        except OSError as error:
            if error.errno in _UNREADABLE:
                raise ValueError(f"cannot be read ({error.strerror})") from error
            raise
        head = _HEAD.match(data or b"")
        if head is None:
            raise ValueError("was not written by the agent, or its beginning is damaged")
        body = data[head.end() :]
        if int(head[1]) != len(body) or int(head[2], 16) != zlib.crc32(body):
            raise ValueError("is cut or damaged")
        self._check(body)
        return body

    def _write_new(self, body: bytes) -> None:
        data = b"ftu-sealed 1 %d %08x\n" % (len(body), zlib.crc32(body)) + body
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fd = os.open(self._new, flags, 0o640)
        try:
            while data:
                data = data[os.write(fd, data) :]
            os.fsync(fd)
        finally:
            os.close(fd)

    def _make_room(self, over: Content) -> None:
        """What is intact becomes the previous copy, what is not is set aside."""
        if over.found == "whole":
            # By a second name, so that at no instant there is no file.
            spare = self._previous.with_name(self._previous.name + ".new")
            spare.unlink(missing_ok=True)
            spare.hardlink_to(self.path)
            spare.replace(self._previous)
        elif over.found != "new":
            self._set_aside(self.path)
            if over.found == "damaged":
                self._set_aside(self._previous)

    def _set_aside(self, path: Path) -> None:
        free = (name for name in self._aside if not os.path.lexists(name))
        with contextlib.suppress(FileNotFoundError):
            path.replace(next(free, self._aside[-1]))

    def _refused(self, what: str, error: OSError) -> StoreError:
        return StoreError(str(self.path), f"cannot be {what} ({error.strerror or error})")
