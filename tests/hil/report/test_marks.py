from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hil.case import Stage
from hil.report import marks
from hil.verdict import PASSED, Expected, Moment, Outcome
from tests.hil.report.demo_outcomes import TRUTH, expected, fault, outcome


def told(tmp_path: Path, **more: Any) -> Outcome:
    return outcome(tmp_path, "one", PASSED, records={}, **more)


def shown(one: Outcome, terminal: str = "F1-head") -> list[tuple[float, str, str]]:
    return [(m["t"], m["text"], m["tone"]) for m in marks.of_terminal(one, terminal)[0]]


def test_truth_bench_and_the_terminals_own_decisions_stand_on_its_axis(tmp_path: Path) -> None:
    alarm = "ALARM fault AB forward 3.42\N{NO-BREAK SPACE}km"
    others = [(0.0, "broker away", "bench"), (0.2, "onset AB", "truth"), (0.36, "cleared", "truth")]

    assert shown(told(tmp_path)) == [
        *others[:2],
        (0.2163, alarm, "alarm"),
        others[2],
        (0.3772, "fault cleared AB", "end"),
    ]
    assert shown(told(tmp_path), "F2-head") == others


def test_without_the_truth_the_plants_moments_are_it(tmp_path: Path) -> None:
    one = told(tmp_path, truth=None)

    assert [mark for mark in shown(one) if mark[2] == "truth"] == [
        (0.2, "F1-S3: onset AB", "truth"),
        (0.36, "F1-S3: cleared", "truth"),
    ]


def test_each_stage_of_an_evolving_fault_is_an_onset(tmp_path: Path) -> None:
    stages = (Stage(0.2, "AG", "F1-S3"), Stage(0.25, "ABG", "F1-S3"))
    import dataclasses

    one = told(tmp_path, truth=dataclasses.replace(TRUTH, stages=stages), timeline=())

    assert [m[:2] for m in shown(one) if m[2] == "truth"] == [
        (0.2, "onset AG"),
        (0.25, "onset ABG"),
        (0.36, "cleared"),
    ]


def test_of_a_replay_the_events_own_times_are_the_decisions(tmp_path: Path) -> None:
    one = told(tmp_path, truth=None, timeline=(), events={"F1-head": [fault(0.2163), {"t": "?"}]})

    found, more = marks.of_terminal(one, "F1-head")

    assert [(m["t"], m["onset"]) for m in found] == [(0.2163, pytest.approx(0.2003))]
    assert more == 0


def test_a_record_that_begins_later_has_its_own_zero(tmp_path: Path) -> None:
    told_at = Moment(100.2163, "decision", "F1-head", "fault", fault(0.2163))
    asked = Expected("F1-head", "fault", True, 100.2, 100.23)
    one = told(
        tmp_path, timeline=[told_at], expected=[asked], begins_s={"F1-head": 100.0}, truth=None
    )

    mark = marks.of_terminal(one, "F1-head")[0][0]

    assert mark["t"] == pytest.approx(0.2163)
    assert mark["onset"] == pytest.approx(0.2003)
    window = marks.expected(one, "F1-head")[0]
    assert (window["from"], window["to"]) == (pytest.approx(0.2), pytest.approx(0.23))


def test_only_windows_of_this_terminal_are_drawn(tmp_path: Path) -> None:
    one = told(tmp_path, expected=[*expected(came=True), Expected("F1-head", "ever", False)])

    assert [each["text"] for each in marks.expected(one, "F1-head")] == ["fault AB forward, alarm"]


@pytest.mark.parametrize(
    ("instants", "seconds", "look"),
    [
        pytest.param([("truth", 0.2)], 2.0, (0.14, 0.3), id="onset-alone"),
        pytest.param([("truth", 0.2), ("alarm", 0.32)], 2.0, (0.14, 0.36), id="late-decision"),
        pytest.param([("truth", 0.2), ("end", 1.5)], 2.0, (0.14, 0.3), id="end-much-later"),
        pytest.param([("truth", 0.2)], 0.25, (0.14, 0.25), id="short-record"),
        pytest.param([("alarm", 0.02)], 2.0, (0.0, 0.12), id="no-truth"),
        pytest.param([], 2.0, (0.0, 2.0), id="nothing"),
        pytest.param([("truth", 5.0)], 2.0, (0.0, 2.0), id="after-the-record"),
    ],
)
def test_the_first_look_is_at_the_onset_and_what_came_of_it(
    instants: list[tuple[str, float]], seconds: float, look: tuple[float, float]
) -> None:
    found = [{"t": t, "text": "", "tone": tone} for tone, t in instants]

    assert marks.first_look(found, seconds, 50) == pytest.approx(look)


def test_marks_without_end_are_counted_not_drawn(tmp_path: Path) -> None:
    many = [Moment(k / 1000, "device", "F1-head", "again") for k in range(1000)]

    found, more = marks.of_terminal(told(tmp_path, timeline=many, truth=None, events={}), "F1-head")

    assert (len(found), more) == (200, 800)
