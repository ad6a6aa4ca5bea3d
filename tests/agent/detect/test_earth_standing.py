"""What slow looks tell of earth faults, with looks made of plain phasors."""

from __future__ import annotations

import cmath
import math
from typing import Any

import pytest

from agent.detect import earth_standing
from agent.detect.earth_standing import Standing

VOLTS = 5773.5
A, B, C = (VOLTS * cmath.exp(-2j * math.pi * k / 3) for k in range(3))


class Channel:
    """A channel of a look: the same in all four cycles."""

    window = 80

    def __init__(self, value: complex, jitter: float = 0.0) -> None:
        self._value = value
        self._jitter = jitter

    def phasor(self, order: int = 1) -> tuple[float, float]:
        assert order == 1
        return self._value.real, self._value.imag

    def cycle(self, number: int, order: int = 1) -> tuple[float, float]:
        assert 0 <= number < 4
        return self.phasor(order)

    def jitter(self) -> list[float]:
        return [self._jitter] * 3


class Look:
    """A look of these voltages and 3I0."""

    since_us, t_us, frequency_mhz = 0, 79_750, 50_000

    def __init__(self, a: complex, b: complex, c: complex, i0: complex = 0.0) -> None:
        volts = {"ua": a, "ub": b, "uc": c, "u0": (a + b + c) / 3, "i0": i0}
        self.channels = {role: Channel(value) for role, value in volts.items()}


def look(*values: complex) -> Any:
    return Look(*values)


@pytest.mark.parametrize(
    ("volts", "expected"),
    [
        pytest.param((A, B, C), None, id="sound"),
        pytest.param((A - A, B - A, C - A), "A", id="bolted"),
        pytest.param((A - 0.9 * C, B - 0.9 * C, 0.1 * C), "C", id="nearly"),
        pytest.param((A - 0.3 * A, B - 0.3 * A, C - 0.3 * A), "", id="of-some-resistance"),
        pytest.param((A - 0.1 * A, B - 0.1 * A, C - 0.1 * A), None, id="a-natural-displacement"),
        pytest.param((0.06 * (B + C), B, C), None, id="a-blown-fuse"),
        pytest.param((0.01 * A, 0.01 * A, 0.01 * A), None, id="no-supply"),
    ],
)
def test_u0_from_the_start_is_an_earth_fault_where_the_triangle_is_whole(
    volts: tuple[complex, complex, complex], expected: str | None
) -> None:
    assert earth_standing.displaced(look(*volts), VOLTS) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param((A - A, B - A, C - A, 5.0), False, id="it-stands"),
        pytest.param((A, B, C, 0.1), True, id="all-is-back"),
        pytest.param((A - 0.4 * A, B - 0.4 * A, C - 0.4 * A, 0.1), False, id="u0-swings-on"),
        pytest.param((A, B, C, 3.0), False, id="3i0-flows-on"),
    ],
)
def test_it_is_over_when_u0_and_3i0_are_back(now: tuple[complex, ...], expected: bool) -> None:
    standing = Standing((20.0, 0.05), (VOLTS, 5.0))
    assert standing.over(look(*now), VOLTS, 0.2) is expected


def test_a_noise_grows_at_once_and_falls_slowly() -> None:
    loud, soft = Channel(0, 80.0), Channel(0, 8.0)
    assert earth_standing.noise(8.0, loud) == 80.0  # type: ignore[arg-type]  # like a channel
    assert earth_standing.noise(80.0, soft) == pytest.approx(62.0)  # type: ignore[arg-type]


def test_a_true_cycle_follows_from_the_instants_of_a_look() -> None:
    assert earth_standing.true_cycle(look(A, B, C)) == 80 * 1024
