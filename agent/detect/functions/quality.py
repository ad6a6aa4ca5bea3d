"""What the supply of one bay is worth: unequal phases, and a frequency that is off."""

from __future__ import annotations

from math import nan

from agent.detect.function import SlowFunction
from agent.detect.look import CURRENT_ROLES, CYCLES, VOLTAGE_ROLES, Look
from agent.detect.quality import DROP, NOTHING, Beyond, negative_share, turn
from agent.detect.sequences import sequences, size
from agent.detect.settings import Settings
from agent.detect.situation import Situation
from agent.detect.slow_sight import began_us, seen_by
from agent.detect.telling import Telling, us
from agent.records import Event
from agent.site import Bay

# Below half the voltage there is no supply whose quality could be told.
LEAST_VOLTS_SHARE = 0.5
# Below a tenth of the rating current transformers err by more than what is looked for.
LEAST_AMPS_SHARE = 0.1
# It is back when it is this share of its limit. [relative]
BACK_SHARE = 0.9
# Ten times what a look's frequency errs by at 40 dB of noise and 1.6 kHz, standard deviation. [Hz]
FREQUENCY_HYSTERESIS_HZ = 0.05


class Quality(SlowFunction):
    """`unbalance` of voltages and of currents, `frequency` above and below."""

    def __init__(
        self, bay: Bay, settings: Settings, telling: Telling, situation: Situation
    ) -> None:
        self._telling = telling
        self._situation = situation
        self._nominal_hz = float(bay.frequency_hz)
        self._least_volts = LEAST_VOLTS_SHARE * bay.nominal_volts / 3**0.5
        self._least_amps = LEAST_AMPS_SHARE * bay.rating_amps
        hold_us = us(settings.unbalance_delay_ms)
        volts, amps = settings.unbalance_voltage_share, settings.unbalance_current_share
        self._volts = Beyond(volts, BACK_SHARE * volts, hold_us)
        self._amps = Beyond(amps, BACK_SHARE * amps, hold_us)
        limit = settings.frequency_limit_hz
        back = limit - min(FREQUENCY_HYSTERESIS_HZ, limit / 2)
        self._fast = Beyond(limit, back, us(settings.frequency_delay_ms))
        self._slow = Beyond(limit, back, us(settings.frequency_delay_ms))

    def look(self, look: Look) -> list[Event]:
        """Each when it has lasted its delay, and when it is over; not while a fault stands."""
        if self._disturbed(look):
            return []
        events = self._unequal(look, self._volts, VOLTAGE_ROLES, self._least_volts)
        events += self._unequal(look, self._amps, CURRENT_ROLES, self._least_amps)
        return events + self._off(look)

    def _disturbed(self, look: Look) -> bool:
        situation = self._situation
        fault = bool(situation.kind or situation.earth_kind or situation.inrush)
        since_us = situation.disturbed_us
        return fault or (since_us is not None and since_us >= look.since_us)

    # --- unequal phases --------------------------------------------------------------------------

    def _unequal(
        self, look: Look, element: Beyond, roles: tuple[str, str, str], least: float
    ) -> list[Event]:
        of = nan
        if not self._situation.distrusted.intersection(roles):
            three = look.volts if roles is VOLTAGE_ROLES else look.amps
            of = nan if three is None else negative_share(*three.shares()[1:], least)
        if element.quiet() and not of >= element.pickup:
            return []
        told = element.step(look.t_us, began_us(look), of)
        return [] if told == NOTHING else [self._unbalance(told, element, of, look)]

    def _unbalance(self, told: int, element: Beyond, of: float, look: Look) -> Event:
        letter, device = ("U", "47") if element is self._volts else ("I", "46")
        detail = f"{letter}2 is up to {element.most:.1%} of {letter}1"
        why = {"negative_share": of, "limit_share": element.pickup}
        return self._event("unbalance", device, told, element, detail, look, why)

    # --- frequency -------------------------------------------------------------------------------

    def _off(self, look: Look) -> list[Event]:
        off_hz = self._frequency_hz(look) - self._nominal_hz
        events = []
        for element, beyond in ((self._fast, off_hz), (self._slow, -off_hz)):
            if element.quiet() and not beyond >= element.pickup:
                continue
            told = element.step(look.t_us, began_us(look), beyond)
            if told != NOTHING:
                events.append(self._frequency(told, element, off_hz, look))
        return events

    def _frequency_hz(self, look: Look) -> float:
        """By how far the positive sequence turns from the first cycle to the last; NaN: unknown."""
        if look.volts is None or self._situation.distrusted.intersection(VOLTAGE_ROLES):
            return nan
        a, b, c = [look.channels[role] for role in VOLTAGE_ROLES]
        ends = []
        for number in (0, CYCLES - 1):
            _, one, other = sequences(a.cycle(number), b.cycle(number), c.cycle(number))
            # Of phases wired the other way round the other sequence is the supply.
            ends.append((one, size(one)) if size(one) >= size(other) else (other, -size(other)))
        (first, before), (last, after) = ends
        if min(abs(before), abs(after)) < self._least_volts or before * after < 0:
            return nan
        turned = turn(first, last)
        samples = a.window
        cycle_s = (look.t_us - look.since_us) / 1e6 * samples / (CYCLES * samples - 1)
        return (1.0 + turned / (CYCLES - 1)) / cycle_s

    def _frequency(self, told: int, element: Beyond, off_hz: float, look: Look) -> Event:
        most = self._nominal_hz + (element.most if element is self._fast else -element.most)
        why = {"frequency_hz": self._nominal_hz + off_hz, "limit_hz": element.pickup}
        detail = f"as far as {most:.2f} Hz"
        return self._event("frequency", "81", told, element, detail, look, why)

    def _event(
        self,
        event: str,
        device: str,
        told: int,
        element: Beyond,
        detail: str,
        look: Look,
        why: dict[str, float],
    ) -> Event:
        if told == DROP:
            lasted_s = (element.until_us[1] - element.since_us[1]) / 1e6
            why |= {"duration_s": lasted_s}
            detail = f"over after {lasted_s:.1f} s, {detail}"
        return self._telling.event(
            event,
            seen_by(look),
            look.t_us,
            onset_us=element.since_us[1],
            bounds_us=element.since_us,
            element=device,
            outcome="self_cleared" if told == DROP else None,
            detail=detail,
            why=why,
        )
