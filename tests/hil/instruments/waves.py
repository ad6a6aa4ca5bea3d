"""Recordings for the instruments' tests: textbook sinusoids, a short circuit in the middle."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hil.case import Bay, Recording, States, Trace

ROLES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
SCALES = {"i": 20_000 / 32_767, "u": 20_000 / 32_767}


def feeder(
    terminal: str = "head",
    *,
    rate_hz: int = 4000,
    hz: float = 50.0,
    seconds: float = 0.5,
    fault_s: tuple[float, float] | None = (0.2, 0.3),
    contacts: Mapping[str, States] | None = None,
) -> Recording:
    """180 A of load at 10 kV; between two instants a short circuit of B and C of 2.4 kA.

    It begins at the peak of its driving voltage, so its current has no offset.
    """
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    angle = 2 * np.pi * hz * t + np.array([0, -2, 2])[:, None] * np.pi / 3
    amps = 180 * 2**0.5 * np.cos(angle - 0.3)
    volts = 10_000 * (2 / 3) ** 0.5 * np.cos(angle)
    if fault_s is not None:
        during = (t >= fault_s[0]) & (t < fault_s[1])
        loop = 2400 * 2**0.5 * np.sin(2 * np.pi * hz * (t - fault_s[0]))
        amps[1] += np.where(during, loop, 0)
        amps[2] -= np.where(during, loop, 0)
        # Between B and C; what the two have in common, and U0, stay.
        middle = (volts[1] + volts[2]) / 2
        volts[1:] = np.where(during, middle + 0.4 * (volts[1:] - middle), volts[1:])
    values = np.concatenate((amps, amps.sum(axis=0)[None], volts, volts.mean(axis=0)[None]))
    traces = tuple(
        Trace(name, "A" if name[0] == "i" else "V", SCALES[name[0]], phase)
        for name, phase in zip(ROLES, "ABCNABCN", strict=True)
    )
    scales = np.array([trace.scale for trace in traces])[:, None]
    return Recording(
        terminal=terminal,
        bay=Bay("s1", 10_000, 400, "resonant", "core_balance"),
        rate_hz=rate_hz,
        nominal_hz=round(hz / 10) * 10,
        traces=traces,
        counts=np.rint(values / scales).astype(np.int32),
        contacts=dict(contacts or {}),
    )
