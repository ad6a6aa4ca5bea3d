"""Voltages without those whose sensor lies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.detect.test_open_ct import walked


@pytest.mark.parametrize(
    ("volts", "distrusted", "expected"),
    [
        pytest.param([58.0, 57.0, 59.0], [], [58.0, 57.0, 59.0], id="all-of-them"),
        pytest.param([3.0, 57.0, 59.0], ["ua", "i0"], [59.0, 57.0, 59.0], id="as-the-others"),
        pytest.param([3.0, 0.0, 1.0], ["ua"], [1.0, 0.0, 1.0], id="an-outage-takes-it-too"),
        pytest.param([3.0, 0.0, 1.0], ["ua", "ub", "uc"], None, id="none-left"),
    ],
)
def test_what_is_gone_by(volts: Any, distrusted: Any, expected: Any, board: Any) -> None:
    assert walked(board, "trusted", volts, distrusted) == expected
