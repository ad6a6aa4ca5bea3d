"""The heart of guard and of link, heard by the supervisor; and their end when it is gone."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable

BEAT = struct.Struct("<q")
PERIOD_S = 0.05  # so that blind time is known to a twentieth of a second


async def beat(pipe: int, done_us: Callable[[], int]) -> None:
    """Write the instant `done_us()` [us, monotonic] into the pipe, twenty times a second.

    Returns when the supervisor has vanished: a process that nobody watches must end, or two
    guards would one day fight for one log.
    """
    os.set_blocking(pipe, False)
    while True:
        try:
            os.write(pipe, BEAT.pack(done_us()))
        except BlockingIOError:
            pass  # the supervisor is slow; the next beat says more than this one
        except BrokenPipeError:
            return
        await asyncio.sleep(PERIOD_S)
