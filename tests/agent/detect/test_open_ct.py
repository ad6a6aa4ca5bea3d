"""Current transformers: open, turned round, and lost phases that are really lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.agent.detect import scenarios_sensors
from tests.agent.detect.open_phase import Source, State, load, opened

LEAST = 9.0
WINDOW = 64
LIT = Source().feed(load(100.0))
OPEN = State(LIT.amps * [1, 0.002, 1], LIT.volts)
TORN = Source().feed(opened(load(100.0), 1))
FLIPPED = State(LIT.amps * [1, 1, -1], LIT.volts)
EARTHED = Source().feed(load(100.0), earth=(2, 95.0 - 10j))


def walked(board: Any, function: str, *args: Any) -> Any:
    expected = getattr(scenarios_sensors, function)(*args)
    assert board([("tests.agent.detect.scenarios_sensors", function, args)]) == [expected]
    return expected


@pytest.mark.parametrize(
    ("state", "residual", "expected"),
    [
        pytest.param(LIT, 0j, [None, None], id="sound"),
        pytest.param(OPEN, 0j, [1, None], id="open-and-no-3I0-in-its-own-sensor"),
        pytest.param(OPEN, None, [1, None], id="open-and-no-such-sensor"),
        pytest.param(OPEN, sum(OPEN.amps), [None, None], id="3I0-says-that-it-is-real"),
        pytest.param(TORN, 0j, [None, None], id="torn-leaves-two-opposite-ones"),
        pytest.param(FLIPPED, 0j, [None, 2], id="turned-round"),
        pytest.param(FLIPPED, None, [None, 2], id="turned-round-seen-by-the-sum-alone"),
        pytest.param(EARTHED, EARTHED.residual, [None, None], id="an-earth-fault"),
        pytest.param(
            State(LIT.amps * [0.05, 0.0, 0.05], LIT.volts), 0j, [None, None], id="too-little-load"
        ),
    ],
)
def test_the_phase_is_named(
    state: State, residual: Any, expected: list[int | None], board: Any
) -> None:
    amps = state.listed()[0]
    earth = [] if residual is None else [complex(residual).real, complex(residual).imag]

    assert walked(board, "open_phase", amps, earth, LEAST) == expected


def rows(rms: tuple[float, float, float], noise: float = 0.0, fifth: float = 0.0) -> Any:
    """Three cycles of three currents, 120 degrees apart. [counts]"""
    t = np.arange(3 * WINDOW) / WINDOW
    dice = np.random.default_rng(5)
    made = [
        2**0.5 * amps * (np.cos(2 * np.pi * (t - k / 3)) + fifth * np.cos(10 * np.pi * (t - k / 3)))
        for k, amps in enumerate(rms)
    ]
    return np.rint(np.array(made) + dice.normal(0, noise, (3, t.size)))


@pytest.mark.parametrize("phase", [0, 1, 2])
@pytest.mark.parametrize("fifth", [0.0, 0.2])
def test_one_that_goes_flat_alone_is_seen_after_a_quarter_cycle(
    phase: int, fifth: float, board: Any
) -> None:
    made = rows((2000, 2100, 1950), noise=20.0, fifth=fifth)
    later = made.copy()
    later[phase, -WINDOW // 8 :] = 0
    made[phase, -WINDOW // 4 - 1 :] = 0

    assert walked(board, "vanished", later.astype(int).tolist(), WINDOW, 500.0) is None
    assert walked(board, "vanished", made.astype(int).tolist(), WINDOW, 500.0) == phase


def test_a_torn_conductor_moves_the_others_too(board: Any) -> None:
    made = rows((2000, 2000, 2000))
    quarter = slice(-WINDOW // 4 - 1, None)
    made[1, quarter] += made[0, quarter] / 2
    made[2, quarter] += made[0, quarter] / 2
    made[0, quarter] = 0

    assert walked(board, "vanished", made.astype(int).tolist(), WINDOW, 500.0) is None


def test_gaps_of_a_converter_come_every_cycle(board: Any) -> None:
    made = rows((2000, 2000, 2000))
    made[0].reshape(3, WINDOW)[:, -WINDOW // 4 :] = 0

    assert walked(board, "vanished", made.astype(int).tolist(), WINDOW, 500.0) is None
