"""A scene: a network, what happens on it and when, and what is true of it before it is solved.

Everything here follows from a seed by plain arithmetic; what only the waves can tell (currents at
each terminal) is added to the truth by solved.py. Times are seconds of the recordings, which begin
LEAD_S after the solver's rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hil.case import Bay, Stage, Supply
from hil.plant.equipment import Jumper
from hil.plant.front_end import FrontEnd
from hil.plant.grid import Break, Earthing, Grid, Happening, Load
from hil.plant.grid import Supply as Source
from hil.plant.network import BUS, Network, Section

LEAD_S = 0.16  # from rest to the first sample: the network has come up and is quiet
LENGTH_S = 0.5


@dataclass(frozen=True, slots=True)
class Scene:
    """What is to be solved, and the truth that is known before.

    switches, tie, dead: (s, state) of the recordings' axis, from 0 on; dead: phases of sections
    that lose their supply otherwise than by a switch (a torn conductor, a loss above).
    here: sections whose disturbance a terminal before them is right to raise an alarm about.
    """

    what: str
    seed: int
    network: Network
    earthing: Earthing
    supply: Source
    kind: str = ""
    onset_s: float | None = None
    cleared_s: float | None = None
    section: str = ""
    part: float = 0.5
    resistance_ohm: float | None = None
    angle_deg: float | None = None
    stages: tuple[Stage, ...] = ()
    alarming: bool = False
    loads: Mapping[str, Load] = field(default_factory=dict)
    skews: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    switches: Mapping[str, Sequence[tuple[float, bool]]] = field(default_factory=dict)
    tie: Sequence[tuple[float, bool]] | None = None
    broken: Break | None = None
    taps: Mapping[str, float] = field(default_factory=dict)
    happenings: Sequence[Happening] = ()
    lost: Sequence[tuple[float, str]] = ()
    front_ends: Mapping[str, FrontEnd] = field(default_factory=dict)
    bays: Mapping[str, Bay] = field(default_factory=dict)
    seconds: float = LENGTH_S
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the case."""
        return f"{self.what}-{self.earthing.kind}-{self.seed}"

    def grid(self) -> Grid:
        """Its circuit, on the solver's axis."""
        return Grid(
            self.network,
            self.earthing,
            self.supply,
            loads=self.loads,
            switches={name: _later(changes) for name, changes in self.switches.items()},
            tie=_later(self.tie) if self.tie is not None else None,
            taps=self.taps,
            broken=self.broken,
            skews=self.skews,
            happenings=self.happenings,
        )

    def sections(self) -> dict[str, tuple[Supply, ...]]:
        """Live phases of every section, from the switches, the source, and the torn conductor."""
        times = {0.0} | {t for t, _ in self.lost}
        for changes in (*self.switches.values(), self.tie or ()):
            times |= {t for t, _ in changes}
        if self.broken is not None:
            times.add(self.broken.at_s - LEAD_S)
        told: dict[str, list[Supply]] = {s.name: [] for s in self.network.sections()}
        for t in sorted(times):
            for name, live in self._live_at(t).items():
                if not told[name] or told[name][-1].live != live:
                    told[name].append(Supply(round(t, 6), live))
        return {name: tuple(states) for name, states in told.items()}

    def _live_at(self, t: float) -> dict[str, str]:
        """Phases of each section right after t."""
        source = next((live for at, live in reversed(self.lost) if at <= t), "ABC")
        live: dict[str, str] = dict.fromkeys((s.name for s in self.network.sections()), "")
        for section in self.network.sections():
            fed = source if section.source == BUS else live[section.source]
            if not self._conducts(section, t):
                fed = ""
            live[section.name] = self._torn(section.name, fed, t)
        if self.tie is not None and _state(self.tie, t):
            self._over_the_tie(live, t)
        return live

    def _torn(self, section: str, fed: str, t: float) -> str:
        """A section with a torn conductor counts as dead in that phase: its far part is."""
        broken = self.broken
        if broken is None or broken.section != section or t < broken.at_s - LEAD_S:
            return fed
        return fed.replace(broken.phase.upper(), "")

    def _conducts(self, section: Section, t: float) -> bool:
        """Whether its switch, if it has one, is closed, or jumped over."""
        jumped = Jumper(section.name) in self.happenings
        return not section.terminal or jumped or _state(self.switches.get(section.terminal), t)

    def _over_the_tie(self, live: dict[str, str], t: float) -> None:
        """What hangs at a dead end of the closed tie is fed from the other one, back to the first
        open switch.
        """
        one, other = self.network.tie
        near, far = (one, other) if len(live[one]) < len(live[other]) else (other, one)
        for section in reversed(self.network.path(near)):
            live[section.name] = live[far]
            if not self._conducts(section, t):
                break


def _later(changes: Sequence[tuple[float, bool]]) -> list[tuple[float, bool]]:
    """On the solver's axis; the first state holds from rest on."""
    (_, first), *rest = changes
    return [(0.0, first), *((t + LEAD_S, state) for t, state in rest)]


def _state(changes: Sequence[tuple[float, bool]] | None, t: float) -> bool:
    if changes is None:
        return True
    return [state for at, state in changes if at <= t][-1]
