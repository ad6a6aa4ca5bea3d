"""What an emulated node hears over a real mosquitto: the brake and requests, as a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agent.store import cbor
from agent.uplink import topics, wire
from agent.uplink.backoff import Backoff
from agent.uplink.mqtt import Message, Port, connect
from hil.faults.broker import Mosquitto
from hil.fleet import node as emulated
from hil.fleet.node import Node
from hil.fleet.worker import Line, now_us
from tests.agent.uplink.broker import eventually, mosquitto, run

SITE = "fleet"


class Bench:
    """A node on a broker, and a server that hears it."""

    def __init__(self, port: Port, line: Line, node: Node) -> None:
        self.node = node
        self.heard: list[tuple[str, int, int]] = []  # lane, seq, flags
        self._port = port
        self._line = line

    async def hear(self) -> None:
        async for message in self._port.messages():
            self._take(message)

    def _take(self, message: Message) -> None:
        item: Any = cbor.loads(message.payload)
        _, lane, items = wire.open_envelope(item)
        self.heard += [(lane, each[1], wire.flags_of(item)) for each in items]

    async def say(self, name: str, item: Any, *, retain: bool = False) -> None:
        node = None if name in topics.SHARED else self.node.name
        place = topics.topic(name, SITE, node)
        await self._port.publish(place, cbor.dumps(item), retain=retain)

    def tell(self, lane: str, number: int = 1) -> None:
        make = emulated.fault if lane == "a" else emulated.quarter
        for n in range(number):
            logged = make(now_us(), time.time_ns() // 1000, n)
            self._line.write(lambda logged=logged: self.node.append(lane, logged, now_us()))  # type: ignore[misc]

    def seqs(self, lane: str, flags: int = 0) -> list[int]:
        return [seq for of, seq, flag in self.heard if (of, flag) == (lane, flags)]


async def ticking(line: Line, node: Node) -> None:
    """As the worker does."""
    while True:
        await asyncio.sleep(0.2)
        line.write(lambda: node.tick(now_us()))


@contextlib.asynccontextmanager
async def standing(broker: Mosquitto, brake: Any = None) -> AsyncIterator[Bench]:
    node = Node(SITE, "n1", "scada", Backoff(lambda n: n - 1), lambda _: 0)
    line = Line(node, lambda _: None)
    loop = asyncio.get_running_loop()
    async with connect(broker.url, "server") as port:
        bench = Bench(port, line, node)
        for lane in "ah":
            await port.subscribe(topics.topic(topics.LANES[lane], SITE, "n1"))
        if brake is not None:
            await bench.say(topics.DRAIN, brake, retain=True)
        tasks = [asyncio.create_task(bench.hear()), asyncio.create_task(ticking(line, node))]
        await loop.create_connection(lambda: line, "127.0.0.1", broker.port)
        try:
            await eventually(lambda: node.is_up)
            yield bench
        finally:
            line.cut()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def test_history_waits_for_the_brake_and_alarms_do_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with standing(broker, wire.drain(0)) as bench:
            bench.tell("h", 5)
            bench.tell("a")
            await eventually(lambda: bench.seqs("a") == [1])
            assert bench.seqs("h") == []

            await bench.say(topics.DRAIN, wire.drain(), retain=True)
            await eventually(lambda: bench.seqs("h") == [1, 2, 3, 4, 5])
        assert bench.node.troubles == set()

    with mosquitto(tmp_path) as broker:
        run(scenario())


def test_what_is_asked_for_comes_again_and_what_is_not_there_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with standing(broker) as bench:
            bench.tell("h", 5)
            await eventually(lambda: bench.seqs("h") == [1, 2, 3, 4, 5])
            epoch, late_us = bench.node.epoch, time.time_ns() // 1000 - 1_000_000
            await bench.say(topics.REPLAY, wire.replay(epoch, "h", 1, 1, late_us))
            await bench.say(topics.REPLAY, wire.replay(epoch + 1, "h", 2, 2))
            await bench.say(topics.REPLAY, wire.replay(epoch, "h", 3, 4))
            await eventually(lambda: bench.seqs("h", wire.REPLAY) == [3, 4])
        assert {line.rpartition(", ")[2] for line in bench.node.troubles} == {
            "its time is over",
            "it is of another log",
        }

    with mosquitto(tmp_path) as broker:
        run(scenario())
