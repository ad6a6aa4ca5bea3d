"""The 3I0 that an inquiry goes by: the sensor's own, or the sum of the phase currents where the
sensor is driven to its end.

A core around all three, or its converter, is made for small currents; what it makes of a heavy one
are short pulses, ahead of the current by up to a quarter of a cycle, from which any side can be
read. The phase transformers are made for short circuits, and what 67N looks at is below those: its
sum errs by some hundredths of what changed in the phases. So where both differ by a third of a
sum that stands well out of these errors, the sensor is what errs.

Portable.
"""

from agent.detect.earth_added import Added
from agent.detect.sequences import minus, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    Phasor = tuple[float, float]

# Of the sum, both are apart by more: twice what a core-balance sensor errs by at low currents, 10 %
# and seven degrees, and the three phases (3 % and a degree each).
APART = 0.35
# The sum is that much of the largest change of a phase, ten times what three transformers of class
# 5P may feign in it, and stands that far out of the noise of three phases.
LEAST_SHARE, SIGMAS = 0.3, 6.0


def summed(phases: "list[Added]") -> Added:
    """What was added to all three, of one unit."""
    finest = min([abs(each.unit) for each in phases])
    total, noise = [0] * len(phases[0].values), 0.0
    for each in phases:
        ratio = each.unit / finest
        total = [x + int(y * ratio) for x, y in zip(total, each.values)]
        noise += each.noise * ratio * ratio
    return Added(total, noise, finest)


def driven_to_its_end(
    sensor: "Phasor", total: "Phasor", noise: float, changes: "list[Phasor]"
) -> bool:
    """Whether the sensor is what errs.

    sensor, total: fundamentals of its 3I0 and of the phases' sum [A RMS]; noise: of one quadrature
    of the sum; changes: of the phase currents.
    """
    there = size(total)
    if there < SIGMAS * noise or there < LEAST_SHARE * max([size(x) for x in changes]):
        return False
    return size(minus(total, sensor)) > APART * there + SIGMAS * noise
