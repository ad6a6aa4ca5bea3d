"""What a broker and other clients say: topics, payloads, and the packets of MQTT themselves."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import cbor2

from agent import listen
from agent.clock import Clock, Stamp
from agent.errors import UplinkError
from agent.site import Uplink
from agent.store import cbor, entries, entry
from agent.uplink import mqtt, topics, wire
from agent.uplink.broker import Broker
from agent.uplink.consumer import Consumer
from agent.uplink.publisher import Identity, Publisher
from hil.fuzz.oracle import Defect, same, shown
from hil.fuzz.stored import folder

_SITE, _NODE, _EPOCH = "site", "node", 7
_STAMP = Stamp(1, 5_000_000, 1_700_000_000_000_000, 2, 900)

# --- CBOR ---


def any_cbor(data: bytes) -> None:
    """Our strict decoder takes nothing that the library's own does not take as the same."""
    item = cbor.loads(data)
    same(cbor2.loads(data), item, "the library's own decoder")
    # What was in a longer form may be too long for nobody: the deterministic form is the shortest.
    same(cbor.loads(cbor.dumps(item)), item, "written and read again")


def cbor_examples() -> Iterator[bytes]:
    """Items of every kind."""
    for item in (None, 0, -1, 1 << 63, "text", b"bytes", [1, [2, []]], {1: {"a": None}, 2: [b""]}):
        yield cbor.dumps(item)


# --- payloads, by the names of their rules ---


def _envelope(item: Any) -> None:
    epoch, lane, items = wire.open_envelope(item)
    flags = wire.flags_of(item) & wire.REPLAY
    while items:
        again, taken = wire.envelope(epoch, lane, items, cbor.MAX_BYTES, flags)
        opened = wire.open_envelope(cbor.loads(cbor.dumps(again)))
        twice, _ = wire.envelope(epoch, lane, opened[2], cbor.MAX_BYTES, flags)
        if taken == len(opened[2]):
            same(wire.open_envelope(twice), opened, "opened, closed, opened")
        items = items[taken:]


_OPENED: dict[str, Callable[[Any], Any]] = {
    "envelope": _envelope,
    "birth": wire.open_birth,
    "state": wire.open_state,
    "ack": wire.open_ack,
    "replay": wire.open_replay,
    "ask": wire.open_ask,
    "drain": wire.open_drain,
    "live": wire.open_live,
}


def payload(data: bytes) -> None:
    """The first byte chooses the rule, the rest is the payload."""
    if not data:
        return
    opens = list(_OPENED.values())[data[0] % len(_OPENED)]
    cbor.parsed(data[1:], opens)


def payload_examples() -> Iterator[bytes]:
    """One of each, and envelopes of several kinds."""
    names = list(_OPENED)
    for envelope in envelopes():
        yield bytes([0]) + envelope
    birth = wire.birth(
        node=_NODE,
        model="m",
        versions={"agent": "1"},
        config_hash=b"hash",
        lanes={"a": (_EPOCH, 1, 9, [(2, 3, "quota")])},
        clock=(1, 2, 3, 2, 900),
        protocol="5",
        ack="consumer",
        consumers=["scada"],
    )
    for name, item in (
        ("birth", birth),
        ("state", wire.state(online=True, conn=3, utc_us=1)),
        ("ack", wire.ack(_EPOCH, {"a": 4, "h": 2})),
        ("replay", wire.replay(_EPOCH, "a", 1, 5, 1_000)),
        ("ask", wire.ask("token", "record", "r1", 1_000)),
        ("drain", wire.drain(1000, 30)),
        ("live", wire.live(1, 2, [["head", 1, None, 3, *([4] * (len(entry.METERED) - 3))]])),
    ):
        yield bytes([names.index(name)]) + cbor.dumps(item)


