"""Which samples are kept: the raw past and what follows, for every fault and every loss of supply.

A story begins PAST_CYCLES before the earliest inception, also of what is no fault but was going on
there, and ends AFTER_CYCLES after the last decision; what belongs to one bay's trouble, or to
several bays' of one source, overlaps and is one story. It begins at a mark of detection
(samples.py), so that a replay decides bit for bit alike.
Blocks and events go in, whole stories come out; files and threads stay out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from agent.detect.detector import Detector
from agent.detect.samples import Mark
from agent.records import Block, Event, Quality

Counts = npt.NDArray[np.int32]

TRIGGERS = (
    "fault",
    "intermittent_earth_fault",
    "high_impedance_fault",
    "broken_conductor",
    "voltage_loss",
)
# Raw samples reach ten cycles back (raw.py), the supply's holds five; the slow look averages four,
# and a first look needs a whole one. Twenty hold all of them, and show people the load before.
PAST_CYCLES = 20
# A clearing is seen in a cycle or two, a breaker's poles and the voltage's return in some more.
AFTER_CYCLES = 12
# What was decided late (a high-impedance fault after minutes), or follows other disturbances
# without a pause, is shown by its last two seconds.
LONGEST_PAST_CYCLES = 100
# A story that does not end is cut: 5 s at 50 Hz, six times an ordinary one.
LONGEST_CYCLES = 250
# A story that is complete waits for so long: a fault whose record would overlap is still part of
# it, and so is what ends slowly, as an operation after 0.3 s.
_MEET_CYCLES = PAST_CYCLES + 4
_BREAKS = Quality.GAP | Quality.INVALID


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples as they came. counts: (channels, n); broken: windows began anew before them."""

    first: int
    start_us: int
    broken: bool
    counts: Counts

    @property
    def end(self) -> int:
        """Index of the sample behind it."""
        return self.first + int(self.counts.shape[1])

    def between(self, begin: int, end: int) -> Piece:
        """What of it lies there."""
        low, high = max(0, begin - self.first), min(self.counts.shape[1], end - self.first)
        broken = self.broken and not low
        return Piece(self.first + low, self.start_us, broken, self.counts[:, low:high])


@dataclass(frozen=True, slots=True)
class Logged:
    """An event and its number in lane a; None where the log could not be written."""

    event: Event
    seq: int | None


@dataclass(frozen=True, slots=True)
class Story:
    """What one record holds. mark: where it begins; events: all of the source, within its span.

    cut: it went on, but LONGEST_CYCLES were reached, or the guard ended.
    """

    detector: Detector
    mark: Mark
    pieces: tuple[Piece, ...]
    events: tuple[Logged, ...]
    cut: bool = False

    def sample_us(self, index: int) -> int:
        """Instant of a sample on the axis of the source. [us]"""
        piece = next((p for p in self.pieces if index < p.end), self.pieces[-1])
        rate = self.detector.layout.rate_hz
        if rate is None:
            raise ValueError("a story has samples")
        return piece.start_us + index * 1_000_000 * rate.denominator // rate.numerator


def cause(events: Iterable[Event]) -> Event:
    """The event that a record is named for: the first alarm, else the first that asked for it."""
    told = list(events)
    asked = [event for event in told if event.event in TRIGGERS]
    return next((event for event in asked if event.alarm), (asked or told)[0])


@dataclass(slots=True)
class _Open:
    """A story that is being told."""

    mark: Mark
    until: int
    pieces: list[Piece] = field(default_factory=list)
    events: list[Logged] = field(default_factory=list)


