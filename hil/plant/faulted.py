"""Scenes of faults: short circuits, earth faults of every kind, torn conductors, and faults that
change while they last. Each is a function from a draft to a scene; catalogue.py names them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hil.case import Stage
from hil.errors import CaseError
from hil.plant.draft import Draft
from hil.plant.equipment import Generator, Jumper
from hil.plant.faults import DryGround, Fault, Restriking
from hil.plant.front_end import CurrentTransformer, FrontEnd
from hil.plant.grid import Break
from hil.plant.network import BUS
from hil.plant.scene import LEAD_S, Scene

PHASE_KINDS = ("AB", "BC", "CA", "ABC")
TWO_TO_EARTH = ("ABG", "BCG", "CAG")
EARTH_KINDS = ("AG", "BG", "CG")
OWN = ("s11", "s12", "s13", "s14")
ANYWHERE = (*OWN, *OWN, "s21", "s22", BUS)
_OPENS_S = 0.06  # a breaker, from the command to the first pole


def phases_of(kind: str) -> str:
    """Of a kind, as the circuit names them."""
    return kind.replace("G", "").lower()


def _kind(drawn: Draft, *choices: str) -> str:
    """The wished kind, or one of these. Raises: CaseError."""
    picked = str(drawn.one_of(*choices))
    wished = drawn.wish.kind
    if wished is not None and wished not in choices:
        raise CaseError("plant", f"no kind {wished!r} here", f"one of {', '.join(choices)}")
    return wished or picked


def _ending(drawn: Draft, onset_s: float, section: str, at_least: float) -> tuple[Any, Any]:
    """When the fault goes by itself, or the head of its feeder opens; (None, None): it stands."""
    how = drawn.one_of("stands", "trips", "goes")
    after_s = drawn.between(at_least, 0.2)
    if drawn.wish.cleared_after_s is not None:
        how, after_s = "goes", drawn.wish.cleared_after_s
    if how == "stands" or (how == "trips" and section == BUS):
        return None, None
    until_s = round(onset_s + after_s, 6)
    return (until_s, None) if how == "goes" else (until_s, head_of(drawn.scene, section))


def head_of(scene: Scene, section: str) -> str:
    """The terminal at the head of a section's feeder."""
    return scene.network.feeder_of(section).sections[0].terminal


def _placed(
    drawn: Draft, section: str, part: float, happenings: Sequence[Any], **told: Any
) -> Scene:
    """The draft's scene with something at a part of a section."""
    taps = {} if section == BUS else {section: part}
    return replace(
        drawn.scene, section=section, part=part, taps=taps, happenings=happenings, **told
    )


def _lasting(
    drawn: Draft,
    section: str,
    part: float,
    happening: Any,
    *,
    kind: str,
    onset_s: float,
    ohm: float,
    **told: Any,
) -> Scene:
    """The draft's scene with one fault that stays what it is."""
    return _placed(
        drawn,
        section,
        part,
        [happening],
        kind=kind,
        onset_s=onset_s,
        resistance_ohm=ohm,
        alarming=True,
        stages=(Stage(onset_s, kind, section),),
        **told,
    )


def _ohm(drawn: Draft, low: float, high: float) -> float:
    """The wished resistance, or one of these decades."""
    ohm = drawn.decades(low, high)
    return ohm if drawn.wish.resistance_ohm is None else drawn.wish.resistance_ohm


def _point(section: str) -> str:
    return BUS if section == BUS else f"{section}_f"


def _spans(onset_s: float, until_s: float | None, tripped: str | None) -> list[Any]:
    """Of the solver's axis; a fault whose feeder is opened burns until its current is gone."""
    end = None if until_s is None or tripped else until_s + LEAD_S
    return [(onset_s + LEAD_S, end)]


def _opened(until_s: float | None, tripped: str | None) -> Mapping[str, Any]:
    if until_s is None or not tripped:
        return {}
    return {tripped: [(0.0, True), (until_s, False)]}


def short_circuit(drawn: Draft) -> Scene:
    """Phases short of each other, to earth or not, at any angle of the voltage."""
    return _shorted(drawn, _kind(drawn, *PHASE_KINDS, *PHASE_KINDS, *TWO_TO_EARTH))


def _shorted(drawn: Draft, kind: str) -> Scene:
    return _ended(drawn, kind, (0.01, 0.6), 0.08)


def _ended(
    drawn: Draft, kind: str, ohms: tuple[float, float], at_least_s: float, *, earth: bool = False
) -> Scene:
    """A fault anywhere, at any angle, that may go or be tripped, no sooner than `at_least_s`.

    ohms: the decades of its resistance; earth: all of which is on the way to earth.
    """
    section, part, angle = drawn.section(*ANYWHERE), drawn.part(), drawn.angle()
    ohm = _ohm(drawn, *ohms)
    onset_s = drawn.onset(kind[0], angle)
    until_s, tripped = _ending(drawn, onset_s, section, at_least_s)
    fault = Fault(
        _point(section),
        phases_of(kind),
        _spans(onset_s, until_s, tripped),
        ohm=0.0 if earth else ohm / 2,
        earth_ohm=ohm if kind.endswith("G") else None,
    )
    return _lasting(
        drawn,
        section,
        part,
        fault,
        kind=kind,
        onset_s=onset_s,
        ohm=ohm,
        cleared_s=until_s,
        angle_deg=angle,
        switches=_opened(until_s, tripped),
    )


