"""A digitiser's frames into blocks of samples on one axis of time, gaps and all.

Samples that follow each other are gathered for an eighth of a cycle, so that detection is not
called for every frame, and cut at a quarter, so that no decision is late. What was lost is a gap:
the index goes on by what is missing, and no sample is moved in time to fill it. A digitiser that
began anew, or whose count is no clock (sample_clock.py), goes on where its arrival says.

Pure: frames and arrivals in, blocks and notices out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.records import Block, Channel, Layout, Notice, Quality
from agent.sensors.digitiser_frame import GAP, NUMBERS, OVERRANGE, Announcement, Samples
from agent.sensors.sample_clock import SampleClock

SLOWEST_HZ, FASTEST_HZ = 800, 51_200  # as detection takes them (contract.md section 1)
FASTEST_NETWORK_HZ = 60
QUARTER, EIGHTH = 4 * FASTEST_NETWORK_HZ, 8 * FASTEST_NETWORK_HZ
# Frames that are older than what came already, in a row: so many are no echo but a new count.
MOST_OLD = 8
MOST_SETTLING = 4096  # frames that wait for the first stamp: ten times what a fast board sends


@dataclass(frozen=True, slots=True)
class Source:
    """What an announcement means to us."""

    layout: Layout
    rate: Fraction
    row: npt.DTypeLike
    contacts: int
    lag_us: int

    @classmethod
    def of(cls, sensor: str, announced: Announcement) -> Source:
        """Contacts are channels behind the others, 1 = closed, without a unit."""
        channels = [
            Channel(name, unit, over / under, phase=phase)
            for name, unit, phase, (over, under) in announced.channels
        ]
        contacts = [Channel(name, "") for name in announced.contacts]
        rate = Fraction(*announced.rate)
        words, octets = len(channels), announced.set_bytes - 2 * len(channels)
        return cls(
            layout=Layout(sensor, (*channels, *contacts), rate),
            rate=rate,
            row=np.dtype([("counts", "<i2", (words,)), ("contacts", "u1", (octets,))]),
            contacts=len(contacts),
            lag_us=announced.lag_us,
        )

    def counts(self, data: bytes) -> npt.NDArray[np.float64]:
        """Of sets of samples, shape (channels and contacts, sets)."""
        table: Any = np.frombuffer(data, dtype=self.row)
        counts = table["counts"].T.astype(np.float64, order="C")
        if not self.contacts:
            return np.asarray(counts)
        bits = np.unpackbits(table["contacts"], axis=1, count=self.contacts, bitorder="little")
        return np.concatenate((counts, bits.T.astype(np.float64)))


class Run:
    """Sets that follow each other and have not been handed on yet."""

    def __init__(self, first: int, quality: Quality) -> None:
        self.first = first
        self.quality = quality
        self.sets = 0
        self._data: list[bytes] = []

    def append(self, sets: int, data: bytes) -> None:
        """More of them."""
        self.sets += sets
        self._data.append(data)

    def blocks(self, source: Source, start_us: int) -> list[Block]:
        """Pieces of equal length, none longer than a quarter cycle; the gap is before the first."""
        counts = source.counts(b"".join(self._data))
        pieces = -(-self.sets // max(1, int(source.rate / QUARTER)))
        ends = [self.sets * k // pieces for k in range(pieces + 1)]
        later = self.quality & ~Quality.GAP
        return [
            Block(
                source.layout,
                self.first + begin,
                start_us,
                counts[:, begin:end],
                later if begin else self.quality,
            )
            for begin, end in pairwise(ends)
        ]


class Assembler:
    """One digitiser's frames, in the order of their coming."""

    def __init__(self, sensor: str) -> None:
        self._sensor = sensor
        self._source: Source | None = None
        self._announced: tuple[int, object] | None = None
        self._clock: SampleClock | None = None
        self._settling: list[Samples] = []
        self._settled = False
        self._shift = 0  # of the digitiser's count to ours
        self._next: int | None = None  # index that comes next; None: our axis begins with it
        self._caught_up = 0  # what lies before it was seen already, and is dropped in silence
        self._refitted = False  # so what comes next does not continue what came
        self._start_ns = 0
        self._run: Run | None = None
        self._number: int | None = None
        self._old = 0
        self._parted = False  # and told
        self.lost_frames = self.missed_samples = 0  # ever

    def hear(self, items: Iterable[Announcement | Samples], at_us: int) -> list[Block | Notice]:
        """What these frames complete; all of them had arrived at `at_us`."""
        told: list[Block | Notice] = []
        for item in items:
            if isinstance(item, Announcement):
                told += self._announce(item, at_us)
            elif self._source is not None:
                told += self._samples(self._source, item, at_us)
        return told

    def flush(self) -> list[Block]:
        """What is gathered, before the eighth of a cycle is full: nothing more may come."""
        run, self._run = self._run, None
        if run is None or self._source is None or self._clock is None:
            return []
        last = run.first + run.sets - 1 - self._shift
        self._start_ns = self._clock.start_ns(last) - self._clock.after_ns(self._shift)
        return list(run.blocks(self._source, self._start_ns // 1000))

    def _announce(self, announced: Announcement, at_us: int) -> list[Block | Notice]:
        """Mostly what is known already; else another count begins, or another device."""
        before, self._announced = self._announced, (announced.stream, announced.meaning())
        if before == self._announced:
            return []
        told: list[Block | Notice] = [*self.flush()]
        if before is not None and before[1] == announced.meaning():
            told.append(Notice(self._sensor, at_us, "reconnected", "the digitiser began anew"))
        else:
            told.append(self._meet(announced, at_us))
        self._begin_count()
        return told

    def _meet(self, announced: Announcement, at_us: int) -> Notice:
        """A device that we did not know, or that has become another one."""
        rate = Fraction(*announced.rate)
        told = f"{announced.device or 'a digitiser'}: {float(rate):g} Hz"
        self._source = self._next = None
        if not SLOWEST_HZ <= rate <= FASTEST_HZ:
            wrong = f"{told}; expected {SLOWEST_HZ} to {FASTEST_HZ}"
            return Notice(self._sensor, at_us, "lying", wrong)
        self._source = Source.of(self._sensor, announced)
        names = " ".join(channel.name for channel in self._source.layout.channels)
        return Notice(self._sensor, at_us, "live", f"{told}, {names}")

    def _begin_count(self) -> None:
        """Of the digitiser's indices nothing is known yet but that they will count."""
        self._clock, self._settling, self._settled = None, [], False
        self._number, self._old = None, 0

    def _samples(self, source: Source, item: Samples, at_us: int) -> list[Block | Notice]:
        self._count_lost(item)
        if self._clock is None:
            self._clock = SampleClock(source.rate)
        self._clock.hear(item.first + item.sets - 1, at_us, source.lag_us)
        if not self._settled:
            return self._wait(source, item, at_us)
        if parted_us := self._clock.parted_us():
            told: list[Block | Notice] = [*self.flush(), *self._part(parted_us, at_us)]
            self._begin_count()
            return told + self._samples(source, item, at_us)
        return self._take(source, item)

    def _count_lost(self, item: Samples) -> None:
        if self._number is not None:
            lost = (item.number - self._number - 1) % NUMBERS
            if lost < NUMBERS // 2:  # else an old one came again
                self.lost_frames += lost
        self._number = item.number

    def _part(self, parted_us: int, at_us: int) -> list[Notice]:
        """Told once: where it goes on like this, each time would be no news."""
        if self._parted:
            return []
        self._parted = True
        way = "later" if parted_us > 0 else "earlier"
        told = f"samples come {abs(parted_us) / 1e6:.3g} s {way} than their count and rate say"
        return [Notice(self._sensor, at_us, "lying", told)]

    def _wait(self, source: Source, item: Samples, at_us: int) -> list[Block | Notice]:
        """Until the stamps can be relied on; nothing is lost meanwhile."""
        assert self._clock is not None  # noqa: S101  # _samples
        self._settling.append(item)
        if not self._clock.settled(at_us) and len(self._settling) < MOST_SETTLING:
            return []
        waiting, self._settling, self._settled = self._settling, [], True
        self._fit(source, self._clock, waiting[0].first)
        return [block for each in waiting for block in self._take(source, each)]

    def _fit(self, source: Source, clock: SampleClock, first: int) -> None:
        """Where this count lies on our axis: at its beginning, or by its instant."""
        start_ns = clock.start_ns(first)
        if self._next is None:
            self._next, index = 0, 0
        else:
            since_ns = start_ns + clock.after_ns(first) - self._start_ns
            index = round(since_ns * source.rate / 1_000_000_000)
            self._refitted = True
        self._shift = index - first
        self._caught_up = self._next

    def _take(self, source: Source, item: Samples) -> list[Block | Notice]:
        assert self._next is not None  # noqa: S101  # _fit
        first, data = item.first + self._shift, item.data
        if first + item.sets <= self._next:
            return self._drop(first)
        if first < self._next:
            data = data[(self._next - first) * (len(data) // item.sets) :]
            first = self._next
        self._old = 0
        missed = first - self._next
        self.missed_samples += missed
        self._next = item.first + self._shift + item.sets
        broken = missed or self._refitted or item.flags & GAP
        gap, self._refitted = Quality.GAP if broken else Quality.GOOD, False
        told: list[Block | Notice] = [*self.flush()] if gap else []
        if self._run is None:
            self._run = Run(first, gap)
        if item.flags & OVERRANGE:
            self._run.quality |= Quality.OVERRANGE
        self._run.append(self._next - first, data)
        if self._run.sets >= source.rate / EIGHTH:
            told += self.flush()
        return told

    def _drop(self, first: int) -> list[Block | Notice]:
        """Samples of a time that was seen already; when they go on, it is another count."""
        if first >= self._caught_up:
            self._old += 1
        if self._old <= MOST_OLD:
            return []
        told: list[Block | Notice] = [*self.flush()]
        self._begin_count()
        return told
