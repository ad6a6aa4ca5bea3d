"""What has to be so of a device and its log when a unit's troubles are over."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agent.store.device_key import PUBLIC_FILE, read_public
from agent.store.journal import Stored, export
from agent.store.proof import prove
from hil.device.agent import Agent
from hil.ledger import Result

_SHOWN = 5


def staged(scenario: Callable[[Path], Awaitable[Result]]) -> Result:
    """What comes of a scenario in a folder of its own."""

    async def bounded(folder: Path) -> Result:
        return await scenario(folder)

    with tempfile.TemporaryDirectory(prefix="ftu-soak-") as folder:
        return asyncio.run(bounded(Path(folder)))


def evidence(device: Agent) -> list[str]:
    """Nobody has touched its log, so nothing in it may contradict what its own key has signed."""
    key = read_public(device.data_dir / PUBLIC_FILE)
    return [finding.line() for finding in prove(device.log, key).findings]


def stored(device: Agent) -> dict[tuple[str, int], bytes]:
    """The records of its log, by lane and seq."""
    return {
        (lane, item.seq): item.payload
        for lane, item in export(device.log)
        if isinstance(item, Stored)
    }


def unaccounted(device: Agent) -> list[str]:
    """Where a lane's seqs do not follow each other, as records or as declared losses."""
    following: dict[str, int] = {}
    wrong = []
    for lane, item in export(device.log):
        first, last = (item.seq, item.seq) if isinstance(item, Stored) else (item.first, item.last)
        if first != following.get(lane, 1):
            wrong.append(f"lane {lane}: {first} follows {following.get(lane, 1) - 1}")
        following[lane] = last + 1
    return wrong


def tracebacks(device: Agent) -> int:
    """How many it has written, over all its starts."""
    return device.said().count("Traceback")


def shown(wrong: dict[str, Any]) -> dict[str, Any]:
    """A line stays a line: the first few of each."""
    return {name: each[:_SHOWN] if isinstance(each, list) else each for name, each in wrong.items()}
