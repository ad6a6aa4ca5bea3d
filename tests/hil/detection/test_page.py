"""The printed parts of docs/detection.md."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hil.detection import page
from hil.detection.__main__ import main
from hil.detection.curve import curve
from hil.plant import golden
from hil.tally import Mark, mark

EARTH = golden.load("earth-isolated")
SHORT = golden.load("short-bc")
PAGE = Path(__file__).parents[3] / "docs" / "detection.md"


def told(after_ms: float, kind: str, direction: str = "forward") -> dict[str, object]:
    onset = EARTH.truth.onset_s if kind in ("AG", "BG", "CG") else SHORT.truth.onset_s
    t = (onset or 0.0) + after_ms / 1e3
    return {"event": "fault", "alarm": True, "kind": kind, "direction": direction, "t": t}


HIT = mark(EARTH, "F1-head", [told(30, EARTH.truth.kind)])
MISS = mark(EARTH, "F1-head", [])


def test_a_point_of_a_curve_is_the_share_of_its_bin_with_what_is_not_known() -> None:
    made = curve("x", [HIT] * 9 + [MISS], (0.1, 1e6), lambda m: 10.0, lambda m: m.hit)

    (point,) = made.points
    assert (point.of, point.share) == (10, 0.9)
    assert point.bounds == pytest.approx((0.555, 0.9975), abs=0.001)  # Clopper and Pearson's table


def test_a_bin_with_too_few_says_nothing() -> None:
    assert curve("x", [HIT] * 4, (0.1, 1e6), lambda m: 10.0, lambda m: m.hit).points == ()


def test_every_printed_part_has_its_place_in_the_page() -> None:
    parts = page.parts([HIT] * 6 + [MISS], [])

    filled = page.filled(PAGE.read_text(), parts)

    for name, lines in parts.items():
        begin, end = filled.index(f"<!-- {name} -->"), filled.index(f"<!-- /{name} -->")
        assert filled[begin:end].splitlines()[1:] == lines
    assert page.filled(filled, parts) == filled


def test_the_plots_are_whole_drawings_with_a_line_for_every_earthing_seen() -> None:
    for drawing in page.plots([HIT] * 6).values():
        root = ET.fromstring(drawing)  # noqa: S314  our own
        assert len(root.findall("{*}polyline")) == 1


def test_the_command_fills_a_page(tmp_path: Path) -> None:
    marks = tmp_path / "marks.jsonl"
    marks.write_text("".join(json.dumps(each.told()) + "\n" for each in [HIT] * 6))
    copy = tmp_path / "page.md"
    copy.write_text(PAGE.read_text())

    assert main(["--page", str(copy), "--marks", str(marks)]) == 0

    assert "| earth fault, isolated, to 100 ohm | 6 |" in copy.read_text()
    assert (tmp_path / "detection-residual.svg").exists()


def test_marks_that_are_none_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = tmp_path / "marks.jsonl"
    marks.write_text('{"colour": "red"}\n')

    assert main(["--page", str(PAGE), "--marks", str(marks)]) == 2

    assert capsys.readouterr().err.count("\n") == 1


def test_a_mark_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    short: Mark = mark(SHORT, "F1-head", [told(13, "BC")])
    path.write_text(json.dumps(short.told()) + "\n")

    assert page.read([path]) == [short]
