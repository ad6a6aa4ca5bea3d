"""Link's metrics, and guard's as link hears them: hourly into lane s, and into Prometheus' file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent import metrics
from agent.clock import Stamp
from agent.errors import StoreError
from agent.metrics import FILE_PERIOD_S, PERIOD_S, Values
from agent.store import cbor, entries, usage
from agent.store.journal import Journal

if TYPE_CHECKING:
    from agent.uplink.publisher import Publisher

LANES = "ashwx"


class LinkMetrics:
    """Gathers and tells. store: takes an entry for lane s. file: Prometheus'; None: there is none.

    publisher: knows the delivery; None where there is no broker.
    """

    def __init__(
        self,
        *,
        log: Path,
        journal: Journal,
        publisher: Publisher | None,
        stamp: Callable[[], Stamp],
        store: Callable[[bytes], object],
        tell: Callable[[str], None],
        file: Path | None,
    ) -> None:
        self._log = log
        self._journal = journal
        self._publisher = publisher
        self._stamp = stamp
        self._store = store
        self._tell = tell
        self._file = file
        self._recorded_us = stamp().mono_us
        self._guards: Values = {}
        self._trouble = ""

    def heard(self, told: object) -> None:
        """Guard's, over the local socket; anything else is passed over."""
        if isinstance(told, list):
            self._guards = metrics.opened(told)

    async def run(self) -> None:
        """Until cancelled; then what was measured last is told."""
        try:
            while True:
                await asyncio.sleep(FILE_PERIOD_S)
                if self._file is not None:
                    self._write(self._file)
                if self._stamp().mono_us - self._recorded_us >= PERIOD_S * 1e6:
                    self._record()
        finally:
            self._record()

    def values(self) -> Values:
        """What link knows."""
        own = metrics.flushes(self._journal.flushes)
        try:
            if self._publisher is not None:
                return own | self._publisher.metrics()
            return own | usage.told(self._log, LANES)
        except StoreError as error:
            self._say(str(error))
            return own

    def _record(self) -> None:
        now = self._stamp()
        logged = entries.metrics_entry(now, "link", metrics.flat(self.values()))
        self._journal.flushes.clear()
        self._store(cbor.dumps(logged))
        self._recorded_us = now.mono_us
        if self._publisher is not None:
            self._publisher.metrics_told()

    def _write(self, file: Path) -> None:
        try:
            text = metrics.exposition({"guard": self._guards, "link": self.values()})
            metrics.write_file(file, text)
            self._trouble = ""
        except StoreError as error:
            self._say(str(error))

    def _say(self, trouble: str) -> None:
        """Once, until it is over or another one."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._tell(trouble)
