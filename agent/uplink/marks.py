"""A consumer's memory on disk: which seqs of which lanes it has, safe at any cut.

The file is replaced as a whole; the one before stays beside it as FILE.old. A check sum tells a
damaged file, because a mark with one wrong digit would silence a node's records for ever.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import StoreError
from agent.store.disk import sync_directory
from agent.uplink.seen import Seen

VERSION = 1

# (site, node) -> epoch -> lane -> what has come; the present log of a node is its last.
Marks = dict[tuple[str, str], dict[int, dict[str, Seen]]]


@dataclass(frozen=True, slots=True)
class _Copy:
    generation: int
    consumer: str
    marks: Marks


class MarkFile:
    """The marks of one consumer. tell: takes a line when something other than FILE had to serve."""

    def __init__(self, path: Path, consumer: str, tell: Callable[[str], None]) -> None:
        self._path = path
        self._new = path.with_name(path.name + ".new")
        self._old = path.with_name(path.name + ".old")
        self._consumer = consumer
        self._tell = tell
        self._generation = 0

    def load(self) -> Marks:
        """The newest intact copy; empty when there is none, or when FILE was removed.

        Raises: StoreError when the system refuses a file, or it belongs to another consumer.
        """
        if not self._path.parent.is_dir():
            raise StoreError(str(self._path), "the marks have no place", "an existing folder")
        found = self._newest()
        if found is None:
            return {}
        if found.consumer != self._consumer:
            what = f"holds the marks of consumer {found.consumer}"
            raise StoreError(str(self._path), what, f"those of {self._consumer}")
        self._generation = found.generation
        return found.marks

    def save(self, marks: Marks) -> None:
        """Replace the file; after a cut there is either this state or the one before.

        Raises: StoreError; the state before is still there.
        """
        try:
            _write_durably(self._new, _text(self._generation + 1, self._consumer, marks))
            if self._path.exists():
                self._path.replace(self._old)
            self._new.replace(self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            what = f"the marks cannot be written ({error.strerror})"
            raise StoreError(str(self._path), what) from error
        self._generation += 1

    def _newest(self) -> _Copy | None:
        # Between the two renames FILE is missing and FILE.new is whole.
        copies = [copy for path in (self._path, self._new) if (copy := self._read(path))]
        if copies:
            return max(copies, key=lambda copy: copy.generation)
        if not self._path.exists():
            return None
        previous = self._read(self._old)
        what = "the copy before it serves" if previous else "starting anew"
        self._tell(f"{self._path}: the marks are damaged; {what}, so records may come twice")
        return previous

    def _read(self, path: Path) -> _Copy | None:
        try:
            return _parse(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            what = f"the marks cannot be read ({error.strerror})"
            raise StoreError(str(path), what) from error


def _text(generation: int, consumer: str, marks: Marks) -> bytes:
    nodes = [
        [site, node, [[epoch, _ranges(lanes)] for epoch, lanes in logs.items()]]
        for (site, node), logs in marks.items()
    ]
    state = {
        "version": VERSION,
        "generation": generation,
        "consumer": consumer,
        "nodes": nodes,
    }
    body = json.dumps(state, separators=(",", ":")).encode() + b"\n"
    return body + f"{zlib.crc32(body):08x}\n".encode()


def _ranges(lanes: dict[str, Seen]) -> dict[str, list[tuple[int, int]]]:
    return {lane: seen.ranges() for lane, seen in lanes.items()}


def _parse(data: bytes) -> _Copy | None:
    """The copy; None when it is not whole."""
    body, check = data[:-9], data[-9:]
    if check != f"{zlib.crc32(body):08x}\n".encode():
        return None
    try:
        state = json.loads(body)
        nodes = state["nodes"]
        marks = {(site, node): _open_logs(logs) for site, node, logs in nodes}
        return _Copy(int(state["generation"]), str(state["consumer"]), marks)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _open_logs(logs: list[Any]) -> dict[int, dict[str, Seen]]:
    return {
        int(epoch): {str(lane): Seen(_pairs(ranges)) for lane, ranges in lanes.items()}
        for epoch, lanes in logs
    }


def _pairs(ranges: list[list[int]]) -> list[tuple[int, int]]:
    return [(int(first), int(last)) for first, last in ranges]


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
