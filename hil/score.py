"""`ftu-hil score`: how well a device detects, over cases that it never saw, with what is not known.

Every class of event in every earthing, so many fresh seeds of each, replayed through the device and
judged terminal by terminal (scenarios/terminal.py has the rules). A share is told with its 95 %
interval, because eight of eight is not all.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.bounds import interval
from hil.case import Case, Truth
from hil.device.replay import command as command_of
from hil.device.replay import replay
from hil.errors import CaseError
from hil.plant import catalogue
from hil.plant.draft import EARTHINGS
from hil.scenarios import terminal

WORKERS = 2  # the machine that a rig runs on has two cores
BATCH = 30  # cases between two lines of progress
_BANDS = (100.0, 1_000.0, 3_000.0)  # of an earth fault's resistance [ohm]
_SURE = 0.9  # contract.md, section 5: never wrong about a direction with so much confidence

Tell = Callable[[str], None]


@dataclass(slots=True)
class Tally:
    """Of one class in one earthing. Shares are counts of counts.

    owed, hit: terminals that had to tell, and did. named, kind: those with a kind to tell, right.
    pointed, direction: likewise. sure: wrong directions told with confidence. quiet, false:
    terminals with nothing to tell, and those that raised an alarm, early ones included.
    contrary: terminals that told other kinds afterwards. late_ms: latencies of the first words.
    """

    owed: int = 0
    hit: int = 0
    named: int = 0
    kind: int = 0
    pointed: int = 0
    direction: int = 0
    sure: int = 0
    quiet: int = 0
    false: int = 0
    contrary: int = 0
    late_ms: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, case: Case, name: str, events: Sequence[terminal.Event]) -> None:
        """Count what one terminal of a case said."""
        owed = terminal.due(case, name)
        said = terminal.spoken(case, events, owed)
        where = f"{case.name} {name}"
        if said.early:
            self.wrong.append(where)
        if not owed.may:
            self.quiet += 1
            self.false += bool(said.early)
            return
        self.false += bool(said.early)
        self.contrary += bool(said.contrary)
        if owed.must:
            self.owed += 1
            self.hit += said.first is not None
            if said.first is None:
                self.missed.append(where)
        if said.first is not None:
            self._judge(owed, said)

    def _judge(self, owed: terminal.Due, said: terminal.Spoken) -> None:
        if said.latency_ms is not None and owed.must:
            self.late_ms.append(said.latency_ms)
        if owed.named:
            self.named += 1
            self.kind += said.kind_right
        if owed.direction:
            self.pointed += 1
            right = said.direction == owed.direction
            self.direction += right
            told = said.direction in ("forward", "reverse")
            self.sure += told and not right and (said.confidence or 0.0) >= _SURE

    def told(self) -> dict[str, Any]:
        """As plain values, with the intervals."""
        late = sorted(self.late_ms)
        return {
            "hit": _share(self.hit, self.owed),
            "kind": _share(self.kind, self.named),
            "direction": _share(self.direction, self.pointed),
            "wrong_and_sure": self.sure,
            "false": _share(self.false, self.quiet + self.owed),
            "other_kinds_later": self.contrary,
            "latency_ms": _spread(late) if late else None,
            "missed": self.missed,
            "false_at": self.wrong,
        }


def _share(part: int, whole: int) -> dict[str, Any]:
    low, high = interval(part, whole)
    return {"of": whole, "count": part, "low": round(low, 4), "high": round(high, 4)}


def _spread(late: Sequence[float]) -> dict[str, float]:
    at = round(0.95 * (len(late) - 1))
    return {
        "median": round(statistics.median(late), 2),
        "p95": round(late[at], 2),
        "max": round(late[-1], 2),
    }


def run(*, cases: int, first_seed: int, classes: Sequence[str], dut: str, as_json: bool) -> int:
    """`cases` seeds of each class in each earthing; prints the table; 0, for it judges nothing.

    Raises: CaseError for a class that does not exist, PlantError, BenchError.
    """
    unknown = [name for name in classes if name not in catalogue.CLASSES]
    if unknown:
        known = ", ".join(catalogue.CLASSES)
        raise CaseError("--class", f"no class {', '.join(unknown)}", f"some of {known}")
    wanted = [
        (what, earthing, seed)
        for seed in range(first_seed, first_seed + cases)
        for what in classes or catalogue.CLASSES
        for earthing in EARTHINGS
    ]
    tallies = score(wanted, command_of(dut), tell=_progress)
    if as_json:
        told = {" ".join(key): tally.told() for key, tally in tallies.items()}
        _show(json.dumps({"first_seed": first_seed, "cases": cases, "classes": told}))
    else:
        __show(tallies, first_seed, cases)
    return 0


def score(
    wanted: Sequence[tuple[str, str, int]], command: Sequence[str], *, tell: Tell
) -> dict[tuple[str, str, str], Tally]:
    """(class, earthing, band of resistance) to its tally, of these (class, earthing, seed)."""
    tallies: dict[tuple[str, str, str], Tally] = {}
    began, done = time.monotonic(), 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        for batch in _batches(wanted):
            folders = list(pool.map(_kept, batch))
            for folder, events in zip(folders, replay(folders, command), strict=True):
                case = Case.load(folder)
                key = (case.truth.what, case.truth.earthing, band(case.truth))
                for name, told in events.items():
                    tallies.setdefault(key, Tally()).add(case, name, told)
            done += len(batch)
            tell(f"{done} of {len(wanted)} cases, {time.monotonic() - began:.0f} s")
    return dict(sorted(tallies.items()))


def _batches(wanted: Sequence[tuple[str, str, int]]) -> Iterator[list[tuple[str, str, int]]]:
    left = iter(wanted)
    while batch := list(itertools.islice(left, BATCH)):
        yield batch


def _kept(asked: tuple[str, str, int]) -> Path:
    return catalogue.kept(*asked)


def band(truth: Truth) -> str:
    """Of an earth fault's resistance; "" of everything else."""
    ohm = truth.resistance_ohm
    if truth.what != "earth_fault" or ohm is None:
        return ""
    below = [limit for limit in _BANDS if ohm <= limit]
    return f"to {below[0]:.0f} ohm" if below else f"above {_BANDS[-1]:.0f} ohm"


