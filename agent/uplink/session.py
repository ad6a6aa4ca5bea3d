"""What may be sent now: lanes, the window, acknowledgement marks and resends. Portable, sans-I/O.

contract.md section 4 in code. A PUBACK says that the broker has a message and moves `sent`. Only
the consumers' own acknowledgements move their marks, and only what every required consumer has
acknowledged may leave the disk. Nothing rests on a broker's queue.

Each lane is sent along one head, from the oldest record that was never sent to the newest. Beside
it every required consumer has a cursor: it runs with the head while all is well, and falls back to
its mark + 1 when the link was lost, when its presence returned, or when no acknowledgement came in
time. A consumer that gives no sign of life is resent `window` messages, then waits for the next
try: the others lose nothing by it, and the link is not flooded for nobody.

Records, bytes, topics and clocks stay outside: seqs and microseconds go in and out.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Message = tuple["_Lane", int, int, int | None]

# Strict priority: waveforms are large and wait for the rest, drills stand behind all that is real.
LANES = "ashwx"
# Lanes that always find room in the window, so that neither history nor a drill ever stands before
# an alarm.
RESERVED = "as"

# Eight messages of 8 KiB keep a 1 Mbit/s link with half a second of delay busy.
WINDOW = 8
RESERVE = 2
# Each tenth message is history's if it has any, else a storm of alarms could starve it.
SHARE_EVERY = 10
# contract.md section 4, promise 2.
ACK_WAIT_US = 60_000_000
# A consumer that is away for days costs one window of resends each quarter of an hour.
ACK_WAIT_LONGEST_US = 900_000_000
# After a refusal by the broker the lane pauses, each time longer.
HOLD_US = 1_000_000
HOLD_LONGEST_US = 60_000_000
# The broker took it, but nobody had subscribed: whoever comes without announcing himself shall not
# wait long.
UNHEARD_LONGEST_US = 8_000_000

# The mark kept instead of a consumer's when PUBACK is taken as the acknowledgement.
PUBACK = "puback"


class _Follower:
    """One required consumer on one lane.

    `mark`: every seq up to it is acknowledged. `behind`: what it says instead since it has lost its
    memory, else None. `cursor`: what would be resent next on its behalf; equal to the lane's head
    when there is nothing to resend. `left`: messages that may still be resent without a sign of
    life. `deadline_us`: when its silence makes us resend.
    """

    def __init__(self, window: int, ack_wait_us: int) -> None:
        self.mark = 0
        self.behind: int | None = None
        self.recalled_us: int | None = None
        self.cursor = 1
        self.left = window
        self.wait_us = ack_wait_us
        self.deadline_us: int | None = None

    def has(self) -> int:
        """The seq up to which it has everything, by its own word."""
        return self.mark if self.behind is None else self.behind


class _Lane:
    """One lane: `next` is the first seq not on disk, `head` the first that was never sent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.next = 1
        self.head = 1
        self.sent = 0
        self.confirmed = 0
        self.hold_us = 0
        self.hold_until_us = 0
        self.followers: dict[str, _Follower] = {}

    def first_due(self) -> int | None:
        """Seq from which to send next; None when there is nothing to send."""
        first = self.head
        for follower in self.followers.values():
            if follower.cursor < first and follower.left > 0:
                first = follower.cursor
        return first if first < self.next else None

    def raise_head(self) -> None:
        """What one consumer has acknowledged was sent, whatever we remember of it."""
        for follower in self.followers.values():
            self.head = max(self.head, follower.mark + 1)


