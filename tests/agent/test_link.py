"""Link beside a log that is long already; what it does with the records, test_projection shows."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.clock import Clock, Stamp
from agent.link import BATCH, Link
from agent.outage.projection import Projection
from agent.records import Event
from agent.store import cbor, entries
from agent.store.journal import Journal


def test_a_long_log_stops_neither_the_heart_nor_the_uplink(tmp_path: Path) -> None:
    event = Event(event="fault", bay="b", t_us=5)
    payload = cbor.dumps(entries.event_entry(event, Stamp(1, 5, 5, 2, 900), logged_us=5))
    with Journal.open(tmp_path / "log", "as") as journal:
        for _ in range(5 * BATCH):
            journal.append("a", payload, sync=False)
        journal.sync()
        link = Link(
            log=tmp_path / "log",
            journal=journal,
            projection=Projection(()),
            publisher=None,
            section_of=lambda _: None,
            stamp=lambda: Clock(1).stamp(0),
            data_dir=tmp_path,
        )
        beats: list[int] = []

        async def beside() -> None:
            work = asyncio.create_task(link.run())
            async with asyncio.timeout(20):
                while (seen := link._readers["a"].next_seq) <= 5 * BATCH:
                    beats.append(seen)
                    await asyncio.sleep(0)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

        asyncio.run(beside())
    assert len(set(beats)) >= 5  # it was seen on its way, batch by batch


class Listener:
    """Stands for the uplink; what it does with it, test_publisher shows."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def settings_in_force(self, version: str) -> None:
        self.told.append(version)


def test_the_uplink_hears_which_settings_judge(tmp_path: Path) -> None:
    audits = [
        ("settings_in_force", "version 2 hash 5f3a in force, made from 1: study 14"),
        ("settings_refused", "version 2 hash 5f3a in force; version 3: no such bay"),
        ("clock", "version 9 in force"),
        ("settings_damaged", "defaults in force; the store is damaged"),
    ]
    with Journal.open(tmp_path / "log", "as") as journal:
        for what, detail in audits:
            entry = entries.audit_entry(Stamp(1, 5, 5, 2, 900), what, "ops-2", detail)
            journal.append("a", cbor.dumps(entry))
        link = Link(
            log=tmp_path / "log",
            journal=journal,
            projection=Projection(()),
            publisher=None,
            section_of=lambda _: None,
            stamp=lambda: Clock(1).stamp(0),
            data_dir=tmp_path,
        )
        listener = Listener()
        link._publisher = listener  # type: ignore[assignment]
        link._look()
    assert listener.told == ["version 2 hash 5f3a", "version 2 hash 5f3a", "defaults"]
