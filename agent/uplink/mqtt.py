"""MQTT behind a narrow port: the one door to aiomqtt and paho, which only the mqtt_*.py
behind it know.

One connection is one `async with connect(...)`; it never reconnects by itself. What the libraries
leave open is closed here: refused publishes that look delivered, waits that outlive the link, a
silent peer, queues that drop, connection attempts that go on after they were cancelled, packets
beyond every bound, sockets that are watched after they were closed. Which topics and payloads
travel, and when to come back, is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from agent.errors import UplinkError
from agent.uplink import reasons
from agent.uplink.broker import parse_broker
from agent.uplink.mqtt_client import Options, Will
from agent.uplink.mqtt_port import (
    NO_SUBSCRIBERS,
    ClosedAtConnect,
    Ended,
    Message,
    Port,
    Refused,
    SilentAtConnect,
)

__all__ = ["NO_SUBSCRIBERS", "Ended", "Message", "Port", "Refused", "Will", "connect"]

# contract.md section 4 asks for at most 30 s; a silent link is noticed within 1.5 times this.
KEEPALIVE_S = 30.0
CONNECT_TIMEOUT_S = 10.0
# A broker that answers pings but no publish for a minute is not one to wait for.
ANSWER_TIMEOUT_S = 60.0
# How brokers without MQTT 5 take its CONNECT: they say so; they hang up, but one hang-up may also
# be a restart; or they say nothing, because they read its properties as a longer client id (amqtt
# 0.12 does) and wait for the rest. So silence for this share of the time is an answer too.
BARE_CLOSES = 2
SILENT_SHARE = 0.5


@contextlib.asynccontextmanager
async def connect(
    url: str,
    client_id: str,
    *,
    protocol: str = "auto",
    will: Will | None = None,
    username: str | None = None,
    password: str | None = None,
    ca: Path | None = None,
    keepalive_s: float = KEEPALIVE_S,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
) -> AsyncIterator[Port]:
    """One connection to a broker, MQTT 5 unless it knows only 3.1.1.

    Left without an error, or cancelled, it says goodbye and the will is not published; left by an
    error it just drops the link, so that the will tells the others.

    Args:
        url: See `parse_broker`; `username` and `password` win over those in it.
        client_id: Unique among the broker's clients; a second one throws out the first.
        protocol: "5", "311", or "auto": 5, and 3.1.1 where the broker does not know 5.
        will: Said by the broker when the link breaks; on MQTT 5 after 20 s.
        ca: Certificates to trust instead of the system's, for mqtts.
        keepalive_s: A link that has gone silent is noticed within 1.5 times this. [s]
        connect_timeout_s: From name resolution to the broker's answer. [s]
        answer_timeout_s: The longest wait for the broker's answer to anything else. [s]
    Raises:
        UplinkError: no connection, or (`Refused`) the broker does not want us.
    """
    broker = parse_broker(url)
    options = Options(
        broker=broker,
        client_id=client_id,
        will=will,
        username=broker.username if username is None else username,
        password=broker.password if password is None else password,
        ca=ca,
        keepalive_s=keepalive_s,
        connect_timeout_s=connect_timeout_s,
        answer_timeout_s=answer_timeout_s,
    )
    port = await _negotiate(options, protocol)
    polite = False
    try:
        yield port
        polite = True
    except (asyncio.CancelledError, GeneratorExit):
        polite = True
        raise
    finally:
        await port._leave(polite=polite)  # noqa: SLF001


async def _negotiate(options: Options, protocol: str) -> Port:
    if protocol not in ("auto", "5", "311"):
        raise UplinkError("protocol", repr(protocol), '"auto", "5" or "311"')
    timeout_s = options.connect_timeout_s
    if protocol != "auto":
        return await _attempt(options, protocol, timeout_s)
    for _ in range(BARE_CLOSES):
        try:
            return await _attempt(options, "5", timeout_s * SILENT_SHARE)
        except Refused as refusal:
            if refusal.code != reasons.UNSUPPORTED_PROTOCOL:
                raise
            break
        except SilentAtConnect:
            break
        except ClosedAtConnect:
            continue
    return await _attempt(options, "311", timeout_s)


async def _attempt(options: Options, protocol: str, timeout_s: float) -> Port:
    port = Port(options, protocol)
    try:
        await port._open(timeout_s)  # noqa: SLF001
    except BaseException:
        port._abandon()  # noqa: SLF001
        raise
    return port
