"""What may be sent now: lanes, the window, acknowledgement marks and resends. Portable, sans-I/O.

contract.md section 4 in code. A PUBACK says that the broker has a message and moves `sent`. Only
the consumers' own acknowledgements move their marks, and only what every required consumer has
acknowledged may leave the disk. Nothing rests on a broker's queue.

Each lane is sent along one head, from the oldest record that was never sent to the newest. Beside
it every required consumer has a cursor: it runs with the head while all is well, and falls back to
its mark + 1 when the link was lost, when its presence returned, or when no acknowledgement came in
time. A consumer that gives no sign of life is resent `window` messages, then waits for the next
try: the others lose nothing by it, and the link is not flooded for nobody. What somebody asked for
by name goes beside all this and moves no cursor.

Alarms and states (lanes a and s) go first and at once. An alarm that is new goes ahead of those
that have waited; that moves no cursor, and it comes again in its turn unless everybody has it by
then (decision 0044). History goes at once after a pause, and what follows goes together, a message
a second: whoever logs ten readings a second pays for ten records and not for ten messages. History,
waveforms and what was asked for take turns behind them, drills come last, and all of these obey the
pacing (pacing.py).

Records, bytes, topics and clocks stay outside: seqs and microseconds go in and out.
"""

from agent.uplink.lane import Lane
from agent.uplink.pacing import UNREAD, Pacing, Room, Unread
from agent.uplink.requests import Requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    # lane, first seq, last seq that it may carry, one of HEAD, RESEND, REQUEST, AHEAD
    Due = tuple[str, int, int, str]

LANES = "ashwx"
# Lanes that always find room in the window, so that neither history nor a drill ever stands before
# an alarm.
RESERVED = "as"
# What is new in this lane goes ahead of what is old.
NEWS = "a"
# These take turns, and so does what was asked for; drills stand behind all that is real.
IN_TURN = "hw"

# What joins this lane after everything in it has gone waits so long for company. Nobody waits for
# history by the second, and each message costs the terminal, the broker and the consumer as much as
# some fifty records (bench gateway).
GATHERED, GATHER_US = "h", 1_000_000

# Why a message is due: sent for the first time, again because nobody acknowledged it, again because
# somebody asked for it, or before its turn because it is new.
HEAD, RESEND, REQUEST, AHEAD = "head", "resend", "request", "ahead"

# Eight messages of 8 KiB keep a 1 Mbit/s link with half a second of delay busy.
WINDOW = 8
RESERVE = 2
# Each tenth message is history's if it has any, else a storm of alarms could starve it.
SHARE_EVERY = 10
# contract.md section 4, promise 2.
ACK_WAIT_US = 60_000_000
# A consumer that is away for days costs one window of resends each quarter of an hour.
ACK_WAIT_LONGEST_US = 900_000_000
# So many alarms fill a message or two. Where as many are due before it, an alarm that has just been
# recorded goes ahead of them: those of days take minutes on a slow link.
AHEAD_OF = 256
# After a refusal by the broker the lane pauses, each time longer.
HOLD_US = 1_000_000
HOLD_LONGEST_US = 60_000_000
# The broker took it, but nobody had subscribed: whoever comes without announcing himself shall not
# wait long.
UNHEARD_LONGEST_US = 8_000_000

# The mark kept instead of a consumer's when PUBACK is taken as the acknowledgement.
PUBACK = "puback"


class _Message:
    """A message that waits for its PUBACK. `from_head`: the first seq in it that was never sent
    before; `until_us`: deadline of the request that it answers; `ahead`: before its turn.
    """

    def __init__(self, lane: "Lane", first: int, last: int, requested: bool, now_us: int) -> None:
        self.lane = lane
        self.first = first
        self.last = last
        self.requested = requested
        self.ahead = not requested and first > lane.head
        self.from_head = None
        if last >= lane.head and not self.ahead:
            self.from_head = max(first, lane.head)
        self.until_us: "int | None" = None
        self.sent_us = now_us
        self.yields = requested or lane.name not in RESERVED


