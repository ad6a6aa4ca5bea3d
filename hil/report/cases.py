"""The COMTRADE records of each case, laid beside the page.

A record that is not there stays named where it should be: a bench that broke may not have written
it, and the report of all other scenarios must not break with it.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from hil.verdict import Outcome

FOLDER = "cases"
_LONGEST = 80  # letters of a folder's name: room for a path on any system


def laid_out(outcomes: Sequence[Outcome], folder: Path) -> list[Outcome]:
    """The outcomes, their records now copies below `folder`."""
    taken: set[str] = set()
    return [
        dataclasses.replace(
            outcome, records=_copied(outcome, folder / FOLDER / place(outcome.scenario, taken))
        )
        for outcome in outcomes
    ]


def place(name: str, taken: set[str]) -> str:
    """A name that is safe and new as a file's; it joins `taken`."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:_LONGEST].strip("._") or "scenario"
    number, made = 2, stem
    while made.lower() in taken:  # also where Case and case are one file
        number, made = number + 1, f"{stem}-{number}"
    taken.add(made.lower())
    return made


def _copied(outcome: Outcome, folder: Path) -> dict[str, Path]:
    names: set[str] = set()
    return {
        terminal: _copy(header, folder / f"{place(terminal, names)}.cfg")
        for terminal, header in outcome.records.items()
    }


def _copy(header: Path, to: Path) -> Path:
    """Header and data; a record that already lies there stays."""
    data = header.with_suffix(".dat")
    if not header.is_file() or not data.is_file():
        return header
    if header.resolve() != to.resolve():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(header, to)
        shutil.copyfile(data, to.with_suffix(".dat"))
    return to
