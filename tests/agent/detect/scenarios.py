"""Elements walked through a table of samples, by functions that run under CPython and on the board.

Portable: lists and numbers in, lists and numbers out.
"""

from agent.detect import faulted_phase, inrush, look, tables
from agent.detect import inverse_time as inverse_time_element
from agent.detect.definite_time import DefiniteTime
from agent.detect.frequency import Frequency
from agent.detect.inverse_time import InverseTime
from agent.detect.overcurrent import Overcurrent
from agent.detect.raw import Raw
from agent.detect.short_circuit import ShortCircuit
from agent.detect.supply import Supply
from agent.detect.timed import TimedStages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def overcurrent(pickup_amps: float, hold_us: int, drop_us: int, steps: "list[Any]") -> "list[Any]":
    """[[t_us, answer], ...] wherever the element says START or DROP."""
    element = Overcurrent(len(steps[0][1]), pickup_amps, hold_us, drop_us)
    answers = [[t_us, element.step(t_us, currents)] for t_us, currents in steps]
    return [answer for answer in answers if answer[1]]


def short_circuit(
    cycle_us: int, steps: "list[Any]", rows: "Any" = None, window: int = 0
) -> "list[Any]":
    """[[t_us, word, kind, element, onset_us], ...] with pickups of 100 A (50P) and 20 A (50N).

    rows: the samples [A] of the phases, the last at the last step; None: a meter that has none.
    """
    element = ShortCircuit(100.0, 20.0, 5.0, cycle_us)
    told = []
    before = 0 if rows is None else len(rows[0]) - len(steps)
    for k, (t_us, currents, residual, changes) in enumerate(steps):

        def look(end: int = before + k + 1) -> "Raw | None":
            return None if rows is None else raw(_residual(rows), end, window, cycle_us)

        word = element.step(t_us, currents, residual, changes, look)
        if word:
            told.append([t_us, word, element.kind, element.element, element.onset_us])
    return told


def judge(
    rows: "Any",
    window: int,
    age: float,
    crossing: bool,
    earth_only: bool,
    gapped: "list[int]",
) -> "list[Any]":
    """What the last samples of the three phases [A] are, with a pickup of 100 A."""
    waves = _waves(rows, window)
    j = inrush.judge(waves, 100.0, age, crossing, earth_only, gapped)
    shares = [j.residual_share, j.harmonic_share, j.gap_share, j.run_share, j.earth_share]
    return [j.verdict, j.proof, shares, j.short, j.gapped]


def age_of(rows: "Any", window: int) -> "float | None":
    """Cycles since the currents left what they were."""
    return inrush.age_of(_waves(rows, window))


def _waves(rows: "Any", window: int) -> "inrush.Waves":
    return inrush.waves_of(raw(_residual(rows), len(rows[0]), window, 20_000))


def _residual(rows: "Any") -> "dict[str, list[int]]":
    """The phases by role, and their sum where there are three."""
    total = [a + b + c for a, b, c in zip(rows[0], rows[1], rows[2])] if rows[2] else []
    named = dict(zip(("ia", "ib", "ic"), rows))
    named["i0"] = total
    return {role: row for role, row in named.items() if row}


def raw(rows: "dict[str, list[int]]", end: int, window: int, cycle_us: int) -> "Raw":
    """The samples before `end`, one unit a count."""

    def take(role: str, count: int) -> "list[int]":
        return rows[role][max(0, end - count) : end]

    return Raw(window, cycle_us, dict.fromkeys(rows, 1.0), frozenset(), take)


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


def kind(shares: "Any", residual_amps: float, largest_amps: float) -> str:
    """The faulted-phase word, by currents alone."""
    grounded = residual_amps >= faulted_phase.GROUND_SHARE * largest_amps
    return faulted_phase.name(faulted_phase.involved(shares), grounded)


def returning(shares: "tuple[float, float, float]") -> str:
    """Phases of a fault without earth that shows in one."""
    return faulted_phase.not_alone(shares)


def table(rate_num: int, rate_den: int, frequency_mhz: int) -> "list[Any]":
    """The tables of a tuning, flat: length, gains, slope, cosines, sines, turns."""
    tuning = tables.tuned(rate_num, rate_den, frequency_mhz)
    numbers = [tuning.length, tuning.even_gain, tuning.odd_gain, tuning.slope]
    numbers += tuning.cosine + tuning.sine + tuning.turn_cosine + tuning.turn_sine
    cosine, sine = tables.harmonic(tuning.length, 2)
    return numbers + cosine + sine


def inverse_time(arguments: "list[Any]", spans: "list[Any]") -> "list[Any]":
    """[[t_us, answer, start, places], ...] wherever the element says anything.

    arguments: those of InverseTime after `count`; spans: [[until ms, currents], ...], stepped
    every 4 ms. Made here, since a table of seconds is more than the board's memory holds.
    """
    element = InverseTime(len(spans[0][1]), *arguments)
    told = []
    t_us = 0
    for until_ms, currents in spans:
        while t_us < until_ms * 1000:
            answer = element.step(t_us, t_us - 20000, currents)
            if answer:
                told.append([t_us, answer, element.since_us, element.places])
            t_us += 4000
    return told


def curve(name: str, ratios: "list[float]") -> "list[Any]":
    """Speeds of the disc: the whole table, and between its points."""
    table = inverse_time_element.speeds(name)
    return [table, [inverse_time_element.speed(table, ratio) for ratio in ratios]]


def definite_time(delay_us: int, credit_us: int, steps: "list[Any]") -> "list[Any]":
    """[[t_us, start], ...] wherever the stage operates."""
    element = DefiniteTime(delay_us, credit_us)
    return [
        [t, element.since_us] for t, [started, above] in steps if element.step(t, started, above)
    ]


def frequency(tuned_mhz: int, window_mhz: int, looks: "list[Any]") -> "list[Any]":
    """What to tune to after each look; a look is [phasor now, phasor one window earlier]."""
    element = Frequency(45000, 65000)
    return [element.step(tuned_mhz, window_mhz, now, earlier) for now, earlier in looks]


class Keys:
    """Stands for Settings, which the board has in another form."""

    def __init__(self, values: "dict[str, Any]") -> None:
        for name, value in values.items():
            setattr(self, name, value)


def timed(values: "dict[str, Any]", spans: "list[Any]") -> "list[Any]":
    """[[t_us, element, since_us, phases], ...] of the stages, stepped every 4 ms.

    spans: [[until ms, currents, residual, [50P stands, 50N stands]], ...]; the last answer is
    whether all are idle.
    """
    stages = TimedStages(Keys(values), 20000)  # type: ignore[arg-type]  # the same attributes
    told: "list[Any]" = []
    t_us = 0
    for until_ms, currents, residual, starts in spans:
        while t_us < until_ms * 1000:
            for name, since_us, phases, _ in stages.step(
                t_us, t_us - 20000, currents, residual, starts
            ):
                told.append([t_us, name, since_us, phases])
            t_us += 4000
    return told + [stages.idle()]


def look_phasor(scale: float, window: int, parts: "list[list[float]]") -> "list[list[float]]":
    """The fifth harmonic of all cycles, and the fundamental of the second one."""
    total = [sum(column) for column in zip(parts[0], parts[1], parts[2], parts[3])]
    channel = look.Channel(scale, window, parts, total, [0.0] * 4, [0.0] * 3, 0.0, 0.0)
    return [list(channel.phasor(5)), list(channel.cycle(1, 1))]
