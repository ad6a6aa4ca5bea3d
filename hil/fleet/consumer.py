"""The consumer's process: the reference consumer, and a note of every record the moment it comes.

    python -m hil.fleet.consumer URL NAME NOTES

A line of NOTES: node, lane, seq, check sum of the record, when it came [us, CLOCK_MONOTONIC]. Until
SIGTERM; its last line is `end`, messages that came again, messages that it refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
import zlib
from pathlib import Path

from agent.store import cbor
from agent.uplink.consumer import Consumer, DeclaredLost, Received, listen


async def note(url: str, name: str, path: Path) -> None:
    """Until cancelled by SIGTERM."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    consumer = Consumer(name, ack=True, tell=_tell)
    with path.open("w") as notes, contextlib.suppress(asyncio.CancelledError):
        async with contextlib.aclosing(listen(url, consumer, tell=_tell)) as batches:
            async for batch in batches:
                came_us = time.monotonic_ns() // 1000
                for each in batch:
                    if isinstance(each, DeclaredLost):
                        notes.write(f"lost {each.node} {each.lane} {each.first} {each.last}\n")
                    if not isinstance(each, Received):
                        continue
                    key, check = each.key, zlib.crc32(cbor.dumps(each.entry))
                    notes.write(f"{key.node} {key.lane} {key.seq} {check} {came_us}\n")
                notes.flush()
    with path.open("a") as notes:
        notes.write(f"end {consumer.repeated} {consumer.refused}\n")


def _tell(line: str) -> None:
    sys.stderr.write(f"consumer: {line}\n")


if __name__ == "__main__":
    asyncio.run(note(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
