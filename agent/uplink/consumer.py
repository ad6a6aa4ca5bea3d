"""The reference consumer: each record once, a memory that survives, an acknowledgement behind it.

`Consumer` knows what has come and what to acknowledge; it touches no socket. `listen` is its shell.
The order is: deliver, the caller commits, the marks go to disk, the acknowledgement leaves. So a
record can come twice only if the caller commits it and is killed before the marks are on disk (one
write and one rename later), and never gets lost. A caller with a database closes that window by
keeping the key (node, epoch, lane, seq) unique there.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import RecordError, UplinkError
from agent.store import cbor
from agent.store.entries import Key
from agent.uplink import topics, wire
from agent.uplink.backoff import Backoff
from agent.uplink.marks import MarkFile, Marks
from agent.uplink.mqtt import Message, Port, Refused, Will, connect
from agent.uplink.reasons import lasting, quoted
from agent.uplink.seen import Seen

# Holes that are kept open in one lane. A node resends in order, so a healthy lane has two or three.
GAPS = 256
# Logs of one node that are remembered beside the present one: it is made anew only after damage.
EPOCHS = 4
# A large utility's nodes; beyond it somebody invents names.
NODES = 20_000
# Messages that are delivered and committed together while more wait.
BATCH = 64
GOODBYE_S = 1.0


@dataclass(frozen=True, slots=True)
class Received:
    """A record, the first time that it comes. `flags`: wire.EXERCISE, wire.REPLAY."""

    site: str
    key: Key
    entry: list[Any]
    flags: int


@dataclass(frozen=True, slots=True)
class DeclaredLost:
    """Seqs first..last of a lane that will never come, and why, the first time that it is told."""

    site: str
    node: str
    epoch: int
    lane: str
    first: int
    last: int
    reason: str


Delivered = Received | DeclaredLost


class Consumer:
    """What one consumer has received from any number of nodes.

    name: whose acknowledgements these are. state_path: where marks are kept; None: in memory only,
    so that after a restart everything a node still has comes again. ack: whether to acknowledge.
    tell: takes one line about anything that was not as it should be.
    Raises: StoreError, also for the marks of another consumer.
    """

    def __init__(
        self,
        name: str,
        state_path: Path | None = None,
        *,
        ack: bool,
        tell: Callable[[str], None],
    ) -> None:
        self.name = topics.check_name(name)
        self.ack = ack
        self.delivered = 0
        self.repeated = 0
        self.refused = 0
        self._tell = tell
        self._file = MarkFile(state_path, name, tell) if state_path else None
        self._marks: Marks = self._file.load() if self._file else {}
        self._epochs = {place: list(logs)[-1] for place, logs in self._marks.items() if logs}
        self._to_save = False
        self._to_ack: dict[tuple[str, str], None] = {}

    @property
    def sites(self) -> set[str]:
        """The sites that it has heard of."""
        return {site for site, _ in self._marks}

    def take(self, topic: str, payload: bytes) -> list[Delivered]:
        """What is new in a message; anything that cannot be taken is counted and told."""
        try:
            name, site, node, _ = topics.parse(topic)
            lane = topics.lane_of(name)
            if node is not None and lane is not None:
                return self._take_envelope(site, node, lane, payload)
            if node is not None and name == topics.BIRTH:
                self._take_birth(site, node, payload)
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

    def acked(self, topic: str) -> None:
        """The broker has taken the acknowledgement on `topic`."""
        _, site, node, _ = topics.parse(topic)
        self._to_ack.pop((site, node or ""), None)

    def _ack_topic(self, site: str, node: str) -> str:
        return topics.topic(topics.ACK, site, node, self.name)

    def _ack_payload(self, place: tuple[str, str]) -> bytes:
        epoch = self._epochs[place]
        lanes = self._marks[place][epoch]
        return cbor.dumps(wire.ack(epoch, {lane: seen.mark for lane, seen in lanes.items()}))

    def _take_envelope(self, site: str, node: str, lane: str, payload: bytes) -> list[Delivered]:
        epoch, said, items, flags = cbor.parsed(payload, _open_envelope)
        if said != lane:
            raise RecordError("envelope", f"lane {said} on the topic of lane {lane}")
        seen = self._seen(site, node, epoch, lane)
        new: list[Delivered] = []
        for kind, first, *rest in items:
            last = first if kind == "record" else rest[0]
            for low, high in self._count(seen, first, last):
                if kind == "record":
                    new.append(Received(site, Key(node, epoch, lane, low), rest[0], flags))
                else:
                    new.append(DeclaredLost(site, node, epoch, lane, low, high, rest[1]))
        self.delivered += len(new)
        self._to_save |= bool(new)
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

    def _take_birth(self, site: str, node: str, payload: bytes) -> None:
        birth = cbor.parsed(payload, wire.open_birth)
        for lane, (epoch, *_) in birth["lanes"].items():
            if lane in topics.LANES:
                self._seen(site, node, epoch, lane)
                self._epochs[site, node] = epoch
                self._to_ack[site, node] = None

    def _seen(self, site: str, node: str, epoch: int, lane: str) -> Seen:
        """The memory of a lane; a log heard of first becomes the node's present one."""
        if (site, node) not in self._marks and len(self._marks) >= NODES:
            raise RecordError("envelope", f"node {node} is one too many", f"at most {NODES} nodes")
        logs = self._marks.setdefault((site, node), {})
        if epoch not in logs:
            if logs:
                self._tell(f"{site}/{node}: its log was made anew, seqs begin at 1 again")
            while len(logs) > EPOCHS:
                del logs[next(iter(logs))]
            logs[epoch] = {}
            self._epochs[site, node] = epoch
        return logs[epoch].setdefault(lane, Seen())


