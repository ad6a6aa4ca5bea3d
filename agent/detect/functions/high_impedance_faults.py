"""High-impedance and arcing faults of one bay, told over seconds; see high_impedance.py."""

from __future__ import annotations

from collections.abc import Sequence

from agent.detect import earth_through
from agent.detect.function import SlowFunction
from agent.detect.high_impedance import CURRENTS, TOLD, VOLTAGES, HighImpedance, turned
from agent.detect.high_impedance_place import place
from agent.detect.look import Look
from agent.detect.settings import Settings
from agent.detect.situation import Situation
from agent.detect.slow_sight import seen_by
from agent.detect.telling import Telling
from agent.records import Event
from agent.site import Bay

ELEMENT = "50AF"  # no number of IEEE C37.2 is an arcing earth fault's own; makers write so


class HighImpedanceFaults(SlowFunction):
    """The slow path."""

    def __init__(
        self, bay: Bay, settings: Settings, telling: Telling, situation: Situation
    ) -> None:
        self._phase_volts = bay.nominal_volts / 3**0.5
        self._earthing = bay.earthing
        self._telling = telling
        self._situation = situation
        self._element = HighImpedance(settings.arc_start_amps)

    def learned(self) -> list[float]:
        """For a record that begins here."""
        return self._element.learned()

    def relearn(self, numbers: Sequence[float]) -> None:
        """Go on from that."""
        self._element.relearn(numbers)

    def look(self, look: Look) -> list[Event]:
        """`high_impedance_fault`, once while it burns."""
        situation = self._situation
        held = bool(situation.kind) or situation.inrush or situation.residual_started
        held = held or not situation.distrusted.isdisjoint(("i0", *CURRENTS))
        if self._element.look(look, held) != TOLD:
            return []
        return [self._event(look)]

    def _event(self, look: Look) -> Event:
        element, situation = self._element, self._situation
        direction, phase, confidence = self._placed(look)
        through = earth_through.phase(element.added_phases, element.noise())
        if situation.voltless and through:
            phase = through
        forward = direction == "forward"
        unknown = []
        if not phase:
            unknown.append("kind: no phase stands out")
        if direction == "unknown":
            why = "there are no voltages" if situation.voltless else "50 Hz alone cannot tell"
            unknown.append(f"direction: {why}")
        return self._telling.event(
            "high_impedance_fault",
            seen_by(look),
            look.t_us,
            alarm=forward or (situation.voltless and through != ""),
            onset_us=element.first_us,
            element=ELEMENT,
            kind=f"{phase}G" if phase else None,
            direction=direction,
            confidence=confidence,
            undetermined="; ".join(unknown) or None,
            why=element.why(),
        )

    def _placed(self, look: Look) -> tuple[str, str, float]:
        """Direction, phase, confidence: of the earth fault that stands, else of the arc itself."""
        situation, element = self._situation, self._element
        if situation.earth_kind and situation.earth_direction != "unknown":
            return situation.earth_direction, situation.earth_kind[0], 0.8
        reference = element.reference(look)
        volts = [look.channels[role].phasor() for role in VOLTAGES if role in look.channels]
        if reference is None or situation.voltless:
            return "unknown", "", 0.0
        return place(
            self._earthing,
            element.added,
            element.added_neutral,
            element.neutral_noise(),
            [turned(each, reference, 1) for each in volts],
            self._phase_volts,
        )
