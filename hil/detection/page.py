"""The parts of docs/detection.md that are printed: bars, classes, curves, real records.

Each stands in the page between `<!-- name -->` and `<!-- /name -->`; what lies around is written by
hand and stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hil import bars
from hil.detection.curve import Curve, curve, svg, table
from hil.detection.records import Judged
from hil.errors import CaseError
from hil.plant.draft import EARTHINGS
from hil.tally import Mark, by_class

OHMS = (1.0, 10.0, 100.0, 500.0, 1_000.0, 2_000.0, 3_000.0, 5_000.0, 10_000.0)
AMPS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1_000.0)
_EARTHED = ("earth_fault", "intermittent_earth_fault", "high_impedance_fault")
_NAMES = {"core_balance": "core-balance", "summed": "summed"}


def read(paths: Sequence[Path]) -> list[Mark]:
    """The marks of these files. Raises: CaseError."""
    made = []
    for path in paths:
        try:
            made += [Mark(**json.loads(line)) for line in path.read_text().splitlines()]
        except (OSError, ValueError, TypeError) as error:
            raise CaseError(str(path), str(error), "marks of `ftu-hil score --marks`") from error
    return made


def parts(marks: Sequence[Mark], records: Sequence[Judged] | None) -> dict[str, list[str]]:
    """Name of a part to its lines."""
    told = {
        "bars": bars.lines(marks),
        "classes": _classes(marks),
        "resistance": table("fault resistance, ohm", by_resistance(marks), OHMS),
        "residual": table("change of 3I0, A", by_residual(marks), AMPS),
    }
    if records is not None:
        told["records"] = _records(records)
    return told


def plots(marks: Sequence[Mark]) -> dict[str, str]:
    """File name to its drawing."""
    return {
        "detection-resistance.svg": svg(
            "Earth faults flagged, by resistance",
            "fault resistance, ohm",
            by_resistance(marks),
            OHMS,
        ),
        "detection-residual.svg": svg(
            "Earth faults with the right direction, by 3I0", "3I0, A", by_residual(marks), AMPS
        ),
    }


def by_resistance(marks: Sequence[Mark]) -> list[Curve]:
    """Share of single-phase earth faults ahead that are flagged, counted by the bars or not."""
    return [
        curve(f"{earthing}, {_NAMES[residual]}", chosen, OHMS, lambda m: m.ohm, lambda m: m.hit)
        for earthing in EARTHINGS
        for residual in _NAMES
        if (chosen := [m for m in _ahead(marks, earthing) if m.residual == residual])
    ]


def by_residual(marks: Sequence[Mark]) -> list[Curve]:
    """Share of earth faults ahead whose direction is told, and right, by what 3I0 changes."""
    return [
        curve(
            f"{earthing}, {_NAMES[residual]}",
            chosen,
            AMPS,
            lambda m: m.residual_amps,
            lambda m: bool(m.direction),
        )
        for earthing in EARTHINGS
        for residual in _NAMES
        if (chosen := [m for m in _ahead(marks, earthing) if m.residual == residual])
    ]


def _ahead(marks: Sequence[Mark], earthing: str) -> list[Mark]:
    return [m for m in marks if m.what == _EARTHED[0] and m.may and m.earthing == earthing]


def _classes(marks: Sequence[Mark]) -> list[str]:
    told = ["| class, earthing | terminals | flagged | kind | direction | false | latency ms |"]
    told.append("|---|---|---|---|---|---|---|")
    for (what, earthing, ohm), tally in by_class(marks).items():
        found = tally.told()
        late = found["latency_ms"]
        spread = f"{late['median']:.1f} / {late['p95']:.1f} / {late['max']:.1f}" if late else "-"
        cells = [_share(found[name]) for name in ("hit", "kind", "direction")]
        false = found["false"]
        told.append(
            f"| {what.replace('_', ' ')}, {earthing.replace('_', ' ')}{', ' + ohm if ohm else ''}"
            f" | {len(tally.marks)} | {' | '.join(cells)}"
            f" | {false['count']} of {false['of']} | {spread} |"
        )
    return told


def _share(told: Mapping[str, Any]) -> str:
    if not told["of"]:
        return "-"
    share = 100 * told["count"] / told["of"]
    return f"{share:.1f} % of {told['of']} (from {100 * told['low']:.1f})"


def _records(records: Sequence[Judged]) -> list[str]:
    told = ["| record | truth | told | verdict |", "|---|---|---|---|"]
    for each in records:
        row = each.row
        truth = f"{row['phases'] or row['class']}, {row['where'] or 'none'}"
        told.append(f"| {row['record']} | {truth} | {_told(each)} | {each.verdict} |")
    right = sum(each.verdict == "right" for each in records)
    wrong = sum(each.verdict.startswith("wrong") for each in records)
    told += [
        "",
        f"{right} right, {wrong} wrong, {len(records) - right - wrong} not held against it.",
    ]
    return told


def _told(judged: Judged) -> str:
    onset = float(judged.row["onset"] or 0)
    said = []
    for event in judged.events:
        if event["event"] in ("operate", "fault_cleared"):
            continue
        late = (
            f"{1000 * (event['t'] - onset):+.0f} ms"
            if judged.row["onset"]
            else f"{event['t']:.2f} s"
        )
        words = [event["event"], event.get("kind"), event.get("phases"), event.get("direction")]
        alarm = "**alarm** " if event["alarm"] else ""
        said.append(f"{alarm}{' '.join(word for word in words if word)} {late}")
    return "; ".join(said[:6]) + (" ..." if len(said) > 6 else "") or "nothing"


def filled(page: str, told: Mapping[str, Sequence[str]]) -> str:
    """The page with these parts anew. Raises: CaseError when it has no place for one."""
    for name, lines in told.items():
        begin, _, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not end:
            raise CaseError("the page", f"has no place for {name!r}", f"<!-- {name} --> in it")
        text = "\n".join(lines)
        page = f"{begin}<!-- {name} -->\n{text}\n{end}{after}"
    return page
