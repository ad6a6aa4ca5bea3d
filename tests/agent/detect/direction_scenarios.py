"""Direction, impedance and evolution of short circuits, walked under CPython and on the board.

Portable: lists and numbers in, lists and numbers out.
"""

from agent.detect import clean_start, direction, impedance
from agent.detect.evolution import Evolution
from agent.detect.raw import ROLES, Raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def raw(rows: "dict[str, list[int]]", window: int) -> "Raw":
    """Of samples that end now, one unit a count."""
    scales = {role: 1.0 for role in ROLES if role in rows}
    return Raw(window, 20_000, scales, frozenset(), lambda role, n: rows[role][-n:])


def of_phases(
    rows: "dict[str, list[int]]", window: int, age: "float | None", volts: float
) -> "list[Any]":
    told = direction.of_phases(raw(rows, window), age, volts)
    return [told.word, told.witness, told.confidence]


def of_earth(
    rows: "dict[str, list[int]]", window: int, age: float, volts: float, solid: bool
) -> "list[Any]":
    told = direction.of_earth(raw(rows, window), age, volts, 0, solid)
    return [told.word, told.witness, told.confidence]


def unexplained(
    rows: "dict[str, list[int]]", window: int, age: float, volts: float
) -> "float | None":
    return direction.unexplained(raw(rows, window), age, volts)


def fitted(volts: "list[int]", amps: "list[int]", cycle: float) -> "list[float] | None":
    fit = impedance.fitted((volts, 1.0), (amps, 1.0), cycle)
    return None if fit is None else [fit.first, fit.second, fit.explained]


def shares(rows: "dict[str, list[int]]", window: int, age: float, ratio: float) -> "list[float]":
    return list(clean_start.shares(raw(rows, window), age, ratio) or ())


def neutral_change(rows: "dict[str, list[int]]", window: int, age: float) -> "float | None":
    return clean_start.neutral_change(raw(rows, window), age)


def evolution(kind: str, steps: "list[Any]") -> "list[Any]":
    """[[t_us, kind], ...] of a fault told at 0 with 100 A of pickup and 1000 V to earth."""
    element = Evolution(100.0, 20.0, 20_000, 1000.0)
    element.begin(0, max(steps[0][1]), steps[0][3])
    told = []
    for t_us, currents, residual, neutral in steps:
        grown = element.step(t_us, kind, currents, residual, neutral)
        if grown:
            kind = grown
            told.append([t_us, kind])
    return told
