"""Following a lane while another process writes it, and looking at its end."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Self

from agent.store import disk, removal, segment
from agent.store.identity import read_epoch
from agent.store.items import Item, Lost, Stored
from agent.store.segment import Header, Walker
from agent.store.segment_files import (
    File,
    files,
    gap,
    lanes,
    open_segment,
    read,
    walk_to_end,
)

# The kernel stamps files by a coarse clock: what has changed this recently may change again without
# showing it.
SETTLES_NS = 100_000_000
_BATCH = 256
# Device, file and CRC of the header of segments that grow: the byte up to which they are on disk.
_ON_DISK: dict[tuple[int, int, int], int] = {}
_REMEMBERED = 32
# What a follower at the end of a lane reads again and again; half of it holds two large frames.
_NEAR_BYTES = 4 * segment.MAX_PAYLOAD_BYTES


def next_seq(root: Path, lane: str) -> int:
    """The seq behind the last good record, which is on disk by then; one segment is read.

    Raises: StoreError when the system refuses a file.
    """
    try:
        found = _newest_segment(root, lane) if root.is_dir() else None
        if found is None:
            return removal.read(root, lane).kept_from
        fd, header = found
        try:
            disk.bring_to_disk(fd)
            return walk_to_end(root, fd, header).next_seq
        finally:
            os.close(fd)
    except OSError as error:
        raise disk.refused(root, "the log cannot be read", error) from error


def _newest_segment(root: Path, lane: str) -> tuple[int, Header] | None:
    """The last segment with an intact header, open for reading."""
    epoch = read_epoch(root)
    opened = (open_segment(root, file, epoch) for file in reversed(files(root, lane)))
    return next(filter(None, opened), None)


def newest_first(root: Path, lane: str) -> Iterator[Item]:
    """The lane's items from its end back to its beginning, one segment in memory at a time.

    Raises: StoreError when the system refuses a file.
    """
    end = next_seq(root, lane)
    for file in reversed(files(root, lane) if root.is_dir() else []):
        items: list[Item] = []
        with LaneReader(root, lane, after=file.first_seq - 1) as reader:
            while reader.next_seq < end and (more := reader.read(_BATCH)):
                items += more
        for item in reversed(items):
            if (item.seq if isinstance(item, Stored) else item.first) < end:
                yield item
        end = min(end, file.first_seq)


def export(root: Path, of: str = "", after: int = 0) -> Iterator[tuple[str, Item]]:
    """All items, lane by lane, from the seq after `after` on; of every lane without `of`.

    Raises: StoreError when the system refuses a file, or there is no log at `root`.
    """
    for lane in of or lanes(root):
        with LaneReader(root, lane, after=after) as reader:
            while items := reader.read(_BATCH):
                for item in items:
                    yield lane, item


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
        self._wanted = 1  # items, at most, with which the generator may answer next
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
                self._wanted = limit - len(items)
                more = next(self._items)
                if more is None:
                    break
                items += more
        except OSError as error:
            self._items = self._follow()
            if not items:  # else the refusal comes back with the next call
                raise disk.refused(self._root, "the log cannot be read", error) from error
        return items

    def close(self) -> None:
        """Lets go of the open segment; reading opens it again."""
        self._items.close()
        self._items = self._follow()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self) -> Generator[list[Item] | None, None, None]:
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
                kept_from = removal.read(self._root, header.lane).kept_from
                for first, last, code in gap(self._next_seq, header, reason, kept_from):
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
                opened = open_segment(self._root, file, self._epoch)
            except FileNotFoundError:
                self._listing.forget()
                return None
            if opened is not None:
                return *opened, passed > 0
        return None

    def _frames(self, fd: int, header: Header) -> Generator[list[Item] | None, None, int]:
        """The segment's items, until a later segment exists and nothing more can come here.

        Returns the reason for which seqs between this segment and the next are lost.
        """
        at, seq, watch = segment.HEADER_BYTES, header.first_seq, _Watch()
        at_end = False
        while True:
            closed = self._listing.goes_on_after(header.first_seq)  # to be asked before reading
            if not closed and not watch.may_differ(os.fstat(fd)):
                yield None
                continue
            start = at
            chunk = _near(fd, at) if at_end and not (closed or watch.settled) else read(fd, at)
            walker = Walker(chunk, header.seed, seq)
            on_disk = closed
            while (found := _advance(walker, self._wanted)) is not None:
                first, payloads = found
                if not payloads and not closed and read(fd, start)[: len(chunk)] != chunk:
                    break  # a frame was half visible while the writer copied it
                at, seq = start + walker.at, walker.next_seq
                if seq <= self._next_seq:
                    continue
                if not on_disk:
                    _bring_to_disk(fd, header, start + segment.end_of_bytes(chunk))
                    on_disk = True
                if payloads:
                    yield self._stored(first, payloads)
                else:
                    yield self._lost(max(first, self._next_seq), seq - 1, segment.DAMAGED)
            if at > start:
                continue
            if closed:
                return segment.DAMAGED if walker.torn_records() else segment.MISSING
            at_end = True
            del chunk, walker  # a quarter of a megabyte, and link has a dozen readers that wait
            yield None

    def _stored(self, first: int, payloads: list[bytes]) -> list[Item]:
        passed = max(0, self._next_seq - first)
        begin, self._next_seq = first + passed, first + len(payloads)
        return list(map(Stored, range(begin, self._next_seq), payloads[passed:]))

    def _lost(self, first: int, last: int, code: int) -> list[Item]:
        self._next_seq = last + 1
        return [Lost(first, last, segment.reason_word(code))]


def _near(fd: int, at: int) -> bytes:
    """What follows while the lane grows record by record: the first zeros are its end, until it has
    come to rest and the whole segment is looked at once more.
    """
    chunk = read(fd, at, _NEAR_BYTES)
    return chunk if segment.end_of_bytes(chunk) < len(chunk) // 2 else read(fd, at)


def _bring_to_disk(fd: int, header: Header, upto: int) -> None:
    """The segment up to this byte, unless a reader of this process has done so: each costs a flush
    of the medium, and link has three readers on a lane.
    """
    state = os.fstat(fd)
    place = (state.st_dev, state.st_ino, header.seed)
    if _ON_DISK.get(place, 0) >= upto:
        return
    disk.bring_to_disk(fd)
    _ON_DISK.pop(place, None)
    _ON_DISK[place] = upto
    while len(_ON_DISK) > _REMEMBERED:
        del _ON_DISK[next(iter(_ON_DISK))]


def _advance(walker: Walker, most: int) -> tuple[int, list[bytes]] | None:
    """(first seq, payloads) of good frames; without payloads up to the walker's next seq is lost.

    None: no good frame follows.
    """
    first = walker.next_seq
    if payloads := walker.run(most):
        return first, payloads
    step = walker.step()
    if step is None:
        return None
    return first, [] if step[2] is None else [step[2]]


class _Listing:
    """A lane's files, listed again only when the directory has changed."""

    def __init__(self, root: Path, lane: str) -> None:
        self._root = root
        self._lane = lane
        self._files: list[File] = []
        self._watch = _Watch()

    def files(self) -> list[File]:
        try:
            state = self._root.stat()
        except FileNotFoundError:
            return []
        if self._watch.may_differ(state):
            self._files = files(self._root, self._lane)
        return self._files

    def goes_on_after(self, first_seq: int) -> bool:
        found = self.files()
        return bool(found) and found[-1].first_seq > first_seq

    def forget(self) -> None:
        self._watch = _Watch()


class _Watch:
    """Whether a file or a directory may have changed since it was last asked about."""

    def __init__(self) -> None:
        self._changed_ns = -1
        self.settled = False

    def may_differ(self, state: os.stat_result) -> bool:
        changed_ns = state.st_mtime_ns
        if changed_ns == self._changed_ns and self.settled:
            return False
        self.settled = time.time_ns() - changed_ns > SETTLES_NS
        self._changed_ns = changed_ns
        return True
