"""One source into its bays: the front end once for all channels, then the elements bay by bay.

Detection is a function of settings and samples: no clock, no chance, no hidden state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from agent.detect.bay import BayDetector, BayQuantities
from agent.detect.front_end import FrontEnd, Quantities
from agent.detect.settings import Settings
from agent.records import Block, Event, Layout, Quality, Reading
from agent.site import Bay

Array = npt.NDArray[np.float64]

_ROOT2 = 2.0**0.5
# -1/2 and sqrt(3)/2: the operator of the symmetrical components, e^(j 120 degrees).
_TURN_RE, _TURN_IM = -0.5, 3.0**0.5 / 2.0


@dataclass(frozen=True, slots=True)
class Tap:
    """Where a role of a bay (ia ... u0) is found: channel of the layout, and unit per count."""

    index: int
    scale: float


Taps = Mapping[str, Tap]


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


class Detector:
    """Every bay fed by one source of samples or readings."""

    def __init__(self, layout: Layout, bays: Iterable[tuple[Bay, Settings, Taps]]) -> None:
        wired = list(bays)
        self.layout = layout
        frequency_hz = wired[0][0].frequency_hz if wired else 50
        cycle_us = 1_000_000 // frequency_hz
        self._front_end = FrontEnd(layout, frequency_hz) if layout.rate_hz else None
        self._bays = [(BayDetector(bay, s, cycle_us), taps) for bay, s, taps in wired]
        self._previous_us: int | None = None
        self._latest: tuple[int, Quantities | Reading] | None = None

    def feed(self, item: Block | Reading) -> list[Event]:
        """Events of one block or reading, in order of time and of the bays."""
        return self._samples(item) if isinstance(item, Block) else self._reading(item)

    def supply(self) -> dict[str, tuple[int | None, ...]]:
        """DEAD, LIVE or None of each phase, bay by bay."""
        return {bay.bay.name: bay.supply_states for bay, _ in self._bays}

    def resume_supply(self, known: Mapping[str, Sequence[int | None]], since_us: int) -> None:
        """Go on from the states that were last told; nobody has looked since `since_us`."""
        for bay, _ in self._bays:
            if bay.bay.name in known:
                bay.resume_supply(known[bay.bay.name], since_us)

    def meters(self) -> list[Meter]:
        """True RMS of every bay over the last cycle, harmonics and all."""
        if self._latest is None:
            return []
        t_us, seen = self._latest
        return [_meter(bay.bay.name, t_us, partial(_rms, seen, taps)) for bay, taps in self._bays]

    def _samples(self, block: Block) -> list[Event]:
        if self._front_end is None:
            raise ValueError("samples of a source that was announced with readings")
        seen = self._front_end.feed(block)
        if seen is None:
            return []
        window = self._front_end.window

        def instant_us(k: int) -> tuple[int, int]:
            last = seen.first + k
            return block.sample_us(last), block.sample_us(last - window)

        self._latest = block.sample_us(block.first + block.counts.shape[1] - 1), seen
        return self._decide(partial(_from_samples, seen), instant_us)

    def _reading(self, reading: Reading) -> list[Event]:
        if reading.quality & (Quality.STALE | Quality.INVALID):
            return []
        since_us = reading.t_us if self._previous_us is None else self._previous_us
        self._previous_us = reading.t_us
        self._latest = reading.t_us, reading
        return self._decide(partial(_from_reading, reading), lambda _: (reading.t_us, since_us))

    def _decide(
        self,
        quantities: Callable[[Taps], BayQuantities],
        instant_us: Callable[[int], tuple[int, int]],
    ) -> list[Event]:
        events: list[Event] = []
        for detector, taps in self._bays:
            events += detector.feed(quantities(taps), instant_us)
        return sorted(events, key=lambda event: event.t_us)


def _from_samples(seen: Quantities, taps: Taps) -> BayQuantities:
    """One bay's columns of the front end, in primary RMS.

    Only + - * / and sqrt on what the exact sums gave: IEEE 754 rounds these alike everywhere.
    """
    count = seen.re.shape[1]
    currents = _phasors(seen, taps, ("ia", "ib", "ic"))
    voltages = _phasors(seen, taps, ("ua", "ub", "uc"))
    changes = np.stack(
        [
            np.sqrt(seen.change[tap.index]) * abs(tap.scale) if tap else _unknown(count)
            for tap in (taps.get(role) for role in ("ia", "ib", "ic"))
        ]
    )
    return BayQuantities(
        _magnitude(currents),
        changes,
        _residual(seen, taps, currents),
        _magnitude(voltages),
        _neutral(seen, taps, voltages),
        _magnitude(voltages - np.roll(voltages, -1, axis=1)),
    )


def _phasors(seen: Quantities, taps: Taps, roles: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """Fundamental phasors, shape (2, len(roles), n): real and imaginary part, RMS, primary."""
    unknown = _unknown(seen.re.shape[1])
    parts = []
    for quadrature in (seen.re, seen.im):
        rows = [
            quadrature[tap.index] * (tap.scale / _ROOT2) if tap else unknown
            for tap in (taps.get(role) for role in roles)
        ]
        parts.append(np.stack(rows))
    return np.stack(parts)


def _magnitude(phasors: npt.NDArray[np.float64]) -> Array:
    re, im = phasors
    magnitude: Array = np.sqrt(re * re + im * im)
    return magnitude


def _residual(seen: Quantities, taps: Taps, currents: npt.NDArray[np.float64]) -> Array:
    """3I0: of its own sensor where there is one, else the sum of the phases; 0 when unknown."""
    if "i0" in taps:
        return _magnitude(_phasors(seen, taps, ("i0",))[:, 0])
    total = currents[:, 0] + currents[:, 1] + currents[:, 2]
    return np.nan_to_num(_magnitude(total))


def _neutral(seen: Quantities, taps: Taps, voltages: npt.NDArray[np.float64]) -> Array:
    """U0: of its own channel where there is one, else a third of the sum; NaN when unknown."""
    if "u0" in taps:
        return _magnitude(_phasors(seen, taps, ("u0",))[:, 0])
    total = voltages[:, 0] + voltages[:, 1] + voltages[:, 2]
    return _magnitude(total) / 3.0


def sequence(phasors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Symmetrical components of three phasors, shape (2, 3, n), as (2, 3, n): zero, positive,
    negative.

    Source: C. L. Fortescue, "Method of symmetrical co-ordinates applied to the solution of
        polyphase networks", Trans. AIEE, vol. 37, 1918.
    """
    (a, b, c) = (phasors[:, k] for k in range(3))
    b1, c1 = _turned(b, 1.0), _turned(c, -1.0)
    b2, c2 = _turned(b, -1.0), _turned(c, 1.0)
    return np.stack([(a + b + c) / 3.0, (a + b1 + c1) / 3.0, (a + b2 + c2) / 3.0], axis=1)


