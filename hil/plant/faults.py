"""What goes wrong on a line: short circuits, earth faults, arcs that restrike, dry ground.

A fault begins at its instant and goes out at a current's zero after its end, as arcs and fuses do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hil.plant.circuit import number
from hil.plant.grid import Grid

_EDGE_S = 1e-5


@dataclass(frozen=True, slots=True)
class Fault:
    """Phases (e.g. "bc") short of each other through `ohm` each, and through earth_ohm to earth.

    place: of the grid. spans: (begin, end) [s]; end None: it stands. earth_ohm None: not to earth.
    """

    place: str
    phases: str
    spans: Sequence[tuple[float, float | None]]
    ohm: float = 0.02
    earth_ohm: float | None = None

    def build(self, grid: Grid) -> None:
        """A leg for each phase to a star, and the star's way to earth."""
        circuit = grid.circuit
        changes = []
        for begin, end in self.spans:
            changes.append((begin, 1.0))
            if end is not None:
                changes.append((end, 0.0))
        burning = circuit.steps(0.0, changes, _EDGE_S)
        star = circuit.name("x") if len(self.phases) > 1 or self.earth_ohm is None else "0"
        for phase in self.phases:
            leg = circuit.name("x")
            circuit.pole(f"{self.place}.{phase}", leg, burning)
            ohm = self.ohm if star != "0" else self.ohm + (self.earth_ohm or 0.0)
            circuit.resistor(leg, star, max(ohm, 1e-3))
        if star != "0":
            # Without earth the star still needs a way for the solver.
            circuit.resistor(
                star, "0", 1e7 if self.earth_ohm is None else max(self.earth_ohm, 1e-3)
            )


@dataclass(frozen=True, slots=True)
class Restriking:
    """An earth fault over a gap that goes out at zeros of its current and strikes again.

    least, slope, most: strength of the gap right after going out [V], its recovery [V/s], its end
    [V]. span: while it can strike at all [s].
    """

    place: str
    phase: str
    span: tuple[float, float | None]
    ohm: float
    least: float
    slope: float
    most: float

    def build(self, grid: Grid) -> None:
        """A gap to earth."""
        begin, end = self.span
        changes = [(begin, 1.0)] + ([(end, 0.0)] if end is not None else [])
        allowed = grid.circuit.steps(0.0, changes, _EDGE_S)
        strength = {"least": self.least, "slope": self.slope, "most": self.most}
        grid.circuit.gap(f"{self.place}.{self.phase}", "0", self.ohm, allowed, strength)


@dataclass(frozen=True, slots=True)
class DryGround:
    """A conductor on ground that hardly conducts: two diodes with a voltage each, and a resistance
    that is another in every half cycle.

    positive, negative: voltages of the two [V]; ohms: of each half cycle from begin_s on.
    Source: A. E. Emanuel et al., "High impedance fault arcing on sandy soil in 15 kV distribution
        feeders", IEEE Trans. Power Delivery, vol. 5, 1990.
    """

    place: str
    phase: str
    begin_s: float
    positive: float
    negative: float
    ohms: Sequence[float]

    def build(self, grid: Grid) -> None:
        """A source that conducts beyond either voltage."""
        steps = [(self.begin_s + 0.01 * k, 1 / ohm) for k, ohm in enumerate(self.ohms)]
        conducts = grid.circuit.steps(0.0, steps, 2e-4)
        at = f"v({self.place}.{self.phase})"
        grid.circuit.lines.append(
            f"{grid.circuit.name('B')} {self.place}.{self.phase} 0 i=v({conducts})*"
            f"(max({at}-{number(self.positive)},0)+min({at}+{number(self.negative)},0))"
        )
