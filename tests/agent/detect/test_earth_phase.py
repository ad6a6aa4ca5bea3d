"""The phase whose voltage is down; which fits best is in test_earth_inquiry.py."""

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
    ("volts", "expected"),
    [
        pytest.param([1.0, 100.0, 100.0], "A", id="collapsed"),
        pytest.param([100.0, 140.0, 49.0], "C", id="down-by-half"),
        pytest.param([100.0, 140.0, 60.0], "", id="not-down-enough"),
        pytest.param([30.0, 30.0, 100.0], "", id="two-phases-down"),
    ],
)
def test_the_low_phase_is_down_against_both_others(
    board: Any, volts: list[float], expected: str
) -> None:
    assert alike(board, "lowest", [x * x for x in volts]) == expected