def _turned(phasor: npt.NDArray[np.float64], sense: float) -> npt.NDArray[np.float64]:
    """A phasor (2, n) turned by +120 (sense 1) or -120 degrees (sense -1)."""
    re, im = phasor
    turn_im = sense * _TURN_IM
    return np.stack([re * _TURN_RE - im * turn_im, re * turn_im + im * _TURN_RE])


def _from_reading(reading: Reading, taps: Taps) -> BayQuantities:
    """A meter's own RMS values; it tells no change, so its faults are judged by size alone."""

    def column(*roles: str) -> Array:
        values = []
        for tap in (taps.get(role) for role in roles):
            value = None if tap is None else reading.values[tap.index]
            values.append(np.nan if tap is None or value is None else value * tap.scale)
        return np.array(values, dtype=np.float64).reshape(len(roles), 1)

    currents = column("ia", "ib", "ic")
    return BayQuantities(
        currents,
        np.zeros_like(currents),
        np.nan_to_num(column("i0")[0]),
        column("ua", "ub", "uc"),
        column("u0")[0],
        _unknown(3).reshape(3, 1),  # magnitudes alone do not tell what lies between two phases
    )


def _unknown(count: int) -> Array:
    return np.full(count, np.nan)


def _rms(seen: Quantities | Reading, taps: Taps, role: str) -> float | None:
    """RMS of a role at the last decision; None where it has no sensor or no value."""
    tap = taps.get(role)
    if tap is None:
        return None
    if isinstance(seen, Quantities):
        return float(np.sqrt(seen.square[tap.index, -1]) * abs(tap.scale))
    value = seen.values[tap.index]
    return None if value is None else value * tap.scale


def _meter(bay: str, t_us: int, rms: Callable[[str], float | None]) -> Meter:
    return Meter(
        bay,
        t_us,
        tuple(rms(role) for role in ("ia", "ib", "ic")),
        tuple(rms(role) for role in ("ua", "ub", "uc")),
        rms("i0"),
        rms("u0"),
    )
