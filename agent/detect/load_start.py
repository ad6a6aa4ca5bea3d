"""What lifts three phases over pickup and is no fault: a motor's start, a load that returns.

By size, voltage and angle: a start is limited, leaves the voltage up, and flows through no line's
impedance. Where transformers come along their inrush is in it: a load fills the gaps that prove an
inrush, but leaves its second harmonic. A start that was told goes on until something lifts the
currents anew.

Portable.
"""

from agent.detect import direction, inrush
from agent.detect.overcurrent import DROP_RATIO, SURE_RATIO

# Loads differ between phases by a few per cent, rarely by a tenth; two-phase faults by half.
BALANCED_SHARE = 0.8
# Three equal phases that grow to less than this are a motor's start or a load's return, unless the
# voltages show a fault: bars are held from twice the pickup on, and a sinusoid's size is known to a
# twentieth when it is told.
START_LIMIT = 1.7
# With inrush in it a current below this is no fault of twice the pickup, for the two add up. What
# lies beneath is known when the inrush is gone.
INRUSH_LIMIT = 1.9
SETTLED_AGE = 2.0  # cycles: its whole last one is looked at
# A load that returns brings transformers along, whose inrush is not the same in all phases.
RETURNING_SHARE = 0.5
LARGEST_OVERREACH = 1.25  # of the window filter, while it straddles an inception
# No start and no load takes so much of the voltage; a motor is planned for a tenth of it.
STARTING_VOLTS = 0.7
# A line's impedance, with an arc or without, lies between these angles (15 and 66 degrees; overhead
# lines and cables of medium voltage have X/R of 0.3 to 2.1); a rotor that stands still lies above
# (power factor 0.1 to 0.35), a load below.
LINE_FLATTEST, LINE_STEEPEST = 0.27, 2.25
# Where less flowed before, as a share of pickup, all is new: a load that returns has any angle.
LOADED_SHARE = 0.02
# So long after the last pickup a current that hovers there is still the same start's: an inrush
# lasts for half a second. [cycles]
HOVERS_CYCLES = 25

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.impedance import Fit
    from agent.detect.raw import Raw

    Three = tuple[float, float, float]


class LoadStart:
    """pickup_amps: of 50P; phase_volts: nominal, to earth, 0 where there are none.

    told: it is one, and goes on.
    """

    def __init__(self, pickup_amps: float, phase_volts: float, cycle_us: int) -> None:
        self.told = False
        self._pickup_amps = pickup_amps
        self._phase_volts = phase_volts
        self._hovers_us = HOVERS_CYCLES * cycle_us
        self._until_us: "int | None" = None
        self._settled = False
        self._stood_amps = 0.0
        self._anew_us: "int | None" = None

    def tell(self) -> None:
        """It is one."""
        self.told = True
        self._settled = False
        self._anew_us = self._until_us = None

    def dropped(self, t_us: int) -> None:
        """50P has dropped out."""
        if self.told:
            self._settle(DROP_RATIO * self._pickup_amps)
            self._until_us = t_us + self._hovers_us

    def expire(self, t_us: int) -> None:
        """It is over when nothing picks up for long."""
        if self._until_us is not None and t_us >= self._until_us:
            self.told, self._until_us = False, None

    def dues_us(self) -> "list[int]":
        """When it is over."""
        return [] if self._until_us is None else [self._until_us]

    def goes_on(self, t_us: int, changing: bool, largest_amps: float, ripe_us: int) -> bool:
        """Whether all is still the same start. changing: enough was added to explain a pickup;
        ripe_us: how long a change takes to show in the currents. When not, `since_us` is when
        something new began; or it is so large that `stands` must tell.
        """
        self._until_us = None
        if not changing:
            self._settle(largest_amps)
            return largest_amps < INRUSH_LIMIT * self._pickup_amps
        if not self._settled:
            return False  # it is looked at as it develops
        if self._anew_us is None:
            self._anew_us = t_us
        if t_us - self._anew_us < ripe_us or largest_amps < SURE_RATIO * self._stood_amps:
            return True
        self.told = False
        return False

    def since_us(self, since_us: "int | None") -> "int | None":
        """When what is new began, else `since_us`."""
        return (
            since_us if self._anew_us is None or since_us is None else max(since_us, self._anew_us)
        )

    def is_one(
        self,
        raw: "Raw",
        age: float,
        currents: "Three",
        judgement: "inrush.Judgement | None",
        residual_started: bool,
    ) -> bool:
        """Whether this is a start. age: of the change, in cycles; currents: RMS."""
        with_inrush = judgement is not None and _with_inrush(judgement)
        if not with_inrush and max(currents) >= LARGEST_OVERREACH * START_LIMIT * self._pickup_amps:
            return False
        sizes = inrush.sizes_of(inrush.waves_of(raw), age)
        seen = direction.beyond(raw, age)
        if seen is not None and seen.volts < STARTING_VOLTS * self._phase_volts:
            return False
        if with_inrush:
            return inrush.beneath(sizes) < INRUSH_LIMIT * self._pickup_amps
        amps = [size for size, _ in sizes] or [0.0]
        largest = max(amps)
        if residual_started or largest >= START_LIMIT * self._pickup_amps:
            return False
        # What was told as one decays unequally, transformers that it brought along.
        return self.told or self._equal_enough(seen, min(amps) / largest if largest else 0.0)

    def stands(self, raw: "Raw") -> bool:
        """Whether what is large yet, or shows through an inrush, is less without the inrush."""
        sizes = inrush.sizes_of(inrush.waves_of(raw), SETTLED_AGE)
        return inrush.beneath(sizes) < INRUSH_LIMIT * self._pickup_amps

    def _equal_enough(self, seen: "direction.Beyond | None", equal: float) -> bool:
        """By the angle where there are voltages. equal: least current to the largest."""
        balanced = equal >= BALANCED_SHARE
        if seen is None or self._phase_volts <= 0.0 or equal < RETURNING_SHARE:
            return balanced
        if seen.before_amps < LOADED_SHARE * self._pickup_amps:
            return True
        return balanced and not _on_a_line(seen.fit)

    def _settle(self, amps: float) -> None:
        self._settled, self._stood_amps, self._anew_us = True, amps, None


def _with_inrush(judgement: "inrush.Judgement") -> bool:
    """No gap, but a second harmonic, as a load and its transformers have."""
    return judgement.proof == "no gap" and judgement.harmonic_share >= inrush.SECOND_HARMONIC


def _on_a_line(fit: "Fit | None") -> bool:
    """Whether what was added flows through what may be a line."""
    if fit is None:
        return False
    r, x = fit.first, fit.second
    return r > 0.0 and LINE_FLATTEST * r <= x <= LINE_STEEPEST * r