class Session:
    """The delivery of one log to its required consumers over one broker.

    `consumers`: names of those whose acknowledgement is required. `ack`: "consumer", or "puback",
    the declared weaker mode where the broker's word is enough. `pacing`: None: of its own, without
    jitter. Keyword arguments are limits; the constants above give their defaults and reasons.
    Times are monotonic. [us]
    """

    def __init__(
        self,
        epoch: int,
        consumers: "Iterable[str]",
        *,
        ack: str = "consumer",
        lanes: str = LANES,
        pacing: "Pacing | None" = None,
        window: int = WINDOW,
        reserve: int = RESERVE,
        ack_wait_us: int = ACK_WAIT_US,
        ack_wait_longest_us: int = ACK_WAIT_LONGEST_US,
        gather_us: int = GATHER_US,
        ahead_of: int = AHEAD_OF,
        unread: int = UNREAD,
    ) -> None:
        if not 0 < reserve < window:
            raise ValueError(f"reserve {reserve} of window {window}; expected 0 < reserve < window")
        self.epoch = epoch
        self.ack = ack
        self.consumers = (PUBACK,) if ack == PUBACK else tuple(sorted(set(consumers)))
        if not self.consumers:
            raise ValueError("consumers (); expected at least one name, or ack = puback")
        self.is_connected = False
        self.pacing = pacing or Pacing()
        self.resends = 0
        self.acks_moved = 0
        self.acks_refused = 0
        self.sends_refused = 0
        self.sends_unheard = 0
        self.requests_taken = 0
        self.requests_refused = 0
        self._requests = Requests()
        self._heard: "set[str]" = set()
        self._window = window
        self._window_now = window
        self._reserve = reserve
        self._gather_us = gather_us
        self._room = Room(window - reserve)
        self._unread = Unread(unread)
        self._since_share = 0
        self._turns = [name for name in lanes if name in IN_TURN] + [REQUEST]
        self._token = 0
        self._in_flight: "dict[int, _Message]" = {}
        self._lanes: "dict[str, Lane]" = {}
        for name in lanes:
            longest_us = max(ack_wait_us, ack_wait_longest_us)
            self._lanes[name] = Lane(
                name, self.consumers, window, ack_wait_us, longest_us, ahead_of
            )
        self._names = lanes

    # What is known from before, and what is on disk.

    def restore(self, lane: str, sent: int, marks: "dict[str, int]") -> None:
        """Take up the persisted cursors of `lane`; consumers no longer required are left out."""
        state = self._lanes[lane]
        state.sent = max(state.sent, sent)
        for consumer, mark in marks.items():
            follower = state.followers.get(consumer)
            if follower is not None:
                follower.mark = max(follower.mark, mark)
                follower.cursor = max(follower.cursor, follower.mark + 1)
                if mark:
                    self._heard.add(consumer)
        state.head = max(state.head, state.sent + 1)
        state.raise_head()

    def available(self, lane: str, next_seq: int) -> None:
        """The log of `lane` reaches up to, not including, `next_seq`."""
        self._lanes[lane].grows(next_seq, self.is_connected)

    # What happened.

    def connected(self, now_us: int, receive_maximum: "int | None" = None) -> None:
        """The link stands: resume every lane from the acknowledged marks.

        `receive_maximum`: the broker's own limit of messages in flight, where it states one.
        """
        if self.is_connected:
            self.disconnected(now_us)
        self.is_connected = True
        self._window_now = self._window
        if receive_maximum is not None:
            self._window_now = max(1, min(self._window, receive_maximum))
        self._room.connected()
        self._unread.clear()
        self.pacing.connected(now_us)
        for lane in self._lanes.values():
            lane.connected()
            lane.rest_until_us = 0
            lane.release()
            for follower in lane.followers.values():
                lane.begin_anew(follower)

    def disconnected(self, now_us: int) -> None:
        """The link is gone: whatever lacks its PUBACK counts as never sent."""
        self.is_connected = False
        self.pacing.disconnected(now_us)
        for message in self._in_flight.values():
            self._ask_again(message)
        self._in_flight.clear()
        for lane in self._lanes.values():
            lane.head = lane.sent + 1
            lane.raise_head()

    def brake(
        self, bytes_s: "int | None", jitter_us: "int | None", holds_old: bool, now_us: int
    ) -> None:
        """The fleet's brake; None, None, False: there is none. See Pacing.brake."""
        self.pacing.brake(bytes_s, jitter_us, holds_old, now_us)

    def returned(self, consumer: str, now_us: int) -> None:  # noqa: ARG002
        """The presence of `consumer` came back: resend all that it did not acknowledge.

        A presence that is not required still ends a pause: somebody is there to listen.
        """
        if consumer in self.consumers:
            self._heard.add(consumer)
        for lane in self._lanes.values():
            lane.release()
            follower = lane.followers.get(consumer)
            if follower is not None and self.is_connected:
                lane.begin_anew(follower)

    def acknowledged(self, consumer: str, epoch: int, lane: str, mark: int, now_us: int) -> str:
        """The consumer has committed every seq of `lane` up to `mark`.

        Returns: "moved", or why no mark moved: "known" (repeated), "behind" (it had more before: it
            gets it again, while its mark stays), "optional" (a consumer that is not required), and,
            refused and counted, "epoch", "lane" or "beyond".
        """
        if consumer not in self.consumers:
            return "optional"
        verdict = self._misfit(epoch, lane, mark)
        if verdict:
            self.acks_refused += 1
            return verdict
        self._heard.add(consumer)
        state = self._lanes[lane]
        follower = state.followers[consumer]
        if mark < follower.mark:
            state.recall(follower, max(0, mark), now_us)
            return "behind"
        follower.behind = None
        follower.cursor = max(follower.cursor, mark + 1)
        if mark == follower.mark:
            return "known"
        self.acks_moved += 1
        self._unread.read(lane, mark)
        state.move(follower, mark, now_us)
        return "moved"

    def requested(
        self,
        epoch: int,
        lane: str,
        first: int,
        last: int,
        now_us: int,
        until_us: "int | None" = None,
    ) -> str:
        """Somebody asks for first..last of `lane` again, for use before `until_us`.

        Returns: "taken", or, refused and counted, "epoch", "lane", "beyond", "late" or "many".
        """
        verdict = self._misfit(epoch, lane, last)
        if not verdict and until_us is not None and until_us <= now_us:
            verdict = "late"
        if not verdict:
            # What was never sent comes anyway.
            last = min(last, self._lanes[lane].head - 1)
            if first <= last and not self._requests.add(lane, first, last, until_us):
                verdict = "many"
        if verdict:
            self.requests_refused += 1
        else:
            self.requests_taken += 1
        return verdict or "taken"

    def sending(
        self,
        lane: str,
        first: int,
        last: int,
        *,
        now_us: int,
        size: int = 0,
        requested: bool = False,
    ) -> int:
        """A message with the seqs first..last of `lane`, so many bytes, goes out now.

        `requested`: it was due as a REQUEST. Returns: its token.
        """
        state = self._lanes[lane]
        if not 0 < first <= last < state.next:
            raise ValueError(f"lane {lane}: {first}..{last}; expected seqs below {state.next}")
        message = _Message(state, first, last, requested, now_us)
        self.pacing.sent(size, now_us, self._is_paced(state))
        if first < state.head:
            self.resends += 1
        if requested:
            message.until_us = self._requests.sent(lane, first, last)
        else:
            state.told(last)
            if message.from_head is not None and self._is_backlog(state, first):
                self._unread.sent(lane, last, now_us)
            if not message.ahead:
                state.passes(first, last)
            if lane in GATHERED and message.from_head is not None and state.head == state.next:
                state.rest_until_us = now_us + self._gather_us
        self._since_share = 0 if message.yields else self._since_share + 1
        place = REQUEST if requested else lane
        if place in self._turns:
            self._turns.remove(place)
            self._turns.append(place)
        self._token += 1
        self._in_flight[self._token] = message
        return self._token

    def published(self, token: int, ok: bool, now_us: int) -> None:
        """The broker answered the message `token`: PUBACK, or a refusal (`ok` false).

        Tokens of a link that is gone are ignored.
        """
        if ok:
            message = self._in_flight.pop(token, None)
            if message is not None:
                self._room.answered(now_us - message.sent_us)
                if not message.ahead:  # it comes again in its turn, so nothing rests on it
                    self._delivered(message.lane, message.last, now_us)
        elif self._take_back(token, HOLD_LONGEST_US, now_us):
            self.sends_refused += 1

    def exhausted(self, token: int, now_us: int) -> None:
        """The broker refused the message `token` because of a quota: the backlog slows down."""
        if self._take_back(token, HOLD_LONGEST_US, now_us):
            self.sends_refused += 1
            self.pacing.exhausted(now_us)

    def unheard(self, token: int, now_us: int) -> None:
        """The broker took the message `token`, but nobody had subscribed: it counts as not sent."""
        if self._take_back(token, UNHEARD_LONGEST_US, now_us):
            self.sends_unheard += 1

    # What to do.

    def next_send(self, now_us: int) -> "Due | None":
        """The next message: (lane, first seq, last seq that it may carry, why); None: nothing may
        go now.
        """
        if not self.is_connected:
            return None
        for lane in self._lanes.values():
            lane.expire(now_us)
        if len(self._in_flight) >= self._window_now:
            return None
        ready_us = self.pacing.ready_at(now_us)
        may_pace = ready_us is not None and ready_us <= now_us
        unread = self._unread.until(now_us) is not None
        for due in self._dues(now_us):
            if unread and self._is_backlog(self._lanes[due[0]], due[1]):
                continue
            if may_pace or not self._is_paced(self._lanes[due[0]]):
                return due
        return None

    def wake_at(self, now_us: int) -> "int | None":
        """The instant at which `next_send` may answer differently by itself; None: never. [us]"""
        if not self.is_connected:
            return None
        instants: "list[int | None]" = []
        for lane in self._lanes.values():
            instants += [follower.deadline_us for follower in lane.followers.values()]
            if lane.hold_until_us > now_us:
                instants.append(lane.hold_until_us)
            if lane.rests(now_us) and lane.head < lane.next:
                instants.append(lane.rest_until_us)
        paced_us = self.pacing.ready_at(now_us)
        if paced_us is not None and paced_us > now_us:
            for due in self._dues(now_us):
                if self._is_paced(self._lanes[due[0]]):
                    instants.append(paced_us)
                    break
        instants.append(self._unread.until(now_us))
        known = [instant_us for instant_us in instants if instant_us is not None]
        return min(known) if known else None

    def rests(self, lane: str, now_us: int) -> bool:
        """Whether what joins `lane` now waits for company."""
        return self._lanes[lane].rests(now_us)

    # What stands.

    def acked(self, lane: str) -> int:
        """Every required consumer has acknowledged every seq of `lane` up to this one."""
        return self._lanes[lane].acked()

    def sent(self, lane: str) -> int:
        """The broker has confirmed every seq of `lane` up to this one, at least once."""
        return self._lanes[lane].sent

    def marks(self, lane: str) -> "dict[str, int]":
        """The acknowledged mark of each required consumer on `lane`."""
        followers = self._lanes[lane].followers
        return {consumer: followers[consumer].mark for consumer in self.consumers}

    def backlog(self, lane: str) -> int:
        """How many seqs of `lane` lack the acknowledgement of some required consumer."""
        return max(0, self._lanes[lane].next - 1 - self.acked(lane))

    @property
    def rewinds(self) -> int:
        """How often a consumer's cursor fell back, so that something is sent again."""
        return sum([lane.rewinds for lane in self._lanes.values()])

    @property
    def in_flight(self) -> int:
        """Messages that wait for their PUBACK."""
        return len(self._in_flight)

    @property
    def requests(self) -> int:
        """Ranges that somebody has asked for and that have not gone yet."""
        return len(self._requests)

    @property
    def never_heard(self) -> "list[str]":
        """Required consumers of which nobody has ever seen a sign: a name may be wrong."""
        return [name for name in self.consumers if name not in self._heard and name != PUBACK]

    def _misfit(self, epoch: int, lane: str, seq: int) -> str:
        """Why the seq `seq` of this log cannot be meant; "" when it can."""
        if epoch != self.epoch:
            return "epoch"
        state = self._lanes.get(lane)
        if state is None:
            return "lane"
        return "beyond" if seq >= state.next else ""

    def _delivered(self, lane: "Lane", last: int, now_us: int) -> None:
        lane.hold_us = 0
        lane.confirmed = max(lane.confirmed, last)
        lane.sent = max(lane.sent, self._confirmed_head(lane) - 1)
        if self.ack == PUBACK and lane.sent > lane.followers[PUBACK].mark:
            lane.move(lane.followers[PUBACK], lane.sent, now_us)
        lane.expect(last, now_us)

    def _confirmed_head(self, lane: "Lane") -> int:
        """First seq of the lane's forward run that the broker has not confirmed."""
        lowest = lane.head
        for other in self._in_flight.values():
            if other.lane is lane and other.from_head is not None and other.from_head < lowest:
                lowest = other.from_head
        return lowest

    def _take_back(self, token: int, hold_longest_us: int, now_us: int) -> bool:
        """Go back to before a message that did not arrive, and pause: the reason may last."""
        message = self._in_flight.pop(token, None)
        if message is None:
            return False
        lane = message.lane
        if message.requested:
            self._ask_again(message)
        else:
            self._unread.taken_back(lane.name, message.last)
            lane.untold(message.first)
            lane.goes_back(message.first, message.from_head)
        lane.hold(HOLD_US, hold_longest_us, now_us)
        return True

    def _ask_again(self, message: "_Message") -> None:
        """What was asked for and did not arrive waits again."""
        if message.requested:
            first, last = message.first, message.last
            self._requests.add(message.lane.name, first, last, message.until_us)

    # What is due, in the order in which it may go; pacing is not asked here.

    def _dues(self, now_us: int) -> "Iterator[Due]":
        has_room = self._has_room()
        for place in self._order():
            if place == NEWS:
                news = self._news(now_us)
                if news is not None:
                    yield news
            if place in RESERVED or has_room:
                due = self._requested(now_us) if place == REQUEST else self._due(place, now_us)
                if due is not None:
                    yield due

    def _due(self, name: str, now_us: int) -> "Due | None":
        lane = self._lanes[name]
        first = None if lane.hold_until_us > now_us else lane.first_due()
        if first is None or (first == lane.head and lane.rests(now_us)):
            return None
        return name, first, lane.next - 1, RESEND if first < lane.head else HEAD

    def _news(self, now_us: int) -> "Due | None":
        lane = self._lanes[NEWS]
        first = None if lane.hold_until_us > now_us else lane.ahead()
        if first is None:
            return None
        return NEWS, first, lane.next - 1, AHEAD if first > lane.head else HEAD

    def _requested(self, now_us: int) -> "Due | None":
        for name in self._names:
            lane = self._lanes[name]
            if lane.hold_until_us <= now_us:
                wanted = self._requests.first(name, lane.head, now_us)
                if wanted is not None:
                    return name, wanted[0], wanted[1], REQUEST
        return None

    def _order(self) -> "list[str]":
        first = [name for name in self._names if name in RESERVED]
        last = [name for name in self._names if name not in RESERVED + IN_TURN]
        if self._since_share < SHARE_EVERY - 1:
            return first + self._turns + last
        return self._turns + last + first

    def _has_room(self) -> bool:
        """Whether a message that is no alarm may join the window."""
        under_way = sum([1 for message in self._in_flight.values() if message.yields])
        # With a window too small to share, history goes alone or not at all.
        return under_way < min(self._room.now, max(1, self._window_now - self._reserve))

    def _is_backlog(self, lane: "Lane", first: int) -> bool:
        """Whether a message from the seq `first` on waits for consumers that are behind: all but
        alarms and states that are new. With the broker's word for theirs there is nothing to see.
        """
        is_new = lane.name in RESERVED and first >= lane.next_before
        return self.ack != PUBACK and not is_new

    def _is_paced(self, lane: "Lane") -> bool:
        """Whether the pacing holds the lane: alarms and states only as far as the brake says so,
        and only until something new has joined them, because they keep their order.
        """
        if lane.name not in RESERVED:
            return True
        return self.pacing.holds_old and lane.next == lane.next_before
