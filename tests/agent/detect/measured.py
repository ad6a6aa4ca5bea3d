"""What a bay's converter makes of two states of open_phase.py, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from agent.detect.detector import Detector, Tap
from agent.detect.settings import defaults
from agent.records import Block, Channel, Event, Layout
from agent.site import Bay
from tests.agent.detect.open_phase import VOLTS, State

Array = npt.NDArray[np.float64]

RATING = 300.0
BAY = Bay("feeder", "S1", 10_000.0, 50, "isolated", RATING)
ROLES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
SWITCHED_S = 0.4
_ROOT2 = 2.0**0.5
_SCALES = {"i": 20 * _ROOT2 * RATING / 32_768, "u": 2.4 * _ROOT2 * VOLTS / 32_768}
_RATED = {"i": RATING, "u": VOLTS}


@dataclass(frozen=True)
class Record:
    rate_hz: int
    roles: tuple[str, ...]
    counts: Array

    def with_row(self, role: str, row: Array) -> Record:
        counts = self.counts.copy()
        counts[self.roles.index(role)] = row
        return replace(self, counts=counts)


def recorded(
    before: State,
    after: State,
    *,
    rate_hz: int = 4_000,
    frequency_hz: float = 50.0,
    seconds: float = 1.2,
    noise_db: float = 60.0,
    fifth: float = 0.0,
    roles: Sequence[str] = ROLES,
) -> Record:
    """fifth: harmonic of the currents, by their fundamental; noise_db: below the rating."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    turn = np.exp(2j * np.pi * frequency_hz * t)
    dice = np.random.default_rng(7)
    rows = []
    for role in roles:
        was, now = _phasor(before, role), _phasor(after, role)
        phasor = np.where(t < SWITCHED_S, was, now) * turn
        wave = _ROOT2 * phasor.real
        if role[0] == "i":
            size = np.abs(phasor)
            unit = np.divide(phasor, size, out=np.zeros_like(phasor), where=size > 0)
            wave += _ROOT2 * fifth * size * (unit**5).real
        sigma = _RATED[role[0]] * 10 ** (-noise_db / 20)
        rows.append(np.rint((wave + dice.normal(0, sigma, t.size)) / _SCALES[role[0]]))
    return Record(rate_hz, tuple(roles), np.stack(rows))


def detect(made: Record, block: int | None = None) -> list[Event]:
    """Events of it, fed in blocks of so many samples."""
    channels = tuple(Channel(r, "A" if r[0] == "i" else "V") for r in made.roles)
    layout = Layout("wire", channels, Fraction(made.rate_hz))
    taps = {role: Tap(k, _SCALES[role[0]]) for k, role in enumerate(made.roles)}
    detector = Detector(layout, [(BAY, defaults(BAY), taps)])
    size = block or made.counts.shape[1]
    events: list[Event] = []
    for first in range(0, made.counts.shape[1], size):
        events += detector.feed(Block(layout, first, 0, made.counts[:, first : first + size]))
    return events


def _phasor(state: State, role: str) -> complex:
    if role == "i0":
        return complex(state.residual)
    if role == "u0":
        return complex(np.sum(state.volts) / 3)
    row = state.amps if role[0] == "i" else state.volts
    return complex(row["abc".index(role[1])])
