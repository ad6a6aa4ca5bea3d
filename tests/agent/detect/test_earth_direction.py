"""The two models against waves that obey one of them by construction, on both interpreters.

What they make of networks is in test_earth_inquiry.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.agent.detect import earth_scenarios

WINDOW, AGE, LENGTH = 80, 120, 640
TURN = 2 * math.pi / WINDOW


def neutral(kind: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """U0 that begins AGE samples before the end. [counts]"""
    t = np.arange(LENGTH) - (LENGTH - AGE)
    begun = t > 0
    if kind == "steady":
        return np.asarray(begun * 5000 * (np.cos(TURN * t) - np.exp(-t * 0.4 * begun)))
    if kind == "ringing":
        return np.asarray(begun * 5000 * np.sin(TURN * t) * (1 + np.exp(-t / 20) * np.sin(t / 2)))
    return np.asarray(begun * 30 * t * np.sin(TURN * t))  # building up


def derivative(u0: Any) -> Any:
    """By the angle of 50 Hz."""
    return np.gradient(u0) / TURN


def asked(u0: Any, i0: Any, earthing: str) -> tuple[Any, ...]:
    counts = [[int(x) for x in np.rint(wave)] for wave in (u0, i0)]
    return *counts, WINDOW, AGE, earthing


@pytest.mark.parametrize("kind", ["steady", "ringing", "building-up"])
@pytest.mark.parametrize("earthing", ["isolated", "resonant", "low_resistance"])
def test_a_capacitance_ahead_leaves_nothing_of_elsewhere(
    board: Any, kind: str, earthing: str
) -> None:
    u0 = neutral(kind)
    arguments = asked(u0, 0.5 * derivative(u0) + 0.01 * u0, earthing)
    elsewhere, ahead, all_of_it = earth_scenarios.sides(*arguments)
    assert elsewhere < 0.05 * all_of_it
    assert ahead > 3 * elsewhere
    answer = board([("tests.agent.detect.earth_scenarios", "sides", arguments)])
    assert answer == [[elsewhere, ahead, all_of_it]]


@pytest.mark.parametrize("kind", ["steady", "ringing", "building-up"])
@pytest.mark.parametrize(
    ("earthing", "coil", "conductance"),
    [
        pytest.param("isolated", 0.0, 0.02, id="isolated"),
        pytest.param("resonant", 0.7, 0.02, id="resonant"),
        pytest.param("low_resistance", 0.0, 3.0, id="low-resistance"),
    ],
)
def test_the_network_behind_leaves_nothing_of_ahead(
    kind: str, earthing: str, coil: float, conductance: float
) -> None:
    u0 = neutral(kind)
    behind = 0.5 * derivative(u0) + conductance * u0 + coil * TURN * np.cumsum(u0)
    elsewhere, ahead, all_of_it = earth_scenarios.sides(*asked(u0, -behind, earthing))
    assert ahead < 0.05 * all_of_it
    assert elsewhere > 3 * ahead


def test_50_hz_alone_does_not_tell_the_side_beside_a_coil() -> None:
    """An over-compensated network behind answers as a capacitance ahead would: only its losses and
    what comes with the inception differ.
    """
    t = np.arange(LENGTH)
    u0 = 5000 * np.sin(TURN * t) * (1 - np.cos(TURN * t / 16))  # fades in over all samples
    elsewhere, ahead, all_of_it = earth_scenarios.sides(
        *asked(u0, 0.2 * derivative(u0), "resonant")
    )
    assert elsewhere < ahead < 0.5 * all_of_it
