"""The score: what counts for a device, and what against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil import bars, score
from hil.cli import main
from hil.device.agent import AGENT
from hil.plant import golden
from hil.tally import Mark, Tally, band, by_class, mark

SHORT = golden.load("short-bc")  # on F1; F2 shows nothing of it
ONSET = SHORT.truth.onset_s or 0.0


def fault(after_ms: float, **more: object) -> dict[str, object]:
    told = {"event": "fault", "alarm": True, "kind": "BC", "direction": "forward"}
    return {**told, "t": ONSET + after_ms / 1e3, **more}


def marked(terminal: str, *events: dict[str, object]) -> Mark:
    return mark(SHORT, terminal, events)


def test_a_right_word_counts_in_every_column() -> None:
    told = marked("F1-head", fault(13.0))

    assert (told.owed, told.hit, told.kind, told.direction) == (True, True, True, True)
    assert told.late_ms == pytest.approx(13.0)
    assert (told.false, told.contrary, told.sure) == (False, False, False)


def test_silence_is_a_miss() -> None:
    told = marked("F1-head")

    assert (told.owed, told.hit, told.kind) == (True, False, None)
    assert Tally([told]).missed == ["short-bc F1-head"]


def test_an_alarm_before_the_onset_is_false() -> None:
    told = marked("F1-head", fault(-5.0))

    assert (told.hit, told.false) == (False, True)


def test_the_last_word_within_a_tenth_of_a_second_names_the_fault() -> None:
    right = marked("F1-head", fault(12.0, kind="BCG"), fault(60.0))
    wrong = marked("F1-head", fault(12.0), fault(60.0, kind="BCG"))

    assert (right.kind, wrong.kind) == (True, False)


def test_later_words_of_another_kind_count_against_it() -> None:
    told = marked("F1-head", fault(12.0), fault(180.0, kind="ABC"))

    assert (told.kind, told.contrary) == (True, True)


@pytest.mark.parametrize(("confidence", "sure"), [(0.95, True), (0.5, False)])
def test_a_wrong_direction_is_worst_when_it_was_sure(confidence: float, sure: bool) -> None:
    told = marked("F1-head", fault(12.0, direction="reverse", confidence=confidence))

    assert (told.direction, told.sure) == (False, sure)


def test_an_alarm_where_nothing_is_ahead_is_false() -> None:
    quiet, loud = marked("F2-head"), marked("F2-head", fault(12.0))

    assert (quiet.may, quiet.false) == (False, False)
    assert (loud.may, loud.false) == (False, True)
    assert Tally([quiet, loud]).wrong == ["short-bc F2-head"]


def test_shares_come_with_what_is_not_known_of_them() -> None:
    told = Tally([marked("F1-head", fault(13.0))]).told()

    assert told["hit"] == {"of": 1, "count": 1, "low": 0.025, "high": 1.0}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("earth-isolated", "to 100 ohm"), ("earth-2k", "to 3000 ohm"), ("short-bc", "")],
)
def test_earth_faults_are_told_apart_by_their_resistance(name: str, expected: str) -> None:
    assert band(golden.load(name).truth) == expected


def test_fresh_cases_are_solved_replayed_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTU_HIL_CACHE", str(tmp_path))
    lines: list[str] = []

    marks = score.score(
        [("short_circuit", "isolated", 1), ("quiet", "resonant", 1)], AGENT, tell=lines.append
    )

    tallies = by_class(marks)
    assert [m.hit for m in tallies["short_circuit", "isolated", ""].marks].count(True) == 1
    assert not tallies["quiet", "resonant", ""].wrong
    assert lines[-1].startswith("2 of 2 cases")


def test_a_class_that_does_not_exist_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--class", "lightning"]) == 2

    told = capsys.readouterr().err
    assert told.startswith("ftu-hil: --class: no class lightning; expected some of short_circuit")
    assert told.count("\n") == 1


def test_the_command_tells_the_same_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FTU_HIL_CACHE", str(tmp_path))

    marks = tmp_path / "marks.jsonl"
    words = ["--cases", "1", "--class", "quiet", "--json", "--wish", "rate_hz=4000"]
    assert main(["score", *words, "--marks", str(marks)]) == 0

    told = json.loads(capsys.readouterr().out)
    lines = [json.loads(line) for line in marks.read_text().splitlines()]
    assert {line["rate_hz"] for line in lines} == {4000}
    assert told["classes"]["quiet isolated "]["false"]["count"] == 0


def test_a_bar_is_held_against_what_is_known_not_only_against_what_was_counted() -> None:
    late, right = marked("F1-head", fault(25.0)), marked("F1-head", fault(13.0))

    few = {each.bar.name: each for each in bars.held([right] * 3)}
    many = {each.bar.name: each for each in bars.held([right] * 80)}
    slow = {each.bar.name: each for each in bars.held([right, late])}

    assert few["the same: within 20 ms"].verdict == "counted"
    # Rule of three: of 80 without a miss, no more than 3/80 can be missed.
    assert many["the same: within 20 ms"].low == pytest.approx(1 - 3 / 80, abs=0.001)
    assert many["the same: within 20 ms"].verdict == "holds"
    assert slow["the same: within 20 ms"].verdict == "MISSED"
    assert slow["the same: within 30 ms"].count == 2


def test_every_bar_of_the_contract_has_its_row() -> None:
    told = bars.lines([marked("F1-head", fault(13.0, distance_km=2.0)), marked("F2-head")])

    assert len(told) == 2 + len(bars.BARS) + 2
    assert told[-1].startswith("Distance of 1 phase faults")


def test_a_wish_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--wish", "colour=red"]) == 2

    assert capsys.readouterr().err.startswith("ftu-hil: plant: no wish colour; expected some of")
