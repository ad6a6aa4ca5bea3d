"""A short circuit on one bay: 50P and 50N say that, the change of the currents says since when
and on which phases, the shape of the samples that no transformer was energised.

The word is due when an element has started and the change is 5/8 of a cycle old: sooner the
phases cannot be told apart (an offset in one hides the other). From then on the raw samples are
looked at, sixteen times a cycle while all is new and eight times later, until they prove a fault
or show inrush; then it is told as that, and looked at on, for a fault may show through. A start
that no change explains is judged by size: three equal phases little above pickup are a load
beyond its rating, anything else is a fault whose inception was not seen, unless it is inrush.

Portable.
"""

from agent.detect import faulted_phase, inrush
from agent.detect.overcurrent import START, Overcurrent

# A fault that lifts a phase over pickup has added at least this share of it; less is a ripple
# on a load that stands there already.
EXPLAINING_SHARE = 0.25
# Loads differ between phases by a few per cent, rarely by a tenth; two-phase faults by half.
BALANCED_SHARE = 0.8
# Three phase CTs that differ feign a residual of up to a tenth of a heavy current.
STABILISING_SHARE = 0.1
# A load stays below twice the pickup: feeders are planned, protected and fused below that.
LOAD_LIMIT = 2.0

# One phase's inrush restrains another that shows no gap for so many cycles, half a second: relays
# allow up to 60 s and ship with 100 ms, in which one energising in 350 was still without a gap.
CROSS_CYCLES = 25

# Of a change that does not show beside the noise, when an element starts. [cycles]
USUAL_AGE = 0.25

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.detect.raw import Raw

_UNSEEN = ""


