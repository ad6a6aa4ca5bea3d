"""Scenario tables of the elements: the specification, walked under CPython and MicroPython."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.agent.detect import scenarios

MS = 1000
START, DROP = 1, -1
DEAD, LIVE = 0, 1


def steps(*spans: tuple[int, Any]) -> list[list[Any]]:
    """[[t_us, value], ...] at every millisecond; a span is (until ms, value)."""
    table = []
    t_ms = 0
    for until_ms, value in spans:
        while t_ms < until_ms:
            table.append([t_ms * MS, value])
            t_ms += 1
    return table


def alike(board: Any, function: str, *args: Any) -> Any:
    """The answer under CPython, after MicroPython has given the same one."""
    expected = getattr(scenarios, function)(*args)
    assert board([("tests.agent.detect.scenarios", function, args)]) == [expected]
    return expected


@pytest.mark.parametrize(
    ("currents", "expected"),
    [
        pytest.param([(100, [99.0])], [], id="below-pickup-stays-quiet"),
        pytest.param(
            [(5, [0.0]), (50, [120.0])], [[5 * MS, START]], id="well-above-starts-at-once"
        ),
        pytest.param(
            [(5, [0.0]), (50, [119.0])], [[15 * MS, START]], id="just-above-starts-after-the-hold"
        ),
        pytest.param([(10, [119.0]), (40, [99.0])], [], id="shorter-than-the-hold-is-nothing"),
        pytest.param(
            [(9, [119.0, 0.0]), (18, [0.0, 119.0]), (27, [119.0, 0.0])],
            [],
            id="an-offset-that-lifts-one-phase-after-the-other-is-nothing",
        ),
        pytest.param(
            [(10, [150.0]), (60, [94.0])],
            [[0, START], [30 * MS, DROP]],
            id="drops-after-a-cycle-below-the-ratio",
        ),
        pytest.param(
            [(10, [150.0]), (60, [96.0])], [[0, START]], id="between-ratio-and-pickup-it-stays"
        ),
        pytest.param(
            [(10, [150.0]), (25, [0.0]), (30, [150.0]), (70, [0.0])],
            [[0, START], [50 * MS, DROP]],
            id="a-gap-shorter-than-a-cycle-does-not-end-it",
        ),
    ],
)
def test_overcurrent(board: Any, currents: Any, expected: Any) -> None:
    table = steps(*currents)
    assert alike(board, "overcurrent", 100.0, 10 * MS, 20 * MS, table) == expected


@pytest.mark.parametrize(
    ("shares", "residual", "expected"),
    [
        pytest.param([10.0, 1.0, 2.0], 9.0, "AG", id="one-phase-is-an-earth-fault"),
        pytest.param([1.0, 10.0, 3.9], 0.0, "BG", id="one-phase-even-where-no-residual-is-seen"),
        pytest.param([1.0, 10.0, 9.0], 0.5, "BC", id="two-phases"),
        pytest.param([1.0, 10.0, 9.0], 2.0, "BCG", id="two-phases-with-residual"),
        pytest.param([10.0, 0.0, 10.0], 0.0, "CA", id="named-in-the-order-of-the-trade"),
        pytest.param([10.0, 0.0, 4.0], 3.0, "CAG", id="just-involved"),
        pytest.param([10.0, 4.8, 6.0], 5.0, "ABC", id="three-phases-need-no-earth"),
    ],
)
def test_faulted_phase(board: Any, shares: Any, residual: float, expected: str) -> None:
    assert alike(board, "kind", shares, residual, 10.0) == expected


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        pytest.param([621.0, 1701.0, 2.3], "AB", id="the-other-one-is-saturated"),
        pytest.param([300.0, 1701.0, 250.0], "ABC", id="both-others-are"),
        pytest.param([0.0, 1701.0, 0.0], "B", id="nothing-is-seen-of-them"),
    ],
)
def test_a_phase_that_cannot_be_alone(board: Any, shares: Any, expected: str) -> None:
    assert alike(board, "returning", shares) == expected


QUIET: list[Any] = [[50.0, 50.0, 50.0], 0.5, [0.0, 0.0, 0.0]]
LOAD: list[Any] = [[118.0, 112.0, 115.0], 1.0, [0.0, 0.0, 0.0]]
SHORT: list[Any] = [[50.0, 300.0, 290.0], 1.0, [3.0, 280.0, 270.0]]
SHORT_OLD: list[Any] = [[50.0, 300.0, 290.0], 1.0, [0.0, 0.0, 0.0]]
EARTH: list[Any] = [[60.0, 55.0, 50.0], 40.0, [40.0, 6.0, 5.0]]
SATURATING: list[Any] = [[600.0, 590.0, 580.0], 70.0, [550.0, 540.0, 530.0]]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([(100, QUIET)], [], id="load-stays-quiet"),
        pytest.param(
            [(40, QUIET), (60, SHORT), (80, SHORT_OLD), (120, QUIET)],
            [
                [53 * MS, "fault", "BC", "50P", 40 * MS],
                [100 * MS, "fault_cleared", "", "", 40 * MS],
            ],
            id="told-when-the-change-is-5/8-of-a-cycle-old-and-when-it-is-over",
        ),
        pytest.param(
            [(40, QUIET), (100, EARTH)],
            [[53 * MS, "fault", "AG", "50N", 40 * MS]],
            id="the-residual-starts-alone",
        ),
        pytest.param(
            [(40, QUIET), (100, SATURATING)],
            [[53 * MS, "fault", "ABC", "50P", 40 * MS]],
            id="a-residual-that-saturated-cts-feign-does-not-make-it-an-earth-fault",
        ),
        pytest.param(
            [(100, LOAD)],
            [[10 * MS, "overload", "", "50P", None]],
            id="a-balanced-load-above-pickup-is-an-overload-told-once",
        ),
        pytest.param(
            [(40, LOAD), (100, SHORT)],
            [
                [10 * MS, "overload", "", "50P", None],
                [53 * MS, "fault", "BC", "50P", 40 * MS],
            ],
            id="a-fault-on-an-overload-is-still-seen",
        ),
        pytest.param(
            [(60, SHORT_OLD)],
            [[0, "fault", "BC", "50P", None]],
            id="a-fault-that-was-there-before-us-has-no-onset",
        ),
        pytest.param([(8, SHORT), (60, QUIET)], [], id="a-spike-is-nothing"),
    ],
)
def test_short_circuit(board: Any, spans: Any, expected: Any) -> None:
    table = [[t_us, *values] for t_us, values in steps(*spans)]
    assert alike(board, "short_circuit", 20 * MS, table) == expected


UP, SAG, GONE, ONE_GONE = [100.0] * 3, [50.0] * 3, [0.0] * 3, [100.0, 0.0, 100.0]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([(200, UP)], [], id="live-stays-quiet"),
        pytest.param([(300, GONE)], [], id="what-was-never-seen-live-is-not-lost"),
        pytest.param(
            [(100, UP), (300, GONE)],
            [[160 * MS, DEAD, "ABC", 80 * MS, 100 * MS]],
            id="lost-after-the-hold-with-the-window-as-bounds",
        ),
        pytest.param(
            [(100, UP), (130, SAG), (300, GONE)],
            [[190 * MS, DEAD, "ABC", 80 * MS, 130 * MS]],
            id="a-sag-on-the-way-down-widens-the-bounds",
        ),
        pytest.param([(100, UP), (150, GONE), (300, UP)], [], id="shorter-than-the-hold-is-a-dip"),
        pytest.param(
            [(100, UP), (250, ONE_GONE)],
            [[160 * MS, DEAD, "B", 80 * MS, 100 * MS]],
            id="one-phase-alone",
        ),
        pytest.param(
            [(100, UP), (120, ONE_GONE), (300, GONE)],
            [[160 * MS, DEAD, "ABC", 80 * MS, 120 * MS]],
            id="phases-within-the-hold-are-one-event",
        ),
        pytest.param(
            [(100, UP), (200, GONE), (450, UP)],
            [
                [160 * MS, DEAD, "ABC", 80 * MS, 100 * MS],
                [300 * MS, LIVE, "ABC", 180 * MS, 200 * MS],
            ],
            id="restored-only-when-it-has-stood",
        ),
        pytest.param([(100, UP), (400, SAG)], [], id="between-dead-and-live-nothing-is-said"),
    ],
)
def test_supply(board: Any, spans: Any, expected: Any) -> None:
    table = [[t, t - 20 * MS, volts, False] for t, volts in steps(*spans)]
    assert alike(board, "supply", 100.0, 60 * MS, 100 * MS, table) == expected


def test_a_voltage_held_down_by_a_fault_is_told_lost_only_after_it(board: Any) -> None:
    table = [[t, t - 20 * MS, v, False] for t, v in steps((100, UP))]
    table += [[t + 100 * MS, t + 80 * MS, v, t < 200 * MS] for t, v in steps((300, GONE))]
    told = alike(board, "supply", 100.0, 60 * MS, 100 * MS, table)
    assert told == [[300 * MS, DEAD, "ABC", 80 * MS, 100 * MS]]


OUT, IN, FADING = [False, False], [True, True], [True, False]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([(10, OUT), (94, IN), (120, OUT)], [], id="shorter-than-the-delay"),
        pytest.param([(10, OUT), (300, IN)], [[95 * MS, 10 * MS]], id="once-for-a-start"),
        pytest.param(
            [(90, IN), (91, OUT), (190, IN)],
            [[85 * MS, 0], [176 * MS, 91 * MS]],
            id="a-new-start-begins-anew",
        ),
        pytest.param(
            [(84, IN), (104, FADING), (110, OUT)], [], id="not-while-the-start-only-drops-out"
        ),
        pytest.param(
            [(80, IN), (90, FADING), (110, IN)], [[90 * MS, 0]], id="a-dent-does-not-begin-anew"
        ),
    ],
)
def test_definite_time(board: Any, spans: Any, expected: Any) -> None:
    assert alike(board, "definite_time", 100 * MS, 15 * MS, steps(*spans)) == expected


@pytest.mark.parametrize(
    ("rate", "hz"), [((4000, 1), 50), ((767836, 100), 60), ((12800, 1), 50), ((800, 1), 50)]
)
def test_the_board_makes_the_same_tables(board: Any, rate: tuple[int, int], hz: int) -> None:
    flat = alike(board, "table", *rate, 1000 * hz)
    assert flat[0] == round(rate[0] / rate[1] / hz)


def test_too_few_samples_in_a_cycle_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        scenarios.table(300, 1, 50_000)


def turned(hz: float, size: float = 1e9, window_hz: float = 50.0, before: float = 1.0) -> Any:
    """[now, earlier]: the phasor of a network of `hz`, in a frame that turns with the window."""
    angle = 2 * math.pi * hz / window_hz
    return [[size * math.cos(angle), size * math.sin(angle)], [before * size, 0.0]]


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([turned(50.0)] * 3, [None] * 3, id="what-is-tuned-to-stays"),
        pytest.param([turned(50.14)] * 3, [None] * 3, id="within-the-tolerance-it-stays"),
        pytest.param(
            [turned(50.32)] * 4,
            [None, 50_300, None, 50_300],
            id="two-that-agree-are-followed",
        ),
        pytest.param([turned(49.0), turned(50.0)] * 2, [None] * 4, id="two-that-do-not-are-not"),
        pytest.param([turned(52.0), turned(52.4)], [None, 52_400], id="a-drift-is-followed"),
        pytest.param([turned(45.02)] * 2, [None, 45_000], id="down-to-the-slowest"),
        pytest.param([turned(40.0)] * 3, [None] * 3, id="slower-is-no-network"),
        pytest.param(
            [turned(64.0)] * 2,
            [None, 62_000],
            id="too-wide-a-turn-is-followed-in-two-steps",
        ),
        pytest.param(
            [turned(51.0, before=0.8)] * 3, [None] * 3, id="a-supply-that-changes-its-size-is-not"
        ),
        pytest.param([[[0.0, 0.0], [0.0, 0.0]]] * 2, [None] * 2, id="nothing-has-no-frequency"),
    ],
)
def test_frequency(board: Any, looks: Any, expected: Any) -> None:
    assert alike(board, "frequency", 50_000, 50_000, looks) == expected
