"""The end of one lane, where its one writer appends."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.durations import Durations
from agent.errors import StoreError
from agent.store import checkpoint, disk, removal, segment, segment_files
from agent.store.identity import lock_lane
from agent.store.items import Lost
from agent.store.losses import declared_losses
from agent.store.retention import Retention, clear_leftovers
from agent.store.segment import Header
from agent.store.segment_files import File


@dataclass(slots=True)
class _Tail:
    """The segment that a lane grows in."""

    fd: int
    first_seq: int
    seed: int
    end: int  # where the next frame goes
    last_at: int = 0  # where the last frame stands; 0: there is none
    noted_at: int = 0  # the frame in the checkpoint
    listed: bool = True  # its name is on disk too


class LaneWriter:
    """The end of one lane.

    Seqs from `_settled` to `next_seq - 1` are given out but not known to be on disk. Without a
    tail the next append begins a segment, which declares them lost for `_reason`.
    """

    def __init__(
        self, root: Path, lane: str, epoch: int, retention: Retention, flushes: Durations
    ) -> None:
        self._flushes = flushes
        self._root = root
        self._lane = lane
        self._where = f"lane {lane}"
        self._epoch = epoch
        self._retention = retention
        self._tail: _Tail | None = None
        self._reason = segment.NONE
        self._settled = self.next_seq = 1
        self._lock: int | None = lock_lane(root, lane)
        try:
            self._recover()
        except BaseException:
            self.release()
            raise

    def append(self, payload: bytes, *, sync: bool) -> int:
        """The record's seq. Raises: StoreError when it is not in the log."""
        size = segment.FRAME_BYTES + self._checked(payload)
        tail = self._room_for(size)
        seq = self.next_seq
        self._write(tail, segment.make_frame(tail.seed, seq, payload), 1, size)
        if sync:
            self.sync()
        return seq

    def append_group(self, payloads: Sequence[bytes]) -> int:
        """The seq of the first, when all are on disk."""
        sizes = [segment.FRAME_BYTES + self._checked(payload) for payload in payloads]
        first = 0
        done = 0
        while done < len(payloads):
            tail = self._room_for(sizes[done])
            fitting = _how_many(sizes, done, segment_files.SEGMENT_BYTES - tail.end)
            part = list(payloads[done : done + fitting])
            first = first or self.next_seq
            frames = segment.make_frames(tail.seed, self.next_seq, part)
            done += fitting
            self._write(tail, frames, fitting, sizes[done - 1])
        self.sync()
        return first or self.next_seq

    def sync(self) -> None:
        """Brings to disk what was appended without."""
        tail = self._tail
        if tail is None or self._settled == self.next_seq:
            return
        begun_ns = time.perf_counter_ns()
        try:
            os.fdatasync(tail.fd)
        except OSError as error:
            # Linux marks the pages clean after a failed sync, so a second one would only pretend.
            self._leave(segment.WRITE)
            raise self._error("cannot be brought to disk", error) from error
        self._flushes.add((time.perf_counter_ns() - begun_ns) // 1000)
        self._settled = self.next_seq
        if tail.last_at - tail.noted_at >= checkpoint.EVERY_BYTES:
            self._note(tail)

    def losses(self) -> list[Lost]:
        """What the lane declares, and what no header could say yet."""
        losses = declared_losses(self._root, self._lane)
        if self._tail is None and self._settled < self.next_seq:
            word = segment.reason_word(self._reason)
            losses.append(Lost(self._settled, self.next_seq - 1, word))
        return losses

    def release(self) -> None:
        """Closes everything, which lets another process write the lane."""
        tail = self._tail
        if tail is not None and self._settled == self.next_seq and tail.last_at > tail.noted_at:
            self._note(tail)
        self._leave(self._reason)
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None

    def _note(self, tail: _Tail) -> None:
        """Everything up to the last frame is on disk."""
        checkpoint.save(
            self._root,
            self._lane,
            first_seq=tail.first_seq,
            at=tail.last_at,
            seq=self.next_seq - 1,
        )
        tail.noted_at = tail.last_at

    def _recover(self) -> None:
        """Finds the lane's end; goes on in its last segment only if nothing there is in doubt."""
        kept_from, files = clear_leftovers(self._root, self._lane)
        self._settled = self.next_seq = kept_from
        newest, beyond = self._newest(files)
        if newest is not None:
            self._resume(*newest)
        if beyond is not None:
            self._leave(segment.HEADER)
            self.next_seq = max(self.next_seq, beyond)
            files = segment_files.files(self._root, self._lane)
        self._retention.take_up(self._lane, files)
        self._prepare_unless_full()

    def _newest(self, files: list[File]) -> tuple[tuple[File, Header] | None, int | None]:
        """The last readable segment, and the seq that unreadable ones after it may reach up to.

        Those are renamed, so that a file of the same name can follow.
        """
        beyond: int | None = None
        for file in reversed(files):
            header = segment_files.read_header(self._root, file, self._epoch)
            if header is not None:
                return (file, header), beyond
            beyond = max(beyond or 0, file.first_seq + self._set_aside(file))
        return None, beyond

    def _set_aside(self, file: File) -> int:
        """Renames the segment and tells how many records at most it held."""
        path = self._root / file.name
        size = min(path.stat().st_size, segment_files.LARGEST_SEGMENT_BYTES)
        if not file.aside:
            path.rename(path.with_name(file.name + ".bad"))
            disk.sync_directory(self._root)
        if size < segment.HEADER_BYTES:  # it appeared whole, so it was longer once
            size = segment_files.SEGMENT_BYTES
        return segment.records_at_most(size - segment.HEADER_BYTES)

    def _resume(self, file: File, header: Header) -> None:
        fd = os.open(self._root / file.name, os.O_RDWR)
        self._tail = tail = _Tail(fd, header.first_seq, header.seed, segment.HEADER_BYTES)
        # A killed predecessor may have left records in the page cache only; they count from now.
        os.fdatasync(fd)
        end = segment_files.walk_to_end(self._root, fd, header)
        tail.end = end.at
        if end.last is not None:
            tail.last_at = tail.noted_at = end.last[0]
        self._settled = self.next_seq = end.next_seq
        if end.torn:
            self._leave(segment.TORN)
            self.next_seq += end.torn

    def _leave(self, reason: int) -> None:
        """Leaves the segment as it is; the next one declares for `reason` what is not settled."""
        if self._tail is not None:
            with contextlib.suppress(OSError):
                os.close(self._tail.fd)
        self._tail, self._reason = None, reason

    def _prepare_unless_full(self) -> None:
        """A full disk must not keep the agent from starting: the next append tries again."""
        try:
            removal.prepare(self._root, self._lane)
            if self._tail is None:
                self._begin()
        except (OSError, StoreError) as error:
            cause = error.__cause__ if isinstance(error, StoreError) else error
            if not isinstance(cause, OSError) or cause.errno not in disk.NO_ROOM:
                raise

    def _checked(self, payload: bytes) -> int:
        """The record's length. Raises: StoreError when it cannot be taken."""
        length = len(payload)
        if not 1 <= length <= segment.MAX_PAYLOAD_BYTES:
            limit = f"1 to {segment.MAX_PAYLOAD_BYTES}"
            raise StoreError(self._where, f"a record of {length} bytes", limit)
        if self._lock is None:
            raise StoreError(str(self._root), f"{self._where} is closed")
        return length

    def _room_for(self, size: int) -> _Tail:
        tail = self._tail
        if tail is None or tail.end + size > segment_files.SEGMENT_BYTES:
            self.sync()
            tail = self._begin()
        if not tail.listed:
            self._list(tail)
        return tail

    def _begin(self) -> _Tail:
        """Opens a new segment behind everything that is given out."""
        reason = self._reason if self._settled < self.next_seq else segment.NONE
        header = segment.make_header(self._lane, self._epoch, self.next_seq, self._settled, reason)
        try:
            fd = self._create(header)
        except OSError as error:
            raise self._error("cannot begin a segment", error) from error
        self._leave(segment.NONE)
        self._retention.begun(segment_files.file_of(header))
        self._settled = self.next_seq
        end = segment.HEADER_BYTES
        self._tail = _Tail(fd, header.first_seq, header.seed, end, listed=False)
        self._list(self._tail)
        return self._tail

    def _create(self, header: Header) -> int:
        self._retention.make_room(self._lane)
        try:
            return segment_files.create(self._root, header)
        except OSError as error:
            full = error.errno in disk.NO_ROOM
            if not (full and self._retention.make_room(self._lane, disk_full=True)):
                raise
        return segment_files.create(self._root, header)

    def _list(self, tail: _Tail) -> None:
        try:
            disk.sync_directory(self._root)
        except OSError as error:
            raise self._error("cannot list its new segment", error) from error
        tail.listed = True

    def _write(self, tail: _Tail, frames: bytes, count: int, last_bytes: int) -> None:
        """Writes so many frames behind the last one; `last_bytes`: the length of the last."""
        at, last_at = tail.end, tail.last_at
        # Counted first: should anything but a refusal break in here, the seqs stay spent.
        self.next_seq, tail.end = self.next_seq + count, at + len(frames)
        tail.last_at = tail.end - last_bytes
        try:
            disk.write_all(tail.fd, frames, at)
        except OSError as error:
            # Part of one frame nobody can have read, so its seq is free again. Of a group a
            # follower may have read the first ones.
            if count == 1 and self._cut_off(tail, at):
                self.next_seq, tail.end, tail.last_at = self.next_seq - 1, at, last_at
            else:
                self._leave(segment.WRITE)
            raise self._error("cannot be written", error) from error
        except BaseException:  # a follower must not wait at a place that was skipped
            self._leave(segment.WRITE)
            raise

    def _cut_off(self, tail: _Tail, at: int) -> bool:
        try:
            os.ftruncate(tail.fd, at)
        except OSError:
            return False
        return True

    def _error(self, what: str, error: OSError) -> StoreError:
        return disk.refused(self._root, f"{self._where} {what}", error)


def _how_many(sizes: list[int], begin: int, room: int) -> int:
    """Of the frames from `begin` on, so many fit into `room` bytes."""
    for place in range(begin, len(sizes)):
        room -= sizes[place]
        if room < 0:
            return place - begin
    return len(sizes) - begin
