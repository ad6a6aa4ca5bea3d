"""A slow quantity beyond its limit: told when it has been there for a while, and when it is back.

And what the quantities of the supply's quality are made of: negative to positive sequence, and the
frequency between two looks at one phasor.

Portable.
"""

from agent.detect.sequences import over, sequences, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.sequences import Phasor

START = 1
DROP = -1
NOTHING = 0

# The turn of a phasor is told by its sine up to this; a network that is further away from what the
# windows are tuned to is followed by them within two looks.
_WIDEST_SINE = 0.5
_TWO_PI = 6.283185307179586


class Beyond:
    """A quantity seen at or above `pickup` for `hold_us`; over when seen below `back` as long.

    After START: `since_us` (what its beginning lies between), `most` (the highest value while it
    lasted). After DROP also `until_us`.
    """

    def __init__(self, pickup: float, back: float, hold_us: int) -> None:
        self.pickup = pickup
        self.back = back
        self.hold_us = hold_us
        self.standing = False
        self.since_us = (0, 0)
        self.until_us = (0, 0)
        self.most = 0.0
        self._above = False  # since `since_us`, told or not
        self._below = False  # since `until_us`, while it stands

    def quiet(self) -> bool:
        """Whether a value below its limit changes nothing."""
        return not (self._above or self.standing)

    def step(self, t_us: int, since_us: int, value: float) -> int:
        """START or DROP once each; since_us: what shows now for the first time began no earlier.

        NaN, which nobody could measure, is within the limit.
        """
        if not self.standing:
            if not value >= self.pickup and not (self._above and value >= self.back):
                self._above = False
                return NOTHING
            if not self._above:
                self._above = True
                self.since_us = since_us, t_us
                self.most = value
            self.most = max(self.most, value)
            if t_us - self.since_us[1] < self.hold_us:
                return NOTHING
            self.standing = True
            self._below = False
            return START
        if value >= self.back:
            self._below = False
            self.most = max(self.most, value)
            return NOTHING
        if not self._below:
            self._below = True
            self.until_us = since_us, t_us
        if t_us - self.until_us[1] < self.hold_us:
            return NOTHING
        self.standing = self._above = False
        return DROP


def unbalance(phasors: "list[Phasor]", least: float) -> float:
    """Negative to positive sequence; NaN where the positive one is below `least`.

    Of two sequences the larger counts as the positive one: a set that is wired the other way round
    turns backwards, and is no unbalance.
    """
    _, positive, negative = sequences(phasors[0], phasors[1], phasors[2])
    return negative_share(size(positive), size(negative), least)


def negative_share(large: float, small: float, least: float) -> float:
    """The same of the magnitudes of both sequences."""
    if small > large:
        large, small = small, large
    return small / large if large >= least and large > 0.0 else float("nan")


def turn(earlier: "Phasor", later: "Phasor") -> float:
    """By how many cycles a phasor has turned, of less than a twelfth; NaN where it is more."""
    re, im = over(later, earlier)
    length = size((re, im))
    sine = im / length if length > 0.0 else 1.0
    if re <= 0.0 or not -_WIDEST_SINE < sine < _WIDEST_SINE:
        return float("nan")
    square = sine * sine
    # The arc of a sine as its series: 3e-5 of a radian at the widest.
    arc = sine * (
        1.0 + square * (1 / 6 + square * (3 / 40 + square * (5 / 112 + square * 35 / 1152)))
    )
    return arc / _TWO_PI
