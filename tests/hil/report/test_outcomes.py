from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.errors import CaseError
from hil.report import outcomes
from hil.verdict import PASSED, Latency, Outcome
from tests.hil.report import demo_outcomes


def test_what_was_saved_comes_back_the_same(tmp_path: Path) -> None:
    told = demo_outcomes.outcomes(tmp_path)

    outcomes.save(told, tmp_path, title="试验", meta={"device": "agent"})

    back = outcomes.load(tmp_path)
    assert [_lists(each) for each in back] == [_lists(each) for each in told]
    assert outcomes.heading(tmp_path) == ("试验", {"device": "agent"})


def _lists(outcome: Outcome) -> Any:
    """Without the difference of a list and a tuple."""
    return json.loads(json.dumps(dataclasses.asdict(outcome), default=str))


def test_records_below_the_folder_move_with_it(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    outcomes.save([demo_outcomes.outcome(here, "one", PASSED)], here)
    here.rename(there)

    records = outcomes.load(there)[0].records

    assert records["F1-head"] == there / "one" / "F1-head.cfg"
    assert records["F1-head"].is_file()


def test_numbers_that_json_lacks_come_through(tmp_path: Path) -> None:
    one = Outcome(
        "one",
        "",
        (),
        PASSED,
        (),
        1.0,
        latencies=[Latency("F1", "fault", float("inf"), 2)],
        events={"F1": [{"t": np.float64(0.25), "nan": float("nan"), "path": Path("/x")}]},
    )

    outcomes.save([one], tmp_path)

    back = outcomes.load(tmp_path)[0]
    assert back.latencies[0] == Latency("F1", "fault", float("inf"), 2.0)
    assert back.events["F1"][0] == {"t": 0.25, "nan": "nan", "path": "/x"}


def test_what_a_later_rig_added_is_passed_over_and_what_it_may_lack_has_its_default(
    tmp_path: Path,
) -> None:
    one = {
        "scenario": "one",
        "title": "",
        "rows": [],
        "status": "passed",
        "checks": [],
        "seconds": 2,
        "new": 1,
    }
    (tmp_path / outcomes.FILE).write_text(json.dumps({"outcomes": [one]}))

    assert outcomes.load(tmp_path) == [Outcome("one", "", (), PASSED, (), 2.0)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Expecting value"),
        ("[]", "no table"),
        ("{}", "'outcomes'"),
        ('{"outcomes": [3]}', "outcome is int, not dict"),
        ('{"outcomes": [{"scenario": "one"}]}', "outcome has no title"),
        ('{"outcomes": [{"scenario": 3}]}', "outcome has no title"),
        (
            '{"outcomes": [{"scenario": "a", "title": "", "rows": "H1", "status": "passed", '
            '"checks": [], "seconds": 1}]}',
            "outcome.rows is str, not list",
        ),
        (
            '{"outcomes": [{"scenario": "a", "title": "", "rows": [], "status": "passed", '
            '"checks": [{"name": "n", "passed": "yes", "evidence": ""}], "seconds": 1}]}',
            "outcome.checks[0].passed is str, not bool",
        ),
        (
            '{"outcomes": [{"scenario": "a", "title": "", "rows": [], "status": "passed", '
            '"checks": [], "seconds": "soon"}]}',
            "could not convert string to float",
        ),
    ],
)
def test_a_file_that_is_none_of_ours_is_one_clear_line(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / outcomes.FILE).write_text(text)

    with pytest.raises(CaseError) as caught:
        outcomes.load(tmp_path)

    line = str(caught.value)
    assert "outcomes.json" in line
    assert says in line
    assert "\n" not in line


def test_a_folder_without_outcomes_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"outcomes\.json: .*No such file"):
        outcomes.load(tmp_path / "nowhere")
