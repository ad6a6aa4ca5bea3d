"""A drill's detection, in a process of its own: link knows no numpy, and guard must not be delayed.

    python -m agent.drill_play SITE_FILE ORDER_FOLDER

plays the order's record at its own pace through the very same detection as `replay`, and writes
each decision as a line of JSON to standard output: {"event": entry, "why": quantities}. Their
instants lie on CLOCK_MONOTONIC; what they are in UTC is link's to say. Its last line is
{"end": ""}, or {"end": REASON} where the record could not be played. It ends when its parent has.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent import drill_order, replay
from agent.clock import Stamp
from agent.detect import settings as protection
from agent.drill_order import Order
from agent.errors import AgentError, SiteError
from agent.in_force import InForce
from agent.records import Block, Event
from agent.sensors import comtrade
from agent.site import Bay, SiteFile, load
from agent.store import entries, entry
from agent.store.documents import Documents

# Above link's own, so that a drill waits for both of the processes that are real.
NICENESS = 10
# Quarter cycles, as guard takes them: a decision is never late because of batching.
BLOCKS_IN_A_CYCLE = 4
_LONGEST_NAP_S = 0.1


def main(arguments: list[str]) -> int:
    """Play it; 1 when it cannot be played."""
    site_path, folder = map(Path, arguments)
    os.nice(NICENESS)
    try:
        play(load(site_path, purpose="run"), folder)
    except AgentError as error:
        _say({"end": str(error)})
        return 1
    _say({"end": ""})
    return 0


def play(site: SiteFile, folder: Path) -> None:
    """The whole record, in its own time. Raises: AgentError."""
    order = drill_order.read(folder)
    bay = _bay(site, order)
    asked = replay.Replay(bay, _settings(site, folder, bay), order.channels or None)
    case = replay.understood(comtrade.read(folder / drill_order.RECORD), asked, _tell)
    pace = _Pace(time.monotonic_ns() // 1000)
    for event in replay.decided(case, asked, _tell, pace.blocks):
        _decided(event, pace.start_us)


class _Pace:
    """Hands a block over once its last sample's instant is there. start_us: of time zero."""

    def __init__(self, start_us: int) -> None:
        self.start_us = start_us
        self._parent = os.getppid()

    def blocks(self, record: comtrade.Record, _: int) -> Iterator[Block]:
        """Of a stretch, as comtrade.blocks has them."""
        cycle = float(record.layout.rate_hz or 0) / round(record.nominal_hz or 50)
        for block in comtrade.blocks(record, max(1, int(cycle / BLOCKS_IN_A_CYCLE))):
            last_us = block.sample_us(block.first + block.counts.shape[1] - 1)
            self._until(self.start_us + last_us)
            yield block

    def _until(self, instant_us: int) -> None:
        while (left_s := (instant_us - time.monotonic_ns() // 1000) / 1e6) > 0:
            if os.getppid() != self._parent:
                sys.exit(1)  # link is gone, and with it the drill
            time.sleep(min(left_s, _LONGEST_NAP_S))


def _bay(site: SiteFile, order: Order) -> Bay:
    names = [bay.name for bay in site.bays]
    if not order.bay and len(names) == 1:
        return site.bays[0]
    if order.bay not in names:
        found = f"{order.id}: bay {order.bay!r} is not in the site file; one of {', '.join(names)}"
        raise SiteError("drill", (found,))
    return site.bays[names.index(order.bay)]


def _settings(site: SiteFile, folder: Path, bay: Bay) -> protection.Settings:
    path = folder / drill_order.SETTINGS
    if path.exists():
        return protection.load(path, site.bays)[bay.name]
    in_force = InForce(Documents(site.device.data_dir, "settings"), site.bays)
    in_force.look()
    return in_force.settings[bay.name]


def _decided(event: Event, start_us: int) -> None:
    """The event as an entry of the monotonic clock alone."""
    stamp = Stamp(0, start_us + event.t_us, 0, 0, None)
    now_us = time.monotonic_ns() // 1000
    moved = _moved(event, start_us)
    logged = entries.event_entry(moved, stamp, logged_us=now_us, exercise=True)
    why = entries.why_entry(stamp, "x", 1, event.why) if event.why else None
    _say({"event": logged, "why": why and why[entry.column(entry.WHY, "quantities")]})


def _moved(event: Event, start_us: int) -> Event:
    """From the record's own time to the monotonic clock."""
    bounds = event.bounds_us
    return replace(
        event,
        t_us=event.t_us + start_us,
        onset_us=None if event.onset_us is None else event.onset_us + start_us,
        bounds_us=None if bounds is None else (bounds[0] + start_us, bounds[1] + start_us),
    )


def _say(told: dict[str, Any]) -> None:
    try:
        _write_all(sys.stdout.fileno(), json.dumps(told).encode() + b"\n")
    except BrokenPipeError:  # link is gone, and with it the drill
        sys.exit(1)


def _write_all(fd: int, data: bytes) -> None:
    """Past Python's buffer, which would complain of the broken pipe once more at the end."""
    while data:
        data = data[os.write(fd, data) :]


def _tell(line: str) -> None:
    sys.stderr.write(f"ftu-agent drill: {line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
