"""The slow look at one bay: what the last four cycles were like, every four cycles.

For what shows over seconds rather than in samples: high-impedance faults, torn conductors, unequal
phases, sensors that err. The instants follow from the samples' numbers alone, and the sums behind
every value are of whole numbers: exact, the same for any block size and on any processor.

Portable.
"""

import math

from agent.detect.tables import SCALE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Phasor = tuple[float, float]

CYCLES = 4
ORDERS = (1, 2, 3, 4, 5, 7)


class Channel:
    """Sums over the last four cycles of one channel, each `window` samples long. [counts]

    scale: primary units a count. parts: for each cycle the sums of cosine and sine of each of
    ORDERS (tables.harmonic) times the samples; total: the same over all cycles. squares: for each
    cycle, of its samples. steps: of the differences of each cycle to the one before, three.
    bottom, top: extremes; at_bottom, at_top: samples that lie there.
    """

    def __init__(
        self,
        scale: float,
        window: int,
        parts: "Sequence[Sequence[float]]",
        total: "list[float]",
        squares: "list[float]",
        steps: "list[float]",
        bottom: float,
        top: float,
        at_bottom: int = 1,
        at_top: int = 1,
    ) -> None:
        self.scale = scale
        self.window = window
        self.total = total
        self.squares = squares
        self.steps = steps
        self.bottom = bottom
        self.top = top
        self.at_bottom = at_bottom
        self.at_top = at_top
        self._parts = parts

    def phasor(self, order: int = 1) -> "Phasor":
        """(re, im) of a harmonic over all four cycles, RMS primary; the angle of one look is that
        of its first sample, for every channel the same.
        """
        place = 2 * ORDERS.index(order)
        norm = self.scale * math.sqrt(2.0) / (SCALE * self.window * CYCLES)
        return norm * self.total[place], -norm * self.total[place + 1]

    def cycle(self, number: int, order: int = 1) -> "Phasor":
        """The same of one cycle, 0 the oldest."""
        place = 2 * ORDERS.index(order)
        norm = self.scale * math.sqrt(2.0) / (SCALE * self.window)
        part = self._parts[number]
        return norm * float(part[place]), -norm * float(part[place + 1])

    def rms(self) -> float:
        """True RMS over all four cycles, primary."""
        return abs(self.scale) * math.sqrt(sum(self.squares) / (CYCLES * self.window))

    def jitter(self) -> "list[float]":
        """RMS of the difference of each cycle to the one before, primary; three of them."""
        return [abs(self.scale) * math.sqrt(each / self.window) for each in self.steps]


class Look:
    """One look. t_us: the last sample's instant; since_us: the first one's. frequency_mhz: what
    the windows are tuned to. channels: by role, of those that there is a sensor for (3I0 and U0
    also where they are sums of three phases, see `summed`).
    """

    def __init__(
        self,
        t_us: int,
        since_us: int,
        frequency_mhz: int,
        channels: "Mapping[str, Channel]",
        summed: "frozenset[str]",
    ) -> None:
        self.t_us = t_us
        self.since_us = since_us
        self.frequency_mhz = frequency_mhz
        self.channels = channels
        self.summed = summed
