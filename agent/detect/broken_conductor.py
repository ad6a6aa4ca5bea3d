"""46BC: one conductor of the way to the load is open, by what its opening changes.

The load behind the gap takes the current I of each phase through here. When phase A opens, its
current is gone, and the two others of that load carry what is left of it in a loop. With no way
back through earth (10 kV loads have none), and y1, y2 for that load's admittances:

    dI1 + dI2 = -I,   dI2 = -k I,   k = y2 / (y1 + y2)      (of phase A, per sequence)

k is 1/2 for loads without motors, up to 0.9 with many; its angle is small. A load that is switched
off between two phases, or unequal in three, lies elsewhere: seen from each phase, k is at most 1/3
or turned by 30 degrees and more. So k tells a gap from a load, and the falling phase its name. The
share of the load behind the gap is -(dI1 + dI2) / I1, and I2/I1 becomes share / (2 - share) without
motors.

An end on the ground adds its earth current to both sequences alike, a third of it each, which is
what 3I0 shows of it: the change is looked at as it is, and less that.

The voltages say where the gap is. Seen from the source's side, U2 is the small drop of I2 on the
way from the source; behind the gap it is what the load makes of I2, a large one.

Source: P. M. Anderson, "Analysis of Faulted Power Systems", 1973, ch. 3 (one line open).

Portable.
"""

from agent.detect.sequences import ZERO, minus, over, plus, sequences, size, turned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.sequences import Phasor

# Between 1/3 (two loads in V, switched off) and 1/2 (a gap before loads without motors).
LEAST_K = 0.42
# An induction motor's y2 is five to seven times y1, and more inductive: 0.88, turned by 7 degrees.
MOST_K = 1.0
# A load between two phases lies 30 degrees aside, 0.29 of k = 1/2; motors 0.1.
MOST_K_SIDE = 0.2
# The load behind the gap may have another power factor than all that flows here: tan of 30 degrees.
MOST_SLANT = 0.577
# From here on it is told as torn. It asks for 0.2; sections' loads are known to a fifth of that.
TORN_SHARE = 0.16
# Down to here it is told as a branch that has lost a phase; below it loads come and go so.
BRANCH_SHARE = 0.08
# What flowed before was a load: nearly alike in three phases, a tenth apart or two where one of its
# branches has lost a phase. A fault's current that goes out, or a load that returns after a sag,
# comes from currents whose negative sequence is as large as the positive one.
MOST_UNEQUAL = 0.3
# No more than all can be lost; transformers err.
MOST_SHARE = 1.15
# All of the load: what flows here flows through the gap.
WHOLE_SHARE = 0.9
# Smallest change of I2 by the rating: five times what noise 40 dB below it leaves in two looks.
LEAST_RATED = 0.008
# A drop of U2 by U1, to that of I2 by I1: 0.08 is the whole voltage drop of a long feeder, 0.15
# what motors in front would make of a source that is unequal.
MOST_DROP = 0.12
NOISE_DROP = 0.004  # of a voltage transformer's noise 40 dB down, in two looks
LEAST_VOLTS = 0.9  # a source's voltage that fell further is the cause itself
# The second harmonic by what fell: an inrush has more; a load has 0.01 of its own.
MOST_HUMPS = 0.15
# Two looks that agree show one and the same change.
AGREEING = 0.25
# Less of 3I0's change than this is no earth current to speak of.
EARTH_SHARE = 0.1
# A fault elsewhere shows in 3I0 alone: one ahead, however it cancels, in I2 as well.
OWN_EARTH_SHARE = 0.25
# A gap leaves the currents unequal. Where they were so before and no longer are, an unequal load
# has gone, of whatever kind. A tenth of unbalance against a gap of 0.2 is as large as its own.
LEFT_SHARE = 0.3
# A change in one phase alone adds the same to all three sequences: an earth current that comes or
# goes, a current transformer that opens. A gap without earth adds nothing to 3I0.
LONE_PHASE = 0.5
# What is compared with was steady: less of the lost current has changed since the look before it. A
# look in whose first instants a load has gone keeps a splinter of it, of either sequence.
STEADY = 0.3
# Without voltages a sag by a short circuit between two phases elsewhere looks like a gap, where
# motors make k of it; it goes with the fault, which the head breaker clears in 0.3 to 0.5 s
# (plant.md). A gap stays: so many looks longer.
HELD_LOOKS = 6
# Looks that are kept: two before, one or two in which it happens, two after.
_KEPT = 6


class Standing:
    """What flows and stands at a bay in one look.

    positive, negative, zero: of the currents of phase A, turned so that U1 is real (I1 where there
    are no voltages), zero: a third of 3I0. [A RMS] phases: a third of the three phase currents'
    sum, which is 3I0 but for what transformers make of it. volts: U1 [V RMS], 0 where there are
    none; unequal: U2 by U1. humps: the largest second harmonic of a phase. [A RMS]
    """

    def __init__(
        self,
        t_us: int,
        since_us: int,
        sequences: "tuple[Phasor, Phasor, Phasor]",
        phases: "Phasor",
        volts: float,
        unequal: "Phasor",
        humps: float,
    ) -> None:
        self.t_us = t_us
        self.since_us = since_us
        self.zero, self.positive, self.negative = sequences
        self.phases = phases
        self.volts = volts
        self.unequal = unequal
        self.humps = humps


