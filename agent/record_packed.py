"""A record of the folder as it travels: read from disk, packed, cut into the entries of lane w.

What a consumer makes of them: uplink/waveforms.py, waveform.py.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from agent import wave_vectors
from agent.clock import Stamp
from agent.errors import RecordError
from agent.record_notes import Notes
from agent.record_replay import load
from agent.record_sheet import in_words
from agent.recorder import cause
from agent.sensors import comtrade
from agent.store import entries
from agent.uplink import wave_channel, wave_pack
from agent.waveform import NOTES_PARTED

# With its name, its stamp and the envelope a message of one part stays below the 2 KiB that are
# sent on a slow link.
BODY_BYTES = 1800


def packed(path: Path) -> bytes:
    """The record in the file `path`. Raises: RecordError when it is none of ours, or too large."""
    record, notes = load(path)
    event = cause(notes.told)
    rate = notes.layout.rate_hz
    if rate is None or not _is_exact(record, notes):
        raise RecordError(
            str(path), "lacks samples, or they are rounded", "a record as the terminal wrote it"
        )
    nominal_hz = round(record.nominal_hz or 50)
    head = {
        "station": record.station,
        "bay": event.bay,
        "boot": notes.stamp.boot,
        "mono_us": notes.stamp.mono_us,
        "utc_us": notes.stamp.utc_us,
        "source": notes.stamp.source,
        "error_us": 0 if notes.stamp.error_us is None else notes.stamp.error_us + 1,
        "trigger_us": event.t_us,
        "local_offset_min": record.clock.local_offset_min or 0,
        "nominal_hz": nominal_hz,
        "rate_numerator": rate.numerator,
        "rate_denominator": rate.denominator,
        "tuned": wave_channel.tuned_to((rate.numerator, rate.denominator), nominal_hz),
        "origin": notes.mark.index,
    }
    channels = [
        (c.name, c.phase, c.unit, entries.exact(c.scale), entries.exact(c.offset))
        for c in notes.layout.channels
    ]
    told = zlib.compress((record.inf + NOTES_PARTED + in_words(notes)).encode(), 9)
    try:
        return wave_pack.pack(
            head,
            list(_runs(record, notes)),
            channels,
            record.counts.astype(np.int64),
            told,
            wave_vectors.pack,
        )
    except ValueError as error:
        raise RecordError(str(path), str(error)) from error


def parts(name: str, data: bytes, stamp: Stamp) -> Iterator[list[Any]]:
    """The entries of lane w that carry the packed record `name`, in order."""
    number = -(-len(data) // BODY_BYTES)
    for part in range(number):
        values: dict[str, Any] = {
            "of_record": name,
            "part": part,
            "parts": number,
            "body": data[part * BODY_BYTES : (part + 1) * BODY_BYTES],
        }
        if part == number - 1:
            values["digest"] = hashlib.sha256(data).digest()
        yield entries.wave_entry(stamp, values)


def _is_exact(record: comtrade.Record, notes: Notes) -> bool:
    """Whether these are the samples that the terminal had: a reader rounds what is beyond the
    front end's own counts (comtrade_record.py), which shows in the scales.
    """
    scales = [channel.scale for channel in record.layout.channels]
    own = [channel.scale for channel in notes.layout.channels]
    return scales == own and bool(np.isfinite(record.counts).all())


def _runs(record: comtrade.Record, notes: Notes) -> Iterator[wave_pack.Run]:
    """Where samples are missing, or the axis of time is another one, a run begins."""
    indices = record.positions + notes.mark.index
    begins = np.array([index for index, _ in notes.axis])
    gaps = np.flatnonzero(np.diff(indices) != 1) + 1
    turns = np.searchsorted(indices, begins[1:])
    edges = [0, *sorted({int(edge) for edge in (*gaps, *turns) if 0 < edge < len(indices)})]
    expected = notes.mark.index
    for begin, end in pairwise([*edges, len(indices)]):
        first = int(indices[begin])
        place = max(0, int(np.searchsorted(begins, first, "right")) - 1)
        yield first - expected, end - begin, notes.axis[place][1]
        expected = first + end - begin
