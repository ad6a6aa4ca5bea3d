"""Waveform records at a consumer, on disk: parts as they come, whole ones as COMTRADE.

    FOLDER/SITE/NODE/NAME.cff     byte for byte the terminal's own file
    FOLDER/SITE/NODE/NAME.ftuw    instead: packed bytes that this version cannot open
    FOLDER/.parts/...             parts of records that are not whole yet

A part is on disk before its record is acknowledged, so a consumer that is killed in the middle goes
on where it was. What is never completed takes no more room than the assembler's limits.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.errors import RecordError
from agent.store import cbor, disk, entry
from agent.store.entries import Key
from agent.uplink.consumer import Delivered, Received
from agent.uplink.waveforms import LANE, Assembler, Torn, Whole
from agent.waveform import comtrade, opened

PARTS = ".parts"


class WaveFolder:
    """One consumer's folder. Raises: StoreError, here and below, when the disk refuses.

    untold: lines about what was whole before the first batch.
    """

    def __init__(self, folder: Path, assembler: Assembler | None = None) -> None:
        self._folder = folder
        self._parts = folder / PARTS
        self._assembler = assembler or Assembler()
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk.refused(folder, "cannot be used", error) from error
        self.untold = [line for part in self._kept() for line in self._take(part)]

    def take(self, batch: Sequence[Delivered]) -> list[str]:
        """Keep what a batch brings of waveforms; a line for each record that is whole, or torn.

        The caller commits the batch when this has returned.
        """
        lines, self.untold = self.untold, []
        parts = [each for each in batch if isinstance(each, Received) and _is_part(each)]
        for part in parts:
            self._keep(part)
        if parts:
            self._flush()
        for each in batch:
            lines += self._take(each)
        return lines

    def _take(self, delivered: Delivered) -> list[str]:
        try:
            lines = [self._told(result) for result in self._assembler.take(delivered)]
        except RecordError as error:
            lines = [str(error)]
        if isinstance(delivered, Received) and _is_part(delivered):
            place = delivered.site, delivered.key.node, delivered.key.epoch
            if not self._assembler.waits_with(place, delivered.key.seq):
                self._forget(self._place(delivered))
        return lines

    def _told(self, result: Whole | Torn) -> str:
        where = f"{result.site}/{result.node}"
        if isinstance(result, Whole):
            told = f"{where}: {self._write(result)}"
        else:
            told = f"{where}: {result.name} will not become whole: {result.why}"
        for seq in range(result.first, result.last + 1):
            self._forget(self._file(result.site, result.node, result.epoch, seq))
        return told

    def _write(self, whole: Whole) -> Path:
        """Its file, whole or not there at all."""
        folder = self._folder / whole.site / whole.node
        try:
            data, extension = comtrade(opened(whole.data))[".cff"], ".cff"
        except RecordError:
            data, extension = whole.data, ".ftuw"
        path = folder / f"{whole.name}{extension}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            disk.replace_file(path, data)
        except OSError as error:
            raise disk.refused(path, "cannot be written", error) from error
        return path

    # Parts that wait.

    def _keep(self, part: Received) -> None:
        place = self._place(part)
        key = part.key
        told = [part.site, key.node, key.epoch, key.seq, part.entry]
        try:
            with place.open("wb") as file:
                file.write(cbor.dumps(told))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise disk.refused(place, "cannot be written", error) from error

    def _kept(self) -> Iterator[Received]:
        """What a listener before this one left; a file that a power cut tore is none."""
        for place in sorted(self._parts.iterdir()):
            try:
                site, node, epoch, seq, logged = cbor.loads(place.read_bytes())
                entry.check(logged)
                yield Received(site, Key(node, epoch, LANE, seq), logged, 0)
            except (OSError, RecordError, ValueError, TypeError):
                self._forget(place)

    def _place(self, part: Received) -> Path:
        return self._file(part.site, part.key.node, part.key.epoch, part.key.seq)

    def _file(self, site: str, node: str, epoch: int, seq: int) -> Path:
        return self._parts / f"{site}.{node}.{epoch}.{seq:020d}"

    def _flush(self) -> None:
        try:
            disk.sync_directory(self._parts)
        except OSError as error:
            raise disk.refused(self._parts, "cannot be brought to disk", error) from error

    def _forget(self, place: Path) -> None:
        with contextlib.suppress(OSError):
            place.unlink()


def _is_part(delivered: Received) -> bool:
    return delivered.key.lane == LANE and delivered.entry[entry.TYPE] == entry.WAVE
