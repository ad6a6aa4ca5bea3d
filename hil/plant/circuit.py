"""A circuit as it grows: three-phase elements of a network, written as lines for the solver.

Every element is passive or a source; each is here once. Nodes are named `bus.a`; the three of a
place are `bus`. Numbers are written with nine digits, so that the same network gives the same text
everywhere.
Source: H. W. Dommel, EMTP Theory Book, for sections and sources; docs/rig.md has what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PHASES = "abc"
PAIRS = (("a", "b"), ("b", "c"), ("c", "a"))
OMEGA = 314.15926535897931  # of 50 Hz [1/s]
# Across each inductance: w L at this frequency. At 50 Hz it takes a 500th of a per cent; it keeps a
# pi section from ringing at the solver's step.
DAMPED_AT = 2 * 3.14159265358979 * 25_000.0
_CLOSED = 200.0  # conductance of a closed pole [S]
_OPEN = 1e-8


def number(value: float) -> str:
    """As the solver reads it."""
    return f"{value:.9g}"


class Circuit:
    """Lines of the netlist, and what is to be saved."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.saved: list[str] = []
        self.gaps: list[str] = []  # vectors of their currents, saved
        self._count = 0
        self._controls: dict[str, str] = {}

    def text(self) -> str:
        """The netlist."""
        return "\n".join(self.lines)

    def name(self, letter: str) -> str:
        """A name for an element that nobody asks for."""
        self._count += 1
        return f"{letter}{self._count}"

    # --- two poles ---------------------------------------------------------------------------

    def resistor(self, one: str, other: str, ohm: float) -> None:
        """R."""
        self.lines.append(f"{self.name('R')} {one} {other} {number(ohm)}")

    def capacitor(self, one: str, other: str, farad: float, loss: float = 0.0) -> None:
        """C, with the resistance across it that makes a loss tangent of `loss` at 50 Hz."""
        if farad <= 0:
            return
        self.lines.append(f"{self.name('C')} {one} {other} {number(farad)}")
        if loss > 0:
            self.resistor(one, other, 1 / (loss * OMEGA * farad))

    def inductor(self, one: str, other: str, henry: float) -> None:
        """L, damped."""
        self.lines.append(f"{self.name('L')} {one} {other} {number(henry)}")
        self.resistor(one, other, DAMPED_AT * henry)

    def impedance(self, one: str, other: str, ohm: float, henry: float) -> None:
        """R and L in series; either may be zero."""
        if ohm > 0 and henry > 0:
            middle = self.name("x")
            self.resistor(one, middle, ohm)
            self.inductor(middle, other, henry)
        elif henry > 0:
            self.inductor(one, other, henry)
        else:
            self.resistor(one, other, max(ohm, 1e-6))

    def conductance(self, one: str, other: str, control: str) -> None:
        """A conductance of V(control) siemens."""
        ends = f"v({one},{other})" if other != "0" else f"v({one})"
        self.lines.append(f"{self.name('B')} {one} {other} i={ends}*({number(_OPEN)}+v({control}))")

    # --- what is told from outside -------------------------------------------------------------

    def control(self, points: Sequence[tuple[float, float]]) -> str:
        """A node whose voltage runs through these (s, value), straight between; made once."""
        text = " ".join(f"{number(t)} {number(value)}" for t, value in points)
        if text not in self._controls:
            node = self.name("k")
            self._controls[text] = node
            self.lines.append(f"V{node} {node} 0 pwl({text})")
        return self._controls[text]

    def steps(self, first: float, changes: Sequence[tuple[float, float]], edge_s: float) -> str:
        """A control at `first` that goes to each value within `edge_s` of its instant."""
        points = [(0.0, first)]
        for at_s, value in changes:
            points += [(at_s, points[-1][1]), (at_s + edge_s, value)]
        return self.control(points)

    # --- three phases --------------------------------------------------------------------------

    def ammeter(self, place: str, behind: str, save: str) -> None:
        """Zero-volt sources from `place` to `behind`; their currents are saved as i(v<save>a)..."""
        for phase in PHASES:
            self.lines.append(f"V{save}{phase} {place}.{phase} {behind}.{phase} 0")
            self.saved.append(f"i(v{save}{phase})")

    def voltmeter(self, place: str) -> None:
        """Voltages to earth of a place, saved."""
        self.saved += [f"v({place}.{phase})" for phase in PHASES]

    def series(
        self, place: str, behind: str, z1: tuple[float, float], z0: tuple[float, float]
    ) -> None:
        """Positive- and zero-sequence impedance (ohm, henry) from a place to the next.

        Each phase has Z1, and a source that takes off (Z0 - Z1) (ia + ib + ic) / 3, which one
        impedance outside of the phases makes out of the three currents. So neither a negative nor a
        mutual resistance is needed, and the whole stays passive.
        """
        mutual = ((z0[0] - z1[0]) / 3, (z0[1] - z1[1]) / 3)
        drop = self.name("m")
        sources = [self.name("E") for _ in PHASES]
        for phase, source in zip(PHASES, sources, strict=True):
            inner = self.name("x")
            self.impedance(f"{place}.{phase}", inner, *z1)
            self.lines.append(f"{source} {inner} {behind}.{phase} {drop} 0 1")
        for source in sources:
            self.lines.append(f"{self.name('F')} 0 {drop} {source} 1")
        self.impedance(drop, "0", max(mutual[0], 1e-6), max(mutual[1], 0.0))

    def shunt(
        self, place: str, c1: float, c0: float, loss: float, skew: Sequence[float] = (1, 1, 1)
    ) -> None:
        """Capacitance to earth and between phases [F]; `skew`: factors of the three to earth."""
        for phase, factor in zip(PHASES, skew, strict=True):
            self.capacitor(f"{place}.{phase}", "0", c0 * factor, loss)
        for one, other in PAIRS:
            self.capacitor(f"{place}.{one}", f"{place}.{other}", (c1 - c0) / 3)

    def delta(
        self, place: str, ohm: float, henry: float, skew: Sequence[float] = (1, 1, 1)
    ) -> None:
        """A load between the phases, which passes no zero sequence; skew: admittance of each."""
        for (one, other), factor in zip(PAIRS, skew, strict=True):
            if factor > 0:
                self.impedance(f"{place}.{one}", f"{place}.{other}", ohm / factor, henry / factor)

    def neutral(self, place: str, node: str, ohm: float, henry: float) -> None:
        """An earthing transformer without magnetising current: (ohm, henry) of zero sequence per
        phase between the place and its neutral, infinite in positive sequence.
        """
        inner, meter = self.name("x"), self.name("V")
        self.lines.append(
            f"{self.name('B')} {inner} 0 v=(v({place}.a)+v({place}.b)+v({place}.c))/3"
        )
        behind = self.name("x")
        self.lines.append(f"{meter} {inner} {behind} 0")
        self.impedance(behind, node, ohm / 3, henry / 3)
        for phase in PHASES:
            self.lines.append(f"{self.name('F')} {place}.{phase} 0 {meter} {number(1 / 3)}")

    # --- what conducts and ceases to ------------------------------------------------------------

    def pole(self, one: str, other: str, closed: str) -> None:
        """A breaker pole: it closes when V(closed) rises, and once that has fallen opens at the
        current's next zero.

        The latch looks at the sign of the current against what it was just before, never at its
        size: at a fault's slope a step of the solver walks over any small threshold.
        """
        meter, behind = self.name("V"), self.name("x")
        self.lines.append(f"{meter} {one} {behind} 0")
        latch = self._latch(meter, f"v({closed})>0.5", f"v({closed})<0.5")
        self.lines.append(
            f"{self.name('B')} {behind} {other} i=v({behind},{other})*"
            f"({number(_OPEN)}+{number(_CLOSED)}*v({latch})*v({latch}))"
        )

    def gap(
        self, one: str, other: str, ohm: float, allowed: str, strength: Mapping[str, float]
    ) -> None:
        """A gap that strikes when the voltage across it beats its strength, burns as `ohm`, and
        goes out at a zero of the current (Peters and Slepian); only while V(allowed) is up.

        strength: `least` right after going out [V], `slope` by which it recovers [V/s], `most` [V].
        """
        meter, behind, held, struck = self.name("V"), *map(self.name, "xhk")
        across = f"v({behind},{other})" if other != "0" else f"v({behind})"
        least, slope, most = (number(strength[key]) for key in ("least", "slope", "most"))
        self.gaps.append(f"i({meter.lower()})")
        self.saved.append(self.gaps[-1])
        # A strike holds for some 100 us, until the latch knows the sign of the new current.
        self.lines += [
            f"{meter} {one} {behind} 0",
            f"C{struck} {struck} 0 1e-6 ic=0",
            (
                f"B{struck} 0 {struck} i=(v({allowed})>0.5 && abs({across})>v({held})) ? "
                f"0.5*(1-v({struck})) : -0.01*v({struck})"
            ),
        ]
        latch = self._latch(meter, f"v({struck})>0.3", "1>0")
        # The strength is a capacitor: emptied while the gap burns, filled at the slope after.
        self.lines += [
            f"C{held} {held} 0 1e-6 ic={most}",
            (
                f"B{held} 0 {held} i=v({latch})>0.5 ? 0.2*({least}-v({held})) : "
                f"(v({held})<{most} ? 1e-6*{slope} : 0)"
            ),
            (
                f"{self.name('B')} {behind} {other} i={across}*"
                f"({number(_OPEN)}+{number(1 / ohm)}*v({latch})*v({latch}))"
            ),
        ]

    def _latch(self, meter: str, sets: str, may_go: str) -> str:
        """A node at 1 while what it belongs to conducts, at 0 when it does not.

        It is charged while `sets` holds; where `may_go` holds and the current has changed its sign
        it empties, and once half empty to the end.
        """
        before, latch = self.name("s"), self.name("q")
        current = f"i({meter})"
        # Charged within microseconds; the memory of the sign follows within some steps.
        self.lines += [
            f"C{before} {before} 0 1e-6 ic=0",
            f"B{before} 0 {before} i=0.02*(({current}>0 ? 1 : -1)-v({before}))",
            f"C{latch} {latch} 0 1e-6 ic=0",
            (
                f"B{latch} 0 {latch} i={sets} ? 0.2*(1-v({latch})) : "
                f"(({may_go} && (v({before})*{current}<0 || v({latch})<0.5)) ? -0.2*v({latch}) : 0)"
            ),
        ]
        return latch
