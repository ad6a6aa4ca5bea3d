"""Whether what lies behind the switch is alive, where the bay has voltages there too.

Slow looks are enough: what hangs there is told of by the source's side at once, and the other side
only where the switch parts the two. Never an alarm: a switch that opens is no loss of supply here.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan, nan

from agent.detect.function import SlowFunction
from agent.detect.functions.supplies import still_dead
from agent.detect.look import CYCLES, Look
from agent.detect.sequences import minus, size
from agent.detect.settings import Settings
from agent.detect.situation import Situation
from agent.detect.slow_sight import LOAD_ROLES, seen_by
from agent.detect.supply import DEAD, Supply, supplied
from agent.detect.telling import Telling, exactly, us
from agent.records import LOAD_SIDE, Event
from agent.site import Bay

_NONE = (nan, nan, nan)


class LoadSide(SlowFunction):
    """The supply behind the switch of one bay; see supply.py."""

    def __init__(
        self, bay: Bay, settings: Settings, telling: Telling, situation: Situation
    ) -> None:
        self._telling = telling
        self._situation = situation
        self._nominal_volts = bay.nominal_volts / 3**0.5
        self._supply = Supply(
            self._nominal_volts, us(settings.dead_hold_ms), us(settings.live_hold_ms)
        )

    def look(self, look: Look) -> list[Event]:
        """`voltage_loss` and `voltage_restored` of the load side, by the look's last cycle."""
        channels = [look.channels.get(role) for role in LOAD_ROLES]
        if channels == [None, None, None]:
            return []
        phasors = [None if c is None else c.cycle(CYCLES - 1) for c in channels]
        a, b, c = (nan if each is None else size(each) for each in phasors)
        pairs = zip(phasors, phasors[1:] + phasors[:1], strict=True)
        line = [nan if not x or not y else size(minus(x, y)) for x, y in pairs]
        change = self._step(look.t_us, look.since_us, (a, b, c), line)
        return [self._event(*change, look.t_us, seen_by(look), (a, b, c))] if change else []

    def measured(
        self, t_us: int, since_us: int, sizes: Mapping[str, float], seen: list[float]
    ) -> list[Event]:
        """The same by a meter's reading: magnitudes by role."""
        a, b, c = (sizes.get(role, nan) for role in LOAD_ROLES)
        change = self._step(t_us, since_us, (a, b, c), list(_NONE))
        return [self._event(*change, t_us, seen, (a, b, c))] if change else []

    def _step(
        self, t_us: int, since_us: int, volts: tuple[float, float, float], line: list[float]
    ) -> tuple[int, str, int, int] | None:
        shown = supplied(volts, line, self._nominal_volts)
        change = self._supply.step(t_us, since_us, shown, faulted=bool(self._situation.kind))
        self._situation.load_supply = list(self._supply.states)
        return change

    def _event(
        self,
        state: int,
        phases: str,
        earliest_us: int,
        latest_us: int,
        t_us: int,
        seen: list[float],
        volts: tuple[float, float, float],
    ) -> Event:
        return self._telling.event(
            "voltage_loss" if state == DEAD else "voltage_restored",
            seen,
            t_us,
            onset_us=latest_us,
            bounds_us=(earliest_us, latest_us),
            element=LOAD_SIDE,
            phases=phases,
            detail=still_dead(state, self._supply.states),
            why={
                "dead_volts": self._supply.dead_volts,
                "live_volts": self._supply.live_volts,
                **exactly("load_volts", [u for u in volts if not isnan(u)], _known(volts)),
            },
        )


def _known(volts: tuple[float, float, float]) -> str:
    return "".join(phase for phase, u in zip("abc", volts, strict=True) if not isnan(u))
