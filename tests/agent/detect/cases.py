"""Energisings and faults drawn at random over everything a feeder may meet, with their truth.

Currents in amperes at 20 us, the inception at INCEPTION; `sampled` makes of them what a converter
with noise delivers at any rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.agent.detect.feeder import AMPS_PER_COUNT, PICKUP, RATING, healthy_volts
from tests.agent.detect.transformer import (
    SHIFTS,
    STEP,
    Array,
    Bank,
    energised,
    through_ct,
)

CYCLE = round(2 * np.pi / STEP)
BEFORE = 4  # cycles
INCEPTION = BEFORE * CYCLE
PICKUP_PEAK = PICKUP * np.sqrt(2.0)
RATING_PEAK = RATING * np.sqrt(2.0)
# Of the amplitude in full saturation: what a switching at the right angle leaves is less, and not
# scaled up to something that no transformer draws.
SLIGHT = 0.1
WINDINGS = ("delta", "star", "earthed")
# AC of the phases in units of the fault's, and their angles; both of a bolted fault.
FAULTS = {
    "ABC": ((1, 1, 1), (0.0, -2 * np.pi / 3, 2 * np.pi / 3)),
    "AB": ((1, 1, 0), (0.0, np.pi, 0.0)),
    "BC": ((0, 1, 1), (0.0, 0.0, np.pi)),
    "CA": ((1, 0, 1), (np.pi, 0.0, 0.0)),
    "AG": ((1, 0, 0), (0.0, 0.0, 0.0)),
    "BCG": ((0, 1, 1), (0.0, -2 * np.pi / 3, 2 * np.pi / 3)),
}


@dataclass(frozen=True)
class Case:
    """currents (3, n) [A]; kind: what the truth is, "" where nothing is short; at: inception."""

    name: str
    kind: str
    currents: Array
    at: int = INCEPTION


def banks(winding: str, count: int, chance: np.random.Generator) -> Bank:
    """Cores with a residual flux up to 0.8 that sums to zero, as three limbs demand."""
    residual = chance.uniform(-0.8, 0.8, (3, count))
    residual -= residual.mean(axis=0)
    residual *= np.minimum(1.0, 0.8 / np.abs(residual).max(axis=0))
    return Bank(
        winding,
        knee=chance.uniform(1.1, 1.3, count),
        softness=chance.uniform(0.01, 0.1, count),
        saturated=np.ones(count),
        resistance=chance.uniform(0.002, 0.03, count),
        source_x=chance.uniform(0.05, 0.6, count),
        source_r=chance.uniform(0.005, 0.05, count),
        residual_flux=residual,
    )


def energisings(count: int, seed: int, cycles: float = 10.0) -> Iterator[Case]:
    """Transformers switched in: up to 6 times pickup, half of them with a load on top."""
    chance = np.random.default_rng(seed)
    for winding in WINDINGS:
        made = -(-count // len(WINDINGS))
        lines = energised(banks(winding, made, chance), chance.uniform(0, 2 * np.pi, made), cycles)
        fundamental = np.abs(np.fft.rfft(lines[:CYCLE], axis=0)[1]) * 2 / CYCLE
        for k in range(made):
            size = chance.uniform(1.1, 6.0) * PICKUP_PEAK / max(fundamental[:, k].max(), SLIGHT)
            currents = np.zeros((3, INCEPTION + lines.shape[0]))
            currents[:, INCEPTION:] = size * lines[:, :, k].T
            currents += _load(chance, currents.shape[1], chance.choice(["none", "before", "with"]))
            yield Case(f"{winding}-{k}", "", currents)


def _load(chance: np.random.Generator, steps: int, since: str) -> Array:
    """A balanced load up to the rating: from before, or switched in as well, with its own DC."""
    if since == "none":
        return np.zeros((3, steps))
    t = (np.arange(steps) - INCEPTION) * STEP
    amps, angle = chance.uniform(0.1, 1.0) * RATING_PEAK, chance.uniform(0, 2 * np.pi)
    load: Array = amps * np.cos(t + angle + SHIFTS)
    if since == "before":
        return load
    offset = amps * np.cos(angle + SHIFTS) * np.exp(-np.maximum(t, 0) / chance.uniform(0.2, 3.0))
    return np.asarray(np.where(t < 0, 0.0, load - offset))


def faults(count: int, seed: int, saturating: bool = False, cycles: float = 5.0) -> Iterator[Case]:
    """Short circuits of 2 to 8 times pickup, X/R 1 to 40, any angle, over a load."""
    chance = np.random.default_rng(seed)
    for k in range(count):
        kind = str(chance.choice(list(FAULTS)))
        amps = chance.uniform(2.0, 15.0 if saturating else 8.0) * PICKUP_PEAK
        added = short(chance, kind, amps, round(cycles * CYCLE))
        if saturating:
            added = _saturated(chance, added, amps)
        currents = np.zeros((3, INCEPTION + added.shape[1]))
        currents[:, INCEPTION:] = added
        load = _load(chance, currents.shape[1], "before")
        yield Case(f"{kind}-{k}", kind, currents + load)


def short(chance: np.random.Generator, kind: str, amps: float, steps: int) -> Array:
    """What a fault adds from its inception on: AC and the DC that lets it begin at zero. [A]"""
    t = np.arange(steps) * STEP
    sizes, angles = (np.array(row, dtype=float)[:, None] for row in FAULTS[kind])
    angle = chance.uniform(0, 2 * np.pi) + angles
    x_over_r = np.exp(chance.uniform(0.0, np.log(40.0)))
    return np.asarray(amps * sizes * (np.cos(t + angle) - np.cos(angle) * np.exp(-t / x_over_r)))


def _saturated(chance: np.random.Generator, added: Array, amps: float) -> Array:
    """Three like current transformers, with any remanence; the knee 2 to 8 times the half wave."""
    knee = np.array([chance.uniform(1.5, 8.0) * amps])
    leak = np.array([chance.uniform(0.03, 0.3)])
    remanence = chance.uniform(-0.7, 0.7, (3, 1))
    return through_ct(added.T[:, :, None], STEP, knee, leak, remanence)[:, :, 0].T


def faults_on_inrush(count: int, seed: int) -> Iterator[Case]:
    """A short circuit one to four cycles after a transformer was switched in."""
    chance = np.random.default_rng(seed)
    per_winding = -(-count // len(WINDINGS))
    for winding in WINDINGS:
        kinds = [str(chance.choice(list(FAULTS))) for _ in range(per_winding)]
        starts = chance.integers(CYCLE, 4 * CYCLE, per_winding)
        steps = 9 * CYCLE
        retained = np.ones((steps, 3, per_winding))
        for k, (kind, start) in enumerate(zip(kinds, starts, strict=True)):
            share = chance.uniform(0.0, 0.7)  # of the faulted phases' voltage
            for phase, size in enumerate(FAULTS[kind][0]):
                retained[start:, phase, k] = share if size else 1.0
        bank = banks(winding, per_winding, chance)
        angle = chance.uniform(0, 2 * np.pi, per_winding)
        lines = energised(bank, angle, steps / CYCLE, retained)
        for k, (kind, start) in enumerate(zip(kinds, starts, strict=True)):
            largest = np.abs(np.fft.rfft(lines[:CYCLE, :, k], axis=0)[1]).max() * 2 / CYCLE
            size = chance.uniform(1.1, 3.0) * PICKUP_PEAK / max(largest, SLIGHT)
            currents = np.zeros((3, INCEPTION + steps))
            currents[:, INCEPTION:] = size * lines[:, :, k].T
            amps = chance.uniform(2.0, 8.0) * PICKUP_PEAK
            currents[:, INCEPTION + start :] += short(chance, kind, amps, steps - start)
            yield Case(f"{winding}-{kind}-{k}", kind, currents, INCEPTION + int(start))


def sampled(case: Case, rate_hz: int, noise_amps: float, seed: int) -> tuple[Array, float]:
    """Counts of three currents and voltages at this rate, and the inception. [s]"""
    chance = np.random.default_rng(seed)
    seconds = np.arange(case.currents.shape[1]) / (50.0 * CYCLE)
    t = np.arange(int(seconds[-1] * rate_hz)) / rate_hz
    currents = np.stack([np.interp(t, seconds, row) for row in case.currents])
    currents += chance.normal(0.0, noise_amps, currents.shape)
    volts = healthy_volts(t)
    if case.kind.endswith("G"):  # earth takes part: the three voltages move as one
        moved = np.where(t * 50.0 * CYCLE < case.at, 0.0, 0.2)
        volts += moved * np.roll(volts[0], round(rate_hz / 200))
    counts = np.rint(np.concatenate((currents / AMPS_PER_COUNT, volts * 2)))
    return counts, case.at / (50.0 * CYCLE)