def records() -> list[list[Any]]:
    """Entries of several types, in order."""
    audit = entries.audit_entry(_STAMP, "settings_changed", "version 2")
    blind = entries.blind_entry(_STAMP, 4_000_000, "started")
    why = entries.why_entry(_STAMP, "a", 3, {"pickup": 2.5, "kind": "AG", "count": 3})
    return [audit, blind, why]


def envelopes() -> Iterator[bytes]:
    """Of records alone, together, and of a loss."""
    logged = records()
    items = [("record", 1 + n, each) for n, each in enumerate(logged)]
    for some in ([items[0]], items, [("lost", 4, 9, "quota")]):
        yield cbor.dumps(wire.envelope(_EPOCH, "a", some, cbor.MAX_BYTES)[0])


# --- topics ---


def topic(data: bytes) -> None:
    """A topic is ours, and then it is made of its own parts, or it is refused in a line."""
    text = data.decode("utf-8", "replace")
    try:
        name, site, node, consumer = topics.parse(text)
    except ValueError as error:
        shown(str(error))
        _overheard(text)
        return
    same(topics.topic(name, site, node, consumer), text, "made from its parts")


def _overheard(place: str) -> None:
    """What a consumer and a node say of a message on such a topic."""
    told: list[str] = []
    Consumer("scada", ack=True, tell=told.append).take(place, b"\x80")
    _publisher(told)._hearing.hear(mqtt.Message(place, b"\x80", retained=False))  # noqa: SLF001
    for line in told:
        shown(line)


def topic_examples() -> Iterator[bytes]:
    """One of each name."""
    for name in topics.TOPICS:
        node = None if name in topics.SHARED else _NODE
        placed = {"{consumer}": "scada", "{op}": "drill-stop"}
        consumer = next((word for place, word in placed.items() if place in name), None)
        yield topics.topic(name, _SITE, node, consumer).encode()


# --- those who hear ---


def consumer(data: bytes) -> None:
    """A consumer hears two messages on lane a and sees what `listen` would show of them."""
    told: list[str] = []
    one = Consumer("scada", ack=True, tell=told.append)
    for name in (topics.LANES["a"], topics.BIRTH, topics.LANES["a"]):
        for each in one.take(topics.topic(name, _SITE, _NODE), data):
            listen.told(each)
            _ = listen._json(each), listen._text(each)  # noqa: SLF001  what a person gets to see
            shown(listen._json(each)[:1000])  # noqa: SLF001
            shown((listen._text(each) or "")[:1000])  # noqa: SLF001
    one.commit()
    for _, acknowledgement in one.acks():
        cbor.parsed(acknowledgement, wire.open_ack)
    for line in told:
        shown(line)


_HEARD = (
    topics.topic(topics.ACK, _SITE, _NODE, "scada"),
    topics.topic(topics.HOST, _SITE, consumer="scada"),
    topics.topic(topics.REPLAY, _SITE, _NODE),
    topics.topic(topics.ASK, _SITE, _NODE),
    topics.topic(topics.DRAIN, _SITE),
    topics.topic(topics.STATE, _SITE, _NODE),
)


def node(data: bytes) -> None:
    """A node hears a message; the first byte chooses the topic, its highest bit `retained`."""
    if not data:
        return
    told: list[str] = []
    publisher = _publisher(told)
    place = _HEARD[data[0] % 0x80 % len(_HEARD)]
    publisher._hearing.hear(mqtt.Message(place, data[1:], bool(data[0] & 0x80)))  # noqa: SLF001
    _ = publisher.status
    for line in told:
        shown(line)


def node_examples() -> Iterator[bytes]:
    """What others may say to it."""
    items = (
        wire.ack(_EPOCH, {"a": 4, "h": 2}),
        wire.state(online=True, conn=3),
        wire.replay(_EPOCH, "a", 1, 5),
        wire.ask("token", "record", "r1"),
        wire.drain(1000, 30),
        wire.state(online=True, conn=0),
    )
    for number, item in enumerate(items):
        yield bytes([number]) + cbor.dumps(item)


