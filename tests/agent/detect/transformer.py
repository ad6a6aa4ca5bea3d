"""Transformers, their energising and saturating current transformers from textbook formulas, for
the tests of restraint. Many cases at once: the last axis of every array is the case.

A winding's flux is the integral of its voltage, d(flux)/dt = v - R i, and its current a function
of the flux: almost none below the knee, (flux - knee) / L_sat above (S. V. Kulkarni, S. A.
Khaparde, "Transformer Engineering", ch. 2.7). Everything is per unit: voltage 1 at its peak, flux 1
at its peak in steady state, time in radians of the network's frequency; so L = X.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

STEP = 2 * np.pi / 1024  # radians of the network's frequency: 20 us at 50 Hz
SHIFTS = np.array([[0.0], [-2 * np.pi / 3], [2 * np.pi / 3]])
# Line to line, as a delta sees it: AB, BC, CA; scaled so that its steady flux is 1 too.
DELTA = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [-1.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Bank:
    """A three-phase bank of each case; per-unit arrays of shape (cases,), flux (3, cases).

    winding: "delta", "star" (neutral not earthed) or "earthed". softness: width of the knee.
    """

    winding: str
    knee: Array
    softness: Array
    saturated: Array
    resistance: Array
    source_x: Array
    source_r: Array
    residual_flux: Array

    def current(self, flux: Array) -> Array:
        """Magnetising current, a knee rounded as sqrt(x^2 + softness^2)."""
        over = np.abs(flux) - self.knee
        rounded = (over + np.hypot(over, self.softness)) / 2
        return np.asarray(np.sign(flux) * rounded / self.saturated + flux * 0.002)

    def slope(self, flux: Array) -> Array:
        """d(current)/d(flux)."""
        over = np.abs(flux) - self.knee
        return np.asarray((1 + over / np.hypot(over, self.softness)) / 2 / self.saturated + 0.002)


def energised(bank: Bank, angle: Array, cycles: float, retained: Array | None = None) -> Array:
    """Line currents (steps, 3, cases) from the closing of the switch at `angle` of voltage A.

    retained: share of each phase's voltage (steps, 3, cases) that a fault leaves; 1 everywhere
    without. [per unit: 1 / saturated is the amplitude of a core that is saturated for good]
    """
    flux = bank.residual_flux.copy()
    steps = round(cycles * 2 * np.pi / STEP)
    lines = np.empty((steps, 3, angle.size))
    for k in range(steps):
        share = 1.0 if retained is None else retained[k]
        lines[k] = _lines(bank, bank.current(flux))
        first = _rate(bank, flux, share * np.sin(k * STEP + angle + SHIFTS))
        share = 1.0 if retained is None else retained[min(k + 1, steps - 1)]
        then = share * np.sin((k + 1) * STEP + angle + SHIFTS)
        second = _rate(bank, flux + STEP * first, then)
        flux = flux + STEP * (first + second) / 2  # Heun
    return lines


def _lines(bank: Bank, windings: Array) -> Array:
    return DELTA.T @ windings if bank.winding == "delta" else windings


def _rate(bank: Bank, flux: Array, source: Array) -> Array:
    """d(flux)/dt of the three windings behind the source's impedance."""
    current, slope = bank.current(flux), bank.slope(flux)
    if bank.winding == "delta":
        # v = M (e - Rs M'i - Xs M'di/dt), M M' = 3 - ones; scaled to windings of flux 1.
        mm = DELTA @ DELTA.T / 3.0
        volts = DELTA @ source / np.sqrt(3.0) - bank.resistance * current
        volts = volts - bank.source_r * (mm @ current)
        matrix = np.eye(3)[:, :, None] + bank.source_x * mm[:, :, None] * slope[None]
        return np.asarray(
            np.linalg.solve(np.moveaxis(matrix, 2, 0), volts.T[:, :, None])[:, :, 0].T
        )
    share = 1.0 / (1.0 + bank.source_x * slope)
    volts = source - (bank.resistance + bank.source_r) * current
    if bank.winding == "star":  # the neutral moves so that no current flows to it
        weight = slope * share
        volts = volts - (weight * volts).sum(axis=0) / weight.sum(axis=0)
    return np.asarray(share * volts)


def through_ct(primary: Array, step: float, knee: Array, leak: Array, remanence: Array) -> Array:
    """What a current transformer with a resistive burden delivers; (steps, ..., cases) alike.

    Its flux is the integral of the secondary current; beyond the knee the magnetising branch takes
    the current. knee, remanence, leak: [ampere-radians of secondary current]; leak: the saturated
    inductance over the burden. step: radians per sample. (IEC 61869-2, annex 2B.)
    """
    flux = remanence * knee
    out = np.empty_like(primary)
    for k, now in enumerate(primary):
        # Implicit Euler, exact for the piecewise linear branch: flux' = i1 - im(flux).
        free = flux + step * now
        over = np.maximum(np.abs(free) - knee, 0.0)
        flux = free - np.sign(free) * over * step / (step + leak)
        out[k] = now - np.sign(flux) * np.maximum(np.abs(flux) - knee, 0.0) / leak
    return out
