"""What a bay measures, for screens and history: over some ten cycles, at any frequency.

Every sample is weighted with a raised cosine (Hann's window), which needs no whole number of
cycles: products of fundamentals average out to a millionth whatever the frequency between 45 and
65 Hz. No verdict depends on what is measured here, so sines and fractions are welcome.

Source: F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier
    transform", Proc. IEEE 66, 1978; IEEE 1459-2010 for P and the fundamental Q.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from agent.detect.meter import Meter
from agent.detect.sight import Taps
from agent.site import Bay

Array = npt.NDArray[np.float64]
Phasors = npt.NDArray[np.complex128]

MEASURED_S = 0.2  # ten cycles of 50 Hz, as IEC 61000-4-30 measures
# Frequency is the turn of the phasor between two windows that lie this share of the time apart:
# first close, where a turn cannot be mistaken for another, then far, where it is told finely.
APART_SHARES = (0.05, 0.4, 0.4)
# Fewer cycles than these tell no frequency, and then no power.
LEAST_CYCLES = 5.0
# Below this share of nominal voltage or rating there is noise, and no supply with a frequency.
LEAST_SHARE = 0.05

_TURN = complex(-0.5, 3.0**0.5 / 2.0)


def measure(bay: Bay, t_us: int, samples: Array, taps: Taps, rate_hz: float) -> Meter:
    """samples: (channels, n) counts, the newest last; some 10 cycles, fewer after a start."""
    count = samples.shape[1]
    weights = _hann(count)
    values = {role: samples[tap.index] * tap.scale for role, tap in taps.items()}
    rms = {role: float(np.sqrt(weights @ (x * x))) for role, x in values.items()}
    frequency_hz = _frequency(bay, values, rms, rate_hz)
    phasors: Mapping[str, complex] = {}
    if frequency_hz is not None:
        turning = weights * _carrier(count, frequency_hz / rate_hz)
        phasors = {role: complex(2.0**0.5 * (x @ turning)) for role, x in values.items()}
    active = [float(weights @ (values[u] * values[i])) for u, i in _pairs(values)]
    complete = len(active) == 3 and bool(phasors)
    reactive = [(phasors[u] * phasors[i].conjugate()).imag for u, i in _pairs(phasors)]
    return Meter(
        bay.name,
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
    bay: Bay, values: Mapping[str, Array], rms: Mapping[str, float], rate_hz: float
) -> float | None:
    """Of the voltages together, else of the currents; None where there is no supply to read it off.

    Three phases are taken as one turning phasor, since a single one beats against its own image.
    """
    count = next(iter(values.values())).shape[0] if values else 0
    if count < LEAST_CYCLES * rate_hz / bay.frequency_hz:
        return None
    volts, amps = LEAST_SHARE * bay.nominal_volts / 3.0**0.5, LEAST_SHARE * bay.rating_amps
    for roles, least in ((("ua", "ub", "uc"), volts), (("ia", "ib", "ic"), amps)):
        useful = [values[role] for role in roles if rms.get(role, 0.0) >= least]
        if useful:
            return _turns(useful, rate_hz, bay.frequency_hz)
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
