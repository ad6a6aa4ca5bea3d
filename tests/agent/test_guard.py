"""Guard keeps deciding whatever happens to its log, and says what it did not see."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from agent import wiring
from agent.clock import Clock
from agent.detect.detector import Detector
from agent.detect.settings import defaults
from agent.errors import SensorError, StoreError
from agent.guard import WAITING_LIMIT, Guard
from agent.history import History, quarter_of
from agent.in_force import Change
from agent.live import LiveSender
from agent.past import Past
from agent.record_notes import Notes
from agent.record_replay import again, load
from agent.record_writer import RecordWriter
from agent.records import Block, Channel, Layout, Notice, Quality
from agent.sensors import channels
from agent.sensors.comtrade import Comtrade
from agent.sensors.contract import Item
from agent.store import cbor, entries, entry
from agent.store.journal import Journal, Stored, export
from agent.store.record_files import Limits, RecordFiles
from agent.supply_memory import SupplyMemory
from tests.agent.detect.feeder import (
    BAY,
    PICKUP,
    ROLES,
    TAPS,
    counts,
    healthy_volts,
    layout,
    times,
    two_phase,
)
from tests.agent.machine import Machine, S


class Played:
    """A sensor that delivers a list of items and ends."""

    name = "wire"

    def __init__(self, items: list[Item | Exception]) -> None:
        self._items = items
        self.ended = asyncio.Event()

    async def stream(self) -> AsyncIterator[Item]:
        try:
            for item in self._items:
                if isinstance(item, Exception):
                    raise item
                yield item
                await asyncio.sleep(0)
        finally:
            self.ended.set()


def fault_blocks() -> list[Item | Exception]:
    """Healthy load, a fault at 0.1 s, the feeder lost at 0.2 s."""
    t = times(1600, 0.5, 0.1)
    currents = two_phase(t, 3 * PICKUP, 0.5, 0.03, (200, 0.0))
    volts = healthy_volts(t)
    currents[:, t > 0.1] = 0.0
    volts[:, t > 0.1] = 0.0
    samples = counts(currents, volts)
    wired = layout(1600)
    return [Block(wired, k, 0, samples[:, k : k + 8]) for k in range(0, samples.shape[1], 8)]


def guard(
    journal: Any,
    folder: Path,
    items: list[Item | Exception],
    past: Past | None = None,
    clock: Clock | None = None,
    records: Callable[[], RecordWriter] | None = None,
) -> Guard:
    return Guard(
        sensors=[Played(items)],
        wire=lambda seen: Detector(seen, [(BAY, defaults(BAY), TAPS)]),
        bay_of=lambda _: BAY.name,
        journal=journal,
        clock=clock or Clock(1),
        live=LiveSender(folder),
        past=past,
        memory=SupplyMemory(folder / "supply", folder / "log", 1, 1),
        history=History(quarter_of),
        records=records,
    )


def run(watching: Guard) -> None:
    """Until the sensor's last item has been taken; guard itself would run for ever."""
    (sensor,) = watching._sensors

    async def scenario() -> None:
        task = asyncio.create_task(watching.run())
        async with asyncio.timeout(20):
            await sensor.ended.wait()  # type: ignore[attr-defined]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    watching._live.close()


def told(folder: Path, lane: str = "a") -> list[dict[str, Any]]:
    return [
        entry.as_dict(cbor.loads(item.payload))
        for name, item in export(folder / "log")
        if name == lane and isinstance(item, Stored)
    ]


def told_but_time(folder: Path) -> list[dict[str, Any]]:
    """Lane h without how UTC relates to the monotonic clock, and without guard's own metrics."""
    return [each for each in told(folder, "h") if each["type"] not in ("timemap", "metrics")]


def test_every_decision_is_in_the_log_with_its_why(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(journal, tmp_path, fault_blocks()))
    names = [told_of["event"] for told_of in told(tmp_path)]
    assert [name for name in names if name in MAIN] == list(MAIN)
    whys = told_but_time(tmp_path)
    assert [(why["type"], why["lane"], why["seq"]) for why in whys] == [
        ("why", "a", seq) for seq in range(2, len(names) + 1)
    ]


