"""A machine whose true time is known: an oscillator that strays, a clock that is set, or not.

Its kernel behaves as adjtimex(2) and kernel/time/ntp.c say: `maxerror` grows by 500 ppm, beyond
16 s nobody disciplines the clock, setting the clock ends the discipline, and an inserted leap
second repeats 23:59:59. Everything it claims is honest; nobody's real clock is touched.
"""

from __future__ import annotations

from agent.kernel_time import IN_LEAP, INSERTING, LEAP_DONE, OK, Kernel, Reading

S = 1_000_000
DAY = 86_400 * S
BEGIN_US = 1_795_478_400 * S  # true UTC at boot, 2026-11-24T00:00:00Z
PHASE_LIMIT_US = 16 * S


class Machine:
    """drift_ppm: of its oscillator; utc_us: what its clock shows at boot, unsynchronised."""

    def __init__(self, drift_ppm: int = 0, utc_us: int = BEGIN_US) -> None:
        self._drift_ppm = drift_ppm
        self._true_us = BEGIN_US  # POSIX time, were there no leap seconds
        self._leap_us: int | None = None  # true instant at which the inserted second begins
        self.mono_us = 0
        self._offset_us = utc_us
        self._synced_us: int | None = None
        self._maxerror_us = 0
        self._state = OK

    def run(self, us: int) -> None:
        self._true_us += us
        self.mono_us += us + us * self._drift_ppm // 1_000_000

    def truths(self) -> list[int]:
        """UTC as POSIX counts it; an instant of the inserted second has two readings."""
        if self._leap_us is None or self._true_us < self._leap_us:
            return [self._true_us]
        repeated = self._true_us - S
        return [self._true_us, repeated] if self._true_us < self._leap_us + S else [repeated]

    def set(self, off_us: int) -> None:
        """Somebody sets the clock to `off_us` beside the truth, and disciplines nothing."""
        self._offset_us = self.truths()[-1] + off_us - self.mono_us
        self._synced_us = None

    def synchronise(self, off_us: int, error_us: int) -> None:
        """A daemon sets the clock and says how sure it is."""
        self.set(off_us)
        self._synced_us, self._maxerror_us = self.mono_us, error_us

    def lose(self) -> None:
        """The daemon says itself that it has lost its sources."""
        self._synced_us = None

    def insert_second(self, off_us: int, error_us: int) -> list[int]:
        """Run to just before the end of the day, disciplined; then (how long to run) again and
        again: into the inserted second, behind it. `leap` after each.
        """
        self.run(DAY - self._true_us % DAY - S)
        self.synchronise(off_us, error_us)
        self._state = INSERTING
        self._leap_us = self._true_us + S
        return [S // 5] * 16

    def leap(self) -> None:
        """What the kernel does at each tick around the end of the day."""
        shown = self.mono_us + self._offset_us
        assert self._leap_us is not None
        if self._state == INSERTING and shown >= self._leap_us:
            self._offset_us -= S
            self._state = IN_LEAP
        elif self._state == IN_LEAP and shown >= self._leap_us:
            self._state = LEAP_DONE

    def reading(self) -> Reading:
        kernel = Kernel(self._state, False, PHASE_LIMIT_US)
        if self._synced_us is not None:
            error_us = self._maxerror_us + (self.mono_us - self._synced_us) * 500 // 1_000_000
            if error_us <= PHASE_LIMIT_US:
                kernel = Kernel(self._state, True, error_us)
        return Reading(self.mono_us, self.mono_us + self._offset_us, kernel)