class Recorder:
    """The last samples of one source, and the story that is open."""

    def __init__(self, detector: Detector) -> None:
        rate = detector.layout.rate_hz
        if rate is None:
            raise ValueError("a recorder needs samples, not readings")
        nominal_hz = detector.wired[0][0].frequency_hz if detector.wired else 50
        self._detector = detector
        self._cycle = max(1, round(rate / nominal_hz))
        self._rate = rate.numerator, 1_000_000 * rate.denominator
        self._pieces: deque[Piece] = deque()
        self._events: deque[Logged] = deque()
        self._open: _Open | None = None

    def feed(self, block: Block, events: Sequence[Event], seqs: Sequence[int] = ()) -> list[Story]:
        """Take a block that was decided on, and its events; answers the story that is whole now.

        seqs: their numbers in lane a; none when they are not there.
        """
        piece = Piece(
            block.first,
            block.start_us,
            bool(block.quality and block.quality & _BREAKS),
            block.counts.astype(np.int32),
        )
        self._pieces.append(piece)
        if self._open is not None:
            self._open.pieces.append(piece)
        if events:
            numbers: Sequence[int | None] = seqs or [None] * len(events)
            logged = [Logged(e, seq) for e, seq in zip(events, numbers, strict=True)]
            self._events.extend(logged)
            self._heard(piece, logged)
        open_ = self._open
        whole = open_ is not None and self._is_over(open_, piece.end)
        self._forget(piece.end)
        return [self._closed(open_)] if open_ is not None and whole else []

    def stop(self) -> list[Story]:
        """What is open, as far as it came: the source ends, or is decided on anew."""
        open_ = self._open
        if open_ is None:
            return []
        return [self._closed(open_, cut=open_.pieces[-1].end < open_.until)]

    def _heard(self, piece: Piece, events: Sequence[Logged]) -> None:
        if self._open is not None:
            self._open.events.extend(events)
        for logged in events:
            decided = self._index(logged.event.t_us, piece)
            if self._open is None and logged.event.event in TRIGGERS:
                self._open = self._opened(logged.event, piece, decided)
            if self._open is not None:  # what follows belongs to it: operate, cleared, restored
                self._open.until = max(self._open.until, decided + 1 + AFTER_CYCLES * self._cycle)

    def _opened(self, event: Event, piece: Piece, decided: int) -> _Open:
        begin = min(decided, self._inception(event, piece)) - PAST_CYCLES * self._cycle
        # Whoever decides on it again must see from its beginning what was going on already.
        for earlier in reversed(self._events):
            if self._index(earlier.event.t_us, piece) >= begin:
                inception = self._inception(earlier.event, piece)
                begin = min(begin, inception - PAST_CYCLES * self._cycle)
        mark = self._mark(max(begin, decided - LONGEST_PAST_CYCLES * self._cycle))
        kept = [p.between(mark.index, p.end) for p in self._pieces if p.end > mark.index]
        since_us = kept[0].start_us + mark.index * self._rate[1] // self._rate[0]
        events = [each for each in self._events if each.event.t_us >= since_us]
        return _Open(mark, 0, kept, events)

    def _mark(self, begin: int) -> Mark:
        """The last early enough one at which no bay was in the middle of anything, else the last.

        Where its samples are gone, or there are none yet, their oldest: between two marks the
        tuning stays.
        """
        oldest = self._pieces[0].first
        marks = self._detector.marks
        early = [mark for mark in marks if mark.index <= max(begin, oldest)] or [marks[0]]
        early = [mark for mark in early if mark.idle and mark.index >= oldest] or early
        return replace(early[-1], index=max(early[-1].index, oldest))

    def _inception(self, event: Event, piece: Piece) -> int:
        return self._index(event.t_us if event.onset_us is None else event.onset_us, piece)

    def _index(self, t_us: int, piece: Piece) -> int:
        """The first sample at an instant or later, by the axis of this piece."""
        return -((piece.start_us - t_us) * self._rate[0] // self._rate[1])

    def _is_over(self, open_: _Open, end: int) -> bool:
        if end - open_.mark.index >= LONGEST_CYCLES * self._cycle:
            return True
        return end >= open_.until + _MEET_CYCLES * self._cycle

    def _closed(self, open_: _Open, *, cut: bool = False) -> Story:
        self._open = None
        longest = open_.mark.index + LONGEST_CYCLES * self._cycle
        end = min(open_.until, longest)
        pieces = [p.between(p.first, end) for p in open_.pieces if p.first < end]
        story = Story(
            self._detector,
            open_.mark,
            tuple(pieces),
            tuple(open_.events),
            cut or open_.until > longest,
        )
        last_us = story.sample_us(pieces[-1].end - 1)
        kept = tuple(each for each in open_.events if each.event.t_us <= last_us)
        return Story(story.detector, story.mark, story.pieces, kept, story.cut)

    def _forget(self, end: int) -> None:
        """What no story can begin with any more."""
        keep = end - (LONGEST_PAST_CYCLES + 4) * self._cycle
        while self._pieces[0].end <= keep:
            self._pieces.popleft()
        if self._events:
            oldest = self._pieces[0]
            since_us = oldest.start_us + oldest.first * self._rate[1] // self._rate[0]
            while self._events and self._events[0].event.t_us < since_us:
                self._events.popleft()
