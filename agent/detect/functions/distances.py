"""How far away the short circuits of one bay are; see distance.py.

A good distance takes two cycles of the fault, its first word half a one: it comes in a second word
of the same fault, or, where that ends sooner, at its end.
"""

from __future__ import annotations

from dataclasses import replace

from agent.detect.distance import PHASE_KINDS, SINGLE, SPAN, Place, locate
from agent.detect.function import FastFunction, Now
from agent.detect.levels import Levels
from agent.detect.line import ways
from agent.detect.situation import Situation
from agent.detect.telling import Telling
from agent.records import Event
from agent.site import Bay

ELEMENT = "21FL"
_VOLTAGES = ("ua", "ub", "uc")
_CURRENTS = ("ia", "ib", "ic")


class Distances(FastFunction):
    """Follows the events of the other functions: `follow` sees them before anybody else does."""

    def __init__(self, bay: Bay, cycle_us: int, telling: Telling, situation: Situation) -> None:
        self._telling = telling
        self._situation = situation
        self._cycle_us = cycle_us
        self._ways = ways(bay.line, bay.section)
        self._kinds: tuple[str, ...] = PHASE_KINDS
        sections = [section for way in self._ways for section in way]
        if bay.earthing == "solid" and all(each.r0 and each.x0 for each in sections):
            self._kinds += SINGLE
        self._fault: Event | None = None
        self._since_us = 0
        self._load_seen = True
        self._due_us: int | None = None
        self._place: Place | str = ""

    def idle(self) -> bool:
        """See function.py; the others too."""
        return self._due_us is None

    def dues_us(self) -> list[int]:
        """When enough of the fault was seen."""
        return [] if self._due_us is None else [self._due_us]

    def narrow(self, low: list[float], high: list[float]) -> None:
        """Nothing: it follows the events of others."""

    def add_levels(self, levels: Levels) -> None:
        """None."""

    def step(self, _: Now) -> list[Event]:
        """Nothing of its own: see `follow`."""
        return []

    def follow(self, now: Now, events: list[Event]) -> list[Event]:
        """The events with what they say of a distance, and its own."""
        if not self._ways:
            return events
        followed = [self._followed(now, event) for event in events]
        fault = self._fault
        if fault is not None and self._due_us is not None and now.t_us >= self._due_us:
            self._due_us = None
            self._place = self._located(now, fault)
            if isinstance(self._place, Place):
                followed.append(self._word(now, fault, self._place))
        return followed

    def _followed(self, now: Now, event: Event) -> Event:
        if event.event == "fault":
            self._begin(event)
        if event.event != "fault_cleared" or self._fault is None:
            return event
        fault, self._fault = self._fault, None
        if self._due_us is not None:
            self._due_us = None
            self._place = self._located(now, fault)
        if isinstance(self._place, Place):
            return _with_place(event, self._place)
        return replace(event, undetermined=f"distance: {self._place}") if self._place else event

    def _begin(self, event: Event) -> None:
        """A fault's first word, or that it is of another kind now."""
        fault = self._fault
        if fault is not None and fault.kind == event.kind:
            return
        self._fault, self._due_us, self._place = event, None, ""
        if event.kind not in self._kinds or event.direction == "reverse":
            return
        # A word follows what it speaks of within a cycle.
        recent_us = event.t_us - self._cycle_us
        seen = event.onset_us is not None and (fault is None or fault.kind in SINGLE)
        self._load_seen = seen
        self._since_us = recent_us
        if event.onset_us is not None:
            self._since_us = event.onset_us if fault is None else max(event.onset_us, recent_us)
        self._due_us = max(event.t_us, self._since_us + int(SPAN * self._cycle_us))

    def _located(self, now: Now, fault: Event) -> Place | str:
        """Where it is, or why that cannot be told."""
        raw = now.raw()
        if raw is None:
            return "there are no samples"
        needed = [*_CURRENTS, *_VOLTAGES, *(["i0"] if fault.kind in SINGLE else [])]
        missing = [role for role in needed if not raw.has(role)]
        if missing:
            return f"there is no {', '.join(missing)}"
        if self._situation.distrusted.intersection(needed):
            return "a sensor is not to be trusted"
        age = (now.t_us - self._since_us) * raw.window // self._cycle_us
        return locate(raw, fault.kind or "", age, self._ways, self._load_seen)

    def _word(self, now: Now, fault: Event, place: Place) -> Event:
        told = self._telling.event(
            "fault",
            now.seen,
            now.t_us,
            alarm=fault.alarm,
            onset_us=fault.onset_us,
            element=ELEMENT,
            kind=fault.kind,
            direction=fault.direction,
            confidence=fault.confidence,
            undetermined=fault.undetermined,
        )
        return _with_place(told, place)


def _with_place(event: Event, place: Place) -> Event:
    candidates = [(place.section, place.km), *place.others]
    why: dict[str, float | int | str] = {
        "fault_ohm": place.ohm,
        "distance_left": place.left,
        "distance_used": place.used,
    }
    for section, km in candidates:
        why[f"candidate_{section}_km"] = km
    detail = "section " + " or ".join(f"{section} at {km:.2f} km" for section, km in candidates)
    return replace(
        event,
        distance_km=round(place.km, 3),
        distance_interval_km=(round(place.low, 3), round(place.high, 3)),
        detail=detail if place.section else None,
        why={**event.why, **why},
    )
