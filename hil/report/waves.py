"""A terminal's record as the page draws it: panels of curves, thinned and packed for its script.

A curve is held twice where it is long: the whole of it as the least and largest values of groups of
samples, and the part around the onset as it is. Packed: values in steps of 1/2000 of its peak,
second differences (a sine's are small), zigzag, seven bits a byte, Base64.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.comtrade import Sheet

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
View = tuple[float, float]  # from, to; seconds of the record

# Of one curve: more than a wide screen has dots, and 7 kB of the page.
WHOLE_POINTS = 1200
NEAR_POINTS = 2400
_RMS_POINTS = 600
_LEVELS = 2000  # of a peak; a panel is 100 dots high on either side
_CONTACTS = 10  # that move, which are drawn
_PHASES = ("a", "b", "c")
_COMMON = "0"


@dataclass(frozen=True, slots=True)
class Curve:
    """A quantity over time. part: "a", "b", "c", or "0" for what all three phases make."""

    name: str
    part: str
    values: Array


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves that share an axis. unit: "A" or "V", primary and instantaneous."""

    title: str
    unit: str
    curves: Sequence[Curve]


@dataclass(frozen=True, slots=True)
class Drawn:
    """data: for the page's script. notes: what was left out of it, in words."""

    data: Mapping[str, Any]
    notes: Sequence[str] = field(default=())


def panels(sheet: Sheet) -> list[Panel]:
    """Phase currents, 3I0, phase voltages, U0, load side: what there is of them.

    3I0 and U0 are those of their own channel, else the sum and a third of the sum of the phases.
    """
    values = {a.name: sheet.counts[row] * a.scale for row, a in enumerate(sheet.analogs)}
    found = [
        Panel("phase currents", "A", _of(values, "i{}")),
        Panel("residual current 3I0", "A", _common(values, "i", "3I0", 1.0)),
        Panel("phase voltages", "V", _of(values, "u{}")),
        Panel("neutral voltage U0", "V", _common(values, "u", "U0", 1 / 3)),
        Panel("load-side voltages", "V", _of(values, "u_load_{}")),
        *_others(sheet, values),
    ]
    return [panel for panel in found if panel.curves]


def _of(values: Mapping[str, Array], pattern: str) -> list[Curve]:
    names = {part: pattern.format(part) for part in _PHASES}
    return [Curve(name, part, values[name]) for part, name in names.items() if name in values]


def _common(values: Mapping[str, Array], letter: str, name: str, share: float) -> list[Curve]:
    if f"{letter}0" in values:
        return [Curve(name, _COMMON, values[f"{letter}0"])]
    phases = [values[f"{letter}{part}"] for part in _PHASES if f"{letter}{part}" in values]
    if len(phases) < len(_PHASES):
        return []
    how = " + ".join(f"{letter}{part}" for part in _PHASES)
    title = f"{name} = {how}" if share == 1 else f"{name} = ({how}) / 3"
    return [Curve(title, _COMMON, share * np.sum(phases, axis=0))]


def _others(sheet: Sheet, values: Mapping[str, Array]) -> Iterator[Panel]:
    """Channels that serve no role known here are drawn too, each by itself."""
    known = {f"{letter}{part}" for letter in ("i", "u", "u_load_") for part in (*_PHASES, _COMMON)}
    for analog in sheet.analogs:
        if analog.name not in known:
            part = analog.phase.lower() if analog.phase.lower() in _PHASES else _COMMON
            yield Panel(analog.name, analog.unit, [Curve(analog.name, part, values[analog.name])])


def rms(wave: Array, cycle: float) -> Array:
    """RMS of the fundamental over the cycle that ends at each sample; NaN while the first fills.

    cycle: samples in it. Source: Fourier's coefficient over one period.
    """
    window = max(2, round(cycle))
    envelope = np.full(wave.shape, np.nan)
    if wave.shape[0] >= window:
        turned = wave * np.exp(-2j * np.pi / cycle * np.arange(wave.shape[0]))
        total = np.cumsum(np.concatenate(([0], turned)))
        envelope[window - 1 :] = np.abs(total[window:] - total[:-window]) * 2**0.5 / window
    return envelope


def drawn(sheet: Sheet, near: View) -> Drawn:
    """The record for the page. near: what is held sample by sample where the whole is not."""
    length = sheet.counts.shape[1]
    if length == 0:
        return Drawn({}, ["the record is empty"])
    spans = _spans(sheet, near)
    notes = [_thinning(span, sheet.rate_hz) for span in spans if span[2] > 1]
    moving = _moving(sheet)
    if len(moving) > _CONTACTS:
        notes.append(f"{_CONTACTS} of {len(moving)} contacts that move are drawn")
    data = {
        "rate": sheet.rate_hz,
        "length": length,
        "spans": [{"first": first, "count": count, "group": g} for first, count, g in spans],
        "panels": [_packed_panel(panel, sheet, spans) for panel in panels(sheet)],
        "contacts": moving[:_CONTACTS],
    }
    return Drawn(data, notes)


