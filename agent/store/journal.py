"""The log on disk: lanes of segments, one writer a lane, followers in any number of processes.

    log/epoch                       the identity of this log, made once, shared by all lanes
    log/a.lock                      held by the process that writes lane a
    log/a-00000000000000000001.seg  lane a from seq 1 on
    log/a-....seg.bad               set aside, because its header cannot be read

Payloads are opaque bytes; their framing is segment.py's. What must hold after any cut or damage:
every seq below the next one is read intact or lies in a lost range, and a seq that anyone may have
seen is never given out again. So nothing is repaired in place: a segment in doubt stays as it is,
and a new one, whose header declares the seqs in doubt, goes on. A follower hands out only what is
on disk. Corruption never stops an opening; only the operating system's refusal does.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import sys
import time
import zlib
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agent.errors import StoreError
from agent.store import segment
from agent.store.segment import Header, Walker

# Small enough that one bad header costs little and a whole segment fits in memory, large enough
# that a million alarms are some 500 files.
SEGMENT_BYTES = 256 * 1024
# What is taken in of a file at most, should a later version have written larger segments.
LARGEST_SEGMENT_BYTES = 1024 * 1024
# Making the epoch takes milliseconds; whoever holds the directory longer hangs.
DIRECTORY_WAIT_S = 5.0
# The kernel stamps files by a coarse clock: a directory changed this recently may change again
# without showing it.
LISTING_SETTLES_NS = 100_000_000
# The medium or the file system, not our rights, keeps us from these bytes: corruption.
_UNREADABLE = (errno.EIO, errno.EISDIR, errno.EUCLEAN, errno.EBADMSG)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# Seqs never come near it; a name that does is not ours.
_LAST_PLAUSIBLE_SEQ = (1 << 63) - 1
_NAME = re.compile(r"([a-z])-(\d{20})\.seg(\.bad)?")


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it was appended."""

    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """Seqs, both ends included, that nobody can read any more, or that may never have been."""

    first: int
    last: int
    reason: str


