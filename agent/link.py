"""The process that talks: reads the log as it grows, measures outages against the plan, uplinks.

It may wait, crash or be attacked; guard does not notice. What it knows it has from the log, so a
restart rebuilds it: the projection is fed from the first record on, and what it had written to
lane s already is not written again.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.clock import Stamp
from agent.errors import RecordError, StoreError
from agent.live import receiving
from agent.outage.projection import Projection
from agent.outage.variance import PlanVariance
from agent.records import Event
from agent.store import cbor, entries, entry
from agent.store.journal import Journal, LaneReader, Lost, Stored
from agent.uplink.publisher import Publisher

# The log is read when guard says it grew; this often it is read anyway, should a word be lost.
LOOK_PERIOD_S = 0.5
BATCH = 256


class Link:
    """Tails lanes a and h into the outage projection, writes lane s, runs the uplink.

    stamp: an instant's UTC with source and error, of this boot; section_of: a bay's section.
    """

    def __init__(
        self,
        *,
        log: Path,
        journal: Journal,
        projection: Projection,
        publisher: Publisher | None,
        section_of: Callable[[str], str | None],
        sections: tuple[str, ...],
        stamp: Callable[[], Stamp],
        data_dir: Path,
    ) -> None:
        self._log = log
        self._journal = journal
        self._projection = projection
        self._publisher = publisher
        self._section_of = section_of
        self._sections = sections
        self._stamp = stamp
        self._data_dir = data_dir
        self._grew = asyncio.Event()
        self._readers = {lane: LaneReader(log, lane) for lane in "ah"}
        self.done_us_now = stamp().mono_us
        self.refused = 0

    def done_us(self) -> int:
        """Instant of the last look at the log. [us, monotonic]"""
        return self.done_us_now

    async def run(self) -> None:
        """Until cancelled."""
        self._remember_written()
        async with receiving(self._data_dir, self._heard), asyncio.TaskGroup() as tasks:
            if self._publisher is not None:
                tasks.create_task(self._publisher.run(), name="uplink")
            tasks.create_task(self._follow(), name="follow the log")

    def _heard(self, message: dict[str, Any]) -> None:
        if "grew" in message:
            self._grew.set()
            if self._publisher is not None:
                self._publisher.log_grew()
        meters = message.get("meters")
        if meters and self._publisher is not None:
            self._publisher.live(meters)

    async def _follow(self) -> None:
        while True:
            self._look()
            self._grew.clear()
            try:
                async with asyncio.timeout(LOOK_PERIOD_S):
                    await self._grew.wait()
            except TimeoutError:
                continue

    def _look(self) -> None:
        """Take what is new in the log, and let the plan see the clock."""
        written: list[PlanVariance] = []
        while items := [item for r in self._readers.values() for item in r.read(BATCH)]:
            for item in items:
                if isinstance(item, Stored):
                    written += self._project(item)
        now = self._stamp()
        written += self._projection.tick(now.utc_us)
        for variance in written:
            self._write(variance, now)
        self.done_us_now = now.mono_us

    def _remember_written(self) -> None:
        reader = LaneReader(self._log, "s")
        while items := reader.read(BATCH):
            for item in items:
                if isinstance(item, Stored):
                    decoded = self._decoded(item)
                    if decoded and decoded[0] == entry.PLAN_VARIANCE:
                        self._projection.already_written(entries.entry_variance(decoded))
