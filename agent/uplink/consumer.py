"""The consumer's kit: each record once, a memory that survives, an acknowledgement behind it.

`Consumer` knows what has come, what to acknowledge and what to ask for again; it touches no socket.
`listen` is its shell. The order is: deliver, the caller commits, the marks go to disk, the
acknowledgement leaves. So a record can come twice only if the caller commits it and is killed
before the marks are on disk (one write and one rename later), and never gets lost. A caller with a
database closes that window by keeping the key (node, epoch, lane, seq) unique there.

A server in twenty lines (`url`, `database`, `shown` are yours; docs/central-server.md says more):

    async def serve(url, database, shown):
        key = "node, epoch, lane, seq"
        database.execute(f"CREATE TABLE IF NOT EXISTS record ({key}, entry, PRIMARY KEY ({key}))")
        consumer = Consumer("scada", Path("marks"), ack=True, births=True, tell=print)
        async for batch in listen(url, consumer, tell=print):
            for each in batch:
                match each:
                    case Received(key=k):
                        row = (k.node, k.epoch, k.lane, k.seq, each.raw)
                        database.execute("INSERT OR IGNORE INTO record VALUES (?, ?, ?, ?, ?)", row)
                        if isinstance(each.record, Event) and not each.exercise:
                            shown(k.node, each.record.event, each.record.kind)
                    case DeclaredLost():
                        shown(each.node, f"lost {each.lane} {each.first}..{each.last}", each.reason)
                    case Birth() | State():
                        shown(each.node, type(each).__name__, None)
            database.commit()
            # Asking for the next batch says that this one is safe: only now it is acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from agent.errors import RecordError, UplinkError
from agent.store import cbor
from agent.uplink import topics, wire
from agent.uplink.backoff import Backoff
from agent.uplink.delivered import Birth, DeclaredLost, Delivered, Received, State, opened
from agent.uplink.gaps import WINDOW_US, Gaps, Request
from agent.uplink.marks import MarkFile, Marks
from agent.uplink.mqtt import Message, Port, Refused, Will, connect
from agent.uplink.reasons import lasting, quoted
from agent.uplink.seen import Seen

__all__ = [
    "Birth",
    "Consumer",
    "DeclaredLost",
    "Delivered",
    "Received",
    "Receiving",
    "State",
    "listen",
]

# Holes that are kept open in one lane. A node resends in order, so a healthy lane has two or three.
GAPS = 256
# Logs of one node that are remembered beside the present one: it is made anew only after damage.
EPOCHS = 4
# A large utility's nodes; beyond it somebody invents names.
NODES = 20_000
# Messages that are delivered and committed together while more wait.
BATCH = 64
GOODBYE_S = 1.0
# How often a shell looks for what is due without a message: requests, acknowledgements.
TICK_S = 0.25

LANES = [topics.topic(name, topics.ANY, topics.ANY) for name in topics.LANES.values()]
BIRTHS = topics.topic(topics.BIRTH, topics.ANY, topics.ANY)
STATES = topics.topic(topics.STATE, topics.ANY, topics.ANY)


class Receiving(Protocol):
    """What `listen` runs: `Consumer` here, and the parts of a reference ingester."""

    name: str
    ack: bool

    @property
    def filters(self) -> Sequence[str]:
        """What to subscribe to."""

    @property
    def sites(self) -> set[str]:
        """Where its presence is to be told."""

    def take(self, topic: str, payload: bytes) -> list[Delivered]:
        """What a message brings to the caller; never raises for what is in it."""

    def commit(self) -> None:
        """The caller has everything that was delivered so far."""

    def acks(self) -> list[tuple[str, bytes]]:
        """(topic, payload) of the acknowledgements that are due."""

    def acked(self, topic: str, payload: bytes) -> None:
        """The broker has taken this acknowledgement."""

    def requests(self, now_us: int, utc_us: int) -> list[tuple[str, bytes]]:
        """(topic, payload) of what is to be asked for again now."""


class Consumer:
    """What one consumer has received from any number of nodes.

    name: whose acknowledgements these are. state_path: where marks are kept; None: in memory only,
    so that after a restart everything a node still has comes again. ack: whether to acknowledge.
    tell: takes one line about anything that was not as it should be. marks: what has come before,
    as a database may hold it, instead of a file. births: whether births and states are delivered
    too. replay: whether what is missing is asked for; None: where it is acknowledged. window_us:
    how long what is missing may be merely out of order.
    Raises: StoreError, also for the marks of another consumer.
    """

    def __init__(
        self,
        name: str,
        state_path: Path | None = None,
        *,
        ack: bool,
        tell: Callable[[str], None],
        marks: Marks | None = None,
        births: bool = False,
        replay: bool | None = None,
        window_us: int = WINDOW_US,
    ) -> None:
        self.name = topics.check_name(name)
        self.ack = ack
        self.delivered = 0
        self.repeated = 0
        self.refused = 0
        self.gaps = Gaps(window_us=window_us)
        self._tell = tell
        self._births = births
        self._replay = ack if replay is None else replay
        self._file = MarkFile(state_path, name, tell) if state_path else None
        self._marks: Marks = self._file.load() if self._file else marks or {}
        self._epochs = {place: list(logs)[-1] for place, logs in self._marks.items() if logs}
        self._conns: dict[tuple[str, str], int] = {}
        self._to_save = False
        self._to_ack: dict[tuple[str, str], None] = {}
        self._moved: dict[tuple[str, str], None] = {}

    @property
    def sites(self) -> set[str]:
        """The sites that it has heard of."""
        return {site for site, _ in self._marks}

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        return [*LANES, BIRTHS, *([STATES] if self._births else [])]

    def take(self, topic: str, payload: bytes) -> list[Delivered]:
        """What is new in a message; anything that cannot be taken is counted and told."""
        try:
            return [new for each in opened(topic, payload) for new in self._new(each)]
        except (RecordError, ValueError) as error:
            self.refused += 1
            self._tell(f"{quoted(topic)}: {error}")
        return []

    def commit(self) -> None:
        """The caller has everything that was delivered so far: remember it, on disk if so told.

        Raises: StoreError when the marks cannot be written; nothing is acknowledged then.
        """
        if self._file is not None and self._to_save:
            self._file.save(self._marks)
        self._to_save = False

    def acks(self) -> list[tuple[str, bytes]]:
        """(topic, payload) of the acknowledgements to publish, retained; none before `commit`."""
        if not self.ack or self._to_save:
            return []
        return [(self._ack_topic(*place), self._ack_payload(place)) for place in self._to_ack]

    def acked(self, topic: str, payload: bytes) -> None:
        """The broker has taken the acknowledgement on `topic`; there may be a later one by now."""
        _, site, node, _ = topics.parse(topic)
        place = (site, node or "")
        if place in self._to_ack and self._ack_payload(place) == payload:
            del self._to_ack[place]

    def requests(self, now_us: int, utc_us: int) -> list[tuple[str, bytes]]:
        """(topic, payload) of what is missing and is to be asked for now: monotonic clock, UTC."""
        if not self._replay:
            return []
        moved, self._moved = self._moved, {}
        for site, node in moved:
            present = self._epochs.get((site, node))
            for epoch, lanes in self._marks[site, node].items():
                for lane, seen in lanes.items():
                    # Nobody has the log before the present one any more.
                    hole = seen.lowest_gap() if epoch == present else None
                    self.gaps.stands((site, node, epoch, lane), hole, now_us)
        return [asked(each, utc_us) for each in self.gaps.due(now_us)]

    def _ack_topic(self, site: str, node: str) -> str:
        return topics.topic(topics.ACK, site, node, self.name)

    def _ack_payload(self, place: tuple[str, str]) -> bytes:
        epoch = self._epochs[place]
        lanes = self._marks[place][epoch]
        return cbor.dumps(wire.ack(epoch, {lane: seen.mark for lane, seen in lanes.items()}))

    def _new(self, each: Delivered) -> list[Delivered]:
        """What of it has not come before; it counts as come from now on."""
        if isinstance(each, Birth):
            return self._take_birth(each)
        if isinstance(each, State):
            return self._take_state(each)
        key, first, last = span(each)
        site, node, epoch, lane = key
        new: list[Delivered] = []
        for low, high in self._count(self._seen(site, node, epoch, lane), first, last):
            if isinstance(each, DeclaredLost):
                new.append(replace(each, first=low, last=high))
            else:
                new.append(each)
        self.delivered += len(new)
        self._to_save |= bool(new)
        self._moved[site, node] = None
        if self._epochs[site, node] == epoch:
            # For a repetition too: it says that the last acknowledgement did not arrive.
            self._to_ack[site, node] = None
        return new

    def _count(self, seen: Seen, first: int, last: int) -> list[tuple[int, int]]:
        """The parts of first..last that are new; they count as come from now on."""
        fresh = seen.fresh(first, last)
        if not fresh:
            self.repeated += 1
            return []
        if seen.gaps >= GAPS and not seen.joins(first, last):
            if self.ack:
                # Not acknowledged, so it comes again when the holes below it are filled.
                self.refused += 1
                return []
            seen.close_lowest_gap()
        seen.add(first, last)
        return fresh

    def _take_birth(self, birth: Birth) -> list[Delivered]:
        place = (birth.site, birth.node)
        for lane, told in birth.lanes.items():
            self._seen(*place, told.epoch, lane)
            self._epochs[place] = told.epoch
            self._to_ack[place] = None
            self._moved[place] = None
        return [birth] if self._births else []

    def _take_state(self, state: State) -> list[Delivered]:
        place = (state.site, state.node)
        if state.conn < self._conns.get(place, 0) or len(self._conns) >= NODES:
            return []  # the will of a connection before the present one
        self._conns[place] = state.conn
        return [state] if self._births else []

    def _seen(self, site: str, node: str, epoch: int, lane: str) -> Seen:
        """The memory of a lane; a log heard of first becomes the node's present one."""
        if (site, node) not in self._marks and len(self._marks) >= NODES:
            raise RecordError("envelope", f"node {node} is one too many", f"at most {NODES} nodes")
        logs = self._marks.setdefault((site, node), {})
        if epoch not in logs:
            if logs:
                self._tell(f"{site}/{node}: its log was made anew, seqs begin at 1 again")
            while len(logs) > EPOCHS:
                self._forget(site, node, next(iter(logs)))
            logs[epoch] = {}
            self._epochs[site, node] = epoch
        return logs[epoch].setdefault(lane, Seen())

    def _forget(self, site: str, node: str, epoch: int) -> None:
        for lane in self._marks[site, node].pop(epoch):
            self.gaps.stands((site, node, epoch, lane), None, 0)