def _open_envelope(item: Any) -> tuple[int, str, list[Any], int]:
    epoch, lane, items = wire.open_envelope(item)
    return epoch, lane, items, wire.flags_of(item)


async def listen(
    url: str,
    consumer: Consumer,
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
    port: Port, consumer: Consumer, presence: _Presence, tell: Callable[[str], None]
) -> AsyncGenerator[list[Delivered], None]:
    """One connection: what is new on it; ends by an UplinkError."""
    lanes = [topics.topic(name, "+", "+") for name in topics.LANES.values()]
    await port.subscribe(*lanes, topics.topic(topics.BIRTH, "+", "+"))
    outbox = _Outbox(port, consumer, presence, tell)
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


def _together(port: Port, message: Message) -> Iterator[Message]:
    """The message, and those that have come in meanwhile: one commit serves them all."""
    yield message
    for _ in range(BATCH - 1):
        another = port.waiting()
        if another is None:
            return
        yield another


class _Outbox:
    """Acknowledgements that are due, and our presence where it is not known yet."""

    def __init__(
        self, port: Port, consumer: Consumer, presence: _Presence, tell: Callable[[str], None]
    ) -> None:
        self._port = port
        self._consumer = consumer
        self._presence = presence
        self._tell = tell
        self._refused: set[str] = set()

    async def empty(self) -> None:
        """Publish what is due; what the broker refuses is told once on this connection."""
        # Together: one after the other, a thousand nodes would wait for a thousand round trips.
        acks = self._consumer.acks()
        done = await asyncio.gather(*(self._ack(*ack) for ack in acks), return_exceptions=True)
        for error in done:
            if error is not None:
                raise error
        for topic, payload in self._presence.due():
            await self._publish(topic, payload)

    async def _ack(self, topic: str, payload: bytes) -> None:
        await self._publish(topic, payload)
        self._consumer.acked(topic)

    async def _publish(self, topic: str, payload: bytes) -> None:
        try:
            await self._port.publish(topic, payload, retain=True)
        except Refused as error:
            if topic not in self._refused:
                self._tell(str(error))
            self._refused.add(topic)


class _Presence:
    """That the consumer is there: `_host/{consumer}` of each site it has heard of.

    A will has one topic only, so a sudden end is told at one site; nodes rest on acknowledgements
    and on the return, not on this. A consumer that does not acknowledge stays unseen.
    """

    def __init__(self, consumer: Consumer) -> None:
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
