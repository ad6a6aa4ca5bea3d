"""The score as a function of records: who reads the same log comes to the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import drill_score
from agent.clock import Stamp
from agent.errors import RecordError
from agent.records import Event
from agent.store import entries

STEPS = ["isolate", 300, "lead", "earth", 600, "lead"]
EXPECTED = ["head", "fault", "AG"]
AT = Stamp(1, 5, 5, 2, 1024)


def word(what: str, after_ms: int, **values: Any) -> list[Any]:
    told = {"drill": "D-1", "what": what, "after_ms": after_ms, **values}
    return entries.drill_entry(AT, told)


def start() -> list[Any]:
    return word("started", 0, title="t", steps=STEPS, expected=EXPECTED)


def step(name: str, after_ms: int, role: str = "lead") -> list[Any]:
    return word("step", after_ms, step=name, role=role)


def event(name: str = "fault", kind: str | None = "AG", *, alarm: bool = True) -> list[Any]:
    told = Event(event=name, bay="head", t_us=5, alarm=alarm, kind=kind)
    return entries.event_entry(told, AT, logged_us=5, exercise=True)


WELL = [start(), event(), step("isolate", 299), step("earth", 600), word("ended", 601)]


def scored(records: list[Any]) -> dict[str, Any]:
    (score,) = drill_score.scores(enumerate(records, 1))
    return score


def test_all_in_time_and_in_order_with_what_was_expected_is_passed() -> None:
    score = scored(WELL)

    assert score["passed"]
    assert [each["verdict"] for each in score["steps"]] == ["in_time", "in_time"]


@pytest.mark.parametrize(
    ("records", "field", "value"),
    [
        ([start(), event(), step("isolate", 301), step("earth", 600), word("ended", 9)], 0, "late"),
        ([start(), event(), step("earth", 600), word("ended", 9)], 0, "missed"),
        ([start(), event(), step("isolate", 1, "mate"), word("ended", 9)], 0, "wrong_role"),
        ([start(), event(), step("earth", 1), step("isolate", 2), word("ended", 9)], "in_order", 0),
        ([*WELL[:1], *WELL[2:]], "told", False),
        ([start(), event(kind="BG"), *WELL[2:]], "told", False),
        ([*WELL[:2], event("voltage_loss", None), *WELL[2:]], "unexpected", 1),
        ([*WELL[:-1], word("aborted", 601)], "status", "aborted"),
        (WELL[:-1], "status", "open"),
    ],
)
def test_each_shortcoming_fails_it_by_itself(records: list[Any], field: Any, value: Any) -> None:
    score = scored(records)
    seen = {
        0: score["steps"][0]["verdict"],
        "in_order": score["in_order"],
        "told": score["decisions"][0]["told"],
        "unexpected": len(score["unexpected_alarms"]),
        "status": score["status"],
    }

    assert seen[field] == value
    assert not score["passed"]


def test_an_event_that_wakes_nobody_is_nothing_against_it() -> None:
    assert scored([*WELL[:2], event("inrush", None, alarm=False), *WELL[2:]])["passed"]


def test_each_drill_of_a_log_is_scored_by_itself() -> None:
    bad = [start(), word("aborted", 3)]
    first, second, third = drill_score.scores(enumerate([*WELL, *bad, *WELL], 7))

    assert first["passed"]
    assert not second["passed"]
    assert third["passed"]
    assert [each["first_seq"] for each in (first, second, third)] == [7, 12, 14]


def test_the_end_of_an_order_that_never_began_is_no_drill() -> None:
    assert drill_score.scores([(1, word("aborted", 0)), (2, event())]) == []


def test_what_is_no_entry_is_one_clear_line() -> None:
    with pytest.raises(RecordError, match="lane x, seq 3"):
        drill_score.scores([(3, ["?"])])


@given(
    st.lists(
        st.sampled_from([start(), event(), step("isolate", 5), word("ended", 9), step("no", 1)])
    )
)
def test_any_order_of_records_has_one_score(records: list[Any]) -> None:
    once = [drill_score.text(each) for each in drill_score.scores(enumerate(records, 1))]
    again = [drill_score.text(each) for each in drill_score.scores(enumerate(records, 1))]

    assert once == again
    assert len(once) == sum(drill_score.is_start(each) for each in records)