def span(each: Received | DeclaredLost) -> tuple[tuple[str, str, int, str], int, int]:
    """((site, node, epoch, lane), first, last) of what came."""
    if isinstance(each, DeclaredLost):
        return (each.site, each.node, each.epoch, each.lane), each.first, each.last
    key = each.key
    return (each.site, key.node, key.epoch, key.lane), key.seq, key.seq


def asked(request: Request, utc_us: int) -> tuple[str, bytes]:
    """(topic, payload) of a request, which says itself until when it is to be obeyed."""
    topic = topics.topic(topics.REPLAY, request.site, request.node)
    deadline_us = utc_us + request.answer_us
    told = wire.replay(request.epoch, request.lane, request.first, request.last, deadline_us)
    return topic, cbor.dumps(told)


async def listen(
    url: str,
    consumer: Receiving,
    *,
    tell: Callable[[str], None],
    backoff: Backoff | None = None,
    **options: Any,
) -> AsyncGenerator[list[Delivered], None]:
    """What is new at a broker, batch by batch, for ever; it reconnects by itself.

    Asking for the next batch says that the caller has committed the one before: then the marks are
    written and the acknowledgements sent. Leaving the loop in the middle of a batch leaves it
    uncommitted.

    Args:
        url: See mqtt.connect, as are `options`: username, password, ca, protocol, keepalive_s.
        consumer: What has come before, and the name to acknowledge under.
        tell: Takes one line about a link that broke, or what the broker refuses.
        backoff: The delays between attempts; None: 1 s to 300 s with full jitter.
    Raises:
        StoreError: the marks cannot be written.
    """
    pause = backoff or Backoff(random.SystemRandom().randrange)
    # Not the consumer's name alone: a second listener must not throw out the first.
    client_id = f"ftu-{consumer.name}-{secrets.token_hex(4)}"
    while True:
        try:
            presence = _Presence(consumer)
            async with connect(url, client_id, will=presence.will, **options) as port:
                pause.connected(_now_us())
                async with contextlib.aclosing(_attend(port, consumer, presence, tell)) as batches:
                    async for batch in batches:
                        yield batch
        except UplinkError as error:
            delay_us = pause.failed(_now_us(), lasting=lasting(error))
            tell(f"{error}; trying again in {delay_us / 1e6:.1f} s")
            await asyncio.sleep(delay_us / 1e6)