def _progress(line: str) -> None:
    sys.stderr.write(f"ftu-hil score: {line}\n")


def __show(tallies: dict[tuple[str, str, str], Tally], first_seed: int, cases: int) -> None:
    last = first_seed + cases - 1
    _show(f"seeds {first_seed} to {last} of each class; shares in % with their 95 % interval")
    head = ("hit", "kind", "direction", "false alarms")
    _show(f"{'':52}" + "".join(f"{word:>27}" for word in head) + f"{'latency ms':>22}")
    for (what, earthing, ohm), tally in tallies.items():
        told = tally.told()
        columns = (told["hit"], told["kind"], told["direction"], told["false"])
        late = told["latency_ms"]
        spread = f"{late['median']:.1f} {late['p95']:.1f} {late['max']:.1f}" if late else "-"
        name = f"{what}, {earthing}" + (f", {ohm}" if ohm else "")
        _show(f"{name:52}" + "".join(f"{_cell(c):>27}" for c in columns) + f"{spread:>22}")
        if tally.sure:
            _show(f"{'':52}{tally.sure} wrong directions with confidence of {_SURE} or more")
    missed = [where for tally in tallies.values() for where in tally.missed]
    wrong = [where for tally in tallies.values() for where in tally.wrong]
    for what, places in (("missed", missed), ("false or early", wrong)):
        if places:
            _show(f"{what}: {', '.join(places[:12])}{' ...' if len(places) > 12 else ''}")


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _cell(share: dict[str, Any]) -> str:
    if not share["of"]:
        return "-"
    percent = 100 * share["count"] / share["of"]
    return f"{percent:.1f} ({100 * share['low']:.1f}-{100 * share['high']:.1f}) of {share['of']}"
