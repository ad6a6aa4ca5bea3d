"""What feeds a bay from the wrong side: power towards the source, a load side that lives without
it, and what gets past an open switch. Never an alarm; how sure it is stands in `confidence`.

By voltage alone a tie to the same bus, a recorded jumper and a bypass look the same, so that one
stays `unexplained`; who knows the plan can tell them apart. A generator that feeds an island slips
against the network, which neither of those does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import isnan, nan
from typing import NamedTuple

from agent.detect.function import SlowFunction
from agent.detect.look import CURRENT_ROLES, VOLTAGE_ROLES, Look
from agent.detect.quality import DROP, NOTHING, Beyond
from agent.detect.sequences import minus, over, sequences, size
from agent.detect.situation import Situation
from agent.detect.slow_sight import (
    LOAD_ROLES,
    began_us,
    phasors,
    seen_by,
    sizes,
)
from agent.detect.supply import DEAD, LIVE
from agent.detect.telling import Telling
from agent.records import LOAD_SIDE, Event
from agent.site import Bay

Phasor = tuple[float, float]

SWITCH = "switch"
OPEN, CLOSED = 0, 1

# From the first look that shows it to the third: a fault nearer to the source draws on motors for
# less, and poles of a switch that bounce, arc or open one after the other are done.
HOLD_CYCLES = 8
# A live transfer opens one switch some time after the other has closed, and both may be seen here.
UNEXPLAINED_CYCLES = 50
# Power towards the source counts from this share of the rated one on; half of it is none again.
LEAST_POWER_SHARE = 0.03
# Errors of a degree, of current and voltage transformers together, feign a fiftieth of the apparent
# power as active one: this is five times that.
LEAST_POWER_FACTOR = 0.1
# Current through an open switch: noise of 40 dB leaves a thousandth of the rating in a look.
LEAST_AMPS_SHARE = 0.02
# An island that has turned by so much against the network (its sine) since it was seen slips.
SLIP_SINE = 0.2


class _Sign(NamedTuple):
    """What is told, by what, how sure it is, and what was not told apart."""

    event: str
    element: str
    confidence: float
    detail: str
    undetermined: str | None = None


_BELOW = _Sign("backfeed", LOAD_SIDE, 0.9, "the load side is live, the source's dead")
_BELOW_UNSURE = _BELOW._replace(
    confidence=0.6, undetermined="with the switch not known open, a voltage sensor may lie"
)
_ISLAND = _Sign(
    "backfeed", LOAD_SIDE, 0.9, "live behind the switch, which is open, and it slips: an island"
)
_UNEXPLAINED = _Sign(
    "bypass_suspected",
    LOAD_SIDE,
    0.3,
    "weak: live behind the switch, which is open",
    "unexplained: a tie or a recorded jumper looks the same",
)


class Backfeed(SlowFunction):
    """`backfeed` and `bypass_suspected` of one bay."""

    def __init__(self, bay: Bay, cycle_us: int, telling: Telling, situation: Situation) -> None:
        self._telling = telling
        self._situation = situation
        self._rated_va = 3**0.5 * bay.nominal_volts * bay.rating_amps
        self._least_amps = LEAST_AMPS_SHARE * bay.rating_amps
        hold_us = HOLD_CYCLES * cycle_us
        self._reverse = Beyond(LEAST_POWER_SHARE, LEAST_POWER_SHARE / 2, hold_us)
        self._below = Beyond(0.5, 0.5, hold_us)
        self._slipping = Beyond(0.5, 0.5, hold_us)
        self._through = Beyond(self._least_amps, self._least_amps / 2, hold_us)
        self._unexplained = Beyond(0.5, 0.5, UNEXPLAINED_CYCLES * cycle_us)
        self._forward_seen = False
        self._beside: Phasor | None = None  # of the load side, as seen from the source's, at first

    def look(self, look: Look) -> list[Event]:
        """Each when it has stood for its hold, and when it is over."""
        events = self._towards_source(look)
        switch = _position(look)
        if switch != OPEN and not self._fed_from_below(switch) and self._all_quiet():
            self._beside = None
            return events
        amps = max([a for a in sizes(look, CURRENT_ROLES) if not isnan(a)], default=nan)
        span, slips = (look.t_us, began_us(look)), self._slips(self._sides(look))
        return events + self._past(span, switch, amps, partial(seen_by, look), slips=slips)

    def measured(
        self, t_us: int, since_us: int, values: Mapping[str, float], seen: list[float]
    ) -> list[Event]:
        """The same by a meter's reading, which tells no angles: so nothing slips."""
        switch = values.get(SWITCH)
        position = None if switch is None else CLOSED if switch >= 0.5 else OPEN
        amps = max([a for a in seen[:3] if not isnan(a)], default=nan)
        return self._past((t_us, since_us), position, amps, lambda: seen)

    # --- power -----------------------------------------------------------------------------------

    def _towards_source(self, look: Look) -> list[Event]:
        if self._situation.kind:
            return []  # of a fault's current the angle is that of the line
        watts, apparent = self._power(look)
        if watts >= LEAST_POWER_SHARE * self._rated_va:
            self._forward_seen = True
        share = -watts / self._rated_va
        if share > 0 and -watts < LEAST_POWER_FACTOR * apparent:
            share = 0.0
        if self._reverse.quiet() and not share >= self._reverse.pickup:
            return []
        told = self._reverse.step(look.t_us, began_us(look), share)
        if told == NOTHING:
            return []
        doubt = None
        if not self._forward_seen:
            doubt = "whether it feeds back: currents that are wired the wrong way look the same"
        sign = _Sign(
            "backfeed",
            "32",
            0.5 if doubt else 0.9,
            f"{self._reverse.most * self._rated_va / 1e3:.0f} kW towards the source",
            doubt,
        )
        why = {"watts": watts, "apparent_va": apparent, "rated_va": self._rated_va}
        return [self._event(sign, told, self._reverse, look.t_us, seen_by(look), why)]

    def _power(self, look: Look) -> tuple[float, float]:
        """(P, S) of the fundamentals, P positive away from the source; NaN where it is not known.

        Of two current transformers as well, A and C (Aron's circuit).
        """
        distrusted = self._situation.distrusted
        if distrusted and distrusted.intersection(VOLTAGE_ROLES + CURRENT_ROLES):
            return nan, nan
        if look.volts is None:
            return nan, nan
        volts = look.volts.phasors
        if look.amps is not None:
            watts = _watts(volts, look.amps.phasors)
            return watts, _products(look.volts.sizes, look.amps.sizes)
        ends = phasors(look, ("ia", "ic"))
        if ends is None:
            return nan, nan
        volts = [minus(volts[0], volts[1]), minus(volts[2], volts[1])]
        return _watts(volts, ends), _products(map(size, volts), map(size, ends))

    # --- voltages and the switch -----------------------------------------------------------------

    def _fed_from_below(self, switch: int | None) -> bool:
        """All is dead on the source's side; one phase alone would rather be its sensor's fuse. Of
        a closed switch both sides are one: a sensor lies.
        """
        lost_all = self._situation.supply == [DEAD, DEAD, DEAD]
        return switch != CLOSED and lost_all and LIVE in self._situation.load_supply

    def _all_quiet(self) -> bool:
        elements = self._below, self._slipping, self._through, self._unexplained
        return all(element.quiet() for element in elements)

    def _sides(self, look: Look) -> Phasor | None:
        """The load side's positive sequence as seen from the source's; None: not both are there."""
        source, load = phasors(look, VOLTAGE_ROLES), phasors(look, LOAD_ROLES)
        if source is None or load is None or LIVE not in self._situation.supply:
            return None
        return over(sequences(*load)[1], sequences(*source)[1])

    def _slips(self, sides: Phasor | None) -> bool:
        """Whether the load side has turned against the source's since both were first seen live."""
        if sides is None:
            self._beside = None
            return False
        if self._beside is None:
            self._beside = sides
        re, im = over(sides, self._beside)
        return re < 0 or im * im >= SLIP_SINE * SLIP_SINE * (re * re + im * im)

    def _past(
        self,
        span: tuple[int, int],
        switch: int | None,
        amps: float,
        seen: Callable[[], list[float]],
        *,
        slips: bool = False,
    ) -> list[Event]:
        """What the voltages of both sides and the switch's position say."""
        situation, is_open = self._situation, switch == OPEN
        sides = zip(situation.supply, situation.load_supply, strict=True)
        both = is_open and any(source == LIVE and load == LIVE for source, load in sides)
        told = [
            (sign, element, element.step(*span, value))
            for sign, element, value in (
                (
                    _BELOW if is_open else _BELOW_UNSURE,
                    self._below,
                    float(self._fed_from_below(switch)),
                ),
                (_ISLAND, self._slipping, float(both and slips)),
                (_UNEXPLAINED, self._unexplained, float(both and not slips)),
                (self._strong(), self._through, amps if is_open else 0.0),
            )
        ]
        names = {None: "unknown", OPEN: "open", CLOSED: "closed"}
        why: dict[str, float | str] = {
            "switch": names[switch],
            "amps": amps,
            "limit_amps": self._least_amps,
        }
        return [
            self._event(sign, said, element, span[0], seen(), why)
            for sign, element, said in told
            if said != NOTHING
        ]

    def _strong(self) -> _Sign:
        doubt = "an auxiliary contact that lies looks the same"
        if self._situation.load_supply == [None, None, None]:
            doubt += "; not_observable: there is no voltage behind the switch"
        detail = f"strong: {max(self._through.most, 0.0):.1f} A through the switch, which is open"
        return _Sign("bypass_suspected", "switch", 0.8, detail, doubt)

    def _event(
        self,
        sign: _Sign,
        told: int,
        beyond: Beyond,
        t_us: int,
        seen: list[float],
        why: Mapping[str, float | str],
    ) -> Event:
        detail = sign.detail
        if told == DROP:
            detail = f"over after {(beyond.until_us[1] - beyond.since_us[1]) / 1e6:.2f} s, {detail}"
        live = "".join(
            phase
            for phase, state in zip("ABC", self._situation.load_supply, strict=True)
            if state == LIVE
        )
        return self._telling.event(
            sign.event,
            seen,
            t_us,
            onset_us=beyond.since_us[1],
            bounds_us=beyond.since_us,
            element=sign.element,
            phases=live if sign.element == LOAD_SIDE and live else None,
            outcome="self_cleared" if told == DROP else None,
            confidence=sign.confidence,
            undetermined=sign.undetermined,
            detail=detail,
            why=why,
        )


def _watts(volts: list[Phasor], amps: list[Phasor]) -> float:
    return sum([u[0] * i[0] + u[1] * i[1] for u, i in zip(volts, amps, strict=True)])


def _products(volts: Iterable[float], amps: Iterable[float]) -> float:
    return sum([u * i for u, i in zip(volts, amps, strict=True)])


def _position(look: Look) -> int | None:
    """OPEN or CLOSED throughout the look; None: there is no contact, or it moved."""
    contact = look.channels.get(SWITCH)
    if contact is None:
        return None
    if contact.bottom >= 0.5:
        return CLOSED
    return OPEN if contact.top < 0.5 else None