def standing(
    t_us: int,
    since_us: int,
    amps: "list[Phasor]",
    residual: "Phasor | None",
    volts: "list[Phasor]",
    humps: float,
) -> "Standing":
    """From the phasors of one look: three currents, 3I0 where it has a sensor, three voltages or
    none. [RMS]
    """
    of_amps = sequences(amps[0], amps[1], amps[2])
    of_volts = sequences(volts[0], volts[1], volts[2]) if volts else None
    return stood(t_us, since_us, of_amps, residual, of_volts, humps)


def stood(
    t_us: int,
    since_us: int,
    of_amps: "tuple[Phasor, Phasor, Phasor]",
    residual: "Phasor | None",
    of_volts: "tuple[Phasor, Phasor, Phasor] | None",
    humps: float,
) -> "Standing":
    """The same from the sequences of the three."""
    phases, positive, negative = of_amps
    zero = phases if residual is None else (residual[0] / 3.0, residual[1] / 3.0)
    reference = positive
    unequal = ZERO
    height = 0.0
    if of_volts is not None:
        _, reference, other = of_volts
        height = size(reference)
        unequal = over(other, reference)
    length = size(reference)
    turned_all = []
    for each in (zero, positive, negative, phases):
        re, im = over(each, reference)
        turned_all.append((re * length, im * length))
    zero, positive, negative, phases = turned_all
    return Standing(t_us, since_us, (zero, positive, negative), phases, height, unequal, humps)


class Gap:
    """A gap in one phase. phase: 0..2; share: of the load through here; k: as above.

    fell: the lost current, load: what flowed in that phase before [A RMS, as in Standing];
    unbalance: I2/I1 after it; with_source: power flowed the normal way before; drop: dU2/U1 by
    dI2/I1, None without voltages; behind: the voltages here are those behind the gap; earthed:
    3I0's share was taken out; onset_us and bounds_us: when it opened.
    """

    def __init__(
        self, phase: int, share: float, k: "Phasor", fell: "Phasor", load: "Phasor"
    ) -> None:
        self.phase = phase
        self.share = share
        self.k = k
        self.fell = fell
        self.load = load
        self.unbalance = 0.0
        self.with_source = True
        self.drop: "float | None" = None
        self.behind = False
        self.earthed = False
        self.onset_us = 0
        self.bounds_us = (0, 0)


