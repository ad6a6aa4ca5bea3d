"""Short circuits of one bay: 50P and 50N, what they are of, and what only looks like one."""

from __future__ import annotations

from math import isnan

from agent.detect.function import Now
from agent.detect.levels import Levels
from agent.detect.look import Look
from agent.detect.settings import Settings
from agent.detect.short_circuit import EXPLAINING_SHARE, LOAD_LIMIT, ShortCircuit
from agent.detect.sight import ADDED, CURRENTS, RESIDUAL
from agent.detect.situation import Situation
from agent.detect.telling import Telling, exactly, three
from agent.records import Event
from agent.site import Bay

# Below this share of pickup a current is quiet; the band absorbs noise on a load near pickup.
QUIET_SHARE = 0.9


class ShortCircuits:
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
        told = element.step(now.t_us, currents, residual, added, now.raw)
        situation.kind, situation.inrush = element.kind, element.inrush
        situation.phase_started = element.phase.started
        situation.residual_started = element.residual.started
        return [self._event(told, seen, now.t_us)] if told else []

    def look(self, _: Look) -> list[Event]:
        """Nothing: it is a matter of samples."""
        return []

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
        if element.judgement is not None and told in {"fault", "inrush"}:
            why |= element.judgement.why()
        if told == "inrush":
            return event(told, seen, t_us, element=f"{element.element}/2H", why=why)
        if told == "fault_cleared":
            return event(told, seen, t_us, onset_us=element.onset_us, why=why)
        missing = "".join(
            name for name, amps in zip("ABC", seen[CURRENTS], strict=True) if isnan(amps)
        )
        return event(
            told,
            seen,
            t_us,
            # Without a directional element every fault current through this bay is its own.
            alarm=True,
            onset_us=element.onset_us,
            element=element.element,
            kind=None if missing else element.kind,
            direction="unknown",
            undetermined=f"kind: no sensor in phase {missing}" if missing else None,
            why=why,
        )
