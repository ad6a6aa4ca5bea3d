"""The elements of one bay, who vetoes whom, and the events they make.

While nothing moves the elements are not even called: every one of them promises that a quiet
sample changes nothing while it is idle, which is what makes skipping exact. Once awake, a bay is
stepped where a quantity crosses a level of some element, where a timer of theirs is due, and,
while an element integrates, on a fixed grid of samples; all three follow from the samples alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf, isnan

from agent.detect import inrush
from agent.detect.instants import When
from agent.detect.levels import Levels
from agent.detect.overvoltage import DROP, NOTHING, Overvoltage
from agent.detect.settings import Settings
from agent.detect.short_circuit import EXPLAINING_SHARE, LOAD_LIMIT, ShortCircuit
from agent.detect.sight import (
    ADDED,
    CURRENTS,
    LINE,
    NEUTRAL,
    RESIDUAL,
    VOLTAGES,
    WATCHED,
    Band,
    Sight,
)
from agent.detect.supply import DEAD, LIVE, Supply
from agent.detect.timed import TimedStages
from agent.detect.undervoltage import Undervoltage
from agent.records import Event
from agent.site import Bay

# Below this share of pickup a current is quiet; the band absorbs noise on a load near pickup.
QUIET_SHARE = 0.9

_DECIMALS = 3  # mA and mV: far below any sensor, so that JSON stays readable


class BayDetector:
    """All elements of one bay.

    cycle_us: what their holds are counted in. grid: samples between two looks of what integrates.
    """

    def __init__(self, bay: Bay, settings: Settings, cycle_us: int, grid: int = 1) -> None:
        self.bay = bay
        self.settings = settings
        self._grid = grid
        self._phase_volts = bay.nominal_volts / 3**0.5
        self._short_circuit = ShortCircuit(
            settings.phase_pickup_amps,
            settings.residual_pickup_amps,
            settings.change_floor_amps,
            cycle_us,
        )
        self._supply = Supply(
            self._phase_volts, _us(settings.dead_hold_ms), _us(settings.live_hold_ms)
        )
        self._undervoltage = Undervoltage(
            self._phase_volts, settings.undervoltage_share, _us(settings.undervoltage_delay_ms)
        )
        self._overvoltage = Overvoltage(
            bay.nominal_volts, settings.overvoltage_share, _us(settings.overvoltage_delay_ms)
        )
        self._timed = TimedStages(settings, cycle_us)
        self._timing = False
        self._dues_us: list[int] = []  # they change with a step alone
        self._unseen = True  # nothing was looked at yet: no crossing tells where things stand
        self._voltless = False
        self._band_of: tuple[int | None, ...] | None = None

    @property
    def supply_states(self) -> tuple[int | None, ...]:
        """DEAD, LIVE or None (not known, or just changing) of each phase."""
        return self._supply.settled()

    def resume_supply(self, states: Sequence[int | None], since_us: int) -> None:
        """Go on from the states that were last told; nobody has looked since `since_us`."""
        self._supply.resume(list(states), since_us)
        self._unseen = True

    def idle(self) -> bool:
        """True when quiet samples would change nothing here."""
        return (
            not self._timing
            and self._short_circuit.idle()
            and (self._supply.idle() or self._voltless)
            and self._undervoltage.idle()
            and self._overvoltage.idle()
        )

    @property
    def band(self) -> Band:
        """What is quiet here; it depends on what was told: a dead phase has no quiet voltage.

        One and the same object as long as it is the same band.
        """
        states = tuple(self._supply.states)
        if states != self._band_of:
            self._band_of, self._band = states, self._band_now()
        return self._band

    def _band_now(self) -> Band:
        low, high = [-inf] * WATCHED, [inf] * WATCHED
        timed, settings = self._timed, self.settings
        phase = min(QUIET_SHARE * settings.phase_pickup_amps, timed.phase_start_amps)
        residual = min(QUIET_SHARE * settings.residual_pickup_amps, timed.residual_start_amps)
        high[CURRENTS], high[RESIDUAL] = [phase] * 3, residual
        high[LINE] = [self._overvoltage.pickup_volts] * 3
        high[ADDED] = [settings.change_floor_amps] * 3
        for row, state in enumerate(self._supply.states, VOLTAGES.start):
            if self._voltless:
                continue
            if state == DEAD:
                high[row] = self._supply.dead_volts
            else:
                low[row] = self._undervoltage.return_volts if state == LIVE else inf
        return low, high

    def levels(self) -> Levels:
        """Where some element would answer differently."""
        levels = Levels()
        phase = self._short_circuit.phase
        levels.currents = [
            *phase.levels(),
            LOAD_LIMIT * phase.pickup_amps,
            self._timed.phase_start_amps,
        ]
        levels.residual = [self._timed.residual_start_amps]
        levels.stabilised = self._short_circuit.residual.levels()
        levels.added = [self.settings.change_floor_amps, EXPLAINING_SHARE * phase.pickup_amps]
        levels.voltages = [
            self._supply.dead_volts,
            self._supply.live_volts,
            self._undervoltage.pickup_volts,
            self._undervoltage.return_volts,
        ]
        levels.line = [self._overvoltage.pickup_volts, self._overvoltage.return_volts]
        return levels

    def feed(
        self,
        sight: Sight,
        crossings: list[int],
        when: When,
        waves: Callable[[int], inrush.Waves | None],
    ) -> list[Event]:
        """Events of n consecutive decisions.

        crossings: where some quantity crosses a level;
        waves(k): the samples of the currents up to decision k, None where there are none.
        """
        events: list[Event] = []
        voltless = isnan(sum(sight.column(0)[VOLTAGES]))
        if voltless != self._voltless:
            self._voltless, self._band_of = voltless, None
        k = full = -1
        while True:
            if self._unseen:
                k, full, self._unseen = 0, 0, False
            elif self.idle():
                k = full = sight.outside(self.band, k + 1)
            else:
                if k == full:  # what integrates moves no timer of the others
                    full = self._next(k, crossings, when)
                k = min(full, self._next_on_grid(k, when))
            if k >= sight.count:
                return events
            seen, t_us, since_us = sight.column(k), when.t_us(k), when.since_us(k)
            if k == full:
                events += self._step(seen, t_us, since_us, partial(waves, k))
                self._dues_us = self._dues_now_us()
            if self._timing and when.index(k) % (self._grid * self._timed.pace) == 0:
                events += self._operations(seen, t_us, since_us)

    def is_due(self, count: int, when: When) -> bool:
        """Whether some timer is due among `count` decisions, or nothing was looked at yet."""
        if self._unseen or not self._dues_us:
            return self._unseen
        begin_us, end_us = when.t_us(-1), when.t_us(count - 1)
        return any(begin_us < due_us <= end_us for due_us in self._dues_us)

    def go_on(self, count: int, column: Callable[[int], list[float]], when: When) -> list[Event]:
        """Events of decisions at which nothing crosses a level and no timer is due.

        column(k): the rows of the sight at decision `k`.
        """
        events: list[Event] = []
        k = self._next_on_grid(-1, when)
        while k < count:
            events += self._operations(column(k), when.t_us(k), when.since_us(k))
            k = self._next_on_grid(k, when)
        return events

    def _next(self, k: int, crossings: list[int], when: When) -> int:
        """The decision after `k` at which an element may answer differently."""
        following = next((each for each in crossings if each > k), 1 << 62)
        t_us = when.t_us(k)
        for due_us in self._dues_us:
            if due_us > t_us:
                following = min(following, max(k + 1, when.at(due_us)))
        return following

    def _next_on_grid(self, k: int, when: When) -> int:
        """The decision after `k` at which what integrates is looked at."""
        if not self._timing:
            return 1 << 62
        stride = self._grid * self._timed.pace
        return k + stride - when.index(k) % stride

    def _dues_now_us(self) -> list[int]:
        elements = (
            self._short_circuit,
            self._supply,
            self._undervoltage,
            self._overvoltage,
        )
        return [due for element in elements for due in element.dues_us()]

    def _step(
        self,
        seen: list[float],
        t_us: int,
        since_us: int,
        look: Callable[[], inrush.Waves | None],
    ) -> list[Event]:
        """All elements but the timed ones, in the order in which they may veto each other."""
        currents, added = _three(seen[CURRENTS]), _three(seen[ADDED])
        told = self._short_circuit.step(t_us, currents, seen[RESIDUAL], added, look)
        events = [self._fault_event(told, seen, t_us)] if told else []
        self._timing = self._is_timing(currents, seen[RESIDUAL])
        a, b, c = seen[LINE]
        swell = self._overvoltage.step(t_us, since_us, (a, b, c))
        if swell != NOTHING:
            events.append(self._swell(swell, seen, t_us))
        if self._voltless:
            return events
        volts = _three(seen[VOLTAGES])
        # A dip that sounds while the feeder is dead is the outage itself, told by `supply`.
        if self._undervoltage.step(t_us, since_us, volts) and DEAD not in self._supply.states:
            events.append(self._dip(seen, t_us))
        change = self._supply.step(t_us, since_us, volts, bool(self._short_circuit.kind))
        if change is not None:
            events.append(self._supply_event(change, seen, t_us))
        return events

    def _is_timing(self, currents: tuple[float, float, float], residual_amps: float) -> bool:
        """Whether some timed stage runs, or has reason to begin."""
        return (
            not self._timed.idle()
            or self._short_circuit.phase.started
            or self._short_circuit.residual.started
            or max(currents) >= self._timed.phase_start_amps
            or residual_amps >= self._timed.residual_start_amps
        )

    def _operations(self, seen: list[float], t_us: int, since_us: int) -> list[Event]:
        """What the timed stages say."""
        start, currents = self._short_circuit, _three(seen[CURRENTS])
        starts = start.phase.started, start.residual.started
        operated = self._timed.step(t_us, since_us, currents, seen[RESIDUAL], starts)
        self._timing = self._is_timing(currents, seen[RESIDUAL])
        return [
            self._event(
                "operate",
                seen,
                t_us=t_us,
                onset_us=onset_us,
                element=element,
                kind=start.kind or None,
                phases=phases or None,
                why={
                    **why,
                    **_exactly("current", seen[CURRENTS]),
                    "residual_amps": seen[RESIDUAL],
                },
            )
            for element, onset_us, phases, why in operated
        ]

    def _swell(self, told: int, seen: list[float], t_us: int) -> Event:
        """A swell that has begun, or, with how high and long it was, one that is over."""
        element = self._overvoltage
        lasted_s = (t_us - element.onset_us) / 1e6
        highest = element.highest_volts / self.bay.nominal_volts
        over = f"over after {lasted_s:.3f} s, at most {highest:.3f} of nominal"
        return self._event(
            "swell",
            seen,
            t_us=t_us,
            onset_us=element.onset_us,
            element="59",
            phases=element.phases,
            outcome="self_cleared" if told == DROP else None,
            detail=over if told == DROP else None,
            why={
                "pickup_volts": element.pickup_volts,
                "return_volts": element.return_volts,
                "highest_volts": element.highest_volts,
                **_exactly("volts", seen[LINE], ("ab", "bc", "ca")),
            },
        )

    def _fault_event(self, told: str, seen: list[float], t_us: int) -> Event:
        element = self._short_circuit
        why: dict[str, float | int | str] = {
            "phase_pickup_amps": self.settings.phase_pickup_amps,
            "residual_pickup_amps": self.settings.residual_pickup_amps,
            "change_floor_amps": self.settings.change_floor_amps,
            **_exactly("current", seen[CURRENTS]),
            "residual_amps": seen[RESIDUAL],
            **_exactly("change", seen[ADDED]),
        }
        if told == "overload":
            return self._event(told, seen, t_us=t_us, element="50P", why=why)
        if element.judgement is not None and told in {"fault", "inrush"}:
            why |= element.judgement.why()
        if told == "inrush":
            name = f"{element.element}/2H"
            return self._event(told, seen, t_us=t_us, element=name, why=why)
        if told == "fault_cleared":
            return self._event(told, seen, t_us=t_us, onset_us=element.onset_us, why=why)
        missing = "".join(
            name for name, amps in zip("ABC", seen[CURRENTS], strict=True) if isnan(amps)
        )
        return self._event(
            told,
            seen,
            t_us=t_us,
            # Without a directional element every fault current through this bay is its own.
            alarm=True,
            onset_us=element.onset_us,
            element=element.element,
            kind=None if missing else element.kind,
            direction="unknown",
            undetermined=f"kind: no sensor in phase {missing}" if missing else None,
            why=why,
        )

    def _dip(self, seen: list[float], t_us: int) -> Event:
        return self._event(
            "dip",
            seen,
            t_us=t_us,
            onset_us=self._undervoltage.onset_us,
            element="27",
            phases=self._undervoltage.phases,
            why={
                "pickup_volts": self._undervoltage.pickup_volts,
                **_exactly("volts", seen[VOLTAGES]),
            },
        )

    def _supply_event(
        self, change: tuple[int, str, int, int], seen: list[float], t_us: int
    ) -> Event:
        state, phases, earliest_us, latest_us = change
        lost_all = self._supply.states == [DEAD, DEAD, DEAD]
        return self._event(
            "voltage_loss" if state == DEAD else "voltage_restored",
            seen,
            t_us=t_us,
            alarm=state == DEAD and lost_all,
            onset_us=latest_us,
            bounds_us=(earliest_us, latest_us),
            phases=phases,
            why={
                "dead_volts": self._supply.dead_volts,
                "live_volts": self._supply.live_volts,
                **_exactly("volts", seen[VOLTAGES]),
            },
        )

    def _event(self, event: str, seen: list[float], *, t_us: int, **fields: object) -> Event:
        """An event with the quantities of its decision, rounded for people; `why` is exact."""
        return Event(
            event=event,
            bay=self.bay.name,
            t_us=t_us,
            currents=_shown(seen[CURRENTS]),
            voltages=_shown(seen[VOLTAGES]),
            residual_amps=_shown_one(seen[RESIDUAL]),
            neutral_volts=_shown_one(seen[NEUTRAL]),
            **fields,  # type: ignore[arg-type]  # the names are Event's own
        )


def _us(milliseconds: float) -> int:
    return round(milliseconds * 1000)


def _three(values: list[float]) -> tuple[float, float, float]:
    """Values of three phases, 0 where there is no sensor."""
    a, b, c = (0.0 if isnan(value) else value for value in values)
    return a, b, c


def _exactly(name: str, values: list[float], phases: Sequence[str] = "abc") -> Mapping[str, float]:
    """Unrounded quantities per phase, so that the decision can be rebuilt bit for bit."""
    return {
        f"{name}_{phase}": value
        for phase, value in zip(phases, values, strict=True)
        if not isnan(value)
    }


def _shown(values: list[float]) -> tuple[float | None, float | None, float | None]:
    a, b, c = map(_shown_one, values)
    return a, b, c


def _shown_one(value: float) -> float | None:
    return None if isnan(value) else round(value, _DECIMALS)
