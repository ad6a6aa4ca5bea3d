"""Samples to quantities: for every channel of a source at once, exact in counts.

Three ways through it, one meaning. `stretches` cuts a source's blocks into stretches and follows
the energy of what changes: a handful of operations on whole blocks, enough to go on from a proof
that nothing left its band (quiet.py). `reach` is what such a proof is made of, from the sums of the
last window (tables.py). `exact` then answers, only for the channels where that proof failed, the
quantities at every sample of the stretch.

Sums of integer samples times integer tables are exact in float64 whatever their order, so the
same samples give the same bits on any processor and for any block size. Scaling to amperes and
volts, and everything that knows of a bay, comes after this file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from agent.detect import tables
from agent.detect.memory import Memory
from agent.records import Block, Layout, Quality

Array = npt.NDArray[np.float64]
Channels = npt.NDArray[np.intp] | None  # positions; None: all of them
# A channel that is the sum of three others, in whole counts: their positions and weights.
Sum = tuple[tuple[int, ...], tuple[float, ...]]

# Proofs are made with fractions, verdicts are not: this much of a proof is given away to rounding.
CAUTION = 1.001
_BREAKS = Quality.GAP | Quality.INVALID
# The slowest network that is followed has the longest window. [mHz]
SLOWEST_MHZ, FASTEST_MHZ = 45_000, 65_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples that were taken into the memory together: at most a window, never across a gap.

    first, count: which. proven: the window before each of its samples was seen too, so that `reach`
    bounds each of them.
    """

    first: int
    count: int
    proven: bool