Item = Stored | Lost


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What `verify` found in one lane; `problems` holds one line for each thing that is wrong."""

    lane: str
    segments: int
    records: int
    first_seq: int
    next_seq: int
    losses: tuple[Lost, ...]
    size_bytes: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found; epoch None: its file cannot be read."""

    epoch: int | None
    lanes: tuple[LaneReport, ...]
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing is wrong; losses that the log itself declares are not wrong, but history."""
        return not self.problems and not any(lane.problems for lane in self.lanes)


class Journal:
    """The lanes that this process writes. One thread only."""

    def __init__(self, epoch: int, lanes: dict[str, _LaneWriter]) -> None:
        self.epoch = epoch
        self._lanes = lanes

    @classmethod
    def open(cls, root: Path, lanes: str) -> Journal:
        """Opens `lanes`, one letter each, in the directory `root`, which is made when absent.

        Raises: StoreError when a lane has its writer already, or the system refuses a file.
        """
        writers: dict[str, _LaneWriter] = {}
        try:
            _make_directory(root)
            epoch = _settle_epoch(root)
            for lane in lanes:
                writers[lane] = _LaneWriter(root, lane, epoch)
        except (OSError, StoreError) as error:
            for writer in writers.values():
                writer.release()
            if isinstance(error, StoreError):
                raise
            raise _refused(root, "the log cannot be opened", error) from error
        return cls(epoch, writers)

    def append(self, lane: str, payload: bytes, *, sync: bool = True) -> int:
        """Writes one record and returns its seq; with `sync` it is on disk by then.

        Without, it is when `sync()` has returned. Raises: StoreError when the record cannot be
        written: it has no seq then, and the next append tries anew.
        """
        return self._lanes[lane].append(payload, sync=sync)

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


@dataclass(slots=True)
class _Tail:
    """The segment that a lane grows in."""

    fd: int
    seed: int
    end: int  # where the next frame goes
    listed: bool = True  # its name is on disk too


class _LaneWriter:
    """The end of one lane.

    Seqs from `_settled` to `next_seq - 1` are given out but not known to be on disk. Without a
    tail the next append begins a segment, which declares them lost for `_reason`.
    """

    def __init__(self, root: Path, lane: str, epoch: int) -> None:
        self._root = root
        self._lane = lane
        self._epoch = epoch
        self._tail: _Tail | None = None
        self._reason = segment.NONE
        self._settled = self.next_seq = 1
        self._lock: int | None = _lock_lane(root, lane)
        try:
            self._recover()
        except BaseException:
            self.release()
            raise

    def append(self, payload: bytes, *, sync: bool) -> int:
        if self._lock is None:
            raise StoreError(str(self._root), f"lane {self._lane} is closed")
        if not 1 <= len(payload) <= segment.MAX_PAYLOAD_BYTES:
            limit = f"1 to {segment.MAX_PAYLOAD_BYTES}"
            raise StoreError(f"lane {self._lane}", f"a record of {len(payload)} bytes", limit)
        tail = self._room_for(segment.FRAME_BYTES + len(payload))
        seq = self.next_seq
        self._write(tail, segment.make_frame(tail.seed, seq, payload))
        if sync:
            self.sync()
        return seq

    def sync(self) -> None:
        if self._tail is None or self._settled == self.next_seq:
            return
        try:
            os.fdatasync(self._tail.fd)
        except OSError as error:
            # Linux marks the pages clean after a failed sync, so a second one would only pretend.
            self._leave(segment.WRITE)
            raise self._error("cannot be brought to disk", error) from error
        self._settled = self.next_seq

    def losses(self) -> list[Lost]:
        losses = declared_losses(self._root, self._lane)
        if self._tail is None and self._settled < self.next_seq:  # no header could say so yet
            word = segment.reason_word(self._reason)
            losses.append(Lost(self._settled, self.next_seq - 1, word))
        return losses

    def release(self) -> None:
        """Closes everything, which lets another process write the lane."""
        self._leave(self._reason)
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None

    def _recover(self) -> None:
        """Finds the lane's end; goes on in its last segment only if nothing there is in doubt."""
        newest, beyond = self._newest()
        if newest is not None:
            self._resume(*newest)
        if beyond is not None:
            self._leave(segment.HEADER)
            self.next_seq = max(self.next_seq, beyond)
        if self._tail is None:
            self._begin_unless_full()

    def _newest(self) -> tuple[tuple[_File, Header] | None, int | None]:
        """The last readable segment, and the seq that unreadable ones after it may reach up to.

        Unreadable ones are renamed, so that they are found as such ever after.
        """
        newest: tuple[_File, Header] | None = None
        beyond: int | None = None
        for file in _files(self._root, self._lane):
            header = _read_header(self._root, file, self._epoch)
            if header is not None:
                newest, beyond = (file, header), None
            else:
                beyond = max(beyond or 0, file.first_seq + self._set_aside(file))
        return newest, beyond

    def _set_aside(self, file: _File) -> int:
        """Renames the segment and tells how many records at most it held."""
        path = self._root / file.name
        size = min(path.stat().st_size, LARGEST_SEGMENT_BYTES)
        if not file.aside:
            path.rename(path.with_name(file.name + ".bad"))
            sync_directory(self._root)
        if size < segment.HEADER_BYTES:  # it appeared whole, so it was longer once
            size = SEGMENT_BYTES
        return segment.records_at_most(size - segment.HEADER_BYTES)

    def _resume(self, file: _File, header: Header) -> None:
        fd = os.open(self._root / file.name, os.O_RDWR)
        self._tail = _Tail(fd, header.seed, segment.HEADER_BYTES)
        # A killed predecessor may have left records in the page cache only; they count from now.
        os.fdatasync(fd)
        walker = _walk_to_end(fd, header)
        self._tail.end += walker.at
        self._settled = self.next_seq = walker.next_seq
        if torn := walker.torn_records():
            self._leave(segment.TORN)
            self.next_seq += torn

    def _leave(self, reason: int) -> None:
        """Leaves the segment as it is; the next one declares for `reason` what is not settled."""
        if self._tail is not None:
            with contextlib.suppress(OSError):
                os.close(self._tail.fd)
        self._tail, self._reason = None, reason

    def _begin_unless_full(self) -> None:
        """A full disk must not keep the agent from starting: the next append tries again."""
        try:
            self._begin()
        except StoreError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _NO_ROOM:
                raise

    def _room_for(self, frame_bytes: int) -> _Tail:
        tail = self._tail
        if tail is None or tail.end + frame_bytes > SEGMENT_BYTES:
            self.sync()
            tail = self._begin()
        if not tail.listed:
            self._list(tail)
        return tail

    def _begin(self) -> _Tail:
        """Opens a new segment behind everything that is given out."""
        reason = self._reason if self._settled < self.next_seq else segment.NONE
        header = segment.make_header(self._lane, self._epoch, self.next_seq, self._settled, reason)
        name = f"{self._lane}-{self.next_seq:020d}.seg"
        try:
            fd = _create(self._root / name, header.raw)
        except OSError as error:
            raise self._error("cannot begin a segment", error) from error
        self._leave(segment.NONE)
        self._settled = self.next_seq
        self._tail = _Tail(fd, header.seed, len(header.raw), listed=False)
        self._list(self._tail)
        return self._tail

    def _list(self, tail: _Tail) -> None:
        try:
            sync_directory(self._root)
        except OSError as error:
            raise self._error("cannot list its new segment", error) from error
        tail.listed = True

    def _write(self, tail: _Tail, frame: bytes) -> None:
        at = tail.end
        # Counted first: should anything but a refusal break in here, the seq stays spent.
        self.next_seq, tail.end = self.next_seq + 1, at + len(frame)
        try:
            _write_all(tail.fd, frame, at)
        except OSError as error:
            self._take_back(tail, at)
            raise self._error("cannot be written", error) from error

    def _take_back(self, tail: _Tail, at: int) -> None:
        """Removes the part of a frame at `at`. Nobody can have read it, so its seq is free again.

        Where it cannot be removed, the segment is left and the seq stays spent.
        """
        try:
            os.ftruncate(tail.fd, at)
        except OSError:
            self._leave(segment.WRITE)
        else:
            self.next_seq, tail.end = self.next_seq - 1, at

    def _error(self, what: str, error: OSError) -> StoreError:
        return _refused(self._root, f"lane {self._lane} {what}", error)


