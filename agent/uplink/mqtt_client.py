"""paho's client as we want it, made by aiomqtt: what we announce, ask for and leave behind."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.uplink import tls
from agent.uplink.broker import Broker

# A link that comes back within this time was not worth an "offline" to everybody.
WILL_DELAY_S = 20
# What we announce to an MQTT 5 broker: unread messages, and bytes of one of them.
RECEIVE_MAXIMUM = 64
MAXIMUM_PACKET = 262_144

# The libraries' own log lines say less than our errors do, and say it on stderr.
_SILENT = logging.getLogger("agent.uplink.mqtt.library")
_SILENT.disabled = True


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says in our name when we vanish: QoS 1, retained."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Of one connection; mqtt.connect tells them."""

    broker: Broker
    client_id: str
    will: Will | None
    username: str | None
    password: str | None
    ca: Path | None
    keepalive_s: float
    connect_timeout_s: float
    answer_timeout_s: float


def client(options: Options, protocol: str) -> aiomqtt.Client:
    """Not connected yet. protocol: "5" or "311"."""
    version5 = protocol == "5"
    properties = will = None
    if version5:
        properties = _properties(
            PacketTypes.CONNECT,
            ReceiveMaximum=RECEIVE_MAXIMUM,
            MaximumPacketSize=MAXIMUM_PACKET,
            # The will waits only as long as the session lives.
            SessionExpiryInterval=WILL_DELAY_S if options.will else 0,
        )
    if options.will is not None:
        delay = None
        if version5:
            delay = _properties(PacketTypes.WILLMESSAGE, WillDelayInterval=WILL_DELAY_S)
        will = aiomqtt.Will(options.will.topic, options.will.payload, 1, True, delay)
    return aiomqtt.Client(
        options.broker.host,
        options.broker.port,
        identifier=options.client_id,
        protocol=aiomqtt.ProtocolVersion.V5 if version5 else aiomqtt.ProtocolVersion.V311,
        username=options.username,
        password=options.password,
        will=will,
        clean_session=None if version5 else True,
        # Nothing rests on a session: what was missed comes again from the log.
        clean_start=True if version5 else MQTT_CLEAN_START_FIRST_ONLY,
        properties=properties,
        keepalive=wire_keepalive(options.keepalive_s),
        timeout=options.connect_timeout_s,
        tls_context=tls.context(options.ca) if options.broker.tls else None,
        logger=_SILENT,
    )


@lru_cache(maxsize=16)
def expiring(expiry_s: int) -> Properties:
    """Of a publish that the broker forgets after so long; nobody changes them. [s]"""
    properties = _properties(PacketTypes.PUBLISH, MessageExpiryInterval=expiry_s)
    packed = properties.pack()  # type: ignore[no-untyped-call]
    # paho would pack them for each message anew.
    object.__setattr__(properties, "pack", lambda: packed)
    return properties


def _properties(packet: int, **values: int) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def wire_keepalive(keepalive_s: float) -> int:
    """The keep-alive to ask for, so that silence is noticed within 1.5 times `keepalive_s`. [s]

    paho pings after one interval and gives up after a second one; aiomqtt lets it look once a
    second.
    """
    return max(1, int(0.75 * keepalive_s - 1))
