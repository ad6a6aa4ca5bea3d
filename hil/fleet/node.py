"""An emulated node: a log in memory, and the device's own uplink on it, sans-I/O.

Which record goes when is agent/uplink/session.py's, what it looks like wire.py's, what it hears
hearing.py's, how long it stays away backoff.py's: the very files that a terminal runs, so that it
obeys the fleet's brake and sends again what is asked for. What is emulated is the rest of it:
sensors, detection and disk; nobody answers its questions or commands it. The order of the ceremony
is publisher.py's.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import Any

from agent.clock import Clock, Stamp
from agent.store import cbor, entry
from agent.uplink import mqtt, reasons, topics, wire
from agent.uplink.backoff import Backoff
from agent.uplink.hearing import Hearing
from agent.uplink.pacing import Pacing
from agent.uplink.session import AHEAD, HEAD, REQUEST, Session
from hil.errors import BenchError
from hil.fleet import packets
from hil.fleet.packets import Decoder, Packet

# As the device has them: agent/uplink/publisher.py, feed.py and mqtt.py.
ENVELOPE_BYTES = 8192
READ_AHEAD = 160
KEEPALIVE_S = 30
WILL_DELAY_S = 20
# Without a word for so long the link counts as dead.
SILENCE_US = 45_000_000

BAY = "head"
CLOCK_ERROR_US = 1 << 12  # an NTP client on a quiet line; a power of two travels as it is
_NTP = entry.code_of(entry.SOURCES, "ntp")

Entry = list[Any]


def fault(now_us: int, utc_us: int, chance: int) -> Entry:
    """The headline of a fault that starts now; `chance` varies its figures."""
    amps = 80_000 + chance % 100_000
    values = {
        "event": "fault",
        "bay": BAY,
        "flags": entry.ALARM,
        "kind": entry.KINDS[chance % len(entry.KINDS)],
        "direction": "forward",
        "confidence_percent": 97,
        "current_a_centiamps": amps,
        "current_b_centiamps": amps - 137,
        "current_c_centiamps": 11_000,
        "voltage_a_decivolts": 31_000,
        "voltage_b_decivolts": 30_500,
        "voltage_c_decivolts": 57_700,
        "residual_centiamps": 240,
        "neutral_decivolts": 300,
        "onset_before_us": 14_000,
        "element": "50P",
        "lag_us": 900,
    }
    return entry.compose(entry.EVENT, (1, now_us, utc_us, _NTP, CLOCK_ERROR_US), values)


def quarter(now_us: int, utc_us: int, chance: int) -> Entry:
    """The means of a quarter hour that ends now."""
    means = (11_000, 11_100, 10_900, 30, 57_700, 57_800, 57_600, 120, 18, 4, 50_003, 90, 40)
    values: dict[str, Any] = {
        name: mean + chance % (1 + mean // 20)
        for name, mean in zip(entry.METERED, means, strict=True)
    }
    values |= {"bay": BAY, "observed_s": 900}
    return entry.compose(entry.HISTORY, (1, now_us, utc_us, _NTP, CLOCK_ERROR_US), values)


class _Told(Clock):
    """The monotonic clock that the node is told, and the system's UTC beside it."""

    def __init__(self) -> None:
        self.us = 0

    def now_us(self) -> int:
        """The last instant that was told."""
        return self.us

    def stamp(self, mono_us: int) -> Stamp:
        """As a quiet NTP client would have it."""
        return Stamp(1, mono_us, time.time_ns() // 1000, _NTP, CLOCK_ERROR_US)


class Node:
    """One terminal towards its broker. Instants are of CLOCK_MONOTONIC. [us]

    below: draws the start of a backlog, as the device does; None: at once. troubles: what it has
    refused, in lines. What each method answers is to be written to the socket. `up_us`: when the
    link came to stand last; `messages`, `bytes_up`: envelopes, and all that was written.
    """

    def __init__(
        self,
        site: str,
        name: str,
        consumer: str,
        backoff: Backoff,
        below: Callable[[int], int] | None = None,
    ) -> None:
        self.name = name
        self.troubles: set[str] = set()
        self.backoff = backoff
        self.epoch = zlib.crc32(name.encode()) | 1 << 40
        self.log: dict[str, list[Entry]] = {lane: [] for lane in topics.LANES}
        lanes = "".join(topics.LANES)
        self.session = Session(self.epoch, (consumer,), lanes=lanes, pacing=Pacing(below))
        self.connections = 0
        self.messages = 0
        self.bytes_up = 0
        self.up_us = 0
        self._site = site
        self._consumer = consumer
        self._clock = _Told()
        self._hearing = Hearing(
            self.session,
            clock=self._clock,
            asked=lambda *_: None,
            commanded=lambda *_: None,
            moved=lambda _: None,
            tell=self.troubles.add,
        )
        self._decoder = Decoder()
        self._number = 0
        self._tokens: dict[int, int] = {}
        self._ceremony: list[bytes] = []
        self._heard_us = 0
        self._wrote_us = 0
        self._lane_topics = {lane: self._topic(topics.LANES[lane]) for lane in topics.LANES}

    @property
    def is_up(self) -> bool:
        """Whether it is connected and has introduced itself."""
        return self.session.is_connected

    @property
    def backlog(self) -> int:
        """Records that the consumer has not acknowledged."""
        return sum(self.session.backlog(lane) for lane in self.log)

    def append(self, lane: str, logged: Entry, now_us: int) -> bytes:
        """A new record."""
        self.log[lane].append(logged)
        self.session.available(lane, len(self.log[lane]) + 1)
        return self._written(self._due(now_us), now_us)

    def dial(self, now_us: int) -> bytes:
        """The socket stands: CONNECT."""
        self._decoder = Decoder()
        self._tokens.clear()
        self._ceremony.clear()
        self._heard_us = now_us
        will = self._topic(topics.STATE), cbor.dumps(wire.state(False, self.connections + 1))
        client = f"ftu-{self._site}-{self.name}"
        return self._written(packets.connect(client, will, KEEPALIVE_S, WILL_DELAY_S), now_us)

    def received(self, data: bytes, now_us: int) -> bytes:
        """What to answer. Raises: BenchError when the broker refuses us or speaks no MQTT 5."""
        self._heard_us = now_us
        out = b"".join([self._answer(packet, now_us) for packet in self._decoder.feed(data)])
        return self._written(out + self._due(now_us), now_us)

    def tick(self, now_us: int) -> bytes:
        """To be asked once a second. Raises: BenchError when the broker has gone silent."""
        if now_us - self._heard_us > SILENCE_US:
            raise BenchError("broker", f"silent for {SILENCE_US / 1e6:g} s")
        idle = now_us - self._wrote_us >= KEEPALIVE_S * 500_000
        return self._written((packets.ping() if idle else b"") + self._due(now_us), now_us)

    def lost(self, now_us: int) -> int:
        """The link is gone or did not come to stand: how long to stay away. [us]"""
        self.session.disconnected(now_us)
        return self.backoff.failed(now_us)

    def goodbye(self, now_us: int) -> bytes:
        """A polite end, so that no will is published."""
        state = cbor.dumps(wire.state(False, self.connections))
        said = packets.publish(self._next(), self._topic(topics.STATE), state, retain=True)
        self.session.disconnected(now_us)
        return self._written(said + packets.disconnect(), now_us)

    # What came in.

    def _answer(self, packet: Packet, now_us: int) -> bytes:
        if packet.type == packets.CONNACK:
            self._clock.us = now_us
            return self._welcomed(packet)
        if packet.type == packets.PUBLISH:
            message = packets.open_publish(packet)
            self._clock.us = now_us
            heard = mqtt.Message(message.topic, message.payload, message.retained)
            self._hearing.hear(heard)
            return packets.puback(message.number) if message.number else b""
        if packet.type == packets.SUBACK:
            return self._step(packets.open_suback(packet)[1], now_us)
        if packet.type == packets.PUBACK:
            number, code = packets.open_puback(packet)
            token = self._tokens.pop(number, None)
            return self._step(code, now_us) if token is None else self._taken(token, code, now_us)
        if packet.type == packets.DISCONNECT:
            raise BenchError("broker", f"ended the link of {self.name}: {packet.body.hex()}")
        return b""

    def _welcomed(self, packet: Packet) -> bytes:
        """Subscriptions and who we are, one after the other, as the publisher does it."""
        code, self._receive_maximum = packets.open_connack(packet)
        if code >= packets.FAILURE:
            raise BenchError("broker", f"refused {self.name} (0x{code:02X})")
        self.connections += 1
        self._hearing.connected(self.connections)
        state = cbor.dumps(wire.state(True, self.connections))
        host = topics.topic(topics.HOST, self._site, consumer=topics.ANY)
        self._ceremony = [
            packets.subscribe(self._next(), self._topic(topics.ACK, topics.ANY)),
            packets.subscribe(self._next(), host),
            packets.subscribe(self._next(), topics.topic(topics.DRAIN, self._site)),
            packets.subscribe(self._next(), self._topic(topics.REPLAY)),
            packets.publish(self._next(), self._topic(topics.STATE), state, retain=True),
            packets.publish(self._next(), self._topic(topics.BIRTH), self._birth(), retain=True),
        ]
        return self._ceremony.pop(0)

    def _step(self, code: int, now_us: int) -> bytes:
        """The answer to a step of the ceremony: the next one, or the link stands."""
        if code >= packets.FAILURE:
            raise BenchError("broker", f"refused {self.name}'s introduction (0x{code:02X})")
        if self._ceremony:
            return self._ceremony.pop(0)
        if not self.is_up:
            self.up_us = now_us
            self.backoff.connected(now_us)
            self.session.connected(now_us, self._receive_maximum)
        return b""

    def _taken(self, token: int, code: int, now_us: int) -> bytes:
        """The broker's word on an envelope."""
        if code == packets.NO_SUBSCRIBERS:
            self.session.unheard(token, now_us)
        elif code == reasons.QUOTA_EXCEEDED:
            self.session.exhausted(token, now_us)
        else:
            self.session.published(token, code < packets.FAILURE, now_us)
        return b""

    # What goes out.

    def _due(self, now_us: int) -> bytes:
        out = []
        while due := self.session.next_send(now_us):
            out.append(self._envelope(*due, now_us))
        return b"".join(out)

    def _envelope(self, lane: str, first: int, last: int, why: str, now_us: int) -> bytes:
        logged = self.log[lane][first - 1 : min(last, first - 1 + READ_AHEAD)]
        items = [("record", seq, each) for seq, each in enumerate(logged, first)]
        flags = 0 if why in (HEAD, AHEAD) else wire.REPLAY
        envelope, taken = wire.envelope(self.epoch, lane, items, ENVELOPE_BYTES, flags)
        payload = cbor.dumps(envelope)
        number = self._next()
        self._tokens[number] = self.session.sending(
            lane,
            first,
            first + taken - 1,
            now_us=now_us,
            size=len(payload),
            requested=why == REQUEST,
        )
        self.messages += 1
        return packets.publish(number, self._lane_topics[lane], payload)

    def _birth(self) -> bytes:
        lanes: dict[str, Any] = {
            lane: (self.epoch, 1, len(log) + 1, []) for lane, log in self.log.items()
        }
        told = wire.birth(
            node=self.name,
            model="emulated",
            versions={"hil": "fleet"},
            config_hash=bytes(8),
            lanes=lanes,
            clock=(1, self._heard_us, self._heard_us, _NTP, CLOCK_ERROR_US),
            protocol="5",
            ack="consumer",
            consumers=[self._consumer],
        )
        return cbor.dumps(told)

    def _topic(self, name: str, consumer: str | None = None) -> str:
        return topics.topic(name, self._site, self.name, consumer)

    def _next(self) -> int:
        """A packet's number; a window of a few and 65535 of them never meet."""
        self._number = self._number % 65535 + 1
        return self._number

    def _written(self, out: bytes, now_us: int) -> bytes:
        if out:
            self.bytes_up += len(out)
            self._wrote_us = now_us
        return out
