"""Which seqs of a lane have come: what a consumer remembers, so that each key counts once.

Ranges that do not touch, in order. In the ordinary case it is one range, 1 to the mark. No file
and no message is known here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class Seen:
    """A set of seqs, cheap where they come nearly in order.

    `ranges`: (first, last) pairs, both ends included, as `ranges()` answers them; ValueError when
    they are not in order or touch each other.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        end = -1
        for first, last in ranges:
            if not end + 1 < first <= last:
                raise ValueError(f"range {first}..{last} after {end}; expected one behind a gap")
            self._firsts.append(first)
            self._lasts.append(last)
            end = last

    @property
    def mark(self) -> int:
        """Every seq up to this one has come; seqs begin at 1."""
        return self._lasts[0] if self._firsts and self._firsts[0] == 1 else 0

    @property
    def gaps(self) -> int:
        """How many holes there are below the highest seq that has come."""
        return len(self._firsts) - (1 if self.mark else 0)

    def ranges(self) -> list[tuple[int, int]]:
        """All seqs that have come."""
        return list(zip(self._firsts, self._lasts, strict=True))

    def fresh(self, first: int, last: int) -> list[tuple[int, int]]:
        """The parts of first..last that have not come yet."""
        parts = []
        place = max(0, bisect_right(self._firsts, first) - 1)
        while first <= last and place < len(self._firsts):
            if self._firsts[place] > first:
                parts.append((first, min(last, self._firsts[place] - 1)))
            first = max(first, self._lasts[place] + 1)
            place += 1
        if first <= last:
            parts.append((first, last))
        return [part for part in parts if part[0] <= part[1]]

    def joins(self, first: int, last: int) -> bool:
        """Whether first..last touches what has come, or begins at 1: adding it opens no new gap."""
        place = bisect_right(self._firsts, last + 1) - 1
        return first == 1 or (place >= 0 and self._lasts[place] >= first - 1)

    def add(self, first: int, last: int) -> None:
        """Count first..last as come, whether parts of it had come before or not."""
        # From the first range that touches from below to the last that touches from above.
        low = bisect_right(self._firsts, first)
        if low and self._lasts[low - 1] >= first - 1:
            low -= 1
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def lowest_gap(self) -> tuple[int, int] | None:
        """The lowest hole below what has come; None where there is none."""
        place = 1 if self.mark else 0
        return (self.mark + 1, self._firsts[place] - 1) if place < len(self._firsts) else None

    def close_lowest_gap(self) -> None:
        """Count the lowest hole as come: the price of a bound, where nobody will fill it."""
        gap = self.lowest_gap()
        if gap is not None:
            self.add(1, gap[1])
