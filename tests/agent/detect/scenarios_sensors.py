"""Torn conductors and sensors that lie, walked under CPython and on the board.

Portable: lists and numbers in, lists and numbers out.
"""

from agent.detect import broken_conductor as gaps
from agent.detect import (
    lost_vt,
    open_ct,
    phase_order,
    sequences,
    stuck_channel,
    troubles,
    trusted_volts,
)
from agent.detect.trouble import Trouble
from agent.detect.wait import Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def components(phasors: "list[Any]") -> "list[Any]":
    """Zero, positive and negative sequence."""
    return [list(each) for each in sequences.sequences(*_pairs(phasors))]


def broken_conductor(rating_amps: float, looks: "list[Any]") -> "list[Any]":
    """[[look, phase, share, behind, forward power, earthed, onset], ...] of looks of 80 ms.

    looks: [currents, [3I0] or [], voltages or [], second harmonic]
    """
    element = gaps.BrokenConductor(rating_amps)
    told = []
    for k, (amps, residual, volts, humps) in enumerate(looks):
        earth = _pairs(residual)[0] if residual else None
        since_us = k * 80000
        now = gaps.standing(since_us + 80000, since_us, _pairs(amps), earth, _pairs(volts), humps)
        gap = element.step(now)
        if gap:
            told.append(
                [k, gap.phase, gap.share, gap.behind, gap.with_source, gap.earthed, gap.onset_us]
            )
    return told


def open_phase(amps: "Any", residual: "Any", least_amps: float) -> "list[Any]":
    """The open and the flipped transformer's phase."""
    earth = tuple(residual) if residual else None
    pairs = _pairs(amps)
    return [
        open_ct.open_phase(pairs, earth, least_amps),
        open_ct.flipped(pairs, earth, least_amps),
    ]


def vanished(rows: "Any", window: int, least: float) -> "int | None":
    """The phase that went flat."""
    return open_ct.vanished(rows, window, least)


def lost(volts: "Any", amps: "Any", nominal_volts: float, least_amps: float) -> str:
    """The phases whose voltage is lost in the measuring."""
    return lost_vt.lost_phases(_pairs(volts), _pairs(amps), nominal_volts, least_amps)


def unshaken(now: "Any", before: "Any", nominal_volts: float, rating_amps: float) -> str:
    """The phases that fell while nothing else moved; [to earth, between phases, amps] each."""
    volts, line, amps = now
    return lost_vt.unshaken(volts, line, amps, before, nominal_volts, rating_amps)


def order(volts: "Any", amps: "Any", least: float) -> "list[Any]":
    """[order of the voltages, of the currents, the pair that would have changed places]"""
    u, i = _pairs(volts), _pairs(amps)
    return [phase_order.order(u, least), phase_order.order(i, least), phase_order.swapped(u, i)]


def channel(row: "Any", window: int, least_counts: float) -> "list[Any]":
    """[stands still, offset, cut flat]"""
    bottom, top = min(row), max(row)
    return [
        stuck_channel.stuck(bottom, top, least_counts),
        stuck_channel.offset(bottom, top),
        stuck_channel.cut_flat(row, window),
    ]


def trouble(after: int, until: int, looks: "list[Any]") -> "list[Any]":
    """What is told at each look."""
    element = Trouble(after, until)
    return [element.step(seen) for seen in looks]


def wait(ages: "Any", cycle_us: int, steps: "list[Any]") -> "list[Any]":
    """[t_us, ...] of the judgements, then whether all is over; a step [t_us, moving] or "look"."""
    element = Wait(tuple(ages), cycle_us)
    told: "list[Any]" = []
    for step in steps:
        if step == "look":
            element.renew()
        elif element.step(step[0], step[1]):
            told.append(step[0])
    return told + [element.over()]


def named(what: str, of: str, summed: bool) -> "list[Any]":
    """[roles, phases, words] of a trouble."""
    kind = (what, of)
    return [troubles.roles(kind, summed), troubles.phases(kind), troubles.said(kind)]


def trusted(volts: "Any", distrusted: "Any") -> "Any":
    """The voltages to go by."""
    left = trusted_volts.trusted(tuple(volts), set(distrusted))
    return None if left is None else list(left)


def _pairs(phasors: "Any") -> "list[Any]":
    return [(re, im) for re, im in phasors]
