"""Seqs that consumers have asked for again: few ranges, merged, each with its deadline.

What is asked twice is sent once. A range that waits beyond its deadline is dropped: whoever asked
has given up or has asked anew. Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Range = tuple[int, int]

# A consumer has a few holes after a bad night, and there are a few consumers. Ranges that touch
# count once, so this is no limit for one that asks record by record.
MOST = 32


class Requests:
    """Ranges that wait, of all lanes. `most`: how many; what is beyond them is refused."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        # Of each lane, ascending and not touching: [first, last, deadline or None].
        self._waiting: "dict[str, list[list[Any]]]" = {}
        self.expired = 0

    def __len__(self) -> int:
        return sum([len(ranges) for ranges in self._waiting.values()])

    def add(self, lane: str, first: int, last: int, until_us: "int | None") -> bool:
        """Let first..last of `lane` wait until `until_us`; False: there are too many."""
        kept: "list[list[Any]]" = []
        merged = 0
        for low, high, until in self._waiting.get(lane, ()):
            if low > last + 1 or high < first - 1:
                kept.append([low, high, until])
                continue
            merged += 1
            first, last = min(first, low), max(last, high)
            until_us = None if until is None or until_us is None else max(until, until_us)
        if not merged and len(self) >= self._most:
            return False
        kept.append([first, last, until_us])
        kept.sort(key=lambda each: each[0])
        self._waiting[lane] = kept
        return True

    def first(self, lane: str, below: int, now_us: int) -> "Range | None":
        """The first range of `lane` that waits, as far as it lies below the seq `below`.

        The rest of it was never sent, so it comes anyway: asking for it is forgotten.
        """
        ranges = self._waiting.get(lane)
        while ranges:
            low, high, until_us = ranges[0]
            if until_us is not None and until_us <= now_us:
                self.expired += 1
            elif low < below:
                return low, min(high, below - 1)
            ranges.pop(0)
        return None

    def sent(self, lane: str, first: int, last: int) -> "int | None":
        """first..last of `lane` is under way again; the deadline of what was asked for in it."""
        until_us = None
        ranges = self._waiting.get(lane, [])
        for each in ranges:
            if first <= each[0] <= last:
                until_us = each[2]
                each[0] = last + 1
        self._waiting[lane] = [each for each in ranges if each[0] <= each[1]]
        return until_us
