"""A network made into a circuit: source, earthing, lines, terminals, loads, and what is added.

    grid = Grid(network, earthing, supply, happenings)
    waves = solve(grid.circuit.text(), grid.circuit.saved, since_s, until_s)

A place is a name with three nodes `place.a` ... `place.c`: the bus, the far end of each section
(its name), its near end behind the terminal's switch (`name_n`), and a point within it where
something happens (`name_f`, and `name_g` on the far side of a break).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hil.plant.circuit import OMEGA, PAIRS, PHASES, Circuit, number
from hil.plant.network import BUS, NOMINAL_VOLTS, PHASE_VOLTS, Feeder, Network, Section

# Rest to full voltage; what it leaves behind is gone before a case begins (case.LEAD_S).
RAMP_S = 0.04
_SHIFTS = {"a": 0.0, "b": -2 * math.pi / 3, "c": 2 * math.pi / 3}
# Earthing transformer, zero sequence per phase; bus VT, one winding to earth of each phase.
_EARTHING_OHM, _EARTHING_X = 1.5, 6.0
_VT_OHM, _VT_HENRY = 7_000.0, 1_500.0


@dataclass(frozen=True, slots=True)
class Earthing:
    """Of the neutral. kind: "isolated", "resonant", "low_resistance".

    over: inductive current over capacitive of the coil, 1.05 to 1.10 as it is set in China.
    coil_r: its resistance by its reactance. damping: X over the resistor across it, 0 without.
    ohm: of the low resistance.
    """

    kind: str
    over: float = 1.08
    coil_r: float = 0.02
    damping: float = 0.02
    ohm: float = 10.0


@dataclass(frozen=True, slots=True)
class Supply:
    """What stands behind the busbar.

    volts: phase to phase RMS by nominal. fifth, seventh: share of the voltage. skew: factor of each
    phase. envelope: of each phase, (s, factor) straight between; swing: (s, Hz off nominal).
    angle: of phase A's voltage at the axis' zero [rad].
    """

    volts: float = 1.03
    fifth: float = 0.008
    seventh: float = 0.004
    skew: tuple[float, float, float] = (1.0, 1.0, 1.0)
    envelope: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    swing: Sequence[tuple[float, float]] = ()
    angle: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """Of a feeder: factor on its nominal load, admittance of each branch, harmonics' share."""

    level: float = 1.0
    skew: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fifth: float = 0.03
    seventh: float = 0.015


class Happening(Protocol):
    """Something that is added to the network: a fault, a machine, a switching."""

    def build(self, grid: Grid) -> None:
        """Into the grid's circuit."""
        ...


@dataclass(frozen=True, slots=True)
class Break:
    """One conductor torn at `part` of a section's length, at its current's next zero."""

    section: str
    part: float
    phase: str
    at_s: float


