"""Scenario tables of the voltage elements, walked under CPython and MicroPython."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.agent.detect import voltage_scenarios
from tests.agent.detect.test_elements import MS, steps

START, DROP = 1, -1


@pytest.fixture
def alike(board: Any) -> Any:
    """The answer under CPython, after MicroPython has given the same one."""

    def answer(function: str, *args: Any) -> Any:
        expected = getattr(voltage_scenarios, function)(*args)
        assert board([(voltage_scenarios.__name__, function, args)]) == [expected]
        return expected

    return answer


UP, SAG, GONE = [100.0] * 3, [50.0] * 3, [1.0] * 3
ONE_LOW, OTHER_LOW = [84.0, 100.0, 89.0], [100.0, 70.0, 100.0]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([(100, UP)], [], id="healthy-stays-quiet"),
        pytest.param([(50, SAG), (100, SAG)], [], id="what-was-never-up-cannot-sag"),
        pytest.param([(50, UP), (65, SAG), (100, UP)], [], id="shorter-than-the-delay"),
        pytest.param(
            [(50, UP), (100, ONE_LOW), (150, UP)],
            [
                [70 * MS, "dip", "AB CA", 84.0, [30 * MS, 50 * MS]],
                [100 * MS, "dip over", "AB CA", 84.0, [80 * MS, 100 * MS]],
            ],
            id="told-after-the-delay-and-when-it-is-over",
        ),
        pytest.param(
            [(50, UP), (80, ONE_LOW), (140, OTHER_LOW), (200, UP)],
            [
                [70 * MS, "dip", "AB CA", 84.0, [30 * MS, 50 * MS]],
                [140 * MS, "dip over", "AB BC CA", 70.0, [120 * MS, 140 * MS]],
            ],
            id="from-the-first-one-in-to-the-last-one-out",
        ),
        pytest.param(
            [(50, UP), (80, SAG), (90, [91.0] * 3), (130, SAG), (200, UP)],
            [
                [70 * MS, "dip", "AB BC CA", 50.0, [30 * MS, 50 * MS]],
                [130 * MS, "dip over", "AB BC CA", 50.0, [110 * MS, 130 * MS]],
            ],
            id="within-the-hysteresis-it-is-still-the-same-dip",
        ),
        pytest.param(
            [(50, UP), (80, SAG), (90, [92.0] * 3), (130, SAG)],
            [
                [70 * MS, "dip", "AB BC CA", 50.0, [30 * MS, 50 * MS]],
                [80 * MS, "dip over", "AB BC CA", 50.0, [60 * MS, 80 * MS]],
                [110 * MS, "dip", "AB BC CA", 50.0, [70 * MS, 90 * MS]],
            ],
            id="two-dips",
        ),
        pytest.param(
            [(50, UP), (100, GONE), (150, UP)],
            [
                [70 * MS, "lost", "AB BC CA", 1.0, [30 * MS, 50 * MS]],
                [100 * MS, "found", "AB BC CA", 1.0, [80 * MS, 100 * MS]],
            ],
            id="all-of-them-lost-is-an-interruption-and-no-dip-besides",
        ),
        pytest.param(
            [(50, UP), (100, [1.0, 1.0, 6.0]), (150, UP)],
            [
                [70 * MS, "dip", "AB BC CA", 1.0, [30 * MS, 50 * MS]],
                [100 * MS, "dip over", "AB BC CA", 1.0, [80 * MS, 100 * MS]],
            ],
            id="one-that-is-left-makes-it-a-dip",
        ),
        pytest.param(
            [(50, UP), (80, SAG), (120, GONE), (160, SAG), (200, UP)],
            [
                [70 * MS, "dip", "AB BC CA", 50.0, [30 * MS, 50 * MS]],
                [100 * MS, "lost", "AB BC CA", 1.0, [60 * MS, 80 * MS]],
                [120 * MS, "found", "AB BC CA", 1.0, [100 * MS, 120 * MS]],
                [160 * MS, "dip over", "AB BC CA", 1.0, [140 * MS, 160 * MS]],
            ],
            id="a-dip-that-becomes-an-interruption-on-its-way",
        ),
        pytest.param(
            [(50, UP), (90, GONE), (120, [6.9] * 3), (140, UP)],
            [
                [70 * MS, "lost", "AB BC CA", 1.0, [30 * MS, 50 * MS]],
                [120 * MS, "found", "AB BC CA", 1.0, [100 * MS, 120 * MS]],
            ],
            id="an-interruption-has-its-hysteresis-too",
        ),
        pytest.param(
            [(50, UP), (100, [math.nan, 60.0, math.nan]), (120, [math.nan] * 3), (130, UP)],
            [
                [70 * MS, "dip", "BC", 60.0, [30 * MS, 50 * MS]],
                [120 * MS, "dip over", "BC", 60.0, [100 * MS, 120 * MS]],
            ],
            id="what-is-not-measured-neither-sags-nor-ends-it",
        ),
    ],
)
def test_undervoltage(alike: Any, spans: Any, expected: Any) -> None:
    table = [[t, t - 20 * MS, volts] for t, volts in steps(*spans)]
    assert alike("undervoltage", 0.9, 20 * MS, table) == expected


LEVEL, SWELL, EARTHED = [100.0] * 3, [116.0, 100.0, 120.0], [math.nan, 116.0, math.nan]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([(100, [109.9] * 3)], [], id="below-pickup-stays-quiet"),
        pytest.param(
            [(50, LEVEL), (150, SWELL), (200, LEVEL)],
            [
                [100 * MS, START, "AB CA", 120.0, [30 * MS, 50 * MS]],
                [150 * MS, DROP, "AB CA", 120.0, [30 * MS, 50 * MS]],
            ],
            id="told-after-the-delay-and-when-it-is-over",
        ),
        pytest.param([(50, LEVEL), (99, SWELL), (200, LEVEL)], [], id="shorter-than-the-delay"),
        pytest.param(
            [(60, SWELL), (90, [108.5] * 3), (100, SWELL), (120, LEVEL)],
            [
                [50 * MS, START, "AB CA", 120.0, [-20 * MS, 0]],
                [100 * MS, DROP, "AB CA", 120.0, [-20 * MS, 0]],
            ],
            id="within-the-hysteresis-it-is-still-the-same-swell",
        ),
        pytest.param(
            [(60, EARTHED), (80, [math.nan] * 3)],
            [
                [50 * MS, START, "BC", 116.0, [-20 * MS, 0]],
                [60 * MS, DROP, "BC", 116.0, [-20 * MS, 0]],
            ],
            id="what-is-not-measured-is-never-high",
        ),
    ],
)
def test_overvoltage(alike: Any, spans: Any, expected: Any) -> None:
    table = [[t, t - 20 * MS, volts] for t, volts in steps(*spans)]
    assert alike("overvoltage", 1.1, 50 * MS, table) == expected


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([[1600, 0.9]], [], id="below-stays-quiet"),
        pytest.param(
            [[160, 0.0], [480, 2.0], [960, 0.0]],
            [
                [480 * MS, START, 2.0, [160 * MS, 240 * MS], [0, 0]],
                [800 * MS, DROP, 2.0, [160 * MS, 240 * MS], [480 * MS, 560 * MS]],
            ],
            id="told-after-the-hold-and-over-after-the-hold",
        ),
        pytest.param([[160, 0.0], [400, 2.0], [960, 0.0]], [], id="shorter-than-the-hold"),
        pytest.param(
            [[80, 0.0], [160, 1.2], [240, 0.95], [640, 1.1]],
            [[400 * MS, START, 1.2, [80 * MS, 160 * MS], [0, 0]]],
            id="above-its-return-it-goes-on",
        ),
        pytest.param(
            [[80, 0.0], [160, 1.2], [240, 0.85], [400, 1.1]],
            [],
            id="below-its-return-it-begins-anew",
        ),
        pytest.param([[1600, math.nan]], [], id="what-nobody-measured-is-within"),
    ],
)
def test_beyond(alike: Any, spans: Any, expected: Any) -> None:
    assert alike("beyond", 1.0, 0.9, 240 * MS, spans) == expected


def at(size: float, degrees: float) -> list[float]:
    return [size * math.cos(math.radians(degrees)), size * math.sin(math.radians(degrees))]


@pytest.mark.parametrize(
    ("phasors", "expected"),
    [
        pytest.param([at(100, 0), at(100, -120), at(100, 120)], 0.0, id="equal"),
        pytest.param([at(100, 0), at(100, 120), at(100, -120)], 0.0, id="wired-the-other-way"),
        # One phase less by x: I2 = x / 3, I1 = 1 - x / 3 (Fortescue).
        pytest.param([at(70, 0), at(100, -120), at(100, 120)], 0.1 / 0.9, id="one-is-less"),
        pytest.param([at(0, 0), at(100, -90), at(100, 90)], 1.0, id="one-is-gone"),
        pytest.param([at(10, 0), at(10, -120), at(7, 120)], None, id="too-small-to-tell"),
    ],
)
def test_unbalance(alike: Any, phasors: Any, expected: float | None) -> None:
    assert alike("unbalance", phasors, 20.0) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("degrees", [0.0, 0.5, -3.0, 12.0, 29.0, -29.0])
def test_turn_is_the_angle_between_two_phasors(alike: Any, degrees: float) -> None:
    told = alike("turn", at(100, 40), at(90, 40 + degrees))
    assert told == pytest.approx(degrees / 360, abs=1e-5)


@pytest.mark.parametrize("degrees", [31.0, 90.0, 180.0, -140.0])
def test_too_wide_a_turn_is_not_told(alike: Any, degrees: float) -> None:
    assert alike("turn", at(100, 0), at(100, degrees)) is None


ROOT3 = math.sqrt(3.0)


@pytest.mark.parametrize(
    ("volts", "line", "expected"),
    [
        pytest.param([100.0] * 3, [100 * ROOT3] * 3, [100.0] * 3, id="healthy"),
        pytest.param(
            [0.0, 173.0, 173.0],
            [100 * ROOT3] * 3,
            [100.0, 173.0, 173.0],
            id="a-phase-at-earth-is-supplied",
        ),
        pytest.param(
            [0.0, 100.0, 100.0], [100.0, 173.2, 100.0], [0.0, 100.0, 100.0], id="a-lost-one-is-not"
        ),
        pytest.param([0.0, 173.0, 173.0], [None] * 3, [100.0, 173.0, 173.0], id="by-sizes-alone"),
        pytest.param([0.0, 100.0, 100.0], [None] * 3, [0.0, 100.0, 100.0], id="lost-by-sizes"),
    ],
)
def test_what_the_phases_are_supplied_with(
    alike: Any, volts: Any, line: Any, expected: Any
) -> None:
    told, lifted = alike("effective", volts, line)
    assert told == pytest.approx(expected)
    assert lifted == (max(volts) > 115.0)


WINDOW = 80


def rows(t: Any, *phases: Any) -> dict[str, list[int]]:
    """Counts of three phases of these RMS sizes, each with its DC. [(size, dc), ...]"""
    table = {}
    for role, (size, dc), shift in zip(("ua", "ub", "uc"), phases, (0, -1, 1), strict=True):
        angle = 2 * np.pi * (t / WINDOW + shift / 3)
        table[role] = np.rint(np.sqrt(2) * size * np.cos(angle) + dc).astype(int).tolist()
    return table


def test_urms_leaves_out_dc_and_is_that_of_the_law_of_cosines(alike: Any) -> None:
    t = np.arange(WINDOW)
    table = rows(t, (5774.0, 4000.0), (5774.0, -3000.0), (2000.0, 0.0))
    ab, bc, ca = alike("urms", table, WINDOW, False)
    assert ab == pytest.approx(5774 * ROOT3, rel=1e-4)
    expected = math.sqrt(5774**2 + 2000**2 + 5774 * 2000)
    assert (bc, ca) == pytest.approx((expected, expected), rel=1e-4)
    assert alike("urms", table, WINDOW, True) == pytest.approx([5774, 5774, 2000], rel=1e-4)


def test_urms_of_what_is_missing_is_unknown(alike: Any) -> None:
    table = rows(np.arange(WINDOW), (5774, 0), (5774, 0), (5774, 0))
    del table["uc"]
    told = alike("urms", table, WINDOW, False)
    assert told[0] is not None
    assert told[1:] == [None, None]
    assert alike("urms", {role: row[1:] for role, row in table.items()}, WINDOW, True) == [None] * 3


@pytest.mark.parametrize("place", range(0, WINDOW, 9))
@pytest.mark.parametrize("left", [0.0, 0.5, 0.85])
def test_an_edge_is_dated_to_a_tenth_of_a_cycle_at_any_angle(place: int, left: float) -> None:
    t = np.arange(4 * WINDOW)
    noise = np.random.default_rng(place).normal(0, 57, (3, t.size))  # 40 dB
    sizes = np.where(t < 3 * WINDOW + place, 5774, left * 5774)
    table = rows(t, (sizes, 0), (sizes, 0), (sizes, 0))
    for role, row in zip(table, noise, strict=True):
        table[role] = np.rint(np.array(table[role]) + row).astype(int).tolist()
    told = [voltage_scenarios.edge(table, WINDOW, name, 1.5) for name in ("AB", "BC", "CA")]
    oldest = max(age for age in told if age is not None)
    assert oldest == pytest.approx((WINDOW - place) / WINDOW, abs=0.1)


@pytest.mark.parametrize(("left", "expected"), [(1.0, None), (0.5, 0.875)])
def test_a_steady_wave_has_no_edge(alike: Any, left: float, expected: float | None) -> None:
    t = np.arange(4 * WINDOW)
    sizes = np.where(t < 3 * WINDOW + 10, 5774, left * 5774)
    told = alike("edge", rows(t, (sizes, 0), (sizes, 0), (sizes, 0)), WINDOW, "AB", 1.5)
    assert told == (None if expected is None else pytest.approx(expected, abs=0.1))
