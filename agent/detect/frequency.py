"""Follows the frequency of the network, so that phasors stay true from 45 to 65 Hz.

At instants fixed by the index of the sample, the phasor of the supply is held against the one a
window earlier; by how much it has turned tells how far the network is from what is tuned to. Since
verdicts depend on the tuning, the turn is told without an arc tangent: it is looked up between
tangents that are multiples of 2^-30.

Portable.
"""

from math import floor, pi, tan

# Tunings are this far apart: half of it is 0.2 % of a phasor. [mHz]
STEP_MHZ = 100
# Nearer than this to what is tuned to, nothing is changed: a tuning starts the windows anew.
TOLERANCE_MHZ = 150
# The phasor may change in size by so much in a window and still be one and the same supply.
STEADY_SHARE = 0.1
# Two estimates in a row, four cycles apart, must agree to so much: 6 Hz a second. [mHz]
AGREED_MHZ = 500
# The tangent of a turn is unique below a quarter; a wider one is taken for one of 86 degrees, and
# the next look goes on from there.
_WIDEST_TANGENT = 15.0
_WIDEST = 0.24 * 2 * pi


class Frequency:
    """The frequency to be tuned to.

    lowest_mhz, highest_mhz: beyond them nothing is followed. before: the last estimate, which the
    next one must agree with; None: none that counts. [mHz]
    """

    def __init__(self, lowest_mhz: int, highest_mhz: int) -> None:
        self.lowest_mhz = lowest_mhz
        self.highest_mhz = highest_mhz
        self.before: "int | None" = None

    def step(
        self,
        tuned_mhz: int,
        window_mhz: int,
        now: "tuple[float, float]",
        earlier: "tuple[float, float]",
    ) -> "int | None":
        """A new frequency to tune to; None: stay.

        window_mhz: the frequency of which the window is one cycle; now, earlier: the phasor of
        the supply over the last window and over the one before, (re, im) in a frame that turns
        with `window_mhz`. To be asked at regular instants.
        """
        before, self.before = self.before, self._estimate(window_mhz, now, earlier)
        found = self.before
        if found is None or before is None or abs(found - before) > AGREED_MHZ:
            return None
        if abs(found - tuned_mhz) < TOLERANCE_MHZ:
            return None
        self.before = None
        return found

    def _estimate(
        self, window_mhz: int, now: "tuple[float, float]", earlier: "tuple[float, float]"
    ) -> "int | None":
        size = now[0] * now[0] + now[1] * now[1]
        size_before = earlier[0] * earlier[0] + earlier[1] * earlier[1]
        cosine = now[0] * earlier[0] + now[1] * earlier[1]
        sine = now[1] * earlier[0] - now[0] * earlier[1]
        if not size > 0 or abs(size - size_before) > 2 * STEADY_SHARE * size:
            return None
        tangent = _WIDEST_TANGENT if sine > 0 else -_WIDEST_TANGENT
        if abs(sine) < _WIDEST_TANGENT * cosine:
            tangent = sine / cosine
        found = self._nearest(window_mhz, tangent)
        return found if self.lowest_mhz <= found <= self.highest_mhz else None

    def _nearest(self, window_mhz: int, tangent: float) -> int:
        """The tuning whose turn is nearest to the one with this tangent. [mHz]"""
        low = self.lowest_mhz // STEP_MHZ - 1
        high = self.highest_mhz // STEP_MHZ + 1
        while low < high:  # between two tunings lies the turn of the frequency in the middle
            middle = (low + high) // 2
            if tangent > _tangent(STEP_MHZ * middle + STEP_MHZ // 2, window_mhz):
                low = middle + 1
            else:
                high = middle
        return STEP_MHZ * low


def _tangent(frequency_mhz: int, window_mhz: int) -> float:
    """Of the turn in one window; it rises with the frequency."""
    turn = 2 * pi * (frequency_mhz - window_mhz) / window_mhz
    if abs(turn) > _WIDEST:
        return 1e9 if turn > 0 else -1e9
    return floor(tan(turn) * (1 << 30) + 0.5) / (1 << 30)