def test_guard_tells_at_its_end_how_long_its_flushes_took(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(journal, tmp_path, fault_blocks()))
        assert journal.flushes.count <= 1  # begun anew: at most the one behind this record

    (told_of,) = [each for each in told(tmp_path, "h") if each["type"] == "metrics"]
    values = dict(zip(told_of["values"][::2], told_of["values"][1::2], strict=True))
    assert told_of["of"] == "guard"
    assert values["flushes"] >= 3
    assert 0 < values["flush_p50_us"] <= values["flush_p99_us"] <= values["flush_max_us"]
    assert values["given_up_records_total"] == 0


# What is told of the fault blocks in any case; dips and interruptions come with the settings.
MAIN = ("started", "fault", "fault_cleared", "voltage_loss")


class FullDisk:
    """A journal whose disk is full for its first appends. A real one cannot be filled in a test
    of everybody's machine; test_journal.py shows that a real ENOSPC raises just this.
    """

    def __init__(self, real: Journal, refuse: int) -> None:
        self._real = real
        self.refuse = refuse

    def append(self, lane: str, payload: bytes, *, sync: bool = True) -> int:
        self.refuse -= 1
        if self.refuse >= 0:
            raise StoreError("log", "No space left on device")
        return self._real.append(lane, payload, sync=sync)

    def sync(self) -> None:
        self._real.sync()


def test_what_a_full_disk_refuses_waits_and_keeps_its_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(FullDisk(journal, refuse=1), tmp_path, fault_blocks()))
    names = [told_of["event"] for told_of in told(tmp_path)]
    assert [name for name in names if name in MAIN] == list(MAIN)
    assert capsys.readouterr().err.count("detection goes on") == 1


def test_what_waits_is_bounded_and_the_oldest_is_given_up_counted(tmp_path: Path) -> None:
    notices: list[Item | Exception] = [
        Notice("wire", k, "stalled", str(k)) for k in range(WAITING_LIMIT + 4)
    ]
    with Journal.open(tmp_path / "log", "ah") as journal:
        watching = guard(FullDisk(journal, refuse=10**9), tmp_path, notices)
        run(watching)
        assert watching.given_up == 5  # with the timemap of the start


def test_a_sensor_that_can_never_work_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(journal, tmp_path, [SensorError("wire", "no such file", "a path")]))
    (trouble,) = told(tmp_path)
    assert trouble["event"] == "sensor_trouble"
    assert "no such file" in trouble["detail"]


def test_a_restart_says_how_long_nobody_looked_and_what_changed_meanwhile(tmp_path: Path) -> None:
    live = {BAY.name: (1, 1, 1)}
    dead = [item for item in fault_blocks() if isinstance(item, Block) and item.first >= 520]
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(journal, tmp_path, list(dead), Past(100_000, exact=True, supply=live)))
    (blind,) = [told_of for told_of in told(tmp_path, "h") if told_of["type"] == "blind"]
    first_us = dead[0].sample_us(dead[0].first + 7)
    assert blind["since_before_us"] == first_us - 100_000
    (loss,) = [told_of for told_of in told(tmp_path) if told_of["event"] == "voltage_loss"]
    assert loss["mono_us"] - loss["earliest_before_us"] == 100_000


def test_a_second_source_goes_on_from_the_past_and_not_from_what_the_first_has_seen(
    tmp_path: Path,
) -> None:
    items = [item for item in fault_blocks() if isinstance(item, Block) and item.first >= 520]
    late = Layout("other", items[0].layout.channels, items[0].layout.rate_hz)
    # The other source's samples are older than what the first one has delivered already.
    other = [Block(late, k.first, -100_000, k.counts) for k in items]
    past = Past(50_000, exact=True, supply={BAY.name: (1, 1, 1)})
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(journal, tmp_path, [*items, *other], past))
    losses = [told_of for told_of in told(tmp_path) if told_of["event"] == "voltage_loss"]
    assert len(losses) == 1  # the bay is one; its first source has told it
    for loss in losses:
        assert loss["earliest_before_us"] >= loss["latest_before_us"]


