"""Channels that stand still, are off zero, or are cut off at their stop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.agent.detect.test_open_ct import walked


def sine(amplitude: float, window: int = 80, stop: float = np.inf, offset: float = 0.0) -> Any:
    """Two cycles. [counts]"""
    t = np.arange(2 * window) / window
    row = np.clip(np.rint(amplitude * np.cos(2 * np.pi * t + 0.3) + offset), -stop, stop)
    return row.astype(int).tolist()


@pytest.mark.parametrize(
    ("row", "window", "expected"),
    [
        pytest.param(sine(5_000), 80, [False, 0.0, False], id="a-sine"),
        pytest.param(sine(5_000, 1024), 1024, [False, 0.0, False], id="finely-sampled"),
        pytest.param(sine(40, 1024), 1024, [False, 0.0, False], id="coarsely-converted"),
        pytest.param(sine(5_000, stop=4_000), 80, [False, 0.0, True], id="cut-off"),
        pytest.param(sine(5_000, 16, stop=4_000), 16, [False, 0.0, True], id="cut-off-few-samples"),
        pytest.param(sine(33_000, stop=32_990), 80, [False, 0.0, False], id="just-at-the-stop"),
        pytest.param(sine(500, offset=300), 80, [False, 300.0, False], id="an-offset"),
        pytest.param([700] * 160, 80, [True, 700.0, False], id="still"),
        pytest.param([0] * 160, 80, [False, 0.0, False], id="nothing-may-be-nothing"),
    ],
)
def test_what_no_conductor_carries(row: Any, window: int, expected: Any, board: Any) -> None:
    still, offset, flat = walked(board, "channel", row, window, 50.0)

    assert [still, flat] == [expected[0], expected[2]]
    assert offset == pytest.approx(expected[1], abs=15.0)
