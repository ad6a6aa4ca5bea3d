"""`ftu-hil score`: how well a device detects, over cases that it never saw, with what is not known.

Every class of event in every earthing, so many fresh seeds of each, replayed through the device and
marked terminal by terminal (tally.py). A share is told with its 95 % interval, because eight of
eight is not all; the bars of the contract are held against it (bars.py).
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hil import bars
from hil.case import Case
from hil.device.replay import command as command_of
from hil.device.replay import replay
from hil.errors import CaseError
from hil.plant import catalogue
from hil.plant.draft import EARTHINGS, Wish
from hil.tally import SURE, Key, Mark, Tally, by_class, mark

WORKERS = 2  # the machine that a rig runs on has two cores
BATCH = 30  # cases between two lines of progress

Tell = Callable[[str], None]
Asked = tuple[str, str, int]  # class, earthing, seed


def run(
    *,
    cases: int,
    first_seed: int,
    classes: Sequence[str],
    wishes: Mapping[str, Any],
    dut: str,
    marks: Path | None,
    as_json: bool,
) -> int:
    """`cases` seeds of each class in each earthing; prints the tables; 0, for it judges nothing.

    wishes: what all cases have otherwise than drawn. marks: a file for a line of JSON a terminal.
    Raises: CaseError for a class or a wish that does not exist, PlantError, BenchError.
    """
    unknown = [name for name in classes if name not in catalogue.CLASSES]
    if unknown:
        known = ", ".join(catalogue.CLASSES)
        raise CaseError("--class", f"no class {', '.join(unknown)}", f"some of {known}")
    Wish.of(wishes)
    wanted = [
        (what, earthing, seed)
        for seed in range(first_seed, first_seed + cases)
        for what in classes or catalogue.CLASSES
        for earthing in EARTHINGS
    ]
    made = score(wanted, command_of(dut), wishes=wishes, tell=_progress)
    if marks is not None:
        _write(made, marks)
    tallies = by_class(made)
    if as_json:
        told = {" ".join(key): tally.told() for key, tally in tallies.items()}
        _show(json.dumps({"first_seed": first_seed, "cases": cases, "classes": told}))
    else:
        _table(tallies, first_seed, cases)
        _show("\n".join(["", *bars.lines(made)]))
    return 0


def score(
    wanted: Sequence[Asked],
    command: Sequence[str],
    *,
    tell: Tell,
    wishes: Mapping[str, Any] | None = None,
) -> list[Mark]:
    """The marks of every terminal of these cases."""
    made: list[Mark] = []
    began, done = time.monotonic(), 0
    context = multiprocessing.get_context("spawn")
    keep = partial(_kept, wishes=dict(wishes or {}))
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        for batch in _batches(wanted):
            folders = list(pool.map(keep, batch))
            for folder, events in zip(folders, replay(folders, command), strict=True):
                case = Case.load(folder)
                made += [mark(case, name, told) for name, told in events.items()]
            done += len(batch)
            tell(f"{done} of {len(wanted)} cases, {time.monotonic() - began:.0f} s")
    return made


def _batches(wanted: Sequence[Asked]) -> Iterator[list[Asked]]:
    left = iter(wanted)
    while batch := list(itertools.islice(left, BATCH)):
        yield batch


def _kept(asked: Asked, wishes: Mapping[str, Any]) -> Path:
    return catalogue.kept(*asked, **wishes)


def _write(made: Sequence[Mark], path: Path) -> None:
    try:
        path.write_text("".join(json.dumps(each.told()) + "\n" for each in made))
    except OSError as error:
        raise CaseError(str(path), f"cannot be written ({error.strerror})", "a file") from error


def _progress(line: str) -> None:
    sys.stderr.write(f"ftu-hil score: {line}\n")


def _table(tallies: Mapping[Key, Tally], first_seed: int, cases: int) -> None:
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
            _show(f"{'':52}{len(tally.sure)} wrong directions with confidence of {SURE} or more")
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
