"""A trouble is told when it has stood, and when it is over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.detect.test_open_ct import walked

QUIET, BEGUN, OVER = 0, 1, 2
Y, N, U = True, False, None


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([N, N, N], [QUIET] * 3, id="nothing"),
        pytest.param([Y, N, Y, N], [QUIET] * 4, id="never-in-a-row"),
        pytest.param([Y, U, Y, U], [QUIET] * 4, id="what-is-not-seen-breaks-the-row"),
        pytest.param([Y, Y, Y], [QUIET, BEGUN, QUIET], id="once"),
        pytest.param(
            [Y, Y, U, U, N, N, U, N], [QUIET, BEGUN] + [QUIET] * 5 + [OVER], id="over-when-seen"
        ),
        pytest.param([Y, Y, N, N, Y, N, N], [QUIET, BEGUN] + [QUIET] * 5, id="it-stands-on"),
    ],
)
def test_what_is_told(looks: Any, expected: Any, board: Any) -> None:
    assert walked(board, "trouble", 2, 3, looks) == expected
