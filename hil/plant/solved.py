"""A scene solved: the waves at every terminal through its front end, and the whole truth.

    case = solved(scene)

Currents and voltages of the truth are taken from the network's own waves, before any front end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hil.case import Case, Recording, Seen, States, Truth
from hil.errors import PlantError
from hil.plant import front_end, spice
from hil.plant.front_end import LOAD_SIDE, SETTLED_S
from hil.plant.network import PHASE_VOLTS, Section
from hil.plant.scene import LEAD_S, Scene

Array = npt.NDArray[np.float64]
# Through an open gap only microamperes leak.
STRUCK_AMPS = 0.5
_CYCLE = round(0.02 / spice.STEP_S)
EARTH_KINDS = ("AG", "BG", "CG")


def solved(scene: Scene) -> Case:
    """The case of a scene. Raises: PlantError."""
    circuit, seconds = scene.grid().circuit, scene.seconds
    waves = spice.solve(circuit.text(), circuit.saved, LEAD_S - SETTLED_S, LEAD_S + seconds)
    if circuit.gaps:
        scene = _struck(scene, waves.rows[circuit.gaps[0]])
    seen, recordings = {}, {}
    for terminal in scene.network.terminals():
        section = scene.network.at(terminal)
        here = _at(section, waves, switched=terminal in scene.switches)
        seen[terminal] = _seen(scene, section, here)
        recordings[terminal] = _recorded(scene, terminal, here, seconds)
    return Case(scene.name, scene.seed, _truth(scene, seen), recordings)


def _struck(scene: Scene, current: Array) -> Scene:
    """The scene with its onset where the gap first carries current: when its strength is beaten is
    the network's own affair. Raises: PlantError when it never is.
    """
    burning = np.flatnonzero(np.abs(current) > STRUCK_AMPS)
    if not burning.size:
        raise PlantError(scene.name, "the gap never strikes", "a strength below the voltage")
    onset_s = round(float(burning[0]) * spice.STEP_S - SETTLED_S, 6)
    stages = tuple(replace(stage, onset_s=onset_s) for stage in scene.stages)
    return replace(scene, onset_s=onset_s, stages=stages)


def _at(section: Section, waves: spice.Waves, *, switched: bool) -> dict[str, Array]:
    """What there is to be measured at a section's near end, on both sides of its switch."""
    rows = {f"i{p}": waves.rows[f"i(v{section.name}_{p})"] for p in "abc"}
    rows |= {f"u{p}": waves.rows[f"v({section.source}.{p})"] for p in "abc"}
    if switched:
        named = zip(LOAD_SIDE, "abc", strict=True)
        rows |= {name: waves.rows[f"v({section.name}_n.{p})"] for name, p in named}
    else:
        # A closed switch: both of its sides are one place.
        rows |= {name: rows[f"u{name[-1]}"] for name in LOAD_SIDE}
    return rows


def _recorded(scene: Scene, terminal: str, here: Mapping[str, Array], seconds: float) -> Recording:
    end = scene.front_ends[terminal]
    return front_end.measured(
        terminal, scene.bays[terminal], end, here, seconds, _contacts(scene, terminal, seconds)
    )


def _contacts(scene: Scene, terminal: str, seconds: float) -> dict[str, States]:
    """The auxiliary contact of the terminal's switch at every sample; 1 is closed."""
    rate = scene.front_ends[terminal].rate_hz
    t = np.arange(math.floor(seconds * rate + 1e-9)) / rate
    changes = scene.switches.get(terminal) or [(0.0, True)]
    at = np.array([each[0] for each in changes])
    states = np.array([each[1] for each in changes])
    return {"52a": states[np.searchsorted(at, t, side="right") - 1]}


def _truth(scene: Scene, seen: Mapping[str, Seen]) -> Truth:
    return Truth(
        what=scene.what,
        kind=scene.kind,
        onset_s=scene.onset_s,
        cleared_s=scene.cleared_s,
        section=scene.section,
        network=scene.network.name,
        earthing=scene.earthing.kind,
        resistance_ohm=scene.resistance_ohm,
        angle_deg=scene.angle_deg,
        stages=scene.stages,
        terminals=dict(seen),
        sections=scene.sections(),
        notes=dict(scene.notes),
    )


