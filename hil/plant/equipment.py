"""What is switched on a feeder or lives on it: loads, capacitor banks, transformers, motors,
generators, jumpers. Nothing of it has a way to earth, as it is with 10 kV loads of China.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hil.plant.circuit import OMEGA, PAIRS, PHASES, number
from hil.plant.grid import Grid
from hil.plant.network import NOMINAL_VOLTS, PHASE_VOLTS

Changes = Sequence[tuple[float, bool]]

_JUMPER_OHM = 0.002  # a few metres of copper and its clamps


@dataclass(frozen=True, slots=True)
class LoadStep:
    """A load of `amps` that is switched; skew: admittance of its three branches."""

    place: str
    amps: float
    power_factor: float
    changes: Changes
    skew: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def build(self, grid: Grid) -> None:
        """Behind three poles."""
        inner = grid.circuit.name("p")
        grid.switch(self.place, inner, self.changes)
        grid.load(inner, self.amps, self.power_factor, self.skew)


@dataclass(frozen=True, slots=True)
class CapacitorBank:
    """A star of `kvar` without earth, behind `microhenry` of a reactor or of its connection."""

    place: str
    kvar: float
    changes: Changes
    microhenry: float = 60.0

    def build(self, grid: Grid) -> None:
        """Behind three poles."""
        circuit = grid.circuit
        inner, star = circuit.name("p"), circuit.name("x")
        grid.switch(self.place, inner, self.changes)
        farad = self.kvar * 1e3 / (OMEGA * NOMINAL_VOLTS**2)
        for phase in PHASES:
            middle = circuit.name("x")
            circuit.impedance(f"{inner}.{phase}", middle, 0.02, self.microhenry * 1e-6)
            circuit.capacitor(middle, star, farad)
            circuit.resistor(middle, star, 1e6)
        circuit.resistor(star, "0", 1e7)


@dataclass(frozen=True, slots=True)
class Transformer:
    """A Dyn11 bank without load: a saturating core between each two phases.

    knee: of the flux by its rated peak; air_core: reactance in saturation by the bank's base;
    magnetising: current by rated; residual: flux of the three cores by rated peak, which shifts
    the unsaturated line, so that no current flows at it before the switching. changes: of its
    switch; () when it hangs on the place directly.
    """

    place: str
    kva: float
    changes: Changes
    knee: float = 1.2
    air_core: float = 0.3
    magnetising: float = 0.005
    resistance: float = 0.01
    residual: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def build(self, grid: Grid) -> None:
        """Flux is the voltage of a capacitor of 1 F that a copy of the core's voltage charges."""
        circuit, inner = grid.circuit, self.place
        if self.changes:
            inner = circuit.name("p")
            grid.switch(self.place, inner, self.changes)
        base = NOMINAL_VOLTS**2 / (self.kva * 1e3)  # of a phase of the star
        peak = math.sqrt(2) * NOMINAL_VOLTS / OMEGA
        winding = circuit.name("w")
        for phase in PHASES:
            circuit.resistor(f"{inner}.{phase}", f"{winding}.{phase}", self.resistance * base)
        for (one, other), residual in zip(PAIRS, self.residual, strict=True):
            ends = (f"{winding}.{one}", f"{winding}.{other}")
            flux = circuit.name("f")
            linear = OMEGA * self.magnetising / (3 * base)
            steep = OMEGA / (3 * base * self.air_core)
            knee = number(self.knee * peak)
            circuit.lines += [
                f"C{flux} {flux} 0 1 ic={number(residual * peak)}",
                f"B{flux} 0 {flux} i=v({ends[0]},{ends[1]})",
                (
                    f"{circuit.name('B')} {ends[0]} {ends[1]} "
                    f"i={number(linear)}*(v({flux})-{number(residual * peak)})"
                    f"+{number(steep)}*(max(v({flux})-{knee},0)+min(v({flux})+{knee},0))"
                ),
            ]
            circuit.resistor(*ends, 3 * base * 400)  # losses of the iron


