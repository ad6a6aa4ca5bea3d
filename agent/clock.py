"""What time it is, and how sure we are.

Durations and order come from the monotonic clock, which nobody can set. UTC is derived from it
and always carries its source and an estimated error. A record is never stamped anew: when the
relation of the two clocks changes, a `Timemap` says so, and whoever reads the records corrects
them (store/timemap.py, docs/decisions/0017-clock-and-timemap.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from agent import kernel_time
from agent.kernel_time import DELETING, IN_LEAP, INSERTING, LEAP_DONE, Reading

UNKNOWN, HOLDOVER, NTP, GNSS = 0, 1, 2, 3
SOURCE_NAMES = ("unknown", "holdover", "ntp", "gnss")

# Why a mapping is told: the process began; a clock that was never set was set; it was set to
# another time; a leap second; another source; another power of ten of the error; small corrections.
START, SET, STEP, LEAP = "start", "set", "step", "leap"
SOURCE, ERROR, ADJUSTED = "source", "error", "adjusted"

SECOND_US, DAY_US = 1_000_000, 86_400_000_000
# Before this instant the project did not exist, so a clock that shows it has never been set.
FIRST_PLAUSIBLE_US = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z
# A clock that somebody set by hand, or a battery kept: what a careful engineer would assume.
UNDISCIPLINED_ERROR_US = 60_000_000
# A clock that nobody corrects strays; the kernel's own bound (MAXFREQ, linux/timex.h).
DRIFT_PPM = 500
# Daemons correct at least every 2048 s (NTP's longest poll). Twice that without, at the kernel's
# 500 ppm, and nobody disciplines the clock any more, whatever the kernel believes for 9 h.
SILENT_ERROR_US = 2_048_000
# More than a daemon slews away (128 ms by default): the clock was set.
STEP_US = 500_000
# A smaller shift is told at leisure; below this it is worth no record.
ADJUSTED_US = 10_000
# Two looks at the clocks differ by less (kernel_time.py).
LOOKS_DIFFER_US = 500
# A leap second is one second to the accuracy of our looks.
LEAP_TOLERANCE_US = 5_000
# Sources, errors and small corrections are told at most so often: a sawtooth is no news.
QUIET_US = 600_000_000
# Mappings that wait to be written; guard fetches them every second.
CHANGES = 64


@dataclass(frozen=True, slots=True)
class Stamp:
    """An instant on both axes. [us]  `error_us` bounds UTC; None = nothing can be said."""

    boot: int
    mono_us: int
    utc_us: int
    source: int
    error_us: int | None


@dataclass(frozen=True, slots=True)
class Timemap:
    """From `at` on UTC is the monotonic clock plus `after_us`; until then it was `before_us`.

    before_us: None at the start of the process, which has not seen an earlier mapping.
    cause: START to ADJUSTED.
    """

    at: Stamp
    before_us: int | None
    after_us: int
    cause: str


class Timekeeper:
    """Judges readings of the machine's clocks; touches none itself.

    Feed it at least once a second, and before each stamp.
    """

    def __init__(self, boot: int) -> None:
        self._boot = boot
        self._reading: Reading | None = None
        self._offset_us = 0
        self._source = UNKNOWN
        self._error_us: int | None = None
        # The last error that somebody stood for, and when: at first what a battery's clock has.
        self._bound = (0, UNDISCIPLINED_ERROR_US)
        self._leap = (-1, 0)  # the monotonic instant of the last one, and the offset before it
        self._told: Timemap | None = None
        self._quiet_until_us = 0

    def feed(self, reading: Reading) -> Timemap | None:
        """Take what the clocks say; the new mapping, when consumers must hear of it."""
        before_us = None if self._reading is None else self._offset_us
        after_us = reading.utc_us - reading.mono_us
        cause = self._jump(before_us, after_us, reading)
        self._reading, self._offset_us = reading, after_us
        if cause in (SET, STEP):
            self._bound = (reading.mono_us, UNDISCIPLINED_ERROR_US)
        elif before_us is not None and cause == "":
            self._bound = (self._bound[0], self._bound[1] + _moved(after_us - before_us))
        if cause == LEAP and before_us is not None:
            self._leap = (_leap_instant(before_us, after_us, reading.mono_us), before_us)
        self._source, self._error_us = self._judge(reading)
        return self._news(cause, before_us, reading.mono_us)

    def stamp(self, mono_us: int) -> Stamp:
        """UTC of an instant not after the last reading, by the mapping of now.

        Only a leap second is known to be no correction of what was before it.
        """
        leap_us, before_leap_us = self._leap
        offset_us = before_leap_us if mono_us < leap_us else self._offset_us
        error_us = self._error_us
        if error_us is not None and self._state() == IN_LEAP:
            error_us += SECOND_US  # 23:59:59 is there twice
        return Stamp(self._boot, mono_us, max(0, mono_us + offset_us), self._source, error_us)

    def _state(self) -> int:
        kernel = None if self._reading is None else self._reading.kernel
        return kernel_time.OK if kernel is None else kernel.state

    def _jump(self, before_us: int | None, after_us: int, reading: Reading) -> str:
        """START, SET, STEP or LEAP; "" when the clocks went on together."""
        if before_us is None:
            return START
        shift_us = after_us - before_us
        if abs(shift_us) < STEP_US:
            return ""
        if abs(abs(shift_us) - SECOND_US) < LEAP_TOLERANCE_US and self._leapt(shift_us, reading):
            return LEAP
        return SET if self._source == UNKNOWN else STEP

    def _leapt(self, shift_us: int, reading: Reading) -> bool:
        """Whether the kernel meant a leap second, and its instant lies between the two looks."""
        before = self._reading
        now = kernel_time.OK if reading.kernel is None else reading.kernel.state
        armed = INSERTING if shift_us < 0 else DELETING
        if before is None or (self._state() != armed and now not in (IN_LEAP, LEAP_DONE)):
            return False
        leap_us = _leap_instant(self._offset_us, self._offset_us + shift_us, reading.mono_us)
        return before.mono_us - LEAP_TOLERANCE_US <= leap_us <= reading.mono_us

    def _judge(self, reading: Reading) -> tuple[int, int | None]:
        """Source and error of the system clock; a reading with a bound becomes the last one."""
        kernel = reading.kernel
        if reading.utc_us < FIRST_PLAUSIBLE_US:
            return UNKNOWN, None
        if kernel is not None and kernel.synchronised:
            self._bound = (reading.mono_us, kernel.maxerror_us)
            return (NTP if kernel.maxerror_us < SILENT_ERROR_US else HOLDOVER), kernel.maxerror_us
        since_us, error_us = self._bound
        return HOLDOVER, error_us + drift_us(reading.mono_us - since_us)

    def _news(self, cause: str, before_us: int | None, mono_us: int) -> Timemap | None:
        """The mapping from now on, unless it says nothing new or speaks too often."""
        if not cause:
            told, cause = self._told, self._small_change()
            if told is None or not cause or mono_us < self._quiet_until_us:
                return None
            self._quiet_until_us = mono_us + QUIET_US
            before_us = told.after_us
        at_us = self._leap[0] if cause == LEAP else mono_us
        utc_us = max(0, at_us + self._offset_us)
        at = Stamp(self._boot, at_us, utc_us, self._source, self._error_us)
        self._told = Timemap(at, before_us, self._offset_us, cause)
        return self._told

    def _small_change(self) -> str:
        told = self._told
        if told is None:
            return ""
        if told.at.source != self._source:
            return SOURCE
        if _power_of_ten(told.at.error_us) != _power_of_ten(self._error_us):
            return ERROR
        return ADJUSTED if abs(told.after_us - self._offset_us) > ADJUSTED_US else ""


class Clock:
    """Monotonic instants of this boot, turned into UTC with source and estimated error."""

    def __init__(self, boot: int, read: Callable[[], Reading] = kernel_time.read) -> None:
        self.boot = boot
        self._read = read
        self._keeper = Timekeeper(boot)
        self._changes: deque[Timemap] = deque(maxlen=CHANGES)

    def now_us(self) -> int:
        """The monotonic clock. [us]  It runs on through a restart of the process."""
        return kernel_time.now_us()

    def stamp(self, mono_us: int) -> Stamp:
        """UTC of the monotonic instant `mono_us` as the system clock sees it now."""
        self._look()
        return self._keeper.stamp(mono_us)

    def changes(self) -> list[Timemap]:
        """The mappings to be told that came up since the last call; looks at the clocks itself."""
        self._look()
        changes = list(self._changes)
        self._changes.clear()
        return changes

    def _look(self) -> None:
        change = self._keeper.feed(self._read())
        if change is not None:
            self._changes.append(change)


def drift_us(age_us: int) -> int:
    """How far a clock that nobody corrects can have strayed in so long. [us]"""
    return abs(age_us) * DRIFT_PPM // 1_000_000 + 1


def _leap_instant(before_us: int, after_us: int, mono_us: int) -> int:
    """The monotonic instant of the leap: an inserted second begins at the day's end as the clock
    would have shown it, a deleted one leads to the day that the clock shows now.
    """
    offset_us = max(before_us, after_us)
    return (mono_us + offset_us) // DAY_US * DAY_US - offset_us


def _moved(shift_us: int) -> int:
    """By how much somebody moved the clock, unless it is only our looks that differ. [us]"""
    return abs(shift_us) if abs(shift_us) > LOOKS_DIFFER_US else 0


def _power_of_ten(error_us: int | None) -> int:
    """How many digits the error has; 0 when it is not known."""
    return 0 if error_us is None else len(str(error_us))
