"""Scenario tables of the small parts of earth-fault detection, under CPython and MicroPython."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from agent.detect.earth_inquiry import Inquiry
from agent.detect.earth_verdict import Limits, word
from tests.agent.detect import earth_scenarios


def alike(board: Any, function: str, *args: Any) -> Any:
    """The answer under CPython, after MicroPython has given the same one."""
    expected = getattr(earth_scenarios, function)(*args)
    assert board([("tests.agent.detect.earth_scenarios", function, args)]) == [expected]
    return expected


def sine(window: float, length: int, amplitude: float, angle: float = 0.0) -> list[int]:
    return [round(amplitude * math.sin(2 * math.pi * k / window + angle)) for k in range(length)]


# --- what was added -------------------------------------------------------------------------------


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


# --- strikes --------------------------------------------------------------------------------------

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


# --- the fault's own current ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "noise", "expected"),
    [
        pytest.param([[10.0, 0], [0, 0], [0, 0]], 0.1, "A", id="one-phase-carries-it"),
        pytest.param([[-1, 0], [9.0, 0], [-1, 0]], 0.1, "B", id="and-the-others-charge"),
        pytest.param([[2.0, 1], [2.0, 1], [2.0, 1]], 0.1, "", id="three-alike-only-charge"),
        pytest.param([[2.0, 0], [2.0, 0], [2.4, 0]], 0.05, "", id="nearly-alike-too"),
        pytest.param([[20.0, 0], [-10, 0], [-10, 0]], 0.1, "", id="a-load-sums-up-to-nothing"),
        pytest.param([[20.0, 0], [-20, 0], [0, 0]], 0.1, "", id="a-load-between-two-phases-too"),
        pytest.param(
            [[0.0, 0.18], [0, 0.11], [0.41, 0.01]], 0.02, "", id="a-load-that-sags-beside-charging"
        ),
        pytest.param([[10.0, 0], [0, 0], [5.0, 0]], 0.1, "", id="two-phases-are-no-earth-fault"),
        pytest.param([[1.0, 0], [0, 0], [0, 0]], 0.3, "", id="the-noise-could-be-it"),
        pytest.param([[0.0, 0], [0, 0], [0, 0]], 0.0, "", id="nothing"),
    ],
)
def test_a_faults_own_current_is_in_one_phase(
    board: Any, changes: list[list[float]], noise: float, expected: str
) -> None:
    assert alike(board, "through", changes, noise) == expected


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


# --- the verdict ----------------------------------------------------------------------------------


def found(**values: Any) -> Inquiry:
    """A clear fault ahead, but for these."""
    inquiry = Inquiry()
    told = {
        "neutral_volts": 2000.0,
        "neutral_noise": 5.0,
        "residual_amps": 5.0,
        "lasting_amps": 5.0,
        "residual_noise": 0.01,
        "phase_amps": 5.0,
        "u0_after": 2000.0,
        "direction": "forward",
        "confidence": 0.95,
    }
    for name, value in (told | values).items():
        setattr(inquiry, name, value)
    return inquiry


SMALL = {"neutral_volts": 100.0, "u0_after": 100.0}
GONE = {"residual_amps": 3.0, "lasting_amps": 0.01}


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        pytest.param({}, "forward", "forward", id="a-clear-fault-at-once"),
        pytest.param({"confidence": 0.75}, "", "forward", id="a-fair-one-at-the-second-look"),
        pytest.param({"confidence": 0.6}, "", "unknown", id="a-weak-one-without-direction"),
        pytest.param({"direction": "reverse"}, "reverse", "reverse", id="elsewhere"),
        pytest.param(SMALL, "", "forward", id="little-u0-is-looked-at-twice"),
        pytest.param(SMALL | GONE, "", "", id="poles-apart-are-over-by-then"),
        pytest.param(
            SMALL | {"phase_amps": 40.0}, "", "", id="little-u0-while-load-changed-is-its-leak"
        ),
        pytest.param(GONE, "forward", "forward", id="an-arc-that-went-out-after-a-third-of-u0"),
        pytest.param(GONE | {"neutral_volts": 300.0}, "", "unknown", id="switching-beside-a-coil"),
        pytest.param(
            {"line_volts": 3000.0, "residual_amps": 0.01}, "", "", id="a-blown-fuse-of-the-vt"
        ),
        pytest.param(
            {"u0_before": 4000.0, "u0_after": 2000.0}, "", "", id="a-fault-that-goes-is-none"
        ),
        pytest.param(
            {"neutral_volts": 5.0, "residual_amps": 40.0, "lasting_amps": 40.0, "summed": True},
            "",
            "",
            id="40-ampere-that-displace-nothing-are-an-open-ct",
        ),
        pytest.param(
            {"neutral_volts": 30.0, "residual_amps": 0.02, "lasting_amps": 0.02},
            "",
            "",
            id="below-both-starts",
        ),
        pytest.param(
            {"neutral_volts": 200.0, "neutral_noise": 60.0, "residual_amps": 0.02},
            "",
            "",
            id="within-the-noise",
        ),
        pytest.param(
            SMALL | {"summed": True, "phase_amps": 20.0}, "", "", id="what-three-cts-may-feign"
        ),
        pytest.param(
            {"direction": "reverse", "neutral_volts": 60.0, "residual_amps": 0.25},
            "",
            "",
            id="a-little-of-elsewhere-is-not-worth-a-word",
        ),
    ],
)
def test_the_verdict(values: dict[str, Any], first: str, last: str) -> None:
    limits = Limits(5773.5, 57.7, 0.2, "resonant")
    inquiry = found(**values)
    assert [word(inquiry, limits, False), word(inquiry, limits, True)] == [first, last]


def test_a_solid_earth_is_not_asked_for_its_resistance() -> None:
    values = {"neutral_volts": 5.0, "residual_amps": 40.0, "lasting_amps": 40.0}
    limits = Limits(5773.5, 57.7, 0.2, "solid")
    assert word(found(**values), limits, True) == "forward"
