"""What befalls processes: killed between two instructions, frozen and thawed, at drawn moments."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

_SETTLE_S = 2.0


def state(process: int) -> str:
    """One letter as in proc(5): R running, S sleeping, T stopped ...; "" when it is no more."""
    try:
        told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if told in "ZX" else told


def alive(process: int) -> bool:
    """Whether it still runs; one that nobody has waited for yet does not."""
    return state(process) != ""


def descendants(process: int) -> list[int]:
    """Its children, theirs, and so on, as they are now."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def kill(process: int) -> bool:
    """SIGKILL; False when it was gone already."""
    return _signal(process, signal.SIGKILL)


def freeze(process: int) -> bool:
    """SIGSTOP, and wait until it stands: alive, holding its files and sockets, and silent."""
    if not _signal(process, signal.SIGSTOP):
        return False
    deadline = time.monotonic() + _SETTLE_S
    while state(process) not in ("T", "") and time.monotonic() < deadline:
        time.sleep(0.001)
    return state(process) == "T"


def thaw(process: int) -> bool:
    """SIGCONT: it goes on where it stood."""
    return _signal(process, signal.SIGCONT)


@contextlib.contextmanager
def frozen(*processes: int) -> Iterator[None]:
    """All of them stand still, and go on afterwards."""
    for process in processes:
        freeze(process)
    try:
        yield
    finally:
        for process in reversed(processes):
            thaw(process)


def moments(seed: int, count: int, first_us: int, between_s: tuple[float, float]) -> list[int]:
    """Instants drawn by a seed [us, CLOCK_MONOTONIC], each so long after the one before."""
    chance = random.Random(seed)  # noqa: S311  the same moments again, no secret
    instants = []
    for _ in range(count):
        first_us += round(chance.uniform(*between_s) * 1e6)
        instants.append(first_us)
    return instants


async def at(instant_us: int, act: Callable[[], Awaitable[object] | object]) -> int:
    """Do it at this instant [us, CLOCK_MONOTONIC]; how late it was done. [us]"""
    ahead_us = instant_us - time.monotonic_ns() // 1000
    await asyncio.sleep(max(0.0, ahead_us / 1e6))
    late_us = time.monotonic_ns() // 1000 - instant_us
    done = act()
    if isinstance(done, Awaitable):
        await done
    return late_us


def _signal(process: int, number: int) -> bool:
    if not alive(process):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
        return True
    return False