@dataclass(frozen=True, slots=True)
class Exact:
    """Quantities at each sample of a stretch; arrays of shape (channels, n).

    even, odd: over `even_gain` and `odd_gain` they are the fundamental even + j odd, counts,
    amplitude, at the middle of the window that ends at the sample. change: energy over the window
    of the difference to the sample one window earlier [counts^2, sum]: zero in steady state, and
    from the inception of a fault on the energy of what the fault added.
    """

    even: Array
    odd: Array
    change: Array
    even_gain: int
    odd_gain: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Bounds of every channel over every sample of a stretch; in counts.

    ends: (2, channels), re and im of the fundamental at its end, amplitude; away: no sample's
    fundamental lies further than this beyond `least` to `most` times that; change: no sample's
    energy is larger. fresh: by how much a fundamental moves at most, by the root of the energy of
    what changes.
    """

    ends: Array
    away: Array
    change: Array
    least: float
    most: float
    fresh: float


class _Tables:
    """One tuning as arrays, and what bounds the fundamental between the ends of a stretch."""

    def __init__(self, tuning: tables.Tuning) -> None:
        length = tuning.length
        self.tuning = tuning
        ones = [1] * length
        # (3, 2 length): cosine, sine and total; a slice of any phase is in one piece.
        self.rows = np.array([tuning.cosine * 2, tuning.sine * 2, ones * 2], dtype=np.float64)
        self.turns = np.array([tuning.turn_cosine * 2, tuning.turn_sine * 2], dtype=np.float64)
        # Amplitudes of the window's own cycle, and of a constant as if it were one.
        cycle = 2.0 / (tables.SCALE * length)
        self.norms = np.array([[cycle], [cycle], [2.0**0.5 / length]])
        weights = np.array(tuning.weights())
        circle = np.exp(2j * np.pi * (np.arange(length) - (length - 1) / 2) / length)
        # The share of the window's own cycle in the weights, and what of them lies beside it.
        even = float(weights[:, 0] @ circle.real)
        odd = float(weights[:, 1] @ circle.imag)
        beside = weights - np.stack([even * circle.real, odd * circle.imag], axis=1) * 2 / length
        self.least, self.most = sorted((abs(even), abs(odd)))
        self.leak = float(np.sqrt((beside**2).sum())) * CAUTION
        self.reach = float(np.sqrt((weights**2).sum())) * CAUTION


class FrontEnd:
    """The memory of a source, the sums over its last window, and the quantities they give.

    frequency_hz: nominal; remember_s: how much of the past `memory` keeps besides what windows
    need. sums: channels that are appended to those of the layout. frequency_mhz: what it is tuned
    to. [mHz] change: no sample of the last stretch has a larger energy, see Exact.
    """

    def __init__(
        self,
        layout: Layout,
        frequency_hz: int,
        remember_s: float = 0.0,
        sums: Sequence[Sum] = (),
    ) -> None:
        if layout.rate_hz is None:
            raise ValueError("a front end needs samples, not readings")
        rate = layout.rate_hz
        channels = len(layout.channels) + len(sums)
        self._summed = np.array([places for places, _ in sums], dtype=np.intp)
        self._weights = np.array([weights for _, weights in sums])[..., None]
        self._rate = rate.numerator, rate.denominator
        longest = tables.window_length(*self._rate, SLOWEST_MHZ)
        self.memory = Memory(channels, max(3 * longest, round(rate * Fraction(remember_s))))
        offsets = np.rint([[channel.offset] for channel in layout.channels])
        self._offsets = offsets if offsets.any() else None
        self._triangle = np.triu(np.ones((longest, longest)))
        self._place = np.arange(1.0, longest + 1.0)
        # Energies of the changes of late: (samples, energy of each channel), and their sum.
        self._changes: deque[tuple[int, Array]] = deque()
        self._covered = 0
        self.change = np.zeros(channels)
        self._ready = False
        # Where the last `exact` ended: index, channels, its five sums.
        self._ended: tuple[int, Channels, Array] | None = None
        self.tune(1000 * frequency_hz)

    @property
    def window(self) -> int:
        """Samples of one cycle of the frequency tuned to."""
        return self._tables.tuning.length

    @property
    def window_mhz(self) -> int:
        """The frequency of which the window is one cycle. [mHz]"""
        rate_num, rate_den = self._rate
        return 1000 * rate_num // (rate_den * self.window)

    @property
    def fastest_mhz(self) -> int:
        """The highest frequency that can be tuned to at this rate. [mHz]"""
        rate_num, rate_den = self._rate
        return min(FASTEST_MHZ, 1000 * rate_num // (rate_den * tables.SHORTEST))

    def tune(self, frequency_mhz: int) -> None:
        """Measure another frequency from the next sample on."""
        self.frequency_mhz = frequency_mhz
        self._tables = _Tables(tables.tuned(*self._rate, frequency_mhz))
        self._ready = False
        self._ended = None

    def stretches(self, block: Block, every: int) -> Iterator[Stretch]:
        """Take the block, a stretch at a time: each ends where a multiple of `every` begins.

        Nothing is answered while the first window fills. After a gap, or a jump of the index,
        windows start anew: no sum bridges what was not seen.
        """
        first, samples = block.first, block.counts
        if first != self.memory.next or (block.quality and block.quality & _BREAKS):
            self.memory.restart(first)
            self._ready = False
            self._ended = None
        if self._offsets is not None:
            samples = samples + self._offsets
        if self._summed.size:
            samples = np.concatenate((samples, self._sums_of(samples)))
        at, end = 0, samples.shape[1]
        while at < end:
            index = first + at
            count = min(end - at, self.window, every - index % every)
            self.memory.append(samples[:, at : at + count] if count < end else samples)
            at += count
            if self._ready and self._follow(count):
                yield Stretch(index, count, proven=True)
            elif whole := self._begin(count):
                yield Stretch(index + count - whole, whole, proven=False)

    def _sums_of(self, samples: Array) -> Array:
        """The appended channels: rounded, so that their sums over windows are exact too."""
        a, b, c = np.moveaxis(samples[self._summed] * self._weights, 1, 0)
        a += b
        a += c
        rounded: Array = np.rint(a, out=a)
        return rounded

    @property
    def fresh(self) -> Array:
        """Energy of the difference of the last stretch to one window earlier. [counts^2, sum]"""
        return self._changes[-1][1]

    def reach(self) -> Reach:
        """What the last stretch cannot have left; to be asked only of one that is `proven`.

        A window that ends inside the stretch is the window at its end turned in a circle, but for
        the samples that came since. Turning leaves the size of the window's own cycle alone;
        everything beside it counts with the norm of the weights beside it (Cauchy and Schwarz),
        and so does the difference of the samples that came, whose energy is known.
        """
        own, length = self._tables, self.window
        window, phase = self.memory.last(length), self.memory.next % length
        ends = own.rows[:, phase : phase + length] @ window.T
        ends *= own.norms
        own_cycle = np.add.reduce(ends * ends)
        own_cycle *= 0.5 * length
        beside = np.subtract(np.vecdot(window, window), own_cycle, out=own_cycle)
        away = np.sqrt(np.maximum(beside, 0.0, out=beside), out=beside)
        away *= own.leak
        away += own.reach * np.sqrt(self.fresh)
        least, most = own.least / CAUTION, own.most * CAUTION
        return Reach(ends[:2], away, self.change, least, most, own.reach)

    def exact(self, stretch: Stretch, channels: Channels = None) -> Exact:
        """Quantities at each sample of the last stretch, of these channels (None: of all)."""
        count, length, own = stretch.count, self.window, self._tables
        recent, missing = self._recent(count + 2 * length, channels)
        fresh, old, older = (recent[:, at : at + count] for at in (2 * length, length, 0))
        phase = stretch.first % length
        steps = np.empty((5, *fresh.shape))
        leaving = np.subtract(fresh, old, out=steps[2])
        np.multiply(leaving, own.rows[0, phase : phase + count], out=steps[0])
        np.multiply(leaving, own.rows[1, phase : phase + count], out=steps[1])
        np.multiply(leaving, self._place[:count], out=steps[3])
        steps[3] += length * old
        np.multiply(leaving, leaving, out=steps[4])
        gone = old - older
        gone *= gone
        if missing:  # no difference to a sample that was not seen
            steps[4, :, : max(0, missing - length)] = gone[:, :missing] = 0.0
        steps[4] -= gone
        sums = steps.reshape(-1, count) @ self._triangle[:count, :count]
        sums = sums.reshape(steps.shape)
        sums += self._sums_before(stretch.first, channels, recent, missing)[:, :, None]
        ended = sums[:, :, -1].copy()
        ended[3] -= count * ended[2]  # the next stretch counts its places from its own beginning
        self._ended = self.memory.next, channels, ended
        return self._fundamental(sums, phase)

    def at(self, before: int, channels: Channels = None) -> Exact:
        """The same of the one sample that came `before` samples ago, but for its change (0)."""
        length, last = self.window, self.memory.next - 1 - before
        window = self.memory.last(length, before)
        if channels is not None:
            window = window[channels]
        phase = (last + 1) % length
        place = np.arange(2.0 - length, 2.0)  # as if it were the first of a stretch
        sums = np.zeros((5, window.shape[0], 1))
        sums[:3, :, 0] = self._tables.rows[:, phase : phase + length] @ window.T
        sums[3, :, 0] = window @ place
        return self._fundamental(sums, last % length)

    def phasor(self, channels: list[int], before: int) -> Array:
        """The sums re, im of the window that ended `before` samples ago, (2, channels), exact."""
        window = self.memory.last(self.window, before)[channels]
        phase = (self.memory.next - before) % self.window
        return self._tables.rows[:2, phase : phase + self.window] @ window.T

    def harmonic(self, order: int, channels: list[int], before: int = 0) -> Array:
        """Amplitude of a harmonic over the window that ended `before` samples ago. [counts]"""
        window = self.memory.last(self.window, before)[channels]
        cosine, sine = np.array(tables.harmonic(self.window, order), dtype=np.float64)
        re, im = window @ cosine, window @ sine
        amplitude: Array = np.sqrt(re * re + im * im) / (0.5 * tables.SCALE * self.window)
        return amplitude

    def _begin(self, count: int) -> int:
        """The first whole window ends now; answers how many of the last samples have one."""
        length = self.window
        whole = min(count, self.memory.held - length + 1)
        if whole <= 0:
            return 0
        recent, missing = self._recent(3 * length, None)
        leaving = recent[:, length:] - recent[:, : 2 * length]
        leaving[:, :missing] = 0.0
        self.change = np.vecdot(leaving, leaving)
        self._changes = deque([(2 * length, self.change.copy())])
        self._covered = 2 * length
        self._ready = True
        return whole

    def _follow(self, count: int) -> bool:
        """Take up what the samples just appended change; False when what leaves was not seen."""
        length = self.window
        if self.memory.held < length + count:
            return False
        leaving = self.memory.last(count) - self.memory.last(count, length)
        energy = np.vecdot(leaving, leaving)
        self._changes.append((count, energy))
        self.change += energy
        self._covered += count
        # What no window of the stretch can hold any more.
        while self._covered - self._changes[0][0] >= length + count:
            held, gone = self._changes.popleft()
            self._covered -= held
            self.change -= gone
        return True

    def _recent(self, count: int, channels: Channels) -> tuple[Array, int]:
        """The last `count` samples, and how many of them are zeros for want of a past."""
        recent = self.memory.last(count)
        if channels is not None:
            recent = recent[channels]
        missing = count - recent.shape[1]
        return (np.pad(recent, ((0, 0), (missing, 0))) if missing else recent), missing

    def _sums_before(self, first: int, channels: Channels, recent: Array, missing: int) -> Array:
        """re, im, total, ramp and energy of the window before sample `first`, (5, channels).

        Of the very first window there is one sample less than it takes; a zero stands for it.
        """
        if self._ended is not None and self._ended[0] == first:
            of, sums = self._ended[1:]
            if of is channels or (
                of is not None and channels is not None and np.array_equal(of, channels)
            ):
                return sums
        length = self.window
        window, phase = recent[:, length : 2 * length], first % length
        place = np.arange(1.0 - length, 1.0)
        differences = window - recent[:, :length]
        differences[:, :missing] = 0.0
        energy = np.vecdot(differences, differences)
        rows = self._tables.rows[:, phase : phase + length]
        return np.concatenate((rows @ window.T, (window @ place)[None], energy[None]))

    def _fundamental(self, sums: Array, phase: int) -> Exact:
        re, im, total, ramp, energy = sums
        count, tuning = re.shape[1], self._tables.tuning
        turn_cosine, turn_sine = self._tables.turns[:, phase : phase + count]
        even = re * turn_cosine
        even += im * turn_sine
        # `ramp` counts places from the stretch's beginning, the slope from the window's middle.
        total *= self._place[:count] - (self.window - 1) / 2
        ramp -= total
        ramp *= tuning.slope
        odd = re * turn_sine
        odd -= im * turn_cosine
        odd += ramp
        return Exact(even, odd, energy, tuning.even_gain, tuning.odd_gain)
