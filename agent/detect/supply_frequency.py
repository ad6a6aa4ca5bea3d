"""Where the frequency is read off: the first bay whose voltages, or else currents, are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.detect import tables
from agent.detect.frequency import Frequency
from agent.detect.front_end import SLOWEST_MHZ, FrontEnd
from agent.detect.sight import Taps
from agent.site import Bay

# Below these shares of nominal voltage and of the rating a supply is no reference.
LEAST_VOLTS_SHARE, LEAST_AMPS_SHARE = 0.2, 0.05

_TURN_RE, _TURN_IM = -0.5, 3.0**0.5 / 2.0

Phasor = tuple[float, float]
# Channels of three phases, and the least amplitude of their positive sequence. [counts]
Reference = tuple[list[int], float]


class SupplyFrequency:
    """Tunes a front end to the network's frequency; bays: in the order of preference."""

    def __init__(self, front_end: FrontEnd, bays: Sequence[tuple[Bay, Taps]]) -> None:
        self._front_end = front_end
        self._frequency = Frequency(SLOWEST_MHZ, front_end.fastest_mhz)
        self._references = list(_references(bays))

    @property
    def state(self) -> tuple[int, int | None]:
        """What is tuned to, and the estimate that waits to be confirmed. [mHz]"""
        return self._front_end.frequency_mhz, self._frequency.before

    def resume(self, frequency_mhz: int, before: int | None) -> None:
        """Go on from such a state."""
        self._front_end.tune(frequency_mhz)
        self._frequency.before = before

    def follow(self) -> None:
        """To be called at regular indices of the stream, so that verdicts follow from samples."""
        front_end, window = self._front_end, self._front_end.window
        if front_end.memory.held < 2 * window:
            return
        for channels, least in self._references:
            now = _supply(front_end, channels, 0)
            # The sums are amplitudes times half a window times the tables' scale.
            if _size(now) >= (3 * least * tables.SCALE * window / 2) ** 2:
                earlier = _supply(front_end, channels, window)
                found = self._frequency.step(
                    front_end.frequency_mhz, front_end.window_mhz, now, earlier
                )
                if found is not None:
                    front_end.tune(found)
                return


def _references(bays: Sequence[tuple[Bay, Taps]]) -> Iterator[Reference]:
    for roles in (("ua", "ub", "uc"), ("ia", "ib", "ic")):
        for bay, taps in bays:
            if all(role in taps for role in roles):
                volts = LEAST_VOLTS_SHARE * bay.nominal_volts / 3.0**0.5
                amps = LEAST_AMPS_SHARE * bay.rating_amps
                least = volts if roles[0] == "ua" else amps
                scale = abs(taps[roles[0]].scale)
                yield [taps[role].index for role in roles], 2.0**0.5 * least / scale


def _supply(front_end: FrontEnd, channels: list[int], before: int) -> Phasor:
    """The sequence that turns with the supply, positive or, with phases swapped, negative.

    Three phases together turn evenly; one alone beats against its own image.
    """
    re, im = front_end.phasor(channels, before).tolist()
    phasors = [(a, -b) for a, b in zip(re, im, strict=True)]  # sums of sines lag: conjugate
    positive, negative = _sequence(phasors, 1.0), _sequence(phasors, -1.0)
    return positive if _size(positive) >= _size(negative) else negative


def _sequence(phasors: list[Phasor], sense: float) -> Phasor:
    a, b, c = phasors
    b, c = _turned(b, sense), _turned(c, -sense)
    return a[0] + b[0] + c[0], a[1] + b[1] + c[1]


def _turned(phasor: Phasor, sense: float) -> Phasor:
    """By 120 degrees, forward or back."""
    re, im = phasor
    return re * _TURN_RE - im * sense * _TURN_IM, re * sense * _TURN_IM + im * _TURN_RE


def _size(phasor: Phasor) -> float:
    return phasor[0] * phasor[0] + phasor[1] * phasor[1]
