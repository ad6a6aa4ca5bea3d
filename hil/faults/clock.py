"""A device's clock that is wrong, was never set, jumps or strays; never the machine's own.

It is put in by the clock's seam: agent/kernel_time.py is the one file of the agent that asks the
kernel for time, and its answer is replaced in the device's processes through the environment
(clock_seam/sitecustomize.py). What the kernel knows of its synchronisation (adjtimex) is replaced
with it, which no preloaded library does. The monotonic clock stays right, as it does on a device.
What it does not reach: time stamps of files, and the certificates' validity that a TLS library
checks by the system's clock.

libfaketime would reach those; but Debian 12's (0.9.10) breaks time.sleep of CPython from 3.11 on
when the monotonic clock is left alone (github.com/wolfcw/libfaketime/issues/426), and the
supervisor sleeps. With a later Debian that way is open again.
"""

from __future__ import annotations

import json
import os
import time
from datetime import datetime
from pathlib import Path

from hil.errors import BenchError

_SEAM = Path(__file__).with_name("clock_seam")
# What ntpd and chrony reach at a site with a modem.
_GOOD_ERROR_US = 20_000


class Clock:
    """The clock of one device. file: where its state is kept for the device's processes.

    Right and synchronised at first; each call holds from the device's next look at it on.
    """

    def __init__(self, file: Path) -> None:
        self._file = file.resolve()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._offset_us = 0
        self._from_us: int | None = None
        self._fast_ppm = 0
        self._since_us = 0
        self._maxerror_us: int | None = _GOOD_ERROR_US
        self._write()

    def environment(self) -> dict[str, str]:
        """For the start of the device whose clock it shall be."""
        path = [str(_SEAM), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"PYTHONPATH": os.pathsep.join(path), "FTU_HIL_CLOCK": str(self._file)}

    def never_set(self, shows: datetime) -> None:
        """A board without a battery: at its boot the clock stood at `shows`, and nobody set it."""
        self._from_us = round(shows.timestamp() * 1e6)
        self._maxerror_us = None
        self._write()

    def jump(self, seconds: float) -> None:
        """From now on it shows so much more than it did."""
        self._offset_us += round(seconds * 1e6)
        self._write()

    def stray(self, fast_ppm: int) -> None:
        """From now on it runs fast by so much; nobody corrects it."""
        now_us = _monotonic_us()
        self._offset_us += (now_us - self._since_us) * self._fast_ppm // 1_000_000
        self._fast_ppm, self._since_us = fast_ppm, now_us
        self._maxerror_us = None
        self._write()

    def set(self, error_s: float = 0.0) -> None:
        """Somebody sets it by hand, off by so much; nobody disciplines it."""
        self._become_right(round(error_s * 1e6), None)

    def synchronise(self, maxerror_us: int = _GOOD_ERROR_US) -> None:
        """A daemon keeps it right from now on, within this bound."""
        self._become_right(0, maxerror_us)

    def lose_synchronisation(self) -> None:
        """The daemon's sources are gone; the clock goes on."""
        self._maxerror_us = None
        self._write()

    def taken_by(self) -> list[int]:
        """The processes that have this clock. Raises: BenchError when it is none: the device does
        not run the agent's code, so what it did says nothing about a wrong clock.
        """
        path = self._file.with_suffix(".taken")
        if not path.exists():
            raise BenchError("clock", "the device has not taken it", "a device with agent's code")
        return [int(line) for line in path.read_text().split()]

    def _become_right(self, offset_us: int, maxerror_us: int | None) -> None:
        self._offset_us, self._from_us, self._fast_ppm = offset_us, None, 0
        self._maxerror_us = maxerror_us
        self._write()

    def _write(self) -> None:
        said = {
            "offset_us": self._offset_us,
            "from_us": self._from_us,
            "fast_ppm": self._fast_ppm,
            "since_us": self._since_us,
            "synchronised": self._maxerror_us is not None,
            "maxerror_us": self._maxerror_us or 16_000_000,  # as the kernel's, who gave up
        }
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(said))
        new.replace(self._file)


def _monotonic_us() -> int:
    # The device's axis: it runs on while the machine sleeps.
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