class Grid:
    """The circuit of a network, of what is switched on it, and of what happens.

    switches: times and states of a terminal's switch, (s, closed) from an initial state on; only
        these terminals get breaker poles. taps: sections with a point of interest at a part of
        their length. tie: of the network's tie, None where it stays open and is left out.
    """

    def __init__(
        self,
        network: Network,
        earthing: Earthing,
        supply: Supply,
        *,
        loads: Mapping[str, Load] | None = None,
        switches: Mapping[str, Sequence[tuple[float, bool]]] | None = None,
        tie: Sequence[tuple[float, bool]] | None = None,
        taps: Mapping[str, float] | None = None,
        broken: Break | None = None,
        skews: Mapping[str, tuple[float, float, float]] | None = None,
        happenings: Sequence[Happening] = (),
    ) -> None:
        self.network, self.earthing, self.supply = network, earthing, supply
        self.circuit = Circuit()
        self._loads, self._switches = loads or {}, switches or {}
        self._taps, self._broken = dict(taps or {}), broken
        self._skews = skews or {}
        self._swing_node = ""
        self._shunts: dict[str, list[tuple[float, float, float, tuple[float, float, float]]]] = {}
        if broken is not None:
            self._taps[broken.section] = broken.part
        self._source()
        self._neutral()
        for feeder in network.feeders:
            for section in feeder.sections:
                self._section(section)
                self._load(feeder, section)
        if tie is not None:
            self.switch(network.tie[0], network.tie[1], tie)
        for happening in happenings:
            happening.build(self)
        self._emit_shunts()

    # --- places --------------------------------------------------------------------------------

    def near(self, section: str) -> str:
        """The place at a section's near end, behind the switch of its terminal."""
        return f"{section}_n" if self.network.section(section).terminal else self._fed(section)

    def point(self, section: str) -> str:
        """The place at the part of a section that was asked for with `taps`."""
        return BUS if section == BUS else f"{section}_f"

    def beyond(self, section: str) -> str:
        """The far side of the break in this section."""
        return f"{section}_g"

    def _fed(self, section: str) -> str:
        return self.network.section(section).source

    # --- what the network consists of -------------------------------------------------------------

    def _source(self) -> None:
        circuit, supply = self.circuit, self.supply
        ohm, henry = self.network.source()
        peak = PHASE_VOLTS * supply.volts * math.sqrt(2)
        swing = f"+v({self._swung()})" if supply.swing else ""
        for phase, skew in zip(PHASES, supply.skew, strict=True):
            points = [(0.0, 0.0), (RAMP_S, 1.0)]
            points += [(t, factor) for t, factor in supply.envelope.get(phase, ())]
            angle = f"({number(OMEGA)}*time+{number(supply.angle + _SHIFTS[phase])}{swing})"
            wave = (
                f"cos({angle})+{number(supply.fifth)}*cos(5*{angle}+0.4)"
                f"+{number(supply.seventh)}*cos(7*{angle}-0.7)"
            )
            circuit.lines.append(
                f"Bsource{phase} emf.{phase} star v=v({circuit.control(points)})"
                f"*{number(peak * skew)}*({wave})"
            )
            circuit.impedance(f"emf.{phase}", f"{BUS}.{phase}", ohm, henry)
            circuit.impedance(f"{BUS}.{phase}", "0", _VT_OHM, _VT_HENRY)
        # The winding is a delta: what its star leaks to earth only gives the solver a way.
        circuit.resistor("star", "0", 1e7)

    def _swung(self) -> str:
        """A node at the angle [rad] that the frequency's deviation has made up to now."""
        if self._swing_node:
            return self._swing_node
        node = self._swing_node = self.circuit.name("k")
        rate = self.circuit.control(list(self.supply.swing))
        self.circuit.lines += [
            f"C{node} {node} 0 1 ic=0",
            f"B{node} 0 {node} i={number(2 * math.pi)}*v({rate})",
        ]
        return node

    def _neutral(self) -> None:
        kind, circuit = self.earthing.kind, self.circuit
        if kind == "isolated":
            return
        circuit.neutral(BUS, "neutral", _EARTHING_OHM, _EARTHING_X / OMEGA)
        if kind == "low_resistance":
            circuit.resistor("neutral", "0", self.earthing.ohm)
            return
        henry = self.coil_henry()
        reactance = OMEGA * henry
        circuit.impedance("neutral", "0", self.earthing.coil_r * reactance, henry)
        if self.earthing.damping > 0:
            circuit.resistor("neutral", "0", reactance / self.earthing.damping)

    def coil_henry(self) -> float:
        """Of the coil alone, so that with the earthing transformer it is tuned as asked."""
        whole = 1 / (3 * OMEGA**2 * self.network.earth_farad() * self.earthing.over)
        return whole - _EARTHING_X / OMEGA / 3

    def _section(self, section: Section) -> None:
        circuit, near = self.circuit, section.source
        if section.terminal:
            near, meter = f"{section.name}_n", section.name
            changes = self._switches.get(section.terminal)
            inner = f"{section.name}_m" if changes else near
            circuit.ammeter(section.source, inner, f"{meter}_")
            circuit.voltmeter(section.source)
            if changes:
                circuit.voltmeter(near)
                self.switch(inner, near, changes)
        part = self._taps.get(section.name)
        if part is None:
            self._line(section, near, section.name, 1.0)
            return
        point = f"{section.name}_f"
        self._line(section, near, point, part)
        beyond = self._torn(section.name, point)
        self._line(section, beyond, section.name, 1 - part)

    def _torn(self, section: str, point: str) -> str:
        """The place that goes on behind a point: the same, or the far side of a break."""
        if self._broken is None or self._broken.section != section:
            return point
        beyond = f"{section}_g"
        for phase in PHASES:
            ends = (f"{point}.{phase}", f"{beyond}.{phase}")
            if phase == self._broken.phase:
                closed = self.circuit.steps(1.0, [(self._broken.at_s, 0.0)], 1e-5)
                self.circuit.pole(*ends, closed)
            else:
                self.circuit.resistor(*ends, 1e-3)
        return beyond

    def _line(self, section: Section, one: str, other: str, part: float) -> None:
        self.circuit.series(one, other, section.z1(part), section.z0(part))
        skew = self._skews.get(section.name, (1.0, 1.0, 1.0))
        half = (section.c1(part) / 2, section.c0(part) / 2, section.line.loss, skew)
        for place in (one, other):
            self._shunts.setdefault(place, []).append(half)

    def _emit_shunts(self) -> None:
        for place, halves in self._shunts.items():
            c1, c0 = sum(h[0] for h in halves), sum(h[1] for h in halves)
            loss = sum(h[1] * h[2] for h in halves) / c0
            a, b, c = (sum(h[1] * h[3][k] for h in halves) / c0 for k in range(3))
            self.circuit.shunt(place, c1, c0, loss, (a, b, c))

    def _load(self, feeder: Feeder, section: Section) -> None:
        load = self._loads.get(feeder.name, Load())
        amps = feeder.load_amps * section.share * load.level
        if amps > 0:
            self.load(section.name, amps, feeder.power_factor, load.skew)
            self._harmonics(section.name, amps, load)

    def load(
        self, place: str, amps: float, power_factor: float, skew: Sequence[float] = (1, 1, 1)
    ) -> None:
        """Impedances between the phases that take `amps` at nominal voltage."""
        branch = 3 * NOMINAL_VOLTS / (math.sqrt(3) * amps)
        sine = math.sqrt(1 - power_factor**2)
        self.circuit.delta(place, branch * power_factor, branch * sine / OMEGA, skew)

    def _harmonics(self, place: str, amps: float, load: Load) -> None:
        """Currents between the phases as converters draw them, in step with the source, as large as
        the square of the place's voltage of the last milliseconds: none where it is dead.

        A current that followed the voltage at once would be a negative conductance to whatever
        oscillates there, and the network would sing.
        """
        orders = [(5, load.fifth), (7, load.seventh)]
        terms = [
            (k, amps * share * math.sqrt(2) / math.sqrt(3)) for k, share in orders if share > 0
        ]
        if not terms:
            return
        level = self._level(place)
        swing = f"+v({self._swung()})" if self.supply.swing else ""
        for k, (one, other) in enumerate(PAIRS):
            shift = self.supply.angle + math.pi / 6 - 2 * math.pi / 3 * k
            angle = f"({number(OMEGA)}*time+{number(shift)}{swing})"
            waves = "+".join(f"{number(peak)}*cos({order}*{angle})" for order, peak in terms)
            self.circuit.lines.append(
                f"{self.circuit.name('B')} {place}.{one} {place}.{other} i=v({level})*({waves})"
            )

    def _level(self, place: str) -> str:
        """A node at the mean square of a place's voltages by nominal, 5 ms behind, at most 1.3."""
        node = self.circuit.name("u")
        unit = number(1 / (NOMINAL_VOLTS * math.sqrt(2)))
        squares = "+".join(f"({unit}*v({place}.{a},{place}.{b}))^2" for a, b in PAIRS)
        self.circuit.lines += [
            f"C{node} {node} 0 1 ic=0",
            f"B{node} 0 {node} i=200*(min(0.66667*({squares}),1.3)-v({node}))",
        ]
        return node

    # --- for what happens -----------------------------------------------------------------------

    def switch(self, one: str, other: str, changes: Sequence[tuple[float, bool]]) -> None:
        """Three poles; the first change is the state at the beginning."""
        (_, first), *later = changes
        closed = self.circuit.steps(float(first), [(t, float(state)) for t, state in later], 1e-5)
        for phase in PHASES:
            self.circuit.pole(f"{one}.{phase}", f"{other}.{phase}", closed)
