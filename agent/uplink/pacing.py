"""How fast a backlog may leave: the fleet's brake, the broker's quota, and the link's own pace.

A thousand feeders that find their broker again hold days of history each. Three things keep them
from drowning it, the link and, most of all, the alarms: a start spread over time, a rate in bytes,
and no more under way at once than the link takes in half a second. Alarms ask nobody here; which
lanes do is session.py's. Decision 0040 tells why. Bytes and microseconds go in and out. Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The back-off has spread the connections already; without a brake this parts those that one broker
# let in together.
JITTER_US = 1_000_000
# A message of full size goes at once where the rate has not been used for a while.
BURST_BYTES = 8192

# After "quota exceeded" half of what was sent goes on, down to this: a day's history of a bay in
# a minute.
LEAST_BYTES_S = 256
# What was in flight beside the refused message says nothing new.
HALVED_FOR_US = 1_000_000
# Each second without a refusal adds a sixteenth: twice the rate after eleven seconds.
CREEP_SHARE = 16
SECOND_US = 1_000_000

# The link's own pace: an answer that comes this much later than the quickest one has waited behind
# what we sent before it, and an alarm would wait as long.
QUEUED_US = 500_000
# After that, so many prompt answers make room for one message more.
PROMPT_ANSWERS = 16

# The consumers' pace: what the broker has taken waits for them, in front of every alarm. So many
# messages are half a megabyte, and take the reference consumer a quarter of a second.
UNREAD = 64
# An acknowledgement over a satellite is back by then; nobody's silence holds up the others longer.
UNREAD_US = 2_000_000


class Pacing:
    """When the next message of a backlog may leave.

    `random_below(n)` answers an integer 0 <= x < n; None: no jitter. `jitter_us`: the longest
    delay of a backlog's start after a connection, where the brake does not say another.
    `holds_old`: the brake also holds what lanes a and s had before the connection.
    """

    def __init__(
        self, random_below: "Callable[[int], int] | None" = None, jitter_us: int = JITTER_US
    ) -> None:
        self.holds_old = False
        self.halvings = 0
        self._random_below = random_below
        self._jitter_us = self._own_jitter_us = jitter_us
        self._up_us = self._start_us = 0
        self._brake: "int | None" = None
        self._quota: "int | None" = None
        self._quota_gone = 0
        self._halved_us: "int | None" = None
        self._crept_us = 0
        self._away = False
        # What may leave now, negative: what has to be waited for. [bytes * 10^6]
        self._level = BURST_BYTES * SECOND_US
        self._level_us = 0
        self._second_us = 0
        self._sent_now = self._sent_before = 0

    def connected(self, now_us: int) -> None:
        """The link stands: draw the start of the backlog."""
        self._up_us = now_us
        if self._away:
            self._away, self._crept_us = False, now_us
        self._draw()

    def disconnected(self, now_us: int) -> None:
        """The link is gone; what a quota left does not rise until it stands again."""
        self._creep(now_us)
        self._away = True

    def brake(
        self, bytes_s: "int | None", jitter_us: "int | None", holds_old: bool, now_us: int
    ) -> None:
        """The fleet's brake from now on; None, None, False: there is none."""
        self._refill(now_us)
        self._brake, self.holds_old = bytes_s, holds_old
        wanted_us = self._own_jitter_us if jitter_us is None else jitter_us
        if wanted_us != self._jitter_us:
            self._jitter_us = wanted_us
            self._draw()

    def exhausted(self, now_us: int) -> None:
        """The broker refused a message, or ended the link, because of a quota: halve the rate."""
        if self._halved_us is not None and now_us < self._halved_us + HALVED_FOR_US:
            return
        self._refill(now_us)
        before = self._quota
        if before is None:
            self._turn(now_us)
            before = max(self._sent_now, self._sent_before)
        self._quota = max(LEAST_BYTES_S, before // 2)
        self._quota_gone = max(LEAST_BYTES_S, before) * 2
        self._halved_us = self._crept_us = now_us
        self.halvings += 1

    def sent(self, size: int, now_us: int, paced: bool) -> None:
        """A message of `size` bytes leaves; `paced`: it is of a backlog."""
        self._turn(now_us)
        self._sent_now += size
        if paced:
            self._refill(now_us)
            self._level -= size * SECOND_US

    def rate(self, now_us: int) -> "int | None":
        """What may leave of a backlog now; None: as much as the link takes. [bytes/s]"""
        quota = self._creep(now_us)
        if quota is None or self._brake is None:
            return self._brake if quota is None else quota
        return min(quota, self._brake)

    def ready_at(self, now_us: int) -> "int | None":
        """From when on a message of a backlog may leave, `now_us` or earlier: at once; None: not
        before the brake is released. [us]
        """
        rate = self.rate(now_us)
        if rate == 0:
            return None
        self._refill(now_us)
        if rate is None or self._level >= 0:
            return self._start_us
        return max(self._start_us, now_us - self._level // rate)

    def _draw(self) -> None:
        self._start_us = self._up_us
        if self._random_below is not None:
            self._start_us += self._random_below(self._jitter_us + 1)

    def _refill(self, now_us: int) -> None:
        rate = self.rate(now_us)
        full = BURST_BYTES * SECOND_US
        if rate is None:
            self._level = full
        else:
            self._level = min(full, self._level + rate * (now_us - self._level_us))
        self._level_us = now_us

    def _creep(self, now_us: int) -> "int | None":
        """The rate that the broker's quota leaves, risen with the time since its last refusal in
        which the link stood.
        """
        while not self._away and self._quota is not None and now_us >= self._crept_us + SECOND_US:
            self._crept_us += SECOND_US
            self._quota += max(1, self._quota // CREEP_SHARE)
            if self._quota >= self._quota_gone:
                self._quota = None
        return self._quota

    def _turn(self, now_us: int) -> None:
        """Count what leaves by the second."""
        if now_us >= self._second_us + SECOND_US:
            follows = now_us < self._second_us + 2 * SECOND_US
            self._sent_before = self._sent_now if follows else 0
            self._sent_now, self._second_us = 0, now_us


class Room:
    """How many messages that are no alarms may be under way at once, 1 to `most`.

    It begins with one and grows with each prompt answer. On a link so slow that answers queue
    behind what was sent before them, one is left: what an alarm has to wait for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.connected()

    def connected(self) -> None:
        """A new link, of which nothing is known."""
        self.now = 1
        self._quickest_us: "int | None" = None
        self._queued = False
        self._prompt = 0

    def answered(self, took_us: int) -> None:
        """The broker has answered a message so long after it was handed to the link."""
        if self._quickest_us is None or took_us < self._quickest_us:
            self._quickest_us = took_us
        if took_us - self._quickest_us > QUEUED_US:
            self.now, self._queued, self._prompt = max(1, self.now // 2), True, 0
            return
        self._prompt += 1
        if not self._queued or self._prompt >= PROMPT_ANSWERS:
            self.now, self._prompt = min(self._most, self.now + 1), 0


class Unread:
    """Messages of a backlog that no consumer has acknowledged; with `most` of them it waits.

    A PUBACK tells only that the broker has a message: one that is quicker than its consumers keeps
    thousands for them.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._sent: "list[tuple[str, int]]" = []
        self._until_us = 0

    def clear(self) -> None:
        """A new link, of which nothing is known."""
        self._sent.clear()

    def sent(self, lane: str, last: int, now_us: int) -> None:
        """A message of the backlog goes out, up to the seq `last` of its lane."""
        self._sent.append((lane, last))
        self._until_us = now_us + UNREAD_US

    def taken_back(self, lane: str, last: int) -> None:
        """It did not arrive."""
        if (lane, last) in self._sent:
            self._sent.remove((lane, last))

    def read(self, lane: str, mark: int) -> None:
        """Somebody has everything of this lane up to `mark`."""
        self._sent = [each for each in self._sent if each[0] != lane or each[1] > mark]

    def until(self, now_us: int) -> "int | None":
        """The instant before which nothing of a backlog may go; None: it may. [us]"""
        if len(self._sent) < self._most:
            return None
        if now_us < self._until_us:
            return self._until_us
        self._sent.clear()
        return None