@pytest.mark.parametrize(
    ("past", "expected_us"),
    [
        pytest.param(Past(70_000, exact=True, supply={}), 70_000, id="as-its-predecessor"),
        pytest.param(Past(70_000, exact=False, supply={}), 0, id="nobody-knows"),
    ],
)
def test_a_guard_that_has_decided_nothing_yet_does_not_claim_to_have_looked(
    tmp_path: Path, past: Past, expected_us: int
) -> None:
    with Journal.open(tmp_path / "log", "ah") as journal:
        watching = guard(journal, tmp_path, [], past)
        assert watching.decided_us == expected_us
        watching._live.close()


def test_what_was_measured_until_the_stop_is_in_the_log_with_its_coverage(tmp_path: Path) -> None:
    samples = counts(*healthy(4800))
    wired = layout(1600)
    blocks: list[Item | Exception] = [
        Block(wired, k, 0, samples[:, k : k + 8]) for k in range(0, samples.shape[1], 8)
    ]
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(journal, tmp_path, blocks))

    histories = [each for each in told(tmp_path, "h") if each["type"] == "history"]
    # Measured each half second of three: the first look says nothing of the time before it. A
    # quarter hour that happens to end meanwhile makes two parts.
    assert sum(each["observed_s"] for each in histories) in (2, 3)
    for each in histories:
        assert each["bay"] == BAY.name
        assert each["voltage_a_decivolts"] == pytest.approx(57_735, rel=0.002)
    days = [each for each in told(tmp_path, "h") if each["type"] == "extremes"]
    assert {each["maxima"][4] for each in days} == {histories[0]["voltage_a_decivolts"]}


def test_what_an_invalid_block_shows_is_no_history(tmp_path: Path) -> None:
    samples = counts(*healthy(4800))
    wired = layout(1600)
    blocks: list[Item | Exception] = [
        Block(wired, k, 0, samples[:, k : k + 8], Quality.INVALID)
        for k in range(0, samples.shape[1], 8)
    ]
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(journal, tmp_path, blocks))

    assert told_but_time(tmp_path) == []


def test_an_invalid_block_is_no_sight(tmp_path: Path) -> None:
    wired = Layout("wire", tuple(Channel(role, "A") for role in ROLES), Fraction(1600))
    block = Block(wired, 0, 0, counts(*healthy(80)), Quality.INVALID)
    with Journal.open(tmp_path / "log", "ah") as journal:
        watching = guard(journal, tmp_path, [block], Past(0, exact=False, supply={}))
        run(watching)
    assert told_but_time(tmp_path) == []


class Committed:
    """Settings that somebody changes when guard looks for the second time, in mid-stream."""

    def __init__(self) -> None:
        self.settings = defaults(BAY)
        self.looks = 0
        self.changed = asyncio.Event()

    def look(self) -> Change | None:
        self.looks += 1
        if self.looks != 2:
            return None
        self.settings = replace(self.settings, undervoltage_share=0.5, phase_pickup_amps=1e5)
        self.changed.set()
        return Change("settings_in_force", "ops-2", "version 2", applied=True)


class Waiting(Played):
    """Delivers its first items, waits for the change, then the rest."""

    def __init__(self, items: list[Item | Exception], first: int, changed: asyncio.Event) -> None:
        super().__init__(items)
        self._first, self._changed = first, changed

    async def stream(self) -> AsyncIterator[Item]:
        taken = 0
        async for item in super().stream():
            if taken == self._first:
                await self._changed.wait()
            taken += 1
            yield item


