"""High-impedance faults: the two-diode model (Emanuel 1990), and what only looks like one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agent.detect.look import CYCLES
from tests.agent.detect import scenarios_arcing

WINDOW, AMPS, VOLTS = 40, 0.001, 1.0
PHASE_PEAK = 8165.0  # of 10 kV
TURN = 2 * math.pi / 3
Row = Any
Scene = Callable[[int], Row]


def angles(number: int) -> Any:
    """Of the samples of look `number`, against the voltage of phase A."""
    return 2 * math.pi * (np.arange(CYCLES * WINDOW) + 0.0 * number) / WINDOW


def sine(rms: float, degrees: float = 0.0, order: int = 1) -> Scene:
    return lambda n: rms * math.sqrt(2) * np.cos(order * angles(n) + math.radians(degrees))


def arc(positive: float, negative: float, ohm: float, wild: float, seed: int = 1) -> Scene:
    """Current through two diodes against their voltages, another resistance every half cycle."""

    def look(number: int) -> Row:
        chance = np.random.default_rng([seed, number])
        volts = PHASE_PEAK * np.cos(angles(number))
        halves = 1 + wild * chance.uniform(-1, 1, 2 * CYCLES)
        ohms = ohm * np.repeat(halves, WINDOW // 2)
        up, down = np.maximum(volts - positive, 0), np.minimum(volts + negative, 0)
        return (up + down) / ohms

    return look


def added(*scenes: Scene) -> Scene:
    return lambda n: sum(scene(n) for scene in scenes)


def noise(rms: float) -> Scene:
    return lambda n: np.random.default_rng([7, n]).normal(0, rms, CYCLES * WINDOW)


def looks(
    residual: list[Scene], load: list[Scene] | None = None, held: set[int] | None = None
) -> list[Any]:
    """One scene of 3I0 a look; load: of each phase current, all alike but for their turn."""
    made = []
    for number, scene in enumerate(residual):
        rows = {"i0": [AMPS, _counts(scene(number), AMPS)]}
        for role, turn in (("ua", 0.0), ("ub", -TURN), ("uc", TURN)):
            wave = PHASE_PEAK * np.cos(angles(number) + turn)
            rows[role] = [VOLTS, _counts(wave, VOLTS)]
        if load is not None:
            for role in ("ia", "ib", "ic"):
                rows[role] = [AMPS, _counts(load[number](number), AMPS)]
        made.append([number in (held or set()), rows])
    return made


def _counts(wave: Row, scale: float) -> list[int]:
    return [int(x) for x in np.rint(wave / scale)]


QUIET = added(sine(0.05, 70.0), noise(0.005))
SAND = added(QUIET, arc(1500.0, 900.0, 900.0, 0.3))
WET = added(QUIET, sine(2.0))  # a tree: a resistance
INRUSH = added(QUIET, sine(1.0, 0.0), sine(0.5, 0.0, order=2))
CHARGING = added(QUIET, sine(3.0, 90.0), sine(0.12, 0.0, order=3))


@pytest.mark.parametrize(
    ("scenes", "expected"),
    [
        pytest.param([QUIET] * 4 + [SAND] * 8, [[8, 1, 5]], id="an-arc-is-told-after-0.4-s"),
        pytest.param([QUIET] * 4 + [SAND] * 4 + [QUIET] * 8, [], id="a-short-arc-is-not"),
        pytest.param([QUIET] * 20, [], id="a-quiet-feeder-stays-quiet"),
        pytest.param([QUIET] * 4 + [WET] * 12, [], id="a-resistance-is-no-arc"),
        pytest.param([QUIET] * 4 + [CHARGING] * 12, [], id="a-charging-current-is-no-arc"),
        pytest.param([QUIET] * 4 + [INRUSH] * 12, [], id="one-witness-is-not-enough"),
        pytest.param(
            [QUIET] * 4 + ([SAND] * 3 + [QUIET]) * 5, [[10, 1, 5]], id="an-arc-that-pauses-is-told"
        ),
        pytest.param(
            [QUIET] * 4 + [SAND] * 6 + [QUIET] * 26 + [SAND] * 8,
            [[8, 1, 5], [34, -1, 0], [40, 1, 5]],
            id="told-again-after-two-seconds-of-rest",
        ),
    ],
)
def test_high_impedance(board: Any, scenes: list[Scene], expected: list[Any]) -> None:
    arguments = (WINDOW, False, looks(scenes))
    answer = scenarios_arcing.high_impedance(*arguments)
    assert board([("tests.agent.detect.scenarios_arcing", "high_impedance", arguments)]) == [answer]
    assert answer == expected


def test_what_flows_from_the_beginning_is_how_the_feeder_is() -> None:
    restless = added(QUIET, sine(0.5), sine(0.1, 0.0, order=3), sine(0.05, 0.0, order=2))

    assert scenarios_arcing.high_impedance(WINDOW, False, looks([restless] * 20)) == []


@pytest.mark.parametrize("seed", range(8))
def test_noise_of_40_db_of_a_range_of_100_a_is_no_arc(seed: int) -> None:
    """A single quiet look came before: nothing of how it strays is learned yet."""

    def noisy(number: int) -> Row:
        chance = np.random.default_rng([seed, number])
        return sine(0.2, 70.0)(number) + chance.normal(0, 1.0, CYCLES * WINDOW)

    assert scenarios_arcing.high_impedance(WINDOW, False, looks([noisy] * 40)) == []


@pytest.mark.parametrize(("summed", "told"), [(True, 0), (False, 1)])
def test_a_sum_of_three_transformers_errs_of_what_the_load_changed(summed: bool, told: int) -> None:
    scenes, load = [QUIET] * 4 + [SAND] * 8, [sine(50.0)] * 4 + [sine(200.0)] * 8

    answer = scenarios_arcing.high_impedance(WINDOW, summed, looks(scenes, load))

    assert len(answer) == told


def test_while_something_else_explains_it_nothing_is_told() -> None:
    scenes = [QUIET] * 4 + [SAND] * 8

    assert not scenarios_arcing.high_impedance(WINDOW, False, looks(scenes, held=set(range(4, 12))))


A, J = 5773.5, (0.0, 1.0)
PHASES = [(A, 0.0), (-A / 2, -A * 0.866), (-A / 2, A * 0.866)]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param(
            ("low_resistance", (4.0, 0.2), (-20.0, 0.0), 0.1, PHASES, A),
            ("forward", "A"),
            id="against-U0-and-with-its-phase-it-lies-ahead",
        ),
        pytest.param(
            ("low_resistance", (0.0, 0.5), (-20.0, 0.0), 0.1, PHASES, A),
            ("unknown", ""),
            id="a-quarter-of-a-turn-off-it-is-a-charging-current",
        ),
        pytest.param(
            ("low_resistance", (-0.5, 0.87), (-1.0, 0.0), 0.1, PHASES, A),
            ("forward", "C"),
            id="with-its-phase-alone-where-U0-is-too-small",
        ),
        pytest.param(
            ("low_resistance", (0.0, 0.5), (-1.0, 0.0), 0.1, PHASES, A),
            ("unknown", ""),
            id="thirty-degrees-off-a-phase-is-not-with-it",
        ),
        pytest.param(
            ("resonant", (4.0, 0.2), (-20.0, 0.0), 0.1, PHASES, A),
            ("unknown", ""),
            id="a-coil-hides-the-side",
        ),
        pytest.param(
            ("low_resistance", (4.0, 0.2), (-20.0, 0.0), 0.1, [], A),
            ("unknown", ""),
            id="nothing-without-voltages",
        ),
    ],
)
def test_place(board: Any, call: Any, expected: Any) -> None:
    (answer,) = scenarios_arcing.placed([call])
    assert board([("tests.agent.detect.scenarios_arcing", "placed", ([call],))]) == [[answer]]
    assert tuple(answer[:2]) == expected
