"""How the faults of one bay ended; see outcome.py."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan, sqrt

from agent.detect.function import FastFunction, Now
from agent.detect.levels import Levels
from agent.detect.look import CYCLES, Look
from agent.detect.outcome import PERMANENT, SELF_CLEARED, UNTOLD, Outcome
from agent.detect.sight import CURRENTS, VOLTAGES
from agent.detect.supply import DEAD_SHARE
from agent.detect.telling import Telling, exactly, three
from agent.records import Event
from agent.site import Bay

# What counts as load: a transformer of class 5P errs by as much of its rating.
LOAD_SHARE = 0.02


class Outcomes(FastFunction):
    """Follows the events of the other functions: `follow` sees them before anybody else does."""

    def __init__(self, bay: Bay, cycle_us: int, telling: Telling) -> None:
        self._telling = telling
        self._cycle_us = cycle_us
        dead_volts = DEAD_SHARE * bay.nominal_volts / sqrt(3.0)
        self._element = Outcome(LOAD_SHARE * bay.rating_amps, dead_volts, cycle_us)
        self._fault: Event | None = None

    def idle(self) -> bool:
        """See function.py; the others too."""
        return self._element.idle()

    def dues_us(self) -> list[int]:
        """See Outcome.dues_us."""
        return self._element.dues_us()

    def narrow(self, low: list[float], high: list[float]) -> None:  # noqa: ARG002  as of others
        """No current, while a breaker may close again."""
        if self._element.waiting:
            for row in range(CURRENTS.start, CURRENTS.stop):
                high[row] = min(high[row], self._element.floor_amps)

    def add_levels(self, levels: Levels) -> None:
        """What counts as load."""
        levels.currents.append(self._element.floor_amps)

    def step(self, _: Now) -> list[Event]:
        """Nothing of its own: see `follow`."""
        return []

    def follow(self, now: Now, events: list[Event]) -> list[Event]:
        """The events with what they say of an outcome, and its own."""
        followed = [self._followed(now, event) for event in events]
        told = self._element.step(now.t_us, three(now.seen[CURRENTS]))
        if told != UNTOLD and self._fault is not None:
            followed.append(self._own(told, now, self._fault))
        return followed

    def follow_look(self, look: Look, events: list[Event]) -> list[Event]:
        """The same of what a slow look told: earth faults end there."""
        if not any(event.event == "fault_cleared" for event in events):
            return events
        currents = [_last_cycle(look, role) for role in ("ia", "ib", "ic")]
        volts = [_last_cycle(look, role) for role in ("ua", "ub", "uc")]
        return [
            self._ended(each, currents, volts) if each.event == "fault_cleared" else each
            for each in events
        ]

    def _followed(self, now: Now, event: Event) -> Event:
        # Of what has no kind nothing proves that it is the fault of before.
        if event.event == "fault" and event.kind is not None:
            told = self._element.fault(event.t_us, self._before(now, event))
            self._fault = event
            return replace(event, outcome=PERMANENT) if told == PERMANENT else event
        if event.event != "fault_cleared":
            return event
        return self._ended(event, now.seen[CURRENTS], now.seen[VOLTAGES])

    def _ended(self, event: Event, currents: list[float], volts: list[float]) -> Event:
        if not self._element.standing:
            return event
        known = None if isnan(sum(volts)) else volts
        told = self._element.cleared(event.t_us, three(currents), known)
        if told == UNTOLD:
            missing = f"outcome: {self._element.reason}"
            reasons = f"{event.undetermined}; {missing}" if event.undetermined else missing
            return replace(event, undetermined=reasons, why={**event.why, **self._why()})
        return replace(event, outcome=told, why={**event.why, **self._why()})

    def _before(self, now: Now, event: Event) -> list[float] | None:
        """RMS of the phase currents over the last cycle that was surely before the fault."""
        raw = now.raw() if event.onset_us is not None else None
        if raw is None or event.onset_us is None:
            return None
        length = raw.window
        since_us = now.t_us - event.onset_us
        # The inception of a weak start may be dated a cycle late.
        count = since_us * length // self._cycle_us + length * 5 // 4
        found = []
        for role in ("ia", "ib", "ic"):
            samples, scale = raw.wave(role, count + length)
            cycle = samples[: max(0, len(samples) - count)]
            if len(cycle) < length and raw.has(role):
                return None
            squares = sum(x * x for x in cycle)
            found.append(abs(scale) * sqrt(squares / length))
        return found

    def _own(self, told: str, now: Now, fault: Event) -> Event:
        """It stands for long, or a breaker closed again upon health."""
        if told == SELF_CLEARED:
            off_s = self._element.off_us / 1e6
            return self._telling.event(
                "fault_cleared",
                now.seen,
                now.t_us,
                onset_us=fault.onset_us,
                outcome=told,
                detail=f"closed again after {off_s:.2f} s",
                why={**exactly("current", now.seen[CURRENTS]), **self._why()},
            )
        return replace(
            self._telling.event("fault", now.seen, now.t_us),
            alarm=fault.alarm,
            onset_us=fault.onset_us,
            element=fault.element,
            kind=fault.kind,
            direction=fault.direction,
            confidence=fault.confidence,
            distance_km=fault.distance_km,
            distance_interval_km=fault.distance_interval_km,
            outcome=told,
            detail="it stands",
            why={**exactly("current", now.seen[CURRENTS]), **self._why()},
        )

    def _why(self) -> dict[str, float]:
        element = self._element
        why = {"load_floor_amps": element.floor_amps, "dead_volts": element.dead_volts}
        for name, amps in (("before", element.before), ("after", element.after)):
            why.update({f"{name}_{p}": x for p, x in zip("abc", amps or (), strict=False)})
        return why


def _last_cycle(look: Look, role: str) -> float:
    """RMS of the fundamental; NaN where there is no sensor."""
    channel = look.channels.get(role)
    if channel is None:
        return nan
    re, im = channel.cycle(CYCLES - 1)
    return sqrt(re * re + im * im)
