"""What the machine's own clocks say at one instant: the only file that asks the kernel for time.

CLOCK_BOOTTIME runs on through suspension and is never set; the system clock is UTC as somebody set
or disciplines it. On Linux both follow the same frequency corrections, so that their difference
only changes when the system clock is set, steps, or a leap second passes.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

# adjtimex(2): the states of the clock, linux/timex.h.
OK, INSERTING, DELETING, IN_LEAP, LEAP_DONE = 0, 1, 2, 3, 4
_STA_UNSYNC = 0x0040

# Two looks at one clock around the look at the other one are this close, unless we were put aside.
_UNDISTURBED_US = 200
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the kernel knows of its clock.

    state: OK to LEAP_DONE; synchronised: somebody disciplines it; maxerror_us: the bound of its
    error, which the kernel lets grow by 500 ppm since the last correction.
    """

    state: int
    synchronised: bool
    maxerror_us: int


@dataclass(frozen=True, slots=True)
class Reading:
    """All clocks at one instant. [us]  kernel None: it does not tell."""

    mono_us: int
    utc_us: int
    kernel: Kernel | None


def now_us() -> int:
    """The monotonic clock of this boot. [us]"""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def read() -> Reading:
    """All clocks now; tried again when something came between the two looks."""
    kernel = _kernel()
    looks = [_look()]
    while looks[-1][0] > _UNDISTURBED_US and len(looks) < _TRIES:
        looks.append(_look())
    _, mono_us, utc_us = min(looks)
    return Reading(mono_us, utc_us, kernel)


def _look() -> tuple[int, int, int]:
    """(how long it took, monotonic, UTC) [us]"""
    before_us, utc_us, after_us = now_us(), time.time_ns() // 1000, now_us()
    return after_us - before_us, (before_us + after_us) // 2, utc_us


def _kernel() -> Kernel | None:
    adjtimex, timex = _adjtimex()
    timex.modes = 0  # read only
    with contextlib.suppress(OSError):
        state = adjtimex(timex)
        if state >= 0:
            return Kernel(state, not timex.status & _STA_UNSYNC, int(timex.maxerror))
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