def test_other_settings_judge_from_the_next_block_on_and_the_log_says_so_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.guard.SYNC_PERIOD_S", 0.01)
    committed = Committed()
    with Journal.open(tmp_path / "log", "ah") as journal:
        watching = Guard(
            # The change comes in healthy load, the fault after it.
            sensors=[Waiting(fault_blocks(), 10, committed.changed)],
            wire=lambda seen: Detector(seen, [(BAY, committed.settings, TAPS)]),
            bay_of=lambda _: BAY.name,
            journal=journal,
            clock=Clock(1),
            live=LiveSender(tmp_path),
            past=None,
            memory=SupplyMemory(tmp_path / "supply", tmp_path / "log", 1, 1),
            history=History(quarter_of),
            look=committed.look,
        )
        run(watching)
    records = told(tmp_path)
    names = [record.get("event", record["type"]) for record in records]
    assert names[:2] == ["started", "audit"]
    assert "fault" not in names  # it lies below the new pickup
    assert "voltage_loss" in names  # whose supply was known all the time
    audit = records[1]
    assert (audit["what"], audit["who"]) == ("settings_in_force", "ops-2")
    assert audit["detail"] == "version 2"


def healthy(samples: int) -> tuple[Any, Any]:
    t = times(1600, samples / 1600, 0.0)
    return two_phase(t, 0.1, 0.0, 0.03), healthy_volts(t)


def test_each_start_and_each_step_of_the_clock_is_in_the_log(tmp_path: Path) -> None:
    machine = Machine()
    with Journal.open(tmp_path / "log", "ah") as journal:
        watching = guard(journal, tmp_path, fault_blocks(), clock=Clock(1, machine.reading))
        watching._map_time()
        machine.run(S)
        machine.set(-20 * S)
        run(watching)
    maps = [told_of for told_of in told(tmp_path, "h") if told_of["type"] == "timemap"]
    assert [each["cause"] for each in maps] == ["start", "step"]
    shift_us = maps[1]["utc_offset_after_us"] - maps[1]["utc_offset_before_us"]
    assert shift_us == -20 * S


def test_what_several_bays_decide_at_once_is_on_disk_with_one_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bays = [replace(BAY, name=name) for name in ("one", "two", "three")]
    synced: list[int] = []
    real = os.fdatasync

    def counting(fd: int) -> None:
        synced.append(fd)
        real(fd)

    with Journal.open(tmp_path / "log", "ah") as journal:
        watching = guard(journal, tmp_path, fault_blocks())
        watching._wire = lambda seen: Detector(seen, [(b, defaults(b), TAPS) for b in bays])
        monkeypatch.setattr(os, "fdatasync", counting)
        monkeypatch.setattr(watching, "_announce", lambda _: None)
        for block in fault_blocks():
            before, seqs = len(synced), journal.next_seq("a")
            watching._take(block)  # type: ignore[arg-type]
            assert len(synced) - before == (journal.next_seq("a") > seqs)
        watching._live.close()

    faults = [each for each in told(tmp_path) if each.get("event") == "fault"]
    assert [each["bay"] for each in faults] == ["one", "two", "three"]
    whys = [each for each in told(tmp_path, "h") if each["type"] == "why"]
    assert {each["seq"] for each in whys} <= set(range(1, len(told(tmp_path)) + 1))
    assert len(whys) == len({each["seq"] for each in whys})


# --- records ---


def recording(folder: Path, most_bytes: int = 1 << 30) -> Callable[[], RecordWriter]:
    limits = Limits(1000, most_bytes, 0)
    return lambda: RecordWriter(lambda: RecordFiles(folder / "records", limits), station="s")


def test_a_fault_leaves_a_record_that_its_log_points_to(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(journal, tmp_path, fault_blocks(), records=recording(tmp_path)))
    (path,) = (tmp_path / "records").iterdir()
    (audit,) = (each for each in told(tmp_path, "h") if each["type"] == "audit")
    assert audit["what"] == "record_stored"
    assert audit["detail"].startswith(f"{path.stem} of a:2 a:3 a:4 a:5; ")
    record, notes = load(path)
    assert [event.event for event in again(record, notes)] == [
        each["event"] for each in told(tmp_path)[1:]
    ]
    assert _why_of(tmp_path, 2) == dict(notes.told[0].why)