async def _attend(
    port: Port, consumer: Receiving, presence: _Presence, tell: Callable[[str], None]
) -> AsyncGenerator[list[Delivered], None]:
    """One connection: what is new on it; ends by an UplinkError."""
    await port.subscribe(*consumer.filters)
    outbox = _Outbox(port, consumer, presence, tell)
    ticking = asyncio.create_task(outbox.tick(), name="what is due without a message")
    try:
        await outbox.empty()
        async for message in port.messages():
            new: list[Delivered] = []
            for each in _together(port, message):
                new += consumer.take(each.topic, each.payload)
            if new:
                yield new
            consumer.commit()
            await outbox.empty()
    except (asyncio.CancelledError, GeneratorExit):
        await presence.leave(port)
        raise
    finally:
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking


def _together(port: Port, message: Message) -> Iterator[Message]:
    """The message, and those that have come in meanwhile: one commit serves them all."""
    yield message
    for _ in range(BATCH - 1):
        another = port.waiting()
        if another is None:
            return
        yield another


class _Outbox:
    """What is due: acknowledgements, our presence where it is not known yet, requests."""

    def __init__(
        self, port: Port, consumer: Receiving, presence: _Presence, tell: Callable[[str], None]
    ) -> None:
        self._port = port
        self._consumer = consumer
        self._presence = presence
        self._tell = tell
        self._refused: set[str] = set()

    async def tick(self) -> None:
        """Publish what is due by time alone, until the link breaks, which the reader tells."""
        with contextlib.suppress(UplinkError):
            while True:
                await asyncio.sleep(TICK_S)
                await self.empty()

    async def empty(self) -> None:
        """Publish what is due; what the broker refuses is told once on this connection."""
        # Together: one after the other, a thousand nodes would wait for a thousand round trips.
        requests = self._consumer.requests(_now_us(), time.time_ns() // 1000)
        sent = [self._ack(*ack) for ack in self._consumer.acks()]
        sent += [self._publish(*each, retain=False) for each in requests]
        for error in await asyncio.gather(*sent, return_exceptions=True):
            if error is not None:
                raise error
        for topic, payload in self._presence.due():
            await self._publish(topic, payload)

    async def _ack(self, topic: str, payload: bytes) -> None:
        await self._publish(topic, payload)
        self._consumer.acked(topic, payload)

    async def _publish(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        expiry_s = None if retain else topics.TOPICS[topics.REPLAY][4]
        try:
            await self._port.publish(topic, payload, retain=retain, expiry_s=expiry_s)
        except Refused as error:
            if topic not in self._refused:
                self._tell(str(error))
            self._refused.add(topic)


class _Presence:
    """That the consumer is there: `_host/{consumer}` of each site it has heard of.

    A will has one topic only, so a sudden end is told at one site; nodes rest on acknowledgements
    and on the return, not on this. A consumer that does not acknowledge stays unseen.
    """

    def __init__(self, consumer: Receiving) -> None:
        self._consumer = consumer
        self._conn = time.time_ns() // 1_000_000
        self._told: set[str] = set()
        site = min(consumer.sites, default=None)
        self.will: Will | None = None
        if consumer.ack and site is not None:
            self.will = Will(self._topic(site), self._state(online=False))

    def due(self) -> list[tuple[str, bytes]]:
        """(topic, payload) of the sites that have not been told yet; they count as told now."""
        untold = self._consumer.sites - self._told if self._consumer.ack else set()
        self._told |= untold
        return [(self._topic(site), self._state(online=True)) for site in sorted(untold)]

    async def leave(self, port: Port) -> None:
        with contextlib.suppress(UplinkError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                for site in self._told:
                    await port.publish(self._topic(site), self._state(online=False), retain=True)

    def _topic(self, site: str) -> str:
        return topics.topic(topics.HOST, site, consumer=self._consumer.name)

    def _state(self, *, online: bool) -> bytes:
        return cbor.dumps(wire.state(online, self._conn, time.time_ns() // 1000))


def _now_us() -> int:
    return time.monotonic_ns() // 1000
