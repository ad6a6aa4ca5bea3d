"""ngspice in batch mode: a netlist in, waves on an even grid out.

Nothing here knows what a feeder is. Tolerances suit kilovolts and amperes: with the usual
microampere the solver dies of "timestep too small" at a hard fault.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hil.errors import PlantError

Array = npt.NDArray[np.float64]

STEP_S = 20e-6
# Of kilovolts and amperes. Gear does not ring at the instant of a switching, as the trapezium does.
OPTIONS = "reltol=1e-3 abstol=1e-3 vntol=0.1 chgtol=1e-12 method=gear itl4=60"
PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True)
class Waves:
    """Waves of named quantities on the grid k * STEP_S from `since_s` on, each of shape (n,)."""

    since_s: float
    rows: Mapping[str, Array]

    @property
    def length(self) -> int:
        """Points of each wave."""
        return len(next(iter(self.rows.values())))


def installed() -> bool:
    """Whether the solver is there."""
    return shutil.which("ngspice") is not None


def solve(netlist: str, saved: Sequence[str], since_s: float, until_s: float) -> Waves:
    """Transient solution of a circuit from rest.

    Args:
        netlist: The elements, one a line, without analysis and options.
        saved: Vectors as ngspice names them: v(node), i(source), ...
        since_s, until_s: Part of the time axis that is wanted. [s]
    Raises: PlantError when ngspice is missing, fails, or ends early.
    """
    deck = "\n".join(
        (
            "* a broken network",
            netlist,
            f".options {OPTIONS}",
            f".tran {STEP_S:g} {until_s:.9g} 0 {STEP_S:g} uic",
            ".save " + " ".join(saved),
            ".end\n",
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        header, table = _run(Path(folder), deck)
    t = table[:, 0]
    if t.size < 2 or t[-1] < until_s - STEP_S:
        reached = t[-1] if t.size else 0.0
        raise PlantError("ngspice", f"ended at {reached:.6f} s", f"{until_s:g} s")
    names = {name: column for column, name in enumerate(header)}
    grid = np.arange(round(since_s / STEP_S), round(until_s / STEP_S)) * STEP_S
    return Waves(since_s, {name: np.interp(grid, t, table[:, names[name]]) for name in saved})


def _run(folder: Path, deck: str) -> tuple[list[str], Array]:
    executable = shutil.which("ngspice")
    if executable is None:
        raise PlantError("ngspice", "is not installed", "`make hil`, which installs it")
    (folder / "case.cir").write_text(deck)
    try:
        done = subprocess.run(
            [executable, "-b", "-r", "case.raw", "case.cir"],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PlantError("ngspice", f"no solution within {PATIENCE_S:g} s") from error
    raw = folder / "case.raw"
    if done.returncode != 0 or not raw.exists():
        raise PlantError("ngspice", _complaint(done.stdout + done.stderr), "a solution")
    return _parsed(raw.read_bytes())


def _complaint(said: str) -> str:
    """What ngspice names as the cause, on one line."""
    lines = [line.strip() for line in said.splitlines()]
    causes = [x for x in lines if "rror" in x or "too small" in x or "ingular" in x]
    return "; ".join(causes[:2]) or "failed without a word"


def _parsed(raw: bytes) -> tuple[list[str], Array]:
    """Names and rows of a binary rawfile: text lines, then doubles."""
    head, mark, body = raw.partition(b"Binary:\n")
    if not mark:
        raise PlantError("ngspice", "wrote no binary rawfile", "one")
    lines = head.decode(errors="replace").splitlines()
    at = next(k for k, line in enumerate(lines) if line.startswith("Variables:"))
    names = [line.split()[1] for line in lines[at + 1 :] if line.strip()]
    whole = len(body) // (8 * len(names)) * len(names)
    return names, np.frombuffer(body, dtype="<f8", count=whole).reshape(-1, len(names))
