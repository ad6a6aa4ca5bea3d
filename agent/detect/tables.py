"""The integer filter tables of the front end, the same for numpy and for integers on the board.

Over a window of one nominal cycle, counted from its middle, the fundamental is fitted together
with a constant and a ramp. A cosine is even and a sine is odd, so the four unknowns fall apart
into two pairs, and the filters are a cosine without its mean and a sine without its slope. The
constant and the ramp take up a decaying DC: for time constants of 5 to 150 ms the magnitude never
reads more than 1.21 times the true one, not even while the window still straddles the inception,
and never more than the true one for longer than half a cycle (measured in the tests).

Portable: numbers and lists only.
"""

import math

# Tables are integers: with samples of 17 bits and windows of 1,024 their sums stay below 2**45,
# exact in a float64 in any order of summation.
SCALE = 1 << 14


class Filter:
    """Two FIR tables for one window, newest sample last, and the gains that norm their sums.

    cosine, sine: lists of `length` integers; fundamental = (sum(cosine*x)/cosine_gain,
    sum(sine*x)/sine_gain), amplitude (not RMS) of the two quadratures at the window's middle.
    """

    def __init__(self, length: int, cosine: list[int], sine: list[int]) -> None:
        self.length = length
        self.cosine = cosine
        self.sine = sine
        self.cosine_gain = 1
        self.sine_gain = 1


def window_length(rate_num: int, rate_den: int, frequency_hz: int) -> int:
    """Samples in one nominal cycle, to the nearest whole one."""
    return (2 * rate_num + rate_den * frequency_hz) // (2 * rate_den * frequency_hz)


def fundamental(rate_num: int, rate_den: int, frequency_hz: int) -> Filter:
    """Tables for sampling at rate_num/rate_den Hz on a network of `frequency_hz`.

    Any rate: the step of the angle is the true one, also where a cycle is no whole number of
    samples. Raises: ValueError when a cycle has fewer than 8 samples, too few to be honest.
    """
    length = window_length(rate_num, rate_den, frequency_hz)
    if length < 8:
        raise ValueError("a cycle of %d samples; expected at least 8" % length)
    step = 2 * math.pi * frequency_hz * rate_den / rate_num
    middle = (length - 1) / 2
    places = [k - middle for k in range(length)]
    cosines = [math.cos(step * u) for u in places]
    sines = [math.sin(step * u) for u in places]
    mean = sum(cosines) / length
    slope = sum([u * s for u, s in zip(places, sines)]) / sum([u * u for u in places])
    filters = Filter(
        length,
        [_round(SCALE * (c - mean)) for c in cosines],
        [_round(SCALE * (s - slope * u)) for s, u in zip(sines, places)],
    )
    # Whole-number gains: a last bit of the platform's cosine can then never reach a verdict.
    filters.cosine_gain = _round(sum([h * c for h, c in zip(filters.cosine, cosines)]))
    filters.sine_gain = _round(sum([h * s for h, s in zip(filters.sine, sines)]))
    return filters


def _round(value: float) -> int:
    return math.floor(value + 0.5)
