"""What comes in over the uplink: acknowledgements, presences, requests, questions, brake, commands.

Whatever a message holds, it is obeyed, or counted and told in one line and nothing has changed.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.clock import Clock
from agent.errors import RecordError
from agent.store import cbor, entry
from agent.uplink import reasons, topics, wire
from agent.uplink.asks import Asks
from agent.uplink.mqtt import Ended, Message
from agent.uplink.session import Session

# (token, what, of): a question that is to be answered, by a record of lane s.
Asked = Callable[[str, str, str | None], None]
# (topic, operation, message): a command, whatever its payload is.
Commanded = Callable[[str, str, Message], None]
# Bytes a second, start jitter [s], whether old alarms are held; without a brake: None, None, 0.
Brake = tuple[int | None, int | None, int]

# What is not taken, and why.
REFUSALS = {
    "epoch": "it is of another log",
    "lane": "there is no such lane",
    "beyond": "the log does not reach so far",
    "late": "its time is over",
    "many": "too many of them wait",
    "retained": "a retained one would come again with each connection",
}
_UNKNOWN = entry.code_of(entry.SOURCES, "unknown")


class Hearing:
    """Takes messages to the session, and questions to whoever answers them.

    tell: takes a line about what is refused. moved: is called for each lane whose mark has moved.
    """

    def __init__(
        self,
        session: Session,
        *,
        clock: Clock,
        asked: Asked,
        commanded: Commanded,
        moved: Callable[[str], None],
        tell: Callable[[str], None],
    ) -> None:
        self._session = session
        self._clock = clock
        self._asked = asked
        self._commanded = commanded
        self._brakes: dict[str, Brake] = {}
        self._moved = moved
        self._tell = tell
        self._asks = Asks()
        self._number = 0
        self.refused = 0
        self.asks_refused = 0

    def connected(self, number: int) -> None:
        """The connection of this number, on which a brake that still holds comes anew."""
        self._number = number
        self._brakes.pop(topics.DRAIN, None)
        self._set_brake()

    def hear(self, message: Message) -> None:
        """One message. A payload without a byte: a retained one that somebody has removed.

        Raises: Ended when another device speaks under our name.
        """
        try:
            name, _, _, consumer = topics.parse(message.topic)
            if name == topics.DRAIN:
                self._brake(message.payload)
            elif name == topics.CMD and consumer is not None:
                self._commanded(message.topic, consumer, message)
            elif not message.payload:
                return
            elif name == topics.REPLAY:
                self._replay(message)
            elif name == topics.ASK:
                self._ask(message)
            elif name == topics.ACK and consumer is not None:
                self._ack(consumer, message.payload)
            elif name == topics.HOST and consumer is not None:
                self._host(consumer, message)
            elif name == topics.STATE and message.retained:
                self._twin(message.payload)
        except (RecordError, ValueError) as error:
            self.refused += 1
            self._tell(f"{reasons.quoted(message.topic)}: {error}")

    def _ack(self, consumer: str, payload: bytes) -> None:
        epoch, marks = cbor.parsed(payload, wire.open_ack)
        now_us = self._clock.now_us()
        for lane, mark in sorted(marks.items()):
            verdict = self._session.acknowledged(consumer, epoch, lane, mark, now_us)
            if verdict == "moved":
                self._moved(lane)
            elif verdict in REFUSALS:
                what = REFUSALS[verdict]
                self._tell(f"{consumer} acknowledges lane {lane} up to {mark}: refused, {what}")

    def _host(self, consumer: str, message: Message) -> None:
        online, _, _ = cbor.parsed(message.payload, wire.open_state)
        # One that was retained was there before us, and we begin at its mark anyway.
        if online and not message.retained:
            self._session.returned(consumer, self._clock.now_us())

    def _twin(self, payload: bytes) -> None:
        """The last word under our name, as it stood before we said ours. A number of ours or beyond
        is none of our past: that is how those learn of each other whom the broker throws out
        without a word, as mosquitto 2.0 does with the older of two.
        """
        _, number, _ = cbor.parsed(payload, wire.open_state)
        if number >= self._number:
            code = reasons.TAKEN_OVER
            raise Ended("uplink", reasons.described(code, "another device's state"), code)

    def _brake(self, payload: bytes) -> None:
        self._brakes[topics.DRAIN] = (
            cbor.parsed(payload, wire.open_drain) if payload else (None, None, 0)
        )
        self._set_brake()

    def brake(self, own: Brake) -> None:
        """A brake of this terminal alone, until link ends; the stricter of it and the fleet's."""
        self._brakes[topics.CMD] = own
        self._set_brake()

    def _set_brake(self) -> None:
        rates = [rate for rate, _, _ in self._brakes.values() if rate is not None]
        jitters = [jitter_s for _, jitter_s, _ in self._brakes.values() if jitter_s is not None]
        jitter_us = max(jitters) * 1_000_000 if jitters else None
        holds_old = any(holds == 1 for _, _, holds in self._brakes.values())
        self._session.brake(min(rates, default=None), jitter_us, holds_old, self._clock.now_us())

    def _replay(self, message: Message) -> None:
        epoch, lane, first, last, deadline_us = cbor.parsed(message.payload, wire.open_replay)
        now_us = self._clock.now_us()
        until_us = self._until(deadline_us, now_us)
        verdict = "retained"
        if not message.retained:
            verdict = self._session.requested(epoch, lane, first, last, now_us, until_us)
        if verdict in REFUSALS:
            # Without the seqs, so that a stream of them is told once.
            self._tell(f"lane {lane} asked for again: refused, {REFUSALS[verdict]}")

    def _ask(self, message: Message) -> None:
        token, what, of, deadline_us = cbor.parsed(message.payload, wire.open_ask)
        now_us = self._clock.now_us()
        until_us = self._until(deadline_us, now_us)
        if message.retained:
            verdict = "retained"
        elif until_us is not None and until_us <= now_us:
            verdict = "late"
        else:
            verdict = self._asks.take(token, now_us)
        if verdict == "taken":
            self._asked(token, what, of)
        elif verdict in REFUSALS:
            self.asks_refused += 1
            self._tell(f"{message.topic}: not answered, {REFUSALS[verdict]}")

    def _until(self, deadline_us: int | None, now_us: int) -> int | None:
        """A deadline on the monotonic clock; None: none, or no clock to hold it against."""
        stamp = self._clock.stamp(now_us)
        if deadline_us is None or stamp.source == _UNKNOWN:
            return None
        return now_us + deadline_us - stamp.utc_us
