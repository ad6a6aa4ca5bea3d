"""A connection to a broker that stands: publish, subscribe, take what comes in.

What paho says of all this is brought into one order here: each question has its answer, its refusal
or the reason for which the link ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.errors import UplinkError
from agent.uplink import mqtt_client, reasons
from agent.uplink.mqtt_client import MAXIMUM_PACKET, RECEIVE_MAXIMUM, Options
from agent.uplink.mqtt_socket import Socket

# What a goodbye may take; the agent as a whole has 5 s to end.
GOODBYE_S = 0.5
# Brokers without these limits: live values beyond the first are dropped and counted, any message
# beyond the second ends the link, because dropping it would be a silent loss.
INBOX_LIVE = 256
INBOX = 1024
# All that a broker which keeps to what we announced can make us hold.
INBOX_BYTES = RECEIVE_MAXIMUM * MAXIMUM_PACKET
# paho sends no more than this at once and would queue the rest out of our sight.
IN_FLIGHT = 20
# Fixed header, lengths, packet id and properties of a PUBLISH beside topic and payload.
PUBLISH_OVERHEAD = 32

NO_SUBSCRIBERS = 0x10
# What we cannot do without: property of a CONNACK, and the code that says so when it is 0.
_NEEDED = (
    ("MaximumQoS", reasons.NO_QOS_1),
    ("RetainAvailable", reasons.NO_RETAIN),
    ("WildcardSubscriptionAvailable", reasons.NO_WILDCARDS),
)
# What was asked, and its packet identifier: an answer of the other kind is none to it.
_PUBLISH, _SUBSCRIBE = "publish", "subscribe"
_Asked = tuple[str, int]
# Since when the answer is waited for [s], and to what, in words.
_Awaited = tuple[asyncio.Future[list[int]], float, str]


class Refused(UplinkError):
    """The broker answered no. The link, if it stood, still stands. `code`: MQTT reason code."""

    def __init__(self, where: str, what: str, code: int) -> None:
        self.code = code
        super().__init__(where, what)


class Ended(UplinkError):
    """The broker ended the link and said why. `code`: MQTT reason code."""

    def __init__(self, where: str, what: str, code: int) -> None:
        self.code = code
        super().__init__(where, what)


class ClosedAtConnect(UplinkError):
    """The broker hung up, or talked nonsense, instead of answering CONNECT."""


class SilentAtConnect(UplinkError):
    """The broker took the connection and did not answer CONNECT in time."""


@dataclass(frozen=True, slots=True)
class Message:
    """What came in. `retained`: stored by the broker earlier, not said just now."""

    topic: str
    payload: bytes
    retained: bool


class Port:
    """A connection that stands, until `closed` is set; `reason` then says why, `code` too where the
    broker gave one.

    `protocol`: "5" or "311". `receive_maximum`: how many publishes the broker takes at once.
    `dropped`: live values (QoS 0) that came faster than they were read.
    """

    def __init__(self, options: Options, protocol: str) -> None:
        self.protocol = protocol
        self.closed = asyncio.Event()
        self.reason = ""
        self.code: int | None = None
        self.receive_maximum = IN_FLIGHT
        self.dropped = 0
        self._where = str(options.broker)
        self._answer_timeout_s = options.answer_timeout_s
        self._maximum_packet: int | None = None
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._awaited: dict[_Asked, _Awaited] = {}  # the oldest first
        self._patience: asyncio.TimerHandle | None = None
        self._answered_s = 0.0  # when the oldest of them was, at last
        self._keepalive_s = mqtt_client.wire_keepalive(options.keepalive_s)
        self._inbox: deque[tuple[Message, int, int]] = deque()
        self._inbox_bytes = 0
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._answered: asyncio.Future[UplinkError | None] = self._loop.create_future()
        client = mqtt_client.client(options, protocol)
        self._socket = Socket(client, self._lost)
        # Answers are taken from paho itself: aiomqtt passes on neither reason codes nor CONNACK
        # properties.
        self._paho = client._client  # noqa: SLF001
        self._hook(options.connect_timeout_s)

    # For those who use it.

    def payload_limit(self, topic: str, limit: int) -> int:
        """The largest payload on `topic` that the broker takes, at most `limit`. [bytes]"""
        if self._maximum_packet is None:
            return limit
        return min(limit, self._maximum_packet - len(topic.encode()) - PUBLISH_OVERHEAD)

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: int | None = None,
    ) -> int:
        """Send a message; QoS 1 returns at its PUBACK, QoS 0 when the socket has taken it.

        Returns: the broker's reason code, below 0x80; 0x10: nobody has subscribed (MQTT 5 only).
        Raises:
            Refused: the broker does not take it. MQTT 3.1.1 has no way to say so.
            UplinkError: the link broke, at once; whether the broker has it is not known.
        """
        if len(payload) > self.payload_limit(topic, len(payload)):
            what = f"{len(payload)} bytes on {topic} are more than the broker takes"
            raise Refused(self._where, what, reasons.PACKET_TOO_LARGE)
        properties = None
        if expiry_s is not None and self.protocol == "5":
            properties = mqtt_client.expiring(expiry_s)
        async with self._slots:
            self._check()
            try:
                info = self._socket.say(self._paho.publish, topic, payload, qos, retain, properties)
            except ValueError as error:
                raise UplinkError(self._where, f"{topic!r} cannot be published: {error}") from error
            (code,) = await self._answer((_PUBLISH, info.mid), f"publish on {topic}")
        if code >= reasons.FAILURE:
            raise Refused(self._where, f"publish on {topic} refused (0x{code:02X})", code)
        return code

    async def subscribe(self, *filters: str) -> None:
        """Subscribe with QoS 1; what the broker retains on these topics comes first.

        Raises:
            Refused: one of them is not allowed.
            UplinkError: the link broke.
        """
        self._check()
        wanted = SubscribeOptions(qos=1) if self.protocol == "5" else 1
        asked = [(name, wanted) for name in filters]
        _, mid = self._socket.say(self._paho.subscribe, asked)
        if mid is None:
            raise self._error()
        codes = await self._answer((_SUBSCRIBE, mid), f"subscription to {', '.join(filters)}")
        if len(codes) != len(filters):
            self._lost(f"the broker answered {len(filters)} subscriptions by {len(codes)} codes")
            self._check()
        for name, code in zip(filters, codes, strict=True):
            if code >= reasons.FAILURE:
                raise Refused(self._where, f"subscription to {name} refused (0x{code:02X})", code)

    async def messages(self) -> AsyncIterator[Message]:
        """What comes in, in order, until the link breaks. For one reader.

        The broker is told that a message arrived when it is handed out, not before: unread ones
        stay in its account, which is what bounds them.
        Raises:
            UplinkError: the link broke.
        """
        while True:
            while self._inbox:
                yield self._take()
            self._check()
            self._arrived.clear()
            await self._arrived.wait()

    def waiting(self) -> Message | None:
        """A message that has come in already, to be handled together with the one before."""
        return self._take() if self._inbox else None

    def _take(self) -> Message:
        message, mid, qos = self._inbox.popleft()
        self._inbox_bytes -= len(message.payload)
        if qos:
            self._paho.ack(mid, qos)  # goes out with all that are handed out in this turn
        return message

    def _check(self) -> None:
        if self.closed.is_set():
            raise self._error()

    def _error(self) -> UplinkError:
        what = self.reason or "the link broke"
        if self.code is not None:
            return Ended(self._where, what, self.code)
        return UplinkError(self._where, what)

    async def _answer(self, asked: _Asked, what: str) -> list[int]:
        """The broker's codes, for which it has its time anew whenever it has answered what was
        asked before: a slow line may need longer for a window of messages than for one.
        """
        future: asyncio.Future[list[int]] = self._loop.create_future()
        self._awaited[asked] = future, self._loop.time(), what
        try:
            self._socket.flush()
            if self._patience is None and not self.closed.is_set():
                self._patience = self._loop.call_later(self._answer_timeout_s, self._lose_patience)
            return await future
        finally:
            self._awaited.pop(asked, None)

    def _lose_patience(self) -> None:
        """Look whether the oldest question is still without an answer; of the others none is
        overdue before it.
        """
        self._patience = None
        for _, asked_s, what in self._awaited.values():
            until_s = max(asked_s, self._answered_s) + self._answer_timeout_s
            if until_s <= self._loop.time():
                self._lost(f"no answer to {what} within {self._answer_timeout_s:g} s")
            else:
                self._patience = self._loop.call_at(until_s, self._lose_patience)
            return

    # Opening and closing.

    async def _open(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._socket.connect()
                refusal = await self._answered
        except TimeoutError as error:
            what = f"no answer within {timeout_s:g} s"
            kind = SilentAtConnect if self._socket.reached else UplinkError
            raise kind(self._where, what, "an MQTT broker") from error
        except (OSError, ValueError) as error:
            raise UplinkError(self._where, reasons.no_connection(error)) from error
        if refusal is not None:
            raise refusal

    async def _leave(self, *, polite: bool) -> None:
        try:
            if polite and not self.closed.is_set():
                self._socket.say(self._paho.disconnect)
                self._socket.flush()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GOODBYE_S):
                        await self.closed.wait()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """End it here and now, whatever the peer does and whatever a thread still attempts."""
        self._lost("closed")
        self._socket.abandon()

    def _lost(self, why: str, code: int | None = None) -> None:
        if self.closed.is_set():
            return
        self.reason, self.code = why, code
        self.closed.set()
        self._socket.end()
        if self._patience is not None:
            self._patience.cancel()
        self._settle_connect(ClosedAtConnect(self._where, why))
        self._arrived.set()
        for future, _, _ in self._awaited.values():
            if not future.done():
                future.set_exception(self._error())

    # What paho calls. Nothing here may close the socket: paho holds a lock meanwhile.

    def _hook(self, connect_timeout_s: float) -> None:
        paho = self._paho
        paho.on_connect = self._on_connect
        paho.on_disconnect = self._on_disconnect
        paho.on_publish = self._on_publish
        paho.on_subscribe = self._on_subscribe
        paho.on_message = self._on_message
        paho.manual_ack_set(True)
        paho.connect_timeout = connect_timeout_s

    def _on_connect(
        self, _client: Any, _userdata: Any, _flags: Any, reason: Any, properties: Any
    ) -> None:
        code, name = reason.value, str(reason)
        for key, lacking in _NEEDED:
            if code < reasons.FAILURE and getattr(properties, key, 1) == 0:
                code, name = lacking, f"{key} is 0"
        if code >= reasons.FAILURE:
            what = f"refused the connection: {reasons.described(code, name, properties)}"
            self._settle_connect(Refused(self._where, what, code))
            return
        limit = getattr(properties, "ReceiveMaximum", IN_FLIGHT)
        self.receive_maximum = max(1, min(IN_FLIGHT, limit))
        self._slots = asyncio.Semaphore(self.receive_maximum)
        self._maximum_packet = getattr(properties, "MaximumPacketSize", None)
        self._ping_within(getattr(properties, "ServerKeepAlive", None))
        self._settle_connect(None)

    def _ping_within(self, server_s: int | None) -> None:
        """Ping as often as we wanted to, and as the broker asks for, whichever is oftener.

        paho takes over what the broker asks for, also an hour, or 0 for never; then nobody would
        notice a dead link.
        """
        if server_s:
            self._keepalive_s = min(self._keepalive_s, max(1, int(0.75 * server_s)))
        self._paho._keepalive = self._keepalive_s  # noqa: SLF001

    def _on_disconnect(
        self, _client: Any, _userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        self._settle_connect(ClosedAtConnect(self._where, "hung up at CONNECT"))
        if flags.is_disconnect_packet_from_server:
            told = reasons.described(reason.value, str(reason), properties)
            self._lost(f"the broker ended the link: {told}", reason.value)
        else:
            self._lost(f"the link broke ({reason})")

    def _on_publish(
        self, _client: Any, _userdata: Any, mid: int, reason: Any, _properties: Any
    ) -> None:
        self._settle((_PUBLISH, mid), [reason.value])

    def _on_subscribe(
        self, _client: Any, _userdata: Any, mid: int, reasons: Any, _properties: Any
    ) -> None:
        self._settle((_SUBSCRIBE, mid), [reason.value for reason in reasons])

    def _settle_connect(self, refusal: UplinkError | None) -> None:
        if not self._answered.done():
            self._answered.set_result(refusal)

    def _settle(self, asked: _Asked, codes: list[int]) -> None:
        # Of what was asked first: whoever waits behind it gets time anew, and so no broker can
        # leave one message out for ever by answering all the others.
        if next(iter(self._awaited), None) == asked:
            self._answered_s = self._loop.time()
        if asked in self._awaited and not self._awaited[asked][0].done():
            self._awaited[asked][0].set_result(codes)

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        if self.closed.is_set():
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self.dropped += 1
            self._paho.ack(message.mid, message.qos)
            return
        if message.qos == 0 and len(self._inbox) >= INBOX_LIVE:
            self.dropped += 1
            return
        if len(self._inbox) >= INBOX or self._inbox_bytes > INBOX_BYTES:
            self._lost(f"{len(self._inbox)} messages unread; more would be lost")
            return
        taken = Message(topic, bytes(message.payload), message.retain)
        self._inbox.append((taken, message.mid, message.qos))
        self._inbox_bytes += len(taken.payload)
        self._arrived.set()
