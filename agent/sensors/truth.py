"""Whether what a meter says can be what it measures now: plausible, alive, and said twice.

A reading by which a single poll would raise an alarm is not believed yet. Which values do that,
only detection knows; so every voltage, current or state that jumped is doubted, and its registers
are read once more at once. The second reading is the one that counts, if it jumped the same way or
did not jump at all; if it contradicts both, there is no value. So an honest loss is late by one
read, and a register that was wrong once never becomes an alarm. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.records import Quality
from agent.sensors.registers import Point

FROZEN_POLLS = 5  # polls without a change of the heartbeat before the meter is called frozen
# A jump is a change by more than this share of the larger value, and by more than noise. A voltage
# moves by percents unless something happened (EN 50160: within 10 %, where a dip begins).
JUMP = {"V": 0.05, "A": 0.2}
NOISE = {"V": 1.0, "A": 0.05}  # far below what any element acts on, in secondary values too

Values = Sequence[float | None]


class Truth:
    """Remembers what a meter last said and was believed."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = points
        self._bounds = [(point.low, point.high) for point in points]
        # What is doubted where it jumps: detection acts on nothing else.
        self._acted_on = [
            k for k, point in enumerate(points) if point.is_state or point.unit in JUMP
        ]
        self._hearts = [k for k, point in enumerate(points) if point.heartbeat]
        self._believed: list[float | None] = [None] * len(points)
        self._beats: list[float | None] = [None] * len(self._hearts)
        self._still = 0
        self._denied: list[str] = []
        self.unconfirmed = 0  # values that a second read did not confirm
        self.complaint = ""

    def doubts(self, values: Values) -> list[int]:
        """The values that are to be read once more before they are believed."""
        return [
            k
            for k in self._acted_on
            if (value := values[k]) is not None
            and self._plausible(k, value)
            and self._jumped(k, value)
        ]

    def settle(self, first: Values, second: Values, doubtful: Sequence[int]) -> list[float | None]:
        """The second reading, without what contradicts both the first and the last."""
        settled = list(second)
        for k in doubtful:
            settled[k] = self._settled(k, first[k], second[k])
        # What jumped only in the second reading has been said once, not twice.
        for k in set(self.doubts(settled)).difference(doubtful):
            settled[k] = first[k]
        return settled

    def _settled(self, k: int, first: float | None, second: float | None) -> float | None:
        """What two readings of a value that jumped in the first say; None: nothing."""
        last = self._believed[k]
        if first is not None and second is not None and self._plausible(k, second):
            if not self._differ(k, first, second):
                return second
            if last is not None and self._jumped(k, second) and (second > last) == (first > last):
                return second  # on its way
            self.unconfirmed += 1
            if last is not None and not self._jumped(k, second):
                return second  # it never moved
            if last is None:  # to be compared with from now on
                self._believed[k] = second
        self._denied.append(self._points[k].name)
        return None

    def judge(self, values: list[float | None]) -> Quality:
        """Marks of a poll; values beyond what is plausible are taken out of it."""
        wild = []
        for k, ((low, high), value) in enumerate(zip(self._bounds, values, strict=True)):
            if value is None:
                continue
            if low <= value <= high:
                self._believed[k] = value
            else:
                wild.append(f"{self._points[k].name} = {value:g}")
                values[k] = None
        frozen = self._frozen(values)
        self.complaint = self._words(wild, frozen=frozen)
        quality = Quality.GOOD
        if wild or self._denied:
            quality |= Quality.INVALID
        if frozen:
            quality |= Quality.STALE
        self._denied = []
        return quality

    def _plausible(self, k: int, value: float) -> bool:
        low, high = self._bounds[k]
        return low <= value <= high

    def _jumped(self, k: int, value: float) -> bool:
        last = self._believed[k]
        return last is None or self._differ(k, value, last)

    def _differ(self, k: int, one: float, other: float) -> bool:
        unit = self._points[k].unit
        share = JUMP.get(unit, 0.0) * max(abs(one), abs(other))
        return abs(one - other) > max(share, NOISE.get(unit, 0.0))

    def _frozen(self, values: Values) -> bool:
        beats = [values[k] for k in self._hearts]
        self._still = self._still + 1 if self._hearts and beats == self._beats else 0
        self._beats = beats
        return self._still >= FROZEN_POLLS

    def _words(self, wild: list[str], *, frozen: bool) -> str:
        if frozen:
            return f"the same values for {self._still} polls"
        if wild:
            return f"implausible: {', '.join(wild)}"
        return f"not confirmed by a second read: {', '.join(self._denied)}" if self._denied else ""
