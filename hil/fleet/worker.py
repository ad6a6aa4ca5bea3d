"""A process full of emulated nodes, told by lines what to do.

    python -m hil.fleet.worker '{"host": ..., "port": ..., "nodes": [FIRST, END, STEP], ...}'

Each line of standard input is an order, a JSON object with `do`; each is answered by one line of
JSON on standard output. The end of standard input ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.store import cbor
from agent.uplink.backoff import Backoff
from hil.errors import BenchError
from hil.fleet import node as emulated
from hil.fleet.node import Node

TICK_S = 1.0  # the publisher looks at its session at least so often
CONNECT_TIMEOUT_S = 10.0  # as the device's


class Line(asyncio.Protocol):
    """One node's TCP connection; whatever goes wrong on it ends in `lost`."""

    def __init__(self, node: Node, lost: Callable[[Node], None]) -> None:
        self._node = node
        self._lost = lost
        self.trouble = ""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TCP connection stands."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what TCP gives
        self.transport = transport
        transport.write(self._node.dial(now_us()))

    def data_received(self, data: bytes) -> None:
        """The broker has said something."""
        self.write(lambda: self._node.received(data, now_us()))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """It has ended, by whomever."""
        self.transport = None
        self._lost(self._node)

    def write(self, make: Callable[[], bytes]) -> None:
        """What the node has to say; when it gives up, the link is dropped."""
        if self.transport is None or self.transport.is_closing():
            return
        try:
            self.transport.write(make())
        except (BenchError, ValueError) as error:
            self.trouble = str(error)
            self.transport.abort()

    def cut(self) -> None:
        """As a radio link ends: without a word."""
        if self.transport is not None:
            self.transport.abort()


class Worker:
    """The nodes of one process, their sockets and their schedules."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._host, self._port = told["host"], told["port"]
        self._chance = random.Random(told["seed"])  # noqa: S311  a scene, not a secret
        first_us = round(told["backoff_first_s"] * 1e6)
        below = self._chance.randrange
        self._nodes = [
            Node(
                told["site"],
                f"n{n:05d}",
                told["consumer"],
                Backoff(below, first_us=first_us),
                below,
            )
            for n in range(*told["nodes"])
        ]
        self._lines: dict[str, Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._background: list[asyncio.Task[None]] = []
        self._wanted = False
        self.failures = 0

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out an order; it is answered when it has been begun."""
        orders: dict[str, Callable[..., None]] = {
            "status": lambda: None,
            "connect": self._connect,
            "leave": self._leave,
            "cut": self._cut,
            "steady": self._steady,
            "quiet": self._quiet,
            "burst": self._burst,
            "log": self._write_log,
        }
        orders[order.pop("do")](**order)
        return self._status()

    async def tick(self) -> None:
        """Keep-alives, and what became due by itself."""
        while True:
            await asyncio.sleep(TICK_S)
            for node in self._nodes:
                if (line := self._lines.get(node.name)) is not None:
                    line.write(lambda node=node: node.tick(now_us()))  # type: ignore[misc]

    def _status(self) -> dict[str, Any]:
        up = [node.up_us for node in self._nodes if node.is_up]
        return {
            "up": len(up),
            "last_up_us": max(up, default=0),
            "backlog": sum(node.backlog for node in self._nodes),
            "records": sum(len(log) for node in self._nodes for log in node.log.values()),
            "messages": sum(node.messages for node in self._nodes),
            "bytes_up": sum(node.bytes_up for node in self._nodes),
            "connections": sum(node.connections for node in self._nodes),
            "resends": sum(node.session.resends for node in self._nodes),
            "failures": self.failures,
            "troubles": sorted(
                {line.trouble for line in self._lines.values() if line.trouble}.union(
                    *(node.troubles for node in self._nodes)
                )
            ),
        }

    # The link.

    def _connect(self, spread_s: float) -> None:
        self._wanted = True
        for node in self._nodes:
            self._later(self._dial(node), self._chance.random() * spread_s)

    async def _dial(self, node: Node) -> None:
        loop = asyncio.get_running_loop()
        line = self._lines[node.name] = Line(node, self._lost)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda: line, self._host, self._port)
        except (OSError, TimeoutError):
            self._lost(node)

    def _lost(self, node: Node) -> None:
        if self._wanted:
            self.failures += 1
            self._later(self._dial(node), node.lost(now_us()) / 1e6)

    def _cut(self, share: float) -> None:
        for node in self._drawn(share):
            self._lines[node.name].cut()

    def _leave(self) -> None:
        self._wanted = False
        for node in self._nodes:
            line = self._lines.get(node.name)
            if line is not None and line.transport is not None:
                line.transport.write(node.goodbye(now_us()))
                line.transport.close()

    # What the nodes tell.

    def _steady(self, history_s: float, event_s: float) -> None:
        """From now on a history and an event of each node so often, each at its own moment."""
        for lane, make, period_s in (
            ("h", emulated.quarter, history_s),
            ("a", emulated.fault, event_s),
        ):
            for node in self._nodes:
                repeating = self._repeat(node, lane, make, period_s)
                self._background.append(asyncio.create_task(repeating, name="steady"))

    def _quiet(self) -> None:
        for task in self._background:
            task.cancel()
        self._background = []

    async def _repeat(
        self, node: Node, lane: str, make: Callable[..., Any], every_s: float
    ) -> None:
        await asyncio.sleep(self._chance.random() * every_s)
        while True:
            self._tell(node, lane, make)
            await asyncio.sleep(every_s)

    def _burst(self, share: float, within_s: float, events: int) -> None:
        for node in self._drawn(share):
            for _ in range(events):
                at_s = self._chance.random() * within_s
                asyncio.get_running_loop().call_later(at_s, self._tell, node, "a", emulated.fault)

    def _tell(self, node: Node, lane: str, make: Callable[..., Any]) -> None:
        at_us = now_us()
        logged = make(at_us, time.time_ns() // 1000, self._chance.randrange(1 << 20))
        out = node.append(lane, logged, at_us)
        if (line := self._lines.get(node.name)) is not None:
            line.write(lambda: out)

    def _drawn(self, share: float) -> list[Node]:
        return self._chance.sample(self._nodes, round(share * len(self._nodes)))

    def _later(self, work: Any, delay_s: float) -> None:
        async def waiting() -> None:
            await asyncio.sleep(delay_s)
            await work

        task = asyncio.create_task(waiting())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _write_log(self, path: str) -> None:
        """Every record's key, check sum and instant, to be held against what arrived."""
        with Path(path).open("w") as file:
            for node in self._nodes:
                for lane, log in node.log.items():
                    file.writelines(
                        f"{node.name} {lane} {seq} {zlib.crc32(cbor.dumps(each))} {each[2]}\n"
                        for seq, each in enumerate(log, 1)
                    )


def now_us() -> int:
    """CLOCK_MONOTONIC, one and the same for every process of this machine. [us]"""
    return time.monotonic_ns() // 1000


async def work(told: dict[str, Any]) -> None:
    """Obey until standard input ends."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    worker = Worker(told)
    ticking = asyncio.create_task(worker.tick(), name="tick")
    while line := await orders.readline():
        answer = worker.obey(json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    ticking.cancel()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work(json.loads(sys.argv[1])))
