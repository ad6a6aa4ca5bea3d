"""A node that says what a test wants, over a real connection, and notes what it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from agent.clock import Stamp
from agent.store import cbor, entries
from agent.uplink import topics, wire
from agent.uplink.mqtt import Port, connect

EPOCH = 77


def entry_of(seq: int, text: str = "r") -> list[Any]:
    at_us = seq % (1 << 40)
    stamp = Stamp(1, at_us, 1_700_000_000_000_000 + at_us, 2, 900)
    return entries.audit_entry(stamp, f"{text}{seq}")


def records(first: int, number: int = 1, *, flags: int = 0, lane: str = "a") -> bytes:
    items = [("record", seq, entry_of(seq, lane)) for seq in range(first, first + number)]
    return cbor.dumps(wire.envelope(EPOCH, lane, items, 8192, flags)[0])


def lost(first: int, last: int, *, flags: int = 0, lane: str = "a") -> bytes:
    items = [("lost", first, last, "evicted")]
    return cbor.dumps(wire.envelope(EPOCH, lane, items, 8192, flags)[0])


def birth(node: str, reaches: dict[str, int], epoch: int = EPOCH) -> bytes:
    told = wire.birth(
        node=node,
        model="pretender",
        versions={"agent": "0"},
        config_hash=b"h",
        lanes={lane: (epoch, 1, next_seq, []) for lane, next_seq in reaches.items()},
        clock=(1, 1, 1_700_000_000_000_000, 2, 900),
        protocol="5",
        ack="consumer",
        consumers=["scada"],
    )
    return cbor.dumps(told)


class Pretender:
    """`acks`: what was acknowledged, oldest first; `asked`: (lane, first, last, deadline)."""

    def __init__(self, port: Port, node: str) -> None:
        self.node = node
        self.acks: list[dict[str, int]] = []
        self.asked: list[tuple[str, int, int, int | None]] = []
        self._port = port

    async def say(self, *payloads: bytes, lane: str = "a") -> None:
        for payload in payloads:
            await self._port.publish(topics.topic(topics.LANES[lane], "site", self.node), payload)

    async def tell(self, name: str, payload: bytes) -> None:
        """A birth or a state."""
        await self._port.publish(topics.topic(name, "site", self.node), payload, retain=True)

    def acked(self, lane: str = "a") -> int:
        return self.acks[-1].get(lane, 0) if self.acks else 0

    async def hear(self) -> None:
        await self._port.subscribe(
            topics.topic(topics.ACK, "site", self.node, topics.ANY),
            topics.topic(topics.REPLAY, "site", self.node),
        )
        async for message in self._port.messages():
            name = topics.parse(message.topic)[0]
            if name == topics.ACK:
                self.acks.append(wire.open_ack(cbor.loads(message.payload))[1])
            else:
                self.asked.append(wire.open_replay(cbor.loads(message.payload))[1:])


@contextlib.asynccontextmanager
async def pretending(
    url: str, node: str = "node", reaches: dict[str, int] | None = None
) -> AsyncIterator[Pretender]:
    """A node that has said its birth."""
    async with connect(url, f"pretender-{node}") as port:
        pretender = Pretender(port, node)
        hearing = asyncio.create_task(pretender.hear())
        try:
            await pretender.tell(topics.BIRTH, birth(node, reaches or {"a": 1}))
            yield pretender
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)


def shuffled(payloads: Sequence[bytes], seed: int) -> list[bytes]:
    import random

    order = list(payloads)
    random.Random(seed).shuffle(order)
    return order
