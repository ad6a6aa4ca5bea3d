"""Small state that survives a power cut at any byte: two slots in one file, written in turn.

Each slot has a page of its own, so that a torn page cannot spoil both, and holds magic, length,
CRC-32 of all the rest, a generation and the body. While one is being written, the other holds the
state before. Written in place: a full disk does not hinder it once the file is there.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from agent.store import disk

SLOT_BYTES = 4096
_MAGIC = b"FTUC"
_HEAD = "<4sHIQ"  # magic, length of the body, CRC-32 of all the rest, generation
_HEAD_BYTES = struct.calcsize(_HEAD)
LONGEST_BODY = SLOT_BYTES - _HEAD_BYTES


@dataclass(frozen=True, slots=True)
class Slot:
    """A state; `generation` rises by one with each, from 1 on."""

    generation: int
    body: bytes


def read(path: Path) -> list[Slot | None] | None:
    """The slots that hold anything, None where it is not intact; None when there is no file.

    Raises: OSError.
    """
    try:
        with path.open("rb") as file:
            data = file.read(2 * SLOT_BYTES)
    except FileNotFoundError:
        return None
    parts = (data[:SLOT_BYTES], data[SLOT_BYTES:])
    return [_parse(part, place) for place, part in enumerate(parts) if part.strip(b"\0")]


def write(path: Path, generation: int, body: bytes, *, sync: bool = True) -> None:
    """Writes the state of this generation over the one before the last; with `sync` to disk.

    body: at most LONGEST_BODY bytes. Raises: OSError.
    """
    created = not path.exists()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)
    try:
        if created:
            os.posix_fallocate(fd, 0, 2 * SLOT_BYTES)
        disk.write_all(fd, _head(generation, body) + body, generation % 2 * SLOT_BYTES)
        if sync:
            os.fdatasync(fd)
    finally:
        os.close(fd)
    if created:
        disk.sync_directory(path.parent)


def _parse(part: bytes, place: int) -> Slot | None:
    if len(part) < _HEAD_BYTES:
        return None
    _, length, _, generation = struct.unpack_from(_HEAD, part)
    body = part[_HEAD_BYTES : _HEAD_BYTES + length]
    if generation % 2 != place or _head(generation, body) != part[:_HEAD_BYTES]:
        return None
    return Slot(generation, body)


def _head(generation: int, body: bytes) -> bytes:
    rest = zlib.crc32(struct.pack("<HQ", len(body), generation) + body)
    return struct.pack(_HEAD, _MAGIC, len(body), rest, generation)
