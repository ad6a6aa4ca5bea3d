"""What the guard before this one left behind: until when it looked, and what it knew of the supply.

Read from the log, the one thing that survives (docs/decisions/0009).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.clock import Clock, Stamp
from agent.detect.supply import DEAD, LIVE
from agent.errors import RecordError
from agent.records import PHASES, Event
from agent.store import cbor, entries, entry
from agent.store.journal import Stored, export

States = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """since_us: when somebody last looked, on this boot's monotonic clock. exact: the supervisor
    heard that guard's heart; else it is the instant of the log's last record, and it may have
    looked for longer. supply: DEAD, LIVE or None of each phase, bay by bay, as last told.
    """

    since_us: int
    exact: bool
    supply: Mapping[str, States]


def from_log(log: Path, lanes: str, clock: Clock, last_us: int) -> Past | None:
    """None when the log is new. last_us: the last heartbeat [us, monotonic]; 0 = not known."""
    supply: dict[str, States] = {}
    last: Stamp | None = None
    for stamp, event in _told(log, lanes):
        if last is None or stamp.utc_us > last.utc_us:
            last = stamp
        if event is not None:
            supply[event.bay] = _after(event, supply.get(event.bay, (None,) * len(PHASES)))
    if last is None:
        return None
    return Past(last_us or _on_this_boot(last, clock), exact=last_us > 0, supply=supply)


def _told(log: Path, lanes: str) -> Iterator[tuple[Stamp, Event | None]]:
    """Every record's instant, with the event where it is one."""
    for _, item in export(log, lanes):
        if not isinstance(item, Stored):
            continue
        try:
            logged = cbor.loads(item.payload)
            entry.check(logged)
            event = entries.entry_event(logged)[0] if logged[0] == entry.EVENT else None
        except (RecordError, ValueError):
            continue  # who reads the log for people has told it
        yield entries.entry_stamp(logged), event


def _after(event: Event, states: States) -> States:
    """The states of a bay's phases after an event."""
    phases = event.phases or ""
    if event.event == "started":
        return tuple(LIVE if phase in phases else DEAD for phase in PHASES)
    state = {"voltage_loss": DEAD, "voltage_restored": LIVE}.get(event.event)
    if state is None:
        return states
    return tuple(
        state if phase in phases else known for phase, known in zip(PHASES, states, strict=True)
    )


def _on_this_boot(stamp: Stamp, clock: Clock) -> int:
    """An instant of any boot on this one's monotonic clock; across boots through UTC."""
    if stamp.boot == clock.boot:
        return stamp.mono_us
    now = clock.stamp(clock.now_us())
    return now.mono_us - (now.utc_us - stamp.utc_us)
