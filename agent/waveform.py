"""A packed waveform record opened: samples, channels and clock as numbers, and its COMTRADE files.

waveform = opened(result.data)    # of a Whole that uplink/waveforms.py put together
comtrade(waveform)                # byte for byte the terminal's own file
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from agent import wave_vectors
from agent.clock import Stamp
from agent.errors import RecordError
from agent.records import Channel, Layout
from agent.sensors.comtrade_cfg import MAX_COUNT, MAX_RATE_HZ, MIN_RATE_HZ, MIN_SCALE
from agent.sensors.comtrade_write import Sheet, files, single
from agent.uplink import wave_pack

# Notes inflated: ten times the most that any record had.
MOST_TEXT = 4 << 20
NOTES_PARTED = "\f"  # between the information file and the text for people
# 9999-12-31, where the calendar of the files ends.
_LAST_US = 253_402_300_799_000_000
_SEPARATOR = re.compile(r"\s*---")


@dataclass(frozen=True, slots=True)
class Waveform:
    """A record as it was measured.

    layout: channels, scales, rate. counts: (channels, n). runs: samples missing before, samples,
    instant of the stream's index 0 since the first sample [us]; the first sample has the index
    `origin`. stamp: of the first sample; trigger_us: after it. notes: what the terminal says
    besides, lines of the information file, and hdr, text for people; empty where there is none.
    """

    station: str
    bay: str
    layout: Layout
    nominal_hz: int
    stamp: Stamp
    trigger_us: int
    local_offset_min: int
    origin: int
    runs: tuple[wave_pack.Run, ...]
    counts: npt.NDArray[np.int32] = field(repr=False)
    notes: Sequence[str] = field(repr=False)
    hdr: str = field(repr=False)


def opened(data: bytes) -> Waveform:
    """The record in packed bytes. Raises: RecordError for anything else."""
    try:
        head, runs, channels, rows, told = wave_pack.unpack(data, wave_vectors.unpack)
        rate = Fraction(head["rate_numerator"], head["rate_denominator"])
        error_us = head["error_us"] - 1 if head["error_us"] else None
        stamp = Stamp(head["boot"], head["mono_us"], head["utc_us"], head["source"], error_us)
        _check_instants(head, runs, rate)
        layout = Layout("waveform", tuple(_channel(each) for each in channels), rate)
        notes, hdr = _texts(told)
    except (ValueError, OverflowError, zlib.error) as error:
        raise RecordError("waveform", str(error), "a packed record") from error
    return Waveform(
        station=head["station"],
        bay=head["bay"],
        layout=layout,
        nominal_hz=head["nominal_hz"],
        stamp=stamp,
        trigger_us=head["trigger_us"],
        local_offset_min=head["local_offset_min"],
        origin=head["origin"],
        runs=tuple(runs),
        counts=np.array(rows, dtype=np.int32),
        notes=notes,
        hdr=hdr,
    )


def comtrade(waveform: Waveform, revision: int = 2013) -> dict[str, bytes]:
    """Its files by their extensions: .cff of 2013, or .cfg, .dat, .inf and .hdr of 1999."""
    counts, positions = [], []
    begin = position = 0
    for missing, samples, _ in waveform.runs:
        position += missing
        counts.append(waveform.counts[:, begin : begin + samples])
        positions.append(position)
        begin, position = begin + samples, position + samples
    sheet = Sheet(
        stem="waveform",
        station=waveform.station,
        layout=waveform.layout,
        nominal_hz=waveform.nominal_hz,
        counts=counts,
        positions=positions,
        origin=waveform.origin,
        starts_us=[start_us for _, _, start_us in waveform.runs],
        begin=waveform.stamp,
        trigger_us=waveform.trigger_us,
        offset_min=waveform.local_offset_min,
        inf=waveform.notes,
        hdr=waveform.hdr,
    )
    return {".cff": b"".join(single(sheet))} if revision == 2013 else files(sheet)


def _check_instants(head: wave_pack.Head, runs: Sequence[wave_pack.Run], rate: Fraction) -> None:
    """Raises: ValueError for what a COMTRADE file has no room for."""
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise ValueError(f"rate of {float(rate):g} Hz; expected {MIN_RATE_HZ} to {MAX_RATE_HZ}")
    for instant_us in (head["utc_us"], head["utc_us"] + head["trigger_us"]):
        if not 0 <= instant_us <= _LAST_US:
            raise ValueError(f"UTC {instant_us} us; expected 1970 to 9999")
    index = head["origin"]
    for missing, samples, start_us in runs:
        first, index = index + missing, index + missing + samples
        for each in (first, index - 1):
            stamp_us = start_us + each * 1_000_000 // rate
            if not 0 <= stamp_us < 1 << 32:
                raise ValueError(f"a sample at {stamp_us} us; expected 0 to {(1 << 32) - 1}")


def _channel(packed: wave_pack.Channel) -> Channel:
    name, phase, unit, scale, offset = packed
    factor, counts = _float(*scale), _float(*offset)
    fits = not factor or MIN_SCALE <= abs(factor) <= 1 / MIN_SCALE
    if not fits or abs(counts) > MAX_COUNT:  # whoever reads the file would refuse it
        raise ValueError(f"scale {factor:g}, offset {counts:g}; expected what a file can say")
    return Channel(name, unit, factor, counts, phase)


def _float(mantissa: int, exponent: int) -> float:
    if abs(mantissa) > 1 << 53 or not -1074 <= exponent <= 971:
        raise ValueError(f"{mantissa} * 2^{exponent}; expected a float64")
    return math.ldexp(mantissa, exponent)


def _texts(told: bytes) -> tuple[list[str], str]:
    """Lines of the information file, and the text for people. Raises: ValueError, zlib.error."""
    if not told:
        return [], ""
    inflating = zlib.decompressobj()
    text = inflating.decompress(told, MOST_TEXT).decode()
    if not inflating.eof or inflating.unused_data:
        raise ValueError(f"notes of more than {MOST_TEXT} bytes, or cut off; expected a whole text")
    notes, _, hdr = text.partition(NOTES_PARTED)
    lines = notes.splitlines()
    if any(_SEPARATOR.match(line) for line in (*lines, *hdr.splitlines())):
        raise ValueError("notes with a line of their own file's separators; expected none")
    return lines, hdr
