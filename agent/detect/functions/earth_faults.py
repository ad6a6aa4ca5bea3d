"""Earth faults of one bay, below what 50N starts at; see earth_fault.py."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan

from agent.detect import earth_verdict
from agent.detect.earth_direction import FORWARD
from agent.detect.earth_fault import CLEARED, INTERMITTENT, EarthFault
from agent.detect.earth_verdict import Limits
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


class EarthFaults:
    """67N, started by change."""

    def __init__(
        self, bay: Bay, settings: Settings, cycle_us: int, telling: Telling, situation: Situation
    ) -> None:
        self._telling = telling
        self._situation = situation
        phase_volts = bay.nominal_volts / 3**0.5
        start_volts = settings.earth_start_share * phase_volts
        limits = Limits(phase_volts, start_volts, settings.earth_start_amps, bay.earthing)
        self._element = EarthFault(limits, cycle_us)

    def learned(self) -> list[float]:
        """For a record that begins here."""
        return self._element.learned()

    def relearn(self, numbers: Sequence[float]) -> None:
        """Go on from that."""
        self._element.relearn(numbers)

    def idle(self) -> bool:
        """See function.py; the others too."""
        return self._element.idle()

    def dues_us(self) -> list[int]:
        """Looks at the samples."""
        return self._element.dues_us()

    def narrow(self, low: list[float], high: list[float]) -> None:  # noqa: ARG002  as of others
        """U0 and 3I0 that do not change but for their noise."""
        volts, amps = self._element.starts()
        high[ADDED_NEUTRAL] = min(high[ADDED_NEUTRAL], volts)
        high[ADDED_RESIDUAL] = min(high[ADDED_RESIDUAL], amps)

    def add_levels(self, levels: Levels) -> None:
        """All that its starts can be."""
        levels.added_neutral += self._element.volt_levels
        levels.added_residual += self._element.amp_levels

    def step(self, now: Now) -> list[Event]:
        """`fault` and `intermittent_earth_fault`."""
        situation, element = self._situation, self._element
        if situation.kind and element.told:
            element.close()
            situation.earth_kind = ""
        held = bool(situation.kind) or situation.residual_started or situation.inrush
        held = held or "i0" in situation.distrusted
        added = _known(now.seen[ADDED_NEUTRAL]), _known(now.seen[ADDED_RESIDUAL])
        told = element.step(now.t_us, added, held, now.raw)
        return [self._event(word, now.seen, now.t_us) for word in told]

    def look(self, look: Look) -> list[Event]:
        """`fault_cleared`, and `fault` where one stands when the bay is first seen."""
        return [self._event(word, [nan] * ROWS, look.t_us) for word in self._element.look(look)]

    def _event(self, word: str, seen: list[float], t_us: int) -> Event:
        if word == CLEARED:
            return self._cleared(seen, t_us)
        element, found = self._element, self._element.inquiry
        kind = f"{element.phase}G" if element.phase else None
        self._situation.earth_kind = kind or ""
        self._situation.earth_direction = element.told
        volts, amps = element.starts()
        why: dict[str, float | int | str] = {"start_volts": volts, "start_amps": amps}
        if found is not None:
            why |= found.why()
        return self._telling.event(
            word,
            seen,
            t_us,
            alarm=self._alarms(),
            onset_us=element.onset_us,
            element=ELEMENT,
            kind=kind,
            direction=element.told,
            confidence=None if found is None else found.confidence,
            undetermined=self._undetermined(),
            detail=self._struck(t_us) if word == INTERMITTENT else None,
            why=why | {"strikes": element.strikes.count},
        )

    def _alarms(self) -> bool:
        """Forward and proven; in a bay without voltages, where its current flows through it."""
        element, found = self._element, self._element.inquiry
        if found is None or not earth_verdict.proven(found, element.limits):
            return False
        return element.told == FORWARD or (found.through and self._situation.voltless)

    def _undetermined(self) -> str | None:
        """What could not be told."""
        element, found = self._element, self._element.inquiry
        unknown = [] if element.phase else ["kind: the phases look alike"]
        if element.told == "unknown":
            if found is None:
                reason = "it was there when the bay was first seen"
            elif self._situation.voltless:
                reason = "there are no voltages"
            else:
                reason = "both models of the zero sequence fit alike"
            unknown.append(f"direction: {reason}")
        return "; ".join(unknown) or None

    def _struck(self, t_us: int) -> str:
        strikes = self._element.strikes
        lasted_s = (t_us - strikes.recent_us[0]) / 1e6
        return f"{strikes.count} strikes, {len(strikes.recent_us)} of them within {lasted_s:.3f} s"

    def _cleared(self, seen: list[float], t_us: int) -> Event:
        element = self._element
        detail = f"{element.strikes.count} strikes" if element.intermittent else None
        onset_us, kind = element.onset_us, self._situation.earth_kind or None
        element.close()
        self._situation.earth_kind = ""
        return self._telling.event(
            CLEARED,
            seen,
            t_us,
            onset_us=onset_us,
            element=ELEMENT,
            kind=kind,
            detail=detail,
        )


def _known(value: float) -> float:
    """Where there is no sensor nothing moves."""
    return 0.0 if isnan(value) else value
