"""Recordings for the tests of the rig whose every figure is known by formula."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from hil.case import Bay, Recording, Trace

BAY = Bay("s1", 10_000.0, 400.0, "isolated", "core_balance")
AMPS_SCALE, VOLTS_SCALE = 0.01, 0.1
AMPS, VOLTS = 200.0, 5773.5


def recording(
    waves: Mapping[str, npt.NDArray[np.float64]],
    *,
    rate_hz: int = 4000,
    terminal: str = "ftu1",
    contacts: Mapping[str, npt.NDArray[np.bool_]] | None = None,
) -> Recording:
    """A recording of waves in primary units, by role."""
    traces = tuple(
        Trace(
            name,
            "A" if name[0] == "i" else "V",
            AMPS_SCALE if name[0] == "i" else VOLTS_SCALE,
            name[-1].upper() if name[-1] in "abc" else "N",
        )
        for name in waves
    )
    rows = [np.rint(waves[trace.name] / trace.scale) for trace in traces]
    counts = np.array(rows, dtype=np.int32)
    return Recording(terminal, BAY, rate_hz, 50, traces, counts, contacts or {})


def feeder(
    *,
    seconds: float = 0.6,
    rate_hz: int = 4000,
    hz: float = 50.0,
    amps: float = AMPS,
    volts: float = VOLTS,
    lag: float = 0.4,
) -> dict[str, npt.NDArray[np.float64]]:
    """A balanced load: RMS amperes and volts, currents `lag` [rad] behind; i0 and u0 are zero."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    turn = 2 * np.pi * hz * t
    shifts = {"a": 0.0, "b": -2 * np.pi / 3, "c": 2 * np.pi / 3}
    waves = {f"i{x}": amps * 2**0.5 * np.cos(turn + s - lag) for x, s in shifts.items()}
    waves["i0"] = np.zeros_like(t)
    waves |= {f"u{x}": volts * 2**0.5 * np.cos(turn + s) for x, s in shifts.items()}
    waves["u0"] = np.zeros_like(t)
    return waves
