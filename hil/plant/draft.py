"""The beginning of every scene: a network as it may be found, its terminals, and the dice.

`random.Random` over a text gives the same numbers in every version of Python and on any machine.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hil.case import Bay
from hil.errors import CaseError
from hil.plant.front_end import CurrentTransformer, FrontEnd
from hil.plant.grid import Earthing, Load
from hil.plant.grid import Supply as Source
from hil.plant.network import NAMES, NOMINAL_VOLTS, Network, load
from hil.plant.scene import Scene

EARTHINGS = ("isolated", "resonant", "low_resistance")
RATES = (4_000, 6_400, 12_800)
# Where each earthing is found: above 10 A of overhead lines a coil is asked for, cities earth low.
_FOUND = {"isolated": "rural", "resonant": "mixed", "low_resistance": "urban"}
_RATINGS = (200.0, 300.0, 400.0, 600.0)
_SHIFTS = {"A": 0.0, "B": -120.0, "C": 120.0}
FIRST_S = 0.15  # earliest onset: seven quiet cycles before it
CYCLE_S = 0.02


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants otherwise than drawn. variant: a word of the class's own.

    quiet: no measuring error, no noise worth the name, no unbalance: for comparing with theory.
    """

    network: str | None = None
    section: str | None = None
    part: float | None = None
    kind: str | None = None
    resistance_ohm: float | None = None
    angle_deg: float | None = None
    cleared_after_s: float | None = None
    rate_hz: int | None = None
    noise_db: float | None = None
    residual: str | None = None
    variant: str | None = None
    quiet: bool = False

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> Wish:
        """From keywords. Raises: CaseError that names what does not exist."""
        known = [each.name for each in fields(cls)]
        wrong = sorted(set(words) - set(known))
        if wrong:
            raise CaseError("plant", f"no wish {', '.join(wrong)}", f"some of {', '.join(known)}")
        return cls(**words)


@dataclass(slots=True)
class Draft:
    """A quiet scene to start from, with the dice and the wishes."""

    chance: random.Random
    wish: Wish
    scene: Scene = field(repr=False)

    def between(self, low: float, high: float) -> float:
        """A number, to six digits."""
        return float(f"{low + (high - low) * self.chance.random():.6g}")

    def decades(self, low: float, high: float) -> float:
        """A number, each decade as likely as any other."""
        return float(f"{low * (high / low) ** self.chance.random():.6g}")

    def one_of(self, *choices: Any) -> Any:
        """One of these."""
        return choices[int(self.chance.random() * len(choices))]

    def variant(self, *choices: str) -> str:
        """The wished variant, or one of these. Raises: CaseError."""
        wished = self.wish.variant
        if wished is None:
            return str(self.one_of(*choices))
        if wished not in choices:
            raise CaseError("plant", f"no variant {wished!r}", f"one of {', '.join(choices)}")
        return wished

    def angle(self) -> float:
        """Of the inception, from the rising zero of its phase's voltage. [degrees]"""
        drawn = self.between(0, 360)
        return drawn if self.wish.angle_deg is None else self.wish.angle_deg

    def onset(self, phase: str, angle_deg: float) -> float:
        """The first instant from FIRST_S on at which this phase's voltage has that angle. [s]"""
        degrees = (angle_deg - 90.0 - _SHIFTS[phase.upper()]) % 360.0
        return round(FIRST_S + degrees / 360.0 * CYCLE_S, 6)

    def section(self, *choices: str) -> str:
        """Where it happens. Raises: CaseError when the wished one does not exist."""
        drawn = str(self.one_of(*choices))
        if self.wish.section is None:
            return drawn
        if self.wish.section != "bus":
            self.scene.network.section(self.wish.section)
        return self.wish.section

    def part(self) -> float:
        """How far into its section."""
        drawn = self.between(0.1, 0.9)
        return drawn if self.wish.part is None else self.wish.part


def draft(what: str, earthing: str, seed: int, wish: Wish) -> Draft:
    """A loaded network in health. Raises: CaseError."""
    if earthing not in EARTHINGS:
        raise CaseError("plant", f"no earthing {earthing!r}", f"one of {', '.join(EARTHINGS)}")
    chance = random.Random(f"{what}/{earthing}/{seed}")  # noqa: S311  dice of a test rig
    name = wish.network or _FOUND[earthing]
    if name not in NAMES:
        raise CaseError("plant", f"no network {name!r}", f"one of {', '.join(NAMES)}")
    drawn = Draft(chance, wish, Scene(what, seed, load(name), Earthing(earthing), Source()))
    network = _varied(drawn, load(name))
    drawn.scene = replace(
        drawn.scene,
        network=network,
        earthing=_earthing(drawn, earthing),
        supply=_source(drawn),
        loads={feeder.name: _load(drawn) for feeder in network.feeders},
        skews={s.name: _asymmetry(drawn, s.line.kind) for s in network.sections()},
    )
    front_ends = {terminal: _front_end(drawn, terminal) for terminal in network.terminals()}
    drawn.scene = replace(
        drawn.scene,
        front_ends=front_ends,
        bays={name: _bay(drawn.scene, name, end) for name, end in front_ends.items()},
    )
    return drawn


