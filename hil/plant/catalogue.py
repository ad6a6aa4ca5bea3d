"""Every class of event by its name, and a case of it from a seed.

    case("earth_fault", "resonant", 7, resistance_ohm=2000)

Solved cases are kept in a cache. The key is the netlist and all that is done to its waves: a change
of either makes the case anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hil.case import Case
from hil.errors import CaseError
from hil.plant import faulted, sound
from hil.plant.draft import Draft, Wish, draft
from hil.plant.scene import Scene
from hil.plant.solved import solved

CLASSES: Mapping[str, Callable[[Draft], Scene]] = {
    "short_circuit": faulted.short_circuit,
    "ct_saturation": faulted.ct_saturation,
    "earth_fault": faulted.earth_fault,
    "intermittent_earth_fault": faulted.intermittent_earth_fault,
    "high_impedance_fault": faulted.high_impedance_fault,
    "broken_conductor": faulted.broken_conductor,
    "evolving_fault": faulted.evolving_fault,
    "cross_country_fault": faulted.cross_country_fault,
    "reclosing": faulted.reclosing,
    "backfeed": faulted.backfeed,
    "quiet": sound.quiet,
    "inrush": sound.inrush,
    "cold_load": sound.cold_load,
    "motor_start": sound.motor_start,
    "capacitor_switching": sound.capacitor_switching,
    "load_step": sound.load_step,
    "unbalance": sound.unbalance,
    "harmonics": sound.harmonics,
    "frequency_swing": sound.frequency_swing,
    "sag": sound.sag,
    "loss_of_supply": sound.loss_of_supply,
    "tie_transfer": sound.tie_transfer,
    "trapped_charge": sound.trapped_charge,
    "blown_vt_fuse": sound.blown_vt_fuse,
    "open_ct": sound.open_ct,
    "swapped_phase": sound.swapped_phase,
}
# Raised whenever what is done to solved waves, or told of them, changes: in every cache key.
AFTER_SOLVING_VERSION = 3


def scene(what: str, earthing: str, seed: int, **wishes: Any) -> Scene:
    """What happens, not yet solved. Raises: CaseError."""
    if what not in CLASSES:
        raise CaseError("plant", f"no class {what!r}", f"one of {', '.join(CLASSES)}")
    return CLASSES[what](draft(what, earthing, seed, Wish.of(wishes)))


def case(what: str, earthing: str, seed: int, **wishes: Any) -> Case:
    """A case, from the cache where it was solved before. Raises: CaseError, PlantError."""
    return Case.load(kept(what, earthing, seed, **wishes))


def kept(what: str, earthing: str, seed: int, **wishes: Any) -> Path:
    """The folder of a case in the cache, solved where it is not there or not whole.

    Raises: CaseError, PlantError.
    """
    asked = scene(what, earthing, seed, **wishes)
    folder = cache_folder() / key(asked)
    if not _whole(folder):
        _keep(solved(asked), folder)
    return folder


def _whole(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    try:
        Case.load(folder)
    except CaseError:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def key(asked: Scene) -> str:
    """Of everything that the case depends on."""
    circuit = asked.grid().circuit
    told = (circuit.text(), *circuit.saved, repr(asked), str(AFTER_SOLVING_VERSION))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


def cache_folder() -> Path:
    """FTU_HIL_CACHE, or a folder of the user's cache."""
    named = os.environ.get("FTU_HIL_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named) if named else Path(base) / "ftu-hil"


def _keep(made: Case, folder: Path) -> None:
    """Whole or not at all, whoever else makes the same case at the same time."""
    trial = folder.with_name(f"{folder.name}.{os.getpid()}")
    made.save(trial)
    try:
        trial.rename(folder)
    except OSError:  # somebody else was first, with the same bytes
        shutil.rmtree(trial, ignore_errors=True)
