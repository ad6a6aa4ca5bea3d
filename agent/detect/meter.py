"""What a bay measures, for screens and history: over some ten cycles, at any frequency.

Every sample is weighted with a raised cosine (Hann's window), which needs no whole number of
cycles: products of fundamentals average out to a millionth whatever the frequency between 45 and
65 Hz. No verdict depends on what is measured here, so sines and fractions are welcome.

Source: F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier
    transform", Proc. IEEE 66, 1978; IEEE 1459-2010 for P and the fundamental Q.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agent.detect.sight import Taps

Array = npt.NDArray[np.float64]
Phasors = npt.NDArray[np.complex128]

MEASURED_S = 0.2  # ten cycles of 50 Hz, as IEC 61000-4-30 measures
# Frequency is the turn of the phasor between two windows that lie this share of the time apart:
# first close, where a turn cannot be mistaken for another, then far, where it is told finely.
APART_SHARES = (0.05, 0.4, 0.4)
# Fewer cycles than these tell no frequency, and then no power.
LEAST_CYCLES = 5.0
# A channel below this share of its nominal size is no reference for the frequency.
LEAST_SHARE = 0.2

_TURN = complex(-0.5, 3.0**0.5 / 2.0)


@dataclass(frozen=True, slots=True)
class Meter:
    """What a bay measures now; currents and voltages true RMS, primary; None = cannot be told.

    active_watts, reactive_vars: of the three phases, positive away from the normal source;
    frequency_hz: of the network; negative_amps, negative_volts: negative sequence of the
    fundamental.
    """

    bay: str
    t_us: int
    currents: tuple[float | None, ...]
    voltages: tuple[float | None, ...]
    residual_amps: float | None
    neutral_volts: float | None
    active_watts: float | None = None
    reactive_vars: float | None = None
    frequency_hz: float | None = None
    negative_amps: float | None = None
    negative_volts: float | None = None


def measure(
    bay: str, t_us: int, samples: Array, taps: Taps, rate_hz: float, nominal_hz: float
) -> Meter:
    """samples: (channels, n) counts, the newest last; some 10 cycles, fewer after a start."""
    count = samples.shape[1]
    weights = _hann(count)
    values = {role: samples[tap.index] * tap.scale for role, tap in taps.items()}
    rms = {role: float(np.sqrt(weights @ (x * x))) for role, x in values.items()}
    frequency_hz = _frequency(values, rms, rate_hz, nominal_hz)
    phasors: Mapping[str, complex] = {}
    if frequency_hz is not None:
        turning = weights * _carrier(count, frequency_hz / rate_hz)
        phasors = {role: complex(2.0**0.5 * (x @ turning)) for role, x in values.items()}
    active = [float(weights @ (values[u] * values[i])) for u, i in _pairs(values)]
    complete = len(active) == 3 and bool(phasors)
    reactive = [(phasors[u] * phasors[i].conjugate()).imag for u, i in _pairs(phasors)]
    return Meter(
        bay,
        t_us,
        tuple(rms.get(role) for role in ("ia", "ib", "ic")),
        tuple(rms.get(role) for role in ("ua", "ub", "uc")),
        rms.get("i0"),
        rms.get("u0"),
        sum(active) if complete else None,
        sum(reactive) if complete else None,
        frequency_hz,
        _negative(phasors, ("ia", "ib", "ic")),
        _negative(phasors, ("ua", "ub", "uc")),
    )


def _pairs(known: Mapping[str, object]) -> list[tuple[str, str]]:
    pairs = (("ua", "ia"), ("ub", "ib"), ("uc", "ic"))
    return [(u, i) for u, i in pairs if u in known and i in known]


def _negative(phasors: Mapping[str, complex], roles: tuple[str, str, str]) -> float | None:
    """Source: C. L. Fortescue, Trans. AIEE, vol. 37, 1918."""
    if any(role not in phasors for role in roles):
        return None
    a, b, c = (phasors[role] for role in roles)
    return abs(a + _TURN.conjugate() * b + _TURN * c) / 3


def _frequency(
    values: Mapping[str, Array], rms: Mapping[str, float], rate_hz: float, nominal_hz: float
) -> float | None:
    """Of the voltages together, else of the currents; None where nothing turns.

    Three phases are taken as one turning phasor, since a single one beats against its own image.
    """
    count = next(iter(values.values())).shape[0] if values else 0
    if count < LEAST_CYCLES * rate_hz / nominal_hz:
        return None
    for roles in (("ua", "ub", "uc"), ("ia", "ib", "ic")):
        there = [role for role in roles if role in values]
        largest = max((rms[role] for role in there), default=0.0)
        useful = [role for role in there if rms[role] >= LEAST_SHARE * largest > 0]
        if useful:
            return _turns([values[role] for role in useful], rate_hz, nominal_hz)
    return None


def _turns(channels: list[Array], rate_hz: float, nominal_hz: float) -> float | None:
    hz = nominal_hz
    for share in APART_SHARES:
        apart = max(1, int(share * len(channels[0])))
        window = len(channels[0]) - apart
        turning = _hann(window) * _carrier(window, hz / rate_hz)
        turns = [
            complex(x[apart:] @ turning) * complex(x[:window] @ turning).conjugate()
            for x in channels
        ]
        turn = sum(turns)
        if not abs(turn) > 0:
            return None
        # The carrier itself turns by hz * apart / rate between the windows; what is left is ours.
        late = np.angle(turn * np.exp(-2j * np.pi * hz * apart / rate_hz))
        hz += float(late) * rate_hz / (2 * np.pi * apart)
    return hz if 0.5 * nominal_hz < hz < 2 * nominal_hz else None


def _carrier(count: int, cycles_per_sample: float) -> Phasors:
    return np.asarray(np.exp(-2j * np.pi * cycles_per_sample * np.arange(count)))


def _hann(count: int) -> Array:
    weights = 1 - np.cos(2 * np.pi * (np.arange(count) + 0.5) / count)
    return np.asarray(weights / weights.sum())
