"""A fault's own current among three, under CPython and MicroPython."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.detect import earth_scenarios


def alike(board: Any, function: str, *args: Any) -> Any:
    """The answer under CPython, after MicroPython has given the same one."""
    expected = getattr(earth_scenarios, function)(*args)
    assert board([("tests.agent.detect.earth_scenarios", function, args)]) == [expected]
    return expected


@pytest.mark.parametrize(
    ("changes", "noise", "expected"),
    [
        pytest.param([[10.0, 0], [0, 0], [0, 0]], 0.1, "A", id="one-phase-carries-it"),
        pytest.param([[-1, 0], [9.0, 0], [-1, 0]], 0.1, "B", id="and-the-others-charge"),
        pytest.param([[2.0, 1], [2.0, 1], [2.0, 1]], 0.1, "", id="three-alike-only-charge"),
        pytest.param([[2.0, 0], [2.0, 0], [2.4, 0]], 0.05, "", id="nearly-alike-too"),
        pytest.param([[20.0, 0], [-10, 0], [-10, 0]], 0.1, "", id="a-load-sums-up-to-nothing"),
        pytest.param([[20.0, 0], [-20, 0], [0, 0]], 0.1, "", id="a-load-between-two-phases-too"),
        pytest.param(
            [[0.0, 0.18], [0, 0.11], [0.41, 0.01]], 0.02, "", id="a-load-that-sags-beside-charging"
        ),
        pytest.param([[10.0, 0], [0, 0], [5.0, 0]], 0.1, "", id="two-phases-are-no-earth-fault"),
        pytest.param([[1.0, 0], [0, 0], [0, 0]], 0.3, "", id="the-noise-could-be-it"),
        pytest.param([[0.0, 0], [0, 0], [0, 0]], 0.0, "", id="nothing"),
    ],
)
def test_a_faults_own_current_is_in_one_phase(
    board: Any, changes: list[list[float]], noise: float, expected: str
) -> None:
    assert alike(board, "through", changes, noise) == expected
