"""One source into its bays: samples by samples.py, readings by readings.py.

Detection is a function of settings and samples: no clock, no chance, no hidden state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from agent.detect.bay import BayDetector
from agent.detect.meter import Meter
from agent.detect.readings import Readings
from agent.detect.settings import Settings
from agent.detect.sight import Tap, Taps
from agent.records import Block, Event, Layout, Reading
from agent.site import Bay

if TYPE_CHECKING:
    from agent.detect.samples import Mark

__all__ = ["Detector", "Meter", "Tap", "Taps"]

# What integrates is stepped up to eight times a cycle: a verdict is late by 2.5 ms at most.
GRID_SHARE = 8


class Detector:
    """Every bay fed by one source of samples or readings."""

    def __init__(self, layout: Layout, bays: Iterable[tuple[Bay, Settings, Taps]]) -> None:
        self.wired = wired = list(bays)
        self.layout = layout
        frequency_hz = wired[0][0].frequency_hz if wired else 50
        cycle = round(layout.rate_hz / frequency_hz) if layout.rate_hz else 1
        cycle_us, grid = 1_000_000 // frequency_hz, max(1, cycle // GRID_SHARE)
        self._bays = [BayDetector(bay, s, cycle_us, grid) for bay, s, _ in wired]
        self._order = {bay.bay.name: place for place, bay in enumerate(self._bays)}
        self._samples = None
        self._readings = Readings(self._bays, [taps for _, _, taps in wired])
        if layout.rate_hz is not None:
            from agent.detect.samples import Samples  # numpy, 12 MB that meters do not need

            self._samples = Samples(layout, [(bay, taps) for bay, _, taps in wired], self._bays)

    def feed(self, item: Block | Reading) -> list[Event]:
        """Events of one block or reading, in order of time and of the bays."""
        if isinstance(item, Reading):
            events = self._readings.feed(item)
        elif self._samples is None:
            raise ValueError("samples of a source that was announced with readings")
        else:
            events = self._samples.feed(item)
        # Those of one instant in the order of the bays, whichever way each bay was looked at.
        return sorted(events, key=lambda event: (event.t_us, self._order[event.bay]))

    def supply(self) -> dict[str, tuple[int | None, ...]]:
        """DEAD, LIVE or None of each phase, bay by bay."""
        return {bay.bay.name: bay.supply_states for bay in self._bays}

    def resume_supply(self, known: Mapping[str, Sequence[int | None]], since_us: int) -> None:
        """Go on from the states that were last told; nobody has looked since `since_us`."""
        for bay in self._bays:
            if bay.bay.name in known:
                bay.resume_supply(known[bay.bay.name], since_us)

    @property
    def marks(self) -> Sequence[Mark]:
        """Where a record of what was fed may begin, oldest first; none of readings."""
        return self._samples.marks if self._samples else ()

    def resume(self, mark: Mark, since_us: int) -> None:
        """Go on from a mark, whose sample comes next and was taken at `since_us`."""
        if self._samples is not None:
            self._samples.resume(mark)
        for bay, states in zip(self._bays, mark.supply, strict=True):
            if any(state is not None for state in states):
                bay.resume_supply(states, since_us)
        for bay, learned in zip(self._bays, mark.learned, strict=False):
            bay.relearn(learned)

    def meters(self) -> list[Meter]:
        """What every bay measures now; empty before there is anything."""
        return self._samples.meters() if self._samples else self._readings.meters()
