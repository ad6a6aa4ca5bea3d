"""How long something takes, again and again: quantiles of many durations in little memory.

A duration counts in one of eight classes of its octave, so a quantile is told too high by an eighth
at most, and an hour of any load takes a few dozen numbers.
"""

from __future__ import annotations

_PER_OCTAVE = 8
# 2^62 us; what is longer is no duration.
_LONGEST = (1 << 62) - 1


class Durations:
    """Durations since the last `clear`, in any unit, as whole numbers."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.count = 0
        self.longest = 0
        self._counts: dict[int, int] = {}

    def add(self, duration: int) -> None:
        """One more; below zero counts as none."""
        duration = min(max(0, duration), _LONGEST)
        self.count += 1
        self.longest = max(self.longest, duration)
        place = _class_of(duration)
        self._counts[place] = self._counts.get(place, 0) + 1

    def quantile(self, percent: int) -> int:
        """At least so many percent took no longer than this; 0 where there are none."""
        wanted = -(-self.count * percent // 100)
        for place in sorted(self._counts):
            wanted -= self._counts[place]
            if wanted <= 0:
                return min(self.longest, _largest_of(place))
        return 0


def _class_of(duration: int) -> int:
    if duration < _PER_OCTAVE:
        return duration
    octave = duration.bit_length() - _PER_OCTAVE.bit_length()
    return (octave << 3) + (duration >> octave)


def _largest_of(place: int) -> int:
    if place < 2 * _PER_OCTAVE:
        return place
    octave = (place >> 3) - 1
    return ((place - (octave << 3) + 1) << octave) - 1
