from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hil.case import Seen
from hil.report import words
from hil.verdict import BROKEN, FAILED, NOT_YET, PASSED, Check, Outcome
from tests.hil.report.demo_outcomes import TRUTH

CHECKS = (Check("a", True, "fine"), Check("b", False, "came late"), Check("c", False, "never"))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {"event": "fault", "alarm": True, "kind": "AG", "direction": "forward"},
            "ALARM fault AG forward",
        ),
        ({"event": "fault", "direction": "unknown"}, "fault direction unknown"),
        ({"event": "voltage_loss", "phases": "ABC", "alarm": False}, "voltage loss ABC"),
        ({"event": "operate", "element": "51N"}, "operate 51N"),
        ({}, "event"),
    ],
)
def test_an_event_in_a_few_words(event: dict[str, Any], said: str) -> None:
    assert words.told(event) == said


@pytest.mark.parametrize(
    ("status", "more", "reason", "verdict"),
    [
        (PASSED, {}, "", "All 3 checks passed."),
        (FAILED, {}, "b: came late", "2 of 3 checks failed."),
        (BROKEN, {"problem": "no pty"}, "no pty", "The bench broke, so nothing is said"),
        (NOT_YET, {"not_yet": "part E"}, "part E", "Not yet: part E (2 of 3 checks failed today)."),
    ],
)
def test_why_and_what_a_status_means(
    status: str, more: dict[str, str], reason: str, verdict: str
) -> None:
    one = Outcome("one", "", (), status, CHECKS, 1.0, **more)  # type: ignore[arg-type]

    assert words.reason(one) == reason
    assert words.verdict(one).startswith(verdict)


def test_a_failure_without_a_failed_check_says_its_problem() -> None:
    one = Outcome("one", "", (), FAILED, CHECKS[:1], 1.0, problem="passes already")

    assert words.reason(one) == "passes already"
    assert words.verdict(one) == "Failed, though no check did."


def test_what_happened_in_one_sentence() -> None:
    assert words.happened(TRUTH) == (
        "short circuit AB through 0.1 Ω at 37° of the voltage in section F1-S3; "
        "network rural, earthing isolated; onset at 0.2000 s, out at 0.3600 s"
    )
    quiet = dataclasses.replace(
        TRUTH, what="inrush", kind="", onset_s=None, resistance_ohm=None, angle_deg=None
    )
    assert words.happened(quiet).startswith("inrush in section F1-S3; ")
    assert words.happened(quiet).endswith("; nothing begins")


def test_what_is_true_at_a_terminal() -> None:
    here = Seen("reverse", alarm=False, amps=1234.0, residual_amps=0.45, neutral_share=0.031)

    assert words.seen(here) == "reverse, no alarm, 1.23 kA, 3I0 0.45 A, U0 3.1%"
    assert words.seen(Seen("", alarm=False)) == "no fault to be seen, no alarm"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2163, "0.2163 s"),
        (259198.5, "71:59:58.5 h"),
        (-3723.25, "-1:02:03.2 h"),
        (100, "100.0 s"),
    ],
)
def test_an_instant_is_readable_at_any_length(seconds: float, said: str) -> None:
    assert words.instant(seconds) == said
