"""How far each consumer has come, in a file of two slots (slots.py).

Only the process that sends writes it. Marks are a convenience and no truth: without them everything
is sent again, and consumers know it by its key.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.errors import StoreError
from agent.store import slots

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
        self._body: bytes | None = None  # what is to be saved
        found = _read_slots(path)
        intact = [slot for slot in found or [] if slot is not None]
        newest = max(intact, key=lambda slot: slot.generation, default=_Slot(0, epoch, {}))
        self._generation = newest.generation
        self._marks = newest.marks if newest.epoch == epoch else {}
        self.found = _judge(found, newest, epoch)

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
        marks = {**self._marks, name: {**self._marks.get(name, {}), lane: seq}}
        self._body = self._written(marks)
        self._marks = marks
        return True

    def save(self) -> None:
        """Brings moved marks to disk. Raises: StoreError; the last saved state is still there."""
        if self._body is None:
            return
        try:
            slots.write(self._path, self._generation + 1, self._body)
        except OSError as error:
            raise _refused(self._path, "written", error) from error
        self._generation += 1
        self._body = None

    def _written(self, marks: Marks) -> bytes:
        state = {"epoch": self._epoch, "marks": marks}
        body = json.dumps(state, sort_keys=True, separators=(",", ":")).encode()
        if len(body) > slots.LONGEST_BODY:
            limit = f"at most {slots.LONGEST_BODY}"
            raise StoreError(str(self._path), f"marks of {len(body)} bytes", limit)
        return body


def acknowledged(path: Path, names: Collection[str], epoch: int, lane: str) -> int:
    """The seq of `lane` up to which every one of `names` has come; 0 when that cannot be told.

    Only reads, so that another process than the one that sends may ask.
    """
    try:
        cursors = Cursors(path, epoch=epoch)
    except StoreError:
        return 0
    return min((cursors.mark(name, lane) for name in names), default=0)


def _judge(found: list[_Slot | None] | None, newest: _Slot, epoch: int) -> Found:
    if found is None:
        return "new"
    if newest.generation == 0:
        return "damaged"
    if newest.epoch != epoch:
        return "other epoch"
    return "one slot" if None in found or len(found) < min(2, newest.generation) else "whole"


def _read_slots(path: Path) -> list[_Slot | None] | None:
    try:
        found = slots.read(path)
    except OSError as error:
        raise _refused(path, "read", error) from error
    return None if found is None else [_parse(slot) for slot in found]


def _parse(slot: slots.Slot | None) -> _Slot | None:
    if slot is None:
        return None
    try:
        state = json.loads(slot.body)
        marks = {
            name: {lane: int(seq) for lane, seq in lanes.items()}
            for name, lanes in state["marks"].items()
        }
        return _Slot(slot.generation, int(state["epoch"]), marks)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _refused(path: Path, what: str, error: OSError) -> StoreError:
    return StoreError(str(path), f"the marks cannot be {what} ({error.strerror})")
