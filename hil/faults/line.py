"""What a line may do for a while, by name: each act of a proxy's ends by itself, but for what only
`healed` mends. What is drawn is drawn from the `chance` that is given.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from hil.faults.proxy import Proxy

Act = Callable[[Proxy, random.Random], Awaitable[None]]


async def _cut(line: Proxy, _: random.Random) -> None:
    line.cut()


async def _silent(line: Proxy, chance: random.Random) -> None:
    line.silence()
    await asyncio.sleep(chance.uniform(0.1, 3.0))
    line.speak()


async def _hole(line: Proxy, chance: random.Random) -> None:
    line.swallow()
    await asyncio.sleep(chance.uniform(0.1, 3.0))
    await line.heal()


async def _half(line: Proxy, chance: random.Random) -> None:
    line.half_open("device" if chance.random() < 0.5 else "broker")


async def _slow(line: Proxy, chance: random.Random) -> None:
    line.slow(delay_s=chance.uniform(0, 0.5), jitter_s=0.2, bytes_per_s=chance.choice((0, 2000)))
    await asyncio.sleep(chance.uniform(0.5, 3.0))
    line.slow()


async def _refusing(line: Proxy, chance: random.Random) -> None:
    line.refuse()
    line.cut()
    await asyncio.sleep(chance.uniform(0.1, 2.0))
    await line.accept()


ACTS: dict[str, Act] = {
    "cut": _cut,
    "silent": _silent,
    "hole": _hole,
    "half open": _half,
    "slow": _slow,
    "refusing": _refusing,
}


async def healed(line: Proxy) -> None:
    """A good line again, whatever was done to it."""
    await line.heal()
    line.speak()