def live_values(message: dict[str, Any]) -> None:
    """A message of guard, up to the payload of live values that a broker would get."""
    told: list[str] = []
    publisher = _publisher(told)
    meters = message.get("meters")
    if meters:
        publisher.live(meters)
        with contextlib.suppress(KeyError, TypeError, ValueError):  # as its task does
            cbor.parsed(publisher._live_payload(meters), wire.open_live)  # noqa: SLF001


def _publisher(told: list[str]) -> Publisher:
    publisher = Publisher(
        uplink=Uplink(broker="mqtt://localhost"),
        identity=Identity(site=_SITE, node=_NODE, model="m", config_hash=b"h", versions={}),
        log=folder() / "no-log",
        epoch=_EPOCH,
        state_dir=folder() / "uplink",
        clock=Clock(1),
        tell=told.append,
    )
    for lane in topics.LANES:
        publisher._session.available(lane, 10)  # noqa: SLF001
    publisher._session.connected(0)  # noqa: SLF001
    return publisher


# --- MQTT ---

_OPTIONS = mqtt._Options(  # noqa: SLF001  one connection, without the retries around it
    broker=Broker("localhost", 1883, tls=False),
    client_id="one",
    will=None,
    username=None,
    password=None,
    ca=None,
    keepalive_s=30.0,
    connect_timeout_s=2.0,
    answer_timeout_s=2.0,
)
_PACKETS = (
    b"\x20\x03\x00\x00\x00",  # CONNACK
    b"\x20\x09\x01\x00\x06\x21\x00\x14\x27\x00\x00\x10",
    b"\x32\x08\x00\x01t\x00\x01\x00ab",  # PUBLISH, QoS 1
    b"\x30\x05\x00\x01t\x00x",
    b"\x40\x02\x00\x01",  # PUBACK
    b"\x40\x04\x00\x01\x87\x00",
    b"\x90\x04\x00\x02\x00\x01",  # SUBACK
    b"\xd0\x00",  # PINGRESP
    b"\xe0\x02\x8e\x00",  # DISCONNECT
    b"\xe0\x09\x9d\x07\x1c\x00\x04host",
)
_CONNACK = _PACKETS[0]


def packets(data: bytes) -> None:
    """A broker that answers CONNECT with these bytes and hangs up; the first byte: MQTT 5 or not.

    Where the bytes begin with no CONNACK, one comes before them.
    """
    if not data:
        return
    protocol, said = "5" if data[0] % 2 else "311", data[1:]
    if said[:1] != b"\x20":
        said = (_CONNACK if protocol == "5" else b"\x20\x02\x00\x00") + said
    with asyncio.Runner() as runner:
        escaped: list[dict[str, Any]] = []
        runner.get_loop().set_exception_handler(lambda _, told: escaped.append(told))
        runner.run(_conversation(protocol, said))
    if escaped:
        raise Defect(f"escaped into the event loop: {escaped[0]!r:.300}")


def packet_examples() -> Iterator[bytes]:
    """Each packet by itself, and all of them."""
    for protocol in (b"\x00", b"\x01"):
        for packet in _PACKETS:
            yield protocol + packet
        yield protocol + b"".join(_PACKETS[2:])


async def _conversation(protocol: str, said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        port = mqtt.Port(_OPTIONS, protocol)
        port._paho._create_socket = lambda: ours  # type: ignore[method-assign]  # noqa: SLF001
        try:
            await port._open(_OPTIONS.connect_timeout_s)  # noqa: SLF001
            await _heard(port)
        except UplinkError as error:
            shown(str(error))
        finally:
            port._abandon()  # noqa: SLF001
    for _ in range(3):
        await asyncio.sleep(0)
    if left := [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]:
        raise Defect(f"left behind: {left!r:.200}")


async def _heard(port: mqtt.Port) -> None:
    with contextlib.suppress(UplinkError):
        await port.publish("t", b"x")
    async for message in port.messages():
        same(bytes(message.payload), message.payload, "bytes")
