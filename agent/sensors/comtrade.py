"""Recorded waveforms as a source of samples: COMTRADE files read, played block by block, found.

The format stays in comtrade_cfg.py (header), comtrade_dat.py (samples), comtrade_cff.py (both in
one file) and comtrade_record.py (understood together); what a channel means to a bay, in
channels.py.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agent.errors import RecordError, SensorError, UsageError
from agent.records import Block, Notice, Quality
from agent.sensors.comtrade_cfg import MAX_CFG_BYTES
from agent.sensors.comtrade_dat import MAX_DAT_BYTES
from agent.sensors.comtrade_record import Ratio, Record, parse, parse_single
from agent.sensors.comtrade_text import decode

__all__ = [
    "Comtrade",
    "Found",
    "Ratio",
    "Record",
    "blocks",
    "find",
    "from_options",
    "parse",
    "parse_single",
    "read",
]

_DEFAULT_HZ = 50.0  # where the header leaves the nominal frequency blank


def read(path: Path) -> Record:
    """The record whose header is the file `path`; the samples lie beside it, in a .cff within it.

    Raises: RecordError when a file is absent, unreadable or damaged.
    """
    if path.suffix.lower() == ".cff":
        return parse_single(_bytes(path, MAX_CFG_BYTES + MAX_DAT_BYTES), str(path))
    samples = _beside(path, ".dat")
    if samples is None:
        raise RecordError(str(path), "no .dat file beside it", f"{path.stem}.dat")
    record = parse(
        _bytes(path, MAX_CFG_BYTES), _bytes(samples, MAX_DAT_BYTES), str(path), str(samples)
    )
    told = _beside(path, ".inf")
    if told is None or told.stat().st_size > MAX_CFG_BYTES:
        return record
    return replace(record, inf=decode(_bytes(told, MAX_CFG_BYTES)))


def _bytes(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise RecordError(str(path), f"cannot be read ({error.strerror})", "a file") from error
    if len(data) > limit:
        raise RecordError(str(path), f"more than {limit} bytes", "a smaller file")
    return data


def _beside(path: Path, extension: str) -> Path | None:
    """The file with the same stem and another extension, in whatever case; exact case first."""
    for wanted in (extension, extension.upper()):
        if path.with_suffix(wanted).is_file():
            return path.with_suffix(wanted)
    try:
        names = sorted(path.parent.iterdir())
    except OSError:
        return None
    wanted_name = (path.stem + extension).lower()
    return next((p for p in names if p.name.lower() == wanted_name and p.is_file()), None)


def blocks(record: Record, size: int) -> Iterator[Block]:
    """The record's one stretch as blocks of up to `size` samples, on the axis of the whole record.

    A sample for which any channel has no value is left out, and the block after it is a GAP.
    """
    if size < 1:
        raise ValueError(f"blocks of {size} samples; expected at least 1")
    for begin, end in _runs(record):
        for first in range(begin, end, size):
            after_gap = first == begin and begin > 0
            yield Block(
                record.layout,
                int(record.positions[first]),
                record.begin_us,
                record.counts[:, first : min(first + size, end)],
                Quality.GAP if after_gap else Quality.GOOD,
            )


def _runs(record: Record) -> Iterator[tuple[int, int]]:
    """Column ranges of samples that follow each other and have a value in every channel."""
    good = np.flatnonzero(~np.isnan(record.counts).any(axis=0))
    cuts = np.flatnonzero(np.diff(record.positions[good]) != 1) + 1
    for run in np.split(good, cuts):
        if run.size:
            yield int(run[0]), int(run[-1]) + 1


def quarter_cycle(record: Record) -> int:
    """Samples in a quarter of a cycle, the longest block that never delays a decision."""
    rate_hz = float(record.layout.rate_hz or 0)
    return max(1, int(rate_hz / (4 * (record.nominal_hz or _DEFAULT_HZ))))


class Found(NamedTuple):
    """Headers of records, each once; what lies there but cannot be a record; what is the same."""

    paths: list[Path]
    findings: list[str]
    notes: list[str]


def find(paths: Iterable[Path]) -> Found:
    """Every record among files and, however deep, in folders; sorted within each.

    A folder that has a record both as .cff and as .cfg with .dat gives it once, as the single
    file, of which no part can be missing or older; a file that is named is taken in any case.
    Raises: UsageError when a path does not exist or is a file that cannot belong to a record.
    """
    headers: dict[Path, Path] = {}
    found = Found([], [], [])
    for path in paths:
        for file in [path] if path.is_file() else _once(_below(path), found.notes):
            kind = file.suffix.lower()
            header = _beside(file, ".cfg") if kind == ".dat" else file
            if kind not in (".cfg", ".cff", ".dat"):
                if path.is_file():
                    expected = "a .cfg, .dat or .cff file, or a folder"
                    raise UsageError(str(file), "is no record", expected)
            elif header is None:
                lonely = f"{file}: samples without a header; expected {file.stem}.cfg"
                found.findings.append(lonely)
            else:
                headers.setdefault(header.resolve(), header)
    found.paths.extend(headers.values())
    return found


def _once(files: list[Path], notes: list[str]) -> list[Path]:
    """Files without those whose record lies beside them as a single file."""
    single = {_place(file): file for file in files if file.suffix.lower() == ".cff"}
    kept = []
    for file in files:
        whole = single.get(_place(file), file)
        if whole is file or file.suffix.lower() not in (".cfg", ".dat"):
            kept.append(file)
        elif file.suffix.lower() == ".cfg":
            notes.append(f"{file}: left out, {whole.name} beside it is the same record")
    return kept


def _place(file: Path) -> tuple[Path, str]:
    return file.parent, file.stem.lower()


def _below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(str(folder), "is neither file nor folder", "an existing one")
    # Links are not followed: they may lead round in a circle.
    tree = (Path(root) / name for root, _, names in os.walk(folder) for name in names)
    return sorted(tree)


def _oddities(record: Record) -> list[str]:
    """What is odd about a record that is played live: one rate, for a live source has but one."""
    rate_hz = float(record.layout.rate_hz or 0)
    played = [f"only the longest stretch, of {rate_hz:g} Hz, is played"] if record.others else []
    return [*record.findings, *played]


class Comtrade:
    """A record played as if it were live: the driver `comtrade` of the site file.

    path: header of the record; None: there is nothing to play, replay brings its own records.
    real_time: samples come when their instant has; else as fast as they are taken. loop: play it
    again and again, with a GAP at each joint. now_us: the monotonic clock that stamps them.
    """

    def __init__(
        self,
        *,
        name: str,
        path: Path | None,
        now_us: Callable[[], int],
        real_time: bool = True,
        loop: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._path = path
        self._now_us = now_us
        self._real_time = real_time
        self._loop = loop
        self._sleep = sleep

    async def stream(self) -> AsyncGenerator[Block | Notice, None]:
        """Blocks of a quarter cycle, then the notice that the record has ended.

        Raises: SensorError when there is no path, or no readable record there.
        """
        record = await self._record()
        begin_us = self._now_us()
        if odd := _oddities(record):
            yield Notice(self.name, begin_us, "live", "; ".join(odd))
        rounds = 0
        while True:
            shift = rounds * record.length
            for block in blocks(record, quarter_cycle(record)):
                joint = Quality.GAP if rounds and block.first == 0 else Quality.GOOD
                played = replace(
                    block,
                    first=block.first + shift,
                    start_us=begin_us,
                    quality=block.quality | joint,
                )
                await self._wait(played.sample_us(played.first + played.counts.shape[1]))
                yield played
            rounds += 1
            if not self._loop:
                break
        yield Notice(self.name, self._now_us(), "ended", f"record {record.stem}")

    async def _record(self) -> Record:
        if self._path is None:
            raise SensorError(
                f"sensor {self.name}",
                "has no path: only `ftu-agent replay` can feed it",
                "path = the .cfg file of a record",
            )
        try:
            record = await asyncio.to_thread(read, self._path)
        except RecordError as error:
            raise SensorError(f"sensor {self.name}", str(error), "a readable record") from error
        if not any(True for _ in _runs(record)):
            raise SensorError(f"sensor {self.name}", f"{self._path} has no whole sample", "samples")
        return replace(record, layout=replace(record.layout, sensor=self.name))

    async def _wait(self, due_us: int) -> None:
        """Until the instant, when there is a pace to keep; others get their turn in any case."""
        ahead_us = due_us - self._now_us() if self._real_time else 0
        await self._sleep(max(0, ahead_us) / 1e6)


def from_options(name: str, options: Mapping[str, object], now_us: Callable[[], int]) -> Comtrade:
    """The driver as its table in the site file asks for it: path, speed, loop.

    Raises: SensorError that names every option that cannot be taken.
    """
    path, speed = options.get("path"), options.get("speed", "real_time")
    loop = options.get("loop", False)
    wrong = [f"{key}: unknown" for key in options if key not in ("path", "speed", "loop")]
    if path is not None and not isinstance(path, str | Path):
        wrong.append(f"path = {path!r}: not a file name")
    if speed not in ("real_time", "fast"):
        wrong.append(f"speed = {speed!r}: neither real_time nor fast")
    if not isinstance(loop, bool):
        wrong.append(f"loop = {loop!r}: neither true nor false")
    if wrong:
        raise SensorError(f"sensor {name}", "; ".join(wrong), "path, speed and loop")
    return Comtrade(
        name=name,
        path=None if path is None else Path(str(path)),
        now_us=now_us,
        real_time=speed == "real_time",
        loop=bool(loop),
    )
