"""The heart of guard and of link, heard by the supervisor; and until when guard had decided.

The heart beats on a pipe, once a second. The instant up to which everything is decided stands in a
word of memory that the supervisor keeps for the next guard: it is true to the last decision,
however guard ended, and telling it costs no call of the system.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct

PERIOD_S = 1.0  # a tenth of what the supervisor takes for the end of it
BEAT = b"."
WORD = struct.Struct("<q")


class Decided:
    """The instant up to which everything seen is decided [us, monotonic]; 0: not known.

    shared: a file of one word in memory that the next guard is given too.
    """

    def __init__(self, shared: int) -> None:
        self._memory = mmap.mmap(shared, WORD.size)

    def last_us(self) -> int:
        """What stands there, be it of the guard before."""
        (last_us,) = WORD.unpack_from(self._memory)
        return int(last_us)

    def tell(self, until_us: int) -> None:
        """It is decided so far."""
        WORD.pack_into(self._memory, 0, until_us)


async def beat(pipe: int) -> None:
    """Write into the pipe, once a second.

    Returns when the supervisor has vanished: a process that nobody watches must end, or two
    guards would one day fight for one log.
    """
    os.set_blocking(pipe, False)
    while True:
        try:
            os.write(pipe, BEAT)
        except BlockingIOError:
            pass  # the supervisor is slow; it has enough of them to read
        except BrokenPipeError:
            return
        await asyncio.sleep(PERIOD_S)
