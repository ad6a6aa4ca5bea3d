"""What an earth fault added, under CPython and MicroPython."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.agent.detect import earth_scenarios


def alike(board: Any, function: str, *args: Any) -> Any:
    """The answer under CPython, after MicroPython has given the same one."""
    expected = getattr(earth_scenarios, function)(*args)
    assert board([("tests.agent.detect.earth_scenarios", function, args)]) == [expected]
    return expected


def sine(window: float, length: int, amplitude: float, angle: float = 0.0) -> list[int]:
    return [round(amplitude * math.sin(2 * math.pi * k / window + angle)) for k in range(length)]


@pytest.mark.parametrize("cycle", [80.0, 79.3, 80.6, 256.4])
def test_a_steady_wave_adds_nothing_whatever_its_frequency(board: Any, cycle: float) -> None:
    window = round(cycle)
    samples = sine(cycle, 8 * window, 10_000.0)
    values, unit, *_ = alike(
        board, "add", samples, window, round(1024 * cycle), window // 2, window
    )
    # A straight line between two samples misses the wave by 1 - cos(half a step) at most.
    most = 10_000 * (1 - math.cos(math.pi / window)) + 2
    assert max(abs(x) * unit for x in values) <= most


def test_what_comes_new_is_added_as_it_is(board: Any) -> None:
    samples = sine(80, 640, 1000.0)
    for k in range(540, 640):
        samples[k] += 300
    values, unit, step, onset = alike(board, "add", samples, 80, 80 * 1024, 40, 100)
    assert (step, onset) == (1, 40)
    assert [round(x * unit) for x in values] == [0] * 40 + [300] * 100


def test_at_high_rates_neighbours_are_summed_to_the_same_wave(board: Any) -> None:
    samples = [0] * 5000 + [300] * 1500
    values, unit, step, onset = alike(board, "add", samples, 1024, 1024 * 1024, 512, 1500)
    assert step == 8
    assert [round(x * unit) for x in values[onset + 1 :]] == [300] * (len(values) - onset - 1)


def test_of_a_young_record_nothing_is_known(board: Any) -> None:
    assert alike(board, "add", [0] * 200, 80, 80 * 1024, 40, 120) is None