class BrokenConductor:
    """Looks one after the other; a gap is told once two looks in a row show the same one, and
    without voltages once it has stayed.
    """

    def __init__(self, rating_amps: float) -> None:
        self.least_amps = LEAST_RATED * rating_amps
        self._looks: "list[Standing]" = []
        self._held: "Gap | None" = None
        self._held_looks = 0

    def forget(self) -> None:
        """What was before is nothing to compare with."""
        self._looks = []
        self._held = None

    def step(self, now: "Standing") -> "Gap | None":
        """What has opened between four or three looks ago and the last one."""
        if self._held is not None:
            return self._stayed(self._held, now)
        gap = self._opened(now)
        if gap is None or now.volts > 0.0:
            return gap
        self._held, self._held_looks = gap, HELD_LOOKS
        return None

    def _stayed(self, gap: Gap, now: "Standing") -> "Gap | None":
        """The gap that was held, once it has stayed; it is dropped where the currents change."""
        since = self._looks[-1]
        moved = max(
            size(minus(now.negative, since.negative)), size(minus(now.positive, since.positive))
        )
        if now.volts > 0.0 or moved > AGREEING * size(gap.fell):
            self.forget()
            self._looks = [now]
            return None
        self._held_looks -= 1
        if self._held_looks > 0:
            return None
        self._held, self._looks = None, [now]
        return gap

    def _opened(self, now: "Standing") -> "Gap | None":
        if self._looks and (self._looks[-1].volts > 0.0) != (now.volts > 0.0):
            self.forget()  # turned by something else
        looks = self._looks
        looks.append(now)
        if len(looks) > _KEPT:
            looks.pop(0)
        for back in range(4, min(len(looks), 5) + 1):
            before = looks[-back]
            if not self._stirred(before, now):
                continue
            gap = self._agreed(before, looks[-2], now)
            if gap and (back == len(looks) or self._steady(looks[-back - 1], before, gap)):
                self._date(gap, looks[-back:])
                self._looks = [now]
                return gap
        return None

    def _stirred(self, before: "Standing", now: "Standing") -> bool:
        moved = size(minus(now.negative, before.negative))
        moved = max(moved, size(minus(now.positive, before.positive)))
        return moved >= self.least_amps

    def _steady(self, earlier: "Standing", before: "Standing", gap: "Gap") -> bool:
        moved = size(minus(before.negative, earlier.negative))
        moved = max(moved, size(minus(before.positive, earlier.positive)))
        return moved <= STEADY * size(gap.fell)

    def _agreed(self, before: "Standing", last: "Standing", now: "Standing") -> "Gap | None":
        """The gap that both looks show."""
        gap = self.judged(before, now)
        if gap is None:
            return None
        other = self.judged(before, last)
        if other is None or other.phase != gap.phase or other.behind != gap.behind:
            return None
        apart = size(minus(other.fell, gap.fell))
        return gap if apart <= AGREEING * size(gap.fell) else None

    def judged(self, before: "Standing", after: "Standing") -> "Gap | None":
        """The gap that makes the one into the other, None where none does."""
        positive = minus(after.positive, before.positive)
        negative = minus(after.negative, before.negative)
        phases = minus(after.phases, before.phases)
        largest = None
        for earth in self._earths(negative, minus(after.zero, before.zero)):
            for phase in range(3):
                gap = self._in(phase, before, positive, negative, earth)
                if gap is None or self._lone(phase, negative, phases):
                    continue
                left = size(minus(turned(after.negative, phase), earth))
                if left < LEFT_SHARE * gap.k[0] * size(gap.fell):
                    continue
                if after.humps > MOST_HUMPS * size(gap.fell):
                    continue
                # An end on the ground makes the share seem smaller; a fuse has none.
                larger = largest is None or gap.share > largest.share
                if larger and self._placed(gap, before, after):
                    largest = gap
        return largest

    def _lone(self, phase: int, negative: "Phasor", phases: "Phasor") -> bool:
        """Whether this phase's current alone has changed."""
        reverse = turned(negative, phase)
        return size(minus(phases, reverse)) < LONE_PHASE * size(reverse)

    def _earths(self, negative: "Phasor", zero: "Phasor") -> "list[Phasor]":
        """What an earth fault may have added to each sequence: a third of 3I0, or nothing."""
        flows, shows = size(zero), size(negative)
        earthed = flows > EARTH_SHARE * shows and shows >= OWN_EARTH_SHARE * flows
        return [ZERO, zero] if earthed else [ZERO]

    def _in(
        self,
        phase: int,
        before: "Standing",
        positive: "Phasor",
        negative: "Phasor",
        earth: "Phasor",
    ) -> "Gap | None":
        """A gap in this phase, by its own sequences; earth: the same in all phases."""
        reverse = minus(turned(negative, phase), earth)
        if size(reverse) < self.least_amps:
            return None
        fell = plus(minus(turned(positive, -phase), earth), reverse)
        load = plus(turned(before.positive, -phase), turned(before.negative, phase))
        if size(load) < 2.0 * self.least_amps:
            return None
        if size(before.negative) > MOST_UNEQUAL * size(before.positive):
            return None
        along, aside = over(fell, load)
        share = -along
        if not BRANCH_SHARE <= share <= MOST_SHARE or abs(aside) > MOST_SLANT * share:
            return None
        k = over(reverse, fell)
        if not LEAST_K <= k[0] <= MOST_K or abs(k[1]) > MOST_K_SIDE:
            return None
        gap = Gap(phase, share, k, fell, load)
        gap.earthed = earth is not ZERO
        return gap

    def _placed(self, gap: "Gap", before: "Standing", after: "Standing") -> bool:
        """Whether the voltages allow it, and on which side of the gap they are."""
        flows = size(after.positive)
        gap.unbalance = size(after.negative) / flows if flows > 0.0 else 0.0
        gap.with_source = before.positive[0] > 0.0
        if before.volts == 0.0 or after.volts == 0.0:
            return True
        moved = size(minus(after.unequal, before.unequal))
        swung = size(minus(after.negative, before.negative))
        swung = max(swung, gap.k[0] * size(gap.fell)) / size(before.positive)
        gap.drop = moved / swung
        if moved <= MOST_DROP * swung + NOISE_DROP and after.volts >= LEAST_VOLTS * before.volts:
            return True
        gap.behind = True
        return gap.share >= WHOLE_SHARE

    def _date(self, gap: "Gap", looks: "list[Standing]") -> None:
        """By how much of the change each look in between shows."""
        before, after = looks[0], looks[-1]
        change = minus(after.negative, before.negative)
        onset_us = looks[-2].since_us
        for between in looks[1:-2]:
            shown = over(minus(between.negative, before.negative), change)[0]
            shown = min(1.0, max(0.0, shown))
            onset_us -= int(shown * (between.t_us - between.since_us))
        gap.onset_us = onset_us
        # Two looks that agree leave so much of the first unsaid.
        first = looks[-2]
        late_us = int(AGREEING * (first.t_us - first.since_us))
        gap.bounds_us = (before.t_us, first.since_us + late_us)
