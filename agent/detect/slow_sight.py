"""What a slow look shows, as the rows of a sight: for the quantities of an event that it makes."""

from __future__ import annotations

from math import isnan, nan

from agent.detect.look import CURRENT_ROLES, VOLTAGE_ROLES, Look
from agent.detect.sequences import minus, size
from agent.detect.sight import ADDED_NEUTRAL, CURRENTS, LINE, NEUTRAL, RESIDUAL, ROWS, VOLTAGES

Phasor = tuple[float, float]

LOAD_ROLES = ("u_load_a", "u_load_b", "u_load_c")


def phasors(look: Look, roles: tuple[str, ...]) -> list[Phasor] | None:
    """Fundamentals over the look, RMS primary; None where a sensor is missing."""
    channels = look.channels
    if any(role not in channels for role in roles):
        return None
    return [channels[role].phasor() for role in roles]


def sizes(look: Look, roles: tuple[str, ...]) -> list[float]:
    """Magnitudes of the fundamentals, NaN where there is no sensor."""
    channels = look.channels
    return [channels[role].size() if role in channels else nan for role in roles]


def began_us(look: Look) -> int:
    """What a look shows for the first time began no earlier: the one before held too little."""
    return 2 * look.since_us - look.t_us


def seen_by(look: Look) -> list[float]:
    """All rows, RMS primary: fundamentals over the look; what changes fast is not in it."""
    seen = [nan] * ROWS
    seen[CURRENTS], seen[VOLTAGES] = sizes(look, CURRENT_ROLES), sizes(look, VOLTAGE_ROLES)
    volts = phasors(look, VOLTAGE_ROLES)
    if volts is not None:
        turned = [volts[1], volts[2], volts[0]]
        seen[LINE] = [size(minus(x, y)) for x, y in zip(volts, turned, strict=True)]
    (residual,) = sizes(look, ("i0",))
    seen[RESIDUAL] = 0.0 if isnan(residual) else residual
    (seen[NEUTRAL],) = sizes(look, ("u0",))
    for row in range(NEUTRAL + 1, ADDED_NEUTRAL + 1):
        seen[row] = 0.0
    return seen
