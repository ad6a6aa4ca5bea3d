"""A channel that delivers what no conductor carries: one value, an offset, tops cut flat.

Portable.
"""

TYPE_CHECKING = False

# Flat for so much of a cycle: 30 degrees, in which a sinusoid falls by 3.4 % from its top.
FLAT_CYCLE = 1.0 / 12.0
# Amplitude from which that fall is ten counts, and five between the outermost of few samples.
LEAST_COUNTS = 300
FLAT_TOPS = 2  # in two cycles


def stuck(bottom: float, top: float, least_counts: float) -> bool:
    """Whether a channel stands still, elsewhere than at nothing. [counts]"""
    return bottom == top and abs(top) >= least_counts


def offset(bottom: float, top: float) -> float:
    """How far the middle between the extremes lies off zero. [counts]"""
    return 0.5 * (top + bottom)


def cut_flat(row: "list[int]", window: int) -> bool:
    """Whether the tops of these samples, two cycles of `window`, are cut off at the same height."""
    top, bottom = max(row), min(row)
    if top - bottom < 2 * LEAST_COUNTS:
        return False
    least = _least(window)
    return _runs(row, top, least) >= FLAT_TOPS or _runs(row, bottom, least) >= FLAT_TOPS


def least_at_stop(window: int) -> int:
    """Samples at a stop in the four cycles of a look, below which none of it is cut flat."""
    return FLAT_TOPS * _least(window)


def _least(window: int) -> int:
    return max(3, int(FLAT_CYCLE * window))


def _runs(row: "list[int]", value: int, least: int) -> int:
    """How often `value` stands for `least` samples in a row."""
    count = run = 0
    for x in row:
        run = run + 1 if x == value else 0
        if run == least:
            count += 1
    return count
