"""One lane on its way: what was sent, and how far each required consumer has come. Portable.

The rules by which session.py moves these stand there.
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

    `next_before`: what `next` was when the link came to stand. `sent`: the broker has confirmed
    every seq up to it; `confirmed`: the highest that it has.
    """

    def __init__(
        self, name: str, consumers: "Iterable[str]", window: int, ack_wait_us: int
    ) -> None:
        self.name = name
        self.next = self.next_before = 1
        self.head = 1
        self.sent = 0
        self.confirmed = 0
        self.hold_us = 0
        self.hold_until_us = 0
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

    def goes_back(self, first: int, from_head: "int | None", window: int) -> None:
        """A message that began at `first` did not arrive; `from_head`: what of it was new."""
        if from_head is not None:
            self.head = min(self.head, from_head)
            self.raise_head()
        for follower in self.followers.values():
            if follower.cursor > first:
                follower.cursor = max(follower.has() + 1, first)
                follower.left = window

    def acked(self) -> int:
        """Every required consumer has acknowledged every seq up to this one."""
        return min([follower.mark for follower in self.followers.values()])
