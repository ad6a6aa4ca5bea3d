"""A central server's side of commands: signed, sent, and followed to their end.

    secret = ed25519.read_secret(Path("control-room"))
    order = Order("hebin", "ftu-7", "drill-start", {"drill": "D-1"})
    result = await commanded("mqtt://broker", order, secret)
    print(result.stage, result.detail)

`Order.message` alone is enough for a server with a connection of its own. docs/central-server.md
says who trusts which key.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.clock import Stamp
from agent.errors import RecordError, UplinkError
from agent.store import cbor
from agent.store.ed25519 import Secret
from agent.uplink import command, cose, topics
from agent.uplink.mqtt import Port, connect

if TYPE_CHECKING:
    from agent.uplink.command import Deadline

# A person waits for it; what is to be done later is commanded later.
WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a terminal said of a command. clock: what its own clocks showed then."""

    site: str
    node: str
    stage: str
    operation: str
    nonce: bytes | None
    detail: str | None
    clock: Stamp

    @property
    def last(self) -> bool:
        """Whether nothing more comes."""
        return self.stage in command.LAST


@dataclass(frozen=True, slots=True)
class Order:
    """What one terminal is to do. A second one, even of the same words, is another command."""

    site: str
    node: str
    operation: str
    arguments: Mapping[str, int | str] = field(default_factory=dict)
    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(command.NONCE))

    @property
    def topic(self) -> str:
        """Where it is sent. Raises: ValueError for names that cannot stand in a topic."""
        return topics.topic(topics.CMD, self.site, self.node, self.operation)

    def message(self, secret: Secret, until: Deadline) -> bytes:
        """The payload. until: UTC [us], or (boot, monotonic instant [us]) of the terminal."""
        told = command.command(self.nonce, until, dict(self.arguments))
        return cose.sign(cbor.dumps(told), self.topic, secret)


def opened(topic: str, payload: bytes) -> Result:
    """The result in a message on a terminal's `res`. Raises: RecordError or ValueError."""
    name, site, node, _ = topics.parse(topic)
    if name != topics.RES or node is None:
        raise RecordError("result", f"on topic {topic}", "a terminal's res")
    stage, clock, operation, nonce, detail = cbor.parsed(payload, command.open_result)
    return Result(site, node, stage, operation, nonce, detail, Stamp(*clock))


async def commanded(
    url: str,
    order: Order,
    secret: Secret,
    *,
    told: Callable[[Result], None] = lambda _: None,
    within_s: float = WITHIN_S,
    **options: Any,
) -> Result:
    """Send it, and wait for its last result; `told` hears of each. options: of mqtt.connect.

    Raises: UplinkError where the link breaks, or no last one comes within the time, which is its
    deadline too. It may have been obeyed all the same: lane s of the terminal tells.
    """
    until_us = time.time_ns() // 1000 + round(within_s * 1e6)
    message = order.message(secret, until_us)
    client_id = f"ftu-command-{secrets.token_hex(4)}"
    try:
        async with asyncio.timeout(within_s), connect(url, client_id, **options) as port:
            await port.subscribe(topics.topic(topics.RES, order.site, order.node))
            await port.publish(order.topic, message, expiry_s=topics.TOPICS[topics.CMD][4])
            return await _last(port, order, told)
    except TimeoutError as error:
        what = f"no end of {order.operation} within {within_s:g} s"
        raise UplinkError(f"{order.site}/{order.node}", what) from error


async def _last(port: Port, order: Order, told: Callable[[Result], None]) -> Result:
    async for message in port.messages():
        with contextlib.suppress(RecordError, ValueError):  # another language: not for us
            result = opened(message.topic, message.payload)
            if result.nonce == order.nonce:
                told(result)
                if result.last:
                    return result
    raise UplinkError(f"{order.site}/{order.node}", "the link broke")
