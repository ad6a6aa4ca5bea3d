"""The process that must never wait: sensors -> detect -> store.

Nothing here knows of a broker, a person or a page. Every decision is in the log before anyone
hears of it; when the log cannot be written, detection goes on and what could not be stored is
kept, bounded and counted, until it can.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from agent import metrics
from agent.clock import LEAP, SET, STEP, Clock
from agent.detect.detector import Detector
from agent.detect.meter import Meter, together
from agent.detect.supply import LIVE
from agent.errors import SensorError, StoreError
from agent.history import History
from agent.in_force import Change
from agent.live import LiveSender
from agent.metrics import FILE_PERIOD_S, PERIOD_S, Values
from agent.past import Past
from agent.records import PHASES, Block, Event, Layout, Notice, Quality, Reading
from agent.sensors.contract import Item, Sensor
from agent.shadow import Shadow
from agent.store import cbor, entries
from agent.store.journal import Journal
from agent.store.record_files import STORED
from agent.supply_memory import States, SupplyMemory

if TYPE_CHECKING:
    from agent.history import Told
    from agent.reading_log import ReadingLog
    from agent.record_writer import RecordWriter
    from agent.recorder import Recorder, Story
    from agent.wave_lane import WaveLane

# An hour of the busiest feeder; beyond it the oldest why and then the oldest event is given up,
# counted and told.
WAITING_LIMIT = 1000
SYNC_PERIOD_S = 1.0  # lanes other than a are flushed in groups of at most a second (design.md)
METER_PERIOD_US = 500_000  # screens change twice a second, and history needs no more
# What the uplink knows of a bay; instants are its own.
_SHOWN = tuple(each.name for each in fields(Meter) if each.name != "t_us")


class Guard:
    """Feeds every source's items to its detector and every event to the log.

    wire: builds the detector of a layout, when a source first shows it or changes it.
    bay_of: a bay fed by a sensor, named in events about the sensor.
    past: what the guard before this one has left; None at the first start of all.
    look: what has changed in the settings that `wire` uses, if anything has.
    memory: notes for the next one what the log says of the supply.
    history: makes means and extremes of what is measured. readings: logs them one by one. live_us:
    how often link hears what is measured. decided: is told until when everything seen is decided
    [us, monotonic; 0: not known], for the next guard. records: what brings waveform records to
    disk, made when a source of samples is first seen; None: they are not kept. shadow: other
    settings that decide beside these. waves: brings ordered records into lane w, told how to tell
    an audit.
    """

    def __init__(
        self,
        *,
        sensors: Sequence[Sensor],
        wire: Callable[[Layout], Detector],
        bay_of: Callable[[str], str],
        journal: Journal,
        clock: Clock,
        live: LiveSender,
        past: Past | None,
        look: Callable[[], Change | None] = lambda: None,
        memory: SupplyMemory,
        history: History,
        readings: ReadingLog | None = None,
        live_us: int = METER_PERIOD_US,
        decided: Callable[[int], None] = lambda _: None,
        records: Callable[[], RecordWriter] | None = None,
        shadow: Shadow | None = None,
        waves: Callable[[Callable[[str, str], None]], WaveLane] | None = None,
    ) -> None:
        self._sensors = sensors
        self._wire = wire
        self._bay_of = bay_of
        self._journal = journal
        self._clock = clock
        self._live = live
        self._past = past
        self._look = look
        self._memory = memory
        self._history = history
        self._readings = readings
        self._live_us = live_us
        self._decided = decided
        self._records = records
        self._shadow = shadow
        self._waves = None if waves is None else waves(self._audit_now)
        self._keeper: RecordWriter | None = None
        self._recorders: dict[str, Recorder] = {}
        self._seeing = past is None
        self._supply: dict[str, States] = dict(past.supply) if past else {}
        self._announced: set[str] = set()
        self._looked: dict[str, int] = {}  # last decision of each source [us]
        self._detectors: dict[str, Detector] = {}
        self._metered_us = self._shown_us = 0
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._unwritable = False
        self._metrics_us = self._recorded_us = clock.now_us()
        self.given_up = 0
        # Until it has decided anything itself, no later than its predecessor had: should it be
        # killed before, the next guard tells the whole blind time.
        self.decided_us = clock.now_us()
        if past is not None:
            self.decided_us = past.since_us if past.exact else 0
        decided(self.decided_us)

    async def run(self) -> None:
        """Until cancelled; then everything that was decided is flushed."""
        self._follow_settings()
        self._map_time()
        try:
            async with asyncio.TaskGroup() as tasks:
                for sensor in self._sensors:
                    tasks.create_task(self._watch(sensor), name=f"sensor {sensor.name}")
                tasks.create_task(self._flush(), name="flush")
        finally:
            self._remember(self._history.stop())
            for source in list(self._recorders):
                self._end_record(source)
            if self._keeper is not None:
                self._keeper.stop()
                self._tell_of_records()
            if self._shadow is not None:
                self._shadow.stop()
            self._retry()
            self._record_metrics()
            self._journal.sync()

    async def _watch(self, sensor: Sensor) -> None:
        """One source to its end; a source that can never work is told and left alone."""
        try:
            async for item in sensor.stream():
                self._take(item)
        except SensorError as error:
            now_us = self._clock.now_us()
            self._notice(Notice(sensor.name, now_us, "ended", f"{error.what}; {error.expected}"))

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(SYNC_PERIOD_S)
            self._follow_settings()
            self._map_time()
            self._tell_of_records()
            self._tell_of_shadow()
            self._send_waves()
            self._retry()
            try:
                self._journal.sync()
                if self._waves is not None:
                    self._waves.flushed()
                self._memory.follow()
            except StoreError as error:
                self._cannot_write(error)
                if self._waves is not None:
                    self._waves.refused()
            self._tell_metrics()

    def _tell_metrics(self) -> None:
        """What guard measures of itself: often to link, hourly into lane h."""
        now_us = self._clock.now_us()
        if now_us - self._metrics_us >= FILE_PERIOD_S * 1e6:
            self._metrics_us = now_us
            self._live.send({"metrics": metrics.flat(self._metrics())})
        if now_us - self._recorded_us >= PERIOD_S * 1e6:
            self._record_metrics()

    def _record_metrics(self) -> None:
        stamp = self._clock.stamp(self._clock.now_us())
        told = metrics.flat(self._metrics())
        self._journal.flushes.clear()
        self._store("h", cbor.dumps(entries.metrics_entry(stamp, "guard", told)))
        self._recorded_us = stamp.mono_us

    def _metrics(self) -> Values:
        return metrics.flushes(self._journal.flushes) | {
            ("waiting_records", ""): len(self._waiting),
            ("given_up_records_total", ""): self.given_up,
            ("live_dropped_total", ""): self._live.dropped,
        }

    def _follow_settings(self) -> None:
        """Between two blocks: other settings as a whole, told in lane a before they judge."""
        change = self._look()
        if change is None:
            return
        say(f"{change.what.replace('_', ' ')}: {change.detail}")
        stamp = self._clock.stamp(self._clock.now_us())
        audit = entries.audit_entry(stamp, change.what, change.who, change.detail)
        self._store("a", cbor.dumps(audit))
        self._live.send({"grew": "a"})
        if change.applied:  # all or none: what cannot be built leaves every source as it was
            self._detectors = {
                sensor: self._wired(detector.layout) for sensor, detector in self._detectors.items()
            }
            for source in list(self._recorders):
                self._end_record(source)

    def _map_time(self) -> None:
        """Tell how UTC relates to the monotonic clock, whenever that has changed."""
        for change in self._clock.changes():
            if change.cause in (SET, STEP, LEAP):
                say(f"clock: {change.cause}, UTC is now {change.at.utc_us} us since 1970")
            self._store("h", cbor.dumps(entries.timemap_entry(change)))
            self._live.send({"grew": "h"})

    def _take(self, item: Item) -> None:
        if isinstance(item, Notice):
            self._notice(item)
            return
        detector = self._detectors.get(item.layout.sensor)
        if detector is None or detector.layout is not item.layout:
            detector = self._detectors[item.layout.sensor] = self._wired(item.layout)
            self._end_record(item.layout.sensor)
        events = detector.feed(item)
        seqs = self._record(events)
        told: dict[str, Any] = {}
        if self._readings is not None and isinstance(item, Reading):
            told |= self._log(self._readings.records(item, self._clock.stamp(item.t_us)))
        if self._records is not None and isinstance(item, Block):
            self._keep(detector, item, events, seqs)
        if self._shadow is not None and isinstance(item, Block):
            self._shadow.feed(detector, item, events)
        self._announce(detector)
        seen_us = _last_instant(item)
        if not item.quality or not item.quality & (Quality.INVALID | Quality.STALE):
            self._sees(seen_us)
            self.decided_us = max(self.decided_us, seen_us)
            self._decided(self.decided_us)
            self._looked[item.layout.sensor] = seen_us
        if seen_us - self._shown_us >= self._live_us:
            self._shown_us = seen_us
            told |= self._measure(seen_us)
        if told:
            self._live.send(told)

    def _log(self, readings: Sequence[bytes]) -> dict[str, Any]:
        """On disk before the next one is taken; what link is to be told."""
        for payload in readings:
            self._store("h", payload, sync=True)
        return {"grew": "h"} if readings else {}

    def _keep(
        self, detector: Detector, block: Block, events: Sequence[Event], seqs: Sequence[int]
    ) -> None:
        """The block's samples, and what is whole of records; all of it after the alarm's flush."""
        sensor = block.layout.sensor
        recorder = self._recorders.get(sensor)
        if recorder is None:
            from agent.recorder import Recorder  # numpy, which meters do not need

            recorder = self._recorders[sensor] = Recorder(detector)
        for story in recorder.feed(block, events, seqs):
            self._hand_over(story)

    def _end_record(self, sensor: str) -> None:
        """The source ends or is decided on anew: a record that is open ends here."""
        recorder = self._recorders.pop(sensor, None)
        for story in recorder.stop() if recorder is not None else ():
            self._hand_over(story)

    def _hand_over(self, story: Story) -> None:
        keeper = self._record_keeper()
        if keeper is not None:
            keeper.take(story, self._clock.stamp(story.sample_us(story.mark.index)))

    def _record_keeper(self) -> RecordWriter | None:
        """What brings records to disk, and back; made when it is first needed."""
        if self._keeper is None and self._records is not None:
            self._keeper = self._records()
        return self._keeper

    def _send_waves(self) -> None:
        """Some of what is ordered, into lane w."""
        if self._waves is not None:
            stamp = self._clock.stamp(self._clock.now_us())
            if self._waves.step(self._record_keeper, stamp):
                self._live.send({"grew": "w"})

    def _tell_of_records(self) -> None:
        """What became of records, in lane h."""
        for told in self._keeper.told() if self._keeper is not None else ():
            if told.what != STORED:
                say(f"{told.what.replace('_', ' ')}: {told.detail}")
            self._audit_now(told.what, told.detail)

    def _tell_of_shadow(self) -> None:
        """Where other settings say otherwise, in lane h."""
        for told in self._shadow.follow() if self._shadow is not None else ():
            say(f"{told.what.replace('_', ' ')}: {told.detail}")
            t_us = self._clock.now_us() if told.t_us is None else told.t_us
            self._audit(told.what, told.detail, t_us)

    def _audit_now(self, what: str, detail: str) -> None:
        self._audit(what, detail, self._clock.now_us())

    def _audit(self, what: str, detail: str, t_us: int) -> None:
        """Into lane h, with the next flush."""
        stamp = self._clock.stamp(t_us)
        self._store("h", cbor.dumps(entries.audit_entry(stamp, what, None, detail)))
        self._live.send({"grew": "h"})

    def _measure(self, seen_us: int) -> dict[str, Any]:
        """What every bay measures now, for screens, and, where it is new, for history."""
        seen: dict[str, list[Meter]] = {}
        new = set()
        for sensor, detector in self._detectors.items():
            for meter in detector.meters():
                seen.setdefault(meter.bay, []).append(meter)
                if self._looked.get(sensor) == meter.t_us:
                    new.add(meter.bay)
        meters = [together(of_bay) for of_bay in seen.values()]
        if seen_us - self._metered_us >= METER_PERIOD_US:
            self._metered_us = seen_us
            now = self._clock.stamp(self._clock.now_us())
            for meter in meters:
                if meter.bay in new:
                    counts = entries.metered(_shown(meter))
                    utc_us = meter.t_us + now.utc_us - now.mono_us
                    self._remember(self._history.feed(meter.bay, counts, meter.t_us, utc_us))
        return {"meters": [_shown(meter) for meter in meters]}

    def _remember(self, told: list[Told]) -> None:
        """Into lane h, with the next flush: what is known of an interval that has ended.

        The clock's source and error are those of now; the interval's end keeps its own instants.
        """
        for record_type, mono_us, utc_us, values in told:
            stamp = replace(self._clock.stamp(mono_us), utc_us=utc_us)
            logged = entries.interval_entry(stamp, record_type, values)
            self._store("h", cbor.dumps(logged))
            self._live.send({"grew": "h"})

    def _wired(self, layout: Layout) -> Detector:
        """A detector that goes on from the supply that was last told."""
        detector = self._wire(layout)
        before_us = self._past.since_us if self._past else 0
        detector.resume_supply(self._supply, self._looked.get(layout.sensor, before_us))
        return detector

    def _announce(self, detector: Detector) -> None:
        """Remember each bay's supply, and say once after a start how it was found."""
        for bay, states in detector.supply().items():
            if None in states:
                continue
            self._supply[bay] = states
            if bay not in self._announced:
                self._announced.add(bay)
                live = "".join(p for p, state in zip(PHASES, states, strict=True) if state == LIVE)
                now_us = self._clock.now_us()
                self._record([Event(event="started", bay=bay, t_us=now_us, phases=live)])

    def _sees(self, seen_us: int) -> None:
        """The first decision after a start: say how long nobody looked."""
        if self._seeing or self._past is None:
            return
        self._seeing = True
        since_us = self._past.since_us if self._past.exact else None
        stamp = self._clock.stamp(seen_us)
        self._store("h", cbor.dumps(entries.blind_entry(stamp, since_us, "restart")))
        self._live.send({"grew": "h"})

    def _notice(self, notice: Notice) -> None:
        told = f"{notice.sensor} {notice.state}: {notice.detail}".rstrip(": ")
        say(f"sensor {told}")
        if notice.state == "live":
            return
        self._end_record(notice.sensor)  # what comes after a while is no part of it
        bay = self._bay_of(notice.sensor)
        trouble = Event(event="sensor_trouble", bay=bay, t_us=notice.t_us, detail=told)
        self._record([trouble])

    def _record(self, events: Sequence[Event]) -> Sequence[int]:
        """On disk first, together; then, and only then, whoever listens is told.

        Their numbers in lane a; none where they have to wait in memory.
        """
        if not events:
            return ()
        stamps = [self._clock.stamp(event.t_us) for event in events]
        payloads = [
            cbor.dumps(entries.event_entry(event, stamp, logged_us=self._clock.now_us()))
            for event, stamp in zip(events, stamps, strict=True)
        ]
        seqs = self._store_together(payloads)
        for event, stamp, seq in zip(events, stamps, seqs, strict=False):
            if event.why:
                self._store("h", cbor.dumps(entries.why_entry(stamp, "a", seq, event.why)))
        self._live.send({"grew": "a"})
        return seqs

    def _store_together(self, payloads: Sequence[bytes]) -> Sequence[int]:
        """Their numbers in lane a, with one sync for all; none when they have to wait in memory."""
        try:
            if not self._waiting:
                return self._journal.append_group("a", payloads)
        except StoreError as error:
            self._cannot_write(error)
        for payload in payloads:
            self._wait("a", payload)
        return ()

    def _store(self, lane: str, payload: bytes, *, sync: bool = False) -> None:
        """Into the log, or, while that cannot be written, into memory."""
        try:
            if not self._waiting:
                self._journal.append(lane, payload, sync=sync or lane == "a")
                return
        except StoreError as error:
            self._cannot_write(error)
        self._wait(lane, payload)

    def _wait(self, lane: str, payload: bytes) -> None:
        self._waiting.append((lane, payload))
        if len(self._waiting) > WAITING_LIMIT:
            self._waiting.popleft()
            self.given_up += 1

    def _retry(self) -> None:
        """Write what had to wait, oldest first."""
        while self._waiting:
            lane, payload = self._waiting[0]
            try:
                self._journal.append(lane, payload, sync=lane == "a")
            except StoreError as error:
                self._cannot_write(error)
                return
            self._waiting.popleft()
            self._live.send({"grew": lane})
        self._unwritable = False

    def _cannot_write(self, error: StoreError) -> None:
        if not self._unwritable:
            say(f"{error}; detection goes on, {WAITING_LIMIT} records can wait in memory")
        self._unwritable = True


def _shown(meter: Meter) -> dict[str, object]:
    """A bay's values by the names that the uplink knows them by."""
    return {name: getattr(meter, name) for name in _SHOWN}


def _last_instant(item: Block | Reading) -> int:
    if isinstance(item, Reading):
        return item.t_us
    return item.sample_us(item.first + item.counts.shape[1] - 1)


def say(line: str) -> None:
    """One line of log to standard error; the journal of the system stamps it."""
    sys.stderr.write(f"ftu-agent guard: {line}\n")
