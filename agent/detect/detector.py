"""One source into its bays: the front end once for all channels, then the elements bay by bay.

Detection is a function of settings and samples: no clock, no chance, no hidden state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from agent.detect.bay import BayDetector
from agent.detect.crossings import Crossings
from agent.detect.front_end import FrontEnd, Stretch
from agent.detect.inrush import Waves
from agent.detect.instants import Instants, Moment
from agent.detect.meter import MEASURED_S, Meter, measure
from agent.detect.quiet import Quiet
from agent.detect.settings import Settings
from agent.detect.sight import Tap, Taps, Wiring
from agent.detect.supply_frequency import SupplyFrequency
from agent.records import Block, Event, Layout, Quality, Reading
from agent.site import Bay

__all__ = ["Detector", "Meter", "Tap", "Taps"]

# What integrates is stepped eight times a cycle: a verdict is late by 2.5 ms at most.
GRID_SHARE = 8
# The frequency is looked at every four cycles.
FOLLOW_CYCLES = 4


class Detector:
    """Every bay fed by one source of samples or readings."""

    def __init__(self, layout: Layout, bays: Iterable[tuple[Bay, Settings, Taps]]) -> None:
        wired = list(bays)
        self.layout = layout
        frequency_hz = wired[0][0].frequency_hz if wired else 50
        cycle = round(layout.rate_hz / frequency_hz) if layout.rate_hz else 1
        cycle_us, grid = 1_000_000 // frequency_hz, max(1, cycle // GRID_SHARE)
        self._bays = [BayDetector(bay, s, cycle_us, grid) for bay, s, _ in wired]
        wiring = Wiring([taps for _, _, taps in wired])
        self._samples = _Samples(layout, wired, self._bays, wiring) if layout.rate_hz else None
        self._readings = _Readings(self._bays, wiring)

    def feed(self, item: Block | Reading) -> list[Event]:
        """Events of one block or reading, in order of time and of the bays."""
        if isinstance(item, Reading):
            events = self._readings.feed(item)
        elif self._samples is None:
            raise ValueError("samples of a source that was announced with readings")
        else:
            events = self._samples.feed(item)
        return sorted(events, key=lambda event: event.t_us) if len(events) > 1 else events

    def supply(self) -> dict[str, tuple[int | None, ...]]:
        """DEAD, LIVE or None of each phase, bay by bay."""
        return {bay.bay.name: bay.supply_states for bay in self._bays}

    def resume_supply(self, known: Mapping[str, Sequence[int | None]], since_us: int) -> None:
        """Go on from the states that were last told; nobody has looked since `since_us`."""
        for bay in self._bays:
            if bay.bay.name in known:
                bay.resume_supply(known[bay.bay.name], since_us)

    def meters(self) -> list[Meter]:
        """What every bay measures now; empty before there is anything."""
        return self._samples.meters() if self._samples else self._readings.meters()


class _Samples:
    """Waveforms: the fast path while nothing moves, every sample where something does."""

    def __init__(
        self,
        layout: Layout,
        wired: list[tuple[Bay, Settings, Taps]],
        bays: list[BayDetector],
        wiring: Wiring,
    ) -> None:
        nominal_hz = wired[0][0].frequency_hz if wired else 50
        self._front_end = FrontEnd(layout, nominal_hz, remember_s=MEASURED_S)
        self._nominal_hz = nominal_hz
        self._rate_hz = float(layout.rate_hz or 0)
        self._every = FOLLOW_CYCLES * self._front_end.window
        self._bays = bays
        self._wiring = wiring
        self._quiet = Quiet(wiring, len(layout.channels))
        self._crossings = Crossings([bay.levels() for bay in bays]) if bays else None
        self._awake = np.ones(len(bays), dtype=np.bool_)
        self._sleeping = 0
        self._frequency = SupplyFrequency([(bay, taps) for bay, _, taps in wired])
        self._last_us: int | None = None

    def feed(self, block: Block) -> list[Event]:
        events: list[Event] = []
        front_end = self._front_end
        for stretch in front_end.stretches(block, self._every):
            looked_at = self._looked_at(stretch)
            if looked_at is not None:
                events += self._look(stretch, looked_at, block)
            if (stretch.first + stretch.count) % self._every == 0:
                self._frequency.follow(front_end)
        self._last_us = block.sample_us(block.first + block.counts.shape[1] - 1)
        return events

    def meters(self) -> list[Meter]:
        memory = self._front_end.memory
        if self._last_us is None or memory.held < self._front_end.window:
            return []
        samples = memory.last(min(memory.held, round(MEASURED_S * self._rate_hz)))
        return [
            measure(bay.bay.name, self._last_us, samples, taps, self._rate_hz, self._nominal_hz)
            for bay, taps in zip(self._bays, self._wiring.taps, strict=True)
        ]

    def _looked_at(self, stretch: Stretch) -> npt.NDArray[np.bool_] | None:
        """The bays whose samples must be looked at one by one; None: none."""
        if not stretch.proven:
            return np.ones_like(self._awake)
        moved = self._quiet.moved(self._front_end.reach(), self._front_end.window)
        if moved is None:
            return self._awake if self._sleeping < len(self._bays) else None
        return moved | self._awake

    def _look(
        self, stretch: Stretch, looked_at: npt.NDArray[np.bool_], block: Block
    ) -> list[Event]:
        front_end, wiring = self._front_end, self._wiring
        bays = np.flatnonzero(looked_at)
        if self._crossings is None or not bays.size:
            return []
        channels = wiring.channels(bays)
        sight = wiring.sight(front_end.exact(stretch, channels), front_end.window, channels, bays)
        crossed = self._crossings.of(sight, bays)
        when = Instants(block, stretch.first, front_end.window)
        events: list[Event] = []
        for place, number in enumerate(bays.tolist()):
            bay = self._bays[number]
            waves = partial(self._waves, wiring.taps[number], stretch.count)
            events += bay.feed(sight[:, place], crossed[place], when, waves)
            self._awake[number] = not bay.idle()
            self._quiet.take_up(number, bay.band)
        self._sleeping = len(self._bays) - int(np.count_nonzero(self._awake))
        front_end.proving = self._sleeping > 0
        return events

    def _waves(self, taps: Taps, count: int, k: int) -> Waves:
        """The currents of a bay up to decision `k` of `count`: two windows less one sample."""
        window = self._front_end.window
        recent = self._front_end.memory.last(2 * window - 1, count - 1 - k)

        def wave(role: str) -> tuple[list[int], float]:
            tap = taps.get(role)
            return ([int(x) for x in recent[tap.index]], tap.scale) if tap else ([], 0.0)

        phases = [wave("ia"), wave("ib"), wave("ic")]
        residual = wave("i0")
        if not residual[0] and phases[0][1] == phases[1][1] == phases[2][1]:
            columns = zip(*(samples for samples, _ in phases), strict=True)
            residual = [sum(column) for column in columns], phases[0][1]
        return Waves(phases, residual, window)


def _no_waves(_: int) -> None:
    """A meter has no samples to look at."""


class _Readings:
    """Values that the source measured itself, one decision each."""

    def __init__(self, bays: list[BayDetector], wiring: Wiring) -> None:
        self._bays = bays
        self._wiring = wiring
        self._previous_us: int | None = None
        self._latest: Reading | None = None

    def feed(self, reading: Reading) -> list[Event]:
        if reading.quality & (Quality.STALE | Quality.INVALID):
            return []
        since_us = reading.t_us if self._previous_us is None else self._previous_us
        self._previous_us, self._latest = reading.t_us, reading
        when = Moment(reading.t_us, since_us)
        sight = self._wiring.reading(reading)
        return [
            event
            for place, bay in enumerate(self._bays)
            for event in bay.feed(sight[:, place], [0], when, _no_waves)
        ]

    def meters(self) -> list[Meter]:
        latest = self._latest
        if latest is None:
            return []
        return [
            _own_meter(bay.bay.name, latest, taps)
            for bay, taps in zip(self._bays, self._wiring.taps, strict=True)
        ]


def _own_meter(bay: str, reading: Reading, taps: Taps) -> Meter:
    """What the meter itself says."""

    def value(role: str) -> float | None:
        tap = taps.get(role)
        counted = None if tap is None else reading.values[tap.index]
        return None if tap is None or counted is None else counted * tap.scale

    return Meter(
        bay,
        reading.t_us,
        tuple(map(value, ("ia", "ib", "ic"))),
        tuple(map(value, ("ua", "ub", "uc"))),
        value("i0"),
        value("u0"),
    )
