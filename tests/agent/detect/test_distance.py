"""The distance of a short circuit, from circuits that theory solves: source, line, fault, load."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.agent.detect import scenarios_place

Array = npt.NDArray[np.float64]

RATE, CYCLES = 4000, 5
WINDOW, ONSET = RATE // 50, 2 * RATE // 50 + RATE // 100
OMEGA = 2 * np.pi * 50
SOURCE = 0.05 + 0.6j  # ohm
LOOP_VOLTS = 10_000.0
R, X, R0, X0 = 0.27, 0.36, 0.42, 1.26
LINE = {"r1_ohms_per_km": R, "x1_ohms_per_km": X, "r0_ohms_per_km": R0, "x0_ohms_per_km": X0}
ONE = {**LINE, "length_km": 8.0}
CABLE = {"r1_ohms_per_km": 0.098, "x1_ohms_per_km": 0.087}
TREE = {
    **LINE,
    "sections": [
        {"name": "trunk", "length_km": 3.0},
        {"name": "cable", "from": "trunk", "length_km": 2.0, **CABLE},
        {"name": "branch", "from": "trunk", "length_km": 4.0},
    ],
}
T = np.arange(CYCLES * WINDOW) / RATE - ONSET / RATE


def alike(board: Any, function: str, *args: Any) -> Any:
    """The answer under CPython, after MicroPython has given the same one."""
    expected = getattr(scenarios_place, function)(*args)
    assert board([("tests.agent.detect.scenarios_place", function, args)]) == [expected]
    return expected


def loop(line_z: complex, ohm: float, load: complex, angle: float) -> tuple[Array, Array]:
    """Voltage and current of a loop of two phases, a fault of `ohm` behind `line_z` at T = 0, and
    a load of this impedance beside it. A bolted one brings its offset, which then is exact.
    """
    source = LOOP_VOLTS * np.sqrt(2) * np.exp(1j * angle)
    turn = np.exp(1j * OMEGA * T)
    before = source / (SOURCE + line_z + load)
    after = source / (SOURCE + line_z + (1 / (1 / ohm + 1 / load) if ohm else 0.0))
    ac = np.where(T < 0, before, after) * turn
    volts = np.real(source * turn - SOURCE * ac)
    amps = np.real(ac)
    if not ohm:
        whole = SOURCE + line_z
        tau = whole.imag / OMEGA / whole.real
        offset = np.real(before - after) * np.exp(-np.maximum(T, 0) / tau) * (T >= 0)
        amps += offset
        volts -= offset * (SOURCE.real - SOURCE.imag / OMEGA / tau)
    return volts, amps


_RATED = {"i": 400.0, "u": 5773.5}


def rows(volts: Array, amps: Array, noise: float = 0.0) -> dict[str, list[int]]:
    """Phases of a loop AB, in counts of a quarter; C is healthy. noise: share of the rating."""
    chance = np.random.default_rng(5)
    healthy = np.cos(OMEGA * T + 2)
    waves = {
        "ia": amps / 2, "ib": -amps / 2, "ic": 100 * healthy,
        "ua": volts / 2, "ub": -volts / 2, "uc": 8000 * healthy,
    }  # fmt: skip
    return {
        name: [
            round(float(x))
            for x in 4 * (wave + noise * (_RATED[name[0]]) * chance.normal(0, 1, wave.size))
        ]
        for name, wave in waves.items()
    }


AGE = CYCLES * WINDOW - ONSET


@pytest.mark.parametrize("angle", [0.0, 0.7, 1.6, 2.4])
@pytest.mark.parametrize("km", [0.3, 2.9, 7.5])
def test_an_offset_does_not_bias_it(km: float, angle: float) -> None:
    waves = rows(*loop(km * (R + 1j * X), 0.0, 60 + 20j, angle))
    told = scenarios_place.locate(waves, WINDOW, "AB", AGE, ONE)
    assert told[0] == pytest.approx(km, abs=0.02)
    assert told[1] <= km <= told[2]


@pytest.mark.parametrize("ohm", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("load", [60 + 20j, 25 + 8j, 500 + 0j])
def test_neither_the_faults_resistance_nor_the_load_biases_it(ohm: float, load: complex) -> None:
    waves = rows(*loop(4.0 * (R + 1j * X), ohm, load, 0.4))
    told = scenarios_place.locate(waves, WINDOW, "AB", AGE, ONE)
    assert told[0] == pytest.approx(4.0, abs=0.04)


def test_noise_of_45_db_costs_a_hundredth_of_the_line() -> None:
    waves = rows(*loop(4.0 * (R + 1j * X), 0.3, 60 + 20j, 0.4), noise=0.0056)
    assert scenarios_place.locate(waves, WINDOW, "AB", AGE, ONE)[0] == pytest.approx(4, abs=0.08)


def test_it_rests_on_what_a_saturating_transformer_and_a_clipping_converter_leave() -> None:
    volts, amps = loop(4.0 * (R + 1j * X), 0.0, 60 + 20j, 0.4)
    clipped = np.clip(amps, -0.8 * np.abs(amps).max(), 0.8 * np.abs(amps).max())
    told = scenarios_place.locate(rows(volts, clipped), WINDOW, "AB", AGE, ONE)
    assert told[0] == pytest.approx(4.0, abs=0.04)


def test_sections_have_their_own_constants_and_branches_are_all_named(board: Any) -> None:
    into_cable = 3.0 * (R + 1j * X) + 1.0 * (0.098 + 0.087j)
    waves = rows(*loop(into_cable, 0.2, 60 + 20j, 0.4))
    km, low, high, section, others = alike(board, "locate", waves, WINDOW, "AB", AGE, TREE)
    assert (section, km) == ("cable", pytest.approx(4.0, abs=0.04))
    # The same reactance further along the branch, whose kilometre has four times as much.
    assert others == [["branch", pytest.approx(3.0 + 0.087 / X, abs=0.05)]]
    assert low <= 3.0 + 0.087 / X <= 4.0 <= high


@pytest.mark.parametrize(
    ("volts_sign", "amps", "age", "why"),
    [
        pytest.param(1, 1.0, WINDOW, "less than a cycle of it was seen", id="too-young"),
        pytest.param(-1, 1.0, AGE, "it fits no place on the line", id="behind-the-bay"),
        pytest.param(1, 0.2, AGE, "it fits no place on the line", id="beyond-the-line"),
    ],
)
def test_it_is_not_told(board: Any, volts_sign: int, amps: float, age: int, why: str) -> None:
    volts, current = loop(4.0 * (R + 1j * X), 0.0, 60 + 20j, 0.4)
    waves = rows(volts_sign * volts, amps * current)
    assert alike(board, "locate", waves, WINDOW, "AB", age, ONE) == [why]


def test_a_fault_that_grows_in_between_is_not_told() -> None:
    volts, current = loop(4.0 * (R + 1j * X), 0.0, 60 + 20j, 0.4)
    humps = np.where(np.sin(OMEGA * T + 1) > 0.3, current, 0.3 * current)
    told = scenarios_place.locate(rows(volts, humps), WINDOW, "AB", AGE, ONE)
    assert told == ["the currents are distorted"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, [], id="nothing-known"),
        pytest.param({"r1_ohms_per_km": 0.3, "length_km": 5.0}, [], id="no-reactance"),
        pytest.param(ONE, [[["S1", 8.0, R, X]]], id="one-line"),
        pytest.param(
            TREE,
            [
                [["trunk", 3.0, R, X], ["cable", 2.0, 0.098, 0.087]],
                [["trunk", 3.0, R, X], ["branch", 4.0, R, X]],
            ],
            id="branches-with-the-lines-constants-or-their-own",
        ),
        pytest.param(
            {**LINE, "sections": [{"name": "a", "from": "b", "length_km": 1.0}]},
            [],
            id="behind-nothing",
        ),
    ],
)
def test_ways(board: Any, given: Any, expected: Any) -> None:
    assert alike(board, "ways", given) == expected