class ShortCircuit:
    """The 50P and 50N starts of one bay and the faulted-phase word. All currents RMS, primary.

    change_floor_amps: what the change of a phase must exceed to count as one.
    cycle_us: one nominal cycle.
    After "fault": `kind`, `element` and `onset_us` (None: inception not seen) tell which.
    After "fault" and "inrush": `judgement` tells what the samples showed. inrush: it was told,
    and stands.
    """

    def __init__(
        self,
        phase_pickup_amps: float,
        residual_pickup_amps: float,
        change_floor_amps: float,
        cycle_us: int,
    ) -> None:
        half_us = cycle_us // 2
        self.phase = Overcurrent(3, phase_pickup_amps, half_us, cycle_us)
        self.residual = Overcurrent(1, residual_pickup_amps, half_us, cycle_us)
        self.change_floor_amps = change_floor_amps
        self.cycle_us = cycle_us
        self.ripe_us = cycle_us * 5 // 8
        self.element = _UNSEEN
        self.kind = _UNSEEN
        self.onset_us: "int | None" = None
        self._changed_since: "int | None" = None
        self._overload = False
        self.judgement: "inrush.Judgement | None" = None
        self.inrush = False
        self._gapped: "list[int]" = []
        self._started_us = 0
        self._look_us: "int | None" = None

    def idle(self) -> bool:
        """True when quiet currents would change nothing here."""
        return (
            self.phase.idle()
            and self.residual.idle()
            and self.element == _UNSEEN
            and self._changed_since is None
        )

    def dues_us(self) -> "list[int]":
        """When it may speak though no current crosses a level."""
        dues = self.phase.dues_us() + self.residual.dues_us()
        if self._changed_since is not None and self.kind == _UNSEEN:
            dues.append(self._changed_since + self.ripe_us)
        if self._look_us is not None and self.kind == _UNSEEN:
            dues.append(self._look_us)
        return dues

    def step(
        self,
        t_us: int,
        currents: tuple[float, float, float],
        residual_amps: float,
        changes: tuple[float, float, float],
        look: "Callable[[], Raw | None]",
    ) -> str:
        """What is told at this sample: "fault", "fault_cleared", "inrush", "overload" or "".

        currents, residual_amps: fundamentals; changes: RMS of what was added to each phase
        during the last cycle; look: the samples up to this one, called only when they matter,
        None where there are none (a meter's readings: what starts is a fault).
        """
        largest = max(currents)
        self._follow_change(t_us, max(changes))
        phase = self.phase.step(t_us, currents)
        residual = self.residual.step(t_us, (_stabilised(residual_amps, largest),))
        if self.element == _UNSEEN and START in (phase, residual):
            self.element = "50P" if phase == START else "50N"
            self._started_us = t_us
            self._date_change(t_us, look)
        if self.element == _UNSEEN:
            return ""
        if not self.phase.started and not self.residual.started:
            return self._over()
        if self.kind != _UNSEEN:
            return ""
        return self._word(t_us, currents, residual_amps, changes, look)

    def _follow_change(self, t_us: int, change: float) -> None:
        if change < self.change_floor_amps:
            self._changed_since = None
        elif self._changed_since is None:
            self._changed_since = t_us

    def _date_change(self, t_us: int, look: "Callable[[], Raw | None]") -> None:
        """A change shows for two cycles; an older one is noise above the floor: ask the samples."""
        since_us = self._changed_since
        if since_us is None or t_us - since_us <= 2 * self.cycle_us:
            return
        raw = look()
        if raw is not None:
            age = inrush.age_of(inrush.waves_of(raw))
            # A start comes an eighth to three quarters of a cycle after the inception.
            self._changed_since = t_us - int((USUAL_AGE if age is None else age) * self.cycle_us)

    def _word(
        self,
        t_us: int,
        currents: tuple[float, float, float],
        residual_amps: float,
        changes: tuple[float, float, float],
        look: "Callable[[], Raw | None]",
    ) -> str:
        since_us = self._changed_since
        explained = since_us is not None and self._explained(max(changes))
        if explained and since_us is not None:
            if t_us - since_us < self.ripe_us:
                return ""
        elif max(currents) < self.phase.pickup_amps and residual_amps < self.residual.pickup_amps:
            return ""  # it is on its way out
        elif self._like_load(currents):
            return self._overloaded()
        else:
            since_us = None
        verdict = self._judge(t_us, since_us, look)
        if verdict == inrush.FAULT:
            shares = self._shown_through(changes if explained else currents)
            return self._fault(self._onset(t_us, since_us), shares, residual_amps, currents)
        if verdict != inrush.INRUSH or self.inrush or t_us - self._started_us < self.cycle_us:
            return ""
        self.inrush = True
        return "inrush"

    def _judge(self, t_us: int, since_us: "int | None", look: "Callable[[], Raw | None]") -> int:
        """The verdict of the samples, UNDECIDED between two looks."""
        if self._look_us is not None and t_us < self._look_us:
            return inrush.UNDECIDED
        raw = look()
        if raw is None:
            return inrush.FAULT
        # Behind an inrush the changes are its own decay.
        age = 2.0
        if since_us is not None and not self.inrush:
            age = min(2.0, (t_us - since_us) / self.cycle_us)
        self._look_us = t_us + self.cycle_us // (16 if age < inrush.COLLAPSE_UNTIL else 8)
        earth_only = not self.phase.started
        pickup_amps = (self.residual if earth_only else self.phase).pickup_amps
        crossing = t_us - self._started_us < CROSS_CYCLES * self.cycle_us
        judgement = inrush.judge(
            inrush.waves_of(raw), pickup_amps, age, crossing, earth_only, self._gapped
        )
        self.judgement = judgement
        if judgement.verdict == inrush.INRUSH:
            self._gapped = judgement.gapped
        return judgement.verdict

    def _shown_through(self, shares: tuple[float, float, float]) -> tuple[float, float, float]:
        """The shares of a fault behind an inrush: what still has gaps is not faulted."""
        if not self.inrush or self.judgement is None or not self.phase.started:
            return shares
        a, b, c = [x if k in self.judgement.short else 0.0 for k, x in enumerate(shares)]
        return (a, b, c) if a or b or c else shares

    def _onset(self, t_us: int, since_us: "int | None") -> "int | None":
        """Inception: the change, or behind an inrush the beginning of the run without gap."""
        if not self.inrush or self.judgement is None:
            return since_us
        return t_us - int(self.judgement.run_share * self.cycle_us)

    def _overloaded(self) -> str:
        told = self._overload
        self._overload = True
        return "" if told else "overload"

    def _explained(self, change: float) -> bool:
        return not self.phase.started or change >= EXPLAINING_SHARE * self.phase.pickup_amps

    def _like_load(self, currents: tuple[float, float, float]) -> bool:
        largest = max(currents)
        return (
            not self.residual.started
            and min(currents) >= BALANCED_SHARE * largest
            and largest < LOAD_LIMIT * self.phase.pickup_amps
        )

    def _fault(
        self,
        onset_us: "int | None",
        shares: tuple[float, float, float],
        residual_amps: float,
        currents: tuple[float, float, float],
    ) -> str:
        largest = max(currents)
        early = None if self.judgement is None else self.judgement.earth_share
        if early is not None and self.phase.started:
            # Saturating current transformers, and a core's own 3I0, come later or stay apart.
            residual_amps = min(residual_amps, early * largest)
        self.kind = faulted_phase.kind(shares, residual_amps, largest)
        self.onset_us = onset_us
        return "fault"

    def _over(self) -> str:
        """Both elements have dropped out; `onset_us` stays for the last word on this fault."""
        told = self.kind != _UNSEEN
        self.element = _UNSEEN
        self.kind = _UNSEEN
        self._overload = False
        self.inrush = False
        self._gapped = []
        self._look_us = None
        return "fault_cleared" if told else ""


def _stabilised(residual_amps: float, largest_amps: float) -> float:
    """3I0 less what unequal phase CTs may feign."""
    return residual_amps - largest_amps * STABILISING_SHARE