def _varied(drawn: Draft, network: Network) -> Network:
    lengths = {s.name: drawn.between(0.7, 1.3) for s in network.sections()}
    loads = {f.name: drawn.between(0.35, 1.0) for f in network.feeders}
    level = drawn.between(0.75, 1.4)
    if drawn.wish.quiet:
        return network
    return network.changed(lengths, loads, level)


def _earthing(drawn: Draft, kind: str) -> Earthing:
    over, coil_r = drawn.between(1.05, 1.10), drawn.between(0.015, 0.035)
    damping = drawn.between(0.01, 0.03)
    return Earthing(kind, over=over, coil_r=coil_r, damping=damping)


def _source(drawn: Draft) -> Source:
    volts = drawn.between(1.0, 1.06)
    fifth, seventh = drawn.between(0.002, 0.02), drawn.between(0.0, 0.01)
    skew = (drawn.between(0.995, 1.005), drawn.between(0.995, 1.005), drawn.between(0.995, 1.005))
    if drawn.wish.quiet:
        return Source(volts=1.0, fifth=0.0, seventh=0.0)
    return Source(volts=volts, fifth=fifth, seventh=seventh, skew=skew)


def _load(drawn: Draft) -> Load:
    skew = (drawn.between(0.94, 1.06), drawn.between(0.94, 1.06), drawn.between(0.94, 1.06))
    fifth, seventh = drawn.between(0.01, 0.08), drawn.between(0.005, 0.04)
    if drawn.wish.quiet:
        return Load(fifth=0.0, seventh=0.0)
    return Load(skew=skew, fifth=fifth, seventh=seventh)


def _asymmetry(drawn: Draft, kind: str) -> tuple[float, float, float]:
    """Of the capacitances to earth: the middle conductor of an overhead line has less."""
    less = drawn.between(0.0, 0.05)
    if kind == "cable" or drawn.wish.quiet:
        return (1.0, 1.0, 1.0)
    return (1 + less / 2, 1 - less, 1 + less / 2)


def _front_end(drawn: Draft, terminal: str) -> FrontEnd:
    scene, wish = drawn.scene, drawn.wish
    load_amps = scene.network.feeder_of(scene.network.at(terminal).name).load_amps
    rating = next(r for r in _RATINGS if r >= min(1.15 * load_amps, _RATINGS[-1]))
    low_resistance = scene.earthing.kind == "low_resistance"
    rate_hz, noise_db = drawn.one_of(*RATES), drawn.between(40, 70)
    summed = wish.residual == "summed"
    spread = 0.02 if summed else 0.008
    transformers = (
        _transformer(drawn, spread),
        _transformer(drawn, spread),
        _transformer(drawn, spread),
    )
    volts, minutes = _three(drawn, 0.004), _three(drawn, 15)
    leak = _three(drawn, 4e-4)
    plain = FrontEnd(
        rating_amps=rating,
        residual=wish.residual or "core_balance",
        residual_amps=100.0 if low_resistance else 20.0,
        rate_hz=wish.rate_hz or rate_hz,
        noise_db=noise_db if wish.noise_db is None else wish.noise_db,
        seed=int(drawn.chance.random() * 2**40),
    )
    if wish.quiet:
        return replace(plain, noise_db=wish.noise_db or 96.0)
    return replace(
        plain,
        transformers=transformers,
        volt_ratios=volts,
        volt_minutes=minutes,
        leak=leak,
    )


def _three(drawn: Draft, most: float) -> tuple[float, float, float]:
    """An error of each phase, up to `most` either way."""
    return drawn.between(-most, most), drawn.between(-most, most), drawn.between(-most, most)


def _transformer(drawn: Draft, spread: float) -> CurrentTransformer:
    return CurrentTransformer(
        ratio=drawn.between(-spread, spread),
        minutes=drawn.between(-40, 40),
        limit=drawn.between(25, 60),
        remanence=drawn.between(-0.3, 0.3),
        decay_s=drawn.between(0.5, 2.0),
        saturated_s=drawn.between(2e-4, 5e-4),
    )


def _bay(scene: Scene, terminal: str, end: FrontEnd) -> Bay:
    return Bay(
        section=scene.network.at(terminal).name,
        nominal_volts=NOMINAL_VOLTS,
        rating_amps=end.rating_amps,
        earthing=scene.earthing.kind,
        residual=end.residual,
    )
