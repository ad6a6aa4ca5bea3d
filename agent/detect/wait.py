"""Judgements at some ages of what has begun to move.

Portable.
"""

TYPE_CHECKING = False


class Wait:
    """ages: of the judgements, rising. [cycles] since_us: when it began."""

    def __init__(self, ages: "tuple[float, ...]", cycle_us: int) -> None:
        self._ages_us = [round(age * cycle_us) for age in ages]
        self._next = len(ages)
        self._begun = False
        self.since_us = 0

    def over(self) -> bool:
        """Whether no judgement is to come."""
        return self._next == len(self._ages_us)

    def renew(self) -> None:
        """What moves from now on is new, unless a judgement is still to come."""
        if self.over():
            self._begun = False

    def dues_us(self) -> "list[int]":
        """The judgements to come."""
        return [self.since_us + age_us for age_us in self._ages_us[self._next :]]

    def step(self, t_us: int, moving: bool) -> bool:
        """Whether to judge now."""
        if not self._begun:
            if not moving:
                return False
            self._begun = True
            self._next = 0
            self.since_us = t_us
        ripe = False
        while not self.over() and t_us >= self.since_us + self._ages_us[self._next]:
            self._next += 1
            ripe = True
        return ripe and moving
