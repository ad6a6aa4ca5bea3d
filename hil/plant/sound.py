"""Scenes in which nothing is faulty at or beyond a terminal, however it looks: switching, machines,
the source's own troubles, and measuring that is broken. Each is a function from a draft to a scene.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hil.plant.draft import CYCLE_S, FIRST_S, Draft
from hil.plant.equipment import CapacitorBank, LoadStep, Motor, Transformer
from hil.plant.front_end import FrontEnd
from hil.plant.grid import Load
from hil.plant.network import BUS
from hil.plant.scene import LEAD_S, Scene

OWN = ("s11", "s12", "s13")


def _instant(drawn: Draft) -> float:
    """At any angle of the voltage."""
    return round(FIRST_S + drawn.between(0, CYCLE_S), 6)


def quiet(drawn: Draft) -> Scene:
    """Nothing happens."""
    return drawn.scene


def _bank(drawn: Draft, place: str, changes: Any) -> Transformer:
    """A transformer with the flux that its last switching left: the three sum to nothing."""
    one, other = drawn.between(-0.8, 0.8), drawn.between(-0.4, 0.4)
    residual = (one, max(-0.8, min(0.8, other - one / 2)), -other - one / 2)
    return Transformer(
        place,
        drawn.decades(400, 5_000),
        changes,
        knee=drawn.between(1.12, 1.28),
        air_core=drawn.between(0.2, 0.45),
        resistance=drawn.between(0.006, 0.015),
        residual=residual,
    )


def inrush(drawn: Draft) -> Scene:
    """Transformers switched in; variant: one bank, or a feeder with all that hang on it."""
    variant = drawn.variant("bank", "feeder")
    at_s = _instant(drawn)
    if variant == "bank":
        bank = _bank(drawn, str(drawn.one_of(*OWN)), [(0.0, False), (at_s + LEAD_S, True)])
        return replace(drawn.scene, onset_s=at_s, happenings=[bank], notes={"variant": variant})
    terminal = str(drawn.one_of("F1-head", "F1-mid"))
    banks = [_bank(drawn, place, ()) for place in ("s12", "s13")]
    return replace(
        drawn.scene,
        onset_s=at_s,
        happenings=banks,
        switches={terminal: [(0.0, False), (at_s, True)]},
        notes={"variant": variant, "terminal": terminal},
    )


def cold_load(drawn: Draft) -> Scene:
    """A feeder taken in again after a long outage: more load than before, motors, transformers."""
    at_s = _instant(drawn)
    place = str(drawn.one_of("s12", "s13"))
    motor = Motor(place, drawn.between(200, 800), at_s + LEAD_S)
    extra = LoadStep(
        "s11",
        drawn.scene.network.feeders[0].load_amps * drawn.between(0.3, 1.2),
        0.97,
        [(0.0, True)],
    )
    banks = [_bank(drawn, each, ()) for each in ("s12", "s13")]
    return replace(
        drawn.scene,
        onset_s=at_s,
        happenings=[motor, extra, *banks],
        switches={"F1-head": [(0.0, False), (at_s, True)]},
        seconds=1.0,
    )


def motor_start(drawn: Draft) -> Scene:
    """A large motor started direct on line."""
    at_s = _instant(drawn)
    motor = Motor(str(drawn.one_of(*OWN)), drawn.between(400, 1_600), at_s + LEAD_S)
    return replace(drawn.scene, onset_s=at_s, happenings=[motor], notes={"kva": motor.kva})


def capacitor_switching(drawn: Draft) -> Scene:
    """A bank switched in; variant: alone, or beside one that is charged already."""
    variant = drawn.variant("single", "back_to_back")
    at_s, place = _instant(drawn), str(drawn.one_of(*OWN))
    banks = [
        CapacitorBank(place, drawn.between(300, 1_800), [(0.0, False), (at_s + LEAD_S, True)], 60.0)
    ]
    if variant == "back_to_back":
        banks.append(CapacitorBank(place, drawn.between(300, 1_200), [(0.0, True)]))
    return replace(drawn.scene, onset_s=at_s, happenings=banks, notes={"variant": variant})


def load_step(drawn: Draft) -> Scene:
    """A load switched on or off, up to the feeder's own."""
    at_s, amps = _instant(drawn), drawn.scene.network.feeders[0].load_amps
    on = bool(drawn.one_of(True, False))
    step = LoadStep(
        str(drawn.one_of(*OWN)),
        amps * drawn.between(0.2, 1.0),
        drawn.between(0.8, 0.98),
        [(0.0, not on), (at_s + LEAD_S, on)],
    )
    return replace(drawn.scene, onset_s=at_s, happenings=[step], notes={"on": on})


