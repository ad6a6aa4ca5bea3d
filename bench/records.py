"""Waveform records of six bays of eight channels at 12.8 kHz: bytes, processor, and who waits.

Guard is fed in real time, a block of a quarter cycle every 5 ms, with a fault in two bays every
two seconds, in turn without records, with them, with a shadow set of settings beside, and with
every record packed and brought into lane w. Told is how long guard took for a block, alarms and
their flush to disk included, on a machine that may be busy with other things: the runs alternate,
so that a busy moment hits them all alike. Files lie below build/, on the disk of the tree.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agent.clock import Clock
from agent.detect.settings import Settings, defaults
from agent.guard import Guard
from agent.history import History, quarter_of
from agent.live import LiveSender
from agent.record_packed import parts
from agent.record_replay import again, load
from agent.record_writer import RecordWriter
from agent.records import Block
from agent.shadow import Shadow
from agent.store.journal import Journal
from agent.store.record_files import Limits, RecordFiles
from agent.supply_memory import SupplyMemory
from agent.wave_lane import WaveLane
from bench.detection import BLOCK, LAYOUT, RATE, ROLES, Array, detector, waves
from bench.table import Row

PERIOD_S = 2
FAULT = slice(round(1.0 * RATE), round(1.12 * RATE))
LIMITS = Limits(1000, 1 << 30, 0)


class Run(NamedTuple):
    """took: seconds of guard for each block; writing_s: processor time of the writer's thread."""

    took: Array
    writing_s: float
    records: list[Path]


def rows(quick: bool) -> Iterator[Row]:
    """In turn, and the records of the last run read again."""
    seconds, turns = (6, 1) if quick else (16, 3)
    samples = _faulted(waves(PERIOD_S, load_amps=180.0))
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as name:
        runs: dict[str, list[Run]] = {"without": [], "with": [], "shadow": [], "sent": []}
        for turn in range(turns):
            for how, kept in runs.items():
                folder = Path(name) / f"{how}-{turn}"
                folder.mkdir()
                kept.append(_live(folder, samples, seconds, how))
                if turn:
                    shutil.rmtree(folder)
        last = runs["with"][0]
        yield from _sizes(last)
        for words, tells, quantile in _ASKED:
            told = [_quantile(each, quantile, tells=tells) for each in runs.values()]
            bare, own, beside, sent = told
            yield Row(
                what=f"  guard's time for a block of 5 ms, {words}",
                value=own,
                unit="ms",
                reference="without records, ms",
                reference_value=bare,
            )
            yield Row(
                what=f"  with records and a shadow, {words}",
                value=beside,
                unit="ms",
                reference="without both, ms",
                reference_value=bare,
            )
            yield Row(
                what=f"  with records that are sent, {words}",
                value=sent,
                unit="ms",
                reference="without records, ms",
                reference_value=bare,
            )
        begin = time.process_time()
        for path in last.records:
            for _ in again(*load(path)):
                pass
        took_s = (time.process_time() - begin) / len(last.records)
        yield Row(what="  a record decided on again", value=1e3 * took_s, unit="ms")


# In words, whether of blocks in which events are told and flushed to disk, and which quantile.
_ASKED = (
    ("median", False, 0.5),
    ("99.9th percentile", False, 0.999),
    ("longest", False, 1.0),
    ("longest with an alarm", True, 1.0),
)


def _quantile(runs: list[Run], quantile: float, *, tells: bool) -> float:
    """Of what guard took for a block [ms]; tells: of those around the fault, else of the others."""
    took = np.concatenate([run.took for run in runs])
    place = np.concatenate([np.arange(len(run.took)) for run in runs]) + RATE // BLOCK
    at_s = place * BLOCK / RATE % PERIOD_S
    around = (at_s >= 1.0) & (at_s < 1.3)
    return 1e3 * float(np.quantile(took[around == tells], quantile))


