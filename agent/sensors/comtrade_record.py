"""A COMTRADE record understood: header and samples in, a Record with whole counts out.

One rule for amperes and volts: a channel's value is what the recorder wrote, scale * (count +
offset). A site's ratio multiplies it where that is not 1; the header's own primary and secondary
factors are told in `Record.ratios` and applied by nobody here. Files and pace stay out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agent.errors import RecordError
from agent.records import Channel, Layout
from agent.sensors.channel_names import phases
from agent.sensors.comtrade_cff import split
from agent.sensors.comtrade_cfg import MAX_RATE_HZ, MIN_RATE_HZ, Analog, Header, parse_header
from agent.sensors.comtrade_dat import Rows, parse_rows
from agent.sensors.comtrade_text import decode
from agent.sensors.comtrade_time import Clock

Counts = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

# Samples must be whole numbers below this, for the front end's sums of squares over two windows
# of 1,024 to be exact; a finer record is rounded to a millionth of its peak.
LARGEST_COUNT = 1 << 20
_DECIMALS = 6
# 100,000.1 * 10 misses the whole number by 1e-10; a real seventh decimal is larger than this.
_NO_FRACTION = 1e-9
# More than this between the header's rate and the time stamps is worth a word.
RATE_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Ratio:
    """A channel's transformer as the header states it, and the side ("P", "S") of its values."""

    primary: float
    secondary: float
    side: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record, read and understood; all its samples are of one rate.

    layout: channels that carry values, in the file's order; the rate; `sensor` is the stem.
    ratios: one for each channel. counts: (channels, n), whole numbers in float64, NaN where the
    recorder marked no value. positions: (n,), index of each sample since the first; a jump is a
    gap. statuses: (status channels, n). start, trigger: as written by the recorder; trigger_us:
    the trigger's instant since the first sample of all. clock: what stamped them.
    begin_us: instant of the first sample here since the first of all. others: where the rate
    changes, the shorter stretches of other rates, this one being the longest.
    findings: what is odd and was taken, or left out, all the same. inf: what the recorder says
    besides (.inf), as it is.
    """

    stem: str
    station: str
    device: str
    revision: int
    layout: Layout
    ratios: tuple[Ratio, ...]
    counts: Counts
    positions: Positions
    status_names: tuple[str, ...]
    statuses: Flags
    nominal_hz: float | None
    start: str
    trigger: str
    findings: tuple[str, ...]
    trigger_us: int | None = None
    clock: Clock = field(default_factory=Clock)
    begin_us: int = 0
    others: tuple[Record, ...] = ()
    inf: str = ""

    @property
    def length(self) -> int:
        """Samples from the first to the last, missing ones counted in."""
        return int(self.positions[-1]) + 1

    @property
    def stretches(self) -> tuple[Record, ...]:
        """The whole record in order of time, a stretch for each rate."""
        return tuple(sorted((self, *self.others), key=lambda stretch: stretch.begin_us))

    def with_contact(self, status: int) -> Record:
        """The same with a status channel as its last channel, 0 or 1, in every stretch."""
        return replace(
            self,
            layout=replace(
                self.layout,
                channels=(*self.layout.channels, Channel(self.status_names[status], "")),
            ),
            ratios=(*self.ratios, Ratio(1.0, 1.0, "P")),
            counts=np.concatenate((self.counts, self.statuses[status : status + 1])),
            others=tuple(other.with_contact(status) for other in self.others),
        )


def parse(cfg: bytes, dat: bytes, cfg_name: str, dat_name: str) -> Record:
    """The record in the bytes of its two files, whose names stand in errors.

    Raises: RecordError.
    """
    header = parse_header(cfg, cfg_name)
    return _understood(header, parse_rows(header, dat, dat_name), Path(cfg_name).stem, dat_name)


def parse_single(data: bytes, name: str) -> Record:
    """The record in the bytes of a single file (.cff), whose name stands in errors.

    Raises: RecordError.
    """
    sections = split(data, name)
    header = parse_header(sections.cfg, name, sections.cfg_line)
    # BINARY may stand for every binary encoding; the header's word is the exact one.
    binary = sections.encoding == "BINARY" and header.encoding != "ASCII"
    if not binary and sections.encoding not in ("", header.encoding):
        what = f"samples are {sections.encoding}, the header says {header.encoding}"
        raise RecordError(f"{name} line {sections.dat_line - 1}", what, "one and the same encoding")
    rows = parse_rows(header, sections.dat, name, sections.dat_line)
    record = _understood(header, rows, Path(name).stem, name)
    findings = (*sections.findings, *record.findings)
    return replace(record, findings=findings, inf=decode(sections.inf))


def _understood(header: Header, rows: Rows, stem: str, dat_name: str) -> Record:
    """Header and samples brought together; the findings are those of the whole record."""
    positions, odd = _positions(rows, header)
    findings = [*header.findings, *rows.findings, *odd]
    stretches = _stretches(header, rows, positions, dat_name)
    for stretch in stretches:
        findings += _rate_doubts(stretch, header)
    useful, left_out = _useful(header, rows)
    findings += left_out
    phase_fields = phases([analog.phase for analog in header.analogs])
    whole = [_whole(rows.values[k]) for k in useful]
    channels = [
        _channel(header.analogs[k], phase_fields[k], step)
        for k, (_, step) in zip(useful, whole, strict=True)
    ]
    findings += _oddities(header, useful, [step for _, step in whole])
    if len(stretches) > 1:
        findings.append(f"the rate changes: {_told(stretches)}; each stretch by itself")
    everything = Record(
        stem=stem,
        station=header.station,
        device=header.device,
        revision=header.revision,
        layout=Layout(stem, tuple(channels), stretches[0].rate_hz),
        ratios=tuple(
            Ratio(analog.primary, analog.secondary, analog.side)
            for analog in (header.analogs[k] for k in useful)
        ),
        counts=np.array([counts for counts, _ in whole]).reshape(len(useful), len(positions)),
        positions=positions,
        status_names=header.status_names,
        statuses=rows.statuses,
        nominal_hz=header.nominal_hz,
        start=header.start,
        trigger=header.trigger,
        findings=(),
        trigger_us=header.trigger_us,
        clock=header.clock,
    )
    parts = [_part(everything, stretch) for stretch in stretches]
    longest = max(parts, key=lambda part: part.length)
    others = tuple(part for part in parts if part is not longest)
    return replace(longest, findings=tuple(findings), others=others)


class _Stretch(NamedTuple):
    """Neighbouring samples of one rate.

    columns: of the rows; positions, stamps: theirs; begin: instant of the first, since the
    record's first. [s]
    """

    columns: slice
    positions: Positions
    stamps: Counts
    rate_hz: Fraction
    begin: Fraction


def _stretches(header: Header, rows: Rows, positions: Positions, name: str) -> list[_Stretch]:
    """The record cut where its rate changes.

    Between the last sample of one rate and the first of the next lies one period of the next: a
    sample closes the period that its own rate gives it. Samples beyond the last number told are of
    the last rate. Raises: RecordError when stamps must tell a rate and do not.
    """
    ends = [int(np.searchsorted(positions, section.last)) for section in header.sections[:-1]]
    found: list[_Stretch] = []
    for section, first, end in zip(
        header.sections, [0, *ends], [*ends, len(positions)], strict=True
    ):
        if end == first:
            continue
        columns = slice(first, end)
        own, stamps = positions[columns], rows.stamps[columns]
        rate_hz = section.rate_hz or _rate_of_stamps(stamps, own - own[0], header, name)
        begin = Fraction(0)
        if found:
            last = found[-1]
            steps = int(last.positions[-1] - last.positions[0])
            begin = last.begin + steps / last.rate_hz
            begin += int(own[0] - last.positions[-1]) / rate_hz
        found.append(_Stretch(columns, own, stamps, rate_hz, begin))
    return found


def _part(everything: Record, stretch: _Stretch) -> Record:
    layout = everything.layout
    return replace(
        everything,
        layout=Layout(layout.sensor, layout.channels, stretch.rate_hz),
        counts=everything.counts[:, stretch.columns],
        positions=stretch.positions - stretch.positions[0],
        statuses=everything.statuses[:, stretch.columns],
        begin_us=round(stretch.begin * 1_000_000),
    )


def _told(stretches: list[_Stretch]) -> str:
    shown = [f"{float(s.rate_hz):g} Hz from {float(s.begin):.6g} s" for s in stretches[:6]]
    return ", ".join(shown) + (f" and {len(stretches) - 6} more" if len(stretches) > 6 else "")


def _useful(header: Header, rows: Rows) -> tuple[list[int], list[str]]:
    """Places of the channels that carry something, and a line for each that does not."""
    useful, findings = [], []
    for k, (analog, values) in enumerate(zip(header.analogs, rows.values, strict=True)):
        if np.isnan(values).all():
            why = "every sample is marked as missing"
        elif analog.scale == 0:
            why = "its multiplier a is 0"
        else:
            useful.append(k)
            continue
        findings.append(f"channel {analog.name} is left out: {why}")
    return useful, findings


def _channel(analog: Analog, phase: str, step: float) -> Channel:
    scale = analog.scale * step
    return Channel(analog.name, analog.unit, scale, analog.offset / scale, phase)


def _oddities(header: Header, useful: list[int], steps: list[float]) -> list[str]:
    """What is unusual about the channels taken, at most a line for each kind."""
    findings = []
    analogs = [header.analogs[k] for k in useful]
    odd = [a.name for a, step in zip(analogs, steps, strict=True) if step != 1]
    if odd and header.encoding != "FLOAT32":  # where fractions are what it is for
        findings.append(f"samples of {_some(odd)} are no whole numbers of up to 20 bits; scaled")
    skewed = max((abs(a.skew_us) for a in analogs), default=0.0)
    if skewed:
        findings.append(f"channels are skewed by up to {skewed:g} us; not corrected")
    return findings


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _whole(values: Counts) -> tuple[Counts, float]:
    """Values as whole numbers below LARGEST_COUNT, and the step that turns these into values.

    Decimal fractions keep every digit where there is room; else the step is a power of two.
    """
    peak = float(np.nanmax(np.abs(values)))
    for decimals in range(_DECIMALS + 1):
        scaled = values * 10.0**decimals
        whole = np.rint(scaled)
        if peak * 10.0**decimals > LARGEST_COUNT:
            break
        if np.nanmax(np.abs(scaled - whole)) < _NO_FRACTION:
            return whole, 10.0**-decimals
    step = float(2.0 ** np.ceil(np.log2(peak / LARGEST_COUNT)))
    return np.rint(values / step), step


def _positions(rows: Rows, header: Header) -> tuple[Positions, list[str]]:
    """Index of each sample since the first, by the sample numbers where these can be trusted."""
    count = rows.numbers.shape[0]
    consecutive = np.arange(count, dtype=np.int64)
    steps = np.diff(rows.numbers)
    if count < 2 or np.isnan(steps).any() or (steps == steps[0]).all():
        return consecutive, []
    jumps = int(rows.numbers[-1] - rows.numbers[0]) + 1 - count
    # A damaged number must not make years of a second.
    believable = jumps < max(header.last_sample, count)
    if not believable or (steps < 1).any() or (steps % 1).any() or 2 * (steps == 1).sum() < count:
        return consecutive, ["sample numbers do not rise one by one; taken as consecutive"]
    positions = (rows.numbers - rows.numbers[0]).astype(np.int64)
    return positions, [f"{jumps} samples are missing by their numbers: a gap"]


def _rate_of_stamps(stamps: Counts, positions: Positions, header: Header, name: str) -> Fraction:
    """The rate [Hz] by time stamps that are uniform, but for their own rounding.

    Raises: RecordError when they are absent or not uniform.
    """
    expected = "uniform time stamps, since the header states no rate"
    if stamps.shape[0] < 2 or np.isnan(stamps).any():
        raise RecordError(name, "time stamps are missing", expected)
    span, samples = float(stamps[-1] - stamps[0]), int(positions[-1])
    if span <= 0:
        raise RecordError(name, "time stamps do not rise", expected)
    off = np.abs(stamps - stamps[0] - positions * (span / samples))
    if off.max() > 1.0:  # each stamp may be rounded or cut to its unit
        row = int(off.argmax())
        raise RecordError(
            name, f"sample {row + 1} is {off[row]:.3g} units of time beside an even step", expected
        )
    rate = _simplest(samples, Fraction(span), header.stamp_unit_us)
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise RecordError(name, f"time stamps tell {float(rate):g} Hz", "1 Hz to 10 MHz")
    return rate


def _simplest(samples: int, span: Fraction, unit_us: Fraction) -> Fraction:
    """The roundest rate that the stamps allow, since each end may be rounded by half a unit."""
    exact = samples * 1_000_000 / (span * unit_us)
    slack = exact / span
    for denominator in (1, 10, 100, 1000):
        rate = Fraction(round(exact * denominator), denominator)
        if abs(rate - exact) <= slack:
            return rate
    return exact


def _rate_doubts(stretch: _Stretch, header: Header) -> list[str]:
    """A word where the time stamps contradict the header's rate, which is followed.

    The standard prefers the rate: stamps are whole units, and often roll over.
    """
    span_us = float(stretch.stamps[-1] - stretch.stamps[0]) * float(header.stamp_unit_us)
    if not span_us > 0:
        return []
    told_hz = float(stretch.positions[-1] - stretch.positions[0]) * 1e6 / span_us
    rate_hz = float(stretch.rate_hz)
    if abs(told_hz / rate_hz - 1) <= RATE_TOLERANCE:
        return []
    return [f"time stamps tell {told_hz:g} Hz, the header's {rate_hz:g} Hz is followed"]
