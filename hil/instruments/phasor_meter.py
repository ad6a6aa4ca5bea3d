"""What a multifunction meter would say of a recording: RMS, P, Q, f and states, refreshed in steps.

Computed beforehand, so that playing it in real time costs nothing. Written from the definitions of
IEC 61557-12 and IEEE 1459, not from the product's own measuring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hil.case import Recording, States
from hil.errors import CaseError

Array = npt.NDArray[np.float64]

PHASES = "abc"
# Frequency takes so many cycles (IEC 61000-4-30 class A: ten); less is noise, more is late.
FREQUENCY_CYCLES = 10
# Below this share of the highest voltage there is nothing to count cycles of: meters then say 0.
DEAD_SHARE = 0.05
FOLLOWS_SWITCH = "52a"
_TURN = np.exp(2j * np.pi / 3)  # of the space vector (Clarke): 120 degrees


@dataclass(frozen=True, slots=True)
class Showing:
    """The display, refresh by refresh.

    first_us, every_us: instant of each refresh since the recording's first sample. [us]
    values: by name, shape (n,): RMS of each channel [A or V primary], p [W], q [var], f [Hz] and
        each contact, 0 or 1. P and Q are positive away from the source; Q of a coil is positive.
    """

    first_us: int
    every_us: int
    values: dict[str, Array]

    @property
    def length(self) -> int:
        """Refreshes."""
        return len(next(iter(self.values.values())))

    def at(self, k: int) -> dict[str, float]:
        """What it shows from the k-th refresh on; before the first and after the last as there."""
        row = min(max(k, 0), self.length - 1)
        return {name: float(series[row]) for name, series in self.values.items()}


def shown(recording: Recording, *, cycles: int = 1, every_s: float | None = None) -> Showing:
    """The display of a meter whose window is `cycles` whole cycles of the network.

    every_s: how often it is refreshed; None: once a window.
    Raises: CaseError when the recording is shorter than the window.
    """
    rate, period = recording.rate_hz, 1 / recording.nominal_hz
    window = cycles * period
    step = window if every_s is None else every_s
    # The frequency sways by a few per cent at most; the window must fit at the lowest.
    first = 1.25 * window
    if recording.seconds < first:
        told = f"{recording.seconds:.3f} s are shorter than a meter's window"
        raise CaseError(f"terminal {recording.terminal}", told, f"at least {first:.3f} s")
    ends = np.arange(first, recording.seconds + 1e-9, step)
    hertz = _frequency(recording, ends)
    spans = cycles / np.where(hertz > 0, hertz, recording.nominal_hz)
    waves = {trace.name: recording.values(trace.name) for trace in recording.traces}
    values = {name: _rms(wave, rate, ends, spans) for name, wave in waves.items()}
    values |= _power(waves, rate, ends, spans)
    values["f"] = hertz
    last = np.minimum((ends * rate).round().astype(int), recording.length) - 1
    values |= {name: states[last].astype(float) for name, states in contacts(recording).items()}
    return Showing(round(first * 1e6), round(step * 1e6), values)


def contacts(recording: Recording) -> dict[str, States]:
    """Its contacts by name; the one that follows the switch (IEEE C37.2: 52a) also as `switch`."""
    named = dict(recording.contacts)
    if FOLLOWS_SWITCH in named:
        named.setdefault("switch", named[FOLLOWS_SWITCH])
    return named


def _mean(wave: Array, rate: int, ends: Array, spans: Array) -> Array:
    """Mean over the window before each end; ends and spans [s] fall between samples as they may."""
    total = np.concatenate(([0.0], np.cumsum(wave)))
    marks = np.arange(total.size) / rate
    gone = np.interp(ends, marks, total) - np.interp(ends - spans, marks, total)
    return np.asarray(gone / (spans * rate))


def _rms(wave: Array, rate: int, ends: Array, spans: Array) -> Array:
    return np.asarray(np.sqrt(np.maximum(_mean(wave**2, rate, ends, spans), 0.0)))


def _power(waves: dict[str, Array], rate: int, ends: Array, spans: Array) -> dict[str, Array]:
    """P of the whole waves and Q of the fundamentals, of those phases that have both."""
    pairs = [(waves[f"u{x}"], waves[f"i{x}"]) for x in PHASES if {f"u{x}", f"i{x}"} <= set(waves)]
    if not pairs:
        return {}
    p = np.sum([_mean(u * i, rate, ends, spans) for u, i in pairs], axis=0)
    q = np.zeros_like(ends)
    for k, (end, span) in enumerate(zip(ends, spans, strict=True)):
        last, n = round(end * rate), round(span * rate)
        turn = np.exp(-2j * np.pi * np.arange(n) / n) * (np.sqrt(2) / n)
        cut = slice(max(0, last - n), max(0, last - n) + n)
        q[k] = sum(((u[cut] @ turn) * np.conj(i[cut] @ turn)).imag for u, i in pairs)
    return {"p": p, "q": q}


def _frequency(recording: Recording, ends: Array) -> Array:
    """Mean turning speed of the voltages' space vector over the last cycles; 0 where it is dead.

    The vector is taken through one nominal cycle's mean, which leaves no harmonics.
    """
    vector = _space_vector(recording)
    if vector is None:
        return np.zeros_like(ends)
    rate, cycle = recording.rate_hz, round(recording.rate_hz / recording.nominal_hz)
    base = np.exp(-2j * np.pi * recording.nominal_hz * np.arange(vector.size) / rate)
    smooth = np.convolve(vector * base, np.full(cycle, 1 / cycle), mode="valid")
    angle = np.unwrap(np.angle(smooth))
    newest = np.clip((ends * rate).round().astype(int) - cycle, 1, smooth.size - 1)
    span = np.minimum(newest, (FREQUENCY_CYCLES - 1) * cycle)
    turned = (angle[newest] - angle[newest - span]) * rate / (2 * np.pi * span)
    size = np.abs(smooth)
    least = [size[k - n : k + 1].min() for k, n in zip(newest, span, strict=True)]
    alive = np.array(least) > DEAD_SHARE * size.max(initial=0.0)
    return np.where(alive, recording.nominal_hz + turned, 0.0)


def _space_vector(recording: Recording) -> npt.NDArray[np.complex128] | None:
    held = {trace.name for trace in recording.traces}
    for kind in "ui":
        if {f"{kind}{x}" for x in PHASES} <= held:
            a, b, c = (recording.values(f"{kind}{x}") for x in PHASES)
            return np.asarray((a + b * _TURN + c * _TURN**2) * (2 / 3))
    return None
