"""Earth faults of one bay, below what 50N starts at; see earth_fault.py."""

from __future__ import annotations

from math import isnan, nan

from agent.detect.earth_direction import FORWARD, UNKNOWN
from agent.detect.earth_fault import CLEARED, FAULT, INTERMITTENT, EarthFault
from agent.detect.function import Now
from agent.detect.levels import Levels
from agent.detect.look import Look
from agent.detect.settings import Settings
from agent.detect.sight import ADDED_NEUTRAL, ADDED_RESIDUAL, ROWS
from agent.detect.situation import Situation
from agent.detect.telling import Telling
from agent.records import Event
from agent.site import Bay

ELEMENT = "67N"
# While others keep the bay awake, changes are seen when they cross one of these, each half as much
# again as the one before: by noise the level is anywhere.
LADDER = [1.5**k for k in range(12)]


class EarthFaults:
    """67N on change, with the transient and the steady state."""

    def __init__(
        self, bay: Bay, settings: Settings, cycle_us: int, telling: Telling, situation: Situation
    ) -> None:
        self._telling = telling
        self._situation = situation
        phase_volts = bay.nominal_volts / 3**0.5
        self._element = EarthFault(
            phase_volts,
            settings.earth_start_share * phase_volts,
            settings.earth_start_amps,
            bay.earthing,
            cycle_us,
        )

    def idle(self) -> bool:
        """See function.py; the others too."""
        return self._element.idle()

    def dues_us(self) -> list[int]:
        """Looks at the samples."""
        return self._element.dues_us()

    def narrow(self, low: list[float], high: list[float]) -> None:  # noqa: ARG002  as of others
        """U0 and 3I0 that do not change but for their noise."""
        volts, amps = self._element.limits()
        high[ADDED_NEUTRAL] = min(high[ADDED_NEUTRAL], volts)
        high[ADDED_RESIDUAL] = min(high[ADDED_RESIDUAL], amps)

    def add_levels(self, levels: Levels) -> None:
        """A ladder: what counts as a change depends on the noise."""
        levels.added_neutral += [self._element.start_volts * step for step in LADDER]
        levels.added_residual += [self._element.start_amps * step for step in LADDER]

    def step(self, now: Now) -> list[Event]:
        """`fault`, `intermittent_earth_fault`."""
        situation, element, seen = self._situation, self._element, now.seen
        if situation.kind:
            element.drop()
        held = bool(situation.kind) or situation.residual_started or situation.inrush
        told = element.step(
            now.t_us, _known(seen[ADDED_NEUTRAL]), _known(seen[ADDED_RESIDUAL]), held, now.raw
        )
        return [self._event(word, seen, now.t_us) for word in told]

    def look(self, look: Look) -> list[Event]:
        """`fault_cleared`, and `fault` where one stands when the bay is first seen."""
        told = self._element.look(look)
        return [self._event(word, [nan] * ROWS, look.t_us) for word in told]

    def _event(self, word: str, seen: list[float], t_us: int) -> Event:
        element = self._element
        if word == CLEARED:
            return self._cleared(seen, t_us)
        found = element.inquiry
        forward = element.told == FORWARD
        kind = f"{element.phase}G" if element.phase else None
        self._situation.earth_kind = kind or "G"
        unsure = [] if kind else ["kind: the three phases look alike"]
        if element.told == UNKNOWN:
            reason = "it stood when the bay was first seen" if element.standing else "too weak"
            unsure.append(f"direction: {reason}; no alarm without it")
        detail = None
        if word == INTERMITTENT:
            lasted_s = (t_us - element.struck_us[0]) / 1e6
            detail = f"{len(element.struck_us)} strikes within {lasted_s:.3f} s"
        return self._telling.event(
            word,
            seen,
            t_us,
            alarm=forward,
            onset_us=element.onset_us,
            element=ELEMENT,
            kind=kind,
            direction=element.told,
            confidence=found.confidence if found else None,
            undetermined="; ".join(unsure) or None,
            detail=detail,
            why={
                "start_volts": element.limits()[0],
                "start_amps": element.limits()[1],
                "strikes": element.strikes,
                **(found.why() if found else {}),
            },
        )

    def _cleared(self, seen: list[float], t_us: int) -> Event:
        element = self._element
        detail = f"{element.strikes} strikes" if element.intermittent else None
        onset_us = element.onset_us
        element.cleared()
        self._situation.earth_kind = ""
        return self._telling.event(
            CLEARED, seen, t_us, onset_us=onset_us, element=ELEMENT, detail=detail
        )


def _known(value: float) -> float:
    return 0.0 if isnan(value) else value
