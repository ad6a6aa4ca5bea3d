"""What the bays measured, over quarter hours of UTC and days of the site: means and extremes.

Durations come from the monotonic clock, which nobody can set; UTC only says to which quarter hour
or day an observation belongs. A value stands for the time since the one before it, unless that is a
gap: what nobody observed is not made up, and observed_s says how much was. When the clock goes back
a little, the interval that is open stays open, so that no quarter hour is told twice; a restart, or
a clock that was wrong by more than BACK_US, makes parts that do not overlap on the monotonic clock.

Counts in the order of entry.METERED and microseconds go in; columns of entry.COLUMNS come out.

Portable.
"""

from agent.store import entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Counts = list[int | None]
    # record type, mono_us and utc_us of the interval's end, its columns by their names
    Told = tuple[int, int, int, dict[str, Any]]
    Span = tuple[int, int]

QUARTER_US = 900_000_000
# Samples are measured twice a second; a meter on a slow bus is asked every few seconds.
GAP_US = 5_000_000
# Clocks are slewed by 500 ppm, which over a gap is 2.5 ms; the rest is for a machine that was busy.
STEP_US = 500_000
# A clock that is set back by less was slightly wrong: what it said before still holds.
BACK_US = 3_600_000_000

_SECOND_US = 1_000_000


def quarter_of(utc_us: int) -> "Span":
    """The quarter hour in which an instant lies: its first instant, and the next one's."""
    start_us = utc_us // QUARTER_US * QUARTER_US
    return start_us, start_us + QUARTER_US


class History:
    """Every bay's open quarter hour and open day. day_of: as quarter_of, for the site's days."""

    def __init__(self, day_of: "Callable[[int], Span]") -> None:
        self._kinds = ((_Means, quarter_of), (_Extremes, day_of))
        self._bays: dict[str, list[_Interval]] = {}

    def feed(self, bay: str, counts: "Counts", mono_us: int, utc_us: int) -> "list[Told]":
        """Take what a bay measured at an instant; answers the intervals that ended with it."""
        if bay not in self._bays:
            self._bays[bay] = [kind(bay, of, mono_us, utc_us) for kind, of in self._kinds]
            for interval in self._bays[bay]:
                interval.see(counts)
        told: list[Told] = []
        for interval in self._bays[bay]:
            told += interval.feed(counts, mono_us, utc_us)
        return told

    def stop(self) -> "list[Told]":
        """What was observed of the intervals that are open."""
        told: list[Told] = []
        for bay in sorted(self._bays):
            for interval in self._bays[bay]:
                told += interval.close(entry.CUT)
        self._bays.clear()
        return told


class _Interval:
    """One interval of one bay, and then the next."""

    record_type = 0

    def __init__(
        self, bay: str, span_of: "Callable[[int], Span]", mono_us: int, utc_us: int
    ) -> None:
        self.bay = bay
        self._span_of = span_of
        self.mono_us, self.utc_us, self.quality = mono_us, utc_us, 0
        self._open(mono_us, utc_us)

    def feed(self, counts: "Counts", mono_us: int, utc_us: int) -> "list[Told]":
        """Take the counts at an instant; answers the interval that ended before it, if one did."""
        passed_us = mono_us - self.mono_us
        if passed_us <= 0:
            return []  # the source has said nothing new
        since_us = passed_us if passed_us <= GAP_US else 0
        stepped = abs(utc_us - self.utc_us - passed_us) > STEP_US
        if stepped:
            self.quality |= entry.STEPPED
        told: list[Told] = []
        if not self._stays(mono_us, utc_us):
            if since_us and not stepped and utc_us >= self.end_us:
                # Observed across the end: each side gets its share of the time.
                after_us = min(since_us, utc_us - self.end_us)
                self._add(counts, since_us - after_us)
                self.mono_us, self.utc_us = mono_us - after_us, self.end_us
                since_us = after_us
            told = self.close()
            self._open(mono_us, utc_us)
            if stepped:
                self.quality |= entry.STEPPED
        self.mono_us, self.utc_us = mono_us, utc_us
        self._add(counts, since_us)
        self.see(counts)
        return told

    def close(self, quality: int = 0) -> "list[Told]":
        """The interval as far as it was observed; nothing where that rounds to no second."""
        observed_s = (self.observed_us + _SECOND_US // 2) // _SECOND_US
        if not observed_s:
            return []
        values = {"bay": self.bay, "observed_s": observed_s}
        values.update(self._columns())
        quality |= self.quality
        if any(0 < known_us < self.observed_us for known_us in self.known_us):
            quality |= entry.UNEVEN
        if quality:
            values["quality"] = quality
        return [(self.record_type, self.mono_us, self.utc_us, values)]

    def _open(self, mono_us: int, utc_us: int) -> None:
        self.start_us, self.end_us = self._span_of(utc_us)
        self.opened_us = mono_us
        self.mono_us, self.utc_us = mono_us, utc_us
        self.observed_us = 0
        self.known_us = [0] * len(entry.METERED)
        self.quality = 0
        self._clear()

    def _stays(self, mono_us: int, utc_us: int) -> bool:
        length_us = self.end_us - self.start_us
        return (
            self.start_us - BACK_US <= utc_us < self.end_us
            and mono_us - self.opened_us < length_us + BACK_US
        )

    def _add(self, counts: "Counts", for_us: int) -> None:
        """The counts stood for so long."""
        self.observed_us += for_us
        for place, count in enumerate(counts):
            if count is not None:
                self.known_us[place] += for_us

    def _clear(self) -> None:
        pass

    def see(self, counts: "Counts") -> None:
        """The counts stand at the latest instant."""

    def _columns(self) -> "dict[str, Any]":
        return {}


class _Means(_Interval):
    """The quarter hour: means weighted by time, in whole numbers, so that no order matters."""

    record_type = entry.HISTORY

    def _clear(self) -> None:
        self._sums = [0] * len(entry.METERED)

    def _add(self, counts: "Counts", for_us: int) -> None:
        super()._add(counts, for_us)
        for place, count in enumerate(counts):
            if count is not None:
                self._sums[place] += count * for_us

    def _columns(self) -> "dict[str, Any]":
        means = {}
        for name, total, known_us in zip(entry.METERED, self._sums, self.known_us):
            if known_us:
                means[name] = (2 * total + known_us) // (2 * known_us)
        return means


class _Extremes(_Interval):
    """The day: the largest and smallest values, and when each stood first."""

    record_type = entry.EXTREMES

    def _clear(self) -> None:
        none: Counts = [None] * len(entry.METERED)
        self._most, self._most_s = list(none), list(none)
        self._least, self._least_s = list(none), list(none)

    def see(self, counts: "Counts") -> None:
        """The counts stand at the latest instant."""
        after_s = (self.utc_us - self.start_us) // _SECOND_US
        for place, count in enumerate(counts):
            if count is None:
                continue
            most, least = self._most[place], self._least[place]
            if most is None or count > most:
                self._most[place], self._most_s[place] = count, after_s
            if least is None or count < least:
                self._least[place], self._least_s[place] = count, after_s

    def _columns(self) -> "dict[str, Any]":
        return {
            "day_start_utc_s": self.start_us // _SECOND_US,
            "maxima": self._most,
            "maxima_after_s": self._most_s,
            "minima": self._least,
            "minima_after_s": self._least_s,
        }
