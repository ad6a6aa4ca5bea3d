"""From the lanes of the log to messages: what a due seq range becomes on the wire."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.errors import StoreError
from agent.store import cbor
from agent.uplink import wire
from agent.uplink.feed import Feed, LaneItem, last_of

# Why a record is told as lost that is not: no message that the broker takes can hold it.
OVERSIZE = "too_large"


class Envelopes:
    """Reads lanes as they grow and makes envelopes of them.

    Its methods raise StoreError when the system refuses a file; the next call tries anew.
    `oversize`: records that the broker's largest message cannot hold, told as lost.
    """

    def __init__(self, log: Path, epoch: int, tell: Callable[[str], None]) -> None:
        self._log = log
        self._epoch = epoch
        self._tell = tell
        self._feeds: dict[str, Feed] = {}
        self.oversize = 0

    @property
    def unreadable(self) -> int:
        """Records in the log that are none."""
        return sum(feed.unreadable for feed in self._feeds.values())

    def next_seq(self, lane: str) -> int | None:
        """The lane's next seq at the last look; None before the first one."""
        return self._feeds[lane].next_seq if lane in self._feeds else None

    def grow(self, lane: str, start: int) -> int:
        """Look how far the lane reaches now: its next seq. start: see Feed."""
        if lane not in self._feeds:
            self._feeds[lane] = Feed(self._log, lane, start=start, tell=self._tell)
        return self._feeds[lane].grow()

    def make(
        self, lane: str, first: int, last: int, *, limit: int, again: bool
    ) -> tuple[bytes, int, list[Any] | None]:
        """(payload, last seq in it, the first record's entry) of the message from `first` on.

        No more than `limit` bytes, as far as that can be, and no seq beyond `last`. The entry is
        None where a lost range is told. Raises: StoreError.
        """
        items = self._until(last, self._feeds[lane].items(first))
        if not items:
            raise StoreError(str(self._log), f"lane {lane}: seq {first} is not there any more")
        flags = wire.REPLAY if again else 0
        envelope, taken = wire.envelope(self._epoch, lane, items, limit, flags)
        payload = cbor.dumps(envelope)
        if len(payload) > limit and items[0][0] == "record":
            self._tell(
                f"lane {lane}, seq {first}: {len(payload)} bytes are more than the broker takes "
                f"({limit}); told as lost, and kept in the log"
            )
            self.oversize += not again
            items, taken = [("lost", first, first, OVERSIZE)], 1
            payload = cbor.dumps(wire.envelope(self._epoch, lane, items, limit, flags)[0])
        leading = items[0]
        logged = leading[2] if leading[0] == "record" else None
        return payload, last_of(items[taken - 1]), logged

    def close(self) -> None:
        """Let go of every file."""
        for feed in self._feeds.values():
            feed.close()

    def _until(self, last: int, items: list[LaneItem]) -> list[LaneItem]:
        """The items up to the seq `last`, a lost range cut there."""
        if not items or last_of(items[-1]) <= last:
            return items
        kept = [item for item in items if item[1] <= last]
        if kept and last_of(kept[-1]) > last:
            _, first, _, reason = kept[-1]
            kept[-1] = ("lost", first, last, reason)
        return kept
