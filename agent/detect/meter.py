"""What a bay measures, as screens and history take it; who measures it is told by its source."""

from __future__ import annotations

from dataclasses import dataclass


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