def _sizes(run: Run) -> Iterator[Row]:
    size = sum(path.stat().st_size for path in run.records) / len(run.records)
    _, notes = load(run.records[0])
    length_s = (size - 30_000) / (8 + 2 * len(LAYOUT.channels)) / RATE
    yield Row(what="record of a fault, 48 channels, 12.8 kHz", value=size / 1e3, unit="kB")
    yield Row(what="  its length", value=length_s, unit="s")
    yield Row(what="  events that it tells", value=len(notes.events), unit="")
    each_ms = 1e3 * run.writing_s / len(run.records)
    yield Row(what="  processor time of writing it", value=each_ms, unit="ms")


def _faulted(samples: Array) -> Array:
    """Bays 0 and 3 carry twelve times the load between phases B and C for 0.12 s."""
    for bay in (0, 3):
        first = bay * len(ROLES)
        short = 12 * (samples[first + 1, FAULT] - samples[first + 2, FAULT]) / 2
        samples[first + 1, FAULT] = np.rint(short)
        samples[first + 2, FAULT] = np.rint(-short)
    return samples


class _Writer(RecordWriter):
    """Also tells the processor time of its thread."""

    spent_s = 0.0

    def _work(self) -> None:
        super()._work()
        self.spent_s = time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)


def _live(folder: Path, samples: Array, seconds: int, how: str) -> Run:
    writers: list[_Writer] = []

    def writer() -> RecordWriter:
        writers.append(
            _Writer(
                lambda: RecordFiles(folder / "records", LIMITS),
                station="bench",
                sent="all" if how == "sent" else "ask",
                orders=folder / "waves",
            )
        )
        return writers[-1]

    own = detector()
    others: dict[str, Settings] = {
        bay.name: replace(defaults(bay), phase_pickup_amps=2000.0) for bay, _, _ in own.wired
    }
    shadow = Shadow(lambda: others) if how == "shadow" else None
    with Journal.open(folder / "log", "ahw") as journal:
        guard = Guard(
            sensors=[],
            wire=lambda _: own,
            bay_of=lambda _: "bay0",
            journal=journal,
            clock=Clock(1),
            live=LiveSender(folder),
            past=None,
            memory=SupplyMemory(folder / "supply", folder / "log", 1, 1),
            history=History(quarter_of),
            records=None if how == "without" else writer,
            shadow=shadow,
            waves=lambda tell: WaveLane(journal, folder / "waves", parts=parts, tell=tell),
        )
        took = _fed(guard, samples, seconds)
        if shadow is not None:
            shadow.stop()
    for each in writers:
        each.stop(30.0)
    records = sorted((folder / "records").glob("*.cff")) if writers else []
    return Run(np.array(took), sum(each.spent_s for each in writers), records)


def _fed(guard: Guard, samples: Array, seconds: int) -> list[float]:
    """What guard took for each block, in real time; once a second what its flush does."""
    took: list[float] = []
    start_us = time.monotonic_ns() // 1000
    for number in range(seconds * RATE // BLOCK):
        first = number * BLOCK
        place = first % samples.shape[1]
        counts = np.ascontiguousarray(samples[:, place : place + BLOCK])
        block = Block(LAYOUT, first, start_us, counts)
        wait_s = (block.sample_us(first + BLOCK) - time.monotonic_ns() // 1000) / 1e6
        time.sleep(max(0.0, wait_s))
        begin = time.perf_counter()
        guard._take(block)  # noqa: SLF001  as its task does
        took.append(time.perf_counter() - begin)
        if number % (RATE // BLOCK) == 0:
            guard._tell_of_records()  # noqa: SLF001  as its flush does
            guard._tell_of_shadow()  # noqa: SLF001
            guard._send_waves()  # noqa: SLF001
            guard._journal.sync()  # noqa: SLF001
            guard._waves.flushed()  # type: ignore[union-attr]  # noqa: SLF001
    return took[RATE // BLOCK :]  # the first second fills windows and imports
