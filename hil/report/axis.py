"""Numbers that stand well on an axis."""

from __future__ import annotations

import math
from collections.abc import Iterator


def nice(value: float) -> float:
    """1, 2 or 5 times a power of ten, not below the value, which is above 0."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= value * 0.999)


def ticks(begin: float, end: float, most: int) -> Iterator[float]:
    """Round values from begin to end, about so many; begin is below end."""
    step = nice((end - begin) / most)
    first = math.ceil(begin / step - 1e-9)
    return (k * step for k in range(first, math.floor(end / step + 1e-9) + 1))
