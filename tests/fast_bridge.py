"""The rig's serial line on a loop whose clock jumps: bytes arrive before time goes on."""

from __future__ import annotations

import fcntl
import sys
import termios
import time

from hil.instruments.serial_bridge import Bridge

ARRIVAL_S, ARRIVAL_STEP_S = 2.0, 0.0001


class FastBridge(Bridge):
    """A bridge for a FastLoop."""

    def _put(self, few: bytes) -> None:
        before = readable(self._slave)
        super()._put(few)
        arrived(self._slave, before + len(few))

    def heard_all(self, count: int) -> None:
        """Until what was just sent to us has arrived, so that time waits for it."""
        arrived(self._master, count)


def readable(end: int) -> int:
    """Bytes that wait at this end of a pty."""
    return int.from_bytes(fcntl.ioctl(end, termios.FIONREAD, bytes(4)), sys.byteorder)


def arrived(end: int, count: int) -> None:
    """The kernel hands bytes over in its own time, which a clock that jumps must not overtake."""
    give_up = time.monotonic() + ARRIVAL_S
    while readable(end) < count and time.monotonic() < give_up:
        time.sleep(ARRIVAL_STEP_S)
