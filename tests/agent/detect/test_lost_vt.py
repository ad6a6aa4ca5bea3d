"""Voltages that are lost in the measuring, and those that are lost in the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.agent.detect.open_phase import VOLTS, Source, State, beyond, load, opened
from tests.agent.detect.test_open_ct import walked

LEAST = 9.0
THERE = load(100.0)
LIT = Source().feed(THERE)
BROKEN = Source().feed(opened(THERE, 0))


def blown(*factors: complex) -> State:
    return State(LIT.amps, LIT.volts * np.array(factors))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(LIT, "", id="sound"),
        pytest.param(blown(0.06, 1, 1), "a", id="one-fuse"),
        pytest.param(blown(1, -0.3, 1), "b", id="its-rest-may-be-turned"),
        pytest.param(blown(1, 0.05, 0.05), "bc", id="two-fuses"),
        pytest.param(blown(0, 0, 0), "abc", id="all-three"),
        pytest.param(State(LIT.amps * 0.05, LIT.volts * [0, 1, 1]), "", id="no-load-to-tell-by"),
        pytest.param(
            State(BROKEN.amps, beyond(THERE, 0, BROKEN.volts)), "", id="torn-towards-the-source"
        ),
        pytest.param(Source(sags=(0.1, 1.0, 1.0)).feed(THERE), "", id="a-phase-of-the-source"),
        pytest.param(
            State(LIT.amps, LIT.volts - LIT.volts[0]),
            "",
            id="a-bolted-earth-fault-lifts-the-others",
        ),
        pytest.param(State(LIT.amps, LIT.volts * 0.7), "", id="a-sag"),
    ],
)
def test_the_phases_are_named(state: State, expected: str, board: Any) -> None:
    amps, _, volts = state.listed()

    assert walked(board, "lost", volts, amps, VOLTS, LEAST) == expected


def rms(state: State, volts: tuple[float, ...] = (1, 1, 1), amps: float = 1.0) -> list[Any]:
    """[to earth, between phases, currents], the voltages with a factor each."""
    u = state.volts * np.array(volts)
    between = [abs(u[p] - u[(p + 1) % 3]) for p in range(3)]
    return [[float(abs(x)) for x in u], [float(x) for x in between], _sizes(state, amps)]


def _sizes(state: State, factor: float) -> list[float]:
    return [float(abs(i) * factor) for i in state.amps]


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        pytest.param(rms(LIT, (0.06, 1, 1)), rms(LIT), "a", id="a-fuse"),
        pytest.param(rms(LIT, (0, 0, 0)), rms(LIT), "abc", id="the-miniature-breaker"),
        pytest.param(rms(LIT, (0.06, 1, 1), 1.05), rms(LIT), "a", id="load-may-drift"),
        pytest.param(rms(LIT, (0.06, 1, 1), 1.1), rms(LIT), "", id="currents-that-change"),
        pytest.param(rms(LIT, (0.06, 1.06, 1)), rms(LIT), "", id="another-voltage-that-changes"),
        pytest.param(rms(LIT, (0.5, 1, 1)), rms(LIT), "", id="not-at-its-rest-yet"),
        pytest.param(rms(LIT, (0.06, 1, 1)), rms(LIT, (0.7, 1, 1)), "", id="was-low-before"),
        pytest.param(
            rms(Source(sags=(0.0, 1.0, 1.0)).feed(THERE)), rms(LIT), "", id="a-phase-of-the-source"
        ),
        pytest.param(rms(LIT, (0, 1, 1), 0.05), rms(LIT, amps=0.05), "", id="no-load-to-tell-by"),
    ],
)
def test_within_a_cycle_nothing_else_may_move(
    now: Any, before: Any, expected: str, board: Any
) -> None:
    assert walked(board, "unshaken", now, before, VOLTS, 300.0) == expected
