"""Whether this section is alive, and since when; see supply.py."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from agent.detect.function import FastFunction, Now
from agent.detect.levels import Levels
from agent.detect.settings import Settings
from agent.detect.sight import LINE, VOLTAGES
from agent.detect.situation import Situation
from agent.detect.supply import DEAD, LIVE, LIVE_SHARE, Supply, supplied
from agent.detect.telling import Telling, exactly, three, us
from agent.detect.trusted_volts import ROLES, trusted
from agent.records import Event
from agent.site import Bay

# Phases that the rows LINE lie between.
_PAIRS = ((0, 1), (1, 2), (2, 0))


def still_dead(state: int, states: Sequence[int | None]) -> str | None:
    """What a return leaves out: a part is told as a part."""
    dead = "".join(phase for phase, each in zip("ABC", states, strict=True) if each == DEAD)
    return f"in part: {dead} still dead" if state == LIVE and dead else None


class Supplies(FastFunction):
    """The supply of one bay."""

    def __init__(
        self, bay: Bay, settings: Settings, telling: Telling, situation: Situation
    ) -> None:
        self._telling = telling
        self._situation = situation
        self._doubted: set[str] = set()
        self._nominal_volts = bay.nominal_volts / 3**0.5
        self._least_line_volts = LIVE_SHARE * bay.nominal_volts
        self._supply = Supply(
            self._nominal_volts, us(settings.dead_hold_ms), us(settings.live_hold_ms)
        )

    def settled(self) -> tuple[int | None, ...]:
        """DEAD, LIVE or None (not known, or just changing) of each phase."""
        return self._supply.settled()

    def resume(self, states: Sequence[int | None], since_us: int) -> None:
        """Go on from the states that were last told; nobody has looked since `since_us`."""
        self._supply.resume(list(states), since_us)
        self._situation.supply = list(self._supply.states)

    def idle(self) -> bool:
        """See function.py; the others too."""
        return self._situation.voltless or self._supply.idle()

    def dues_us(self) -> list[int]:
        """Ends of holds."""
        return self._supply.dues_us()

    def narrow(self, low: list[float], high: list[float]) -> None:
        """Voltages that confirm what was told; what was never seen is not quiet."""
        if self._situation.voltless:
            return
        states, distrusted = self._supply.states, self._situation.distrusted
        for phase, state in enumerate(states):
            row = VOLTAGES.start + phase
            if ROLES[phase] in distrusted:
                continue
            if state == DEAD:
                high[row] = min(high[row], self._supply.dead_volts)
            elif state != LIVE:
                low[row] = inf
        for row, (one, other) in enumerate(_PAIRS, LINE.start):
            doubted = ROLES[one] in distrusted or ROLES[other] in distrusted
            if not doubted and states[one] == states[other] == LIVE:
                low[row] = max(low[row], self._least_line_volts)

    def add_levels(self, levels: Levels) -> None:
        """Dead and live."""
        levels.voltages += [self._supply.dead_volts, self._supply.live_volts]
        levels.line.append(self._least_line_volts)

    def step(self, now: Now) -> list[Event]:
        """`voltage_loss` and `voltage_restored`."""
        if self._situation.voltless:
            return []
        volts = self._volts(now.seen)
        if volts is None:
            return []
        faulted = bool(self._situation.kind)
        change = self._supply.step(now.t_us, now.since_us, volts, faulted)
        self._situation.supply = list(self._supply.states)
        return [] if change is None else [self._event(change, now)]

    def _volts(self, seen: list[float]) -> tuple[float, float, float] | None:
        """What the phases are supplied with; one whose sensor lies goes with the others."""
        volts, distrusted = three(seen[VOLTAGES]), self._situation.distrusted
        shown = supplied(volts, seen[LINE], self._nominal_volts)
        if not (distrusted or self._doubted):
            return shown
        doubted = {role for role in ROLES if role in distrusted}
        for role in doubted - self._doubted:
            self._supply.doubt(ROLES.index(role))
        self._doubted = doubted
        return trusted(shown, doubted)

    def _event(self, change: tuple[int, str, int, int], now: Now) -> Event:
        state, phases, earliest_us, latest_us = change
        lost_all = self._supply.states == [DEAD, DEAD, DEAD]
        return self._telling.event(
            "voltage_loss" if state == DEAD else "voltage_restored",
            now.seen,
            now.t_us,
            alarm=state == DEAD and lost_all,
            onset_us=latest_us,
            bounds_us=(earliest_us, latest_us),
            phases=phases,
            detail=still_dead(state, self._supply.states),
            why={
                "dead_volts": self._supply.dead_volts,
                "live_volts": self._supply.live_volts,
                **exactly("volts", now.seen[VOLTAGES]),
            },
        )
