"""A record of ours decided on again: the very detection, from the very state that it had.

What `replay` does for records of any device stays in replay.py; here the notes of the record
(record_notes.py) take the place of every guess, so that the answer is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from agent.detect.detector import Detector
from agent.detect.settings import Settings
from agent.errors import RecordError
from agent.record_notes import Notes, read
from agent.records import Block, Event, Quality
from agent.sensors import comtrade
from agent.sensors.channels import ChannelUse
from agent.traces import Case

BLOCK = 512  # samples at once; detection does not depend on it


def notes_of(record: comtrade.Record) -> Notes | None:
    """The notes of a record; None: another device wrote it. Raises: RecordError."""
    notes = read(record.inf, record.stem) if record.inf else None
    if notes is not None and record.counts.shape[0] != len(notes.layout.channels):
        raise RecordError(
            record.stem,
            f"{record.counts.shape[0]} channels, its notes tell of {len(notes.layout.channels)}",
            "the samples as the recorder wrote them",
        )
    return notes


def load(path: Path) -> tuple[comtrade.Record, Notes]:
    """A record of ours. Raises: RecordError when it is none, or damaged."""
    record = comtrade.read(path)
    notes = notes_of(record)
    if notes is None:
        raise RecordError(str(path), "has no notes of a terminal", "a record that one wrote")
    return record, notes


def again(
    record: comtrade.Record,
    notes: Notes,
    settings: Mapping[str, Settings] | None = None,
    size: int = BLOCK,
) -> Iterator[Event]:
    """Events of the record, with instants since its first sample.

    settings: of each bay by its name, of those that are to be decided on by others.
    """
    wired = [(bay, (settings or {}).get(bay.name, own), taps) for bay, own, taps in notes.wired]
    detector = Detector(notes.layout, wired)
    for number, block in enumerate(blocks(record, notes, size)):
        if not number:
            detector.resume(notes.mark, block.sample_us(block.first))
        yield from detector.feed(block)


def blocks(record: comtrade.Record, notes: Notes, size: int = BLOCK) -> Iterator[Block]:
    """The samples as they once were fed: the same indices, instants and breaks."""
    indices = record.positions + notes.mark.index
    starts = np.array([index for index, _ in notes.axis])
    cuts = np.flatnonzero(np.diff(indices) != 1) + 1
    cuts = np.union1d(cuts, np.searchsorted(indices, [*starts[1:], *notes.breaks]))
    edges = [0, *(int(cut) for cut in cuts if 0 < cut < len(indices)), len(indices)]
    for begin, end in pairwise(edges):
        place = int(np.searchsorted(starts, indices[begin], "right")) - 1
        start_us = notes.axis[max(0, place)][1]
        broken = int(indices[begin]) in notes.breaks
        for first in range(begin, end, size):
            yield Block(
                notes.layout,
                int(indices[first]),
                start_us,
                record.counts[:, first : min(first + size, end)],
                Quality.GAP if broken and first == begin else Quality.GOOD,
            )


def cases(record: comtrade.Record, notes: Notes) -> Iterator[Case]:
    """The record as each of its bays sees it; of several only those that told something."""
    told = {event.bay for event in notes.told}
    for bay, _, taps in notes.wired:
        if bay.name not in told and len(notes.wired) > 1:
            continue
        stem = f"{record.stem}-{bay.name}" if len(told) > 1 else record.stem
        # A tap's scale holds the bay's ratios already.
        uses = {
            role: ChannelUse(role, tap.index, tap.scale / notes.layout.channels[tap.index].scale)
            for role, tap in taps.items()
        }
        yield Case(replace(record, stem=stem), uses, replace(bay, ct_ratio=1.0, vt_ratio=1.0))
