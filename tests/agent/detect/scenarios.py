"""Elements walked through a table of samples, by functions that run under CPython and on the board.

Portable: lists and numbers in, lists and numbers out.
"""

from agent.detect import faulted_phase, tables
from agent.detect.overcurrent import Overcurrent
from agent.detect.short_circuit import ShortCircuit
from agent.detect.supply import Supply
from agent.detect.undervoltage import Undervoltage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def overcurrent(pickup_amps: float, hold_us: int, drop_us: int, steps: "list[Any]") -> "list[Any]":
    """[[t_us, answer], ...] wherever the element says START or DROP."""
    element = Overcurrent(len(steps[0][1]), pickup_amps, hold_us, drop_us)
    answers = [[t_us, element.step(t_us, currents)] for t_us, currents in steps]
    return [answer for answer in answers if answer[1]]


def short_circuit(cycle_us: int, steps: "list[Any]") -> "list[Any]":
    """[[t_us, word, kind, element, onset_us], ...] with pickups of 100 A (50P) and 20 A (50N)."""
    element = ShortCircuit(100.0, 20.0, 5.0, cycle_us)
    told = []
    for t_us, currents, residual, changes in steps:
        word = element.step(t_us, currents, residual, changes)
        if word:
            told.append([t_us, word, element.kind, element.element, element.onset_us])
    return told


def supply(
    nominal_volts: float, dead_hold_us: int, live_hold_us: int, steps: "list[Any]"
) -> "list[Any]":
    """[[t_us, state, phases, earliest_us, latest_us], ...]"""
    element = Supply(nominal_volts, dead_hold_us, live_hold_us)
    told = []
    for t_us, since_us, volts, faulted in steps:
        change = element.step(t_us, since_us, volts, faulted)
        if change:
            told.append([t_us] + list(change))
    return told


def undervoltage(
    nominal_volts: float, share: float, delay_us: int, steps: "list[Any]"
) -> "list[Any]":
    """[[t_us, phases, onset_us], ...]"""
    element = Undervoltage(nominal_volts, share, delay_us)
    told = []
    for t_us, since_us, volts in steps:
        if element.step(t_us, since_us, volts):
            told.append([t_us, element.phases, element.onset_us])
    return told


def kind(shares: "Any", residual_amps: float, largest_amps: float) -> str:
    """The faulted-phase word."""
    return faulted_phase.kind(shares, residual_amps, largest_amps)


def table(rate_num: int, rate_den: int, frequency_mhz: int) -> "list[Any]":
    """The tables of a tuning, flat: length, gains, slope, cosines, sines, turns."""
    tuning = tables.tuned(rate_num, rate_den, frequency_mhz)
    numbers = [tuning.length, tuning.even_gain, tuning.odd_gain, tuning.slope]
    numbers += tuning.cosine + tuning.sine + tuning.turn_cosine + tuning.turn_sine
    cosine, sine = tables.harmonic(tuning.length, 2)
    return numbers + cosine + sine