def ct_saturation(drawn: Draft) -> Scene:
    """A short circuit with current transformers that are too small, and remanent."""
    scene = drawn.scene
    ends = {name: _small(drawn, end) for name, end in scene.front_ends.items()}
    return replace(_shorted(drawn, _kind(drawn, *PHASE_KINDS, *TWO_TO_EARTH)), front_ends=ends)


def _small(drawn: Draft, end: FrontEnd) -> FrontEnd:
    def one(given: CurrentTransformer) -> CurrentTransformer:
        limit, remanence = drawn.between(8, 25), drawn.between(-0.75, 0.75)
        return replace(given, limit=limit, remanence=remanence)

    a, b, c = end.transformers
    return replace(end, transformers=(one(a), one(b), one(c)))


def earth_fault(drawn: Draft) -> Scene:
    """One phase to earth through up to 5 kilohm."""
    return _ended(drawn, _kind(drawn, *EARTH_KINDS), (1.0, 5_000.0), 0.12, earth=True)


def intermittent_earth_fault(drawn: Draft) -> Scene:
    """A gap that strikes, goes out at a zero, and strikes again when its strength is beaten."""
    kind, section, part = _kind(drawn, *EARTH_KINDS), drawn.section(*OWN, *OWN, "s21"), drawn.part()
    onset_s = drawn.onset(kind[0], 90.0)
    isolated = drawn.scene.earthing.kind == "isolated"
    ohm = drawn.decades(1.0, 30.0)
    gap = Restriking(
        _point(section),
        kind[0].lower(),
        (onset_s - 0.005 + LEAD_S, None),
        ohm,
        least=drawn.between(600, 2_000),
        # Isolated, a strike in nearly every half cycle; with a coil the voltage returns slowly.
        slope=drawn.decades(2e5, 1e6) if isolated else drawn.decades(5e4, 4e5),
        most=drawn.between(5_000, 7_600),
    )
    return _lasting(drawn, section, part, gap, kind=kind, onset_s=onset_s, ohm=ohm)


def high_impedance_fault(drawn: Draft) -> Scene:
    """A conductor on dry ground: 150 to 1200 ohm behind two voltages, anew in each half cycle."""
    kind, section, part = _kind(drawn, *EARTH_KINDS), drawn.section(*OWN, "s22"), drawn.part()
    onset_s = drawn.onset(kind[0], drawn.angle())
    middle = drawn.decades(150, 1_200)
    ground = DryGround(
        _point(section),
        kind[0].lower(),
        onset_s + LEAD_S,
        positive=drawn.between(500, 2_600),
        negative=drawn.between(500, 2_600),
        ohms=[middle * drawn.between(0.7, 1.4) for _ in range(120)],
    )
    return _lasting(
        drawn, section, part, ground, kind=kind, onset_s=onset_s, ohm=middle, seconds=1.0
    )


def broken_conductor(drawn: Draft) -> Scene:
    """A torn conductor; variant: which end lies on the ground: none, source_side, load_side."""
    variant = drawn.variant("none", "source_side", "load_side")
    phase = str(drawn.wish.kind or drawn.one_of(*EARTH_KINDS))[0]
    section, part = drawn.section("s11", "s12", "s12", "s13", "s21"), drawn.part()
    onset_s = drawn.onset(phase, drawn.angle())
    ohm = _ohm(drawn, 50, 3_000)
    lies_s = round(onset_s + drawn.between(0.02, 0.1), 6)
    happenings, stages = [], [Stage(onset_s, "", section)]
    if variant != "none":
        place = _point(section) if variant == "source_side" else f"{section}_g"
        span = [(lies_s + LEAD_S, None)]
        happenings.append(Fault(place, phase.lower(), span, ohm=0.0, earth_ohm=ohm))
        stages.append(Stage(lies_s, f"{phase}G", section))
    scene = _placed(
        drawn,
        section,
        part,
        happenings,
        kind="" if variant == "none" else f"{phase}G",
        onset_s=onset_s,
        resistance_ohm=None if variant == "none" else ohm,
        alarming=True,
        stages=tuple(stages),
        broken=Break(section, part, phase.lower(), onset_s + LEAD_S),
        seconds=1.0,
    )
    return replace(scene, notes={"variant": variant, "phase": phase})


