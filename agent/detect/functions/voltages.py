"""Voltages beyond their limits on one bay: dips and interruptions (27), and swells (59).

Between phases, as EN 50160 has it for medium voltage: customers hang there behind their delta
windings, and an earth fault of an isolated or coil-earthed network changes nothing for them. In a
solidly earthed network, and of a meter that tells magnitudes only, the phases' own.

While it is quiet the fundamentals of the fast path stand for all. Where one of them leaves its
limits, Urms(1/2) is taken from the samples every half cycle; what lasts is followed by slow looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, sqrt

from agent.detect.function import Now
from agent.detect.half_cycle import PAIRS, PHASES, edge_cycles, rms
from agent.detect.levels import Levels
from agent.detect.look import CYCLES, Look
from agent.detect.overvoltage import NOTHING, START, Overvoltage
from agent.detect.raw import Raw
from agent.detect.settings import Settings
from agent.detect.sight import LINE, VOLTAGES
from agent.detect.situation import Situation
from agent.detect.slow_sight import seen_by
from agent.detect.supply import displaced
from agent.detect.telling import Telling, exactly, three, us
from agent.detect.undervoltage import DIP, DIP_OVER, FOUND, LOST, Undervoltage
from agent.records import Event
from agent.site import Bay

Volts = tuple[float, float, float]
Bounds = tuple[int, int]
Phasor = tuple[float, float]

# What lasts longer than this is followed once a cycle by slow looks, instead of every half cycle.
CLOSELY_US = 1_000_000
# The beginning, or the end, shows in Urms(1/2) at most so long after it happened. [cycles]
LATEST_CYCLES = 1.5
# So far back the samples are searched for the instant itself: a quarter more, to see it begin.
_SEARCHED_CYCLES = LATEST_CYCLES + 0.25
# Of a voltage's RMS; higher ones are less than a thousandth of it.
_ORDERS = (1, 3, 5, 7)
_ROLES = {"A": "ua", "B": "ub", "C": "uc"}


def _rms(waves: Sequence[Sequence[Phasor] | None]) -> float:
    """Of one phase, or of the difference of two, by their harmonics; NaN where one is missing."""
    if None in waves:
        return nan
    known = [wave for wave in waves if wave is not None]
    square = 0.0
    if len(known) == 1:
        for re, im in known[0]:
            square += re * re + im * im
        return sqrt(square)
    for one, other in zip(*known, strict=True):
        re, im = one[0] - other[0], one[1] - other[1]
        square += re * re + im * im
    return sqrt(square)


class Voltages:
    """See undervoltage.py, overvoltage.py and half_cycle.py."""

    def __init__(
        self,
        bay: Bay,
        settings: Settings,
        cycle_us: int,
        telling: Telling,
        situation: Situation,
    ) -> None:
        self._line_volts = bay.nominal_volts
        self._settings = settings
        self._cycle_us = cycle_us
        self._telling = telling
        self._situation = situation
        self._solid = bay.earthing == "solid"
        self._metered: bool | None = None  # told by the first decision
        self._measure(by_phase=self._solid)
        self._next_us: int | None = None  # of the samples' next RMS
        self._watched_us = 0  # since when they are taken
        self._looked_us = 0  # when they were taken last
        self._slowly = False
        self._onset_us = self._swell_onset_us = 0

    def _measure(self, *, by_phase: bool) -> None:
        settings = self._settings
        self._by_phase = by_phase
        self._rows = VOLTAGES if by_phase else LINE
        self._names = PHASES if by_phase else PAIRS
        self._nominal_volts = self._line_volts / 3**0.5 if by_phase else self._line_volts
        under = settings.undervoltage_share, us(settings.undervoltage_delay_ms)
        over = settings.overvoltage_share, us(settings.overvoltage_delay_ms)
        self._under = Undervoltage(self._nominal_volts, *under, self._names)
        self._over = Overvoltage(self._nominal_volts, *over, self._names)

    def idle(self) -> bool:
        """See function.py; the others too."""
        return self._next_us is None and not self._metered

    @property
    def _running(self) -> bool:
        return self._under.running or self._over.running

    def dues_us(self) -> list[int]:
        """Every half cycle while something is on."""
        return [] if self._next_us is None else [self._next_us]

    def narrow(self, low: list[float], high: list[float]) -> None:
        """Voltages within their limits; what slow looks follow, and a dead feeder, has none."""
        if self._slowly:
            return
        for row, name in enumerate(self._names, self._rows.start):
            if self._trusted(name):
                high[row] = min(high[row], self._over.pickup_volts)
                if self._under.seen_up:
                    low[row] = max(low[row], self._under.pickup_volts)

    def add_levels(self, levels: Levels) -> None:
        """Pickups: from there on the samples are looked at."""
        pickups = [self._under.pickup_volts, self._over.pickup_volts]
        if self._by_phase:
            levels.voltages += pickups
        else:
            levels.line += pickups

    def step(self, now: Now) -> list[Event]:
        """`dip`, `interruption` and `swell`, each when it begins and when it is over."""
        if self._metered is None:
            self._metered = now.raw() is None
            if self._metered:
                self._measure(by_phase=True)
        if self._metered:
            return self._take(now.t_us, now.since_us, self._told_by_meter(now.seen), now.seen, None)
        if self._slowly or (self._next_us is not None and now.t_us < self._next_us):
            return []
        volts = three(now.seen[self._rows], missing=nan)
        if not any(u >= 0.0 for u in volts):
            return []  # there is no voltage to look at
        quiet = self._within(volts)
        first = self._next_us is None
        raw = None if first and quiet and self._under.seen_up else now.raw()
        if raw is None:
            return []
        since_us = now.since_us if first else self._looked_us - self._cycle_us
        events = self._take(now.t_us, since_us, self._left(rms(raw, self._names)), now.seen, raw)
        self._go_on(now.t_us, quiet=quiet)
        return events

    def look(self, look: Look) -> list[Event]:
        """What lasts, cycle by cycle."""
        if self._slowly:
            return self._follow(look)
        if not self._under.seen_up:
            volts = self._of_cycle(look, CYCLES - 1)
            if self._within(volts):
                self._under.step(look.t_us, look.t_us, volts)
        return []

    def _follow(self, look: Look) -> list[Event]:
        window = next(channel.window for channel in look.channels.values())
        cycle_us = (look.t_us - look.since_us) * window // (CYCLES * window - 1)
        events: list[Event] = []
        volts: Volts = (nan, nan, nan)
        for number in range(CYCLES):
            t_us = look.t_us - (CYCLES - 1 - number) * cycle_us
            if t_us <= self._looked_us:
                continue
            volts = self._left(self._of_cycle(look, number))
            since_us = max(look.since_us, self._looked_us) - cycle_us
            self._looked_us = t_us
            events += self._take(t_us, since_us, volts, seen_by(look), None)
        if not self._running and self._within(volts):
            self._slowly = False
        return events

    # --- voltages --------------------------------------------------------------------------------

    def _trusted(self, name: str) -> bool:
        distrusted = self._situation.distrusted
        return not distrusted or not any(_ROLES[phase] in distrusted for phase in name)

    def _left(self, volts: Volts) -> Volts:
        """Without those of a sensor that lies."""
        a, b, c = (u if self._trusted(n) else nan for n, u in zip(self._names, volts, strict=True))
        return a, b, c

    def _within(self, volts: Volts) -> bool:
        """Whether none of them is beyond a limit; what is not known is not."""
        low, high = self._under.pickup_volts, self._over.pickup_volts
        return not any(u < low or u >= high for u in self._left(volts))

    def _told_by_meter(self, seen: list[float]) -> Volts:
        """Phase to earth, as long as the star point lies where it should."""
        volts = three(seen[VOLTAGES], missing=nan)
        if not self._solid and displaced(list(volts), self._nominal_volts):
            return nan, nan, nan
        return self._left(volts)

    def _of_cycle(self, look: Look, number: int) -> Volts:
        """RMS of one cycle of a look, from its harmonics, so without DC."""
        waves = {
            phase: [look.channels[role].cycle(number, order) for order in _ORDERS]
            for phase, role in _ROLES.items()
            if role in look.channels
        }
        a, b, c = (_rms([waves.get(phase) for phase in name]) for name in self._names)
        return a, b, c

    # --- what is told ----------------------------------------------------------------------------

    def _go_on(self, t_us: int, *, quiet: bool) -> None:
        """When the samples are looked at next."""
        self._looked_us = t_us
        if quiet and not self._running:
            self._next_us = None
            return
        if self._next_us is None:
            self._next_us = self._watched_us = t_us
        if t_us - self._watched_us >= CLOSELY_US:
            self._slowly, self._next_us = True, None
            return
        while self._next_us <= t_us:
            self._next_us += self._cycle_us // 2

    def _take(
        self, t_us: int, since_us: int, volts: Volts, seen: list[float], raw: Raw | None
    ) -> list[Event]:
        """One value of each voltage into both elements."""
        under, over = self._under, self._over
        sagged, swollen = under.running, over.running
        words = under.step(t_us, since_us, volts)
        # Of a meter that tells no angles the height to earth says nothing of the supply.
        tall = (nan, nan, nan) if self._metered and not self._solid else volts
        told = over.step(t_us, since_us, tall)
        if under.running and not sagged:
            self._onset_us = self._edge_us(raw, under.low, under.began_us)
        if over.running and not swollen:
            self._swell_onset_us = self._edge_us(raw, over.high, over.began_us)
        events = [self._sagged(word, t_us, volts, seen, raw) for word in words]
        if told != NOTHING:
            events.append(self._swell(told, t_us, volts, seen, raw))
        return events

    def _edge_us(self, raw: Raw | None, names: Sequence[str], bounds: Bounds) -> int:
        """When it happened within bounds: where a wave left what it was, else their middle."""
        if raw is not None:
            ages = [edge_cycles(raw, name, _SEARCHED_CYCLES) for name in names]
            known = [age for age in ages if age is not None]
            if known:
                return max(bounds[0], bounds[1] - int(max(known) * self._cycle_us))
        return (bounds[0] + bounds[1]) // 2

    @property
    def _meant(self) -> str:
        return "phase to earth" if self._by_phase else "phase to phase"

    def _sagged(
        self, word: str, t_us: int, volts: Volts, seen: list[float], raw: Raw | None
    ) -> Event:
        under = self._under
        lowest = under.lowest_volts / self._nominal_volts
        why: dict[str, float | int | str] = {
            "pickup_volts": under.pickup_volts,
            "return_volts": under.return_volts,
            "lowest_volts": under.lowest_volts,
            "measured": self._meant,
        }
        if word in (LOST, FOUND):
            onset_us, bounds = self._lost_since(), under.lost_us
            why |= {"lost_volts": under.lost_volts, "found_volts": under.found_volts}
            detail = f"below {under.lost_volts / self._nominal_volts:.2f} of nominal, {self._meant}"
            phases, ended = self._phases(self._names), under.found_us
        else:
            onset_us, bounds = self._onset_us, under.began_us
            detail = f"{' '.join(under.low)} down to {lowest:.3f} of nominal, {self._meant}"
            phases, ended = self._phases(under.low), under.ended_us
        over = word in (FOUND, DIP_OVER)
        if over:
            told = self._lasted(onset_us, bounds, self._edge_us(raw, self._names, ended), ended)
            why |= told
            detail = f"over after {told['duration_s']:.3f} s, {detail}"
        return self._telling.event(
            "dip" if word in (DIP, DIP_OVER) else "interruption",
            seen,
            t_us,
            onset_us=onset_us,
            bounds_us=bounds,
            element="27",
            phases=phases,
            outcome="self_cleared" if over else None,
            detail=detail,
            why={**why, **self._exactly(volts)},
        )

    def _lost_since(self) -> int:
        """The instant of a sudden loss is that of the dip that it began with."""
        earliest_us, latest_us = self._under.lost_us
        if latest_us - self._under.began_us[1] <= LATEST_CYCLES * self._cycle_us:
            return min(max(self._onset_us, earliest_us), latest_us)
        return (earliest_us + latest_us) // 2

    def _swell(
        self, told: int, t_us: int, volts: Volts, seen: list[float], raw: Raw | None
    ) -> Event:
        """A swell that has begun, or, with how high and long it was, one that is over."""
        over = self._over
        highest = over.highest_volts / self._nominal_volts
        detail = f"{' '.join(over.high)} up to {highest:.3f} of nominal, {self._meant}"
        why: dict[str, float | int | str] = {
            "pickup_volts": over.pickup_volts,
            "return_volts": over.return_volts,
            "highest_volts": over.highest_volts,
            "measured": self._meant,
        }
        if told != START:
            ended = self._edge_us(raw, self._names, over.ended_us)
            lasted = self._lasted(self._swell_onset_us, over.began_us, ended, over.ended_us)
            why |= lasted
            detail = f"over after {lasted['duration_s']:.3f} s, {detail}"
        return self._telling.event(
            "swell",
            seen,
            t_us,
            onset_us=self._swell_onset_us,
            bounds_us=over.began_us,
            element="59",
            phases=self._phases(over.high),
            outcome="self_cleared" if told != START else None,
            detail=detail,
            why={**why, **self._exactly(volts)},
        )

    @staticmethod
    def _lasted(onset_us: int, began: Bounds, ended_us: int, ended: Bounds) -> dict[str, float]:
        """How long, with bounds; and as IEC 61000-4-30 counts it, from half cycle to half cycle."""
        return {
            "duration_s": (ended_us - onset_us) / 1e6,
            "duration_least_s": max(0, ended[0] - began[1]) / 1e6,
            "duration_most_s": (ended[1] - began[0]) / 1e6,
            "duration_by_rms_s": (ended[1] - began[1]) / 1e6,
        }

    @staticmethod
    def _phases(names: Sequence[str]) -> str:
        return "".join(phase for phase in PHASES if phase in "".join(names))

    def _exactly(self, volts: Volts) -> dict[str, float]:
        names = [name.lower() for name in self._names]
        return dict(exactly("volts", list(volts), names))
