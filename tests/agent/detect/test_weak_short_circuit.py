"""Short circuits below 50P, against networks whose currents follow from their admittances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.agent.detect import scenarios_weak as scenarios

Phasors = npt.NDArray[np.complex128]

VOLTS = 10_000 / 3**0.5
RATING = 200.0
TURN = np.exp(2j * np.pi / 3)
EMF = VOLTS * np.array([1, TURN**2, TURN])
SEQUENCES = np.array([[1, 1, 1], [1, TURN**2, TURN], [1, TURN, TURN**2]])
LOAD = VOLTS / (0.6 * RATING) * np.exp(0.3j)  # power factor 0.955
MODULE = "tests.agent.detect.scenarios_weak"


def balanced(ohm: complex, negative: complex | None = None) -> Phasors:
    """Admittances of three phases without a neutral; negative: what the negative sequence sees."""
    own = [0.0, 1 / ohm, 1 / (negative or ohm)]
    return np.asarray(SEQUENCES @ np.diag(own) @ np.linalg.inv(SEQUENCES))


def behind_it(ohm: complex, zero: complex | None = None) -> Phasors:
    """Impedances of a source; zero: what the zero sequence sees."""
    own = [zero or ohm, ohm, ohm]
    return np.asarray(SEQUENCES @ np.diag(own) @ np.linalg.inv(SEQUENCES))


SOURCE = behind_it(0.1 + 0.6j)  # 165 MVA
EARTHED = behind_it(0.1 + 0.6j, 30.0 + 1.0j)  # the same, its neutral over 10 ohms
WEAK_SOURCE = behind_it(1.0 + 9.0j)  # the far end of a long line: 11 MVA
STIFF = behind_it(1e-6 + 0j)


def between(p: int, q: int, ohm: complex) -> Phasors:
    """Of something between two phases."""
    y = np.zeros((3, 3), dtype=complex)
    y[p, p] = y[q, q] = 1 / ohm
    y[p, q] = y[q, p] = -1 / ohm
    return y


def to_earth(phase: int, ohm: complex) -> Phasors:
    """Of something between a phase and earth."""
    y = np.zeros((3, 3), dtype=complex)
    y[phase, phase] = 1 / ohm
    return y


def torn(phase: int, ohm: complex) -> Phasors:
    """A load without a neutral that one phase does not reach any more: the other two in a row."""
    p, q = (k for k in range(3) if k != phase)
    return between(p, q, 2 * ohm)


def flows(ahead: Phasors, behind: Phasors, source: Phasors) -> tuple[Phasors, Phasors]:
    """Currents and voltages of the bay; ahead and behind of it: admittances."""
    volts = np.linalg.solve(np.eye(3) + source @ (ahead + behind), EMF)
    return np.asarray(ahead @ volts), np.asarray(volts)


NOTHING = np.zeros((3, 3), dtype=complex)


def rows(
    after: tuple[Phasors, Phasors],
    window: int,
    source: Phasors,
    lasting: float = 9.0,
    second: float = 0.0,
    decaying: float = 1e9,
) -> dict[str, list[int]]:
    """Six cycles of the load, then what comes; second: harmonic, of the current; decaying:
    time constant of what comes, in cycles.
    """
    before = flows(balanced(LOAD), NOTHING, source)
    t = np.arange(round(12 * window)) - 6 * window
    now = (t >= 0) & (t < lasting * window)
    share = now * np.exp(-np.maximum(t, 0) / (decaying * window))
    turning = np.exp(2j * np.pi * t / window) * 2**0.5
    made = {}
    for role, old, new in zip(
        ("ia", "ib", "ic", "ua", "ub", "uc"),
        np.concatenate(before),
        np.concatenate(after),
        strict=True,
    ):
        wave = np.real((old + (new - old) * share) * turning)
        if role[0] == "i":
            wave = wave + now * second * abs(new) * 2**0.5 * np.cos(4 * np.pi * t / window)
        made[role] = [round(x * 1000) for x in wave]
    return made


def ahead(*parts: Phasors, source: Phasors = SOURCE) -> tuple[Phasors, Phasors]:
    return flows(sum(parts, NOTHING), NOTHING, source)


LOADED = balanced(LOAD)
LINE = 9 + 7j  # 12 km and an arc, there and back: with it two phases add 0.6 of the rating
TABLE = [
    pytest.param(
        ahead(LOADED, between(1, 2, 2 * LINE)), SOURCE, {}, [["BC", 60]], id="two-phases-far-away"
    ),
    pytest.param(
        ahead(LOADED, between(0, 1, 20 + 17j)), SOURCE, {}, [["AB", 60]], id="above-the-rating"
    ),
    pytest.param(
        ahead(LOADED, between(0, 2, 34.0 + 2j)),
        SOURCE,
        {},
        [["AC", 60]],
        id="an-arc-that-takes-more-than-the-rating",
    ),
    pytest.param(
        ahead(LOADED, between(1, 2, 110 + 4j), to_earth(2, 75 + 2j), source=EARTHED),
        EARTHED,
        {},
        [["BC", 60]],
        id="an-arc-between-two-phases-and-earth",
    ),
    pytest.param(
        ahead(LOADED, balanced(5 + 4j), source=WEAK_SOURCE),
        WEAK_SOURCE,
        {},
        [["ABC", 60]],
        id="three-phases-behind-a-weak-source",
    ),
    pytest.param(
        ahead(LOADED, between(1, 2, 100 + 48j)), SOURCE, {}, [], id="a-load-between-two-phases"
    ),
    pytest.param(
        ahead(LOADED, between(1, 2, 2 * LINE), source=STIFF),
        STIFF,
        {},
        [],
        id="voltages-that-know-nothing-of-it",
    ),
    pytest.param(
        flows(balanced(LOAD, 0.17 * LOAD * 1j), between(1, 2, 4 + 4j), SOURCE),
        SOURCE,
        {},
        [],
        id="a-neighbours-fault-that-motors-answer",
    ),
    pytest.param(ahead(torn(1, LOAD)), SOURCE, {}, [], id="a-torn-conductor"),
    pytest.param(ahead(LOADED, LOADED), SOURCE, {}, [], id="a-load-step"),
    pytest.param(
        ahead(LOADED, balanced(4 + 13j)), SOURCE, {}, [], id="a-motor-that-leaves-the-voltage"
    ),
    pytest.param(
        ahead(LOADED, between(1, 2, 2 * LINE)),
        SOURCE,
        {"lasting": 1.5},
        [],
        id="poles-that-close-apart",
    ),
    pytest.param(
        ahead(LOADED, between(1, 2, 2 * LINE)), SOURCE, {"second": 0.2}, [], id="an-inrush"
    ),
    pytest.param(
        ahead(LOADED, between(1, 2, 2 * LINE)),
        SOURCE,
        {"decaying": 5.0},
        [],
        id="what-goes-by-itself",
    ),
]


@pytest.mark.parametrize("window", [16, 80, 256])
@pytest.mark.parametrize(("after", "source", "more", "expected"), TABLE)
def test_what_stays_below_50p(
    after: tuple[Phasors, Phasors],
    source: Phasors,
    more: dict[str, float],
    expected: list[Any],
    window: int,
) -> None:
    seen = scenarios.weak(rows(after, window, source, **more), window, 6 * window, RATING, VOLTS)
    assert [[phases, t_us // 1000] for t_us, phases, _ in seen] == expected
    assert all(side == "forward" for _, _, side in seen)


@pytest.mark.parametrize("missing", ["ua", "ib"])
def test_nothing_is_told_without_all_phases(missing: str) -> None:
    made = rows(ahead(LOADED, between(1, 2, 2 * LINE)), 80, SOURCE)
    del made[missing]
    assert scenarios.weak(made, 80, 480, RATING, VOLTS) == []


def test_it_is_over_when_half_of_what_it_added_is_gone() -> None:
    assert scenarios.over([300.0, 201.0, 199.0]) == [False, False, True]


def test_the_board_finds_the_same(board: Callable[..., list[Any]]) -> None:
    cases: list[Any] = [case.values for case in TABLE]
    made = [rows(after, 80, source, **more) for after, source, more, _ in cases]
    here = [scenarios.weak(each, 80, 480, RATING, VOLTS) for each in made]
    assert board([(MODULE, "weak", [each, 80, 480, RATING, VOLTS]) for each in made]) == here
