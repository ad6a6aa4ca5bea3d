"""The integer tables of the front end, the same for numpy and for integers on the board.

Over a window of about one cycle, counted from its middle, the fundamental is fitted together with
a constant and a ramp. A cosine is even and a sine is odd, so the four unknowns fall apart into two
pairs: the cosine of a whole cycle has no mean, and the sine is taken without its slope. The
constant and the ramp take up a decaying DC: for time constants of 5 to 150 ms the magnitude never
reads more than 1.21 times the true one, not even while the window still straddles the inception,
and never more than the true one for longer than half a cycle (measured in the tests).

The sums behind it can slide: entering and leaving samples meet the same entry of a table whose
period is the window, so that four exact sums stand for the whole window (see front_end.py):

    re, im  sums of cosine[i % length] * x[i] and sine[i % length] * x[i]
    total   sum of x[i];  moment: sum of (i - middle) * x[i]

Portable: numbers and lists only.
"""

import math

# Tables are integers: with samples of 20 bits and windows of 1,140 the sums stay below 2**45,
# exact in a float64 in any order of summation.
SCALE = 1 << 14
SHORTEST = 8  # samples in a cycle; fewer are too few to be honest
_FINE = 1 << 10  # the slope is a multiple of 1 / _FINE, exact in a float


class Tuning:
    """What turns the four sums of a window into the fundamental of one frequency.

    length: samples of the window. cosine, sine: one period of integers, index i % length.
    turn_cosine, turn_sine: for the window that ends at i, by i % length, the angle of its middle.
    The fundamental, amplitude (not RMS) at the window's middle, is then

        even = (re * turn_cosine + im * turn_sine) / even_gain
        odd  = (re * turn_sine - im * turn_cosine + slope * moment) / odd_gain

    even + j odd. The gains are those of the frequency tuned to, so it need not fill the window
    with a whole cycle. Whole-number gains and tables: a last bit of the platform's cosine can
    never reach a verdict.
    """

    def __init__(self, length: int, step: float) -> None:
        circle = 2 * math.pi / length
        middle = (length - 1) / 2
        places = [k - middle for k in range(length)]
        sines = [math.sin(circle * u) for u in places]
        slope = sum([u * s for u, s in zip(places, sines)]) / sum([u * u for u in places])
        square = SCALE * SCALE
        self.length = length
        self.cosine = [_round(SCALE * math.cos(circle * i)) for i in range(length)]
        self.sine = [_round(SCALE * math.sin(circle * i)) for i in range(length)]
        self.turn_cosine = [_round(SCALE * math.cos(circle * (i - middle))) for i in range(length)]
        self.turn_sine = [_round(SCALE * math.sin(circle * (i - middle))) for i in range(length)]
        self.slope = _round(square * slope * _FINE) / _FINE
        even = [math.cos(circle * u) * math.cos(step * u) for u in places]
        odd = [(s - slope * u) * math.sin(step * u) for s, u in zip(sines, places)]
        self.even_gain = _round(square * sum(even))
        self.odd_gain = _round(square * sum(odd))

    def weights(self) -> "list[tuple[float, float]]":
        """What each sample of a window, the oldest first, adds to the even and the odd part."""
        middle = (self.length - 1) / 2
        turn_cosine, turn_sine = self.turn_cosine[-1], self.turn_sine[-1]
        table = []
        for k, (c, s) in enumerate(zip(self.cosine, self.sine)):
            even = c * turn_cosine + s * turn_sine
            odd = c * turn_sine - s * turn_cosine + self.slope * (k - middle)
            table.append((even / self.even_gain, odd / self.odd_gain))
        return table


def window_length(rate_num: int, rate_den: int, frequency_mhz: int) -> int:
    """Samples in one cycle of `frequency_mhz` [mHz], to the nearest whole one."""
    cycle = rate_den * frequency_mhz
    return (2000 * rate_num + cycle) // (2 * cycle)


def tuned(rate_num: int, rate_den: int, frequency_mhz: int) -> Tuning:
    """Tables for sampling at rate_num/rate_den Hz, tuned to `frequency_mhz` [mHz].

    Any rate: the step of the angle is the true one, also where a cycle is no whole number of
    samples. Raises: ValueError when a cycle has fewer than 8 samples, too few to be honest.
    """
    length = window_length(rate_num, rate_den, frequency_mhz)
    if length < SHORTEST:
        raise ValueError("a cycle of %d samples; expected at least %d" % (length, SHORTEST))
    return Tuning(length, 2 * math.pi * frequency_mhz * rate_den / (1000 * rate_num))


def harmonic(length: int, order: int) -> "tuple[list[int], list[int]]":
    """Cosine and sine of a harmonic over a window of one cycle, oldest sample first.

    Sums over the window, divided by SCALE * length / 2, are its quadratures, amplitude.
    """
    circle = 2 * math.pi * order / length
    cosine = [_round(SCALE * math.cos(circle * k)) for k in range(length)]
    return cosine, [_round(SCALE * math.sin(circle * k)) for k in range(length)]


def _round(value: float) -> int:
    return math.floor(value + 0.5)
