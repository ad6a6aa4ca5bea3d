"""The session under any order of misfortune, held against a model of log, broker and consumers.

What must hold at every step: marks are true and never go back, nothing is under way beyond the
window, no head stands beyond the log, an alarm waits behind at most one message of other lanes.
And from whatever state: with a link that holds and consumers that answer, each of them has every
seq in a bounded number of steps, received or declared lost, and whoever asked for something has it.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from agent.uplink.pacing import Pacing
from agent.uplink.session import HEAD, LANES, REQUEST, RESERVED, Session

S = 1_000_000
EPOCH = 77
WINDOW, SHARED = 8, 6
RECORD_BYTES = 400
IN_MESSAGE = 5  # records, in the end
AHEAD_OF, UNREAD = 6, 9
CONSUMERS = ("oms", "scada")

lanes = st.sampled_from(LANES)
Message = tuple[int, str, int, int]


class Delivery(RuleBasedStateMachine):
    """A log that may lose its oldest part, a broker that loses what it likes, and consumers, one
    of which may be dead.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_us = 0
        self.next = dict.fromkeys(LANES, 1)
        self.kept_from = dict.fromkeys(LANES, 1)
        self.in_flight: list[Message] = []
        self.received: dict[str, dict[str, set[int]]] = {
            name: {lane: set() for lane in LANES} for name in CONSUMERS
        }
        self.acks_said: list[tuple[str, str, int]] = []
        self.marks = {(name, lane): 0 for name in CONSUMERS for lane in LANES}
        self.has = dict(self.marks)
        self.best = dict(self.marks)
        self.asked: set[tuple[str, int]] = set()
        self.window = WINDOW
        self.passed_over = 0
        self.alive: tuple[str, ...] = CONSUMERS
        self.start()

    def start(self) -> None:
        pacing = Pacing(lambda below: below // 2)
        self.session = Session(EPOCH, CONSUMERS, pacing=pacing, ahead_of=AHEAD_OF, unread=UNREAD)

    @initialize(alive=st.sampled_from([CONSUMERS, ("oms",), ("scada",)]))
    def somebody_lives(self, alive: tuple[str, ...]) -> None:
        self.alive = alive
        for lane in LANES:
            self.append({lane}, 20)
        self.connect(None)
        self.now_us = S
        self.a_good_while(40)

    # The log.

    @rule(some=st.sets(lanes, min_size=1), count=st.integers(1, 30))
    def append(self, some: set[str], count: int) -> None:
        for lane in some:
            self.next[lane] += count
            self.session.available(lane, self.next[lane])

    @rule(lane=lanes, share=st.integers(1, 9))
    def retention_removes(self, lane: str, share: int) -> None:
        """The oldest part of a lane goes, whoever has it or not; its newest record stays."""
        there = max(0, self.next[lane] - 1 - self.kept_from[lane])
        self.kept_from[lane] += there * share // 10

    # The link.

    @rule(limit=st.sampled_from([None, None, None, 1, 2, 4, 100]))
    def connect(self, limit: int | None) -> None:
        self.in_flight.clear()
        self.session.connected(self.now_us, limit)
        self.window = min(WINDOW, limit or WINDOW)

    @precondition(lambda self: self.session.is_connected)
    @rule()
    def disconnect(self) -> None:
        self.in_flight.clear()
        self.session.disconnected(self.now_us)

    @rule(ms=st.sampled_from([1, 700, 30_000, 61_000, 1_000_000]))
    def time_passes(self, ms: int) -> None:
        self.now_us += ms * 1000

    @rule(
        rate=st.sampled_from([None, None, None, 0, 500, 1_000_000]),
        jitter_us=st.sampled_from([None, 0, 60 * S]),
        holds_old=st.booleans(),
    )
    def somebody_brakes(self, rate: int | None, jitter_us: int | None, holds_old: bool) -> None:
        self.session.brake(rate, jitter_us, holds_old, self.now_us)

    @rule(size=st.integers(1, 12), most=st.integers(1, 10))
    def send(self, size: int, most: int) -> None:
        for _ in range(most):
            if due := self.session.next_send(self.now_us):
                self.hand_over(*due, size=size)

    @precondition(lambda self: self.session.is_connected)
    @rule(steps=st.integers(1, 40))
    def a_good_while(self, steps: int) -> None:
        for message in list(self.in_flight):
            self.deliver(message, set(self.alive))
            self.confirm(message)
        for _ in range(steps):
            if self.session.next_send(self.now_us) is not None:
                self.one_good_step()

    def hand_over(self, lane: str, first: int, last: int, why: str, *, size: int) -> Message:
        """As the feed answers: what is gone is one lost range, up to where records begin."""
        assert 1 <= first <= last < self.next[lane]
        alarms = self.session._lanes["a"]
        held = alarms.hold_until_us > self.now_us or self.session._is_paced(alarms)
        first_due = alarms.first_due()
        if first_due is not None and alarms.ahead() is None:
            # Old ones wait with all else that consumers have not read yet.
            unread = self.session._unread.until(self.now_us) is not None
            held = held or (unread and self.session._is_backlog(alarms, first_due))
        waits = not held and first_due is not None
        self.passed_over = self.passed_over + 1 if waits and lane != "a" else 0
        if first < self.kept_from[lane]:
            last = min(last, self.kept_from[lane] - 1)
        else:
            last = min(last, first + size - 1)
        token = self.session.sending(
            lane,
            first,
            last,
            now_us=self.now_us,
            size=RECORD_BYTES * (last - first + 1),
            requested=why == REQUEST,
        )
        message = (token, lane, first, last)
        self.in_flight.append(message)
        return message

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), reached=st.sets(st.sampled_from(CONSUMERS)), answer=st.booleans())
    def broker_takes(self, data: st.DataObject, reached: set[str], answer: bool) -> None:
        """It confirms, out of order if it likes, and passes it on to whom it likes."""
        message = data.draw(st.sampled_from(self.in_flight))
        self.deliver(message, reached)
        if answer:
            self.confirm(message)

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), how=st.sampled_from(["refused", "unheard", "quota"]))
    def broker_refuses(self, data: st.DataObject, how: str) -> None:
        message = data.draw(st.sampled_from(self.in_flight))
        self.in_flight.remove(message)
        if how == "refused":
            self.session.published(message[0], False, self.now_us)
        elif how == "unheard":
            self.session.unheard(message[0], self.now_us)
        else:
            self.session.exhausted(message[0], self.now_us)

    @rule(token=st.integers(0, 1000))
    def an_answer_to_nothing(self, token: int) -> None:
        if token not in [message[0] for message in self.in_flight]:
            self.session.published(token, True, self.now_us)

    # The consumers.

    @rule(lane=lanes, data=st.data())
    def acknowledge(self, lane: str, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.alive))
        self.acks_said.append((name, lane, self.contiguous(name, lane)))
        self.say(*self.acks_said[-1])

    @precondition(lambda self: self.acks_said)
    @rule(data=st.data())
    def a_late_acknowledgement(self, data: st.DataObject) -> None:
        self.say(*data.draw(st.sampled_from(self.acks_said)))

    @rule(data=st.data(), lane=lanes)
    def a_consumer_forgets(self, data: st.DataObject, lane: str) -> None:
        name = data.draw(st.sampled_from(CONSUMERS))
        self.received[name][lane].clear()
        self.has[name, lane] = 0

    @rule(lane=lanes, epoch=st.integers(0, 200), mark=st.integers(0, 500))
    def a_foreign_word(self, lane: str, epoch: int, mark: int) -> None:
        if epoch != EPOCH:
            assert self.session.acknowledged("scada", epoch, lane, mark, self.now_us) == "epoch"
            assert self.session.requested(epoch, lane, 1, mark, self.now_us) == "epoch"

    @rule(lane=lanes, beyond=st.integers(0, 500))
    def an_impossible_word(self, lane: str, beyond: int) -> None:
        seq = self.next[lane] + beyond
        assert self.session.acknowledged("oms", EPOCH, lane, seq, self.now_us) == "beyond"
        assert self.session.requested(EPOCH, lane, 1, seq, self.now_us) == "beyond"

    @rule(name=st.sampled_from([*CONSUMERS, "board"]))
    def presence_returns(self, name: str) -> None:
        self.session.returned(name, self.now_us)

    @rule(lane=lanes, data=st.data(), patience_s=st.sampled_from([None, None, None, 1, 100]))
    def somebody_asks(self, lane: str, data: st.DataObject, patience_s: int | None) -> None:
        sent = self.session._lanes[lane].head - 1
        first = data.draw(st.integers(1, max(1, sent)))  # the rest comes anyway
        last = min(self.next[lane] - 1, first + data.draw(st.sampled_from([0, 7, 13, 20])))
        until_us = None if patience_s is None else self.now_us + patience_s * S
        said = self.session.requested(EPOCH, lane, first, last, self.now_us, until_us)
        assert said in ("taken", "many")
        if said == "taken" and until_us is None:
            self.asked |= {(lane, seq) for seq in range(first, last + 1)}

    @rule()
    def the_process_restarts(self) -> None:
        old = self.session
        self.in_flight.clear()
        self.asked.clear()  # who asked and got nothing asks again
        self.start()
        for lane, next_seq in self.next.items():
            self.session.restore(lane, old.sent(lane), old.marks(lane))
            self.session.available(lane, next_seq)

    # The model.

    def deliver(self, message: Message, reached: set[str]) -> None:
        _, lane, first, last = message
        for name in reached:
            self.received[name][lane].update(range(first, last + 1))

    def confirm(self, message: Message) -> None:
        token, lane, first, last = message
        self.in_flight.remove(message)
        self.asked -= {(lane, seq) for seq in range(first, last + 1)}
        self.session.published(token, True, self.now_us)

    def contiguous(self, name: str, lane: str) -> int:
        mark = self.has[name, lane]
        while mark + 1 in self.received[name][lane]:
            mark += 1
        self.has[name, lane] = mark
        self.best[name, lane] = max(mark, self.best[name, lane])
        return mark

    def say(self, name: str, lane: str, mark: int) -> None:
        self.session.acknowledged(name, EPOCH, lane, mark, self.now_us)

    @invariant()
    def marks_are_true_and_never_go_back(self) -> None:
        for lane in LANES:
            marks = self.session.marks(lane)
            for name, mark in marks.items():
                assert self.marks[name, lane] <= mark <= self.best[name, lane]
                self.marks[name, lane] = mark
            assert self.session.acked(lane) == min(marks.values())
            assert self.session.sent(lane) < self.session._lanes[lane].head <= self.next[lane]

    @invariant()
    def the_window_holds(self) -> None:
        assert self.session.in_flight == len(self.in_flight) <= self.window
        others = sum(lane not in RESERVED for _, lane, _, _ in self.in_flight)
        assert others <= max(1, min(SHARED, self.window - 2))

    @invariant()
    def an_alarm_waits_behind_one_message_of_other_lanes(self) -> None:
        assert self.passed_over <= 1

    @invariant()
    def whoever_waits_is_woken(self) -> None:
        """Nothing in flight, nothing to do, yet somebody who is owed something: there is an alarm
        clock, or the brake is to be released.
        """
        session = self.session
        if session.is_connected and not self.in_flight and session.next_send(self.now_us) is None:
            owed = any(session.backlog(lane) for lane in LANES)
            paused = session.pacing.rate(self.now_us) == 0
            assert not owed or paused or session.wake_at(self.now_us) is not None

    def teardown(self) -> None:
        """From whatever state: with a link that holds, whoever lives gets every record."""
        self.session.brake(None, None, False, self.now_us)
        if self.session.is_connected:
            for message in list(self.in_flight):
                self.deliver(message, set(self.alive))
                self.confirm(message)
        else:
            self.session.connected(self.now_us)
        for name in self.alive:  # as consumers do when they hear a birth
            for lane in LANES:
                self.say(name, lane, self.contiguous(name, lane))
        records = sum(self.next.values())
        for _ in range(100 + 4 * records):
            if self.everybody_alive_has_everything():
                break
            self.one_good_step()
        assert self.everybody_alive_has_everything()
        assert not self.asked
        self.marks_are_true_and_never_go_back()

    def one_good_step(self) -> None:
        due = self.session.next_send(self.now_us)
        if due is None:
            wake_us = self.session.wake_at(self.now_us)
            assert wake_us is not None, "somebody waits and nobody will be woken"
            assert wake_us > self.now_us, "nothing is due and nobody sleeps"
            self.now_us = wake_us
            return
        assert (due[3] == HEAD) == (due[1] == self.session._lanes[due[0]].head)
        message = self.hand_over(*due, size=IN_MESSAGE)
        self.deliver(message, set(self.alive))
        self.confirm(message)
        for name in self.alive:
            self.say(name, message[1], self.contiguous(name, message[1]))

    def everybody_alive_has_everything(self) -> bool:
        return self.session.requests == 0 and all(
            self.session.marks(lane)[name] == next_seq - 1 == self.contiguous(name, lane)
            for lane, next_seq in self.next.items()
            for name in self.alive
        )


Delivery.TestCase.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
TestDelivery = Delivery.TestCase
