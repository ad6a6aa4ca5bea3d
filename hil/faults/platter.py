"""A disk of the rig's own, as its file system sees it: one file, served to the kernel over FUSE.

What a write promises is what a real disk promises: it is there to be read at once, and it survives
a loss of power only once a flush has come back. So this file knows at every instant what a cut
would leave: everything before the last flush, and any of the sectors written since. It can also be
slow, and fail.

    python -m hil.faults.platter FILE IMAGE

serves IMAGE as FILE until its standard input ends, and takes a line of JSON for each order (see
`Server`). One thread, so that what a cut leaves is of one instant. Needs root and /dev/fuse.
Source: linux/fuse.h, protocol 7.31.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import random
import select
import struct
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SECTOR = 512  # what a disk writes whole or not at all
_MOST = 1 << 20  # bytes of one request's data
_ROOM = _MOST + 4096

_IN = struct.Struct("<IIQQIIII")  # length, opcode, unique, node, uid, gid, pid, padding
_OUT = struct.Struct("<IiQ")  # length, error, unique
_INIT_IN = struct.Struct("<IIII")  # major, minor, readahead, flags
_INIT_OUT = struct.Struct("<IIIIHHIIHHI28x")
_ATTR = struct.Struct("<QIIQQQQQQIIIIIIIIII")  # valid, nsec, padding, then struct fuse_attr
_OPEN_OUT = struct.Struct("<QII")
_IO_IN = struct.Struct("<QQIIQII")  # handle, offset, size, ...
_WRITE_OUT = struct.Struct("<II")
_STATFS = struct.Struct("<QQQQQIIII24x")

_FORGET, _GETATTR, _SETATTR, _OPEN, _READ, _WRITE = 2, 3, 4, 14, 15, 16
_STATFS_OP, _RELEASE, _FSYNC, _FLUSH, _INIT = 17, 18, 20, 25, 26
_INTERRUPT, _DESTROY, _BATCH_FORGET = 36, 38, 42
_SILENT = (_FORGET, _INTERRUPT, _BATCH_FORGET)  # nobody waits for an answer
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_DIRECT_IO = 1  # nothing of it is kept in the kernel's page cache under this file
_REGULAR = 0o100600


class Platter:
    """What is stored. Reads see every write; `image` tells what a cut would leave."""

    def __init__(self, image: Path) -> None:
        self.size = image.stat().st_size
        self.slow_s = {_READ: 0.0, _WRITE: 0.0, _FSYNC: 0.0}
        self.failing: set[int] = set()
        self.writes = self.flushes = self.written = 0
        self._image = image
        self._file = os.open(image, os.O_RDWR)
        # Since the last flush: what each sector held then, and what was written, in order.
        self._before: dict[int, bytes] = {}
        self._since: list[tuple[int, bytes]] = []

    def read(self, offset: int, size: int) -> bytes:
        """Bytes as the file system sees them."""
        return os.pread(self._file, size, offset)

    def write(self, offset: int, data: bytes) -> None:
        """Whole sectors, as a block device sends them."""
        for sector in range(offset // SECTOR, -(-(offset + len(data)) // SECTOR)):
            if sector not in self._before:
                self._before[sector] = os.pread(self._file, SECTOR, sector * SECTOR)
        self._since.append((offset, data))
        os.pwrite(self._file, data, offset)
        self.writes += 1
        self.written += len(data)

    def flush(self) -> None:
        """From now on a cut leaves all that was written."""
        self._before.clear()
        self._since.clear()
        self.flushes += 1

    def image(self, path: Path, keep: float, seed: int) -> tuple[int, int]:
        """What a cut at this instant leaves, as a file; (sectors at risk, those that were kept).

        keep: share of the sectors written since the last flush that reached the platter, each drawn
        by itself: a disk's cache writes in its own order. 0: none of them, 1: all.
        """
        chance = random.Random(seed)  # noqa: S311  the same cut again, no secret
        at_risk = kept = 0
        with path.open("wb") as file:
            self._copy(file.fileno())
            for sector, data in self._before.items():
                os.pwrite(file.fileno(), data, sector * SECTOR)
            for offset, data in self._since:
                for at in range(0, len(data), SECTOR):
                    at_risk += 1
                    if chance.random() < keep:
                        kept += 1
                        os.pwrite(file.fileno(), data[at : at + SECTOR], offset + at)
        return at_risk, kept

    def _copy(self, to: int) -> None:
        """The image with its holes: most of a disk was never written."""
        os.ftruncate(to, self.size)
        at = 0
        with contextlib.suppress(OSError):  # ENXIO: nothing but a hole from here on
            while at < self.size:
                at = os.lseek(self._file, at, os.SEEK_DATA)
                end = os.lseek(self._file, at, os.SEEK_HOLE)
                while at < end:
                    data = os.pread(self._file, min(_MOST, end - at), at)
                    at += os.pwrite(to, data, at)


class Served:
    """The FUSE side: a file system that is one file.

    hold: a write is done and not answered until `release`.
    """

    def __init__(self, platter: Platter, fuse: int) -> None:
        self.hold = False
        self._platter = platter
        self._fuse = fuse
        self._held: list[bytes] = []
        self._answers: dict[int, Callable[[bytes], bytes]] = {
            _INIT: self._init,
            _GETATTR: self._attributes,
            _SETATTR: self._attributes,
            _OPEN: lambda _: _OPEN_OUT.pack(1, _DIRECT_IO, 0),
            _READ: self._read,
            _WRITE: self._write,
            _FSYNC: self._fsync,
            _STATFS_OP: lambda _: _STATFS.pack(1, 0, 0, 1, 0, SECTOR, 255, SECTOR, 0),
            **{op: lambda _: b"" for op in (_RELEASE, _FLUSH, _DESTROY)},
        }

    def step(self) -> bool:
        """Answer one request; False when the kernel has unmounted it."""
        try:
            request = os.read(self._fuse, _ROOM)
        except OSError as error:
            # Otherwise it was only taken back before we came to it.
            return error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN)
        _, op, unique, *_ = _IN.unpack_from(request)
        if op not in _SILENT:
            code, body = self._answer(op, request[_IN.size :])
            answer = _OUT.pack(_OUT.size + len(body), -code, unique) + body
            if op == _WRITE and self.hold:
                self._held.append(answer)
                return True
            return self._give(answer)
        return True

    def release(self) -> None:
        """Give the answers that were held back."""
        self.hold = False
        for answer in self._held:
            self._give(answer)
        self._held.clear()

    def _give(self, answer: bytes) -> bool:
        try:
            os.write(self._fuse, answer)
        except OSError as error:
            return error.errno == errno.ENOENT  # whoever asked is no more
        return True

    def _answer(self, op: int, body: bytes) -> tuple[int, bytes]:
        if op not in self._answers:
            return errno.ENOSYS, b""
        time.sleep(self._platter.slow_s.get(op, 0.0))
        if op in self._platter.failing:
            return errno.EIO, b""
        return 0, self._answers[op](body)

    def _init(self, body: bytes) -> bytes:
        _, minor, readahead, flags = _INIT_IN.unpack_from(body)
        taken = flags & (_BIG_WRITES | _MAX_PAGES)
        return _INIT_OUT.pack(
            7, min(minor, 31), readahead, taken, 16, 12, _MOST, 1, _MOST // 4096, 0, 0
        )

    def _attributes(self, _: bytes) -> bytes:
        size = self._platter.size
        times = (0,) * 6
        attr = (1, size, size // SECTOR, *times, _REGULAR, 1, 0, 0, 0, SECTOR, 0)
        return _ATTR.pack(60, 0, 0, *attr)

    def _read(self, body: bytes) -> bytes:
        _, offset, size, *_ = _IO_IN.unpack_from(body)
        return self._platter.read(offset, size)

    def _write(self, body: bytes) -> bytes:
        _, offset, size, *_ = _IO_IN.unpack_from(body)
        self._platter.write(offset, body[_IO_IN.size : _IO_IN.size + size])
        return _WRITE_OUT.pack(size, 0)

    def _fsync(self, _: bytes) -> bytes:
        self._platter.flush()
        return b""


class Server:
    """Requests of the kernel, and orders of the rig.

    A cut waits for the `writes`-th write from now (0: for none), `within_s` at most. From then on
    nobody is answered: whoever waits for a flush waits, so that nothing after it can be promised to
    anybody. `release` goes on, with the image made.
    """

    def __init__(self, platter: Platter, served: Served, fuse: int) -> None:
        self._platter = platter
        self._served = served
        self._fuse = fuse
        self._cut: dict[str, Any] | None = None  # what was ordered and has not come yet
        self._at_write, self._deadline = 0, 0.0
        self._gone = False
        self._orders: dict[str, Callable[..., Mapping[str, int] | None]] = {
            "cut": self._arm,
            "release": self._release,
            "slow": self._slow,
            "fail": self._fail,
            "count": self._count,
        }

    def run(self) -> None:
        """Until standard input ends or the file is unmounted."""
        orders = sys.stdin.fileno()
        pending = b""
        while True:
            watched = [orders] if self._gone else [self._fuse, orders]
            left_s = None if self._cut is None else max(0.0, self._deadline - time.monotonic())
            ready, _, _ = select.select(watched, [], [], left_s)
            if self._fuse in ready and not self._served.step():
                return
            self._look()
            if orders in ready:
                data = os.read(orders, 65536)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))

    def _obey(self, order: dict[str, Any]) -> None:
        try:
            told = self._orders[order.pop("do")](**order)
        except OSError as error:
            told = {"error": str(error)}  # type: ignore[dict-item]
        if told is not None:
            _say(told)

    def _arm(self, writes: int, within_s: float, **image: Any) -> None:
        self._cut = image
        self._at_write = self._platter.writes + writes
        self._deadline = time.monotonic() + within_s
        self._served.hold = writes == 1
        self._look()

    def _look(self) -> None:
        """Whether the moment of the cut has come."""
        if self._cut is None:
            return
        missing = self._at_write - self._platter.writes
        self._served.hold = missing <= 1
        if missing > 0 and time.monotonic() < self._deadline:
            return
        image, self._cut, self._gone = self._cut, None, True
        try:
            path = Path(image["path"])
            at_risk, kept = self._platter.image(path, image["keep"], image["seed"])
            _say({"at_risk": at_risk, "kept": kept})
        except OSError as error:
            _say({"error": str(error)})

    def _release(self) -> Mapping[str, int]:
        self._gone = False
        self._served.release()
        return {}

    def _slow(self, read_s: float, write_s: float, flush_s: float) -> Mapping[str, int]:
        self._platter.slow_s = {_READ: read_s, _WRITE: write_s, _FSYNC: flush_s}
        return {}

    def _fail(self, *, failing: bool) -> Mapping[str, int]:
        self._platter.failing = {_READ, _WRITE, _FSYNC} if failing else set()
        return {}

    def _count(self) -> Mapping[str, int]:
        platter = self._platter
        return {"writes": platter.writes, "written": platter.written, "flushes": platter.flushes}


def mount(file: Path) -> int:
    """Put a FUSE connection over this file; its descriptor. Raises: OSError."""
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fuse},rootmode={_REGULAR:o},user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"ftu-hil", os.fsencode(file), b"fuse.ftu-hil", 0, options.encode()) != 0:
        code = ctypes.get_errno()
        os.close(fuse)
        raise OSError(code, os.strerror(code), str(file))
    return fuse


def serve(file: Path, image: Path) -> int:
    """Until standard input ends or the file is unmounted."""
    platter = Platter(image)
    try:
        fuse = mount(file)
    except OSError as error:
        _say({"error": str(error)})
        return 1
    _say({})
    Server(platter, Served(platter, fuse), fuse).run()
    return 0


def _say(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), Path(sys.argv[2])))
