"""The committed cases of hil/golden/: what lets anybody judge a device without the solver.

    python -m hil.plant.golden     make them anew (with ngspice)

Each is drawn by a seed like any other; two or three terminals of it at 4 kHz are kept. A test makes
them anew where the solver is, and holds the samples against these.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hil.case import Case
from hil.errors import CaseError
from hil.plant import catalogue

FOLDER = Path(__file__).parent.parent / "golden"
RATE_HZ = 4_000


@dataclass(frozen=True, slots=True)
class Golden:
    """A case by its name: what is drawn, and whose recordings are kept."""

    name: str
    what: str
    earthing: str
    seed: int
    terminals: tuple[str, ...] = ("F1-head", "F2-head")
    wishes: Mapping[str, Any] = field(default_factory=dict)


_S12 = {"section": "s12"}
GOLDEN = (
    Golden("quiet", "quiet", "resonant", 1),
    Golden("short-abc", "short_circuit", "isolated", 11, wishes={**_S12, "kind": "ABC"}),
    Golden("short-bc", "short_circuit", "resonant", 12, wishes={**_S12, "kind": "BC"}),
    Golden(
        "short-ca-bus", "short_circuit", "resonant", 13, wishes={"section": "bus", "kind": "CA"}
    ),
    Golden(
        "short-abg", "short_circuit", "low_resistance", 14, wishes={"section": "s13", "kind": "ABG"}
    ),
    Golden(
        "short-ab-gone",
        "short_circuit",
        "isolated",
        15,
        wishes={**_S12, "kind": "AB", "cleared_after_s": 0.15},
    ),
    Golden(
        "saturated-bc", "ct_saturation", "resonant", 16, wishes={"section": "s11", "kind": "BC"}
    ),
    Golden("earth-isolated", "earth_fault", "isolated", 17, wishes={**_S12, "resistance_ohm": 100}),
    Golden("earth-resonant", "earth_fault", "resonant", 18, wishes={**_S12, "resistance_ohm": 100}),
    Golden("earth-2k", "earth_fault", "resonant", 19, wishes={**_S12, "resistance_ohm": 2_000}),
    Golden(
        "earth-low-resistance",
        "earth_fault",
        "low_resistance",
        20,
        wishes={**_S12, "resistance_ohm": 5},
    ),
    Golden("restriking", "intermittent_earth_fault", "resonant", 21, wishes=_S12),
    Golden("dry-ground", "high_impedance_fault", "resonant", 22, wishes=_S12),
    Golden("torn", "broken_conductor", "resonant", 23, wishes={**_S12, "variant": "none"}),
    Golden("evolving", "evolving_fault", "resonant", 24),
    Golden("reclosed", "reclosing", "isolated", 25, ("F1-head",), {"variant": "permanent"}),
    Golden("backfeed", "backfeed", "resonant", 26),
    Golden("inrush-bank", "inrush", "resonant", 27, ("F1-head",), {"variant": "bank"}),
    Golden("inrush-feeder", "inrush", "isolated", 28, ("F1-head",), {"variant": "feeder"}),
    Golden("cold-load", "cold_load", "resonant", 29, ("F1-head",)),
    Golden("motor-start", "motor_start", "isolated", 30, ("F1-head",)),
    Golden("capacitor", "capacitor_switching", "resonant", 31, ("F1-head",)),
    Golden("load-step", "load_step", "low_resistance", 32, ("F1-head",)),
    Golden("sag", "sag", "resonant", 33, ("F1-head",)),
    Golden("supply-lost", "loss_of_supply", "resonant", 34, ("F1-head",)),
    Golden("tie-transfer", "tie_transfer", "resonant", 35),
    Golden("blown-fuse", "blown_vt_fuse", "resonant", 36, ("F1-head",)),
    Golden("trapped-charge", "trapped_charge", "low_resistance", 37, ("F1-head",)),
)


def names() -> list[str]:
    """Of all committed cases."""
    return [each.name for each in GOLDEN]


def load(name: str) -> Case:
    """A committed case. Raises: CaseError."""
    if name not in names():
        raise CaseError("golden", f"no case {name!r}", f"one of {', '.join(names())}")
    return Case.load(FOLDER / name)


def made(golden: Golden) -> Case:
    """It anew, by the solver. Raises: PlantError."""
    wishes = {"rate_hz": RATE_HZ, **golden.wishes}
    case = catalogue.case(golden.what, golden.earthing, golden.seed, **wishes)
    kept = {name: case.recordings[name] for name in golden.terminals}
    truth = replace(
        case.truth, terminals={name: case.truth.terminals[name] for name in golden.terminals}
    )
    return replace(case, name=golden.name, truth=truth, recordings=kept)


def _all() -> Iterator[str]:
    """Make every one, a line each."""
    for golden in GOLDEN:
        folder = FOLDER / golden.name
        shutil.rmtree(folder, ignore_errors=True)
        made(golden).save(folder)
        yield f"{golden.name}: {', '.join(golden.terminals)}"


if __name__ == "__main__":
    for line in _all():
        sys.stdout.write(f"{line}\n")