def _why_of(folder: Path, seq: int) -> dict[str, Any]:
    (found,) = (
        entries.entry_why(cbor.loads(item.payload))
        for lane, item in export(folder / "log")
        if lane == "h"
        and isinstance(item, Stored)
        and entry.as_dict(cbor.loads(item.payload)).get("seq") == seq
    )
    return found[2]


def test_a_disk_without_room_loses_the_record_and_says_so_and_no_event(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(journal, tmp_path, fault_blocks(), records=recording(tmp_path, most_bytes=10)))
    assert "fault" in [each["event"] for each in told(tmp_path)]
    assert list((tmp_path / "records").iterdir()) == []
    (audit,) = (each for each in told(tmp_path, "h") if each["type"] == "audit")
    assert audit["what"] == "record_lost"
    assert "1 since the start; a:2 a:3 a:4 a:5: " in audit["detail"]
    assert "no room" in audit["detail"]


def test_a_record_that_was_open_when_the_source_stalls_ends_there(tmp_path: Path) -> None:
    items = fault_blocks()
    stalled: list[Item | Exception] = [*items[:60], Notice("wire", 300_000, "stalled", "")]
    with Journal.open(tmp_path / "log", "ah") as journal:
        run(guard(journal, tmp_path, stalled, records=recording(tmp_path)))
    (path,) = (tmp_path / "records").iterdir()
    notes: Notes = load(path)[1]
    assert notes.cut


class Recorded(Comtrade):
    """The driver itself, which also tells when it has ended."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ended = asyncio.Event()

    async def stream(self) -> AsyncGenerator[Block | Notice, None]:
        async for item in super().stream():
            yield item
        self.ended.set()


def test_what_the_log_says_of_a_recorded_case_is_what_its_record_says_again(tmp_path: Path) -> None:
    """The whole way: a driver with blocks of its own, guard, log and record; bit for bit."""
    case = Path("hil/golden/short-bc/F1-head.cfg")
    sensor = Recorded(name="wire", path=case, now_us=lambda: 7_000_013, real_time=False)

    def wire(seen: Layout) -> Detector:
        uses = channels.derive(seen).uses
        return Detector(seen, [(BAY, defaults(BAY), wiring.taps(seen, uses, BAY))])

    with Journal.open(tmp_path / "log", "ah") as journal:
        watching = guard(journal, tmp_path, [], records=recording(tmp_path))
        watching._sensors, watching._wire = [sensor], wire
        run(watching)
    (path,) = (tmp_path / "records").iterdir()
    record, notes = load(path)
    logged = [
        (seq, entries.entry_event(cbor.loads(payload))[0])
        for seq, payload in _lane(tmp_path, "a")
        if entry.as_dict(cbor.loads(payload))["type"] == "event"
    ]
    whys = {
        seq: why
        for _, payload in _lane(tmp_path, "h")
        if entry.as_dict(cbor.loads(payload))["type"] == "why"
        for _, seq, why in [entries.entry_why(cbor.loads(payload))]
    }
    begin_us = notes.stamp.mono_us
    live = [
        (
            e.event,
            e.kind,
            e.t_us - begin_us,
            e.onset_us and e.onset_us - begin_us,
            whys.get(seq, {}),
        )
        for seq, e in logged
        if e.event not in ("started", "sensor_trouble")
    ]
    assert "fault" in [each[0] for each in live]
    anew = [(e.event, e.kind, e.t_us, e.onset_us, dict(e.why)) for e in again(record, notes)]
    assert anew == live


def _lane(folder: Path, lane: str) -> list[tuple[int, bytes]]:
    return [
        (item.seq, item.payload)
        for name, item in export(folder / "log")
        if name == lane and isinstance(item, Stored)
    ]
