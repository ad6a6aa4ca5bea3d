"""The score: what counts for a device, and what against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil import score
from hil.cli import main
from hil.device.agent import AGENT
from hil.plant import golden
from hil.score import Tally, band

SHORT = golden.load("short-bc")  # on F1; F2 shows nothing of it
ONSET = SHORT.truth.onset_s or 0.0


def fault(after_ms: float, **more: object) -> dict[str, object]:
    told = {"event": "fault", "alarm": True, "kind": "BC", "direction": "forward"}
    return {**told, "t": ONSET + after_ms / 1e3, **more}


def tally(terminal: str, *events: dict[str, object]) -> Tally:
    made = Tally()
    made.add(SHORT, terminal, events)
    return made


def test_a_right_word_counts_in_every_column() -> None:
    told = tally("F1-head", fault(13.0))

    assert (told.owed, told.hit, told.kind, told.direction) == (1, 1, 1, 1)
    assert told.late_ms == [pytest.approx(13.0)]
    assert (told.false, told.contrary, told.sure) == (0, 0, 0)


def test_silence_is_a_miss() -> None:
    told = tally("F1-head")

    assert (told.owed, told.hit, told.named) == (1, 0, 0)
    assert told.missed == ["short-bc F1-head"]


def test_an_alarm_before_the_onset_is_false() -> None:
    told = tally("F1-head", fault(-5.0))

    assert (told.hit, told.false) == (0, 1)


def test_the_last_word_within_a_tenth_of_a_second_names_the_fault() -> None:
    right = tally("F1-head", fault(12.0, kind="BCG"), fault(60.0))
    wrong = tally("F1-head", fault(12.0), fault(60.0, kind="BCG"))

    assert (right.kind, wrong.kind) == (1, 0)


def test_later_words_of_another_kind_count_against_it() -> None:
    told = tally("F1-head", fault(12.0), fault(180.0, kind="ABC"))

    assert (told.kind, told.contrary) == (1, 1)


@pytest.mark.parametrize(("confidence", "sure"), [(0.95, 1), (0.5, 0)])
def test_a_wrong_direction_is_worst_when_it_was_sure(confidence: float, sure: int) -> None:
    told = tally("F1-head", fault(12.0, direction="reverse", confidence=confidence))

    assert (told.pointed, told.direction, told.sure) == (1, 0, sure)


def test_an_alarm_where_nothing_is_ahead_is_false() -> None:
    quiet, loud = tally("F2-head"), tally("F2-head", fault(12.0))

    assert (quiet.quiet, quiet.false) == (1, 0)
    assert (loud.quiet, loud.false) == (1, 1)
    assert loud.wrong == ["short-bc F2-head"]


def test_shares_come_with_what_is_not_known_of_them() -> None:
    told = tally("F1-head", fault(13.0)).told()

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

    tallies = score.score(
        [("short_circuit", "isolated", 1), ("quiet", "resonant", 1)], AGENT, tell=lines.append
    )

    assert tallies["short_circuit", "isolated", ""].hit == 1
    assert tallies["quiet", "resonant", ""].false == 0
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

    assert main(["score", "--cases", "1", "--class", "quiet", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["classes"]["quiet isolated "]["false"]["count"] == 0
