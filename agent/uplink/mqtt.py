"""MQTT behind a narrow port: the one file that knows aiomqtt and paho.

One connection is one `async with connect(...)`; it never reconnects by itself. What the libraries
leave open is closed here: refused publishes that look delivered, waits that outlive the link, a
silent peer, queues that drop, connection attempts that go on after they were cancelled, packets
beyond every bound, sockets that are watched after they were closed. Which topics and payloads
travel, and when to come back, is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.errors import UplinkError
from agent.uplink import reasons, tls
from agent.uplink.broker import Broker, parse_broker

# contract.md section 4 asks for at most 30 s; a silent link is noticed within 1.5 times this.
KEEPALIVE_S = 30.0
CONNECT_TIMEOUT_S = 10.0
# A broker that answers pings but no publish for a minute is not one to wait for.
ANSWER_TIMEOUT_S = 60.0
# A link that comes back within this time was not worth an "offline" to everybody.
WILL_DELAY_S = 20
# What a goodbye may take; the agent as a whole has 5 s to end.
GOODBYE_S = 0.5

# What we announce to an MQTT 5 broker: unread messages, and bytes of one of them.
RECEIVE_MAXIMUM = 64
MAXIMUM_PACKET = 262_144
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
# Type and QoS of a packet: exactly-once delivery, which we never ask for. paho would keep its
# messages until the broker releases them, so any number.
_TYPE_AND_QOS, _PUBLISH_QOS_2 = 0xF6, 0x34
# How brokers without MQTT 5 take its CONNECT: they say so; they hang up, but one hang-up may also
# be a restart; or they say nothing, because they read its properties as a longer client id (amqtt
# 0.12 does) and wait for the rest. So silence for this share of the time is an answer too.
BARE_CLOSES = 2
SILENT_SHARE = 0.5

# What was asked, and its packet identifier: an answer of the other kind is none to it.
_PUBLISH, _SUBSCRIBE = "publish", "subscribe"
_Asked = tuple[str, int]

# The libraries' own log lines say less than our errors do, and say it on stderr.
_SILENT = logging.getLogger("agent.uplink.mqtt.library")
_SILENT.disabled = True


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


class _ClosedAtConnect(UplinkError):
    """The broker hung up, or talked nonsense, instead of answering CONNECT."""


class _SilentAtConnect(UplinkError):
    """The broker took the connection and did not answer CONNECT in time."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says in our name when we vanish: QoS 1, retained."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """What came in. `retained`: stored by the broker earlier, not said just now."""

    topic: str
    payload: bytes
    retained: bool


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
    options = _Options(
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    broker: Broker
    client_id: str
    will: Will | None
    username: str | None
    password: str | None
    ca: Path | None
    keepalive_s: float
    connect_timeout_s: float
    answer_timeout_s: float


async def _negotiate(options: _Options, protocol: str) -> Port:
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
        except _SilentAtConnect:
            break
        except _ClosedAtConnect:
            continue
    return await _attempt(options, "311", timeout_s)


async def _attempt(options: _Options, protocol: str, timeout_s: float) -> Port:
    port = Port(options, protocol)
    try:
        await port._open(timeout_s)  # noqa: SLF001
    except BaseException:
        port._abandon()  # noqa: SLF001
        raise
    return port


class Port:
    """A connection that stands, until `closed` is set; `reason` then says why, `code` too where the
    broker gave one.

    `protocol`: "5" or "311". `receive_maximum`: how many publishes the broker takes at once.
    `dropped`: live values (QoS 0) that came faster than they were read.
    """

    def __init__(self, options: _Options, protocol: str) -> None:
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
        self._awaited: dict[_Asked, asyncio.Future[list[int]]] = {}
        self._answered_s = 0.0  # when the oldest of them was, at last
        self._keepalive_s = _wire_keepalive(options.keepalive_s)
        self._inbox: deque[tuple[Message, int, int]] = deque()
        self._inbox_bytes = 0
        self._arrived = asyncio.Event()
        self._abandoned = False
        self._reached = False
        self._loop = asyncio.get_running_loop()
        self._answered: asyncio.Future[UplinkError | None] = self._loop.create_future()
        self._pings: asyncio.Task[None] | None = None
        self._client = _client(options, protocol)
        # aiomqtt makes and connects paho's client and looks after its keep-alive. The answers are
        # taken from paho itself: aiomqtt passes on neither reason codes nor CONNACK properties.
        self._paho = self._client._client  # noqa: SLF001
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
            properties = _properties(PacketTypes.PUBLISH, MessageExpiryInterval=expiry_s)
        async with self._slots:
            self._check()
            try:
                info = self._paho.publish(topic, payload, qos, retain, properties)
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
        if self.protocol == "5":
            _, mid = self._paho.subscribe([(name, SubscribeOptions(qos=1)) for name in filters])
        else:
            _, mid = self._paho.subscribe([(name, 1) for name in filters])
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
            self._paho.ack(mid, qos)
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
        self._awaited[asked] = future
        asked_s = self._loop.time()
        try:
            while True:
                until_s = max(asked_s, self._answered_s) + self._answer_timeout_s
                left_s = until_s - self._loop.time()
                if left_s <= 0:
                    self._lost(f"no answer to {what} within {self._answer_timeout_s:g} s")
                    raise self._error()
                await asyncio.wait((future,), timeout=left_s)
                if future.done():
                    return future.result()
        finally:
            self._awaited.pop(asked, None)

    # Opening and closing.

    async def _open(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                # aiomqtt's own connect waits in a thread that a process cannot end without, and
                # overlooks a broker that hangs up before it answers CONNECT.
                await _in_thread(self._client._client_connect)  # noqa: SLF001
                refusal = await self._answered
        except TimeoutError as error:
            what = f"no answer within {timeout_s:g} s"
            kind = _SilentAtConnect if self._reached else UplinkError
            raise kind(self._where, what, "an MQTT broker") from error
        except (OSError, ValueError) as error:
            raise UplinkError(self._where, reasons.no_connection(error)) from error
        if refusal is not None:
            raise refusal

    async def _leave(self, *, polite: bool) -> None:
        try:
            if polite and not self.closed.is_set():
                self._paho.disconnect()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GOODBYE_S):
                        await self.closed.wait()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """End it here and now, whatever the peer does and whatever a thread still attempts."""
        self._abandoned = True
        self._lost("closed")
        # Nothing public closes without waiting for the peer.
        self._paho._sock_close()  # noqa: SLF001

    def _lost(self, why: str, code: int | None = None) -> None:
        if self.closed.is_set():
            return
        self.reason, self.code = why, code
        self.closed.set()
        self._settle_connect(_ClosedAtConnect(self._where, why))
        self._arrived.set()
        for future in self._awaited.values():
            if not future.done():
                future.set_exception(self._error())

    # What paho calls. Nothing here may close the socket: paho holds a lock meanwhile.

    def _hook(self, connect_timeout_s: float) -> None:
        paho = self._paho
        paho.on_connect = self._on_connect
        paho.on_disconnect = self._on_disconnect
        paho.on_socket_open = self._on_socket_open
        paho.on_socket_close = self._on_socket_close
        paho.on_socket_register_write = self._on_socket_register_write
        paho.on_socket_unregister_write = self._on_socket_unregister_write
        paho.on_publish = self._on_publish
        paho.on_subscribe = self._on_subscribe
        paho.on_message = self._on_message
        paho.manual_ack_set(True)
        paho.connect_timeout = connect_timeout_s
        self._receive_any = paho._sock_recv  # noqa: SLF001
        paho._sock_recv = self._receive  # type: ignore[assignment,method-assign]  # noqa: SLF001

    # A socket is watched only while it is paho's: aiomqtt would begin to watch one that has been
    # closed meanwhile, and by then its number may be another connection's.

    def _on_socket_open(self, _client: Any, _userdata: Any, sock: Any) -> None:
        # In the thread that connects. If nobody waits for it any more it must not go on to
        # CONNECT: it would throw out the connection that came after it, and nobody would ping.
        if self._abandoned:
            sock.close()
            raise ConnectionAbortedError("abandoned")
        self._reached = True
        # An alarm behind another small message would wait until the broker's system confirms
        # that one, which it puts off for up to 40 ms.
        with contextlib.suppress(OSError):  # no reason to stay away
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.call_soon_threadsafe(self._watch, sock)

    def _watch(self, sock: socket.socket) -> None:
        if self._paho.socket() is sock:
            self._loop.add_reader(sock, self._read, sock)
            self._pings = self._loop.create_task(self._client._misc_loop())  # noqa: SLF001

    def _on_socket_close(self, _client: Any, _userdata: Any, sock: Any) -> None:
        if sock.fileno() >= 0:  # one that came too late is closed already
            self._loop.remove_reader(sock)
        if self._pings is not None:
            self._pings.cancel()

    def _on_socket_register_write(self, _client: Any, _userdata: Any, sock: Any) -> None:
        # Perhaps in the thread that connects.
        self._loop.call_soon_threadsafe(self._watch_writing, sock)

    def _watch_writing(self, sock: socket.socket) -> None:
        if self._paho.socket() is sock and self._paho.want_write():
            self._loop.add_writer(sock, self._carefully, self._paho.loop_write)

    def _on_socket_unregister_write(self, _client: Any, _userdata: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)

    def _read(self, sock: Any) -> None:
        while True:
            self._carefully(self._paho.loop_read)
            # What OpenSSL has decrypted already, no selector tells of.
            pending = getattr(sock, "pending", int)
            if self.closed.is_set() or self._paho.socket() is not sock or not pending():
                return

    def _carefully(self, step: Callable[[], object]) -> None:
        """A packet that paho cannot digest ends the link, not the agent."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  whatever it is, the broker has caused it
            told = reasons.quoted(f"{type(error).__name__}: {error}")
            self._lost(f"the link broke (a packet that cannot be read: {told})")

    def _receive(self, size: int) -> bytes:
        """The next bytes for paho. A packet beyond what we announced ends the link before it is
        taken, since a broker may announce a quarter of a gigabyte by four bytes.
        """
        packet = self._paho._in_packet  # noqa: SLF001
        if packet["have_remaining"]:
            length, wrong = packet["remaining_length"], ""
            if length > MAXIMUM_PACKET:
                wrong = f"a packet of {length} bytes; expected at most {MAXIMUM_PACKET}"
            elif packet["command"] & _TYPE_AND_QOS == _PUBLISH_QOS_2:
                wrong = "a message of QoS 2, which nobody asked for"
            if wrong:
                self._lost(f"the broker sent {wrong}")
                raise ConnectionAbortedError(wrong)
        received: bytes = self._receive_any(size)
        return received

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
        self._settle_connect(_ClosedAtConnect(self._where, "hung up at CONNECT"))
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
        future = self._awaited.get(asked)
        if future is not None and not future.done():
            future.set_result(codes)

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


def _in_thread(call: Callable[[], None]) -> asyncio.Future[None]:
    """The end of a call that may block; nobody has to wait for it when the process ends.

    The resolver alone may take half a minute where there is no network.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def work() -> None:
        error: Exception | None = None
        try:
            call()
        except Exception as caught:  # noqa: BLE001  whatever it is, it belongs to who waits
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=work, name="MQTT connect", daemon=True).start()
    return ended


def _client(options: _Options, protocol: str) -> aiomqtt.Client:
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
        keepalive=_wire_keepalive(options.keepalive_s),
        timeout=options.connect_timeout_s,
        tls_context=tls.context(options.ca) if options.broker.tls else None,
        logger=_SILENT,
    )


def _properties(packet: int, **values: int) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _wire_keepalive(keepalive_s: float) -> int:
    """The keep-alive to ask for, so that silence is noticed within 1.5 times `keepalive_s`. [s]

    paho pings after one interval and gives up after a second one; aiomqtt lets it look once a
    second.
    """
    return max(1, int(0.75 * keepalive_s - 1))
