"""What came of a run, for people and for machines: one HTML page, JUnit XML, the COMTRADE records
of every case beside them, and the outcomes themselves, from which all of it can be made anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hil.report import cases, junit, outcomes, page
from hil.verdict import Outcome


def write(
    told: Sequence[Outcome],
    folder: Path,
    *,
    title: str = outcomes.TITLE,
    meta: Mapping[str, str] | None = None,
) -> Path:
    """Make the report in `folder`; the path of its page.

    title, meta: head of the page, and facts about the run (device under test, its version ...).
    """
    folder.mkdir(parents=True, exist_ok=True)
    laid = cases.laid_out(told, folder)
    outcomes.save(laid, folder, title=title, meta=meta)
    junit.write(laid, folder)
    return page.write(laid, folder, title=title, meta=meta or {})


def again(folder: Path) -> Path:
    """Make the report of this folder anew from its outcomes.json. Raises: CaseError."""
    told = outcomes.load(folder)
    title, meta = outcomes.heading(folder)
    return write(told, folder, title=title, meta=meta)
