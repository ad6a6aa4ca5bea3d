"""What goes on as the same start, and what is new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.agent.detect import scenarios_weak as scenarios

MS = 1000
ON, NEW, OVER = [True, True], [False, False], ["over", False]
MODULE = "tests.agent.detect.scenarios_weak"
STEPS = [
    pytest.param([(0, True, 150.0)], [[False, True]], id="while-it-develops-it-is-looked-at"),
    pytest.param([(0, False, 150.0), (500 * MS, False, 110.0)], [ON, ON], id="a-start-decays"),
    pytest.param(
        [(0, False, 100.0), (20 * MS, True, 119.0), (40 * MS, True, 119.0)],
        [ON, ON, ON],
        id="a-ripple-on-it-is-nothing-new",
    ),
    pytest.param(
        [(0, False, 100.0), (20 * MS, True, 200.0), (33 * MS, True, 200.0)],
        [ON, ON, NEW],
        id="what-lifts-it-by-a-fifth-is-new-once-it-is-ripe",
    ),
    pytest.param(
        [(0, False, 100.0), (10 * MS, True, None), (400 * MS, False, 101.0)],
        [ON, ["dropped", True], ON],
        id="a-current-that-hovers-at-pickup",
    ),
    pytest.param(
        [(0, False, 100.0), (10 * MS, True, None), (510 * MS, False, 101.0)],
        [ON, ["dropped", True], OVER],
        id="half-a-second-later-it-is-over",
    ),
]


@pytest.mark.parametrize(("steps", "expected"), STEPS)
def test_a_start_goes_on_until_something_new_comes(steps: list[Any], expected: list[Any]) -> None:
    assert scenarios.start(steps) == expected


def test_the_board_says_the_same(board: Callable[..., list[Any]]) -> None:
    steps: list[Any] = [case.values[0] for case in STEPS]
    assert board([(MODULE, "start", [each]) for each in steps]) == [
        scenarios.start(each) for each in steps
    ]
