"""Small cases of our own: waves from formulas, so that no solver stands behind a verdict's test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.case import Bay, Case, Recording, Seen, Stage, Supply, Trace, Truth

RATE_HZ, ONSET_S, SECONDS = 4000, 0.1, 0.3
RATING_AMPS, LOAD_AMPS, FAULT_AMPS, VOLTS = 200.0, 90.0, 1500.0, 10_000.0

BAY = Bay("S2", VOLTS, RATING_AMPS, "isolated", "core_balance")


def recording(name: str, kind: str = "", *, volts: bool = True, bay: Bay = BAY) -> Recording:
    """Load, and from ONSET_S on a short circuit with a decaying DC of 30 ms."""
    t = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    after = np.where(t >= ONSET_S, 1.0, 0.0)
    currents = [_wave(t, LOAD_AMPS, -0.3, k) for k in range(3)]
    for k, share in _shares(kind):
        wave = np.sqrt(2) * FAULT_AMPS * np.sin(2 * np.pi * 50 * (t - ONSET_S) - 0.6)
        offset = np.sqrt(2) * FAULT_AMPS * np.sin(0.6) * np.exp(-(t - ONSET_S) / 0.03)
        currents[k] = currents[k] + share * after * (wave + offset)
    voltages = [
        _wave(t, VOLTS / 3**0.5, 0.0, k) * (1 - 0.6 * after * (dict(_shares(kind)).get(k, 0) != 0))
        for k in range(3)
    ]
    waves = [*currents, sum(currents), *voltages] if volts else [*currents, sum(currents)]
    names = ["ia", "ib", "ic", "i0", "ua", "ub", "uc"][: len(waves)]
    traces = tuple(
        Trace(name, "A" if name[0] == "i" else "V", 0.25 if name[0] == "i" else 1.0, phase)
        for name, phase in zip(names, "ABCNABC", strict=False)
    )
    counts = np.array(
        [np.rint(wave / trace.scale) for wave, trace in zip(waves, traces, strict=True)],
        dtype=np.int32,
    )
    return Recording(name, bay, RATE_HZ, 50, traces, counts)


def case(
    kind: str = "BC",
    *,
    what: str = "short_circuit",
    terminals: dict[str, Seen] | None = None,
    volts: bool = True,
    **truth: Any,
) -> Case:
    """A fault ahead of F1 and behind F2, unless `terminals` says otherwise."""
    seen = terminals or {
        "F1": Seen("forward", alarm=True, amps=FAULT_AMPS),
        "F2": Seen("reverse", alarm=False, amps=40.0),
    }
    onset_s = truth.pop("onset_s", ONSET_S)
    stages = truth.pop("stages", (Stage(ONSET_S, kind, "S2"),) if kind else ())
    told = Truth(
        what=what,
        kind=kind,
        onset_s=onset_s,
        cleared_s=truth.pop("cleared_s", None),
        section="S2",
        network="two feeders",
        earthing="isolated",
        stages=stages,
        terminals=seen,
        **truth,
    )
    recordings = {
        name: recording(name, kind if here.alarm else "", volts=volts)
        for name, here in seen.items()
    }
    return Case("synthetic", 7, told, recordings)


def event(name: str = "fault", t: float = 0.112, **fields: Any) -> dict[str, Any]:
    """An event as `replay --json` tells it; a rightly seen BC fault unless said otherwise."""
    told = {"event": name, "t": t, "alarm": True}
    if name == "fault":
        told |= {"kind": "BC", "direction": "forward", "onset": ONSET_S}
    return {**told, **fields}


def lost(at_s: float) -> dict[str, tuple[Supply, ...]]:
    """Section S2 dead from this instant on."""
    return {"S2": (Supply(0.0, "ABC"), Supply(at_s, ""))}


def _wave(t: npt.NDArray[np.float64], rms: float, lag: float, k: int) -> Any:
    return np.sqrt(2) * rms * np.cos(2 * np.pi * (50 * t - k / 3) + lag)


def _shares(kind: str) -> Sequence[tuple[int, float]]:
    """How the fault's current flows: out in one phase, back in the next or in the earth."""
    phases = ["ABC".index(letter) for letter in kind.replace("G", "")]
    if len(phases) == 2:
        return [(phases[0], 1.0), (phases[1], -1.0)]
    return [(phase, 1.0) for phase in phases[:1]]
