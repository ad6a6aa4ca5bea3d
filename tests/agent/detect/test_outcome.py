"""How a fault ended: the table is the specification, walked under CPython and MicroPython."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.detect import scenarios_place

MS, S = 1000, 1_000_000
LOAD, NONE, LIVE, DEAD = [100.0, 98.0, 95.0], [0.3, 0.2, 0.1], [5800.0] * 3, [20.0] * 3
BACK, HALF, PART = [97.0, 99.0, 90.0], [100.0, 40.0, 95.0], [70.0, 69.0, 66.0]
IDLE, WAITING = [True, False, []], [True, True, []]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(
            [[0, "fault", [], LOAD], [80 * MS, "cleared", BACK, LIVE]],
            [[80 * MS, "self_cleared", ""], IDLE],
            id="the-load-is-back",
        ),
        pytest.param(
            [[0, "fault", [], LOAD], [80 * MS, "cleared", NONE, LIVE]],
            [[80 * MS, "open", ""], WAITING],
            id="this-bays-breaker-opened",
        ),
        pytest.param(
            [[0, "fault", [], None], [80 * MS, "cleared", NONE, DEAD]],
            [[80 * MS, "open", ""], WAITING],
            id="a-breaker-nearer-to-the-source-opened-whatever-flowed-before",
        ),
        pytest.param(
            [[0, "fault", [], LOAD], [80 * MS, "cleared", HALF, LIVE]],
            [[80 * MS, "open", ""], WAITING],
            id="a-fuse-in-one-phase",
        ),
        pytest.param(
            [[0, "fault", [], LOAD], [80 * MS, "cleared", PART, LIVE]],
            [[80 * MS, "", "a part of the load has not come back"], IDLE],
            id="a-branch-opened-or-drives-dropped-out",
        ),
        pytest.param(
            [[0, "fault", [], NONE], [80 * MS, "cleared", NONE, LIVE]],
            [[80 * MS, "", "there was no load before the fault"], IDLE],
            id="a-line-without-load",
        ),
        pytest.param(
            [[0, "fault", [], None], [80 * MS, "cleared", NONE, None]],
            [[80 * MS, "", "the load before the fault was not seen"], IDLE],
            id="switched-on-to-it",
        ),
        pytest.param(
            [
                [0, "fault", [], LOAD],
                [80 * MS, "cleared", NONE, DEAD],
                [480 * MS, "fault", [], NONE],
                [560 * MS, "cleared", NONE, DEAD],
            ],
            [
                [80 * MS, "open", ""],
                [480 * MS, "permanent", ""],
                [560 * MS, "permanent", ""],
                WAITING,
            ],
            id="closed-upon-it-again",
        ),
        pytest.param(
            [
                [0, "fault", [], LOAD],
                [80 * MS, "cleared", NONE, LIVE],
                [400 * MS, "step", BACK, None],
                [599 * MS, "step", BACK, None],
                [600 * MS, "step", BACK, None],
            ],
            [[80 * MS, "open", ""], [600 * MS, "self_cleared", ""], IDLE],
            id="closed-upon-health-after-ten-cycles",
        ),
        pytest.param(
            [
                [0, "fault", [], LOAD],
                [80 * MS, "cleared", NONE, LIVE],
                [400 * MS, "step", BACK, None],
                [500 * MS, "step", NONE, None],
                [600 * MS, "step", BACK, None],
                [799 * MS, "step", BACK, None],
            ],
            [[80 * MS, "open", ""], [False, True, [800 * MS]]],
            id="a-load-that-goes-again-does-not-count",
        ),
        pytest.param(
            [
                [0, "fault", [], LOAD],
                [80 * MS, "cleared", NONE, DEAD],
                [100 * S, "fault", [], LOAD],
                [101 * S, "cleared", BACK, LIVE],
            ],
            [[80 * MS, "open", ""], [101 * S, "self_cleared", ""], IDLE],
            id="after-a-minute-it-is-another-fault",
        ),
        pytest.param(
            [
                [0, "fault", [], LOAD],
                [5 * S - 1, "step", LOAD, None],
                [5 * S, "step", LOAD, None],
                [6 * S, "step", LOAD, None],
                [7 * S, "cleared", BACK, LIVE],
            ],
            [[5 * S, "permanent", ""], [7 * S, "permanent", ""], IDLE],
            id="it-stands-for-five-seconds",
        ),
    ],
)
def test_outcome(board: Any, steps: Any, expected: Any) -> None:
    told = scenarios_place.outcome(steps)
    assert board([("tests.agent.detect.scenarios_place", "outcome", [steps])]) == [told]
    assert told == expected
