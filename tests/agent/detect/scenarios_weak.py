"""Short circuits below 50P and starts of loads, walked under CPython and on the board.

Portable: lists and numbers in, lists and numbers out.
"""

from agent.detect import faulted_phase
from agent.detect.load_start import LoadStart
from agent.detect.raw import ROLES, Raw
from agent.detect.weak_short_circuit import WeakShortCircuit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CYCLE_US = 20_000


def weak(
    rows: "dict[str, list[int]]", window: int, onset: int, rating: float, volts: float
) -> "list[Any]":
    """[[t_us, phases, side]] of what is told; a change shows from sample `onset` on for two cycles.

    Milliamperes and millivolts a count; the start is a fifth of the rating.
    """
    element = WeakShortCircuit(0.2 * rating, rating, volts, CYCLE_US)
    told = []
    element.step(0, True, lambda: None)
    while element.dues_us():
        t_us = element.dues_us()[0]
        end = onset + t_us * window // CYCLE_US
        raw = _raw({role: row[:end] for role, row in rows.items()}, window)
        if element.step(t_us, t_us < 2 * CYCLE_US, lambda raw=raw: raw):  # type: ignore[misc]
            told.append([t_us, faulted_phase.involved(element.shares), element.direction.word])
    return told


def over(largest: "list[float]") -> "list[bool]":
    """Whether one that lifted 100 A to 300 A is over, current by current."""
    element = WeakShortCircuit(40.0, 200.0, 5773.5, CYCLE_US)
    element.told, element._over_amps = True, 200.0
    return [element.over((amps, 100.0, 100.0)) for amps in largest]


def start(steps: "list[Any]") -> "list[Any]":
    """[goes on, told] at each (t_us, changing, largest amps) of a start at 100 A of pickup."""
    element = LoadStart(100.0, 5773.5, CYCLE_US)
    element.tell()
    seen = []
    for t_us, changing, largest in steps:
        if largest is None:
            element.dropped(t_us)
            seen.append(["dropped", element.told])
        else:
            element.expire(t_us)
            if element.told:
                seen.append([element.goes_on(t_us, changing, largest, 12_500), element.told])
            else:
                seen.append(["over", False])
    return seen


def stands(rows: "dict[str, list[int]]", window: int) -> bool:
    """Of samples of 1 mA, at 100 A of pickup."""
    return LoadStart(100.0, 5773.5, CYCLE_US).stands(_raw(rows, window))


def _raw(rows: "dict[str, list[int]]", window: int) -> "Raw":
    scales = {role: 0.001 for role in ROLES if role in rows}
    return Raw(window, CYCLE_US, scales, frozenset(), lambda role, n: rows[role][-n:])
