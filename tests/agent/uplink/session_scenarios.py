"""A session and a back-off driven at random, but the same way everywhere. Portable.

Run under CPython and on the board, step by step, to see that both decide alike.
"""

from agent.uplink.backoff import Backoff
from agent.uplink.pacing import Pacing
from agent.uplink.session import REQUEST, Session

S = 1_000_000


class _Dice:
    """A congruential generator: the interpreters' own ones differ."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, limit: int) -> int:
        self.state = (self.state * 1103515245 + 12345) % 2147483648
        return (self.state // 65536) % limit


class _Walk:
    def __init__(self, seed: int) -> None:
        self.below = _Dice(seed).below
        self.session = Session(9, ["scada", "oms"], pacing=Pacing(self.below), ahead_of=9, unread=7)
        self.backoff = Backoff(self.below)
        self.now_us = 0
        self.on_disk = {"a": 0, "s": 0, "h": 0}
        self.tokens: list[int] = []

    def step(self) -> object:
        """One thing happens; what it answered."""
        below = self.below
        self.now_us += below(20) * S
        lane = "ash"[below(3)]
        what = below(11)
        if what == 0:
            self.on_disk[lane] += below(20)
            self.session.available(lane, self.on_disk[lane] + 1)
            return lane
        if what == 1:
            return self.link(below(8))
        if what == 2 and below(9) == 0:
            self.session.returned("oms", self.now_us)
            return "oms"
        if what in (3, 4):
            mark = below(self.on_disk[lane] + 3)
            name = "oms" if what == 3 else "scada"
            return self.session.acknowledged(name, 9 + below(9) // 8, lane, mark, self.now_us)
        if what in (5, 6, 7) and self.tokens:
            token = self.tokens.pop(below(len(self.tokens)))
            if below(9) == 0:
                self.session.exhausted(token, self.now_us)
            else:
                self.session.published(token, below(5) > 0, self.now_us)
            return token
        return self.ask(lane) if what == 8 and below(3) == 0 else self.send()

    def ask(self, lane: str) -> object:
        below = self.below
        if below(4) == 0:
            rate = [None, 0, 300, 100_000][below(4)]
            self.session.brake(rate, below(30) * S, below(2) == 0, self.now_us)
            return rate
        first = 1 + below(40)
        until_us = [None, self.now_us + below(90) * S][below(2)]
        return self.session.requested(9, lane, first, first + below(20), self.now_us, until_us)

    def link(self, what: int) -> object:
        if what == 0:
            self.session.disconnected(self.now_us)
            return self.backoff.failed(self.now_us)
        if what < 3:
            self.backoff.connected(self.now_us)
            self.session.connected(self.now_us, 1 + self.below(20))
        return self.backoff.ceiling_us

    def send(self) -> object:
        due = self.session.next_send(self.now_us)
        if due is not None:
            lane, first, last, why = due
            last = min(first + self.below(9), last)
            token = self.session.sending(
                lane,
                first,
                last,
                now_us=self.now_us,
                size=100 * self.below(90),
                requested=why == REQUEST,
            )
            self.tokens.append(token)
        return due

    def state(self) -> list[object]:
        session = self.session
        marks = [[session.acked(lane), session.sent(lane), session.backlog(lane)] for lane in "ash"]
        pace = [session.pacing.rate(self.now_us), session.requests]
        return [session.wake_at(self.now_us), session.in_flight, pace, marks]


def walk(seed: int, steps: int) -> list[object]:
    """What each of `steps` random steps answered, and how the session stood after it."""
    walker = _Walk(seed)
    trace: list[object] = []
    for _ in range(steps):
        trace.append(walker.step())
        trace.append(walker.state())
    return trace
