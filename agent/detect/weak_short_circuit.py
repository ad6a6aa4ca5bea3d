"""A short circuit that stays below 50P: what it adds is a negative sequence that stays, or it takes
the voltage of all three phases.

Between two phases the currents that were added are equal and opposite and the third has none; a
torn conductor adds half of what it lost to both others. Their negative sequence returns through the
source, so that the voltages' one says on which side of the bay it is driven; and they flow through
a line, not into a load between two phases, whose power factor is 0.9 by contract. Three phases are
a load unless the voltage is down, and down by these very currents. All must be so at two looks that
find the same: an inrush decays and has a second harmonic, poles that close apart are over by then.

Without voltages nothing is told: the motors behind a bay answer a neighbour's fault in just this
way, with up to three times their rating.

Source: IEEE C37.2, 46 and 51V; E. O. Schweitzer, J. B. Roberts, "Distance relay element design",
1993 (negative-sequence direction); GB 50052, power factor of consumers.

Portable.
"""

import math

from agent.detect import direction, sequences, tables
from agent.detect.impedance import dot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.detect.raw import Raw
    from agent.detect.sequences import Phasor

    Circle = tuple[list[int], list[int]]
    Phasors = list[Phasor]
    Three = tuple[float, float, float]

# Looks, in cycles since the change was seen: the window is whole, an offset of lines is gone, and
# what was before is still in memory.
AGES = (2.0, 3.0, 4.0)
# Two looks find the same when the added currents differ by less: an inrush loses more in a cycle
# until its second harmonic shows, measured currents and an arc's differ by some per cent.
STEADY_SHARE = 0.1
# What may pass for the third phase's: see faulted_phase.INVOLVED_SHARE; half is a torn conductor.
THIRD_SHARE = 0.4
# The largest phase carries at least so much more than before.
GROWN = 1.2
# Second harmonic of the largest current: relays restrain from 0.15 on; an arc has odd ones.
SECOND_HARMONIC = 0.1
# Of the nominal voltage: a negative sequence that stands out of noise of 40 dB, 0.1 % in a cycle of
# 80 samples. A source of 200 MVA shows 0.4 % from 45 A on.
LEAST_VOLTS = 0.004
# X/R of what the added current flows through: a load between two phases of power factor 0.9 has
# 0.48, a line 0.3 to 2.1. More than the rating between two phases alone is no load.
LOAD_STEEPEST = 0.7
# No load returns through earth: of the largest phase what the sum of three must be, as much as
# transformers that differ feign, and of the phase voltage what the neutral must move by with it.
EARTH_SHARE, EARTH_VOLTS = 0.1, 0.02
# The voltage that is left of all three when they are faulted; no start takes so much.
LEFT_VOLTS = 0.7
# The source behind is an inductance with some resistance: -10 to 110 degrees.
SOURCE_COSINE, SOURCE_SINE, SOURCE_LEAST = 0.64278761, 0.76604444, 0.5
# What is left of what it added when it is over.
OVER_SHARE = 0.5
# What flowed before ends so much ahead of where the change was seen. [cycles]
SEEN_LATE = 0.125
PHASES = ("ia", "ib", "ic"), ("ua", "ub", "uc")


class WeakShortCircuit:
    """start_amps: negative sequence from which on something is looked at; rating_amps: of the bay;
    phase_volts: nominal, to earth, 0 where there are none. All RMS, primary.

    told: one stands. `shares` what it added to each phase, `why` the quantities, `direction` and
    `since_us` after `step` has told one.
    """

    def __init__(
        self, start_amps: float, rating_amps: float, phase_volts: float, cycle_us: int
    ) -> None:
        self.told = False
        self.shares: "Three" = (0.0, 0.0, 0.0)
        self.direction = direction.Direction()
        self.since_us = 0
        self.why: "dict[str, float]" = {}
        self._start_amps = start_amps
        self._rating_amps = rating_amps
        self._phase_volts = phase_volts
        self._cycle_us = cycle_us
        self._next = len(AGES)
        self._moved = False
        self._last: "Added | None" = None
        self._over_amps = 0.0

    def idle(self) -> bool:
        """True when currents that do not change would change nothing here."""
        return not self.told and not self._moved and self._next == len(AGES)

    def dues_us(self) -> "list[int]":
        """The looks to come."""
        if self._next == len(AGES):
            return []
        return [self.since_us + round(AGES[self._next] * self._cycle_us)]

    def step(self, t_us: int, moving: bool, look: "Callable[[], Raw | None]") -> bool:
        """Whether one is told at this sample. moving: some current changes."""
        if moving and not self._moved and self._next == len(AGES):
            self.since_us, self._next, self._last = t_us, 0, None
        self._moved = moving
        dues_us = self.dues_us()
        if self.told or not dues_us or t_us < dues_us[0]:
            return False
        self._next += 1
        raw = look()
        found = None if raw is None else self._found(raw, (t_us - self.since_us) / self._cycle_us)
        before, self._last = self._last, found
        if found is None or before is None or not found.like(before):
            return False
        self._tell(found)
        return True

    def over(self, currents: "Three") -> bool:
        """Whether the one that was told is over; currents: RMS."""
        if self.told and max(currents) < self._over_amps:
            self.told = False
        return not self.told

    def end(self) -> None:
        """Nothing is looked for any more: another element has told it, or it is over."""
        self.told, self._next, self._last = False, len(AGES), None

    def _tell(self, found: "Added") -> None:
        self.told = True
        self._next = len(AGES)
        self.shares = found.shares
        self.direction = found.direction
        self.why = found.why()
        self._over_amps = found.before + OVER_SHARE * (found.largest - found.before)

    def _found(self, raw: "Raw", age: float) -> "Added | None":
        if False in [raw.has(role) for role in PHASES[0] + PHASES[1]]:
            return None
        found = added(raw, age)
        if found is None or not self._grown(found):
            return None
        if not (self._between_two(found) or self._of_all(found)):
            return None
        found.direction = direction.of_phases(raw, age, self._phase_volts)
        return found if self._through_line(found) else None

    def _grown(self, found: "Added") -> bool:
        return (
            found.largest >= GROWN * found.before
            and max(found.shares) >= self._start_amps
            and found.second <= SECOND_HARMONIC * found.largest
        )

    def _between_two(self, found: "Added") -> bool:
        """Two phases carry it, and its negative sequence returns through the source."""
        least, middle, largest = sorted(found.shares)
        if found.negative < self._start_amps or least > THIRD_SHARE * largest:
            return False
        if middle <= THIRD_SHARE * largest:
            return False
        seen = found.source_volts >= LEAST_VOLTS * self._phase_volts
        return seen and found.source_cosine >= SOURCE_LEAST

    def _of_all(self, found: "Added") -> bool:
        """All three carry it, and the voltage of all is down."""
        even = min(found.shares) > THIRD_SHARE * max(found.shares)
        down = found.left_volts < LEFT_VOLTS * min(self._phase_volts, found.before_volts)
        return even and down and found.positive >= self._start_amps

    def _through_line(self, found: "Added") -> bool:
        """It flows ahead and through a line, or is more than any load between two phases."""
        told = found.direction
        if told.word != direction.FORWARD or told.contradicted or told.fit is None:
            return False
        steep = told.fit.second >= LOAD_STEEPEST * told.fit.first
        earthed = found.residual >= EARTH_SHARE * max(found.shares)
        earthed = earthed and found.neutral_volts >= EARTH_VOLTS * self._phase_volts
        return steep or earthed or max(found.shares) >= self._rating_amps