def unbalance(drawn: Draft) -> Scene:
    """A load between two phases alone, such as a railway's or a furnace's, is switched on."""
    at_s, amps = _instant(drawn), drawn.scene.network.feeders[0].load_amps
    skew = drawn.one_of((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    step = LoadStep(
        str(drawn.one_of(*OWN)),
        amps * drawn.between(0.15, 0.5),
        0.9,
        [(0.0, False), (at_s + LEAD_S, True)],
        skew,
    )
    return replace(drawn.scene, onset_s=at_s, happenings=[step])


def harmonics(drawn: Draft) -> Scene:
    """A load of converters: 5 to 20 % of 5th and 7th harmonic."""
    loads = {
        name: replace(load, fifth=drawn.between(0.05, 0.18), seventh=drawn.between(0.03, 0.1))
        for name, load in drawn.scene.loads.items()
    }
    supply = replace(drawn.scene.supply, fifth=drawn.between(0.01, 0.035))
    return replace(drawn.scene, loads=loads, supply=supply)


def frequency_swing(drawn: Draft) -> Scene:
    """The network's frequency leaves 50 Hz by up to 0.5 Hz and comes back."""
    at_s = LEAD_S + FIRST_S
    most = drawn.between(0.2, 0.5) * drawn.one_of(1.0, -1.0)
    swing = [(0.0, 0.0), (at_s, 0.0), (at_s + 0.25, most), (at_s + 0.55, most), (at_s + 0.8, 0.0)]
    return replace(
        drawn.scene,
        onset_s=FIRST_S,
        supply=replace(drawn.scene.supply, swing=swing),
        seconds=1.2,
        notes={"hertz": most},
    )


def sag(drawn: Draft) -> Scene:
    """A fault in the network above: one to three phases of the source go down for a while."""
    at_s, lasts_s = _instant(drawn), drawn.between(0.06, 0.25)
    phases = str(drawn.one_of("a", "bc", "ca", "abc"))
    left = drawn.between(0.25, 0.88)
    begin, end = at_s + LEAD_S, at_s + LEAD_S + lasts_s
    points = [(begin, 1.0), (begin + 5e-4, left), (end, left), (end + 5e-4, 1.0)]
    envelope = dict.fromkeys(phases, points)
    return replace(
        drawn.scene,
        onset_s=at_s,
        cleared_s=round(at_s + lasts_s, 6),
        supply=replace(drawn.scene.supply, envelope=envelope),
        notes={"phases": phases.upper(), "left": left},
    )


def loss_of_supply(drawn: Draft) -> Scene:
    """The busbar loses its supply; what is left dies away in the motors and the capacitances."""
    at_s = _instant(drawn)
    begin = at_s + LEAD_S
    points = [(begin, 1.0), (begin + 0.002, 0.0)]
    envelope = dict.fromkeys("abc", points)
    return replace(
        drawn.scene,
        onset_s=at_s,
        section=BUS,
        alarming=True,
        supply=replace(drawn.scene.supply, envelope=envelope),
        lost=[(at_s, "")],
        seconds=1.0,
    )


def tie_transfer(drawn: Draft) -> Scene:
    """Live transfer: the tie closes, both feeders run in parallel, then the far end opens."""
    closes_s = _instant(drawn)
    opens_s = round(closes_s + drawn.between(0.1, 0.2), 6)
    return replace(
        drawn.scene,
        onset_s=closes_s,
        tie=[(0.0, False), (closes_s, True)],
        switches={"F1-end": [(0.0, True), (opens_s, False)]},
        notes={"opens_s": opens_s},
    )


def trapped_charge(drawn: Draft) -> Scene:
    """An unloaded cable is opened and keeps its charge: voltage without supply."""
    at_s = _instant(drawn)
    loads = {**drawn.scene.loads, "F1": Load(level=0.0, fifth=0.0, seventh=0.0)}
    return replace(
        drawn.scene,
        onset_s=at_s,
        loads=loads,
        switches={"F1-head": [(0.0, True), (at_s, False)]},
    )


# --- broken measuring ----------------------------------------------------------------------------


def blown_vt_fuse(drawn: Draft) -> Scene:
    """One fuse of the bus VT goes: all terminals on the bus lose that phase's voltage."""
    at_s, phase = _instant(drawn), str(drawn.one_of(*"abc"))
    return _in_trouble(drawn, at_s, blown=phase)


def open_ct(drawn: Draft) -> Scene:
    """A secondary circuit opens at every terminal alike, one phase of it."""
    at_s, phase = _instant(drawn), str(drawn.one_of(*"abc"))
    return _in_trouble(drawn, at_s, open_ct=phase)


def swapped_phase(drawn: Draft) -> Scene:
    """Two phases of the currents were wired the wrong way round, from the beginning."""
    pair = str(drawn.one_of("ab", "bc", "ca"))
    return replace(_in_trouble(drawn, 0.0, swapped=pair), onset_s=None)


def _in_trouble(drawn: Draft, at_s: float, **what: str) -> Scene:
    def one(end: FrontEnd) -> FrontEnd:
        return replace(end, trouble_s=at_s, **what)  # type: ignore[arg-type]  # words of FrontEnd

    ends = {name: one(end) for name, end in drawn.scene.front_ends.items()}
    return replace(drawn.scene, onset_s=at_s, front_ends=ends, notes=dict(what))
