"""How far each consumer has come: small state that survives a power cut at any byte.

One file with two slots that are written in turn, each with a generation and a CRC: while one is
being written, the other holds the state before. Only the process that sends uses it. Marks are a
convenience and no truth: without them everything is sent again, and consumers know it by its key.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.errors import StoreError
from agent.store.disk import sync_directory

# A slot has a page of its own, so that a torn page cannot spoil both.
SLOT_BYTES = 4096
_MAGIC = b"FTUC"
_HEAD = "<4sHIQ"  # magic, length of the body, CRC-32 of all the rest, generation
_HEAD_BYTES = struct.calcsize(_HEAD)

Marks = dict[str, dict[str, int]]
Found = Literal["new", "whole", "one slot", "damaged", "other epoch"]


@dataclass(frozen=True, slots=True)
class _Slot:
    generation: int
    epoch: int
    marks: Marks


class Cursors:
    """Marks by name and lane: the seq up to which something was done, durable after `save`.

    found: what stood in the file. "new": there was none; "whole": the state as last saved;
    "one slot": the other one is damaged, so the last save may be missing; "damaged": neither is
    intact, the marks are empty; "other epoch": the log was made anew, the marks are empty.
    """

    def __init__(self, path: Path, *, epoch: int) -> None:
        """Reads the file. Raises: StoreError when the system refuses it, never for its content."""
        self._path = path
        self._epoch = epoch
        self._moved = False
        slots = _read_slots(path)
        intact = [slot for slot in slots or [] if slot is not None]
        newest = max(intact, key=lambda slot: slot.generation, default=_Slot(0, epoch, {}))
        self._generation = newest.generation
        self._marks = newest.marks if newest.epoch == epoch else {}
        self.found = _judge(slots, newest, epoch)

    def mark(self, name: str, lane: str) -> int:
        """The seq up to which `name` has come in `lane`; 0 at the beginning."""
        return self._marks.get(name, {}).get(lane, 0)

    def marks(self) -> Marks:
        """A copy of everything."""
        return {name: dict(lanes) for name, lanes in self._marks.items()}

    def advance(self, name: str, lane: str, seq: int) -> bool:
        """Moves a mark forward, not yet on disk; False when it stands there or further already.

        Raises: StoreError when so many names do not fit; nothing has changed then.
        """
        if seq <= self.mark(name, lane):
            return False
        marks = self.marks()
        marks.setdefault(name, {})[lane] = seq
        self._body(marks)
        self._marks = marks
        self._moved = True
        return True

    def save(self) -> None:
        """Brings moved marks to disk. Raises: StoreError; the last saved state is still there."""
        if not self._moved:
            return
        try:
            _write_slot(self._path, self._generation + 1, self._body(self._marks))
        except OSError as error:
            raise _refused(self._path, "written", error) from error
        self._generation += 1
        self._moved = False

    def _body(self, marks: Marks) -> bytes:
        state = {"epoch": self._epoch, "marks": marks}
        body = json.dumps(state, sort_keys=True, separators=(",", ":")).encode()
        limit = SLOT_BYTES - _HEAD_BYTES
        if len(body) > limit:
            raise StoreError(str(self._path), f"marks of {len(body)} bytes", f"at most {limit}")
        return body


def _judge(slots: list[_Slot | None] | None, newest: _Slot, epoch: int) -> Found:
    if slots is None:
        return "new"
    if newest.generation == 0:
        return "damaged"
    if newest.epoch != epoch:
        return "other epoch"
    return "one slot" if None in slots or len(slots) < min(2, newest.generation) else "whole"


def _read_slots(path: Path) -> list[_Slot | None] | None:
    """The slots that hold anything, None where it is not intact; None when there is no file."""
    try:
        with path.open("rb") as file:
            data = file.read(2 * SLOT_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, "read", error) from error
    parts = (data[:SLOT_BYTES], data[SLOT_BYTES:])
    return [_parse_slot(part, place) for place, part in enumerate(parts) if part.strip(b"\0")]


def _parse_slot(part: bytes, place: int) -> _Slot | None:
    if len(part) < _HEAD_BYTES:
        return None
    _, length, _, generation = struct.unpack_from(_HEAD, part)
    body = part[_HEAD_BYTES : _HEAD_BYTES + length]
    if generation % 2 != place or _head(generation, body) != part[:_HEAD_BYTES]:
        return None
    try:
        state = json.loads(body)
        return _Slot(generation, state["epoch"], state["marks"])
    except (ValueError, KeyError, TypeError):
        return None


def _write_slot(path: Path, generation: int, body: bytes) -> None:
    created = not path.exists()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)
    try:
        data = _head(generation, body) + body
        at = generation % 2 * SLOT_BYTES
        while data:
            written = os.pwrite(fd, data, at)
            data, at = data[written:], at + written
        os.fdatasync(fd)
    finally:
        os.close(fd)
    if created:
        sync_directory(path.parent)


def _head(generation: int, body: bytes) -> bytes:
    rest = zlib.crc32(struct.pack("<HQ", len(body), generation) + body)
    return struct.pack(_HEAD, _MAGIC, len(body), rest, generation)


def _refused(path: Path, what: str, error: OSError) -> StoreError:
    return StoreError(str(path), f"the marks cannot be {what} ({error.strerror})")
