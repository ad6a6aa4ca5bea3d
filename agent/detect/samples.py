"""A source of waveforms into its bays: the fast path while nothing moves, else every sample."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from agent.detect.bay import BayDetector
from agent.detect.crossings import Crossings
from agent.detect.front_end import FrontEnd, Stretch
from agent.detect.inrush import Waves
from agent.detect.instants import Instants
from agent.detect.measure import MEASURED_S, measure
from agent.detect.meter import Meter
from agent.detect.quiet import Quiet
from agent.detect.sampled_sight import SampledSight, Wiring
from agent.detect.sight import Taps
from agent.detect.supply_frequency import SupplyFrequency
from agent.records import Block, Event, Layout
from agent.site import Bay

# The frequency is looked at every four cycles.
FOLLOW_CYCLES = 4


class Samples:
    """Waveforms: the fast path while nothing moves, every sample where something does."""

    def __init__(
        self,
        layout: Layout,
        wired: list[tuple[Bay, Taps]],
        bays: list[BayDetector],
    ) -> None:
        wiring = Wiring([taps for _, taps in wired])
        nominal_hz = wired[0][0].frequency_hz if wired else 50
        self._front_end = FrontEnd(layout, nominal_hz, remember_s=MEASURED_S)
        self._rate_hz = float(layout.rate_hz or 0)
        self._every = FOLLOW_CYCLES * self._front_end.window
        self._bays = bays
        self._wiring = wiring
        self._quiet = Quiet(wiring, len(layout.channels))
        self._crossings = Crossings([bay.levels() for bay in bays]) if bays else None
        self._awake = np.ones(len(bays), dtype=np.bool_)
        self._sleeping = 0
        self._frequency = SupplyFrequency(wired)
        self._last_us: int | None = None

    def feed(self, block: Block) -> list[Event]:
        """Events of one block, stretch by stretch."""
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
        """What every bay measures over the last ten cycles; empty before there is one."""
        memory = self._front_end.memory
        if self._last_us is None or memory.held < self._front_end.window:
            return []
        samples = memory.last(min(memory.held, round(MEASURED_S * self._rate_hz)))
        return [
            measure(bay.bay, self._last_us, samples, taps, self._rate_hz)
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
            events += bay.feed(SampledSight(sight[:, place]), crossed[place], when, waves)
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
