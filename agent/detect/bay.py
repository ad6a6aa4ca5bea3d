"""The elements of one bay, fed with quantities in amperes and volts, and the events they make.

While nothing moves the elements are not even called: every one of them promises that a quiet
sample changes nothing while it is idle, which is what makes skipping exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agent.detect.overvoltage import DROP, NOTHING, Overvoltage
from agent.detect.settings import Settings
from agent.detect.short_circuit import ShortCircuit
from agent.detect.supply import DEAD, LIVE, Supply
from agent.detect.timed import TimedStages
from agent.detect.undervoltage import Undervoltage
from agent.records import Event
from agent.site import Bay

Array = npt.NDArray[np.float64]

# Below this share of pickup a current is quiet; the band absorbs noise on a load near pickup.
QUIET_SHARE = 0.9

_DECIMALS = 3  # mA and mV: far below any sensor, so that JSON stays readable


@dataclass(frozen=True, slots=True)
class BayQuantities:
    """Fundamentals and changes of one bay over consecutive decisions; RMS, primary.

    currents, changes: shape (3, n), NaN rows where a phase has no sensor; residual: 3I0, (n,);
    voltages: (3, n), NaN rows likewise; neutral: U0, (n,), NaN when it cannot be told;
    line_voltages: AB, BC, CA, (3, n), NaN where a phase has no sensor or its angle is not known.
    """

    currents: Array
    changes: Array
    residual: Array
    voltages: Array
    neutral: Array
    line_voltages: Array


class BayDetector:
    """All elements of one bay; `cycle_us` is what their holds are counted in."""

    def __init__(self, bay: Bay, settings: Settings, cycle_us: int) -> None:
        self.bay = bay
        self.settings = settings
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
        self._timed_step_us = cycle_us // 8
        self._timed_us = 0  # when the timed stages were last stepped

    @property
    def supply_states(self) -> tuple[int | None, ...]:
        """DEAD, LIVE or None (not known, or just changing) of each phase."""
        return self._supply.settled()

    def resume_supply(self, states: Sequence[int | None], since_us: int) -> None:
        """Go on from the states that were last told; nobody has looked since `since_us`."""
        self._supply.resume(list(states), since_us)

    def feed(
        self, seen: BayQuantities, instant_us: Callable[[int], tuple[int, int]]
    ) -> list[Event]:
        """Events of n consecutive decisions.

        instant_us(k): instant of decision k, and the beginning of the time it covers. [us]
        """
        events: list[Event] = []
        count = seen.residual.shape[0]
        k = 0
        moving = self._moving(seen)
        while k < count:
            if self._idle():
                ahead = np.flatnonzero(moving[k:])
                if not ahead.size:
                    break
                k += int(ahead[0])
            states = list(self._supply.states)
            events += self._step(seen, k, *instant_us(k))
            if states != self._supply.states:  # what is quiet depends on what was told
                moving = self._moving(seen)
            k += 1
        return events

    def _idle(self) -> bool:
        return (
            self._short_circuit.idle()
            and (self._supply.idle() or self._voltless)
            and self._undervoltage.idle()
            and self._overvoltage.idle()
            and self._timed.idle()
        )

    def _moving(self, seen: BayQuantities) -> npt.NDArray[np.bool_]:
        """Decisions at which some quantity is outside its quiet band."""
        settings = self.settings
        self._voltless = bool(np.isnan(seen.voltages[:, :1]).any())
        currents = np.nan_to_num(seen.currents)
        moving: npt.NDArray[np.bool_] = (
            (currents >= QUIET_SHARE * settings.phase_pickup_amps).any(axis=0)
            | (seen.residual >= QUIET_SHARE * settings.residual_pickup_amps)
            | (np.nan_to_num(seen.changes) >= settings.change_floor_amps).any(axis=0)
            | (currents >= self._timed.phase_start_amps).any(axis=0)
            | (seen.residual >= self._timed.residual_start_amps)
            | (seen.line_voltages >= self._overvoltage.pickup_volts).any(axis=0)
        )
        if not self._voltless:
            for volts, state in zip(seen.voltages, self._supply.states, strict=True):
                moving |= self._volts_moving(volts, state)
        return moving

    def _volts_moving(self, volts: Array, state: int | None) -> npt.NDArray[np.bool_]:
        if state == LIVE:
            return volts < self._undervoltage.return_volts
        if state == DEAD:
            return volts >= self._supply.dead_volts
        return np.ones(volts.shape, dtype=np.bool_)

    def _step(self, seen: BayQuantities, k: int, t_us: int, since_us: int) -> list[Event]:
        """All elements at decision k, in the order in which they may veto each other."""
        currents = _three(np.nan_to_num(seen.currents[:, k]))
        changes = _three(np.nan_to_num(seen.changes[:, k]))
        residual = float(seen.residual[k])
        told = self._short_circuit.step(t_us, currents, residual, changes)
        events = [self._fault_event(told, seen, k, t_us, changes)] if told else []
        events += self._operations(seen, k, t_us, since_us)
        swell = self._overvoltage.step(t_us, since_us, _three(seen.line_voltages[:, k]))
        if swell != NOTHING:
            events.append(self._swell(swell, seen, k, t_us))
        if self._voltless:
            return events
        volts = _three(seen.voltages[:, k])
        # A dip that sounds while the feeder is dead is the outage itself, told by `supply`.
        if self._undervoltage.step(t_us, since_us, volts) and DEAD not in self._supply.states:
            events.append(self._dip(seen, k, t_us))
        change = self._supply.step(t_us, since_us, volts, bool(self._short_circuit.kind))
        if change is not None:
            events.append(self._supply_event(change, seen, k, t_us))
        return events

    def _fault_event(
        self,
        told: str,
        seen: BayQuantities,
        k: int,
        t_us: int,
        changes: tuple[float, float, float],
    ) -> Event:
        element = self._short_circuit
        why = {
            "phase_pickup_amps": self.settings.phase_pickup_amps,
            "residual_pickup_amps": self.settings.residual_pickup_amps,
            "change_floor_amps": self.settings.change_floor_amps,
            **_exactly("current", seen.currents[:, k]),
            "residual_amps": float(seen.residual[k]),
            **_exactly("change", changes),
        }
        if told == "overload":
            return self._event(told, seen, k, t_us=t_us, element="50P", why=why)
        if told == "fault_cleared":
            return self._event(told, seen, k, t_us=t_us, onset_us=element.onset_us, why=why)
        missing = "".join(
            name for name, row in zip("ABC", seen.currents, strict=True) if np.isnan(row[k])
        )
        return self._event(
            told,
            seen,
            k,
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

    def _operations(self, seen: BayQuantities, k: int, t_us: int, since_us: int) -> list[Event]:
        """What the timed stages say; while awake they are stepped every eighth of a cycle."""
        if not self._timed.idle() and t_us - self._timed_us < self._timed_step_us:
            return []
        self._timed_us = t_us
        start = self._short_circuit
        operated = self._timed.step(
            t_us,
            since_us,
            _three(np.nan_to_num(seen.currents[:, k])),
            float(seen.residual[k]),
            (start.phase.started, start.residual.started),
        )
        return [
            self._event(
                "operate",
                seen,
                k,
                t_us=t_us,
                onset_us=onset_us,
                element=element,
                kind=start.kind or None,
                phases=phases or None,
                why={
                    **why,
                    **_exactly("current", seen.currents[:, k]),
                    "residual_amps": float(seen.residual[k]),
                },
            )
            for element, onset_us, phases, why in operated
        ]

    def _swell(self, told: int, seen: BayQuantities, k: int, t_us: int) -> Event:
        """A swell that has begun, or, with how high and long it was, one that is over."""
        element = self._overvoltage
        lasted_s = (t_us - element.onset_us) / 1e6
        highest = element.highest_volts / self.bay.nominal_volts
        over = f"over after {lasted_s:.3f} s, at most {highest:.3f} of nominal"
        return self._event(
            "swell",
            seen,
            k,
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
                **{
                    f"volts_{pair}": float(value)
                    for pair, value in zip(
                        ("ab", "bc", "ca"), seen.line_voltages[:, k], strict=True
                    )
                    if not np.isnan(value)
                },
            },
        )

    def _dip(self, seen: BayQuantities, k: int, t_us: int) -> Event:
        return self._event(
            "dip",
            seen,
            k,
            t_us=t_us,
            onset_us=self._undervoltage.onset_us,
            element="27",
            phases=self._undervoltage.phases,
            why={
                "pickup_volts": self._undervoltage.pickup_volts,
                **_exactly("volts", seen.voltages[:, k]),
            },
        )

    def _supply_event(
        self, change: tuple[int, str, int, int], seen: BayQuantities, k: int, t_us: int
    ) -> Event:
        state, phases, earliest_us, latest_us = change
        lost_all = self._supply.states == [DEAD, DEAD, DEAD]
        return self._event(
            "voltage_loss" if state == DEAD else "voltage_restored",
            seen,
            k,
            t_us=t_us,
            alarm=state == DEAD and lost_all,
            onset_us=latest_us,
            bounds_us=(earliest_us, latest_us),
            phases=phases,
            why={
                "dead_volts": self._supply.dead_volts,
                "live_volts": self._supply.live_volts,
                **_exactly("volts", seen.voltages[:, k]),
            },
        )

    def _event(
        self, event: str, seen: BayQuantities, k: int, *, t_us: int, **fields: object
    ) -> Event:
        """An event with the quantities of decision k, rounded for people; `why` is exact."""
        return Event(
            event=event,
            bay=self.bay.name,
            t_us=t_us,
            currents=_shown(seen.currents[:, k]),
            voltages=_shown(seen.voltages[:, k]),
            residual_amps=_shown_one(float(seen.residual[k])),
            neutral_volts=_shown_one(float(seen.neutral[k])),
            **fields,  # type: ignore[arg-type]  # the names are Event's own
        )


def _us(milliseconds: float) -> int:
    return round(milliseconds * 1000)


def _three(values: Array) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _exactly(name: str, values: Array | tuple[float, float, float]) -> Mapping[str, float]:
    """Unrounded quantities per phase, so that the decision can be rebuilt bit for bit."""
    return {
        f"{name}_{phase}": float(value)
        for phase, value in zip("abc", values, strict=True)
        if not np.isnan(value)
    }


def _shown(values: Array) -> tuple[float | None, float | None, float | None]:
    a, b, c = (_shown_one(float(value)) for value in values)
    return a, b, c


def _shown_one(value: float) -> float | None:
    return None if np.isnan(value) else round(value, _DECIMALS)
