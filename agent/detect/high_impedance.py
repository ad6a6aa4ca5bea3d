"""A high-impedance fault: an arc on dry ground, told by the shape of its current over many looks.

A conductor on sand, asphalt or a branch burns: nothing flows until the voltage strikes through, so
that the current is pointed, with a third harmonic; the two half cycles strike at different
voltages, which makes even harmonics; and no cycle is like the one before. A load hangs between
phases and shows in 3I0 only by the error of the transformers, a resistance is as even as the
voltage. So an arc is what adds to 3I0 a current that shows two of these three, look after look.

What is held against a look is learned while nothing is suspicious: the mean of each quantity over
some seconds, and how far it strays.

Sources: A. E. Emanuel et al., "High impedance fault arcing on sandy soil in 15 kV distribution
feeders", IEEE Trans. Power Delivery 5, 1990; A. Ghaderi et al., "High impedance fault detection: a
review", Electric Power Systems Research 143, 2017 (currents, harmonics, asymmetry, randomness).

Portable.
"""

import math

from agent.detect.sequences import minus, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.detect.look import Channel, Look

    Phasor = tuple[float, float]

TOLD, OVER = 1, -1
CURRENTS, VOLTAGES = ("ia", "ib", "ic"), ("ua", "ub", "uc")

# Two diodes of 0.8 to 2.6 kV before a phase voltage of 5.8 kV make a third harmonic of 5 to 15 %
# of the fundamental; errors of sensors and the harmonics of a charging current stay below.
THIRD = 0.05
# Half cycles that strike at voltages a fifth apart.
UNEVEN = 0.03
# From cycle to cycle the ground burns by tenths of the current; a load step is in one cycle only.
RANDOM = 0.08
WITNESSES = 2
# What is learned strays by chance up to this many times its mean deviation, once in 10^4.
STRAYS = 5.0
# RMS of the difference of two roundings.
LAST_DIGIT = 0.41
# By so much the sum of three transformers, or a core around all three, errs of what the phase
# currents changed. (classes 5P; IEC 61869-2)
SUM_ERROR, CORE_ERROR = 0.06, 0.005
# Looks of evidence until it is told, 0.4 s: shorter arcs are those of switches.
ENOUGH = 5
# Looks without evidence until it is over: 2 s.
GONE = 25
# Looks that have to be learned from before any is judged, and those that are remembered: 2.5 s.
LEARNED, MEMORY = 1, 32
# A reference has at least this share of the largest of its kind.
LEAST_REFERENCE = 0.5


class Shape:
    """One look at 3I0, all RMS primary, angles against the reference: a voltage that stands."""

    def __init__(self, look: "Look", reference: "Phasor") -> None:
        residual = look.channels["i0"]
        # The middle one of three: a step is in one of them, an arc in all.
        self.random = _middle(residual.jitter())
        self.noise = _noise(residual)
        phases = [look.channels[role] for role in CURRENTS if role in look.channels]
        self.phase_noise = max([_noise(phase) for phase in phases] + [0.0])
        self.first = turned(residual.phasor(1), reference, 1)
        self.third = turned(residual.phasor(3), reference, 3)
        self.even = _even(residual)
        self.phases = [_first(look.channels.get(role), reference) for role in CURRENTS]
        self.neutral = _first(look.channels.get("u0"), reference)


class Quiet:
    """Mean and mean deviation of a quantity, a pair or one number, over the quiet looks."""

    def __init__(self) -> None:
        self.mean: "Phasor" = (0.0, 0.0)
        self.strays = 0.0

    def away(self, value: "Phasor") -> float:
        """How far it lies from the mean."""
        return size((value[0] - self.mean[0], value[1] - self.mean[1]))

    def learn(self, value: "Phasor", share: float) -> None:
        """Take one more, that counts for so much; all of it is the first one."""
        if share == 1.0:
            self.mean = value
            return
        re, im = self.mean
        along, aside = value[0] - re, value[1] - im
        self.strays += share * (math.sqrt(along * along + aside * aside) - self.strays)
        self.mean = re + share * along, im + share * aside


