"""A source of waveforms into its bays: the fast path while nothing moves, else every sample."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from agent.detect.bay import BayDetector, Learned
from agent.detect.crossings import Crossings
from agent.detect.front_end import FrontEnd, Stretch
from agent.detect.instants import Instants
from agent.detect.look import CYCLES
from agent.detect.looking import Looking
from agent.detect.measure import MEASURED_S, measure
from agent.detect.meter import Meter
from agent.detect.quiet import Quiet
from agent.detect.raw import Raw
from agent.detect.sampled_sight import SampledSight, Wiring
from agent.detect.sight import Taps
from agent.detect.supply_frequency import SupplyFrequency
from agent.records import Block, Event, Layout
from agent.site import Bay

Array = npt.NDArray[np.float64]

TOLD_BY_SHAPE = ("fault", "inrush")
# So many cycles apart lie two slow looks, and two looks at the frequency.
FOLLOW_CYCLES = CYCLES
# Beginnings that a record may have: 5 s of them.
_MARKS = 64


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a record may begin so that its replay decides bit for bit what was decided here.

    index: of the sample that comes next; frequency_mhz, estimate_mhz: SupplyFrequency.state then;
    supply: DEAD, LIVE or None of each phase, bay by bay. learned: BayDetector.learned, bay by bay.
    idle: no bay is in the middle of anything, which a mark could not hold.
    """

    index: int
    frequency_mhz: int
    estimate_mhz: int | None
    supply: tuple[tuple[int | None, ...], ...]
    learned: tuple[Learned, ...] = ()
    idle: bool = True


