"""One lane on its way: what was sent, how far each required consumer has come, what is sent again.

When a message may go, and of which lane, is session.py's. Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Follower:
    """One required consumer on one lane.

    `mark`: every seq up to it is acknowledged. `behind`: what it says instead since it has lost its
    memory, else None. `cursor`: what would be resent next on its behalf; equal to the lane's head
    when there is nothing to resend. `left`: messages that may still be resent without a sign of
    life. `deadline_us`: when its silence makes us resend.
    """

    def __init__(self, window: int, ack_wait_us: int) -> None:
        self.mark = 0
        self.behind: "int | None" = None
        self.recalled_us: "int | None" = None
        self.cursor = 1
        self.left = window
        self.wait_us = ack_wait_us
        self.deadline_us: "int | None" = None

    def has(self) -> int:
        """The seq up to which it has everything, by its own word."""
        return self.mark if self.behind is None else self.behind


class Lane:
    """One lane: `next` is the first seq not on disk, `head` the first that was never sent.

    window: messages that a consumer is resent without a sign of life; ack_wait_us: how long one is
    waited for, at first and at most. `next_before`: what `next` was when the link came to stand;
    `news`: the first of what was recorded since then and has not gone yet, None: there is none;
    ahead_of: so many that are due before it, and it goes first.
    `sent`: the broker has confirmed every seq up to it; `confirmed`: the highest that it has.
    `rest_until_us`: what is new waits until then for company.
    """

    def __init__(
        self,
        name: str,
        consumers: "Iterable[str]",
        window: int,
        ack_wait_us: int,
        ack_wait_longest_us: int,
        ahead_of: int,
    ) -> None:
        self.name = name
        self.rewinds = 0
        self._ahead_of = ahead_of
        self._window = window
        self._ack_wait_us = ack_wait_us
        self._ack_wait_longest_us = ack_wait_longest_us
        self.next = self.next_before = 1
        self.news: "int | None" = None
        self.head = 1
        self.sent = 0
        self.confirmed = 0
        self.hold_us = 0
        self.hold_until_us = 0
        self.rest_until_us = 0
        self.followers: "dict[str, Follower]" = {}
        for consumer in consumers:
            self.followers[consumer] = Follower(window, ack_wait_us)

    def first_due(self) -> "int | None":
        """Seq from which to send next; None when there is nothing to send."""
        first = self.head
        for follower in self.followers.values():
            if follower.cursor < first and follower.left > 0:
                first = follower.cursor
        return first if first < self.next else None

    def rests(self, now_us: int) -> bool:
        """Whether what is new still waits for company."""
        return self.rest_until_us > now_us

    def connected(self) -> None:
        """The link stands: whatever is recorded from now on is new."""
        self.next_before, self.news = self.next, None

    def grows(self, next_seq: int, connected: bool) -> None:
        """The lane reaches up to, not including, `next_seq`."""
        if next_seq > self.next:
            if connected and self.news is None:
                self.news = self.next
            self.next = next_seq

    def ahead(self) -> "int | None":
        """Seq of what is new, where so much that is older is due before it; else None."""
        first = self.first_due()
        if self.news is None or first is None or self.news - first < self._ahead_of:
            return None
        return self.news

    def told(self, last: int) -> None:
        """What is new has gone, up to the seq `last`."""
        if self.news is not None and self.news <= last:
            self.news = last + 1 if last + 1 < self.next else None

    def untold(self, first: int) -> None:
        """A message that began at `first` did not arrive: what of it was new is so again."""
        if first >= self.next_before:
            self.news = first if self.news is None else min(self.news, first)

    def raise_head(self) -> None:
        """What one consumer has acknowledged was sent, whatever we remember of it."""
        for follower in self.followers.values():
            self.head = max(self.head, follower.mark + 1)

    def passes(self, first: int, last: int) -> None:
        """A message with first..last goes out now."""
        for follower in self.followers.values():
            if first <= follower.cursor <= last:
                if follower.cursor < self.head:
                    follower.left = max(0, follower.left - 1)
                follower.cursor = last + 1
        if last >= self.head:
            self.head = last + 1

    def goes_back(self, first: int, from_head: "int | None") -> None:
        """A message that began at `first` did not arrive; `from_head`: what of it was new."""
        if from_head is not None:
            self.head = min(self.head, from_head)
            self.raise_head()
        for follower in self.followers.values():
            if follower.cursor > first:
                follower.cursor = max(follower.has() + 1, first)
                follower.left = self._window

    def hold(self, first_us: int, longest_us: int, now_us: int) -> None:
        """Pause after a refusal, each time twice as long; what was in flight beside the refused
        message shares its pause.
        """
        if self.hold_until_us <= now_us:
            self.hold_us = min(longest_us, max(first_us, self.hold_us * 2))
            self.hold_until_us = now_us + self.hold_us

    def release(self) -> None:
        """The reason to pause is gone."""
        self.hold_us = self.hold_until_us = 0

    def move(self, follower: "Follower", mark: int, now_us: int) -> None:
        """A sign of life: the mark rises, resending may go on, the wait begins anew."""
        follower.mark = mark
        follower.cursor = max(follower.cursor, mark + 1)
        follower.left = self._window
        follower.wait_us = self._ack_wait_us
        waiting = self.confirmed > mark
        follower.deadline_us = now_us + self._ack_wait_us if waiting else None
        self.release()
        self.raise_head()

    def recall(self, follower: "Follower", mark: int, now_us: int) -> None:
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
            self._rewind(follower)
        elif follower.deadline_us is None:
            follower.deadline_us = recalled_us + self._ack_wait_us

    def begin_anew(self, follower: "Follower") -> None:
        """The link or the consumer came back: resend from its mark, wait as at first."""
        self._rewind(follower)
        follower.wait_us = self._ack_wait_us

    def expect(self, last: int, now_us: int) -> None:
        """The broker has a message up to `last`: who lacks it has so long to acknowledge."""
        for follower in self.followers.values():
            if last > follower.has() and follower.deadline_us is None:
                follower.deadline_us = now_us + follower.wait_us

    def expire(self, now_us: int) -> None:
        """Silence since the PUBACK: resend, and wait twice as long for the next sign."""
        for follower in self.followers.values():
            if follower.deadline_us is not None and now_us >= follower.deadline_us:
                self._rewind(follower)
                follower.wait_us = min(self._ack_wait_longest_us, follower.wait_us * 2)

    def _rewind(self, follower: "Follower") -> None:
        follower.cursor = follower.has() + 1
        follower.left = self._window
        follower.deadline_us = None
        if follower.cursor < self.head:
            self.rewinds += 1

    def acked(self) -> int:
        """Every required consumer has acknowledged every seq up to this one."""
        return min([follower.mark for follower in self.followers.values()])