class LaneReader:
    """Follows a lane from the seq after `after` while another process writes it.

    Every seq comes once, in order, either Stored or in a Lost range. What is handed out is on
    disk: where the writer has not synced yet, reading does. At a damaged end it waits until the
    writer declares what is lost. The lane need not exist yet.
    """

    def __init__(self, root: Path, lane: str, *, after: int = 0) -> None:
        self._root = root
        self._listing = _Listing(root, lane)
        self._epoch: int | None = None
        self._next_seq = after + 1
        self._items = self._follow()

    @property
    def next_seq(self) -> int:
        """The seq that comes next."""
        return self._next_seq

    def read(self, limit: int) -> list[Item]:
        """Up to `limit` items; [] when there is nothing new.

        Raises: StoreError when the system refuses a file; the next call tries anew.
        """
        items: list[Item] = []
        try:
            while len(items) < limit:
                item = next(self._items)
                if item is None:
                    break
                items.append(item)
        except OSError as error:
            self._items = self._follow()
            if not items:  # else the refusal comes back with the next call
                raise _refused(self._root, "the log cannot be read", error) from error
        return items

    def close(self) -> None:
        """Lets go of the open segment; reading opens it again."""
        self._items.close()
        self._items = self._follow()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self) -> Generator[Item | None, None, None]:
        """The lane's items without end; None when there is nothing new."""
        left, reason = 0, segment.MISSING
        while True:
            entered = self._enter(left)
            if entered is None:
                yield None
                continue
            fd, header, passed_unreadable = entered
            if passed_unreadable:
                reason = segment.HEADER
            try:
                for first, last, code in _gap(self._next_seq, header, reason):
                    yield self._lost(first, last, code)
                reason = yield from self._frames(fd, header)
            finally:
                os.close(fd)
            left = header.first_seq

    def _enter(self, left: int) -> tuple[int, Header, bool] | None:
        """Opens the segment to go on with, later than the one from seq `left` on, if there is one.

        Also tells whether segments with unreadable headers were passed over.
        """
        files = [file for file in self._listing.files() if file.first_seq > left]
        begun = [file for file in files if file.first_seq <= self._next_seq]
        if self._epoch is None:
            self._epoch = read_epoch(self._root)
        for passed, file in enumerate(files[max(0, len(begun) - 1) :]):
            try:
                opened = _open_segment(self._root, file, self._epoch)
            except FileNotFoundError:
                self._listing.forget()
                return None
            if opened is not None:
                return *opened, passed > 0
        return None

    def _frames(self, fd: int, header: Header) -> Generator[Item | None, None, int]:
        """The segment's items, until a later segment exists and nothing more can come here.

        Returns the reason for which seqs between this segment and the next are lost.
        """
        at, seq, fruitless = segment.HEADER_BYTES, header.first_seq, b""
        while True:
            closed = self._listing.goes_on_after(header.first_seq)  # to be asked before reading
            start, chunk = at, _read(fd, at)
            walker = Walker(chunk if closed or chunk != fruitless else b"", header.seed, seq)
            on_disk = closed
            for first, last, payload in iter(walker.step, None):
                if payload is None and not closed and _read(fd, start)[: len(chunk)] != chunk:
                    break  # a frame was half visible while the writer copied it
                at, seq = start + walker.at, walker.next_seq
                if last < self._next_seq:
                    continue
                if not on_disk:
                    _bring_to_disk(fd)
                    on_disk = True
                if payload is None:
                    yield self._lost(max(first, self._next_seq), last, segment.DAMAGED)
                else:
                    yield self._stored(first, payload)
            if at > start:
                continue
            if closed:
                return segment.DAMAGED if walker.torn_records() else segment.MISSING
            fruitless = chunk
            yield None

    def _stored(self, seq: int, payload: bytes) -> Stored:
        self._next_seq = seq + 1
        return Stored(seq, payload)

    def _lost(self, first: int, last: int, code: int) -> Lost:
        self._next_seq = last + 1
        return Lost(first, last, segment.reason_word(code))