class HighImpedance:
    """least_amps: of 3I0's fundamental. evidence: looks that showed an arc, less those that did
    not since; shape, added_amps, ...: of the last look.
    """

    def __init__(self, least_amps: float) -> None:
        self.least_amps = least_amps
        self.evidence = 0
        self.told = False
        self.first_us: "int | None" = None
        self.shape: "Shape | None" = None
        self.least = self.added_amps = self.third_amps = self.even_amps = self.random_amps = 0.0
        self.added: "Phasor" = (0.0, 0.0)
        self.added_neutral: "Phasor" = (0.0, 0.0)
        self.added_phases: "list[Phasor]" = []
        self._role = ""
        self._forget()

    def look(self, look: "Look", held: bool) -> int:
        """TOLD, OVER or 0. held: something else explains what moves, or a sensor lies."""
        role, reference = self._standing(look)
        if "i0" not in look.channels or reference is None:
            return 0
        if role != self._role:
            self._role = role
            self._forget()
        self.shape = shape = Shape(look, reference)
        if held or self._looks < LEARNED:
            if not held:
                self._learn(shape)
            return self._without()
        self._measure(shape, look)
        if not self._arcs(look):
            if self.added_amps < self.least and self.evidence == 0:
                self._learn(shape)
            return self._without()
        self._missing = 0
        self.evidence = min(self.evidence + 1, 2 * ENOUGH)
        if self.first_us is None:
            self.first_us = look.since_us
        if self.told or self.evidence < ENOUGH:
            return 0
        self.told = True
        return TOLD

    def learned(self) -> "list[float]":
        """What the slow looks have taught, for a record that begins here; see bay.py."""
        role = (VOLTAGES + CURRENTS).index(self._role) if self._role else -1
        counts = role, self._looks, self._missing, self.evidence, self.told
        numbers = [float(count) for count in counts]
        for quiet in self._quiets():
            numbers += [quiet.mean[0], quiet.mean[1], quiet.strays]
        return numbers + [self._noise, self._phase_noise]

    def relearn(self, numbers: "Sequence[float]") -> None:
        """Go on from that; when what burns already began is not known any more."""
        role, looks, missing, evidence, told = [int(number) for number in numbers[:5]]
        self._role = "" if role < 0 else (VOLTAGES + CURRENTS)[role]
        self._looks, self._missing, self.evidence, self.told = looks, missing, evidence, bool(told)
        for place, quiet in enumerate(self._quiets()):
            re, im, quiet.strays = numbers[5 + 3 * place : 8 + 3 * place]
            quiet.mean = re, im
        self._noise, self._phase_noise = numbers[-2], numbers[-1]

    def _quiets(self) -> "list[Quiet]":
        shapes = [self._first, self._third, self._even, self._random]
        return shapes + self._phases + [self._neutral]

    def noise(self) -> float:
        """Of one quadrature of a phase current, as learned."""
        return max([each.strays for each in self._phases] + [self._phase_noise])

    def neutral_noise(self) -> float:
        """The same of U0."""
        return self._neutral.strays

    def why(self) -> "dict[str, float | int]":
        """The last look against what it was held against."""
        return {
            "added_amps": self.added_amps,
            "least_amps": self.least,
            "third_amps": self.third_amps,
            "even_amps": self.even_amps,
            "random_amps": self.random_amps,
            "noise_amps": self._noise,
            "third_strays": self._third.strays,
            "even_strays": self._even.strays,
            "random_strays": self._random.strays,
            "evidence_percent": 100 * self.evidence // ENOUGH,
            "quiet_looks": self._looks,
        }

    def _forget(self) -> None:
        self._first, self._third, self._even, self._random = Quiet(), Quiet(), Quiet(), Quiet()
        self._phases = [Quiet(), Quiet(), Quiet()]
        self._neutral = Quiet()
        self._noise = self._phase_noise = 0.0
        self._looks = 0
        self._missing = 0
        self.evidence = 0

    def reference(self, look: "Look") -> "Phasor | None":
        """The direction that all angles are taken from; None where nothing stands."""
        return self._standing(look)[1]

    def _standing(self, look: "Look") -> "tuple[str, Phasor | None]":
        """The first voltage, else current, that stands; and its direction."""
        for roles in (VOLTAGES, CURRENTS):
            found = [(role, look.channels[role]) for role in roles if role in look.channels]
            largest = max([channel.size() for _, channel in found] + [0.0])
            for role, channel in found:
                length = channel.size()
                if largest > 0.0 and length >= LEAST_REFERENCE * largest:
                    re, im = channel.phasor()
                    return role, (re / length, im / length)
        return "", None

    def _measure(self, shape: Shape, look: "Look") -> None:
        """What the look adds to what is quiet."""
        self.added = minus(shape.first, self._first.mean)
        self.added_amps = size(self.added)
        self.third_amps = self._third.away(shape.third)
        self.even_amps = shape.even - self._even.mean[0]
        self.random_amps = shape.random - self._random.mean[0]
        self.added_neutral = minus(shape.neutral, self._neutral.mean)
        self.added_phases = [minus(x, q.mean) for x, q in zip(shape.phases, self._phases)]
        changed = max([size(x) for x in self.added_phases])
        self.least = max(
            self.least_amps,
            # A noise that comes and goes is in no mean, an arc's own is a tenth of what it adds.
            STRAYS * max(self._first.strays, self._noise, shape.noise),
            _error(look) * changed,
        )

    def _arcs(self, look: "Look") -> bool:
        if self.added_amps < self.least:
            return False
        # What transformers may make of the phase currents' own distortion.
        error, phases = _error(look), [look.channels[r] for r in CURRENTS if r in look.channels]
        third = error * max([each.size(3) for each in phases] + [0.0])
        even = error * max([_even(each) for each in phases] + [0.0])
        random = error * max([max(each.jitter()) for each in phases] + [0.0])
        witnesses = (
            (self.third_amps, THIRD, max(self._third.strays, self._noise), third),
            (self.even_amps, UNEVEN, max(self._even.strays, 2.0 * self._noise), even),
            (self.random_amps, RANDOM, max(self._random.strays, 2.0 * self._noise), random),
        )
        seen = [
            amps >= max(share * self.added_amps, STRAYS * strays, feigned)
            for amps, share, strays, feigned in witnesses
        ]
        return sum(seen) >= WITNESSES

    def _learn(self, shape: Shape) -> None:
        pairs = (
            (self._first, shape.first),
            (self._third, shape.third),
            (self._even, (shape.even, 0.0)),
            (self._random, (shape.random, 0.0)),
            (self._neutral, shape.neutral),
        )
        share = 1.0 / min(self._looks + 1, MEMORY)
        self._noise += share * (shape.noise - self._noise)
        self._phase_noise += share * (shape.phase_noise - self._phase_noise)
        for quiet, value in pairs:
            quiet.learn(value, share)
        for quiet, value in zip(self._phases, shape.phases):
            quiet.learn(value, share)
        self._looks += 1

    def _without(self) -> int:
        """A look that shows none."""
        self.evidence = max(self.evidence - 1, 0)
        if self.evidence == 0 and not self.told:
            self.first_us = None
        self._missing += 1
        if self._missing == GONE:
            # What stands for two seconds is how this feeder is now, arc or not.
            told = self.told
            self.told, self.first_us = False, None
            self._forget()
            return OVER if told else 0
        return 0


def _error(look: "Look") -> float:
    """The share of the phase currents that 3I0 may err by."""
    return SUM_ERROR if "i0" in look.summed else CORE_ERROR


def _noise(channel: "Channel") -> float:
    """Of a phasor, from what differs from cycle to cycle, of the last digit at least."""
    least = max(_middle(channel.jitter()), LAST_DIGIT * abs(channel.scale))
    return least / (2.0 * math.sqrt(channel.window))


def _middle(three: "list[float]") -> float:
    return sorted(three)[1]


def _even(channel: "Channel") -> float:
    return channel.size(2) + channel.size(4)


def turned(phasor: "Phasor", by: "Phasor", times: int) -> "Phasor":
    """The phasor of a harmonic as seen from the direction `by`."""
    re, im = phasor
    for _ in range(times):
        re, im = re * by[0] + im * by[1], im * by[0] - re * by[1]
    return re, im


def _first(channel: "Channel | None", reference: "Phasor") -> "Phasor":
    return (0.0, 0.0) if channel is None else turned(channel.phasor(), reference, 1)
