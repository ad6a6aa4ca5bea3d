"""What the guard before this one left behind: until when it looked, and what it knew of the supply.

Read from the ends of the log's lanes, however long they are: the log is the one thing that survives
(docs/decisions/0009-the-log-remembers-the-supply.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.clock import UNKNOWN, Clock, Stamp
from agent.errors import RecordError
from agent.store import cbor, entries, entry
from agent.store.journal import Journal, LaneReader, Stored
from agent.supply_memory import States, SupplyMemory

# So many records from a lane's end back at least one is an intact one of ours, unless all is lost.
LAST_RECORDS = 64
# Longer than any terminal has been switched off: where no clock can say how long it was.
UNKNOWN_US = 10 * 365 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class Past:
    """since_us: when somebody last looked, on this boot's monotonic clock. exact: that
    guard has told it; else it is the instant of the log's last record, and it may have
    looked for longer. supply: DEAD, LIVE or None of each phase, bay by bay, as last told.
    """

    since_us: int
    exact: bool
    supply: Mapping[str, States]


def from_log(
    log: Path, journal: Journal, lanes: str, memory: SupplyMemory, clock: Clock, last_us: int
) -> Past | None:
    """None when the log is new.

    lanes: whose last record tells how long somebody looked. memory: caught up to the end by this.
    last_us: until when the guard before has decided [us, monotonic]; 0 = not known.
    """
    memory.catch_up()
    stamps = [_last_stamp(log, lane, journal.next_seq(lane)) for lane in lanes]
    known = [stamp for stamp in stamps if stamp is not None]
    if not known:
        return None
    last = max(known, key=lambda stamp: (stamp.boot, stamp.mono_us))
    since_us = last_us or _on_this_boot(last, clock)
    return Past(since_us, exact=last_us > 0, supply=dict(memory.supply))


def _last_stamp(log: Path, lane: str, next_seq: int) -> Stamp | None:
    """The instant of the lane's last record that can be read."""
    last = None
    with LaneReader(log, lane, after=max(0, next_seq - 1 - LAST_RECORDS)) as reader:
        for item in reader.read(LAST_RECORDS):
            try:
                if isinstance(item, Stored):
                    logged = cbor.loads(item.payload)
                    entry.check(logged)
                    last = entries.entry_stamp(logged)
            except (RecordError, ValueError):
                continue  # who reads the log for people has told it
    return last


def _on_this_boot(stamp: Stamp, clock: Clock) -> int:
    """An instant of any boot on this one's monotonic clock; across boots through UTC, and before
    this boot in any case.
    """
    now = clock.stamp(clock.now_us())
    if stamp.boot == clock.boot:
        return stamp.mono_us
    if UNKNOWN in (stamp.source, now.source):
        return -UNKNOWN_US
    return min(0, now.mono_us - (now.utc_us - stamp.utc_us))
