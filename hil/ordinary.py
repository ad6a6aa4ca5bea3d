"""An hour of a feeder's ordinary life: load that rises and falls, and what is switched on it.

Solved transients (motors, transformers, capacitors, loads, converters) with steady stretches
between them (plant/compose.py), played into the device's detection in one piece. Currents count as
shares of the rating, so that cases of different feeders make one hour of one feeder.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from agent.detect.detector import Detector, Tap
from agent.detect.settings import defaults
from agent.records import Block, Channel, Event, Layout
from agent.site import Bay
from hil.case import Case, Counts
from hil.errors import PlantError
from hil.plant import catalogue
from hil.plant.compose import Played, Reel, Steady
from hil.plant.draft import EARTHINGS
from hil.scenarios.terminal import FAULTS

CLASSES = (
    "load_step",
    "motor_start",
    "inrush",
    "capacitor_switching",
    "harmonics",
    "unbalance",
    "quiet",
)
HOUR_S = 3600.0
# What is switched in an hour, as often as a shift of an industrial feeder knows it.
TRANSIENTS = 30
# Cases of each class, by seeds that are not those of measurements.
FIRST_SEED, SEEDS = 5_000, 3
RATE_HZ = 4_000
RESIDUALS = ("core_balance", "summed")
TERMINALS = ("F1-head", "F1-mid", "F2-head")


@dataclass(frozen=True, slots=True)
class Hour:
    """What came of one. alarms: words of a fault with alarm, where nothing was faulty."""

    earthing: str
    residual: str
    terminal: str
    seconds: float
    told: Counter[str]
    alarms: tuple[Event, ...]


def hour(seed: int, *, seconds: float = HOUR_S, transients: int = TRANSIENTS) -> Hour:
    """The hour with this seed. Raises: RigError."""
    chance = random.Random(seed)  # noqa: S311  the same hour again, no secret
    earthing, residual = EARTHINGS[seed % len(EARTHINGS)], RESIDUALS[seed // 3 % 2]
    terminal = chance.choice(TERMINALS)
    made = _reel(chance, earthing, residual, terminal, seconds, transients)
    events = list(_played(made, terminal))
    return Hour(
        earthing,
        residual,
        terminal,
        made.reel.length / RATE_HZ,
        Counter(event.event for event in events),
        tuple(event for event in events if event.alarm and event.event in FAULTS),
    )


@dataclass(frozen=True, slots=True)
class _Made:
    reel: Reel
    model: Case


def _reel(
    chance: random.Random,
    earthing: str,
    residual: str,
    terminal: str,
    seconds: float,
    transients: int,
) -> _Made:
    """Transients at either end, and between each two a stretch with a day's ups and downs."""
    model: Case | None = None
    pieces: list[Played | Steady] = []
    for number in range(transients):
        seed = FIRST_SEED + chance.randrange(SEEDS)
        wishes = {"rate_hz": RATE_HZ, "residual": residual}
        case = catalogue.case(chance.choice(CLASSES), earthing, seed, **wishes)
        model = model or case
        piece = Played(_of_the_same_feeder(case, model, terminal))
        rest_s = seconds / (transients - 1) * chance.uniform(0.8, 1.2)
        factor = chance.uniform(0.55, 1.25)
        bend_s = rest_s * chance.uniform(0.3, 0.7)
        load = ((0.0, 1.0), (bend_s, factor), (rest_s, 1.0))
        pieces += [piece] if number == transients - 1 else [piece, Steady(rest_s, load)]
    if model is None:
        raise PlantError("an hour", "has no transients", "two at least")
    return _Made(Reel(pieces, terminal), model)


def _of_the_same_feeder(case: Case, model: Case, terminal: str) -> Case:
    """The case with the model's channels: the same counts are the same shares of the rating."""
    traces = model.recordings[terminal].traces
    recording = replace(case.recordings[terminal], traces=traces)
    return replace(case, recordings={terminal: recording})


def _played(made: _Made, terminal: str) -> Iterator[Event]:
    """Events of the whole hour, second by second."""
    recording = made.model.recordings[terminal]
    said = recording.bay
    bay = Bay(
        name=terminal,
        section=said.section,
        nominal_volts=said.nominal_volts,
        frequency_hz=recording.nominal_hz,
        earthing=said.earthing,
        rating_amps=said.rating_amps,
    )
    layout = Layout(
        terminal,
        tuple(Channel(trace.name, trace.unit, trace.scale) for trace in recording.traces),
        Fraction(recording.rate_hz),
    )
    taps = {trace.name: Tap(k, trace.scale) for k, trace in enumerate(recording.traces)}
    detector = Detector(layout, [(bay, defaults(bay), taps)])
    for first in range(0, made.reel.length, RATE_HZ):
        counts: Counts = made.reel.counts(first, min(RATE_HZ, made.reel.length - first))
        yield from detector.feed(Block(layout, first, 0, counts.astype(np.float64)))
