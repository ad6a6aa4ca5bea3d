"""What a bay measures, as screens and history take it; who measures it is told by its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Meter:
    """What a bay measures now; currents and voltages true RMS, primary; None = cannot be told.

    active_watts, reactive_vars: of the three phases, positive away from the normal source;
    frequency_hz: of the network; negative_amps, negative_volts: negative sequence of the
    fundamental.
    """

    bay: str
    t_us: int
    currents: tuple[float | None, ...]
    voltages: tuple[float | None, ...]
    residual_amps: float | None
    neutral_volts: float | None
    active_watts: float | None = None
    reactive_vars: float | None = None
    frequency_hz: float | None = None
    negative_amps: float | None = None
    negative_volts: float | None = None


def together(meters: Sequence[Meter]) -> Meter:
    """One bay as several sources see it: of each value the first that is there."""
    if len(meters) == 1:
        return meters[0]
    merged: dict[str, Any] = {
        each.name: _of_first([getattr(meter, each.name) for meter in meters])
        for each in fields(Meter)
    }
    return Meter(**(merged | {"t_us": max(meter.t_us for meter in meters)}))


def _of_first(values: Sequence[Any]) -> Any:
    if isinstance(values[0], tuple):
        return tuple(_of_first(phase) for phase in zip(*values, strict=True))
    return next((value for value in values if value is not None), None)
