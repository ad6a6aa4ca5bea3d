"""What goes on as the same start, and what is new."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.agent.detect import cases
from tests.agent.detect import scenarios_weak as scenarios
from tests.agent.detect.feeder import (
    PICKUP,
    counts,
    detect,
    healthy_volts,
    three_phase,
    times,
    two_phase,
)
from tests.agent.detect.transformer import SHIFTS, STEP

MS = 1000
ON, NEW, OVER = [True, True], [False, False], ["over", False]
MODULE = "tests.agent.detect.scenarios_weak"
STEPS = [
    pytest.param([(0, True, 150.0)], [[False, True]], id="while-it-develops-it-is-looked-at"),
    pytest.param([(0, False, 150.0), (500 * MS, False, 110.0)], [ON, ON], id="a-start-decays"),
    pytest.param(
        [(0, False, 250.0), (40 * MS, False, 180.0)],
        [[False, True], ON],
        id="what-stands-twice-above-pickup-is-looked-at-until-its-inrush-is-gone",
    ),
    pytest.param(
        [(0, False, 100.0), (20 * MS, True, 119.0), (40 * MS, True, 119.0)],
        [ON, ON, ON],
        id="a-ripple-on-it-is-nothing-new",
    ),
    pytest.param(
        [(0, False, 100.0), (20 * MS, True, 200.0), (33 * MS, True, 200.0)],
        [ON, ON, NEW],
        id="what-lifts-it-by-a-fifth-is-new-once-it-is-ripe",
    ),
    pytest.param(
        [(0, False, 100.0), (10 * MS, True, None), (400 * MS, False, 101.0)],
        [ON, ["dropped", True], ON],
        id="a-current-that-hovers-at-pickup",
    ),
    pytest.param(
        [(0, False, 100.0), (10 * MS, True, None), (510 * MS, False, 101.0)],
        [ON, ["dropped", True], OVER],
        id="half-a-second-later-it-is-over",
    ),
]


@pytest.mark.parametrize(("steps", "expected"), STEPS)
def test_a_start_goes_on_until_something_new_comes(steps: list[Any], expected: list[Any]) -> None:
    assert scenarios.start(steps) == expected


def test_the_board_says_the_same(board: Callable[..., list[Any]]) -> None:
    steps: list[Any] = [case.values[0] for case in STEPS]
    assert board([(MODULE, "start", [each]) for each in steps]) == [
        scenarios.start(each) for each in steps
    ]


@pytest.mark.parametrize("rate", [1600, 4000, 12_800])
@pytest.mark.parametrize(("short", "kind"), [(two_phase, "BC"), (three_phase, "ABC")])
def test_a_fault_on_a_load_that_returned_is_told(rate: int, short: Any, kind: str) -> None:
    t = times(rate, 0.4, 0.1)
    load = (1.3 * PICKUP, -0.3)
    returned = three_phase(t, load[0], load[1], 0.02)
    fault_t = t - 0.15
    # Of the fault and its load the load from before is taken off: what it adds to what returned.
    added = short(fault_t, 2.2 * PICKUP, -1.1, 0.02, load) - short(
        fault_t - 1.0, 2.2 * PICKUP, -1.1, 0.02, load
    )
    currents = returned + np.where(fault_t < 0, 0.0, added)
    events = detect(counts(currents, healthy_volts(t)), rate)
    told = [(e.kind, e.t_us / 1e3 - 250.0) for e in events if e.event == "fault"]
    assert events[0].event == "overload"
    assert [name for name, _ in told][:1] == [kind]
    assert 0.0 < told[0][1] <= 30.0


@functools.cache
def returning() -> list[cases.Case]:
    """A load below pickup that returns with an inrush up to half above it."""
    chance, drawn = np.random.default_rng(1), []
    for case in cases.energisings(12, 1, cycles=4.0):
        first = case.currents[:, cases.INCEPTION :][:, : cases.CYCLE]
        largest = np.abs(np.fft.rfft(first)[:, 1]).max() * 2 / cases.CYCLE
        t = (np.arange(case.currents.shape[1]) - cases.INCEPTION) * STEP
        load = 0.9 * cases.PICKUP_PEAK * np.cos(t + SHIFTS + chance.uniform(0.0, 2 * np.pi))
        inrush = case.currents * min(1.0, 1.5 * cases.PICKUP_PEAK / largest)
        drawn.append(cases.Case(case.name, "", inrush + np.where(t < 0, 0.0, load)))
    return drawn


@pytest.mark.parametrize("rate", [1600, 4000, 12_800])
def test_a_load_that_returns_with_its_transformers_is_no_fault(rate: int) -> None:
    """Together beyond twice the pickup; the load fills the gaps that would prove an inrush.

    But for one: a star whose three humps are as good as sinusoids with their DC.
    """
    told = []
    for seed, case in enumerate(returning()):
        samples, _ = cases.sampled(case, rate, 4.0, seed)
        told.append([event.event for event in detect(samples, rate)])
    assert sum("fault" in events for events in told) <= 1
    assert sum("inrush" in events or "overload" in events for events in told) >= 6


@pytest.mark.parametrize(("share", "stands"), [(0.2, True), (0.03, False)])
def test_what_stands_is_an_inrush_by_its_second_harmonic(share: float, stands: bool) -> None:
    angle = np.arange(400) * 2 * np.pi / 80
    wave = 250.0 * 2**0.5 * (np.cos(angle) + share * np.cos(2 * angle + 0.4))
    rows = {role: [round(x / 0.001) for x in wave] for role in ("ia", "ib", "ic", "i0")}
    assert scenarios.stands(rows, 80) is stands
