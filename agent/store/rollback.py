"""Clocks that were turned back, as the records of a log tell it.

The monotonic clock cannot go back within a boot, nor the boot's number. UTC can be set, and then
guard says so by a `timemap` in lane h: without one, somebody has set it who did not want it known,
or has written these records himself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.store import entry
from agent.store.evidence import Sent, as_sent, made
from agent.store.follower import CLOCK_SET, Finding
from agent.store.items import Lost
from agent.store.reader import LaneReader

TURNED_BACK = "clock"  # wrong
# Records of one lane are made one after the other; a stamp may be older than its record by one look
# at a long log, or by what a process on a processor that others take is late with, before its
# supervisor gives it up (supervisor.STARTING_S).
SLACK_US = 30_000_000
# A clock that a daemon corrects moves by less than half a second at a time (clock.STEP_US).
SET_US = 1_000_000
# Guard writes a timemap within a second or two, and lane h is flushed every second.
TOLD_WITHIN_US = 10_000_000
_BATCH = 256
_AFTER = entry.column(entry.TIMEMAP, "utc_offset_after_us")


@dataclass(slots=True)
class Times:
    """What lane h tells of the clocks.

    offsets: UTC - mono, as timemaps of each boot say; spans: (first, last) instant of each boot at
    which anything was made; whole: nothing of the lane is lost.
    """

    offsets: dict[int, list[int]] = field(default_factory=dict)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    whole: bool = True

    def see(self, logged: list[Any]) -> None:
        """A record of any lane."""
        boot, at_us = made(logged)
        first, last = self.spans.get(boot, (at_us, at_us))
        self.spans[boot] = min(first, at_us), max(last, at_us)


def times(root: Path) -> Times:
    """Of lane h below `root`, from its first record on. Raises: OSError, StoreError."""
    told = Times()
    with LaneReader(root, "h") as reader:
        while items := reader.read(_BATCH):
            for item in items:
                sent = as_sent(item)
                if isinstance(sent, Lost):
                    told.whole = False
                    continue
                told.see(sent.entry)
                if sent.entry[entry.TYPE] == entry.TIMEMAP:
                    told.offsets.setdefault(sent.entry[entry.BOOT], []).append(sent.entry[_AFTER])
    return told


class Clocks:
    """Looks at the records of one lane, in their order. told: what lane h says, before its use."""

    def __init__(self, lane: str, told: Times) -> None:
        self._lane = lane
        self._told = told
        self._ends = {boot: last for boot, (_, last) in told.spans.items()}
        self._boot = 0
        self._made_us = 0
        self._offset_us: int | None = None

    def take(self, sent: Sent) -> list[Finding]:
        """What the next record shows."""
        boot, made_us = made(sent.entry)
        offset_us = sent.entry[entry.UTC] - sent.entry[entry.MONO]
        found = []
        if boot < self._boot:
            told = f"boot {boot} after boot {self._boot}; expected its number to rise"
            found.append(self._finding(TURNED_BACK, sent.seq, told))
        if boot != self._boot:
            self._boot, self._made_us, self._offset_us = boot, made_us, None
        if made_us < self._made_us - SLACK_US:
            back_s = (self._made_us - made_us) / 1e6
            told = f"the monotonic clock of boot {boot} went back by {back_s:.1f} s"
            found.append(self._finding(TURNED_BACK, sent.seq, told + "; expected never"))
            self._made_us = made_us
        if self._offset_us is not None and self._offset_us - offset_us > SET_US:
            found.append(self._set_back(sent.seq, boot, made_us, offset_us))
        self._made_us, self._offset_us = max(self._made_us, made_us), offset_us
        return found

    def _set_back(self, seq: int, boot: int, made_us: int, offset_us: int) -> Finding:
        back_s = ((self._offset_us or 0) - offset_us) / 1e6
        what = f"UTC was set back by {back_s:.1f} s in boot {boot}"
        if any(abs(told - offset_us) <= SET_US for told in self._told.offsets.get(boot, ())):
            return self._finding(CLOCK_SET, seq, f"{what}, and a timemap says so")
        if self._told.whole and self._ends.get(boot, 0) > made_us + TOLD_WITHIN_US:
            return self._finding(TURNED_BACK, seq, f"{what}; expected a timemap that says so")
        return self._finding(CLOCK_SET, seq, f"{what}; lane h does not reach there to say why")

    def _finding(self, kind: str, seq: int, told: str) -> Finding:
        return Finding(kind, self._lane, seq, seq, told)
