"""A short circuit on one bay: 50P and 50N say that, the change of the currents says since when
and on which phases.

The word stands when an element has started and the change is 5/8 of a cycle old: sooner the
phases cannot be told apart (an offset in one hides the other), later nothing is gained. A start
that no change explains is judged by size: three equal phases little above pickup are a load
beyond its rating, anything else is a fault whose inception was not seen.

Portable.
"""

from agent.detect import faulted_phase
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

_UNSEEN = ""


class ShortCircuit:
    """The 50P and 50N starts of one bay and the faulted-phase word. All currents RMS, primary.

    change_floor_amps: what the change of a phase must exceed to count as one.
    cycle_us: one nominal cycle.
    After "fault": `kind`, `element` and `onset_us` (None: inception not seen) tell which.
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
        self.ripe_us = cycle_us * 5 // 8
        self.element = _UNSEEN
        self.kind = _UNSEEN
        self.onset_us: "int | None" = None
        self._changed_since: "int | None" = None
        self._overload = False

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
        return dues

    def step(
        self,
        t_us: int,
        currents: tuple[float, float, float],
        residual_amps: float,
        changes: tuple[float, float, float],
    ) -> str:
        """What is told at this sample: "fault", "fault_cleared", "overload" or nothing ("").

        currents, residual_amps: fundamentals; changes: RMS of what was added to each phase
        during the last cycle.
        """
        largest = max(currents)
        self._follow_change(t_us, max(changes))
        phase = self.phase.step(t_us, currents)
        residual = self.residual.step(t_us, (_stabilised(residual_amps, largest),))
        if self.element == _UNSEEN and START in (phase, residual):
            self.element = "50P" if phase == START else "50N"
        if self.element == _UNSEEN:
            return ""
        if not self.phase.started and not self.residual.started:
            return self._over()
        if self.kind != _UNSEEN:
            return ""
        return self._word(t_us, currents, residual_amps, changes)

    def _follow_change(self, t_us: int, change: float) -> None:
        if change < self.change_floor_amps:
            self._changed_since = None
        elif self._changed_since is None:
            self._changed_since = t_us

    def _word(
        self,
        t_us: int,
        currents: tuple[float, float, float],
        residual_amps: float,
        changes: tuple[float, float, float],
    ) -> str:
        since_us = self._changed_since
        if since_us is not None and self._explained(max(changes)):
            if t_us - since_us < self.ripe_us:
                return ""
            return self._fault(since_us, changes, residual_amps, currents)
        if max(currents) < self.phase.pickup_amps and residual_amps < self.residual.pickup_amps:
            return ""  # it is on its way out
        if not self._like_load(currents):
            return self._fault(None, currents, residual_amps, currents)
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
        self.kind = faulted_phase.kind(shares, residual_amps, max(currents))
        self.onset_us = onset_us
        return "fault"

    def _over(self) -> str:
        """Both elements have dropped out; `onset_us` stays for the last word on this fault."""
        told = self.kind != _UNSEEN
        self.element = _UNSEEN
        self.kind = _UNSEEN
        self._overload = False
        return "fault_cleared" if told else ""


def _stabilised(residual_amps: float, largest_amps: float) -> float:
    """3I0 less what unequal phase CTs may feign."""
    return residual_amps - largest_amps * STABILISING_SHARE
