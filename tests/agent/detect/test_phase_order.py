"""Which way a set goes round, and which two have changed places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.agent.detect.open_phase import Source, State, between, load, opened
from tests.agent.detect.test_open_ct import walked

RIGHT, WRONG, UNTOLD = 0, 1, 2
LIT = Source().feed(load(100.0), between("ab", 12.0))
TORN = Source().feed(opened(load(100.0), 1))
FAR = Source().feed(load(100.0, 75.0))


def swapped(state: State, pair: str) -> State:
    order = [0, 1, 2]
    one, other = ("abc".index(p) for p in pair)
    order[one], order[other] = other, one
    return State(state.amps[order], state.volts)


@pytest.mark.parametrize("pair", ["ab", "bc", "ca"])
@pytest.mark.parametrize("state", [LIT, FAR], ids=["load", "a-motor-that-starts"])
def test_the_pair_is_named(pair: str, state: State, board: Any) -> None:
    amps, _, volts = swapped(state, pair).listed()

    assert walked(board, "order", volts, amps, 5.0) == [RIGHT, WRONG, pair]


@pytest.mark.parametrize(
    ("amps", "expected"),
    [
        pytest.param(LIT.amps, RIGHT, id="a-tenth-of-unbalance"),
        pytest.param(TORN.amps, UNTOLD, id="a-torn-conductor-goes-neither-way"),
        pytest.param(LIT.amps * 0.01, UNTOLD, id="too-little"),
        pytest.param(LIT.amps + 60.0, UNTOLD, id="an-earth-fault"),
        pytest.param(np.conj(LIT.amps), WRONG, id="the-other-way-round"),
    ],
)
def test_only_what_goes_one_way_is_told(amps: Any, expected: int, board: Any) -> None:
    listed, _, volts = State(np.asarray(amps), LIT.volts).listed()

    assert walked(board, "order", volts, listed, 5.0)[1] == expected