Span = tuple[int, int, int]  # first sample, samples, samples in a group


def _spans(sheet: Sheet, near: View) -> list[Span]:
    length = sheet.counts.shape[1]
    if length <= NEAR_POINTS:
        return [(0, length, 1)]
    begin = min(max(0, int(near[0] * sheet.rate_hz)), length - 1)
    end = min(max(begin + 1, int(near[1] * sheet.rate_hz) + 1), length)
    return [
        (0, length, _group(length, WHOLE_POINTS)),
        (begin, end - begin, _group(end - begin, NEAR_POINTS)),
    ]


def _group(samples: int, points: int) -> int:
    """Samples whose least and largest are drawn in place of them; 1: all are drawn."""
    return 1 if samples <= points else -(-2 * samples // points)


def _thinning(span: Span, rate_hz: int) -> str:
    first, count, group = span
    return (
        f"{first / rate_hz:.3f} to {(first + count) / rate_hz:.3f} s: {count} samples of a curve "
        f"drawn as {2 * -(-count // group)} points, the least and the largest of each {group}"
    )


def _packed_panel(panel: Panel, sheet: Sheet, spans: Sequence[Span]) -> dict[str, Any]:
    curves = [_packed_curve(curve, sheet, spans) for curve in panel.curves]
    return {"title": panel.title, "unit": panel.unit, "curves": curves}


def _packed_curve(curve: Curve, sheet: Sheet, spans: Sequence[Span]) -> dict[str, Any]:
    step = float(np.max(np.abs(curve.values))) / _LEVELS or 1.0
    steps = np.rint(curve.values / step).astype(np.int64)
    cycle = sheet.rate_hz / sheet.nominal_hz
    envelope = rms(curve.values, cycle) / step
    return {
        "name": curve.name,
        "part": curve.part,
        "step": step,
        "tiers": [_tier(steps, span) for span in spans],
        "rms": [_packed_rms(envelope, span, cycle) for span in spans],
    }


def _packed_rms(envelope: Array, span: Span, cycle: float) -> dict[str, Any]:
    """Eight values a cycle at most, from where a first cycle is full."""
    first, count, _ = span
    begin = max(first, max(2, round(cycle)) - 1)
    stride = max(1, int(cycle // 8), -(-count // _RMS_POINTS))
    held = np.rint(envelope[begin : first + count : stride]).astype(np.int64)
    return {"first": begin, "stride": stride, "values": packed(held)}


def _tier(steps: Ints, span: Span) -> list[str]:
    """All values; or of each group the least, and the largest."""
    first, count, group = span
    part = steps[first : first + count]
    if group == 1:
        return [packed(part)]
    starts = np.arange(0, count, group)
    return [packed(np.minimum.reduceat(part, starts)), packed(np.maximum.reduceat(part, starts))]


def packed(values: Ints) -> str:
    """See the top of this file; page.js unpacks it."""
    bent = np.diff(values, n=2, prepend=[0, 0])
    bent[1:2] = values[1:2] - 2 * values[0:1]
    words = np.where(bent < 0, -2 * bent - 1, 2 * bent)
    most = -(-int(words.max(initial=1)).bit_length() // 7)  # bytes of the longest word
    lengths = np.ones(words.shape, dtype=np.int64)
    for k in range(1, most):
        lengths += words >> 7 * k > 0
    starts = np.cumsum(lengths) - lengths
    out = np.zeros(int(lengths.sum()), dtype=np.uint8)
    for k in range(most):
        some = lengths > k
        more = np.where(lengths[some] > k + 1, 128, 0)
        out[starts[some] + k] = words[some] >> 7 * k & 127 | more
    return base64.b64encode(out.tobytes()).decode()


def _moving(sheet: Sheet) -> list[dict[str, Any]]:
    """Contacts that change: name, and the stretches [s] in which each is closed."""
    found = []
    for name, states in zip(sheet.statuses, sheet.states, strict=True):
        if states.any() and not states.all():
            turns = np.flatnonzero(np.diff(states.astype(np.int8), prepend=0, append=0))
            closed = (turns.reshape(-1, 2) / sheet.rate_hz).tolist()
            found.append({"name": name, "closed": closed})
    return found