class Samples:
    """Waveforms: the fast path while nothing moves, every sample where something does."""

    def __init__(
        self,
        layout: Layout,
        wired: list[tuple[Bay, Taps]],
        bays: list[BayDetector],
    ) -> None:
        wiring = Wiring([taps for _, taps in wired], len(layout.channels))
        nominal_hz = wired[0][0].frequency_hz if wired else 50
        self._front_end = FrontEnd(layout, nominal_hz, MEASURED_S, wiring.sums)
        self._rate_hz = float(layout.rate_hz or 0)
        self._every = FOLLOW_CYCLES * self._front_end.window
        self._bays = bays
        self._wiring = wiring
        self._own = [taps for _, taps in wired]
        self._summed = [
            frozenset(all_taps.keys() - own.keys())
            for all_taps, own in zip(wiring.taps, self._own, strict=True)
        ]
        channels = len(layout.channels) + len(wiring.sums)
        self._looking = Looking(wiring.taps, self._summed, channels)
        self._quiet = Quiet(wiring, channels)
        self._crossings = Crossings([bay.levels() for bay in bays])
        self._awake = np.ones(len(bays), dtype=np.bool_)
        self._any_awake = True
        self._frequency = SupplyFrequency(self._front_end, wired)
        self._last_us: int | None = None
        self.marks: deque[Mark] = deque(maxlen=_MARKS)

    def resume(self, mark: Mark) -> None:
        """Go on from a mark: what comes next is its sample."""
        self._frequency.resume(mark.frequency_mhz, mark.estimate_mhz)

    def feed(self, block: Block) -> list[Event]:
        """Events of one block, stretch by stretch."""
        events: list[Event] = []
        front_end = self._front_end
        if not self.marks:
            self._mark(block.first)
        for stretch in front_end.stretches(block, self._every):
            moved = self._moved(stretch)
            if moved is not None or self._any_awake:
                events += self._look(
                    stretch, moved, Instants(block, stretch.first, front_end.window)
                )
            if (stretch.first + stretch.count) % self._every == 0:
                events += self._look_slowly(block, stretch.first + stretch.count - 1)
                self._frequency.follow()
                self._mark(stretch.first + stretch.count)
        self._last_us = block.sample_us(block.first + block.counts.shape[1] - 1)
        return events

    def _mark(self, index: int) -> None:
        supply = tuple(bay.supply_states for bay in self._bays)
        learned = tuple(bay.learned for bay in self._bays)
        idle = not self._any_awake
        self.marks.append(Mark(index, *self._frequency.state, supply, learned, idle))

    def meters(self) -> list[Meter]:
        """What every bay measures over the last ten cycles; empty before there is one."""
        memory = self._front_end.memory
        if self._last_us is None or memory.held < self._front_end.window:
            return []
        samples = memory.last(min(memory.held, round(MEASURED_S * self._rate_hz)))
        return [
            measure(bay.bay, self._last_us, samples, taps, self._rate_hz)
            for bay, taps in zip(self._bays, self._own, strict=True)
        ]

    def _moved(self, stretch: Stretch) -> npt.NDArray[np.bool_] | None:
        """The bays that may have left their band; None: surely none has."""
        front_end = self._front_end
        if not stretch.proven:
            self._quiet.forget()
            return np.ones_like(self._awake)
        if self._quiet.still(front_end, stretch.count):
            return None
        return self._quiet.moved(front_end.reach(), front_end.window)

    def _look(
        self, stretch: Stretch, moved: npt.NDArray[np.bool_] | None, when: Instants
    ) -> list[Event]:
        """Every sample of the bays that moved; of the others that are awake, what is due."""
        looked_at = [] if moved is None else np.flatnonzero(moved).tolist()
        steady: list[int] = []
        for number in np.flatnonzero(self._awake).tolist():
            if number not in looked_at:
                due = self._bays[number].is_due(stretch.count, when)
                (looked_at if due else steady).append(number)
        events = self._look_closely(stretch, sorted(looked_at), when) if looked_at else []
        columns: dict[int, Array] = {}
        for number in steady:
            column = partial(self._column, columns, stretch.count, number)
            events += self._bays[number].go_on(stretch.count, column, when)
            if self._bays[number].idle():
                self._settle(number)
        return events

    def _look_closely(self, stretch: Stretch, numbers: list[int], when: Instants) -> list[Event]:
        front_end, wiring, bays = self._front_end, self._wiring, np.array(numbers)
        channels = wiring.channels(bays)
        exact = front_end.exact(stretch, channels)
        sight = wiring.sight(exact, front_end.window, channels, bays)
        crossed = self._crossings.of(sight, bays)
        events: list[Event] = []
        for place, number in enumerate(numbers):
            raw = partial(self._raw, number, stretch.count)
            seen = SampledSight(sight[:, place])
            told = self._bays[number].feed(seen, crossed[place], when, raw)
            events += [self._with_harmonics(e, number, stretch.count, when) for e in told]
            self._settle(number)
        return events

    def _with_harmonics(self, event: Event, number: int, count: int, when: Instants) -> Event:
        """A fault or an inrush also states the 2nd and 5th harmonic that other relays go by."""
        if event.event not in TOLD_BY_SHAPE:
            return event
        taps, before = self._wiring.taps[number], count - 1 - when.at(event.t_us)
        roles = [role for role in ("ia", "ib", "ic") if role in taps]
        channels = [taps[role].index for role in roles]
        first, second, fifth = (self._front_end.harmonic(n, channels, before) for n in (1, 2, 5))
        shares = {}
        for name, sizes in (("second", second), ("fifth", fifth)):
            for role, size, of in zip(roles, sizes.tolist(), first.tolist(), strict=True):
                shares[f"{name}_share_{role[1]}"] = size / of if of else 0.0
        return replace(event, why={**event.why, **shares})

    def _settle(self, number: int) -> None:
        """Whether the bay is awake now, and the band that it has to stay in."""
        bay = self._bays[number]
        self._awake[number] = awake = not bay.idle()
        self._any_awake = bool(self._awake.any())
        self._quiet.take_up(number, self._crossings.between(number) if awake else bay.band)

    def _column(self, columns: dict[int, Array], count: int, number: int, k: int) -> list[float]:
        """What a bay sees at decision `k` of `count`; worked out for all bays at once."""
        if k not in columns:
            exact = self._front_end.at(count - 1 - k)
            bays = np.arange(len(self._bays))
            columns[k] = self._wiring.sight(exact, self._front_end.window, None, bays)[:, :, 0]
        column: list[float] = columns[k][:, number].tolist()
        return column

    def _look_slowly(self, block: Block, last: int) -> list[Event]:
        """The slow look at every bay that ends at the sample `last`."""
        front_end = self._front_end
        count = CYCLES * front_end.window
        if front_end.memory.held < count:
            return []
        times_us = block.sample_us(last - count + 1), block.sample_us(last)
        samples = front_end.memory.last(count)
        looks = self._looking.looks(samples, front_end.window, times_us, front_end.frequency_mhz)
        events: list[Event] = []
        for number, (bay, look) in enumerate(zip(self._bays, looks, strict=True)):
            events += bay.look(look)
            self._settle(number)
        return events

    def _raw(self, number: int, count: int, k: int) -> Raw:
        """The samples of a bay up to decision `k` of `count`."""
        memory, taps = self._front_end.memory, self._wiring.taps[number]
        before = count - 1 - k

        def take(role: str, samples: int) -> list[int]:
            counts: list[int] = memory.last(samples, before)[taps[role].index].astype(int).tolist()
            return counts

        scales = {role: tap.scale for role, tap in taps.items()}
        bay = self._bays[number]
        return Raw(self._front_end.window, bay.cycle_us, scales, self._summed[number], take)
