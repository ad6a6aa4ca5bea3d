"""A bay between a source and loads without a way to earth, solved by node equations.

The truth for torn conductors and for loads that only look so. Nothing of the product's or of the
rig's formulas is used: admittance matrices, an open terminal eliminated (Kron), phasors of numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[Any]

VOLTS = 10_000.0 / 3**0.5
_TURN = np.exp(2j * np.pi / 3)
_TO_PHASES = np.array([[1, 1, 1], [1, _TURN**2, _TURN], [1, _TURN, _TURN**2]])
PAIRS = {"ab": (0, 1), "bc": (1, 2), "ca": (2, 0)}


def admittance(amps: float, angle_deg: float) -> complex:
    """Of a phase that takes `amps` at nominal voltage, lagging by `angle_deg`. [S]"""
    return complex(amps / VOLTS * np.exp(-1j * np.radians(angle_deg)))


def load(amps: float, angle_deg: float = 23.0, motors: float = 1.0, lag_deg: float = 0.0) -> Matrix:
    """motors: y2 by y1, which lags it by `lag_deg`. [S]"""
    y1 = admittance(amps, angle_deg)
    y2 = y1 * motors * np.exp(-1j * np.radians(lag_deg))
    return np.asarray(_TO_PHASES @ np.diag([0, y1, y2]) @ np.linalg.inv(_TO_PHASES))


def between(pair: str, amps: float, angle_deg: float = 23.0) -> Matrix:
    """A load between two phases that takes `amps` at nominal voltage. [S]"""
    one, other = PAIRS[pair]
    ends = np.zeros(3)
    ends[one], ends[other] = 1, -1
    return np.asarray(np.outer(ends, ends) * admittance(amps, angle_deg) / 3**0.5)


def opened(matrix: Matrix, phase: int) -> Matrix:
    """The same load with one of its terminals hanging free."""
    rest = [p for p in range(3) if p != phase]
    out = np.zeros((3, 3), dtype=np.complex128)
    free = matrix[np.ix_([phase], rest)] / matrix[phase, phase]
    out[np.ix_(rest, rest)] = matrix[np.ix_(rest, rest)] - matrix[np.ix_(rest, [phase])] @ free
    return out


def beyond(matrix: Matrix, phase: int, volts: Matrix) -> Matrix:
    """Voltages of a load whose terminal hangs free, fed with `volts`."""
    rest = [p for p in range(3) if p != phase]
    out = volts.copy()
    out[phase] = -(matrix[phase, rest] @ volts[rest]) / matrix[phase, phase]
    return out


@dataclass
class State:
    """Phasors at the bay, RMS: currents, 3I0, voltages to earth."""

    amps: Matrix
    volts: Matrix
    residual: complex = 0j

    def listed(self, turn_deg: float = 0.0) -> list[list[list[float]]]:
        """[currents, [3I0], voltages] as pairs, seen `turn_deg` later."""
        turn = np.exp(1j * np.radians(turn_deg))
        rows = self.amps, np.array([self.residual]), self.volts
        return [[[float((v * turn).real), float((v * turn).imag)] for v in row] for row in rows]


@dataclass
class Source:
    """Behind ohm per phase, its star not earthed; sags: factor of each phase's EMF."""

    ohm: complex = 0.05 + 0.6j
    sags: tuple[float, float, float] = (1.0, 1.0, 1.0)
    emf: Matrix = field(default_factory=lambda: VOLTS * _TO_PHASES[:, 1])

    def feed(self, *loads: Matrix, earth: tuple[int, complex] | None = None) -> State:
        """The bay in front of these loads; earth: phase and current of an earth fault ahead."""
        total = np.asarray(sum(loads))
        emf = self.emf * np.array(self.sags)
        inverse = np.linalg.inv(np.eye(3) + self.ohm * total)
        volts = np.asarray(inverse @ emf)
        amps = np.asarray(total @ volts)
        if earth is None:
            return State(amps, volts)
        phase, current = earth
        amps[phase] += current
        return State(amps, volts, residual=current)
