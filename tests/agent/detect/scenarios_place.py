"""Outcome and distance walked through tables, by functions that run under CPython and on the board.

Portable: lists and numbers in, lists and numbers out.
"""

from agent.detect import distance, line
from agent.detect.outcome import Outcome
from agent.detect.raw import Raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def outcome(steps: "list[Any]") -> "list[Any]":
    """[[t_us, answer, reason], ...] of a bay with 5 A as load, 1000 V as dead and cycles of 20 ms.

    steps: [t_us, what, currents, voltages or before].
    """
    element = Outcome(5.0, 1000.0, 20_000)
    told = []
    for t_us, what, currents, other in steps:
        if what == "fault":
            answer, reason = element.fault(t_us, other), ""
        elif what == "cleared":
            answer = element.cleared(t_us, currents, other)
            reason = element.reason
        else:
            answer, reason = element.step(t_us, currents), ""
        if answer or reason:
            told.append([t_us, answer, reason])
    told.append([element.idle(), element.waiting, element.dues_us()])
    return told


def locate(
    rows: "dict[str, list[int]]", window: int, kind: str, age: int, given: "Any"
) -> "list[Any]":
    """[km, low, high, section, others] to a metre, or [why not]."""

    def take(role: str, count: int) -> "list[int]":
        return rows[role][max(0, len(rows[role]) - count) :]

    raw = Raw(window, 20_000, dict.fromkeys(rows, 0.25), frozenset(), take)
    place = distance.locate(raw, kind, age, line.ways(given, "S1"), True)
    if isinstance(place, str):
        return [place]
    others = [[name, round(km, 3)] for name, km in place.others]
    return [round(place.km, 3), round(place.low, 3), round(place.high, 3), place.section, others]


def ways(given: "Any") -> "list[Any]":
    """[[[name, km, r1, x1], ...], ...]"""
    return [[[s.name, s.km, s.r1, s.x1] for s in way] for way in line.ways(given, "S1")]