def evolving_fault(drawn: Draft) -> Scene:
    """An earth fault that draws in a second phase, or two phases that draw in the third."""
    first, then = drawn.one_of(("AG", "ABG"), ("BG", "BCG"), ("CG", "CAG"), ("BC", "ABC"))
    section, part = drawn.section(*OWN), drawn.part()
    onset_s = drawn.onset(first[0], drawn.angle())
    joins_s = round(onset_s + drawn.between(0.04, 0.14), 6)
    earthed = first.endswith("G")
    place, ohm = _point(section), drawn.decades(0.02, 0.5)
    begins = Fault(
        place,
        phases_of(first),
        [(onset_s + LEAD_S, None)],
        ohm=ohm,
        earth_ohm=drawn.decades(1, 30) if earthed else None,
    )
    joins = Fault(place, phases_of(then), [(joins_s + LEAD_S, None)], ohm=ohm)
    stages = (Stage(onset_s, first, section), Stage(joins_s, then, section))
    return _placed(
        drawn,
        section,
        part,
        [begins, joins],
        kind=first,
        onset_s=onset_s,
        resistance_ohm=ohm,
        alarming=True,
        stages=stages,
    )


def cross_country_fault(drawn: Draft) -> Scene:
    """An earth fault whose voltage breaks down another phase somewhere else."""
    section, part, other = drawn.section(*OWN), drawn.part(), drawn.one_of("s21", "s22")
    first, second = drawn.one_of(("AG", "BG"), ("BG", "CG"), ("CG", "AG"))
    onset_s = drawn.onset(first[0], drawn.angle())
    breaks_s = round(onset_s + drawn.between(0.04, 0.12), 6)
    ohm, other_part = drawn.decades(0.5, 20), drawn.between(0.1, 0.9)
    faults = [
        Fault(
            _point(section), phases_of(first), [(onset_s + LEAD_S, None)], ohm=0.0, earth_ohm=ohm
        ),
        Fault(
            _point(other), phases_of(second), [(breaks_s + LEAD_S, None)], ohm=0.0, earth_ohm=ohm
        ),
    ]
    scene = _placed(
        drawn,
        section,
        part,
        faults,
        kind=first,
        onset_s=onset_s,
        resistance_ohm=ohm,
        alarming=True,
        stages=(Stage(onset_s, first, section), Stage(breaks_s, second, other)),
    )
    return replace(scene, taps={section: part, other: other_part})


def reclosing(drawn: Draft) -> Scene:
    """A fault, the head breaker's trip, a dead time, and the closing onto it, or onto health."""
    variant = drawn.variant("permanent", "gone")
    kind, section, part = _kind(drawn, *PHASE_KINDS), drawn.section(*OWN), drawn.part()
    onset_s = drawn.onset(kind[0], drawn.angle())
    opens_s = round(onset_s + drawn.between(0.08, 0.14), 6)
    closes_s = round(opens_s + drawn.between(0.3, 0.45), 6)
    again_s = round(closes_s + drawn.between(0.08, 0.12), 6)
    gone_s = None if variant == "permanent" else opens_s + 0.1 + LEAD_S
    ohm = drawn.decades(0.02, 0.5)
    fault = Fault(_point(section), phases_of(kind), [(onset_s + LEAD_S, gone_s)], ohm=ohm / 2)
    changes = [(0.0, True), (opens_s, False), (closes_s, True)]
    stages = [Stage(onset_s, kind, section)]
    if variant == "permanent":
        changes.append((again_s, False))
        stages.append(Stage(closes_s, kind, section))
    scene = _placed(
        drawn,
        section,
        part,
        [fault],
        kind=kind,
        onset_s=onset_s,
        cleared_s=again_s if variant == "permanent" else opens_s,
        resistance_ohm=ohm,
        alarming=True,
        stages=tuple(stages),
        switches={head_of(drawn.scene, section): changes},
        seconds=1.2,
    )
    return replace(scene, notes={"variant": variant})


def backfeed(drawn: Draft) -> Scene:
    """A generator feeds a fault nearer to the source, through its feeder's terminals backwards.

    variant, only by wish: "bypass", an open switch that somebody jumped over, and no fault.
    """
    if drawn.wish.variant is not None:
        return _bypassed(drawn, drawn.variant("bypass"))
    section = drawn.section(BUS, "s21")
    kind, part = _kind(drawn, *PHASE_KINDS), drawn.part()
    onset_s = drawn.onset(kind[0], drawn.angle())
    until_s = round(onset_s + drawn.between(0.1, 0.2), 6)
    place = str(drawn.one_of("s12", "s13"))
    generator = Generator(place, drawn.between(1_500, 4_000), angle=drawn.between(0.02, 0.12))
    ohm = drawn.decades(0.02, 0.3)
    fault = Fault(_point(section), phases_of(kind), _spans(onset_s, until_s, None), ohm=ohm / 2)
    scene = _lasting(
        drawn, section, part, fault, kind=kind, onset_s=onset_s, ohm=ohm, cleared_s=until_s
    )
    return replace(
        scene, happenings=[generator, fault], notes={"generators": [place], "kva": generator.kva}
    )


def _bypassed(drawn: Draft, variant: str) -> Scene:
    terminal, section = drawn.one_of(("F1-mid", "s12"), ("F1-end", "s13"))
    return replace(
        drawn.scene,
        switches={terminal: [(0.0, False)]},
        happenings=[Jumper(section)],
        notes={"variant": variant, "terminal": terminal},
    )
