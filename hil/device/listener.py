"""The central server of a scenario: everything that arrives, and when it arrived.

It is the reference consumer (agent.uplink.consumer) in the rig's own event loop, so that receipt
and playing are told by one clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from agent.errors import StoreError, UplinkError
from agent.listen import told
from agent.uplink.backoff import Backoff
from agent.uplink.consumer import Consumer, listen
from hil.errors import BenchError

# The listener stands for a server on a good line: it must not add its own absence to the figures.
_FIRST_US, _LONGEST_US = 50_000, 500_000

Told = dict[str, Any]
Key = tuple[str, int, str, int]  # node, epoch, lane, seq


@dataclass(frozen=True, slots=True)
class Receipt:
    """told: as `listen --json` shows it. at_us: when it was taken, CLOCK_MONOTONIC. [us]"""

    told: Told
    at_us: int


class Listener:
    """A consumer that can be ended and started again; what it received stays.

    url: of the broker. folder: of its marks, by which it has each record once. name: whose
    acknowledgements these are. ack: whether it acknowledges at all. options: of mqtt.connect.
    """

    def __init__(
        self, url: str, folder: Path, *, name: str = "scada", ack: bool = True, **options: Any
    ) -> None:
        self.received: list[Receipt] = []
        self.problems: list[str] = []
        self._url = url
        self._folder = folder
        self._name = name
        self._ack = ack
        self._options = options
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    async def start(self) -> None:
        """Listen from now on, from where its marks stand. Raises: BenchError."""
        if self._task is not None:
            raise BenchError(f"listener {self._name}", "runs already", "it was ended")
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            consumer = Consumer(
                self._name, self._folder / "marks", ack=self._ack, tell=self.problems.append
            )
        except (StoreError, UplinkError, ValueError) as error:
            raise BenchError(f"listener {self._name}", str(error)) from error
        self._task = asyncio.create_task(self._listen(consumer), name=f"listener {self._name}")

    async def end(self) -> None:
        """Say goodbye and listen no more. Raises: BenchError when it had died of something."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return
        except (StoreError, UplinkError) as error:
            raise BenchError(f"listener {self._name}", str(error)) from error

    async def heard(self, true: Callable[[], object], within_s: float) -> bool:
        """Wait until it holds, looking with each batch that comes; False when it does not."""
        deadline = time.monotonic() + within_s
        while not true():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                # What it waits for may show elsewhere too, so it looks now and then.
                await asyncio.wait_for(self._news.wait(), min(left_s, 0.1))
        return True

    async def until(self, true: Callable[[], object], what: str, within_s: float = 20.0) -> None:
        """The same for what the bench itself rests on. Raises: BenchError when it does not hold."""
        if not await self.heard(true, within_s):
            raise BenchError(f"listener {self._name}", f"waited {within_s:g} s for {what}")

    def told(self, event: str, **fields: object) -> list[Receipt]:
        """Receipts of this event whose fields have these values, e.g. bay="head"."""
        return [
            receipt
            for receipt in self.received
            if receipt.told["event"] == event
            and all(receipt.told.get(name) == value for name, value in fields.items())
        ]

    def arrivals(self) -> Counter[Key]:
        """How often each record came; a range that was declared lost counts by its first."""
        return Counter(key_of(receipt.told) for receipt in self.received)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def _listen(self, consumer: Consumer) -> None:
        pause = Backoff(secrets.randbelow, _FIRST_US, _LONGEST_US)
        batches = listen(
            self._url, consumer, tell=self.problems.append, backoff=pause, **self._options
        )
        async with contextlib.aclosing(batches):
            async for batch in batches:
                at_us = time.monotonic_ns() // 1000
                for delivered in batch:
                    # Through the text, so that it is what a reader of the lines would have.
                    line = json.dumps(told(delivered), ensure_ascii=False)
                    self.received.append(Receipt(json.loads(line), at_us))
                self._news.set()


def key_of(told: Told) -> Key:
    """The record's key."""
    key = told["key"]
    return key["node"], key["epoch"], key["lane"], key["seq"]
