"""Records with an INDEX.md: committed cases stand for real ones, which are not in this place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hil.detection.records import judged, rows
from hil.device.agent import AGENT
from hil.errors import CaseError
from hil.plant import golden

HEAD = (
    "record | rating A | current ratio | certainty | Hz | f | s | grid | kind | class | phases"
    " | onset | clear | where | there from the start | phase voltage nominal"
)


def folder_of(path: Path, **changed: str) -> Path:
    """golden/short-bc as a record of INDEX.md."""
    bay = golden.load("short-bc").recordings["F1-head"].bay
    row = {
        **dict.fromkeys(HEAD.split(" | "), ""),
        "record": "F1-head",
        "rating A": str(bay.rating_amps),
        "current ratio": "5",
        "certainty": "0.9",
        "f": "50",
        "kind": "fault",
        "phases": "BC",
        "onset": str(golden.load("short-bc").truth.onset_s),
        "where": "forward",
        "phase voltage nominal": "5773.5",
        **changed,
    }
    for end in (".cfg", ".dat"):
        shutil.copy(golden.FOLDER / "short-bc" / f"F1-head{end}", path)
    table = [HEAD, "|".join("---" for _ in row), " | ".join(row.values())]
    (path / "INDEX.md").write_text("# Records\n\n" + "\n".join(f"| {r} |" for r in table) + "\n")
    return path


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        pytest.param({}, "right", id="flagged-with-its-kind"),
        pytest.param({"phases": "AB"}, "wrong: kind BC", id="of-another-kind"),
        pytest.param({"kind": "no_fault"}, "wrong: 1 false alarms", id="an-alarm-without-a-fault"),
        pytest.param({"where": "upstream"}, "-", id="not-of-this-feeder"),
        pytest.param({"certainty": "0.5"}, "-", id="a-truth-that-is-not-sure"),
        pytest.param({"current ratio": "1.2"}, "-", id="a-current-that-hardly-rises"),
    ],
)
def test_a_record_is_judged_by_its_row(
    changed: dict[str, str], verdict: str, tmp_path: Path
) -> None:
    (found,) = judged(folder_of(tmp_path, **changed), AGENT)

    assert found.verdict == verdict


def test_a_fault_that_nobody_told_is_missed(tmp_path: Path) -> None:
    (found,) = judged(folder_of(tmp_path, **{"rating A": "10000"}), AGENT)

    assert found.verdict == "wrong: missed"


def test_a_folder_without_a_table_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "INDEX.md").write_text("# nothing\n")

    with pytest.raises(CaseError, match="holds no table"):
        rows(tmp_path)
