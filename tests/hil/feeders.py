"""Small recordings and terminals that tests of the rig share; nothing here is physics."""

from __future__ import annotations

import numpy as np

from hil.case import Bay, Case, Recording, Seen, Stage, Trace, Truth
from hil.device.site import Terminal

# 1: on a machine that others load, link (which is nice) may miss the supervisor's 4 s for a goodbye
# and is killed. How fast it ends is measured elsewhere.
ENDED = (0, 1)

RATE_HZ, HZ = 4000, 50
BAY = Bay(
    section="s1", nominal_volts=10000, rating_amps=400, earthing="isolated", residual="summed"
)
PHASES = {"A": 0.0, "B": -2 * np.pi / 3, "C": 2 * np.pi / 3}

# A feeder in the agent itself, with a fault every second.
SIMULATED = """
[[sensor]]
name = "head"
driver = "simulated"
repeat_s = 1.0
script = [{ what = "fault", at_s = 0.6, for_s = 0.1, kind = "BC", amps = 2400.0 }]
"""
CHANNELS = "\n".join(f'{role} = "head.{role}"' for role in ("ia", "ib", "ic", "ua", "ub", "uc"))


def simulated(section: str = "s1") -> Terminal:
    """A terminal that needs no instrument."""
    bay = Bay(section, 10000, 400, "resonant", "summed")
    return Terminal("head", bay, HZ, SIMULATED, CHANNELS)


def recording(terminal: str, *, onset_s: float | None, seconds: float = 0.4) -> Recording:
    """Load of 100 A; from onset_s on phases B and C carry 3000 A against each other."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    rows = [100 * 2**0.5 * np.sin(2 * np.pi * HZ * t + angle) for angle in PHASES.values()]
    if onset_s is not None:
        fault = 3000 * 2**0.5 * np.sin(2 * np.pi * HZ * (t - onset_s)) * (t >= onset_s)
        rows[1] += fault
        rows[2] -= fault
    rows += [5773.5 * 2**0.5 * np.sin(2 * np.pi * HZ * t + angle) for angle in PHASES.values()]
    traces = [Trace(f"i{p.lower()}", "A", 0.5, p) for p in PHASES]
    traces += [Trace(f"u{p.lower()}", "V", 0.5, p) for p in PHASES]
    counts = np.round(np.array(rows) / 0.5).astype(np.int32)
    return Recording(terminal, BAY, RATE_HZ, HZ, tuple(traces), counts)


def case(name: str, *, onset_s: float = 0.2) -> Case:
    """A fault that head sees and tail does not."""
    truth = Truth(
        what="short_circuit",
        kind="BC",
        onset_s=onset_s,
        cleared_s=None,
        section="s1",
        network="none",
        earthing="isolated",
        stages=(Stage(onset_s, "BC", "s1"),),
        terminals={"head": Seen("forward", alarm=True), "tail": Seen("", alarm=False)},
    )
    recordings = {
        "head": recording("head", onset_s=onset_s),
        "tail": recording("tail", onset_s=None),
    }
    return Case(name, 1, truth, recordings)
