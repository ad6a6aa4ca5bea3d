"""A terminal's log with the publisher over it, and consumers, for tests with a real broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from agent.clock import Clock, Stamp
from agent.site import Uplink
from agent.store import cbor, entries
from agent.store.journal import Journal, Limits
from agent.uplink.backoff import Backoff
from agent.uplink.consumer import Consumer, Delivered, Received, listen
from agent.uplink.hearing import Asked
from agent.uplink.publisher import Publisher
from agent.uplink.status import Identity

IDENTITY = Identity(site="site", node="node", model="m", config_hash=b"h", versions={"agent": "0"})


def impatient() -> Backoff:
    """Tries again within 50 ms, so that a test does not wait for minutes; but where the reason
    lasts, a second stands for the quarter of an hour.
    """
    return Backoff(
        lambda most: most // 2, first_us=20_000, longest_us=100_000, lasting_us=1_000_000
    )


class Node:
    """A terminal's log and the publisher over it."""

    def __init__(
        self, folder: Path, url: str, *, limits: Limits | None = None, **uplink: Any
    ) -> None:
        self._folder = folder
        self.journal = Journal.open(folder / "log", "ash", limits=limits or Limits())
        self.uplink = Uplink(broker=url, **uplink)
        self.told: list[str] = []
        self.alarms: list[str] = []
        self.asked: Asked | None = None
        self.publisher = self._publisher()

    def _publisher(self) -> Publisher:
        return Publisher(
            uplink=self.uplink,
            identity=IDENTITY,
            log=self._folder / "log",
            epoch=self.journal.epoch,
            state_dir=self._folder / "uplink",
            clock=Clock(1),
            backoff=impatient(),
            ack_wait_us=400_000,
            connect_timeout_s=2.0,
            jitter_us=0,
            state_period_s=0.05,
            tell=self.told.append,
            alarm=lambda what, _: self.alarms.append(what),
        )

    def log(self, number: int, lane: str = "a", detail: str | None = None) -> None:
        for _ in range(number):
            seq = self.journal.next_seq(lane)
            stamp = Stamp(1, seq, 1_000_000 + seq, 2, 900)
            entry = entries.audit_entry(stamp, f"{lane}{seq}", None, detail)
            self.journal.append(lane, cbor.dumps(entry), sync=lane == "a")
        self.journal.sync()
        self.publisher.log_grew()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Publisher]:
        """A fresh publisher, as after a restart of link, until the context ends."""
        self.publisher = self._publisher()
        task = asyncio.create_task(self.publisher.run(self.asked))
        try:
            yield self.publisher
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def acked(self, lane: str = "a") -> int:
        return self.publisher.status.lanes[lane].acked


@contextlib.asynccontextmanager
async def consuming(
    url: str,
    name: str = "scada",
    state: Path | None = None,
    each: Callable[[Delivered], None] = lambda _: None,
) -> AsyncIterator[list[tuple[str, int]]]:
    """Keys in the order in which the consumer had them; `state`: where it keeps its marks; `each`:
    takes all that is delivered.
    """
    keys: list[tuple[str, int]] = []

    async def drain() -> None:
        consumer = Consumer(name, state, ack=True, tell=lambda _: None)
        batches = listen(url, consumer, tell=lambda _: None, backoff=impatient())
        async for batch in batches:
            keys.extend((one.key.lane, one.key.seq) for one in batch if isinstance(one, Received))
            for one in batch:
                each(one)

    task = asyncio.create_task(drain())
    try:
        yield keys
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
