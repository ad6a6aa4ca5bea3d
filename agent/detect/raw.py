"""The raw samples of one bay up to one decision, for elements that look at shapes.

Whole numbers as the converter delivered them, so that what is worked out from them with + - * /
and square roots is the same to the bit on any processor, and whatever the block size.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Wave = tuple[list[int], float]

ROLES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0", "u_load_a", "u_load_b", "u_load_c")


class Raw:
    """window: samples of the cycle that the front end is tuned to. cycle_us: a nominal one.

    scales: primary amperes or volts a count, of the roles that there is a sensor for (3I0 and U0
    also where they are sums of three phases, see `summed`).
    take(role, n): the last n samples, fewer where there are fewer since the last gap; ten cycles
    are kept.
    """

    def __init__(
        self,
        window: int,
        cycle_us: int,
        scales: "Mapping[str, float]",
        summed: "frozenset[str]",
        take: "Callable[[str, int], list[int]]",
    ) -> None:
        self.window = window
        self.cycle_us = cycle_us
        self.scales = scales
        self.summed = summed
        self._take = take

    def has(self, role: str) -> bool:
        """Whether there is a sensor for it, or a sum."""
        return role in self.scales

    def last(self, role: str, count: int) -> "list[int]":
        """The last `count` samples [counts], newest last; none where there is no sensor."""
        return self._take(role, count) if role in self.scales else []

    def wave(self, role: str, count: int) -> "Wave":
        """The same with the primary units a count."""
        return self.last(role, count), self.scales.get(role, 0.0)