class _Listing:
    """A lane's files, listed again only when the directory has changed."""

    def __init__(self, root: Path, lane: str) -> None:
        self._root = root
        self._lane = lane
        self._files: list[_File] = []
        self._changed_ns = -1
        self._settled = False

    def files(self) -> list[_File]:
        try:
            changed_ns = self._root.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        if changed_ns != self._changed_ns or not self._settled:
            self._settled = time.time_ns() - changed_ns > LISTING_SETTLES_NS
            self._changed_ns = changed_ns
            self._files = _files(self._root, self._lane)
        return self._files

    def goes_on_after(self, first_seq: int) -> bool:
        files = self.files()
        return bool(files) and files[-1].first_seq > first_seq

    def forget(self) -> None:
        self._settled = False


def verify(root: Path) -> Report:
    """Reads every lane from end to end, beside a living writer if need be.

    Raises: StoreError when the system refuses a file, or there is no log at `root`.
    """
    try:
        epoch = read_epoch(root)
        reports = tuple(_verify_lane(root, lane, epoch) for lane in _lanes(root))
    except OSError as error:
        raise _refused(root, "the log cannot be read", error) from error
    return Report(epoch, reports, () if epoch is not None else ("epoch: cannot be read",))


def export(root: Path, lanes: str = "", after: int = 0) -> Iterator[tuple[str, Item]]:
    """All items, lane by lane, from the seq after `after` on; of every lane without `lanes`.

    Raises: StoreError when the system refuses a file, or there is no log at `root`.
    """
    for lane in lanes or _lanes(root):
        with LaneReader(root, lane, after=after) as reader:
            while items := reader.read(256):
                for item in items:
                    yield lane, item