class Added:
    """What one cycle holds beside what the same cycle held before; amperes and volts RMS.

    amps, volts: phasors of the three phases, now and before. second: the largest second harmonic
    of the currents now.

    shares: what was added to each phase; negative, positive: sequences of it, residual: their sum;
    neutral_volts: what U0 changed by. largest, before: the
    largest phase current now and before. source_volts: negative sequence that the voltages lost;
    source_cosine: of the impedance that it is across, to the middle of a source's. left_volts,
    before_volts: positive sequence now and before.
    """

    def __init__(
        self, amps: "tuple[Phasors, Phasors]", volts: "tuple[Phasors, Phasors]", second: float
    ) -> None:
        added = [sequences.minus(now, before) for now, before in zip(amps[0], amps[1])]
        lost = [sequences.minus(before, now) for now, before in zip(volts[0], volts[1])]
        a, b, c = [sequences.size(each) for each in added]
        self.shares: "Three" = (a, b, c)
        zero, positive, negative = sequences.sequences(added[0], added[1], added[2])
        self.residual = 3.0 * sequences.size(zero)
        self.positive, self.negative = sequences.size(positive), sequences.size(negative)
        self.largest, self.before = [max([sequences.size(p) for p in of]) for of in amps]
        self.second = second
        neutral, _, taken = sequences.sequences(lost[0], lost[1], lost[2])
        self.neutral_volts = sequences.size(neutral)
        self.source_volts = sequences.size(taken)
        self.source_cosine = _along(sequences.over(taken, negative))
        self.left_volts, self.before_volts = [
            sequences.size(sequences.sequences(u[0], u[1], u[2])[1]) for u in volts
        ]
        self.direction = direction.Direction()

    def like(self, other: "Added") -> bool:
        """Whether this is what the other was."""
        allowed = STEADY_SHARE * max(self.shares)
        return max([abs(x - y) for x, y in zip(self.shares, other.shares)]) <= allowed

    def why(self) -> "dict[str, float]":
        """The quantities."""
        return {
            "added_a": self.shares[0],
            "added_b": self.shares[1],
            "added_c": self.shares[2],
            "added_negative_amps": self.negative,
            "added_positive_amps": self.positive,
            "added_residual_amps": self.residual,
            "added_neutral_volts": self.neutral_volts,
            "before_amps": self.before,
            "largest_amps": self.largest,
            "second_harmonic_amps": self.second,
            "source_negative_volts": self.source_volts,
            "source_negative_cosine": self.source_cosine,
            "positive_volts": self.left_volts,
            "positive_volts_before": self.before_volts,
        }


def added(raw: "Raw", age: float) -> "Added | None":
    """age: cycles since the change; None where there are too few samples before it."""
    window = raw.window
    back = window * (1 + int(age + SEEN_LATE))
    if len(raw.last("ia", back + window)) < back + window:
        return None
    first, second = tables.harmonic(window, 1), tables.harmonic(window, 2)
    amps, volts = [
        (_phasors(raw, roles, 0, first), _phasors(raw, roles, back, first)) for roles in PHASES
    ]
    harmonics = [sequences.size(each) for each in _phasors(raw, PHASES[0], 0, second)]
    return Added(amps, volts, max(harmonics))


def _phasors(raw: "Raw", roles: "tuple[str, ...]", back: int, circle: "Circle") -> "Phasors":
    """RMS, of the cycle that ended `back` samples ago."""
    found = []
    for role in roles:
        samples, scale = raw.wave(role, back + raw.window)
        samples = samples[: raw.window]
        norm = scale * math.sqrt(2.0) / (tables.SCALE * raw.window)
        found.append((norm * dot(circle[0], samples), -norm * dot(circle[1], samples)))
    return found


def _along(p: "Phasor") -> float:
    size = sequences.size(p)
    return (p[0] * SOURCE_COSINE + p[1] * SOURCE_SINE) / size if size else 0.0
