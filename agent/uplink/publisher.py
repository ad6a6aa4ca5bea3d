"""The node's side of the uplink: lanes of the log -> session -> broker, and acknowledgements back.

`run` keeps the link for ever. A broker that is away, refuses or vanishes is a delay and a line of
log, never an error: the records stay in the log until every required consumer has acknowledged
them. What may be sent when is session.py's, what it looks like wire.py's, how it travels mqtt.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from agent.clock import Clock
from agent.errors import RecordError, StoreError, UplinkError
from agent.site import Uplink
from agent.store import cbor, entries
from agent.store.cursors import Cursors
from agent.store.journal import declared_losses, lowest_seq
from agent.uplink import mqtt, topics, wire
from agent.uplink.backoff import Backoff
from agent.uplink.feed import Feed, last_of
from agent.uplink.mqtt import Message, Port, Refused, Will
from agent.uplink.session import ACK_WAIT_US, WINDOW, Session

# contract.md section 4.
ENVELOPE_BYTES = 8192
# Guard says when the log grows; this often it is looked at anyway, should a word be lost.
LOOK_PERIOD_S = 1.0
# Marks that a power cut takes back only cause a resend, so they need not be saved more often.
SAVE_PERIOD_S = 1.0
# The whole goodbye, marks included, has 2 s of the 5 s in which the agent ends.
GOODBYE_S = 1.0
# Where `sent` stands among the consumers' marks: no consumer may have this name.
SENT = "+sent"
# Lines about one and the same trouble: the first tells, the counters go on.
TOLD = 64

# Acknowledgements that are not taken, and why.
REFUSALS = {
    "epoch": "it is of another log",
    "lane": "there is no such lane",
    "beyond": "the log does not reach so far",
}
PROTOCOL_NAMES = {"5": "5", "311": "3.1.1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who speaks: the names in its topics, and what `birth` tells of it."""

    site: str
    node: str
    model: str
    config_hash: bytes
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """How far a lane has come: seqs. `marks`: what each required consumer has acknowledged."""

    next: int
    sent: int
    acked: int
    marks: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The uplink at this moment; counters run since the process started.

    `trouble`: why there is no link, "" when there is one. `sends_unheard`: messages that the broker
    took though nobody had subscribed. `refused_messages`: from others, that could not be taken.
    """

    online: bool
    protocol: str
    connections: int
    trouble: str
    lanes: Mapping[str, LaneStatus]
    resends: int
    acks_moved: int
    acks_refused: int
    sends_refused: int
    sends_unheard: int
    unreadable: int
    refused_messages: int
    live_sent: int
    live_dropped: int


class Publisher:
    """Sends the lanes of one log to the broker of one site.

    uplink: where to, as the site file says. log: the folder of the lanes; epoch: its identity.
    state_dir: where marks and the connection counter are kept; made when absent. tell: takes one
    line about trouble. The rest are limits with reasons of their own in session.py and mqtt.py.
    """

    def __init__(
        self,
        *,
        uplink: Uplink,
        identity: Identity,
        log: Path,
        epoch: int,
        state_dir: Path,
        clock: Clock,
        lanes: str = "".join(topics.LANES),
        backoff: Backoff | None = None,
        window: int = WINDOW,
        ack_wait_us: int = ACK_WAIT_US,
        keepalive_s: float = mqtt.KEEPALIVE_S,
        connect_timeout_s: float = mqtt.CONNECT_TIMEOUT_S,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        if uplink.broker is None:
            raise ValueError("uplink without a broker; expected its URL")
        self._uplink = uplink
        self._broker = uplink.broker
        self._identity = identity
        self._log = log
        self._state_dir = state_dir
        self._epoch = epoch
        self._clock = clock
        self._backoff = backoff or Backoff(random.SystemRandom().randrange)
        self._keepalive_s = keepalive_s
        self._connect_timeout_s = connect_timeout_s
        self._tell_line = tell or _say
        self._asked: Callable[[str, str, str | None], None] | None = None
        self._told: set[str] = set()
        self._session = Session(
            epoch,
            uplink.consumers,
            ack=uplink.ack,
            lanes=lanes,
            window=window,
            ack_wait_us=ack_wait_us,
        )
        self._lanes = lanes
        self._feeds: dict[str, Feed] = {}
        self._cursors: Cursors | None = None
        self._connections = 0
        self._wake = asyncio.Event()
        self._meters: Sequence[Mapping[str, Any]] | None = None
        self._metered = asyncio.Event()
        self._settings = ""
        self._reborn = asyncio.Event()
        self._port: Port | None = None
        self._trouble = "not connected yet"
        self._refused_messages = 0
        self._live_sent = 0
        self._live_dropped = 0

    # For those beside it in the process.

    def log_grew(self) -> None:
        """There may be something new in the log."""
        self._wake.set()

    def settings_in_force(self, version: str) -> None:
        """Which protection settings judge now; `birth` tells it, anew where the link stands."""
        if version != self._settings:
            self._settings = version
            self._reborn.set()

    def live(self, meters: Sequence[Mapping[str, Any]]) -> None:
        """What the bays measure now, each by the names of entries.unmetered.

        The latest wins; what no link took meanwhile is counted and gone.
        """
        if self._meters is not None:
            self._live_dropped += 1
        self._meters = meters
        self._metered.set()

    @property
    def status(self) -> Status:
        """How it stands."""
        session = self._session
        port = self._port
        return Status(
            online=port is not None,
            protocol="" if port is None else PROTOCOL_NAMES[port.protocol],
            connections=self._connections,
            trouble=self._trouble,
            lanes={lane: self._lane_status(lane) for lane in self._lanes},
            resends=session.resends,
            acks_moved=session.acks_moved,
            acks_refused=session.acks_refused,
            sends_refused=session.sends_refused,
            sends_unheard=session.sends_unheard,
            unreadable=sum(feed.unreadable for feed in self._feeds.values()),
            refused_messages=self._refused_messages,
            live_sent=self._live_sent,
            live_dropped=self._live_dropped,
        )

    async def run(self, asked: Callable[[str, str, str | None], None] | None = None) -> None:
        """Until cancelled; then it says goodbye within 2 s.

        asked: takes a question that is to be answered in lane s; None: nobody answers.
        """
        self._asked = asked
        self._take_up()
        try:
            while True:
                try:
                    await self._connection()
                except UplinkError as error:
                    await self._stay_away(error)
        finally:
            self._save()
            for feed in self._feeds.values():
                feed.close()

    # Before the first connection.

    def _take_up(self) -> None:
        """Go on where the last process stopped."""
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            self._cursors = Cursors(self._state_dir / "cursors", epoch=self._epoch)
            if self._cursors.found == "damaged":
                self._tell("the marks are damaged: everything in the log is sent again")
        except (OSError, StoreError) as error:
            # Without marks everything is sent again, which consumers notice by the keys.
            self._tell(f"{error}; going on without marks")
        for lane in self._lanes:
            if self._cursors is not None:
                marks = {name: self._cursors.mark(name, lane) for name in self._session.consumers}
                self._session.restore(lane, self._cursors.mark(SENT, lane), marks)

    def _count_connection(self) -> int:
        """The number of the connection to be tried now; on disk before anyone can hear of it."""
        try:
            # Its epoch never changes: unlike marks, this outlives a log that is made anew.
            file = Cursors(self._state_dir / "connections", epoch=0)
            number = max(self._connections, file.mark("connections", "all")) + 1
            if file.found == "damaged":
                # Whatever it was, it counted connections and not seconds.
                number = max(number, self._clock.stamp(self._clock.now_us()).utc_us // 1_000_000)
            file.advance("connections", "all", number)
            file.save()
        except StoreError as error:
            self._tell(str(error))
            number = self._connections + 1
        self._connections = number
        return number

    # One connection.

    async def _connection(self) -> None:
        number = self._count_connection()
        will = Will(self._topic(topics.STATE), self._state(number, online=False))
        async with mqtt.connect(
            self._broker,
            f"ftu-{self._identity.site}-{self._identity.node}",
            protocol=self._uplink.protocol,
            will=will,
            username=self._uplink.username,
            password=self._password(),
            ca=self._uplink.ca,
            keepalive_s=self._keepalive_s,
            connect_timeout_s=self._connect_timeout_s,
        ) as port:
            self._backoff.connected(self._clock.now_us())
            try:
                await self._introduce(port, number)
                await self._serve(port)
            except asyncio.CancelledError:
                await self._goodbye(port, number)
                raise
            finally:
                self._port = None
                self._session.disconnected(self._clock.now_us())
                self._save()

    async def _introduce(self, port: Port, number: int) -> None:
        """Hear what is acknowledged already, then say that we are there."""
        self._look()
        await port.subscribe(self._topic(topics.ACK, consumer="+"))
        await self._if_allowed(port.subscribe(self._topic(topics.ASK)))
        host = topics.topic(topics.HOST, self._identity.site, consumer="+")
        await self._if_allowed(port.subscribe(host))
        state = self._state(number, online=True)
        await self._if_allowed(self._publish(port, topics.STATE, state))
        await self._if_allowed(self._publish(port, topics.BIRTH, self._birth(port)))
        for message in iter(port.waiting, None):
            self._hear(message)

    async def _if_allowed(self, ceremony: Awaitable[None]) -> None:
        """Records are worth more than the ceremony around them."""
        try:
            await ceremony
        except Refused as error:
            self._tell(str(error))

    async def _serve(self, port: Port) -> None:
        """Everything that goes on while the link stands; ends by an UplinkError."""
        self._session.connected(self._clock.now_us(), port.receive_maximum)
        self._port, self._trouble = port, ""
        self._told.clear()
        self._tell(f"{self._broker_name()}: connected, MQTT {PROTOCOL_NAMES[port.protocol]}")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(port), name="hear acknowledgements")
                tasks.create_task(self._send(port, tasks), name="send records")
                tasks.create_task(self._show(port), name="send live values")
                tasks.create_task(self._tell_anew(port), name="tell other settings")
                tasks.create_task(self._keep(), name="keep marks")
                # Waiting in the body: a group that is only waited for at its end leaves, before
                # Python 3.13, its own cancellation counted on this task (cpython #116720).
                await asyncio.get_running_loop().create_future()
        except BaseExceptionGroup as group:
            broken, other = group.split(UplinkError)
            if broken is None or other is not None:
                raise
            # All of them tell of one and the same link. A cancellation that came together with it
            # was not passed on by the group.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from group
            raise broken.exceptions[0] from None

    async def _send(self, port: Port, tasks: asyncio.TaskGroup) -> None:
        """Send whatever the session says may go, as often as that may have changed."""
        while True:
            self._wake.clear()
            self._look()
            while due := self._session.next_send(self._clock.now_us()):
                lane, first, resent = due
                message = self._message(port, lane, first, resent=resent)
                if message is not None:
                    tasks.create_task(self._deliver(port, *message))
            await self._sleep()

    async def _deliver(self, port: Port, token: int, topic: str, payload: bytes) -> None:
        """One message to its PUBACK."""
        try:
            code = await port.publish(topic, payload)
        except Refused as error:
            self._tell(str(error))
            self._session.published(token, False, self._clock.now_us())
        else:
            if code == mqtt.NO_SUBSCRIBERS:
                self._tell(f"{topic}: nobody has subscribed; the records wait")
                self._session.unheard(token, self._clock.now_us())
            else:
                self._session.published(token, True, self._clock.now_us())
        self._wake.set()

    async def _listen(self, port: Port) -> None:
        async for message in port.messages():
            self._hear(message)
            self._wake.set()

    async def _show(self, port: Port) -> None:
        """Live values, the latest ones, as fast as the socket takes them."""
        while True:
            await self._metered.wait()
            self._metered.clear()
            meters, self._meters = self._meters or (), None
            try:
                payload = self._live_payload(meters)
                await self._publish(port, topics.LIVE, payload)
                self._live_sent += 1
            except (KeyError, TypeError, ValueError, Refused) as error:
                self._live_dropped += 1
                self._tell(f"live values: {error}")

    async def _tell_anew(self, port: Port) -> None:
        while True:
            await self._reborn.wait()
            self._reborn.clear()
            await self._if_allowed(self._publish(port, topics.BIRTH, self._birth(port)))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SAVE_PERIOD_S)
            self._save()

    async def _goodbye(self, port: Port, number: int) -> None:
        with contextlib.suppress(UplinkError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._publish(port, topics.STATE, self._state(number, online=False))

    async def _stay_away(self, error: UplinkError) -> None:
        now_us = self._clock.now_us()
        delay_us = self._backoff.failed(now_us)
        self._trouble = str(error)
        self._tell(f"{error}; the records wait in the log")
        until_us = now_us + delay_us
        while (left_us := until_us - self._clock.now_us()) > 0:
            self._look()
            await asyncio.sleep(min(left_us / 1e6, LOOK_PERIOD_S))

    async def _sleep(self) -> None:
        """Until something changes, or the session wants to be asked again."""
        now_us = self._clock.now_us()
        wake_us = self._session.wake_at(now_us)
        timeout_s = LOOK_PERIOD_S
        if wake_us is not None:
            timeout_s = min(timeout_s, max(0.0, (wake_us - now_us) / 1e6))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()

    # The log, towards messages.

    def _look(self) -> None:
        """How far each lane reaches now."""
        for lane in self._lanes:
            try:
                if lane not in self._feeds:
                    start = self._session.sent(lane) + 1
                    self._feeds[lane] = Feed(self._log, lane, start=start, tell=self._tell)
                self._session.available(lane, self._feeds[lane].grow())
            except StoreError as error:
                self._tell(str(error))

    def _message(
        self, port: Port, lane: str, first: int, *, resent: bool
    ) -> tuple[int, str, bytes] | None:
        """(token, topic, payload) of the message due; None when the log refuses, for a while."""
        topic = self._topic(topics.LANES[lane])
        limit = port.payload_limit(topic, ENVELOPE_BYTES)
        flags = wire.REPLAY if resent else 0
        try:
            items = self._feeds[lane].items(first)
            if not items:
                raise StoreError(str(self._log), f"lane {lane}: seq {first} is not there any more")
        except StoreError as error:
            self._tell(str(error))
            token = self._session.sending(lane, first, first)
            self._session.published(token, False, self._clock.now_us())
            return None
        envelope, taken = wire.envelope(self._epoch, lane, items, limit, flags)
        last = last_of(items[taken - 1])
        self._session.available(lane, last + 1)
        return self._session.sending(lane, first, last), topic, cbor.dumps(envelope)

    def _save(self) -> None:
        """Bring the marks to disk; without a disk they stay in memory."""
        if self._cursors is None:
            return
        try:
            for lane in self._lanes:
                self._cursors.advance(SENT, lane, self._session.sent(lane))
                for name, mark in self._session.marks(lane).items():
                    self._cursors.advance(name, lane, mark)
            self._cursors.save()
        except StoreError as error:
            self._tell(str(error))

    # What comes in.

    def _hear(self, message: Message) -> None:
        """An acknowledgement or a presence; anything else is counted and told."""
        if not message.payload:  # a retained message that somebody has removed
            return
        try:
            name, _, _, consumer = topics.parse(message.topic)
            if name == topics.ACK and consumer is not None:
                self._hear_ack(consumer, *cbor.parsed(message.payload, wire.open_ack))
            elif name == topics.ASK:
                self._hear_question(*cbor.parsed(message.payload, wire.open_ask))
            elif name == topics.HOST and consumer is not None:
                online, _, _ = cbor.parsed(message.payload, wire.open_state)
                # One that was retained was there before us, and we begin at its mark anyway.
                if online and not message.retained:
                    self._session.returned(consumer, self._clock.now_us())
        except (RecordError, ValueError) as error:
            self._refused_messages += 1
            self._tell(f"{message.topic}: {error}")

    def _hear_question(self, token: str, what: str, of: str | None, until_us: int | None) -> None:
        """Passed on, unless its time is over by a clock that is set."""
        stamp = self._clock.stamp(self._clock.now_us())
        late = until_us is not None and stamp.error_us is not None and stamp.utc_us > until_us
        if self._asked is not None and not late:
            self._asked(token, what, of)

    def _hear_ack(self, consumer: str, epoch: int, marks: dict[str, int]) -> None:
        now_us = self._clock.now_us()
        for lane, mark in sorted(marks.items()):
            verdict = self._session.acknowledged(consumer, epoch, lane, mark, now_us)
            if verdict in REFUSALS:
                what = REFUSALS[verdict]
                self._tell(f"{consumer} acknowledges lane {lane} up to {mark}: refused, {what}")

    # Payloads.

    def _birth(self, port: Port) -> bytes:
        identity, uplink = self._identity, self._uplink
        stamp = self._clock.stamp(self._clock.now_us())
        versions, config_hash = dict(identity.versions), identity.config_hash
        if self._settings:
            versions["settings"] = self._settings
            together = sha256(config_hash + self._settings.encode())
            config_hash = together.digest()[: len(config_hash)]
        return cbor.dumps(
            wire.birth(
                node=identity.node,
                model=identity.model,
                versions=versions,
                config_hash=config_hash,
                lanes={lane: self._lane_state(lane) for lane in self._lanes},
                clock=(stamp.boot, stamp.mono_us, stamp.utc_us, stamp.source, stamp.error_us),
                protocol=PROTOCOL_NAMES[port.protocol],
                ack=uplink.ack,
                consumers=list(uplink.consumers),
            )
        )

    def _lane_state(self, lane: str) -> tuple[int, int, int, list[tuple[int, int, str]]]:
        self._look()
        lowest, lost = 1, []
        try:
            lowest = lowest_seq(self._log, lane)
            losses = declared_losses(self._log, lane)
            lost = [(loss.first, loss.last, loss.reason) for loss in losses]
        except (OSError, StoreError) as error:
            self._tell(str(error))
        next_seq = self._feeds[lane].next_seq if lane in self._feeds else lowest
        return self._epoch, lowest, next_seq, lost

    def _lane_status(self, lane: str) -> LaneStatus:
        session = self._session
        next_seq = self._feeds[lane].next_seq if lane in self._feeds else session.sent(lane) + 1
        return LaneStatus(next_seq, session.sent(lane), session.acked(lane), session.marks(lane))

    def _live_payload(self, meters: Sequence[Mapping[str, Any]]) -> bytes:
        stamp = self._clock.stamp(self._clock.now_us())
        rows = [entries.meter_row(meter) for meter in meters]
        return cbor.dumps(wire.live(stamp.utc_us, stamp.mono_us, rows))

    def _state(self, number: int, *, online: bool) -> bytes:
        utc_us = self._clock.stamp(self._clock.now_us()).utc_us
        return cbor.dumps(wire.state(online, number, utc_us))

    async def _publish(self, port: Port, name: str, payload: bytes) -> None:
        """Publish on one of our own topics, as the table says."""
        _, _, qos, retain, expiry_s, _ = topics.TOPICS[name]
        await port.publish(self._topic(name), payload, qos=qos, retain=retain, expiry_s=expiry_s)

    def _topic(self, name: str, consumer: str | None = None) -> str:
        return topics.topic(name, self._identity.site, self._identity.node, consumer)

    def _broker_name(self) -> str:
        return str(mqtt.parse_broker(self._broker))

    def _password(self) -> str | None:
        path = self._uplink.password_file
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UplinkError(str(path), f"no password ({error})") from error

    def _tell(self, line: str) -> None:
        """Each line once while the link stands, or while it is away."""
        if line not in self._told and len(self._told) < TOLD:
            self._told.add(line)
            self._tell_line(line)


def _say(line: str) -> None:
    sys.stderr.write(f"ftu-agent uplink: {line}\n")
