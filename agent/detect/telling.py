"""Events of one bay, with the quantities of their decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

from agent.detect.sight import CURRENTS, NEUTRAL, RESIDUAL, VOLTAGES
from agent.records import Event

_DECIMALS = 3  # mA and mV: far below any sensor, so that JSON stays readable


class Telling:
    """Makes the events of a bay; quantities are rounded for people, `why` is exact."""

    def __init__(self, bay: str) -> None:
        self._bay = bay

    def event(self, event: str, seen: list[float], t_us: int, **fields: object) -> Event:
        """fields: Event's own."""
        return Event(
            event=event,
            bay=self._bay,
            t_us=t_us,
            currents=_shown(seen[CURRENTS]),
            voltages=_shown(seen[VOLTAGES]),
            residual_amps=_shown_one(seen[RESIDUAL]),
            neutral_volts=_shown_one(seen[NEUTRAL]),
            **fields,  # type: ignore[arg-type]  # the names are Event's own
        )


def exactly(name: str, values: list[float], phases: Sequence[str] = "abc") -> Mapping[str, float]:
    """Unrounded quantities per phase, so that the decision can be rebuilt bit for bit."""
    return {
        f"{name}_{phase}": value
        for phase, value in zip(phases, values, strict=True)
        if not isnan(value)
    }


def three(values: list[float], missing: float = 0.0) -> tuple[float, float, float]:
    """Values of three phases; `missing` where there is no sensor."""
    a, b, c = values
    return (
        missing if isnan(a) else a,
        missing if isnan(b) else b,
        missing if isnan(c) else c,
    )


def us(milliseconds: float) -> int:
    """A setting's time."""
    return round(milliseconds * 1000)


def _shown(values: list[float]) -> tuple[float | None, float | None, float | None]:
    a, b, c = map(_shown_one, values)
    return a, b, c


def _shown_one(value: float) -> float | None:
    return None if isnan(value) else round(value, _DECIMALS)
