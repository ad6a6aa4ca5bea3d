"""Short circuits of one bay: 50P and 50N, what they are of, and what only looks like one."""

from __future__ import annotations

import math
from math import isnan

from agent.detect.direction import FORWARD, UNKNOWN
from agent.detect.function import FastFunction, Now
from agent.detect.levels import Levels
from agent.detect.settings import Settings
from agent.detect.short_circuit import EXPLAINING_SHARE, LOAD_LIMIT, WEAK, ShortCircuit
from agent.detect.sight import ADDED, CURRENTS, NEUTRAL, RESIDUAL
from agent.detect.situation import Situation
from agent.detect.telling import Telling, exactly, three
from agent.records import Event
from agent.site import Bay

# Below this share of pickup a current is quiet; the band absorbs noise on a load near pickup.
QUIET_SHARE = 0.9
# Peak of an inrush by the rating's RMS: transformers for half more than a feeder carries, switched
# in at the worst angle with 0.8 of remanence and a knee at 1.12 (a peak of 1.68 beyond it),
# saturated reactance 0.2, no source before it (S. V. Kulkarni, S. A. Khaparde, "Transformer
# Engineering", ch. 2.7).
HEAVIEST_INRUSH = 1.5 * 1.68 / 0.2 * math.sqrt(2.0)


_VOLTS = ("ua", "ub", "uc")


class ShortCircuits(FastFunction):
    """See short_circuit.py."""

    def __init__(
        self, bay: Bay, settings: Settings, cycle_us: int, telling: Telling, situation: Situation
    ) -> None:
        self._bay = bay
        self._settings = settings
        self._telling = telling
        self._situation = situation
        self._element = ShortCircuit(
            settings.phase_pickup_amps,
            settings.residual_pickup_amps,
            settings.change_floor_amps,
            cycle_us,
            phase_volts=bay.nominal_volts / math.sqrt(3.0),
            beyond_amps=HEAVIEST_INRUSH * bay.rating_amps,
            solid=bay.earthing == "solid",
            negative_start_amps=settings.negative_start_amps,
            rating_amps=bay.rating_amps,
        )

    def idle(self) -> bool:
        """See function.py; the others too."""
        return self._element.idle()

    def dues_us(self) -> list[int]:
        """Ends of holds, and the next look at the samples."""
        return self._element.dues_us()

    def narrow(self, low: list[float], high: list[float]) -> None:  # noqa: ARG002  as of others
        """Currents below pickup that do not change."""
        settings = self._settings
        for row in range(CURRENTS.start, CURRENTS.stop):
            high[row] = min(high[row], QUIET_SHARE * settings.phase_pickup_amps)
        if "i0" not in self._situation.distrusted:
            high[RESIDUAL] = min(high[RESIDUAL], QUIET_SHARE * settings.residual_pickup_amps)
        for row in range(ADDED.start, ADDED.stop):
            high[row] = min(high[row], settings.change_floor_amps)

    def add_levels(self, levels: Levels) -> None:
        """Pickups, dropouts, and what a change is held against."""
        phase = self._element.phase
        levels.currents += [*phase.levels(), LOAD_LIMIT * phase.pickup_amps]
        levels.stabilised += self._element.residual.levels()
        levels.added += [self._settings.change_floor_amps, EXPLAINING_SHARE * phase.pickup_amps]

    def step(self, now: Now) -> list[Event]:
        """`fault`, `fault_cleared`, `inrush` or `overload`."""
        element, seen, situation = self._element, now.seen, self._situation
        currents, added = three(seen[CURRENTS]), three(seen[ADDED])
        residual = seen[RESIDUAL]
        if "i0" in situation.distrusted:
            residual = 0.0
            if not element.kind:
                element.residual.reset()
        told = element.step(now.t_us, currents, residual, added, now.raw, seen[NEUTRAL])
        situation.kind, situation.inrush = element.kind, element.inrush
        situation.phase_started = element.phase.started
        situation.residual_started = element.residual.started
        if told == "fault" and self._known_already():
            told = ""
        return [self._event(told, seen, now.t_us)] if told else []

    def _known_already(self) -> bool:
        """An earth fault of this phase that was told as one needs no second word."""
        element = self._element
        return len(element.kind) == len("AG") and element.kind == self._situation.earth_kind

    def _event(self, told: str, seen: list[float], t_us: int) -> Event:
        element, event = self._element, self._telling.event
        why: dict[str, float | int | str] = {
            "phase_pickup_amps": self._settings.phase_pickup_amps,
            "residual_pickup_amps": self._settings.residual_pickup_amps,
            "change_floor_amps": self._settings.change_floor_amps,
            **exactly("current", seen[CURRENTS]),
            "residual_amps": seen[RESIDUAL],
            **exactly("change", seen[ADDED]),
        }
        if told == "overload":
            return event(told, seen, t_us, element="50P", why=why)
        if element.element == WEAK:
            why |= {"negative_start_amps": self._settings.negative_start_amps, **element.weak.why}
        if element.judgement is not None and told in {"fault", "inrush"}:
            why |= element.judgement.why()
            if element.unexplained is not None:
                why["unexplained_share"] = element.unexplained
        if told == "inrush":
            return event(told, seen, t_us, element=f"{element.element}/2H", why=why)
        if told == "fault_cleared":
            return event(told, seen, t_us, onset_us=element.onset_us, why=why)
        missing = "".join(
            name for name, amps in zip("ABC", seen[CURRENTS], strict=True) if isnan(amps)
        )
        pointed = element.direction
        voltless = self._voltless()
        unknown = [f"kind: no sensor in phase {missing}"] if missing else []
        if pointed.word == UNKNOWN:
            unknown.append(f"direction: {'no voltages' if voltless else self._why_unknown()}")
        # Without voltages of its own a fault current through this bay is its own.
        nobody_knows = pointed.word == UNKNOWN and (voltless or pointed.contradicted)
        why |= pointed.why
        if element.neutral_change is not None:
            why["neutral_change_volts"] = element.neutral_change
        return event(
            told,
            seen,
            t_us,
            alarm=pointed.word == FORWARD or nobody_knows,
            onset_us=element.onset_us,
            element=element.element,
            kind=None if missing else element.kind,
            direction=pointed.word,
            confidence=None if pointed.word == UNKNOWN else pointed.confidence,
            undetermined="; ".join(unknown) or None,
            why={**why, "witness": pointed.witness},
        )

    def _voltless(self) -> bool:
        """No voltages, or one that lies."""
        situation = self._situation
        return situation.voltless or not situation.distrusted.isdisjoint(_VOLTS)

    def _why_unknown(self) -> str:
        pointed = self._element.direction
        if pointed.contradicted:
            return "the voltages are not those of these currents"
        if not pointed.why:
            return "too few samples before it"
        return "the impedance lies on neither side"