# --- what is true at a terminal ------------------------------------------------------------------


def _seen(scene: Scene, section: Section, here: Mapping[str, Array]) -> Seen:
    direction = _direction(scene, section)
    forward = direction == "forward"
    if scene.onset_s is None:
        return Seen("", alarm=False)
    currents = [here[f"i{p}"] for p in "abc"]
    before, after = _window(scene.onset_s - 0.021), _window(_telling(scene))
    volts = np.sum([here[f"u{p}"] for p in "abc"], axis=0) / 3
    return Seen(
        direction=direction,
        alarm=scene.alarming and (_beyond(scene, section) or _all_lost(scene)),
        distance_km=_distance(scene, section) if forward else None,
        amps=_digits(max(abs(_phasor(row, after)) for row in currents)),
        residual_amps=_digits(abs(_change(np.sum(currents, axis=0), before, after))),
        neutral_share=_digits(abs(_change(volts, before, after)) / PHASE_VOLTS),
        lost_share=_lost_share(scene, section) if forward else 0.0,
    )


def _telling(scene: Scene) -> float:
    """Where the cycle begins in which the disturbance is measured: one cycle after the onset, or
    earlier where it does not last so long. [s]
    """
    onset_s = scene.onset_s or 0.0
    until_s = scene.cleared_s if scene.cleared_s is not None else scene.seconds
    return max(onset_s, min(onset_s + 0.02, until_s - 0.02))


def _direction(scene: Scene, section: Section) -> str:
    """Of the fault, seen from this section's near end; "" where there is none, where nothing of it
    shows, or where its stages lie on both sides.
    """
    told = {_towards(scene, section, s.kind, s.section) for s in scene.stages} - {""}
    return told.pop() if len(told) == 1 else ""


def _towards(scene: Scene, section: Section, kind: str, faulted: str) -> str:
    behind = scene.network.behind(section.name)
    if faulted in behind:
        return "forward"
    # Its own capacitance feeds an earth fault elsewhere, a generator on it feeds any fault.
    fed = any(name in behind for name in scene.notes.get("generators", ()))
    return "reverse" if kind in EARTH_KINDS or fed else ""


def _beyond(scene: Scene, section: Section) -> bool:
    """Whether any stage lies at or behind this section."""
    behind = scene.network.behind(section.name)
    return any(stage.section in behind for stage in scene.stages)


def _all_lost(scene: Scene) -> bool:
    """Of the busbar, and so of everything."""
    return any(live == "" for _, live in scene.lost)


def _lost_share(scene: Scene, section: Section) -> float:
    """Of the load behind this section's near end, what hung behind the torn conductor."""
    if scene.broken is None:
        return 0.0
    network = scene.network

    def share(of: str) -> float:
        return sum(network.section(name).share for name in network.behind(of))

    return round(share(scene.broken.section) / share(section.name), 3)


def _distance(scene: Scene, section: Section) -> float | None:
    """Along the line from this section's near end to the fault. [km]"""
    path = scene.network.path(scene.section)
    names = [each.name for each in path]
    if section.name not in names:
        return None
    whole = sum(each.km for each in path[names.index(section.name) : -1])
    return round(whole + path[-1].km * scene.part, 3)


def _window(since_s: float) -> slice:
    first = max(0, round((since_s + SETTLED_S) / spice.STEP_S))
    return slice(first, first + _CYCLE)


def _phasor(row: Array, window: slice) -> complex:
    """RMS phasor at 50 Hz of one cycle, its angle on the recording's axis."""
    piece = row[window]
    turn = np.exp(-2j * math.pi * np.arange(window.start, window.start + piece.size) / _CYCLE)
    return complex((piece * turn).sum() * math.sqrt(2) / _CYCLE)


def _change(row: Array, before: slice, after: slice) -> complex:
    return _phasor(row, after) - _phasor(row, before)


def _digits(value: float) -> float:
    """Four digits: what two builds of the solver agree on."""
    return float(f"{value:.4g}")
