"""The slow look at one bay: what the last four cycles were like, every four cycles.

For what shows over seconds rather than in samples: high-impedance faults, torn conductors, unequal
phases, sensors that err. The instants follow from the samples' numbers alone, and the sums behind
every value are of whole numbers: exact, the same for any block size and on any processor.

Portable.
"""

import math

from agent.detect.sequences import sequences, size
from agent.detect.tables import SCALE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Phasor = tuple[float, float]

CYCLES = 4
ORDERS = (1, 2, 3, 4, 5, 7)
CURRENT_ROLES, VOLTAGE_ROLES = ("ia", "ib", "ic"), ("ua", "ub", "uc")


class Channel:
    """Sums over the last four cycles of one channel, each `window` samples long. [counts]

    scale: primary units a count. parts: for each cycle the sums of cosine and sine of each of
    ORDERS (tables.harmonic) times the samples; total: the same over all cycles. squares: for each
    cycle, of its samples. steps: of the differences of each cycle to the one before, three.
    bottom, top: extremes; at_bottom, at_top: how many samples lie there.
    """

    __slots__ = (
        "_at_bottom",
        "_at_top",
        "_parts",
        "_squares",
        "_steps",
        "_total",
        "bottom",
        "scale",
        "top",
        "window",
    )

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
        self.bottom = bottom
        self.top = top
        self._parts = parts
        self._total = total
        self._squares = squares
        self._steps = steps
        self._at_bottom = at_bottom
        self._at_top = at_top

    def phasor(self, order: int = 1) -> "Phasor":
        """(re, im) of a harmonic over all four cycles, RMS primary; the angle of one look is that
        of its first sample, for every channel the same.
        """
        place = 2 * ORDERS.index(order)
        norm = self.scale * math.sqrt(2.0) / (SCALE * self.window * CYCLES)
        return norm * self._total[place], -norm * self._total[place + 1]

    def size(self, order: int = 1) -> float:
        """The magnitude of that."""
        return size(self.phasor(order))

    def cycle(self, number: int, order: int = 1) -> "Phasor":
        """The same of one cycle, 0 the oldest."""
        place = 2 * ORDERS.index(order)
        norm = self.scale * math.sqrt(2.0) / (SCALE * self.window)
        part = self._parts[number]
        return norm * float(part[place]), -norm * float(part[place + 1])

    def rms(self) -> float:
        """True RMS over all four cycles, primary."""
        return abs(self.scale) * math.sqrt(sum(self._squares) / (CYCLES * self.window))

    def jitter(self) -> "list[float]":
        """RMS of the difference of each cycle to the one before, primary; three of them."""
        return [abs(self.scale) * math.sqrt(each / self.window) for each in self._steps]

    def at_bottom(self) -> int:
        """How many samples lie at the lower extreme."""
        return self._at_bottom

    def at_top(self) -> int:
        """How many samples lie at the upper extreme."""
        return self._at_top


class Three:
    """Fundamentals of three phases over the look, RMS primary, and their magnitudes."""

    __slots__ = ("_sequences", "_shares", "phasors", "sizes")

    def __init__(self, phasors: "list[Phasor]", sizes: "list[float]") -> None:
        self.phasors = phasors
        self.sizes = sizes
        self._sequences: "tuple[Phasor, Phasor, Phasor] | None" = None
        self._shares: "tuple[float, float, float] | None" = None

    def sequences(self) -> "tuple[Phasor, Phasor, Phasor]":
        """Zero, positive and negative sequence."""
        if self._sequences is None:
            a, b, c = self.phasors
            self._sequences = sequences(a, b, c)
        return self._sequences

    def shares(self) -> "tuple[float, float, float]":
        """The magnitudes of the sequences."""
        if self._shares is None:
            zero, positive, negative = self.sequences()
            self._shares = size(zero), size(positive), size(negative)
        return self._shares


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
        # Several functions go by them, so that they are worked out once.
        self.amps = self._three(CURRENT_ROLES)
        self.volts = self._three(VOLTAGE_ROLES)

    def _three(self, roles: "tuple[str, str, str]") -> "Three | None":
        """None where a sensor is missing."""
        channels = self.channels
        if roles[0] not in channels or roles[1] not in channels or roles[2] not in channels:
            return None
        a, b, c = channels[roles[0]], channels[roles[1]], channels[roles[2]]
        return Three([a.phasor(), b.phasor(), c.phasor()], [a.size(), b.size(), c.size()])
