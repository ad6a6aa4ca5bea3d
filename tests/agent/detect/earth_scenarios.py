"""The portable parts of earth-fault detection, walked by functions that run under CPython and on
the board.

Portable: lists and numbers in, lists and numbers out.
"""

from agent.detect import (
    earth_direction,
    earth_energy,
    earth_inquiry,
    earth_phase,
    earth_residual,
    earth_strikes,
    earth_through,
)
from agent.detect.earth_added import Span, added
from agent.detect.raw import Raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROLES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")


def raw(rows: "dict[str, list[int]]", scales: "dict[str, float]", window: int) -> Raw:
    """The newest samples of a bay, whose 3I0 is not summed."""
    return Raw(window, 20_000, scales, frozenset(), lambda role, n: rows[role][-n:])


def add(samples: "list[int]", window: int, cycle: int, before: int, after: int) -> "Any":
    """[values, unit, step, onset] of what was added; None where there are too few samples."""
    span = Span(window, cycle, before, after)
    found = added(samples, 1.0, span)
    return None if found is None else [found.values, found.unit, span.step, span.onset]


def inquire(
    rows: "dict[str, list[int]]", scales: "dict[str, float]", window: int, age: int, earthing: str
) -> "Any":
    """[direction, confidence, phase, through, added U0, added 3I0, siemens]."""
    found = earth_inquiry.inquire(raw(rows, scales, window), age, 1024 * window, earthing)
    if found is None:
        return None
    return [
        found.direction,
        found.confidence,
        found.phase,
        found.through,
        found.neutral_volts,
        found.residual_amps,
        found.siemens,
    ]


def date(rows: "dict[str, list[int]]", window: int) -> int:
    """Samples since the inception."""
    return earth_inquiry.date(raw(rows, dict.fromkeys(rows, 1.0), window))


def sides(u0: "list[int]", i0: "list[int]", window: int, age: int, earthing: str) -> "list[float]":
    """What each model leaves, of what there was: [elsewhere, ahead, all]."""
    span = Span(window, 1024 * window, window // 2, age)
    sums = earth_direction.Sums()
    neutral, residual = added(u0, 1.0, span), added(i0, 1e-3, span)
    if neutral is not None and residual is not None:
        earth_direction.weigh(neutral, residual, span, earthing, sums)
    behind, ahead = earth_direction.judge(sums, earthing)
    return [behind.left, ahead.left, sums.products[0][0]]


def flow(u0: "list[int]", i0: "list[int]", window: int, age: int) -> "list[float]":
    """[share of the energy that flowed one way, sigmas]."""
    span = Span(window, 1024 * window, window // 2, age)
    neutral, residual = added(u0, 1.0, span), added(i0, 1e-3, span)
    if neutral is None or residual is None:
        return []
    found = earth_energy.energy(neutral, residual, span)
    return [found.share, found.sigmas]


def lowest(squares: "list[float]") -> str:
    """The phase whose voltage is down."""
    return earth_phase.lowest(squares)


def strikes(u0: "list[int]", window: int, peak: float) -> "list[int]":
    """Where something strikes."""
    return earth_strikes.strikes(u0, window, peak)


def through(changes: "list[Any]", noise: float) -> str:
    """The phase that a fault's own current was added to."""
    return earth_through.phase([(x, y) for x, y in changes], noise)


def driven(sensor: "list[float]", total: "list[float]", noise: float, changes: "list[Any]") -> bool:
    """Whether the sensor of 3I0 is what errs."""
    pairs = [(x, y) for x, y in changes]
    one, other = (sensor[0], sensor[1]), (total[0], total[1])
    return earth_residual.driven_to_its_end(one, other, noise, pairs)
