"""Conductors that have torn, and branches that have lost a phase; see broken_conductor.py."""

from __future__ import annotations

from agent.detect.broken_conductor import (
    BRANCH_SHARE,
    HELD_LOOKS,
    LEAST_K,
    MOST_DROP,
    TORN_SHARE,
    WHOLE_SHARE,
    BrokenConductor,
    Gap,
    Standing,
    stood,
)
from agent.detect.function import Now, SlowFunction
from agent.detect.look import Look
from agent.detect.sequences import size
from agent.detect.situation import Situation
from agent.detect.slow_sight import seen_by, sizes
from agent.detect.telling import Telling, exactly
from agent.records import Event
from agent.site import Bay

_CURRENTS, _VOLTAGES = ("ia", "ib", "ic"), ("ua", "ub", "uc")
_PHASES = "ABC"
_BRANCH = "one phase of a branch is out, as a blown lateral fuse"
# A fault between phases moves both sequences by far more than a gap.
_SHORT = ("AB", "BC", "CA", "ABG", "BCG", "CAG", "ABC")


class Conductors(SlowFunction):
    """46BC of one bay."""

    def __init__(self, bay: Bay, telling: Telling, situation: Situation) -> None:
        self._telling = telling
        self._situation = situation
        self._element = BrokenConductor(bay.rating_amps)
        self._solid = bay.earthing == "solid"
        self._shaken = False
        self._volts_floor = 0.5 * bay.nominal_volts / 3**0.5

    def step(self, _: Now) -> list[Event]:
        """Nothing, but whether a short circuit or an inrush stood between two looks."""
        self._shaken = self._shaken or self._shorted()
        return []

    def look(self, look: Look) -> list[Event]:
        """`broken_conductor`, or `unbalance` where a branch has lost a phase."""
        situation = self._situation
        blind = self._shaken or not situation.distrusted.isdisjoint(_CURRENTS)
        self._shaken = self._shorted()
        now = None if self._shaken or blind else self._standing(look)
        if now is None:
            self._element.forget()
            return []
        gap = self._element.step(now)
        return [] if gap is None else [self._event(gap, look)]

    def _shorted(self) -> bool:
        situation = self._situation
        return situation.phase_started or situation.inrush or situation.kind in _SHORT

    def _standing(self, look: Look) -> Standing | None:
        channels, of_volts = look.channels, None
        if look.amps is None:
            return None
        if look.volts is not None and self._situation.distrusted.isdisjoint(_VOLTAGES):
            if max(look.volts.sizes) < self._volts_floor:
                return None
            of_volts = look.volts.sequences()
        residual = channels["i0"].phasor() if "i0" in channels else None
        humps = max([channels[role].size(2) for role in _CURRENTS])
        return stood(look.t_us, look.since_us, look.amps.sequences(), residual, of_volts, humps)

    def _event(self, gap: Gap, look: Look) -> Event:
        torn = gap.share >= TORN_SHARE
        direction, undetermined = self._direction(gap)
        return self._telling.event(
            "broken_conductor" if torn else "unbalance",
            seen_by(look),
            look.t_us,
            alarm=torn and direction == "forward",
            onset_us=gap.onset_us,
            bounds_us=gap.bounds_us,
            element="46BC",
            phases=_PHASES[gap.phase],
            direction=direction if torn else None,
            undetermined=undetermined if torn else None,
            detail=None if torn else _BRANCH,
            why=self._why(gap, look),
        )

    def _direction(self, gap: Gap) -> tuple[str, str | None]:
        """Where the gap lies, and why that is not known."""
        if gap.drop is None:
            if self._solid:
                return "unknown", "direction: no voltages, a sag of one phase looks the same"
            if gap.share < WHOLE_SHARE:  # what still flows in that phase comes from its source
                return "forward", None
            return "unknown", "direction: no voltages, and all of the phase's current is gone"
        # Seen from the source of the power it lies ahead of the power, seen from the load behind.
        ahead = gap.with_source != gap.behind
        return ("forward" if ahead else "reverse"), None

    def _why(self, gap: Gap, look: Look) -> dict[str, float | int | str]:
        told: dict[str, float | int | str] = {
            "share": gap.share,
            "torn_share": TORN_SHARE,
            "branch_share": BRANCH_SHARE,
            "loop_k": gap.k[0],
            "loop_k_side": gap.k[1],
            "least_k": LEAST_K,
            "fell_amps": size(gap.fell),
            "least_amps": self._element.least_amps,
            "load_amps": size(gap.load),
            "negative_share": gap.unbalance,
            "earth_taken_out": int(gap.earthed),
            **exactly("current", sizes(look, _CURRENTS)),
        }
        if gap.drop is None:
            told["held_looks"] = HELD_LOOKS
        else:
            told |= {"drop": gap.drop, "most_drop": MOST_DROP}
        return told
