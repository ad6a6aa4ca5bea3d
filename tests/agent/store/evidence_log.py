"""A log with heads as a device writes it, and hands that change a copy of it.

A tampering hand is a careful one: it writes the frames' check sums anew, so that only the evidence
can tell. It knows everything but the device's secret key.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.clock import Stamp
from agent.heads import Heads
from agent.records import Event
from agent.store import cbor, device_key, entries, segment, segment_files
from agent.store.journal import Journal, Stored, export

SITE, NODE = "hebin", "ftu-7"
SECOND_US = 1_000_000
UTC_US = 1_795_000_000 * SECOND_US


class Now:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.boot, self.mono_us, self.offset_us = 1, 10 * SECOND_US, UTC_US

    def __call__(self) -> Stamp:
        return Stamp(self.boot, self.mono_us, self.mono_us + self.offset_us, 2, 1024)

    def wait(self, seconds: float) -> None:
        self.mono_us += round(seconds * SECOND_US)


class Device:
    """Guard's and link's hands on the log in `folder`, without their processes."""

    def __init__(self, folder: Path, now: Now | None = None, **limits: Any) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.now = now or Now()
        folder.mkdir(exist_ok=True)
        self.key = device_key.settle(folder, SITE, NODE)
        self.journal = Journal.open(self.log, "ahsx", **limits)
        self.told: list[str] = []
        self.heads = self.new_heads()

    def new_heads(self) -> Heads:
        return Heads(
            log=self.log,
            journal=self.journal,
            key=self.key,
            names=(SITE, NODE),
            stamp=self.now,
            tell=self.told.append,
        )

    def event(self, *, alarm: bool = False, seconds: float = 1.0) -> int:
        """A fault that is recorded some milliseconds after it stood."""
        self.now.wait(seconds)
        stood = self.now()
        event = Event(event="fault", bay="head", t_us=stood.mono_us, alarm=alarm)
        logged = entries.event_entry(event, stood, logged_us=stood.mono_us + 3_000)
        return self.journal.append("a", cbor.dumps(logged))

    def audit(self, lane: str = "s", what: str = "door") -> int:
        self.now.wait(1)
        return self.journal.append(lane, cbor.dumps(entries.audit_entry(self.now(), what)))

    def look(self) -> None:
        """All that link does until it has nothing more to do."""
        while self.heads.step():
            pass

    def stop(self) -> None:
        self.heads.stop()
        self.journal.close()


def story(folder: Path, rounds: int = 3, each: int = 4) -> Device:
    """Some heads over both lanes; stopped, so that all of lane a has its head."""
    device = Device(folder)
    for _ in range(rounds):
        for place in range(each):
            device.event(alarm=place == 0)
            if place % 2:
                device.audit()
        device.look()
        device.now.wait(301)
        device.look()
    device.event()
    device.stop()
    return device


def copy_of(device: Device, place: Path) -> Path:
    """A copy of the log, and of nothing else: no key is with it."""
    if place.exists():
        shutil.rmtree(place)
    shutil.copytree(device.log, place)
    return place


def stored(log: Path, lane: str) -> list[Stored]:
    return [item for _, item in export(log, lane) if isinstance(item, Stored)]


def rewrite(log: Path, lane: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Every segment of the lane with other records, all check sums right."""
    for file in segment_files.files(log, lane):
        path = log / file.name
        data = path.read_bytes()
        header = segment.parse_header(data)
        assert header is not None
        walker = segment.Walker(data[segment.HEADER_BYTES :], header.seed, header.first_seq)
        frames = segment.make_frames(header.seed, header.first_seq, change(walker.run(10_000)))
        path.write_bytes((header.raw + frames).ljust(len(data), b"\0"))
    (log / f"{lane}.checkpoint").unlink(missing_ok=True)
