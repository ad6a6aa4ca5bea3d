"""Where a short circuit lies, against circuits whose currents are known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.agent.detect import direction_scenarios as scenarios
from tests.agent.detect.feeder import ROOT2, SHIFTS, Array, times

WINDOW = 80
PHASE_VOLTS = 5773.5
OMEGA = 2 * np.pi * 50
SOURCE = 0.1 + 0.8j  # [ohm]
ANGLES = [float(a) for a in np.radians(np.arange(0, 360, 45))]
PAIRS = {"BC": (1, 2), "AB": (0, 1)}
MODULE = "tests.agent.detect.direction_scenarios"


def emf(t: Array, angle: float, shift: float) -> Array:
    return np.asarray(PHASE_VOLTS * ROOT2 * np.cos(OMEGA * t + angle + shift))


def short(t: Array, volts: float, angle: float, ohm: complex) -> Array:
    """The current of an EMF behind R + jX that is short-circuited at 0: AC and its DC. [A]"""
    phasor = volts * ROOT2 / abs(ohm)
    lag = angle - float(np.angle(ohm))
    tau = ohm.imag / OMEGA / ohm.real
    wave = phasor * (np.cos(OMEGA * t + lag) - np.cos(lag) * np.exp(-np.maximum(t, 0) / tau))
    return np.where(t < 0, 0.0, wave)


def across(current: Array, ohm: complex) -> Array:
    return ohm.real * current + ohm.imag / OMEGA * np.gradient(current, 1 / (50 * WINDOW))


def fault(
    kind: str, angle: float, line: complex, cycles: float, *, reverse: bool = False
) -> dict[str, list[int]]:
    """Four cycles of health and `cycles` of a fault between phases behind `line`. Reverse: the same
    currents come from a source on the other side.
    """
    t = times(50 * WINDOW, (4 + cycles) / 50, 4 / 50)
    currents = np.zeros((3, t.size))
    shifts = list(SHIFTS.values())
    if kind == "ABC":
        for k, shift in enumerate(shifts):
            currents[k] = short(t, PHASE_VOLTS, angle + shift, SOURCE + line)
    else:
        p, q = PAIRS[kind]
        between = np.exp(1j * shifts[p]) - np.exp(1j * shifts[q])
        volts, at = PHASE_VOLTS * abs(between), angle + float(np.angle(between))
        currents[p] = short(t, volts, at, 2 * (SOURCE + line))
        currents[q] = -currents[p]
    volts_ = np.stack(
        [emf(t, angle, s) - across(i, SOURCE) for s, i in zip(shifts, currents, strict=True)]
    )
    if reverse:
        currents = -currents
    rows = dict(zip(("ia", "ib", "ic", "ua", "ub", "uc"), (*currents, *volts_), strict=True))
    return {role: [round(float(x)) for x in row] for role, row in rows.items()}


@pytest.mark.parametrize("line", [0.0j, 0.02 + 0.02j, 1.0 + 0.3j, 0.7 + 3.0j])
@pytest.mark.parametrize("kind", ["ABC", "BC", "AB"])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_fault_between_phases_has_its_side_whatever_voltage_it_leaves(
    kind: str, line: complex, reverse: bool
) -> None:
    for angle in ANGLES:
        for cycles in (0.4, 0.7, 1.6):
            rows = fault(kind, angle, line, cycles, reverse=reverse)
            told = scenarios.of_phases(rows, WINDOW, cycles, PHASE_VOLTS)
            assert told[:2] == ["reverse" if reverse else "forward", "memory"]
            assert told[2] > 0.8


def test_saturated_transformers_turn_no_direction() -> None:
    for angle in ANGLES:
        rows = fault("ABC", angle, 0.02 + 0.05j, 0.7)
        gone = round((4 + 0.3) * WINDOW)
        for role in ("ia", "ib", "ic"):
            rows[role] = [x if k < gone else x // 8 for k, x in enumerate(rows[role])]
        assert scenarios.of_phases(rows, WINDOW, 0.7, PHASE_VOLTS)[0] == "forward"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(0.7 + 0.9j, ["forward", "loop"], id="what-is-left-lies-before-the-fault"),
        pytest.param(0.002 + 0.003j, ["forward", "switched on"], id="nothing-left-came-from-there"),
    ],
)
def test_switching_on_to_a_fault(line: complex, expected: list[str]) -> None:
    rows = fault("ABC", 1.0, line, 0.7)
    for role in ("ua", "ub", "uc"):  # dead until the fault
        rows[role] = [0 if k < 4 * WINDOW else x for k, x in enumerate(rows[role])]
    assert scenarios.of_phases(rows, WINDOW, 0.7, PHASE_VOLTS)[:2] == expected


def test_a_fault_that_is_older_than_the_samples_goes_by_what_it_leaves() -> None:
    for line in (1.0 + 1.0j, 0.5 + 2.0j):
        rows = {role: row[-WINDOW:] for role, row in fault("BC", 0.3, line, 3.0).items()}
        assert scenarios.of_phases(rows, WINDOW, None, PHASE_VOLTS)[:2] == ["forward", "loop"]
    rows = {role: row[-WINDOW:] for role, row in fault("ABC", 0.3, 0j, 3.0).items()}
    assert scenarios.of_phases(rows, WINDOW, None, PHASE_VOLTS)[0] == "unknown"


def test_currents_that_no_voltage_drives_have_no_direction() -> None:
    rows = fault("ABC", 0.0, 0.5 + 0.5j, 0.7)
    chance = np.random.default_rng(3)
    for role in ("ia", "ib", "ic"):
        rows[role] = [round(float(x)) for x in chance.normal(0, 1000, len(rows[role]))]
    assert scenarios.of_phases(rows, WINDOW, 0.7, PHASE_VOLTS)[0] == "unknown"


def neutral(admittance: complex, age: float = 0.8) -> dict[str, list[int]]:
    """U0 rises to the phase voltage; 3I0 = -(G + jB) U0 of the network behind the bay."""
    t = times(50 * WINDOW, (4 + age) / 50, 4 / 50)
    u0 = np.where(t < 0, 0.0, PHASE_VOLTS * ROOT2 * np.cos(OMEGA * t + 0.4))
    turned = np.where(t < 0, 0.0, -PHASE_VOLTS * ROOT2 * np.sin(OMEGA * t + 0.4))
    i0 = -(admittance.real * u0 + admittance.imag * turned)
    rows = {"u0": u0, "i0": i0, "ia": i0}
    return {role: [round(float(x)) for x in row] for role, row in rows.items()}


@pytest.mark.parametrize(
    ("admittance", "solid", "word"),
    [
        pytest.param(0.1 + 0.02j, False, "forward", id="through-the-neutral-resistor"),
        pytest.param(0.001 + 0.02j, False, "forward", id="through-the-other-feeders"),
        pytest.param(0.0005 - 0.02j, False, "reverse", id="a-healthy-feeder-feeds-its-own-share"),
        pytest.param(0.1 - 0.6j, True, "forward", id="through-the-source's-own-neutral"),
        pytest.param(-0.1 + 0.6j, True, "reverse", id="a-fault-between-neutral-and-bay"),
    ],
)
def test_one_phase_goes_by_what_returns_through_the_neutral(
    admittance: complex, solid: bool, word: str
) -> None:
    told = scenarios.of_earth(neutral(admittance), WINDOW, 0.8, PHASE_VOLTS, solid)
    assert told[:2] == [word, "neutral"]


def test_a_voltage_that_stays_down_is_told_from_one_that_goes_with_the_current() -> None:
    whole = fault("BC", 0.6, 0.1 + 0.2j, 1.0)
    assert (scenarios.unexplained(whole, WINDOW, 1.0, PHASE_VOLTS) or 0.0) < 0.02
    gone = round((4 + 0.25) * WINDOW)
    bent = {
        role: [x if k < gone or role[0] == "u" else 0 for k, x in enumerate(row)]
        for role, row in whole.items()
    }
    assert (scenarios.unexplained(bent, WINDOW, 1.0, PHASE_VOLTS) or 0.0) > 0.4
    healthy = {role: list(row) for role, row in whole.items()}
    for role in ("ua", "ub", "uc"):
        healthy[role] = (whole[role][:WINDOW] * 5)[: len(whole[role])]
    assert scenarios.unexplained(healthy, WINDOW, 1.0, PHASE_VOLTS) is None


def test_resistance_and_reactance_are_those_of_the_circuit() -> None:
    t = times(50 * WINDOW, 0.01, 0.0)
    amps = short(t, 50_000.0, 0.3, 2.0 + 3.0j)
    volts = 50_000.0 * ROOT2 * np.cos(OMEGA * t + 0.3)
    fit = scenarios.fitted([round(float(x)) for x in volts], [round(float(x)) for x in amps], 80.0)
    assert fit == pytest.approx([2.0, 3.0, 1.0], rel=0.01)
    assert scenarios.fitted([1, 2, 3], [1, 2, 3], 80.0) is None
    assert scenarios.fitted([5] * 20, [7] * 20, 80.0) is None  # no quadrature: no reactance


@pytest.mark.parametrize("angle", ANGLES)
def test_the_first_milliseconds_name_the_phases_though_an_offset_hides_one(angle: float) -> None:
    for kind, expected in (("ABC", [1, 1, 1]), ("BC", [0, 1, 1])):
        rows = fault(kind, angle, 0.3 + 0.4j, 0.7)
        for role in ("ia", "ib", "ic"):  # all is lost after 6 ms
            rows[role] = [0 if k >= round(4.3 * WINDOW) else x for k, x in enumerate(rows[role])]
        sizes = scenarios.shares(rows, WINDOW, 0.7, 0.4 / 1.2)
        assert [x / max(sizes) for x in sizes] == pytest.approx(expected, abs=0.06)


def test_the_change_of_u0_leaves_out_what_stood_before() -> None:
    t = times(50 * WINDOW, 0.094, 0.08)
    standing = 600 * np.cos(OMEGA * t)
    risen = standing + np.where(t < 0, 0.0, 1000 * ROOT2 * np.cos(OMEGA * t + 1))
    for wave, expected in ((standing, 0.0), (risen, 1000.0)):
        change = scenarios.neutral_change({"u0": [round(float(x)) for x in wave]}, WINDOW, 0.7)
        assert change == pytest.approx(expected, abs=12)


def steps(*parts: tuple[int, list[float], float, float]) -> list[Any]:
    """(quarter cycles, currents, 3I0, U0) one after the other."""
    rows: list[Any] = []
    for count, currents, residual, volts in parts:
        rows += [[0, currents, residual, volts]] * count
    return [[5_000 * (k + 1), *row[1:]] for k, row in enumerate(rows)]


BC = [10.0, 900.0, 900.0]


@pytest.mark.parametrize(
    ("kind", "rows", "expected"),
    [
        pytest.param("BC", steps((12, BC, 5.0, 5.0)), [], id="what-stays-is-told-once"),
        pytest.param(
            "BC",
            steps((4, BC, 5.0, 5.0), (4, [880.0, 900.0, 900.0], 5.0, 5.0)),
            [[35_000, "ABC"]],
            id="a-third-phase-joins-after-half-a-cycle",
        ),
        pytest.param(
            "AG",
            steps((4, [300.0, 5.0, 5.0], 300.0, 900.0), (4, [4000.0, 3900.0, 5.0], 300.0, 500.0)),
            [[35_000, "ABG"]],
            id="a-second-phase-joins-one-to-earth",
        ),
        pytest.param(
            "BC",
            steps((4, BC, 5.0, 5.0), (8, BC, 150.0, 400.0)),
            [[45_000, "BCG"]],
            id="earth-joins-after-a-cycle",
        ),
        pytest.param(
            "BC", steps((4, BC, 5.0, 5.0), (8, BC, 300.0, 5.0)), [], id="without-u0-it-is-an-error"
        ),
        pytest.param(
            "BC", steps((12, BC, 300.0, 400.0)), [], id="a-u0-that-stood-before-is-no-sign"
        ),
        pytest.param(
            "BC",
            steps((4, BC, 5.0, 5.0), (1, [880.0, 900.0, 900.0], 5.0, 5.0), (6, BC, 5.0, 5.0)),
            [],
            id="a-moment-is-nothing",
        ),
        pytest.param(
            "BC",
            steps((4, BC, 5.0, 5.0), (8, [130.0, 140.0, 150.0], 5.0, 5.0)),
            [],
            id="a-load-after-the-fault-has-not-joined-it",
        ),
        pytest.param(
            "BC", steps((4, BC, 5.0, 5.0), (8, [110.0, 900.0, 900.0], 5.0, 5.0)), [], id="a-load"
        ),
    ],
)
def test_a_fault_becomes_another(
    board: Any, kind: str, rows: list[Any], expected: list[Any]
) -> None:
    assert scenarios.evolution(kind, rows) == expected
    assert board([(MODULE, "evolution", (kind, rows))]) == [expected]


def test_the_board_says_the_same(board: Any) -> None:
    rows = fault("BC", 0.6, 0.3 + 0.4j, 0.7)
    earth = neutral(0.1 + 0.02j)
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("of_phases", (rows, WINDOW, 0.7, PHASE_VOLTS)),
        ("of_phases", (rows, WINDOW, None, PHASE_VOLTS)),
        ("of_earth", (earth, WINDOW, 0.8, PHASE_VOLTS, False)),
        ("unexplained", (rows, WINDOW, 0.7, PHASE_VOLTS)),
        ("shares", (rows, WINDOW, 0.7, 0.4)),
        ("neutral_change", (earth, WINDOW, 0.8)),
    ]
    here = [getattr(scenarios, name)(*args) for name, args in calls]
    assert board([(MODULE, name, args) for name, args in calls]) == here