def declared_losses(root: Path, lane: str) -> list[Lost]:
    """The lost ranges told by headers and by files set aside; cheap, since no record is read.

    Raises: StoreError when the system refuses a file.
    """
    losses: list[Lost] = []
    unreadable: int | None = None
    try:
        epoch = read_epoch(root)
        for file in _files(root, lane):
            header = _read_header(root, file, epoch)
            if header is None:
                unreadable = unreadable or file.first_seq
                continue
            begin = min(header.previous_next, unreadable or header.first_seq)
            for first, last, code in _gap(begin, header, segment.HEADER):
                losses.append(Lost(first, last, segment.reason_word(code)))
            unreadable = None
    except OSError as error:
        raise _refused(root, "the log cannot be read", error) from error
    return losses


def lowest_seq(root: Path, lane: str) -> int:
    """The lowest seq that the lane's files speak of; 1 when there are none."""
    with contextlib.suppress(FileNotFoundError):
        for file in _files(root, lane):
            header = _read_header(root, file, None)
            return file.first_seq if header is None else header.previous_next
    return 1


def read_epoch(root: Path) -> int | None:
    """The log's identity; None when its file is absent or damaged."""
    try:
        text = (root / "epoch").read_bytes()
        epoch = int(text[:16], 16)
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        if error.errno in _UNREADABLE:
            return None
        raise
    return epoch if text == _epoch_text(epoch) else None


def _verify_lane(root: Path, lane: str, epoch: int | None) -> LaneReport:
    files = _files(root, lane)
    first_seq = lowest_seq(root, lane)
    records, losses = 0, []
    with LaneReader(root, lane, after=first_seq - 1) as reader:
        while items := reader.read(256):
            lost = [item for item in items if isinstance(item, Lost)]
            losses += lost
            records += len(items) - len(lost)
        next_seq = reader.next_seq
    found = (segment.reason_word(segment.DAMAGED), segment.reason_word(segment.MISSING))
    problems = [f"{file.name}: set aside, no intact header" for file in files if file.aside]
    problems += [f"seq {x.first} to {x.last}: {x.reason}" for x in losses if x.reason in found]
    problems += _end_problems(root, files, epoch)
    size_bytes = sum((root / file.name).stat().st_size for file in files)
    return LaneReport(
        lane, len(files), records, first_seq, next_seq, tuple(losses), size_bytes, tuple(problems)
    )


def _end_problems(root: Path, files: list[_File], epoch: int | None) -> list[str]:
    """What is wrong at a lane's end, where no later segment has declared it yet."""
    problems: list[str] = []
    for file in reversed(files):
        opened = _open_segment(root, file, epoch)
        if opened is None:
            if not file.aside:
                problems.append(f"{file.name}: no intact header")
            continue
        fd, header = opened
        try:
            torn = _walk_to_end(fd, header).torn_records()
        finally:
            os.close(fd)
        if torn and not problems and file is files[-1]:
            problems.append(f"{file.name}: torn, up to {torn} records cannot be read at its end")
    return problems


@dataclass(frozen=True, slots=True)
class _File:
    """A segment's file, by its name alone."""

    name: str
    first_seq: int
    aside: bool


def _files(root: Path, lane: str) -> list[_File]:
    """The files of a lane in the order of their seqs."""
    found = [
        _File(name[0], int(name[2]), name[3] is not None)
        for name in _names(root)
        if name[1] == lane and int(name[2]) <= _LAST_PLAUSIBLE_SEQ
    ]
    return sorted(found, key=lambda file: (file.first_seq, not file.aside))


def _lanes(root: Path) -> str:
    """The letters of the lanes that have files."""
    try:
        return "".join(sorted({name[1] for name in _names(root)}))
    except OSError as error:
        raise _refused(root, "the log cannot be read", error) from error


def _names(root: Path) -> list[re.Match[str]]:
    with os.scandir(root) as entries:
        return [match for entry in entries if (match := _NAME.fullmatch(entry.name))]


def _open_segment(root: Path, file: _File, epoch: int | None) -> tuple[int, Header] | None:
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
        if error.errno in _UNREADABLE:
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


