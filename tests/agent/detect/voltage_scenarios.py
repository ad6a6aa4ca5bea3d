"""Voltage elements walked through tables, by functions that run under CPython and on the board.

Portable: lists and numbers in, lists and numbers out.
"""

from agent.detect import half_cycle, quality
from agent.detect.overvoltage import Overvoltage
from agent.detect.raw import Raw
from agent.detect.supply import displaced, supplied
from agent.detect.undervoltage import Undervoltage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES = ("AB", "BC", "CA")


def undervoltage(share: float, delay_us: int, steps: "list[Any]") -> "list[Any]":
    """[[t_us, word, names, lowest, bounds], ...] with a nominal voltage of 100 V; the bounds are
    those of what the word tells of.
    """
    element = Undervoltage(100.0, share, delay_us, NAMES)
    told: "list[Any]" = []
    for t_us, since_us, volts in steps:
        for word in element.step(t_us, since_us, volts):
            bounds = {
                "dip": element.began_us,
                "dip over": element.ended_us,
                "lost": element.lost_us,
                "found": element.found_us,
            }[word]
            told.append([t_us, word, " ".join(element.low), element.lowest_volts, list(bounds)])
    return told


def overvoltage(share: float, delay_us: int, steps: "list[Any]") -> "list[Any]":
    """[[t_us, answer, names, highest, bounds of the beginning], ...]"""
    element = Overvoltage(100.0, share, delay_us, NAMES)
    told: "list[Any]" = []
    for t_us, since_us, volts in steps:
        answer = element.step(t_us, since_us, volts)
        if answer:
            highest, bounds = element.highest_volts, list(element.began_us)
            told.append([t_us, answer, " ".join(element.high), highest, bounds])
    return told


def beyond(pickup: float, back: float, hold_us: int, spans: "list[Any]") -> "list[Any]":
    """[[t_us, answer, most, since, until], ...] of looks of 80 ms; spans: [until ms, value]."""
    element = quality.Beyond(pickup, back, hold_us)
    told: "list[Any]" = []
    t_us = 0
    for until_ms, value in spans:
        while t_us < until_ms * 1000:
            t_us += 80000
            answer = element.step(t_us, t_us - 80000, value)
            if answer:
                since, until = list(element.since_us), list(element.until_us)
                told.append([t_us, answer, element.most, since, until])
    return told


def unbalance(phasors: "list[Any]", least: float) -> "float | None":
    """None where it is not told."""
    share = quality.unbalance([(re, im) for re, im in phasors], least)
    return share if share >= 0.0 else None


def turn(earlier: "list[float]", later: "list[float]") -> "float | None":
    """Cycles; None where it is not told."""
    cycles = quality.turn((earlier[0], earlier[1]), (later[0], later[1]))
    return cycles if abs(cycles) < 1.0 else None


def effective(volts: "list[float]", line: "list[float | None]") -> "list[Any]":
    """What 100 V phases are supplied with, and whether their sizes alone show an earth fault."""
    known = [float("nan") if u is None else u for u in line]
    seen = supplied((volts[0], volts[1], volts[2]), known, 100.0)
    return [list(seen), displaced(volts, 100.0)]


def urms(rows: "dict[str, list[int]]", window: int, by_phase: bool) -> "list[float | None]":
    """Of the last cycle, one volt a count; None where it is not known."""
    names = half_cycle.PHASES if by_phase else half_cycle.PAIRS
    return [u if u >= 0.0 else None for u in half_cycle.rms(_raw(rows, window), names)]


def edge(rows: "dict[str, list[int]]", window: int, name: str, back: float) -> "float | None":
    """Cycles since the wave left what it was."""
    return half_cycle.edge_cycles(_raw(rows, window), name, back)


def _raw(rows: "dict[str, list[int]]", window: int) -> "Raw":
    def take(role: str, count: int) -> "list[int]":
        return rows[role][-count:]

    return Raw(window, 20000, dict.fromkeys(rows, 1.0), frozenset(), take)
