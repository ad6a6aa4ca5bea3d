"""An hour of a feeder's ordinary life: load that rises and falls, and what is switched on it.

Solved transients (motors, transformers, capacitors, loads, converters) with steady stretches
between them (plant/compose.py), replayed by the device in records of two minutes. Currents count
as shares of the rating, so that cases of different feeders make one hour of one feeder.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hil.case import Case, Truth
from hil.device.agent import AGENT
from hil.device.replay import Told, replay
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
# A record that the smallest machine replays well within its time.
RECORD_S = 120.0
# Cases of each class, by seeds that are not those of measurements.
FIRST_SEED, SEEDS = 5_000, 3
RATE_HZ = 4_000
RESIDUALS = ("core_balance", "summed")
TERMINALS = ("F1-head", "F1-mid", "F2-head")


@dataclass(frozen=True, slots=True)
class Hour:
    """What came of one. told: events by name; alarms: words of a fault with alarm, where nothing
    was faulty.
    """

    where: str
    seconds: float
    told: Counter[str]
    alarms: tuple[Told, ...]


def hour(
    seed: int,
    *,
    seconds: float = HOUR_S,
    transients: int = TRANSIENTS,
    command: Sequence[str] = AGENT,
) -> Hour:
    """The hour with this seed. Raises: RigError."""
    chance = random.Random(seed)  # noqa: S311  the same hour again, no secret
    earthing, residual = EARTHINGS[seed % len(EARTHINGS)], RESIDUALS[seed // 3 % 2]
    terminal = chance.choice(TERMINALS)
    cases = [_drawn(chance, earthing, residual) for _ in range(transients)]
    reel = _reel(chance, cases, terminal, seconds)
    events = _replayed(reel, cases[0], command)
    return Hour(
        f"{terminal} {earthing} {residual}",
        reel.length / RATE_HZ,
        Counter(str(event["event"]) for event in events),
        tuple(e for e in events if e.get("alarm") and e["event"] in FAULTS),
    )


def _drawn(chance: random.Random, earthing: str, residual: str) -> Case:
    what, seed = chance.choice(CLASSES), FIRST_SEED + chance.randrange(SEEDS)
    return catalogue.case(what, earthing, seed, rate_hz=RATE_HZ, residual=residual)


def _reel(chance: random.Random, cases: Sequence[Case], terminal: str, seconds: float) -> Reel:
    """Transients at either end, and between each two a stretch with a day's ups and downs."""
    pieces: list[Played | Steady] = []
    for case in cases:
        rest_s = seconds / (len(cases) - 1) * chance.uniform(0.8, 1.2)
        bend_s, factor = rest_s * chance.uniform(0.3, 0.7), chance.uniform(0.55, 1.25)
        load = ((0.0, 1.0), (bend_s, factor), (rest_s, 1.0))
        pieces += [Played(_of_one_feeder(case, cases[0], terminal)), Steady(rest_s, load)]
    return Reel(pieces[:-1], terminal)


def _of_one_feeder(case: Case, model: Case, terminal: str) -> Case:
    """The case with the model's channels: the same counts are the same shares of the rating."""
    recording = model.recordings[terminal]
    here = replace(case.recordings[terminal], traces=recording.traces, bay=recording.bay)
    return replace(case, recordings={terminal: here})


def _replayed(reel: Reel, model: Case, command: Sequence[str]) -> list[Told]:
    """Events of the whole, `record` being the minute in which each record begins."""
    truth = Truth("quiet", "", None, None, "", model.truth.network, model.truth.earthing)
    with tempfile.TemporaryDirectory(prefix="ftu-hil-") as name:
        folders = []
        end_s = reel.length / RATE_HZ
        for number in range(round(end_s // RECORD_S)):
            since_s = number * RECORD_S
            part = reel.recording(since_s, min(end_s, since_s + RECORD_S))
            folder = Path(name) / f"{number}"
            seen = {reel.terminal: replace(model.truth.terminals[reel.terminal])}
            told = replace(truth, terminals=seen)
            Case(f"minute-{2 * number}", 0, told, {reel.terminal: part}).save(folder)
            folders.append(folder)
        came = replay(folders, command)
    return [
        {**event, "record": f"minute {2 * number}"}
        for number, events in enumerate(came)
        for event in events[reel.terminal]
    ]
