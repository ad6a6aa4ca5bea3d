"""Judgements at given ages of what has begun to move."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.detect.test_open_ct import walked


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([[0, False]], [True], id="at-rest"),
        pytest.param([[5, True], [14, True], [15, True], [25, True]], [15, 25, True], id="twice"),
        pytest.param([[5, True], [40, True], [41, True]], [40, True], id="late-is-once"),
        pytest.param([[5, True], [15, False], [25, True]], [25, True], id="only-while-it-moves"),
        pytest.param([[5, True], [30, False], [31, True], [60, True]], [True], id="once-a-look"),
        pytest.param(
            [[5, True], [30, True], "look", [50, True], [60, True]], [30, 60, False], id="anew"
        ),
        pytest.param([[5, True], "look", [15, True]], [15, False], id="a-look-breaks-none-off"),
    ],
)
def test_when_it_judges(steps: Any, expected: Any, board: Any) -> None:
    assert walked(board, "wait", [0.5, 1.0], 20, steps) == expected
