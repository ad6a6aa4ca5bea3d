"""Strikes of an arc in U0, under CPython and MicroPython."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.agent.detect import earth_scenarios


def alike(board: Any, function: str, *args: Any) -> Any:
    """The answer under CPython, after MicroPython has given the same one."""
    expected = getattr(earth_scenarios, function)(*args)
    assert board([("tests.agent.detect.earth_scenarios", function, args)]) == [expected]
    return expected


def sine(window: float, length: int, amplitude: float, angle: float = 0.0) -> list[int]:
    return [round(amplitude * math.sin(2 * math.pi * k / window + angle)) for k in range(length)]


PEAK = 8165.0


def arcing(window: int, strikes: list[int]) -> list[int]:
    """U0 that jumps to its peak at each strike and swings on from there."""
    u0 = [0] * (10 * window)
    for begin, end in zip(strikes, [*strikes[1:], len(u0)], strict=True):
        for k in range(begin, end):
            u0[k] = round(PEAK * math.cos(2 * math.pi * (k - begin) / window))
    return u0


@pytest.mark.parametrize(
    ("u0", "window", "expected"),
    [
        pytest.param(sine(80, 800, 1.4 * PEAK), 80, [], id="a-wave-however-large-strikes-nothing"),
        pytest.param(sine(16, 160, 1.4 * PEAK), 16, [], id="nor-at-800-hertz"),
        pytest.param(
            [a + b for a, b in zip(sine(80, 800, PEAK), sine(16, 800, 0.05 * PEAK), strict=True)],
            80,
            [],
            id="nor-with-5-per-cent-of-5th-harmonic",
        ),
        pytest.param(arcing(80, [100]), 80, [100], id="a-lasting-fault-strikes-once"),
        pytest.param(
            arcing(80, [100, 220, 340]), 80, [100, 220, 340], id="in-every-third-half-cycle"
        ),
        pytest.param(arcing(256, [300, 684, 1068]), 256, [300, 684, 1068], id="at-12800-hertz-too"),
        pytest.param(arcing(80, [100, 104]), 80, [100], id="what-follows-at-once-is-its-ringing"),
    ],
)
def test_strikes_are_jumps_of_u0(
    board: Any, u0: list[int], window: int, expected: list[int]
) -> None:
    assert alike(board, "strikes", u0, window, PEAK) == expected


def test_noise_of_40_db_strikes_nothing() -> None:
    noisy = np.random.default_rng(3).normal(size=100_000) * PEAK / 2**0.5 * 0.01
    assert earth_scenarios.strikes([round(x) for x in noisy], 80, PEAK) == []
