"""A case: what every terminal of a broken network measured, and the truth beside it.

Made by plant/, played by instruments/, judged by scenarios/. On disk a case is a folder:
`truth.json`, and for each terminal a COMTRADE record that any relay test set takes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hil import comtrade
from hil.errors import CaseError

Counts = npt.NDArray[np.int32]
States = npt.NDArray[np.bool_]

TRUTH = "truth.json"


@dataclass(frozen=True, slots=True)
class Trace:
    """A channel of a terminal: value [A or V, primary] = scale * count.

    name: the role that it serves (ia ib ic i0, ua ub uc u0, u_load_a u_load_b u_load_c).
    unit: "A" or "V". phase: "A", "B", "C" or "N".
    """

    name: str
    unit: str
    scale: float
    phase: str


@dataclass(frozen=True, slots=True)
class Bay:
    """What a site file has to say of a terminal. Amperes and volts are primary.

    earthing: as in the site file; residual: "core_balance" or "summed" (then there is no i0).
    """

    section: str
    nominal_volts: float
    rating_amps: float
    earthing: str
    residual: str


@dataclass(frozen=True, slots=True)
class Recording:
    """What one terminal's converter delivered.

    counts: shape (len(traces), n). contacts: name to state at every sample, shape (n,).
    """

    terminal: str
    bay: Bay
    rate_hz: int
    nominal_hz: int
    traces: tuple[Trace, ...]
    counts: Counts
    contacts: Mapping[str, States] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Samples of each channel."""
        return int(self.counts.shape[1])

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.length / self.rate_hz

    def values(self, name: str) -> npt.NDArray[np.float64]:
        """A channel in primary units, shape (n,). Raises: CaseError when there is none."""
        for row, trace in enumerate(self.traces):
            if trace.name == name:
                return np.asarray(self.counts[row] * trace.scale)
        held = ", ".join(trace.name for trace in self.traces)
        raise CaseError(f"terminal {self.terminal}", f"has no channel {name!r}", f"one of {held}")


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of what happens. kind: "AG" ... "ABC" as in contract.md, "" where nothing is short."""

    onset_s: float
    kind: str
    section: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What is true at one terminal.

    direction: of the fault from here, "forward" (away from the normal source), "reverse", or ""
        where there is no fault, or where its current does not show here at all.
    alarm: whether a terminal here is right to raise one.
    distance_km: along the line to the fault, where it is forward.
    amps: largest phase current's RMS while it lasts; residual_amps, neutral_share: RMS of the
        change of 3I0, and of U0 as a share of the phase voltage. Of the network's own, noise-free
        waves, one cycle after the onset.
    lost_share: of the load through here that hung behind a torn conductor.
    """

    direction: str
    alarm: bool
    distance_km: float | None = None
    amps: float = 0.0
    residual_amps: float = 0.0
    neutral_share: float = 0.0
    lost_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Supply:
    """Phases of a section that are live from `since_s` on, e.g. "ABC", "BC" or "".

    A switch that opens then opens each phase at its current's next zero.
    """

    since_s: float
    live: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened, as the network's physics knows it. Times are seconds of the recordings.

    what: the class of event, one of plant.catalogue's. kind, onset_s, section: of the first stage.
    cleared_s: from then on each phase's current goes out at its next zero; None: it stands.
    """

    what: str
    kind: str
    onset_s: float | None
    cleared_s: float | None
    section: str
    network: str
    earthing: str
    resistance_ohm: float | None = None
    angle_deg: float | None = None
    stages: tuple[Stage, ...] = ()
    terminals: Mapping[str, Seen] = field(default_factory=dict)
    sections: Mapping[str, tuple[Supply, ...]] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """A broken network as its terminals saw it. name: unique within what is played together."""

    name: str
    seed: int
    truth: Truth
    recordings: Mapping[str, Recording]

    def save(self, folder: Path) -> None:
        """Write it into `folder`, which is made; what is there of another case is replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        told = {
            "name": self.name,
            "seed": self.seed,
            "truth": dataclasses.asdict(self.truth),
            "bays": {name: dataclasses.asdict(r.bay) for name, r in self.recordings.items()},
        }
        (folder / TRUTH).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        for recording in self.recordings.values():
            comtrade.write(folder, comtrade.Sheet.of(recording, station=self.name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The case in this folder. Raises: CaseError."""
        path = folder / TRUTH
        try:
            told = json.loads(path.read_text())
            return cls(
                name=told["name"],
                seed=told["seed"],
                truth=_truth(told["truth"]),
                recordings={
                    name: _recording(folder, name, Bay(**bay)) for name, bay in told["bays"].items()
                },
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CaseError(str(path), f"{error!r}", "a case that the rig saved") from error


def _truth(told: dict[str, Any]) -> Truth:
    parts: dict[str, Any] = {
        "stages": tuple(Stage(**stage) for stage in told.pop("stages")),
        "terminals": {name: Seen(**seen) for name, seen in told.pop("terminals").items()},
        "sections": {
            name: tuple(Supply(**each) for each in states)
            for name, states in told.pop("sections").items()
        },
    }
    return Truth(**told, **parts)


def _recording(folder: Path, terminal: str, bay: Bay) -> Recording:
    sheet = comtrade.read(folder / f"{terminal}.cfg")
    return Recording(
        terminal=terminal,
        bay=bay,
        rate_hz=sheet.rate_hz,
        nominal_hz=sheet.nominal_hz,
        traces=tuple(Trace(a.name, a.unit, a.scale, a.phase) for a in sheet.analogs),
        counts=sheet.counts,
        contacts=dict(zip(sheet.statuses, sheet.states, strict=True)),
    )
