"""Voltages beyond their limits on one bay: dips (27) and swells (59)."""

from __future__ import annotations

from agent.detect.function import Now
from agent.detect.levels import Levels
from agent.detect.look import Look
from agent.detect.overvoltage import DROP, NOTHING, Overvoltage
from agent.detect.settings import Settings
from agent.detect.sight import LINE, VOLTAGES
from agent.detect.situation import Situation
from agent.detect.supply import DEAD, LIVE
from agent.detect.telling import Telling, exactly, three, us
from agent.detect.trusted_volts import ROLES, trusted
from agent.detect.undervoltage import Undervoltage
from agent.records import Event
from agent.site import Bay


class Voltages:
    """See undervoltage.py and overvoltage.py."""

    def __init__(
        self, bay: Bay, settings: Settings, telling: Telling, situation: Situation
    ) -> None:
        self._nominal_volts = bay.nominal_volts
        self._telling = telling
        self._situation = situation
        self._undervoltage = Undervoltage(
            bay.nominal_volts / 3**0.5,
            settings.undervoltage_share,
            us(settings.undervoltage_delay_ms),
        )
        self._overvoltage = Overvoltage(
            bay.nominal_volts, settings.overvoltage_share, us(settings.overvoltage_delay_ms)
        )

    def idle(self) -> bool:
        """See function.py; the others too."""
        return self._undervoltage.idle() and self._overvoltage.idle()

    def dues_us(self) -> list[int]:
        """Ends of delays."""
        return self._undervoltage.dues_us() + self._overvoltage.dues_us()

    def narrow(self, low: list[float], high: list[float]) -> None:
        """Voltages within their limits; of a dead phase there is no low."""
        for row in range(LINE.start, LINE.stop):
            high[row] = min(high[row], self._overvoltage.pickup_volts)
        if self._situation.voltless:
            return
        for phase, state in enumerate(self._situation.supply):
            row = VOLTAGES.start + phase
            if state == LIVE and ROLES[phase] not in self._situation.distrusted:
                low[row] = max(low[row], self._undervoltage.return_volts)

    def add_levels(self, levels: Levels) -> None:
        """Pickups and returns."""
        under, over = self._undervoltage, self._overvoltage
        levels.voltages += [under.pickup_volts, under.return_volts]
        levels.line += [over.pickup_volts, over.return_volts]

    def step(self, now: Now) -> list[Event]:
        """`swell`, twice, and `dip`."""
        events: list[Event] = []
        a, b, c = now.seen[LINE]
        swell = self._overvoltage.step(now.t_us, now.since_us, (a, b, c))
        if swell != NOTHING:
            events.append(self._swell(swell, now))
        if self._situation.voltless:
            return events
        volts = trusted(three(now.seen[VOLTAGES]), self._situation.distrusted)
        if volts is None:
            return events
        # A dip that sounds while the feeder is dead is the outage itself, told by supplies.py.
        told = self._undervoltage.step(now.t_us, now.since_us, volts)
        if told and DEAD not in self._situation.supply:
            events.append(self._dip(now))
        return events

    def look(self, _: Look) -> list[Event]:
        """Nothing: it is a matter of samples."""
        return []

    def _swell(self, told: int, now: Now) -> Event:
        """A swell that has begun, or, with how high and long it was, one that is over."""
        element = self._overvoltage
        lasted_s = (now.t_us - element.onset_us) / 1e6
        highest = element.highest_volts / self._nominal_volts
        over = f"over after {lasted_s:.3f} s, at most {highest:.3f} of nominal"
        return self._telling.event(
            "swell",
            now.seen,
            now.t_us,
            onset_us=element.onset_us,
            element="59",
            phases=element.phases,
            outcome="self_cleared" if told == DROP else None,
            detail=over if told == DROP else None,
            why={
                "pickup_volts": element.pickup_volts,
                "return_volts": element.return_volts,
                "highest_volts": element.highest_volts,
                **exactly("volts", now.seen[LINE], ("ab", "bc", "ca")),
            },
        )

    def _dip(self, now: Now) -> Event:
        return self._telling.event(
            "dip",
            now.seen,
            now.t_us,
            onset_us=self._undervoltage.onset_us,
            element="27",
            phases=self._undervoltage.phases,
            why={
                "pickup_volts": self._undervoltage.pickup_volts,
                **exactly("volts", now.seen[VOLTAGES]),
            },
        )
