"""What retention has removed from a lane: said on disk before a file goes, and for good.

`log/a.removed` has two slots of JSON (slots.py) and is there from the lane's first opening on, so
that a full disk does not hinder saying what goes. A seq below `kept_from` was removed to make room.
Without the file, or when it is damaged, the same seqs are lost as "missing": it holds the reason,
not the truth.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.store import disk, slots

# Each is a time when the link was down for longer than the quota lasts; older ones are told as
# removed, without saying that nobody had acknowledged them.
MOST_RANGES = 32


@dataclass(frozen=True, slots=True)
class Removed:
    """kept_from: the lowest seq that is still there.

    unacknowledged: removed before every consumer had it, as (first, last), the newest ones.
    segments: how many were removed, and their files reused, so far. quota_bytes: the lane's limit
    at that time; 0 = none.
    """

    kept_from: int = 1
    unacknowledged: tuple[tuple[int, int], ...] = ()
    segments: int = 0
    quota_bytes: int = 0

    def and_up_to(self, last: int, *, acknowledged: int, quota_bytes: int) -> Removed:
        """The same after everything up to the seq `last` is removed too.

        acknowledged: the seq up to which every consumer has said that it has it.
        """
        lost = self.unacknowledged
        first = max(self.kept_from, acknowledged + 1)
        if first <= last:
            if lost and lost[-1][1] == first - 1:
                lost, first = lost[:-1], lost[-1][0]
            lost = (*lost, (first, last))[-MOST_RANGES:]
        return replace(
            self,
            kept_from=last + 1,
            unacknowledged=lost,
            segments=self.segments + 1,
            quota_bytes=quota_bytes,
        )


def read(root: Path, lane: str) -> Removed:
    """As last declared; nothing removed where nothing intact says so. Raises: OSError."""
    return _newest(_path(root, lane))[1]


def declare(root: Path, lane: str, removed: Removed, *, sync: bool = True) -> None:
    """Says so, with `sync` on disk. Raises: OSError."""
    path = _path(root, lane)
    text = json.dumps(asdict(removed), separators=(",", ":"))
    slots.write(path, _newest(path)[0] + 1, text.encode(), sync=sync)


def prepare(root: Path, lane: str) -> None:
    """Makes the file when it is absent. Raises: OSError."""
    if not _path(root, lane).exists():
        declare(root, lane, Removed())


def _newest(path: Path) -> tuple[int, Removed]:
    """(generation, state); (0, nothing removed) where no slot is intact."""
    try:
        found = slots.read(path) or []
    except OSError as error:
        if error.errno not in disk.UNREADABLE:
            raise
        found = []
    slot = max(filter(None, found), key=lambda slot: slot.generation, default=None)
    if slot is None:
        return 0, Removed()
    return slot.generation, _parse(slot.body) or Removed()


def _parse(body: bytes) -> Removed | None:
    """The state; None for a whole slot that is none of ours."""
    try:
        stated: dict[str, Any] = json.loads(body)
        lost = tuple((int(first), int(last)) for first, last in stated["unacknowledged"])
        counts = [int(stated[name]) for name in ("kept_from", "segments", "quota_bytes")]
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    kept_from, segments, quota_bytes = counts
    ends = [0, *(seq for span in lost for seq in span), kept_from]
    if min(counts) < 0 or ends != sorted(ends):
        return None
    return Removed(kept_from, lost, segments, quota_bytes)


def _path(root: Path, lane: str) -> Path:
    return root / f"{lane}.removed"
