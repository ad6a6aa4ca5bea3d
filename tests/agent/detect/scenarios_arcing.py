"""The high-impedance element walked through looks, by functions that run on the board too.

Portable: lists and numbers in, lists and numbers out.
"""

from agent.detect.high_impedance import HighImpedance
from agent.detect.high_impedance_place import place
from agent.detect.look import CYCLES, ORDERS, Channel, Look
from agent.detect.tables import harmonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def high_impedance(window: int, summed: bool, looks: "list[Any]") -> "list[Any]":
    """[[number of the look, word, evidence], ...] where there is a word. least: 0.1 A.

    looks: [held, {role: [scale, samples of four cycles]}] each.
    """
    tables = [row for order in ORDERS for row in harmonic(window, order)]
    element = HighImpedance(0.1)
    told = []
    for number, (held, rows) in enumerate(looks):
        channels = {role: _channel(window, tables, *row) for role, row in rows.items()}
        roles = frozenset(["i0"] if summed else [])
        look = Look(80_000 * number, 80_000 * number, 50_000, channels, roles)
        word = element.look(look, held)
        if word:
            told.append([number, word, element.evidence])
    return told


def _channel(window: int, tables: "list[list[int]]", scale: float, row: "list[int]") -> Channel:
    cycles = [row[k * window : (k + 1) * window] for k in range(CYCLES)]
    parts = [[_dot(table, cycle) for table in tables] for cycle in cycles]
    steps = []
    for one, other in zip(cycles, cycles[1:]):
        change = [x - y for x, y in zip(one, other)]
        steps.append(_dot(change, change))
    total = [sum(column) for column in zip(*parts)]
    squares = [_dot(cycle, cycle) for cycle in cycles]
    return Channel(scale, window, parts, total, squares, steps, min(row), max(row))


def _dot(one: "list[int]", other: "list[int]") -> float:
    return float(sum([x * y for x, y in zip(one, other)]))


def placed(calls: "list[Any]") -> "list[Any]":
    """Answers of `place`, one list each."""
    return [list(place(*call)) for call in calls]
