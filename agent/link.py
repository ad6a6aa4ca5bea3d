"""The process that talks: reads the log as it grows, measures outages against the plan, uplinks.

It may wait, crash or be attacked; guard does not notice. What it knows it has from the log, so a
restart rebuilds it: the projection is fed from the first record on, and what it had written to
lane s already is not written again.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Container
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.clock import Stamp
from agent.errors import RecordError, StoreError
from agent.link_metrics import LinkMetrics
from agent.live import receiving
from agent.outage.projection import Projection, SupplyFact
from agent.outage.variance import PlanVariance
from agent.records import LOAD_SIDE, PHASES, Event
from agent.store import cbor, entries, entry
from agent.store.journal import Item, Journal, LaneReader, Stored
from agent.uplink.publisher import Publisher
from agent.uplink.status import Status

if TYPE_CHECKING:
    from agent.drill import Drills
    from agent.heads import Heads
    from agent.record_requests import RecordRequests
    from agent.uplink.commands import Commands

# The log is read when guard says it grew; this often it is read anyway, should a word be lost.
LOOK_PERIOD_S = 0.5
BATCH = 256
# What is read here, and of that what heads vouch for.
LANES, VOUCHED = "ahs", "as"

# (result, who, detail) of a command, into lane s; whether that worked.
Journaled = Callable[[str, str | None, str], bool]


class Link:
    """Tails lanes a and h into the outage projection, writes lane s, runs drills and the uplink.

    stamp: an instant's UTC with source and error, of this boot; section_of: a bay's section.
    drills: runs them, into lane x. requests: finds and orders waveform records. heads: vouches for
    what is in the log. commands: judges and obeys them, told how to journal. metrics_file: for
    Prometheus; None: there is none.
    """

    def __init__(
        self,
        *,
        log: Path,
        journal: Journal,
        projection: Projection,
        publisher: Publisher | None,
        section_of: Callable[[str], str | None],
        stamp: Callable[[], Stamp],
        data_dir: Path,
        drills: Drills | None = None,
        requests: RecordRequests | None = None,
        heads: Heads | None = None,
        commands: Callable[[Journaled], Commands] | None = None,
        metrics_file: Path | None = None,
    ) -> None:
        self._log = log
        self._journal = journal
        self._projection = projection
        self._publisher = publisher
        self._section_of = section_of
        self._stamp = stamp
        self._data_dir = data_dir
        self._drills = drills
        self._requests = requests
        self._commands = None if commands is None else commands(self._journal_command)
        self._metrics = LinkMetrics(
            log=log,
            journal=journal,
            publisher=publisher,
            stamp=stamp,
            store=self._store,
            tell=say,
            file=metrics_file,
        )
        self._heads = heads
        self._grew = asyncio.Event()
        self._grown = set(LANES)
        self._readers = {lane: LaneReader(log, lane) for lane in "ah"}
        self.done_us_now = stamp().mono_us
        self.refused = 0
        self._unwritten: list[PlanVariance] = []

    def done_us(self) -> int:
        """Instant of the last look at the log. [us, monotonic]"""
        return self.done_us_now

    async def run(self) -> None:
        """Until cancelled."""
        self._remember_written()
        if self._commands is not None:
            self._commands.resume()
        try:
            async with receiving(self._data_dir, self._heard), asyncio.TaskGroup() as tasks:
                if self._publisher is not None:
                    uplink = self._publisher.run(self._asked, self._commands)
                    tasks.create_task(uplink, name="uplink")
                tasks.create_task(self._follow(), name="follow the log")
                tasks.create_task(self._metrics.run(), name="metrics")
                if self._drills is not None:
                    grew = self._publisher.log_grew if self._publisher else lambda: None
                    tasks.create_task(self._drills.run(grew), name="drills")
        finally:
            if self._heads is not None:
                self._heads.stop()

    def _heard(self, message: dict[str, Any]) -> None:
        if "grew" in message:
            self._grew_in(str(message["grew"]))
        if "metrics" in message:
            self._metrics.heard(message["metrics"])
        meters = message.get("meters")
        if meters and self._publisher is not None:
            self._publisher.live(meters)

    def _grew_in(self, lane: str) -> None:
        self._grown.add(lane)
        self._grew.set()
        if self._publisher is not None:
            self._publisher.log_grew(lane)

    async def _follow(self) -> None:
        now_s, looked_s = asyncio.get_running_loop().time, 0.0
        while True:
            self._grew.clear()
            # From time to time everywhere, also while one lane grows without a pause: a word may
            # be lost, and heads fall due by the clock.
            if now_s() - looked_s >= LOOK_PERIOD_S:
                looked_s = now_s()
                self._grown |= set(LANES)
            grown, self._grown = self._grown, set()
            more = self._look(grown)
            if grown.intersection(VOUCHED):
                more |= self._vouch()
            if more:
                # A long log is taken bit by bit: it must stop neither the heart nor the uplink.
                self._grown |= grown
                await asyncio.sleep(0)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_PERIOD_S):
                    await self._grew.wait()

    def _look(self, lanes: Container[str] = LANES) -> bool:
        """Take some of what is new in these lanes, or, when there is nothing, let the plan see the
        clock; whether there was anything.
        """
        readers = [reader for lane, reader in self._readers.items() if lane in lanes]
        items = [item for reader in readers for item in reader.read(BATCH)]
        for item in items:
            self._unwritten += self._project(item)
        now = self._stamp()
        if not items:
            due, self._unwritten = self._unwritten + self._projection.tick(now.utc_us), []
            for variance in due:
                self._write(variance, now)
        self.done_us_now = now.mono_us
        return bool(items)

    def _vouch(self) -> bool:
        """New records into the chains, and heads that are due; whether there may be more."""
        if self._heads is None:
            return False
        written = self._heads.written
        more = self._heads.step()
        if self._heads.written > written:
            self._grew_in("s")
        return more

    def _remember_written(self) -> None:
        reader = LaneReader(self._log, "s")
        while items := reader.read(BATCH):
            for item in items:
                decoded = self._decoded(item)
                if decoded and decoded[0] == entry.PLAN_VARIANCE:
                    self._projection.already_written(_variance(decoded))

    def _decoded(self, item: Item) -> list[Any] | None:
        """The entry of a stored record; None for what is lost or none of ours, which is counted."""
        if not isinstance(item, Stored):
            return None
        try:
            decoded: list[Any] = cbor.loads(item.payload)
            entries.entry_stamp(decoded)
        except (RecordError, TypeError, ValueError):
            self.refused += 1
            return None
        return decoded

    def _project(self, item: Item) -> list[PlanVariance]:
        decoded = self._decoded(item)
        if decoded is None:
            return []
        self._projection.observed(entries.entry_stamp(decoded).utc_us)
        if decoded[0] == entry.AUDIT:
            self._hear_audit(decoded)
        if decoded[0] != entry.EVENT:
            return []
        try:
            event, stamp = entries.entry_event(decoded)
        except RecordError:
            self.refused += 1
            return []
        fact = self._fact(event, stamp)
        try:
            return [] if fact is None else self._projection.feed(fact)
        except ValueError as error:  # a record that cannot be true must not end link, nor loop it
            self.refused += 1
            say(f"lane a: {error}")
            return []

    def _hear_audit(self, decoded: list[Any]) -> None:
        """Guard says in lane a which settings it judges by, which `birth` tells; in lane h what
        became of waveform records.
        """
        try:
            what, detail = entries.entry_audit(decoded)
        except RecordError:
            self.refused += 1
            return
        if self._requests is not None:
            self._requests.heard(what, detail)
        ruling, told, _ = detail.partition(" in force")
        if self._publisher is not None and what.startswith("settings_") and told:
            self._publisher.settings_in_force(ruling)

    def _fact(self, event: Event, stamp: Stamp) -> SupplyFact | None:
        """What an event says of the supply of a section, on the UTC axis of its own stamp."""
        section = self._section_of(event.bay)
        told = event.event in ("voltage_loss", "voltage_restored")
        if not told or event.element == LOAD_SIDE or section is None:
            return None
        earliest_us, latest_us = event.bounds_us or (event.t_us, event.t_us)
        to_utc_us = stamp.utc_us - stamp.mono_us
        return SupplyFact(
            section=section,
            phases=event.phases or PHASES,
            live=event.event == "voltage_restored",
            earliest_us=earliest_us + to_utc_us,
            latest_us=latest_us + to_utc_us,
            source=stamp.source,
            error_us=stamp.error_us,
        )

    def _asked(self, token: str, what: str, of: str | None) -> None:
        """A question over the uplink, answered in lane s."""
        answer, detail = "unknown", None
        if what == "probe" and self._publisher is not None:
            answer, detail = "here", _how_it_stands(self._publisher.status)
        if what == "record" and self._requests is not None:
            answer, detail = self._requests.answer(of)
        logged = entries.answer_entry(self._stamp(), token, what, answer, detail)
        self._store(cbor.dumps(logged))

    def _store(self, payload: bytes) -> bool:
        """Into lane s, on disk; told when that fails."""
        try:
            self._journal.append("s", payload)
        except StoreError as error:
            say(str(error))
            return False
        self._grew_in("s")
        return True

    def _journal_command(self, result: str, who: str | None, detail: str) -> bool:
        """What became of a command, into lane s, on disk."""
        audit = entries.audit_entry(self._stamp(), "command", who, detail, result)
        return self._store(cbor.dumps(audit))

    def _write(self, variance: PlanVariance, stamp: Stamp) -> None:
        """Into lane s, on disk; kept and tried again when that fails."""
        values = {**asdict(variance), "verdicts": list(variance.verdicts)}
        if self._store(cbor.dumps(entries.variance_entry(stamp, values))):
            say(f"plan {variance.plan}: {', '.join(variance.verdicts)}")
        else:
            say(f"plan {variance.plan} is tried again")
            self._unwritten.append(variance)


def _how_it_stands(status: Status) -> str:
    """A probe's answer: the link, and for each lane what is in the log and what is acknowledged."""
    lanes = [
        f"{lane} {state.acked}/{state.next - 1}"
        for lane, state in status.lanes.items()
        if state.next > 1
    ]
    return f"connection {status.connections}, MQTT {status.protocol}; {', '.join(lanes)}"


def _variance(decoded: list[Any]) -> PlanVariance:
    values = entries.entry_variance(decoded)
    return PlanVariance(**{**values, "verdicts": tuple(values.get("verdicts") or ())})


def say(line: str) -> None:
    """One line of log to standard error; the journal of the system stamps it."""
    sys.stderr.write(f"ftu-agent link: {line}\n")
