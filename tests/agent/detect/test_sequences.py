"""Symmetrical components against their matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.agent.detect import scenarios_sensors


def test_sequences_are_fortescues(board: Any) -> None:
    phasors = np.array([3 + 1j, -2 + 0.5j, 0.25 - 4j])
    a = np.exp(2j * np.pi / 3)
    matrix = np.array([[1, 1, 1], [1, a, a * a], [1, a * a, a]]) / 3
    args = ([[p.real, p.imag] for p in phasors],)

    found = scenarios_sensors.components(*args)

    assert board([("tests.agent.detect.scenarios_sensors", "components", args)]) == [found]
    assert [complex(*each) for each in found] == pytest.approx(list(matrix @ phasors))