@dataclass(frozen=True, slots=True)
class Motor:
    """An induction motor: stator and rotor fluxes in two axes, and its inertia.

    kva: rated; start_s: it stands until then; None: it runs from the beginning. torque: of the
    load at full speed by rated, falling with the square of the speed. inertia_s: constant H.
    Per unit of its own base. Source: P. C. Krause, Analysis of Electric Machinery, ch. 4.
    """

    place: str
    kva: float
    start_s: float | None
    torque: float = 0.7
    inertia_s: float = 0.6
    stator_r: float = 0.01
    rotor_r: float = 0.013
    leakage_x: float = 0.09
    magnetising_x: float = 3.2

    def build(self, grid: Grid) -> None:
        """Fluxes and speed are voltages of capacitors; currents follow from the fluxes."""
        circuit = grid.circuit
        tag = circuit.name("n")
        on = "1"
        if self.start_s is not None:
            on = f"v({circuit.steps(0.0, [(self.start_s, 1.0)], 1e-5)})"
        volts = {p: f"v({self.place}.{p})" for p in PHASES}
        unit = number(1 / (PHASE_VOLTS * math.sqrt(2)))
        alpha = f"{on}*{unit}*(2*{volts['a']}-{volts['b']}-{volts['c']})/3"
        beta = f"{on}*{unit}*({volts['b']}-{volts['c']})*0.577350269"
        # Of each axis: currents from fluxes, with the determinant of the inductances.
        own = self.leakage_x + self.magnetising_x
        bent = own**2 - self.magnetising_x**2
        to_own, to_other = number(own / bent), number(self.magnetising_x / bent)

        def stator(axis: str) -> str:
            return f"({to_own}*v({tag}s{axis})-{to_other}*v({tag}r{axis}))"

        def rotor(axis: str) -> str:
            return f"({to_own}*v({tag}r{axis})-{to_other}*v({tag}s{axis}))"

        omega, rs, rr = number(OMEGA), number(self.stator_r), number(self.rotor_r)
        speed = f"v({tag}w)"
        turning = f"(v({tag}sa)*{stator('b')}-v({tag}sb)*{stator('a')})"
        first = 0.0 if self.start_s is not None else 0.99
        # Without voltage in the ramp a running rotor would be braked; its load comes after it.
        load = f"{number(self.torque)}*{speed}*{speed}*(time>0.06 ? 1 : 0)"
        rates = {
            "sa": f"{omega}*({alpha}-{rs}*{stator('a')})",
            "sb": f"{omega}*({beta}-{rs}*{stator('b')})",
            "ra": f"{omega}*(-{rr}*{rotor('a')}-{speed}*v({tag}rb))",
            "rb": f"{omega}*(-{rr}*{rotor('b')}+{speed}*v({tag}ra))",
            "w": f"({turning}-{load})*{number(1 / (2 * self.inertia_s))}",
        }
        for state, rate in rates.items():
            start = number(first if state == "w" else 0.0)
            circuit.lines += [
                f"C{tag}{state} {tag}{state} 0 1 ic={start}",
                f"B{tag}{state} 0 {tag}{state} i={rate}",
            ]
        amps = number(self.kva * 1e3 / (math.sqrt(3) * NOMINAL_VOLTS) * math.sqrt(2))
        mixes = {"a": (1.0, 0.0), "b": (-0.5, 0.866025404), "c": (-0.5, -0.866025404)}
        for phase, (with_alpha, with_beta) in mixes.items():
            circuit.lines.append(
                f"{circuit.name('B')} {self.place}.{phase} 0 i={on}*{amps}*"
                f"({number(with_alpha)}*{stator('a')}+{number(with_beta)}*{stator('b')})"
            )


@dataclass(frozen=True, slots=True)
class Generator:
    """Embedded generation: an EMF behind its subtransient reactance, in step with the network.

    angle: of its EMF ahead of phase A's voltage at the bus [rad]; it sets the power.
    """

    place: str
    kva: float
    angle: float
    subtransient: float = 0.18
    volts: float = 1.05

    def build(self, grid: Grid) -> None:
        """A star without earth."""
        circuit = grid.circuit
        base = NOMINAL_VOLTS**2 / (self.kva * 1e3)
        star, peak = circuit.name("x"), number(PHASE_VOLTS * self.volts * math.sqrt(2))
        ramp = circuit.control([(0.0, 0.0), (0.04, 1.0)])
        for phase, shift in zip(PHASES, (0, -2 * math.pi / 3, 2 * math.pi / 3), strict=True):
            emf = circuit.name("x")
            angle = number(grid.supply.angle + self.angle + shift)
            circuit.lines.append(
                f"{circuit.name('B')} {emf} {star} "
                f"v=v({ramp})*{peak}*cos({number(OMEGA)}*time+{angle})"
            )
            reactance = self.subtransient * base
            circuit.impedance(emf, f"{self.place}.{phase}", reactance / 25, reactance / OMEGA)
        circuit.resistor(star, "0", 1e7)


@dataclass(frozen=True, slots=True)
class Jumper:
    """Conductors clamped past an open switch, from the terminal's transformers to the line."""

    section: str

    def build(self, grid: Grid) -> None:
        """Of all phases; the switch's poles have to be there."""
        for phase in PHASES:
            ends = (f"{self.section}_m.{phase}", f"{self.section}_n.{phase}")
            grid.circuit.resistor(*ends, _JUMPER_OHM)
