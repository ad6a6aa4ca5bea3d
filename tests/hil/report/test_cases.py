from __future__ import annotations

from pathlib import Path

import pytest

from hil import comtrade
from hil.report import cases
from hil.verdict import PASSED
from tests.hil.report import demo_outcomes
from tests.hil.report.demo_outcomes import HOSTILE


def test_each_record_lies_beside_the_page_header_and_data(tmp_path: Path) -> None:
    made = demo_outcomes.outcome(tmp_path / "made", "one", PASSED)

    laid = cases.laid_out([made], tmp_path / "report")[0]

    header = tmp_path / "report/cases/one/F1-head.cfg"
    assert laid.records["F1-head"] == header
    assert comtrade.read(header).counts.shape == (8, 2000)
    assert header.read_bytes() == made.records["F1-head"].read_bytes()


def test_records_that_lie_there_already_stay(tmp_path: Path) -> None:
    once = cases.laid_out([demo_outcomes.outcome(tmp_path / "made", "one", PASSED)], tmp_path)

    assert cases.laid_out(once, tmp_path) == once
    assert comtrade.read(once[0].records["F2-head"]).counts.shape == (8, 2000)


def test_a_record_that_was_never_written_breaks_nothing(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "F1.cfg"
    made = demo_outcomes.outcome(tmp_path / "made", "one", PASSED, records={"F1": gone})

    assert cases.laid_out([made], tmp_path)[0].records == {"F1": gone}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("short-circuit_1.2", "short-circuit_1.2"),
        ("../../etc/passwd", "etc_passwd"),
        (".hidden", "hidden"),
        ("两相短路", "scenario"),
        ("", "scenario"),
        (HOSTILE, "script_document.title_taken_script_img_src_x_onerror_alert_1"),
        ("x" * 300, "x" * 80),
    ],
)
def test_any_name_becomes_one_that_is_safe_as_a_folder(name: str, expected: str) -> None:
    assert cases.place(name, set()) == expected


def test_two_of_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    taken: set[str] = set()

    assert [cases.place(name, taken) for name in ("a/b", "A?B", "a b")] == ["a_b", "A_B-2", "a_b-3"]