class Session:
    """The delivery of one log to its required consumers over one broker.

    `consumers`: names of those whose acknowledgement is required. `ack`: "consumer", or "puback",
    the declared weaker mode where the broker's word is enough. Keyword arguments are limits; the
    constants above give their defaults and reasons. Times are monotonic. [us]
    """

    def __init__(
        self,
        epoch: int,
        consumers: "Iterable[str]",
        *,
        ack: str = "consumer",
        lanes: str = LANES,
        window: int = WINDOW,
        reserve: int = RESERVE,
        ack_wait_us: int = ACK_WAIT_US,
        ack_wait_longest_us: int = ACK_WAIT_LONGEST_US,
    ) -> None:
        if not 0 < reserve < window:
            raise ValueError(f"reserve {reserve} of window {window}; expected 0 < reserve < window")
        self.epoch = epoch
        self.ack = ack
        self.consumers = (PUBACK,) if ack == PUBACK else tuple(sorted(set(consumers)))
        if not self.consumers:
            raise ValueError("consumers (); expected at least one name, or ack = puback")
        self.is_connected = False
        self.resends = 0
        self.rewinds = 0
        self.acks_moved = 0
        self.acks_refused = 0
        self.sends_refused = 0
        self.sends_unheard = 0
        self._window = window
        self._window_now = window
        self._reserve = reserve
        self._ack_wait_us = ack_wait_us
        self._ack_wait_longest_us = max(ack_wait_us, ack_wait_longest_us)
        self._since_share = 0
        self._token = 0
        self._in_flight: dict[int, "Message"] = {}
        self._lanes = {}
        for name in lanes:
            self._lanes[name] = lane = _Lane(name)
            for consumer in self.consumers:
                lane.followers[consumer] = _Follower(window, ack_wait_us)
        self._names = lanes

    # What is known from before, and what is on disk.

    def restore(self, lane: str, sent: int, marks: dict[str, int]) -> None:
        """Take up the persisted cursors of `lane`; consumers no longer required are left out."""
        state = self._lanes[lane]
        state.sent = max(state.sent, sent)
        for consumer, mark in marks.items():
            follower = state.followers.get(consumer)
            if follower is not None:
                follower.mark = max(follower.mark, mark)
                follower.cursor = max(follower.cursor, follower.mark + 1)
        state.head = max(state.head, state.sent + 1)
        state.raise_head()

    def available(self, lane: str, next_seq: int) -> None:
        """The log of `lane` reaches up to, not including, `next_seq`."""
        state = self._lanes[lane]
        state.next = max(state.next, next_seq)

    # What happened.

    def connected(self, now_us: int, receive_maximum: int | None = None) -> None:
        """The link stands: resume every lane from the acknowledged marks.

        `receive_maximum`: the broker's own limit of messages in flight, where it states one.
        """
        if self.is_connected:
            self.disconnected(now_us)
        self.is_connected = True
        self._window_now = self._window
        if receive_maximum is not None:
            self._window_now = max(1, min(self._window, receive_maximum))
        for lane in self._lanes.values():
            lane.hold_us = lane.hold_until_us = 0
            for follower in lane.followers.values():
                self._rewind(lane, follower)
                follower.wait_us = self._ack_wait_us

    def disconnected(self, now_us: int) -> None:  # noqa: ARG002  all inputs carry their instant
        """The link is gone: whatever lacks its PUBACK counts as never sent."""
        self.is_connected = False
        self._in_flight.clear()
        for lane in self._lanes.values():
            lane.head = lane.sent + 1
            lane.raise_head()

    def returned(self, consumer: str, now_us: int) -> None:  # noqa: ARG002
        """The presence of `consumer` came back: resend all that it did not acknowledge.

        A presence that is not required still ends a pause: somebody is there to listen.
        """
        for lane in self._lanes.values():
            lane.hold_us = lane.hold_until_us = 0
            follower = lane.followers.get(consumer)
            if follower is not None and self.is_connected:
                self._rewind(lane, follower)
                follower.wait_us = self._ack_wait_us

    def acknowledged(self, consumer: str, epoch: int, lane: str, mark: int, now_us: int) -> str:
        """The consumer has committed every seq of `lane` up to `mark`.

        Returns: "moved", or why no mark moved: "known" (repeated), "behind" (it had more before: it
            gets it again, while its mark stays), "optional" (a consumer that is not required), and,
            refused and counted, "epoch", "lane" or "beyond".
        """
        if consumer not in self.consumers:
            return "optional"
        verdict = self._verdict(consumer, epoch, lane, mark)
        if verdict in ("epoch", "lane", "beyond"):
            self.acks_refused += 1
            return verdict
        follower = self._lanes[lane].followers[consumer]
        if verdict == "behind":
            self._recall(self._lanes[lane], follower, max(0, mark), now_us)
        else:
            follower.behind = None
            follower.cursor = max(follower.cursor, mark + 1)
        if verdict == "moved":
            self.acks_moved += 1
            self._move(self._lanes[lane], consumer, mark, now_us)
        return verdict

    def sending(self, lane: str, first: int, last: int) -> int:
        """A message with the seqs first..last of `lane` goes out now; answers its token."""
        state = self._lanes[lane]
        if not 0 < first <= last < state.next:
            raise ValueError(f"lane {lane}: {first}..{last}; expected seqs below {state.next}")
        from_head = max(first, state.head) if last >= state.head else None
        if first < state.head:
            self.resends += 1
        for follower in state.followers.values():
            if first <= follower.cursor <= last:
                if follower.cursor < state.head:
                    follower.left = max(0, follower.left - 1)
                follower.cursor = last + 1
        if from_head is not None:
            state.head = last + 1
        self._since_share = self._since_share + 1 if lane in RESERVED else 0
        self._token += 1
        self._in_flight[self._token] = (state, first, last, from_head)
        return self._token

    def published(self, token: int, ok: bool, now_us: int) -> None:
        """The broker answered the message `token`: PUBACK, or a refusal (`ok` false).

        Tokens of a link that is gone are ignored.
        """
        if ok:
            message = self._in_flight.pop(token, None)
            if message is not None:
                self._delivered(message[0], message[2], now_us)
        elif self._take_back(token, HOLD_LONGEST_US, now_us):
            self.sends_refused += 1

    def unheard(self, token: int, now_us: int) -> None:
        """The broker took the message `token`, but nobody had subscribed: it counts as not sent."""
        if self._take_back(token, UNHEARD_LONGEST_US, now_us):
            self.sends_unheard += 1

    # What to do.

    def next_send(self, now_us: int) -> tuple[str, int, bool] | None:
        """The next message: (lane, first seq, whether it is a resend); None: nothing may go now."""
        if not self.is_connected:
            return None
        self._expire(now_us)
        in_flight = len(self._in_flight)
        if in_flight >= self._window_now:
            return None
        room = self._room_for_history()
        for name in self._order():
            lane = self._lanes[name]
            if lane.hold_until_us > now_us or (room <= 0 and name not in RESERVED):
                continue
            first = lane.first_due()
            if first is not None:
                return name, first, first < lane.head
        return None

    def wake_at(self, now_us: int) -> int | None:
        """The instant at which `next_send` may answer differently by itself; None: never. [us]"""
        if not self.is_connected:
            return None
        soonest: int | None = None
        for lane in self._lanes.values():
            instants = [follower.deadline_us for follower in lane.followers.values()]
            if lane.hold_until_us > now_us:
                instants.append(lane.hold_until_us)
            for instant_us in instants:
                if instant_us is not None and (soonest is None or instant_us < soonest):
                    soonest = instant_us
        return soonest

    # What stands.

    def acked(self, lane: str) -> int:
        """Every required consumer has acknowledged every seq of `lane` up to this one."""
        return min([follower.mark for follower in self._lanes[lane].followers.values()])

    def sent(self, lane: str) -> int:
        """The broker has confirmed every seq of `lane` up to this one, at least once."""
        return self._lanes[lane].sent

    def marks(self, lane: str) -> dict[str, int]:
        """The acknowledged mark of each required consumer on `lane`."""
        followers = self._lanes[lane].followers
        return {consumer: followers[consumer].mark for consumer in self.consumers}

    def backlog(self, lane: str) -> int:
        """How many seqs of `lane` lack the acknowledgement of some required consumer."""
        return max(0, self._lanes[lane].next - 1 - self.acked(lane))

    @property
    def in_flight(self) -> int:
        """Messages that wait for their PUBACK."""
        return len(self._in_flight)

    def _verdict(self, consumer: str, epoch: int, lane: str, mark: int) -> str:
        if epoch != self.epoch:
            return "epoch"
        state = self._lanes.get(lane)
        if state is None:
            return "lane"
        if mark >= state.next:
            return "beyond"
        known = state.followers[consumer].mark
        return "moved" if mark > known else "known" if mark == known else "behind"

    def _move(self, lane: "_Lane", consumer: str, mark: int, now_us: int) -> None:
        """A sign of life: the mark rises, resending may go on, the wait begins anew."""
        follower = lane.followers[consumer]
        follower.mark = mark
        follower.cursor = max(follower.cursor, mark + 1)
        follower.left = self._window
        follower.wait_us = self._ack_wait_us
        waiting = lane.confirmed > mark
        follower.deadline_us = now_us + self._ack_wait_us if waiting else None
        lane.hold_us = lane.hold_until_us = 0
        lane.raise_head()

    def _recall(self, lane: "_Lane", follower: "_Follower", mark: int, now_us: int) -> None:
        """It has less than it once acknowledged: it gets again what is still on disk.

        At most once in the time that an acknowledgement may take, because two consumers under one
        name would else call us back and forth; as it catches up, resending goes on.
        """
        before, follower.behind = follower.behind, mark
        if before is not None and mark >= before:
            if mark > before:
                follower.left = self._window
                follower.cursor = max(follower.cursor, mark + 1)
                follower.deadline_us = now_us + self._ack_wait_us
            return
        recalled_us = follower.recalled_us
        if recalled_us is None or now_us >= recalled_us + self._ack_wait_us:
            follower.recalled_us = now_us
            self._rewind(lane, follower)
        elif follower.deadline_us is None:
            follower.deadline_us = recalled_us + self._ack_wait_us

    def _rewind(self, lane: "_Lane", follower: "_Follower") -> None:
        follower.cursor = follower.has() + 1
        follower.left = self._window
        follower.deadline_us = None
        if follower.cursor < lane.head:
            self.rewinds += 1

    def _delivered(self, lane: "_Lane", last: int, now_us: int) -> None:
        lane.hold_us = 0
        lane.confirmed = max(lane.confirmed, last)
        lane.sent = max(lane.sent, self._confirmed_head(lane) - 1)
        if self.ack == PUBACK and lane.sent > lane.followers[PUBACK].mark:
            self._move(lane, PUBACK, lane.sent, now_us)
        for follower in lane.followers.values():
            if last > follower.has() and follower.deadline_us is None:
                follower.deadline_us = now_us + follower.wait_us

    def _confirmed_head(self, lane: "_Lane") -> int:
        """First seq of the lane's forward run that the broker has not confirmed."""
        lowest = lane.head
        for other, _, _, from_head in self._in_flight.values():
            if other is lane and from_head is not None and from_head < lowest:
                lowest = from_head
        return lowest

    def _take_back(self, token: int, hold_longest_us: int, now_us: int) -> bool:
        """Go back to before a message that did not arrive, and pause: the reason may last."""
        message = self._in_flight.pop(token, None)
        if message is None:
            return False
        lane, first, _, from_head = message
        if from_head is not None:
            lane.head = min(lane.head, from_head)
            lane.raise_head()
        for follower in lane.followers.values():
            if follower.cursor > first:
                follower.cursor = max(follower.has() + 1, first)
                follower.left = self._window
        # What was in flight beside it shares its fate and its pause.
        if lane.hold_until_us <= now_us:
            lane.hold_us = min(hold_longest_us, max(HOLD_US, lane.hold_us * 2))
            lane.hold_until_us = now_us + lane.hold_us
        return True

    def _expire(self, now_us: int) -> None:
        """Silence since the PUBACK: resend, and wait twice as long for the next sign."""
        for lane in self._lanes.values():
            for follower in lane.followers.values():
                if follower.deadline_us is not None and now_us >= follower.deadline_us:
                    self._rewind(lane, follower)
                    follower.wait_us = min(self._ack_wait_longest_us, follower.wait_us * 2)

    def _room_for_history(self) -> int:
        """How many messages of lanes without reserved room may still join the window."""
        history = 0
        for lane, _, _, _ in self._in_flight.values():
            if lane.name not in RESERVED:
                history += 1
        # With a window too small to share, history goes alone or not at all.
        return max(1, self._window_now - self._reserve) - history

    def _order(self) -> str:
        if self._since_share < SHARE_EVERY - 1:
            return self._names
        shared = [name for name in self._names if name not in RESERVED]
        return "".join(shared) + "".join([name for name in self._names if name in RESERVED])
