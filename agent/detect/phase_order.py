"""Conductors of the sensors that changed places: what is A there is B here.

A load's currents and a network's voltages go round the same way, A before B before C. Where two of
a set have changed places that set goes round the other way, and nothing of it is left that goes
round the right way. The phase that kept its place is the one whose current still lies where loads
have it, up to 90 degrees behind its voltage and 30 ahead; so the pair is named for power that flows
the normal way.

Portable.
"""

import math

from agent.detect.sequences import sequences, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.sequences import Phasor

# Loads differ by a tenth, an open phase makes them equal: 1. Swapped, the two change roles.
WRONG_SHARE = 0.3
# No earth fault meanwhile.
EARTH_SHARE = 0.2

RIGHT, WRONG, UNTOLD = 0, 1, 2
# The middle of where loads lie: 30 degrees behind.
_COS_30 = math.sqrt(3.0) / 2.0
_PAIRS = ("bc", "ca", "ab")


def order(phasors: "list[Phasor]", least: float) -> int:
    """RIGHT, WRONG or, with less than `least` or what is neither, UNTOLD."""
    zero, ahead, reverse = [size(each) for each in sequences(phasors[0], phasors[1], phasors[2])]
    most = max(ahead, reverse)
    if most < least or zero > EARTH_SHARE * most or min(ahead, reverse) > WRONG_SHARE * most:
        return UNTOLD
    return RIGHT if ahead > reverse else WRONG


def swapped(volts: "list[Phasor]", amps: "list[Phasor]") -> str:
    """The pair that changed places, "ab", "bc" or "ca"."""
    beside = []
    for u, i in zip(volts, amps):
        active, reactive = u[0] * i[0] + u[1] * i[1], u[1] * i[0] - u[0] * i[1]
        beside.append(_COS_30 * active + 0.5 * reactive)
    return _PAIRS[beside.index(max(beside))]
