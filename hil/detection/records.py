"""Real records: a folder of COMTRADE files whose INDEX.md tells the truth, held against a device.

The table of INDEX.md has the columns record, rating A, f, phase voltage nominal, kind (fault or
no_fault), phases, onset, where, certainty and current ratio.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.errors import BenchError, CaseError
from hil.scenarios.terminal import FAULTS

LEAST_RATIO, LEAST_CERTAINTY = 1.5, 0.8
_COLUMNS = 12  # fewer is another table of the page
_SITE = """[[bay]]
name = "main"
section = "S1"
nominal_volts = {volts}
frequency_hz = {hz}
earthing = "{earthing}"
rating_amps = {rating}
"""
_TIMEOUT_S = 600

Row = dict[str, str]
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """A record, what was told of it, and how right that is: "right", "wrong: why", or "-"."""

    row: Row
    events: Sequence[Event]
    verdict: str


def rows(folder: Path) -> list[Row]:
    """Of INDEX.md. Raises: CaseError."""
    path = folder / "INDEX.md"
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise CaseError(str(path), f"cannot be read ({error.strerror})", "a table") from error
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    table = [row for row in cells if len(row) > _COLUMNS]
    if not table:
        raise CaseError(str(path), "holds no table", f"one of more than {_COLUMNS} columns")
    head = table[0]
    return [dict(zip(head, row, strict=True)) for row in table[1:] if not row[0].startswith("-")]


def judged(folder: Path, command: Sequence[str]) -> list[Judged]:
    """Every record of INDEX.md through the device. Raises: CaseError, BenchError."""
    return [_judged(row, _events(folder, row, command)) for row in rows(folder)]


def is_incomer(row: Row) -> bool:
    """A busbar's incomer: what happens in its network shows in U0 alone."""
    return row["record"].startswith("incomer")


def owed(row: Row) -> bool:
    """A fault of its own, large and sure enough to be held against a device."""
    return (
        row["kind"] == "fault"
        and row["where"] in ("forward", "unknown")
        and not is_incomer(row)
        and float(row["certainty"] or 0) >= LEAST_CERTAINTY
        and float(row["current ratio"] or 0) >= LEAST_RATIO
    )


def _judged(row: Row, events: Sequence[Event]) -> Judged:
    faults = [event for event in events if event["event"] in FAULTS]
    alarms = [event for event in faults if event["alarm"]]
    if row["kind"] == "no_fault":
        return Judged(row, events, f"wrong: {len(alarms)} false alarms" if alarms else "right")
    if owed(row):
        return Judged(row, events, _own(row, alarms))
    if row["where"] == "network":
        return Judged(row, events, _of_the_network(row, faults))
    return Judged(row, events, "-")


def _own(row: Row, alarms: Sequence[Event]) -> str:
    if not alarms:
        return "wrong: missed"
    kind = str(alarms[-1].get("kind"))
    return "right" if kind == row["phases"] else f"wrong: kind {kind}"


def _of_the_network(row: Row, faults: Sequence[Event]) -> str:
    named = [event for event in faults if event.get("kind") == row["phases"]]
    if not named:
        return "wrong: not named"
    if named[0]["alarm"] or named[0]["direction"] != "unknown":
        return f"wrong: direction {named[0]['direction']}, alarm {named[0]['alarm']}"
    return "right"


def _events(folder: Path, row: Row, command: Sequence[str]) -> list[Event]:
    earthing = "resonant" if is_incomer(row) else "solid"
    volts = round(float(row["phase voltage nominal"]) * 3**0.5, 1)
    site = _SITE.format(volts=volts, hz=row["f"], earthing=earthing, rating=row["rating A"])
    with tempfile.TemporaryDirectory(prefix="ftu-hil-") as name:
        place = Path(name)
        (place / "site.toml").write_text(site)
        for end in (".cfg", ".dat"):
            shutil.copy(folder / f"{row['record']}{end}", place)
        words = ["replay", f"{row['record']}.cfg", "--site", "site.toml", "--json"]
        done = subprocess.run(
            [*command, *words],
            cwd=place,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        why = done.stderr.strip()[-200:]
        raise BenchError(f"replay of {row['record']}", f"ended with {done.returncode}: {why}")
    return [json.loads(line) for line in done.stdout.splitlines()]
