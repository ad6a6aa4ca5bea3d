"""MQTT 5 packets, as far as an emulated node needs them (OASIS MQTT 5.0, clauses 2 and 3).

aiomqtt and paho carry the device's own uplink, and a thousand of them would fit (0.7 ms of a
processor to connect, 33 kB; here 0.3 ms with the introduction). But each attempt to connect takes a
thread there, which blurs a storm of a thousand, and nobody counts bytes.
Bytes in, bytes out: no socket and no clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from hil.errors import BenchError

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14

FAILURE = 0x80
NO_SUBSCRIBERS = 0x10

_SESSION_EXPIRY, _WILL_DELAY, _RECEIVE_MAXIMUM = 0x11, 0x18, 0x21
_CLEAN_START, _WILL, _WILL_QOS1, _WILL_RETAIN = 0x02, 0x04, 0x08, 0x20
_RETAIN, _QOS1 = 0x01, 0x02
_ENDLESS = "a length of more than four bytes"
_TWO = struct.Struct(">H")
# Bytes of a property's value by its identifier (2.2.2.2); 0: text or data, led by their length;
# -1: a variable byte integer; -2: two texts.
_LENGTHS = {
    0x01: 1, 0x02: 4, 0x03: 0, 0x08: 0, 0x09: 0, 0x0B: -1, 0x11: 4, 0x12: 0, 0x13: 2, 0x15: 0,
    0x16: 0, 0x17: 1, 0x18: 4, 0x19: 1, 0x1A: 0, 0x1C: 0, 0x1F: 0, 0x21: 2, 0x22: 2, 0x23: 2,
    0x24: 1, 0x25: 1, 0x26: -2, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet as it came: its type, the four flags of its first byte, all behind its length."""

    type: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Published:
    """A message that came in. number: of its packet, 0 for QoS 0."""

    topic: str
    payload: bytes
    number: int
    retained: bool


def connect(client: str, will: tuple[str, bytes], keepalive_s: int, will_delay_s: int) -> bytes:
    """CONNECT with a clean start and a retained will of QoS 1 that waits `will_delay_s`."""
    flags = _CLEAN_START | _WILL | _WILL_QOS1 | _WILL_RETAIN
    lasting = _properties(struct.pack(">BI", _SESSION_EXPIRY, will_delay_s))
    delay = _properties(struct.pack(">BI", _WILL_DELAY, will_delay_s))
    head = _text("MQTT") + struct.pack(">BBH", 5, flags, keepalive_s) + lasting
    topic, payload = will
    return _packet(CONNECT, 0, head + _text(client) + delay + _text(topic) + _data(payload))


def subscribe(number: int, topic: str) -> bytes:
    """SUBSCRIBE to one filter with QoS 1."""
    return _packet(SUBSCRIBE, 2, _TWO.pack(number) + _properties(b"") + _text(topic) + b"\x01")


def publish(number: int, topic: str, payload: bytes, *, retain: bool = False) -> bytes:
    """PUBLISH with QoS 1."""
    flags = _QOS1 | (_RETAIN if retain else 0)
    return _packet(PUBLISH, flags, _text(topic) + _TWO.pack(number) + _properties(b"") + payload)


def puback(number: int) -> bytes:
    """PUBACK: the message has arrived."""
    return _packet(PUBACK, 0, _TWO.pack(number))


def ping() -> bytes:
    """PINGREQ."""
    return _packet(PINGREQ, 0, b"")


def disconnect() -> bytes:
    """DISCONNECT without a will."""
    return _packet(DISCONNECT, 0, b"")


class Decoder:
    """Packets out of a stream that is cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that are whole now. Raises: BenchError for what is no MQTT."""
        data = self._rest + data
        at = 0
        while (found := _length(data, at + 1)) is not None:
            begin, length = found
            if len(data) < begin + length:
                break
            yield Packet(data[at] >> 4, data[at] & 15, data[begin : begin + length])
            at = begin + length
        self._rest = data[at:]


def open_connack(packet: Packet) -> tuple[int, int | None]:
    """(reason code, receive maximum or None) of a CONNACK. Raises: BenchError."""
    try:
        known = _open_properties(packet.body, 2)[0]
        return packet.body[1], known.get(_RECEIVE_MAXIMUM)
    except (IndexError, KeyError, struct.error) as error:
        raise _malformed(packet) from error


def open_puback(packet: Packet) -> tuple[int, int]:
    """(number, reason code) of a PUBACK. Raises: BenchError."""
    if len(packet.body) < 2:
        raise _malformed(packet)
    return _TWO.unpack_from(packet.body)[0], packet.body[2] if len(packet.body) > 2 else 0


def open_suback(packet: Packet) -> tuple[int, int]:
    """(number, the last filter's reason code) of a SUBACK. Raises: BenchError."""
    if len(packet.body) < 4:
        raise _malformed(packet)
    return _TWO.unpack_from(packet.body)[0], packet.body[-1]


def open_publish(packet: Packet) -> Published:
    """A message that came in. Raises: BenchError."""
    body = packet.body
    try:
        end = 2 + _TWO.unpack_from(body)[0]
        topic, number = body[2:end].decode(), 0
        if packet.flags >> 1 & 3:
            (number,) = _TWO.unpack_from(body, end)
            end += 2
        begin = _open_properties(body, end)[1]
    except (IndexError, KeyError, UnicodeDecodeError, struct.error) as error:
        raise _malformed(packet) from error
    return Published(topic, body[begin:], number, bool(packet.flags & _RETAIN))


def _packet(kind: int, flags: int, body: bytes) -> bytes:
    return bytes([kind << 4 | flags]) + _variable(len(body)) + body


def _variable(number: int) -> bytes:
    """A variable byte integer (1.5.5)."""
    out = bytearray()
    while True:
        number, low = number >> 7, number & 127
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


def _length(data: bytes, at: int) -> tuple[int, int] | None:
    """(place behind it, value) of the variable byte integer at `at`; None: not whole yet."""
    value = 0
    for place in range(4):
        if at + place >= len(data):
            return None
        value |= (data[at + place] & 127) << 7 * place
        if data[at + place] < 128:
            return at + place + 1, value
    raise BenchError("broker", _ENDLESS, "MQTT 5")


def _text(text: str) -> bytes:
    return _data(text.encode())


def _data(data: bytes) -> bytes:
    return _TWO.pack(len(data)) + data


def _properties(data: bytes) -> bytes:
    return _variable(len(data)) + data


def _open_properties(data: bytes, at: int) -> tuple[dict[int, int], int]:
    """(the ones that are numbers, place behind all) of the properties at `at`."""
    found = _length(data, at)
    if found is None:
        raise IndexError
    at, length = found
    end = at + length
    numbers: dict[int, int] = {}
    while at < end:
        kind, at = data[at], at + 1
        size = _LENGTHS[kind]
        if size > 0:
            numbers[kind] = int.from_bytes(data[at : at + size], "big")
        at += size if size > 0 else _size(data, at, size)
    if end > len(data):
        raise IndexError
    return numbers, end


def _size(data: bytes, at: int, kind: int) -> int:
    """Bytes of a property's value that tells its own length."""
    if kind == -1:
        found = _length(data, at)
        return 1 if found is None else found[0] - at
    first = 2 + int(_TWO.unpack_from(data, at)[0])
    return first if kind == 0 else first + 2 + int(_TWO.unpack_from(data, at + first)[0])


def _malformed(packet: Packet) -> BenchError:
    return BenchError("broker", f"packet of type {packet.type}: {packet.body[:24].hex()}", "MQTT 5")