def _read_header(root: Path, file: _File, epoch: int | None) -> Header | None:
    opened = _open_segment(root, file, epoch)
    if opened is None:
        return None
    os.close(opened[0])
    return opened[1]


def _walk_to_end(fd: int, header: Header) -> Walker:
    """A walker that has passed every frame of the segment; its `at` counts from the header on."""
    walker = Walker(_read(fd, segment.HEADER_BYTES), header.seed, header.first_seq)
    while walker.step() is not None:
        pass
    return walker


def _read(fd: int, at: int) -> bytes:
    """The segment's bytes from `at` on; what the medium refuses reads as 0xff, never a frame."""
    parts = []
    while at < LARGEST_SEGMENT_BYTES:
        try:
            part = os.pread(fd, LARGEST_SEGMENT_BYTES - at, at)
        except OSError as error:
            if error.errno not in _UNREADABLE:
                raise
            part = b"\xff" * (min(os.fstat(fd).st_size, LARGEST_SEGMENT_BYTES) - at)
        if not part:  # a short read alone may also stand before a bad sector
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _gap(next_seq: int, header: Header, reason: int) -> Iterator[tuple[int, int, int]]:
    """(first, last, reason) of what is lost between `next_seq` and the segment's first seq.

    What the header does not declare was there once, and is lost for `reason`.
    """
    if next_seq < header.previous_next:
        yield next_seq, header.previous_next - 1, reason
    declared = max(next_seq, header.previous_next)
    if declared < header.first_seq:
        yield declared, header.first_seq - 1, header.reason


def _settle_epoch(root: Path) -> int:
    """The log's epoch, made when there is none, by one process for all."""
    with _directory_lock(root) as directory:
        epoch = read_epoch(root)
        if epoch is None:
            epoch = _epoch_of_segments(root) or secrets.randbelow((1 << 32) - 1) + 1
            os.close(_create(root / "epoch", _epoch_text(epoch)))
            os.fsync(directory)
    return epoch


def _epoch_of_segments(root: Path) -> int | None:
    """The epoch that most segments bear; None when no segment is left."""
    files = [file for lane in _lanes(root) for file in _files(root, lane)]
    headers = [_read_header(root, file, None) for file in files]
    epochs = Counter(header.epoch for header in headers if header is not None)
    return epochs.most_common(1)[0][0] if epochs else None


def _epoch_text(epoch: int) -> bytes:
    digits = f"{epoch:016x}"
    return f"{digits} {zlib.crc32(digits.encode()):08x}\n".encode()


@contextlib.contextmanager
def _directory_lock(root: Path) -> Iterator[int]:
    """Alone in the directory, among those who ask; yields its descriptor."""
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    deadline = time.monotonic() + DIRECTORY_WAIT_S
    try:
        while not _flock(directory):
            if time.monotonic() > deadline:
                raise StoreError(str(root), "another process hangs while it opens the log")
            time.sleep(0.005)
        yield directory
    finally:
        os.close(directory)


def _lock_lane(root: Path, lane: str) -> int:
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


def _make_directory(root: Path) -> None:
    if not root.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        sync_directory(root.parent)


def sync_directory(path: Path) -> None:
    """Brings to disk which files are in the directory, and under which names."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _create(path: Path, data: bytes) -> int:
    """A file that appears whole or not at all; the caller gets it open and syncs the directory."""
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640)
    try:
        _write_all(fd, data, 0)
        os.fsync(fd)
        temporary.replace(path)
    except OSError:
        os.close(fd)
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return fd


def _write_all(fd: int, data: bytes, at: int) -> None:
    """One write; a second one only to learn why the first fell short."""
    written = os.pwrite(fd, data, at)
    while written < len(data):
        written += os.pwrite(fd, data[written:], at + written)


def _bring_to_disk(fd: int) -> None:
    try:
        os.fdatasync(fd)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EINVAL):  # a file system nobody writes to
            raise


def _refused(root: Path, what: str, error: OSError) -> StoreError:
    return StoreError(str(root), f"{what} ({error.strerror or error})")
