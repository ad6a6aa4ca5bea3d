"""What time it is, and how sure we are.

Durations and order come from the monotonic clock, which nobody can set. UTC is derived from it
and always carries its source and an estimated error; a record is never re-stamped later.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from agent.errors import StoreError

UNKNOWN, HOLDOVER, NTP, GNSS = 0, 1, 2, 3
SOURCE_NAMES = ("unknown", "holdover", "ntp", "gnss")

_STA_UNSYNC = 0x0040  # linux/timex.h
# A clock that nobody disciplines: what a careful engineer would assume before he has looked.
UNDISCIPLINED_ERROR_US = 60_000_000
# Before this instant the project did not exist, so a clock that shows it has never been set.
FIRST_PLAUSIBLE_US = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z


@dataclass(frozen=True, slots=True)
class Stamp:
    """An instant on both axes. [us]  `error_us` bounds UTC; None = nothing can be said."""

    boot: int
    mono_us: int
    utc_us: int
    source: int
    error_us: int | None


class Clock:
    """Monotonic instants of this boot, turned into UTC with source and estimated error."""

    def __init__(self, boot: int) -> None:
        self.boot = boot

    def now_us(self) -> int:
        """The monotonic clock. [us]  It runs on through a restart of the process."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    def stamp(self, mono_us: int) -> Stamp:
        """UTC of the monotonic instant `mono_us` as the system clock sees it now."""
        offset_us = time.time_ns() // 1000 - self.now_us()
        utc_us = mono_us + offset_us
        source, error_us = discipline()
        if utc_us < FIRST_PLAUSIBLE_US:
            source, error_us = UNKNOWN, None
        return Stamp(self.boot, mono_us, utc_us, source, error_us)


def discipline() -> tuple[int, int | None]:
    """Who keeps the system clock, and the kernel's bound of its error. [us]

    Source: adjtimex(2): STA_UNSYNC tells that no daemon disciplines the clock, `maxerror` grows
        by 500 ppm since the last correction.
    """
    state = _kernel_discipline()
    if state is None:
        return HOLDOVER, UNDISCIPLINED_ERROR_US
    synchronised, maxerror_us = state
    return (NTP, maxerror_us) if synchronised else (HOLDOVER, UNDISCIPLINED_ERROR_US)


def _kernel_discipline() -> tuple[bool, int] | None:
    """(somebody disciplines the clock, bound of its error in us); None when nobody can tell."""
    adjtimex, timex = _adjtimex()
    timex.modes = 0  # read only
    with contextlib.suppress(OSError):
        if adjtimex(timex) >= 0:
            return not timex.status & _STA_UNSYNC, int(timex.maxerror)
    return None


@cache
def _adjtimex() -> tuple[Any, Any]:
    """The system call and the structure it fills."""
    import ctypes  # 0.5 MB, paid for only by the process that stamps

    class Timex(ctypes.Structure):
        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("esterror", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_byte * 256),
        )

    libc = ctypes.CDLL(None, use_errno=True)
    return (lambda timex: libc.adjtimex(ctypes.byref(timex))), Timex()


def boot_counter(data_dir: Path) -> int:
    """Number of this boot of the machine, counted from the first start in `data_dir`.

    The kernel's boot id tells a new boot from a mere restart of the process, so that monotonic
    instants with equal counters share one axis. Called by the supervisor before the others run.
    """
    path = data_dir / "boot"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    try:
        count_text, known_id = path.read_text().split()
        count = int(count_text)
    except (FileNotFoundError, ValueError):
        count, known_id = 0, ""
    if known_id == boot_id:
        return count
    temporary = path.with_suffix(".new")
    try:
        with temporary.open("w") as file:
            file.write(f"{count + 1} {boot_id}\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(str(path), f"the boot counter cannot be written ({error})") from error
    return count + 1
