"""Networks as data: a busbar, its feeders, their sections of line. Read from networks/*.toml.

What a network is, and nothing of what happens on it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hil.errors import CaseError
from hil.plant.circuit import OMEGA

NOMINAL_VOLTS = 10_000.0  # phase to phase
PHASE_VOLTS = NOMINAL_VOLTS / 3**0.5
BUS = "bus"
FOLDER = Path(__file__).parent / "networks"
NAMES = ("rural", "mixed", "urban")


@dataclass(frozen=True, slots=True)
class Line:
    """A kind of line, per km: r1, x1, r0, x0 [ohm], c1, c0 [nF]; loss tangent of c0."""

    kind: str
    r1_ohm: float
    x1_ohm: float
    c1_nf: float
    r0_ohm: float
    x0_ohm: float
    c0_nf: float
    loss: float
    rating_amps: float


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of line from the end of `source` (the bus or another section) to its own end.

    terminal: the FTU at its near end, or "". share: of its feeder's load, which hangs at its far
    end. parallel: how many such lines it stands for.
    """

    name: str
    source: str
    line: Line
    km: float
    share: float
    terminal: str = ""
    parallel: int = 1

    def z1(self, part: float = 1.0) -> tuple[float, float]:
        """Positive-sequence ohm and henry of a part of its length."""
        km = self.km * part / self.parallel
        return self.line.r1_ohm * km, self.line.x1_ohm * km / OMEGA

    def z0(self, part: float = 1.0) -> tuple[float, float]:
        """Zero-sequence ohm and henry of a part of its length."""
        km = self.km * part / self.parallel
        return self.line.r0_ohm * km, self.line.x0_ohm * km / OMEGA

    def c1(self, part: float = 1.0) -> float:
        """Positive-sequence farad of a part of its length."""
        return self.line.c1_nf * 1e-9 * self.km * part * self.parallel

    def c0(self, part: float = 1.0) -> float:
        """Farad to earth of each phase, of a part of its length."""
        return self.line.c0_nf * 1e-9 * self.km * part * self.parallel


@dataclass(frozen=True, slots=True)
class Feeder:
    """Sections in the order of the current; load_amps: at its head, at nominal voltage."""

    name: str
    load_amps: float
    power_factor: float
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """A busbar with its feeders, and an open tie between the ends of two sections."""

    name: str
    fault_level_mva: float
    x_over_r: float
    feeders: tuple[Feeder, ...]
    tie: tuple[str, str]

    def source(self) -> tuple[float, float]:
        """Ohm and henry behind the busbar."""
        z = NOMINAL_VOLTS**2 / (self.fault_level_mva * 1e6)
        r = z / (1 + self.x_over_r**2) ** 0.5
        return r, r * self.x_over_r / OMEGA

    def sections(self) -> Iterator[Section]:
        """All of them."""
        for feeder in self.feeders:
            yield from feeder.sections

    def section(self, name: str) -> Section:
        """One by its name. Raises: CaseError."""
        for section in self.sections():
            if section.name == name:
                return section
        held = ", ".join(section.name for section in self.sections())
        raise CaseError(f"network {self.name}", f"no section {name!r}", f"one of {held}")

    def at(self, terminal: str) -> Section:
        """The section at whose near end this terminal stands. Raises: CaseError."""
        for section in self.sections():
            if section.terminal == terminal:
                return section
        raise CaseError(f"network {self.name}", f"no terminal {terminal!r}", str(self.terminals()))

    def terminals(self) -> list[str]:
        """Names of the FTUs, in the order of the sections."""
        return [section.terminal for section in self.sections() if section.terminal]

    def feeder_of(self, section: str) -> Feeder:
        """The feeder that a section belongs to."""
        return next(f for f in self.feeders if section in [s.name for s in f.sections])

    def path(self, section: str) -> list[Section]:
        """From the bus to this section, itself included; empty for the bus."""
        if section == BUS:
            return []
        one = self.section(section)
        return [*self.path(one.source), one]

    def behind(self, section: str) -> list[str]:
        """This section and all that are fed through it; of the bus, all."""
        return [
            each.name
            for each in self.sections()
            if section == BUS or section in [s.name for s in self.path(each.name)]
        ]

    def earth_farad(self) -> float:
        """Capacitance to earth of one phase of the whole network. [F]"""
        return sum(section.c0() for section in self.sections())

    def earth_amps(self) -> float:
        """Capacitive current of a bolted earth fault in the isolated network, 3 w C0 U. [A]"""
        return 3 * OMEGA * self.earth_farad() * PHASE_VOLTS

    def changed(
        self, lengths: Mapping[str, float], loads: Mapping[str, float], level: float
    ) -> Network:
        """The same with factors on the sections' lengths, the feeders' loads, the fault level."""
        feeders = tuple(
            replace(
                feeder,
                load_amps=feeder.load_amps * loads.get(feeder.name, 1.0),
                sections=tuple(
                    replace(s, km=round(s.km * lengths.get(s.name, 1.0), 3))
                    for s in feeder.sections
                ),
            )
            for feeder in self.feeders
        )
        return replace(self, feeders=feeders, fault_level_mva=self.fault_level_mva * level)


def load(name: str) -> Network:
    """A network of networks/. Raises: CaseError."""
    path = FOLDER / f"{name}.toml"
    if name not in NAMES:
        raise CaseError("network", f"no {name!r}", f"one of {', '.join(NAMES)}")
    lines = {key: Line(**value) for key, value in _table(FOLDER / "conductors.toml").items()}
    told = _table(path)
    return Network(
        name=told["name"],
        fault_level_mva=told["fault_level_mva"],
        x_over_r=told["x_over_r"],
        feeders=tuple(_feeder(feeder, lines) for feeder in told["feeder"]),
        tie=(told["tie"]["one"], told["tie"]["other"]),
    )


def _table(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def _feeder(told: dict[str, Any], lines: Mapping[str, Line]) -> Feeder:
    sections = tuple(
        Section(
            name=each["name"],
            source=each["from"],
            line=lines[each["line"]],
            km=each["km"],
            share=each["share"],
            terminal=each.get("terminal", ""),
            parallel=each.get("parallel", 1),
        )
        for each in told["section"]
    )
    return Feeder(told["name"], told["load_amps"], told["power_factor"], sections)
