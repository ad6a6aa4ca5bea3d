"""What retention has removed from a lane: said on disk before a file goes, and for good.

`log/a.removed` is one checked line of JSON, replaced as a whole. A seq below `kept_from` was
removed to make room. Without the line, or when it is damaged, the same seqs are lost as "missing":
it holds the reason, not the truth.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.store import disk

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
    """As last declared; nothing removed when there is no intact line."""
    text = disk.read_line(root / f"{lane}.removed")
    if text is None:
        return Removed()
    stated: dict[str, Any] = json.loads(text)
    ranges = tuple((first, last) for first, last in stated.pop("unacknowledged"))
    return Removed(unacknowledged=ranges, **stated)


def declare(root: Path, lane: str, removed: Removed) -> None:
    """Brings it to disk. Raises: OSError."""
    text = json.dumps(asdict(removed), separators=(",", ":"))
    disk.replace_file(root / f"{lane}.removed", disk.checked_line(text))
