"""The node's side of the uplink: lanes of the log -> session -> broker, and acknowledgements back.

`run` keeps the link for ever. A broker that is away, refuses or vanishes is a delay and a line of
log, never an error: the records stay in the log until every required consumer has acknowledged
them. What may be sent when is session.py's, what it looks like wire.py's and envelopes.py's, what
comes in hearing.py's, how it travels mqtt.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.clock import Clock, Stamp
from agent.errors import StoreError, UplinkError
from agent.metrics import Values
from agent.site import Uplink
from agent.store import cbor, entries
from agent.uplink import mqtt, reasons, topics, wire
from agent.uplink.backoff import Backoff
from agent.uplink.birth import Birth
from agent.uplink.broker import parse_broker
from agent.uplink.envelopes import Envelopes
from agent.uplink.figures import Figures
from agent.uplink.hearing import Asked, Brake, Hearing
from agent.uplink.memory import Memory
from agent.uplink.mqtt import Message, Port, Refused, Will
from agent.uplink.pacing import JITTER_US, Pacing
from agent.uplink.session import ACK_WAIT_US, AHEAD, HEAD, REQUEST, WINDOW, Session
from agent.uplink.status import Identity, LaneStatus, Status

if TYPE_CHECKING:
    from agent.uplink.commands import Commands
    from agent.uplink.session import Due

__all__ = ["Identity", "Publisher"]

# contract.md section 4.
ENVELOPE_BYTES = 8192
# Guard says when the log grows; this often it is looked at anyway, should a word be lost.
LOOK_PERIOD_S = 1.0
# Marks that a power cut takes back only cause a resend, so they need not be saved more often.
SAVE_PERIOD_S = 1.0
# `state` is told anew where its figures have changed, at most so often: a hundred bytes an hour
# on a quiet feeder, six kilobytes on a busy one.
STATE_PERIOD_S = 60.0
# A required consumer that has given no sign for so long is told by its name.
NEVER_HEARD_S = 60.0
# The whole goodbye, marks included, has 2 s of the 5 s in which the agent ends.
GOODBYE_S = 1.0
# Lines about one and the same trouble: the first tells, the counters go on.
TOLD = 64

PROTOCOL_NAMES = {"5": "5", "311": "3.1.1"}


class Publisher:
    """Sends the lanes of one log to the broker of one site.

    uplink: where to, as the site file says. log: the folder of the lanes; epoch: its identity.
    state_dir: where marks and the connection counter are kept; made when absent. tell: takes one
    line about trouble; alarm: (what, detail) of trouble that lasts until a person acts, and may
    raise StoreError. The rest are limits with reasons of their own in session.py and mqtt.py.
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
        jitter_us: int = JITTER_US,
        state_period_s: float = STATE_PERIOD_S,
        keepalive_s: float = mqtt.KEEPALIVE_S,
        connect_timeout_s: float = mqtt.CONNECT_TIMEOUT_S,
        tell: Callable[[str], None] | None = None,
        alarm: Callable[[str, str], None] | None = None,
    ) -> None:
        if uplink.broker is None:
            raise ValueError("uplink without a broker; expected its URL")
        self._uplink = uplink
        self._broker = uplink.broker
        self._identity = identity
        self._clock = clock
        below = random.SystemRandom().randrange
        self._backoff = backoff or Backoff(below)
        self._state_period_s = state_period_s
        self._keepalive_s = keepalive_s
        self._connect_timeout_s = connect_timeout_s
        self._tell_line = tell or _say
        self._told: set[str] = set()
        self._alarm = alarm or (lambda _what, _detail: None)
        self._alarmed: set[str] = set()
        self._session = Session(
            epoch,
            uplink.consumers,
            ack=uplink.ack,
            lanes=lanes,
            pacing=Pacing(below, jitter_us),
            window=window,
            ack_wait_us=ack_wait_us,
        )
        self._lanes = lanes
        self._envelopes = Envelopes(log, epoch, self._tell)
        self._memory = Memory(state_dir, epoch, clock, self._tell)
        self._figures = Figures(log, self._session, lanes)
        self._hearing = Hearing(
            self._session,
            clock=clock,
            asked=self._ask,
            commanded=self._command,
            moved=self._acked,
            tell=self._tell,
        )
        self._asked: Asked | None = None
        self._commands: Commands | None = None
        self._answered = asyncio.Event()
        self._glance: Mapping[str, int] = {}
        self._wake = asyncio.Event()
        self._grown: set[str] = set()
        self._looked_us = 0
        self._meters: Sequence[Mapping[str, Any]] | None = None
        self._metered = asyncio.Event()
        self._birth = Birth(identity, uplink, log=log, epoch=epoch, lanes=lanes, tell=self._tell)
        self._reborn = asyncio.Event()
        self._port: Port | None = None
        self._trouble = "not connected yet"
        self._live_sent = 0
        self._live_dropped = 0

    # For those beside it in the process.

    def log_grew(self, lanes: str | None = None) -> None:
        """There may be something new in these lanes; None: in any."""
        grown = self._lanes if lanes is None else lanes
        self._grown.update(grown)
        now_us = self._clock.now_us()
        if any(not self._session.rests(lane, now_us) for lane in grown):
            self._wake.set()

    def settings_in_force(self, version: str) -> None:
        """Which protection settings judge now; `birth` tells it, anew where the link stands."""
        if version != self._birth.settings:
            self._birth.settings = version
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
            connections=self._memory.connections,
            trouble=self._trouble,
            lanes={lane: self._lane_status(lane) for lane in self._lanes},
            resends=session.resends,
            acks_moved=session.acks_moved,
            acks_refused=session.acks_refused,
            sends_refused=session.sends_refused,
            sends_unheard=session.sends_unheard,
            unreadable=self._envelopes.unreadable,
            oversize=self._envelopes.oversize,
            refused_messages=self._hearing.refused,
            requests_taken=session.requests_taken,
            requests_refused=session.requests_refused + self._hearing.asks_refused,
            never_heard=tuple(session.never_heard),
            live_sent=self._live_sent,
            live_dropped=self._live_dropped,
        )

    def metrics(self) -> Values:
        """How log and delivery stand, by the names of agent/metrics.py."""
        told = self._figures.told(self.status, self._now())
        if self._commands is not None:
            told["commands_obeyed_total", ""] = self._commands.obeyed
            told["commands_refused_total", ""] = self._commands.refused
        return told

    def metrics_told(self) -> None:
        """They are in the log: what is measured over an interval begins anew."""
        self._figures.clear()

    def brake(self, own: Brake) -> None:
        """A brake for this terminal alone; see Hearing.brake."""
        self._hearing.brake(own)
        self._wake.set()

    async def run(self, asked: Asked | None = None, commands: Commands | None = None) -> None:
        """Until cancelled; then it says goodbye within 2 s.

        asked: takes a question that is to be answered in lane s; None: nobody answers. commands:
        takes what is commanded; None: nobody obeys, or refuses.
        """
        self._asked = asked
        self._commands = commands
        if commands is not None:
            commands.news = self._answered.set
        self._memory.restore(self._session, self._lanes)
        try:
            while True:
                try:
                    await self._connection()
                except UplinkError as error:
                    await self._stay_away(error)
        finally:
            self._memory.save(self._session, self._lanes)
            self._envelopes.close()

    # One connection.

    async def _connection(self) -> None:
        number = self._memory.count_connection()
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
                await self._serve(port, number)
            except asyncio.CancelledError:
                await self._goodbye(port, number)
                raise
            finally:
                self._port = None
                self._session.disconnected(self._clock.now_us())
                self._figures.lag.disconnected()
                self._memory.save(self._session, self._lanes)

    async def _introduce(self, port: Port, number: int) -> None:
        """Hear what is acknowledged already and whether to brake, then say that we are there."""
        self._look(everywhere=True)
        self._hearing.connected(number)
        await port.subscribe(self._topic(topics.ACK, consumer="+"))
        site = self._identity.site
        for other in (
            topics.topic(topics.HOST, site, consumer="+"),
            topics.topic(topics.DRAIN, site),
            self._topic(topics.REPLAY),
            self._topic(topics.ASK),
            self._topic(topics.CMD, consumer="+"),
        ):
            await self._if_allowed(port.subscribe(other))
        # What is retained there is the last word under our name, so it is asked for before ours.
        await self._if_allowed(port.subscribe(self._topic(topics.STATE)))
        self._glance = self._figures.glance(self.metrics())
        state = self._state(number, online=True, figures=self._glance)
        await self._if_allowed(self._publish(port, topics.STATE, state))
        await self._if_allowed(self._publish(port, topics.BIRTH, self._birth_payload(port)))
        for message in iter(port.waiting, None):
            self._hearing.hear(message)

    async def _if_allowed(self, ceremony: Awaitable[None]) -> None:
        """Records are worth more than the ceremony around them."""
        try:
            await ceremony
        except Refused as error:
            self._tell(str(error))

    async def _serve(self, port: Port, number: int) -> None:
        """Everything that goes on while the link stands; ends by an UplinkError."""
        self._session.connected(self._clock.now_us(), port.receive_maximum)
        self._port, self._trouble = port, ""
        self._told.clear()
        self._alarmed.clear()
        self._tell(f"{self._broker_name()}: connected, MQTT {PROTOCOL_NAMES[port.protocol]}")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(port), name="hear acknowledgements")
                tasks.create_task(self._send(port, tasks), name="send records")
                tasks.create_task(self._show(port), name="send live values")
                tasks.create_task(self._tell_anew(port), name="tell other settings")
                tasks.create_task(self._answer(port), name="tell results")
                tasks.create_task(self._keep(), name="keep marks")
                tasks.create_task(self._tell_state(port, number), name="tell state")
                tasks.create_task(self._miss(), name="miss consumers")
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
                message = self._message(port, due)
                if message is not None:
                    tasks.create_task(self._deliver(port, *message))
            await self._sleep()

    async def _deliver(self, port: Port, token: int, topic: str, payload: bytes) -> None:
        """One message to its PUBACK."""
        try:
            code = await port.publish(topic, payload)
        except Refused as error:
            code = error.code
            self._tell(str(error))
        now_us = self._clock.now_us()
        if code == reasons.QUOTA_EXCEEDED:
            self._session.exhausted(token, now_us)
        elif code == mqtt.NO_SUBSCRIBERS:
            self._tell(f"{topic}: nobody has subscribed; the records wait")
            self._session.unheard(token, now_us)
        else:
            self._session.published(token, code < reasons.FAILURE, now_us)
        ok = code < reasons.FAILURE and code != mqtt.NO_SUBSCRIBERS
        self._figures.lag.answered(token, now_us, ok=ok)
        self._wake.set()

    async def _listen(self, port: Port) -> None:
        async for message in port.messages():
            self._hearing.hear(message)
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
            await self._if_allowed(self._publish(port, topics.BIRTH, self._birth_payload(port)))

    async def _answer(self, port: Port) -> None:
        """Results of commands. One that the link takes with it stands in lane s."""
        while self._commands is not None:
            self._answered.clear()
            while self._commands.results:
                payload = self._commands.results.popleft()
                await self._if_allowed(self._publish(port, topics.RES, payload))
            await self._answered.wait()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SAVE_PERIOD_S)
            self._memory.save(self._session, self._lanes)

    async def _tell_state(self, port: Port, number: int) -> None:
        """How log and delivery stand, where that has changed."""
        while True:
            await asyncio.sleep(self._state_period_s)
            glance = self._figures.glance(self.metrics())
            if glance != self._glance:
                self._glance = glance
                state = self._state(number, online=True, figures=glance)
                await self._if_allowed(self._publish(port, topics.STATE, state))

    async def _miss(self) -> None:
        """A required consumer whose name nobody knows would hold up every lane for ever."""
        await asyncio.sleep(NEVER_HEARD_S)
        for name in self._session.never_heard:
            self._tell(f"consumer {name} is required and was never heard of; the records wait")

    async def _goodbye(self, port: Port, number: int) -> None:
        with contextlib.suppress(UplinkError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._publish(port, topics.STATE, self._state(number, online=False))

    async def _stay_away(self, error: UplinkError) -> None:
        now_us = self._clock.now_us()
        if getattr(error, "code", None) == reasons.QUOTA_EXCEEDED:
            self._session.pacing.exhausted(now_us)
        delay_us = self._backoff.failed(now_us, lasting=reasons.lasting(error))
        self._trouble = str(error)
        self._alert(error)
        self._tell(f"{error}; the records wait in the log")
        until_us = now_us + delay_us
        while (left_us := until_us - self._clock.now_us()) > 0:
            self._look()
            await asyncio.sleep(min(left_us / 1e6, LOOK_PERIOD_S))

    def _alert(self, error: UplinkError) -> None:
        """What only a person can end goes into the log, each kind once until the link is good."""
        what = reasons.ALARMS.get(getattr(error, "code", 0))
        if what is not None and what not in self._alarmed:
            self._alarmed.add(what)
            try:
                self._alarm(what, str(error))
            except StoreError as refused:
                self._tell(str(refused))

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

    def _look(self, *, everywhere: bool = False) -> None:
        """How far lanes reach now: those that grew, and from time to time all of them."""
        now_us = self._clock.now_us()
        if everywhere or now_us - self._looked_us >= LOOK_PERIOD_S * 1e6:
            self._looked_us = now_us
            self._grown.update(self._lanes)
        grown, self._grown = self._grown, set()
        for lane in self._lanes:
            if lane not in grown:
                continue
            try:
                start = self._session.sent(lane) + 1
                self._session.available(lane, self._envelopes.grow(lane, start))
            except StoreError as error:
                self._tell(str(error))

    def _message(self, port: Port, due: Due) -> tuple[int, str, bytes] | None:
        """(token, topic, payload) of the message due; None when the log refuses, for a while."""
        lane, first, last, why = due
        topic = self._topic(topics.LANES[lane])
        limit = max(1, port.payload_limit(topic, ENVELOPE_BYTES))
        now = self._now()
        try:
            payload, last, logged = self._envelopes.make(
                lane, first, last, limit=limit, again=why not in (HEAD, AHEAD)
            )
        except StoreError as error:
            self._tell(str(error))
            token = self._session.sending(lane, first, first, now_us=now.mono_us)
            self._session.published(token, False, now.mono_us)
            return None
        token = self._session.sending(
            lane, first, last, now_us=now.mono_us, size=len(payload), requested=why == REQUEST
        )
        if why == HEAD and logged is not None:
            self._figures.lag.sent(token, lane, last, logged, now)
        return token, topic, payload

    # What came in.

    def _acked(self, lane: str) -> None:
        """An acknowledgement moved a mark."""
        self._figures.lag.acked(lane, self._session.acked(lane), self._clock.now_us())

    def _ask(self, token: str, what: str, of: str | None) -> None:
        if self._asked is not None:
            self._asked(token, what, of)

    def _command(self, topic: str, operation: str, message: Message) -> None:
        if self._commands is not None:
            payload, retained = message.payload, message.retained
            self._commands.hear(topic, operation, payload, retained=retained)

    # Payloads.

    def _birth_payload(self, port: Port) -> bytes:
        self._look(everywhere=True)
        return self._birth.payload(PROTOCOL_NAMES[port.protocol], self._envelopes, self._now())

    def _lane_status(self, lane: str) -> LaneStatus:
        session = self._session
        next_seq = self._envelopes.next_seq(lane) or session.sent(lane) + 1
        return LaneStatus(next_seq, session.sent(lane), session.acked(lane), session.marks(lane))

    def _live_payload(self, meters: Sequence[Mapping[str, Any]]) -> bytes:
        stamp = self._now()
        rows = [entries.meter_row(meter) for meter in meters]
        return cbor.dumps(wire.live(stamp.utc_us, stamp.mono_us, rows))

    def _state(
        self, number: int, *, online: bool, figures: Mapping[str, int] | None = None
    ) -> bytes:
        told = None if figures is None else dict(figures)
        return cbor.dumps(wire.state(online, number, self._now().utc_us, told))

    def _now(self) -> Stamp:
        return self._clock.stamp(self._clock.now_us())

    async def _publish(self, port: Port, name: str, payload: bytes) -> None:
        """Publish on one of our own topics, as the table says."""
        _, _, qos, retain, expiry_s, _ = topics.TOPICS[name]
        await port.publish(self._topic(name), payload, qos=qos, retain=retain, expiry_s=expiry_s)

    def _topic(self, name: str, consumer: str | None = None) -> str:
        return topics.topic(name, self._identity.site, self._identity.node, consumer)

    def _broker_name(self) -> str:
        return str(parse_broker(self._broker))

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
