"""When a contact of the device closed, from the record of the input that its optocoupler feeds.

Record and play share the card's clock, so the latency is an electrical one: from the sample at
which the fault's first one left, to the contact's first touch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hil.errors import BenchError

IDLE_S = 0.05  # before the onset, that shows the input at rest
TOUCH_S = 0.0002  # what holds for less is a spike and no touch; contacts bounce longer than that
CLEAR = 8.0  # times the noise that the contact's swing must be


def contact_latency(
    captured: npt.NDArray[np.float64], played_onset: float, rate_hz: int = 48_000
) -> float:
    """From the onset to the first touch of the contact. [ms]

    captured: the input's samples; either edge counts, whichever the wiring gives, and an input that
        cannot hold a level (coupled through a capacitor) shows the edge all the same.
    played_onset: index in `captured` at which the fault's first sample was heard.
    Raises: BenchError when no edge stands out of the noise after the onset.
    """
    onset = round(played_onset)
    rest = captured[max(0, onset - round(IDLE_S * rate_hz)) : onset]
    if rest.size == 0 or onset >= captured.size:
        raise BenchError("contact", f"onset at {onset} of {captured.size} samples", "within them")
    level = float(np.median(rest))
    noise = 1.4826 * float(np.median(np.abs(rest - level)))
    hold = max(1, round(TOUCH_S * rate_hz))
    # What every sample of a touch reaches at least: spikes are gone, edges stay where they are.
    away = np.lib.stride_tricks.sliding_window_view(captured[onset:] - level, hold)
    reached = np.maximum(away.min(axis=1), -away.max(axis=1))
    swing = float(reached.max(initial=0.0))
    if swing <= CLEAR * noise or swing <= 0:
        told = f"no edge after the onset: swing {swing:.4f} of full scale, noise {noise:.4f}"
        raise BenchError("contact", told, f"at least {CLEAR:g} times the noise")
    first = int(np.flatnonzero(reached > swing / 2)[0])
    return (onset + first - played_onset) * 1000 / rate_hz
