"""A phase current transformer whose secondary circuit is open, which is no lost phase.

Its current is gone while the two others stay what they were, 120 degrees apart. Where a conductor
is really open and nothing flows to earth, the two others lie opposite to each other; where
something flows to earth, 3I0 of a core-balance sensor shows it. So a sum of the three that is
nobody's earth current is a transformer's.

Portable.
"""

from agent.detect.sequences import minus, plus, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.sequences import Phasor

# What still comes from an open secondary, by the other phases. Loads of one bay differ less.
GONE_SHARE = 0.05
# Two currents 120 degrees apart add up to one, opposite ones to nothing.
APART_SHARE = 0.7
ALIKE = 0.65  # the smaller by the larger of the two that are left
# A real current to earth shows in 3I0's own sensor to within its errors.
UNSEEN_SHARE = 0.3
# It is there again.
BACK_SHARE = 0.3
# So much of a cycle is flat; a sinusoid crosses this band in 17 degrees, a converter in 60.
FLAT_CYCLE = 0.25
FLAT_SHARE = 0.15
SAME_SHARE = 0.1  # the others, against one cycle earlier


def open_phase(
    currents: "list[Phasor]", residual: "Phasor | None", least_amps: float
) -> "int | None":
    """The phase whose transformer is open, None where none is.

    currents: of the three phases; residual: 3I0 by a sensor of its own, None where it has none.
    least_amps: the two others flow more than this. [A RMS]
    """
    sizes = [size(each) for each in currents]
    phase = sizes.index(min(sizes))
    other, another = currents[phase - 1], currents[phase - 2]
    low, high = sorted([size(other), size(another)])
    if low < least_amps or low < ALIKE * high or sizes[phase] > GONE_SHARE * low:
        return None
    left = plus(other, another)
    if size(left) < APART_SHARE * low:
        return None
    if residual is not None and size(residual) > UNSEEN_SHARE * size(left):
        return None
    return phase


def back(currents: "list[Phasor]", phase: int) -> bool:
    """Whether the current of this phase is there again."""
    sizes = [size(each) for each in currents]
    return sizes[phase] > BACK_SHARE * max(sizes)


def vanished(rows: "list[list[int]]", window: int, least: float) -> "int | None":
    """The phase that has gone flat while the two others go on as one cycle before.

    rows: samples of the three phases, at least 2.5 cycles of `window` each, one unit; least: peak
    of a current that counts.
    """
    flat = int(FLAT_CYCLE * window)
    if min([len(row) for row in rows]) < 2 * window + flat:
        return None
    for phase in range(3):
        row = rows[phase]
        peak = max([abs(x) for x in row[-2 * window - flat : -window - flat]])
        if peak < least or max([abs(x) for x in row[-flat:]]) > FLAT_SHARE * peak:
            continue
        # Converters leave gaps too, but every cycle.
        if max([abs(x) for x in row[-window - flat : -window]]) < 0.5 * peak:
            continue
        if _went_on(rows[phase - 1], window, flat) and _went_on(rows[phase - 2], window, flat):
            return phase
    return None


def _went_on(row: "list[int]", window: int, flat: int) -> bool:
    """Whether the last samples are those of one cycle earlier."""
    peak = max([abs(x) for x in row[-window:]])
    apart = [abs(a - b) for a, b in zip(row[-flat:], row[-flat - window : -window])]
    return max(apart) <= SAME_SHARE * peak


def flipped(currents: "list[Phasor]", residual: "Phasor | None", least_amps: float) -> "int | None":
    """The phase whose transformer is connected the wrong way round, None where none is.

    Turned round it makes the three add up to nothing, or to what the sensor of 3I0 says.
    """
    sizes = [size(each) for each in currents]
    low, high = min(sizes), max(sizes)
    if low < least_amps or low < ALIKE * high:
        return None
    sum_here = plus(plus(currents[0], currents[1]), currents[2])
    earth = (0.0, 0.0) if residual is None else residual
    if size(minus(sum_here, earth)) < 2.0 * APART_SHARE * low:
        return None
    for phase in range(3):
        twice = (2.0 * currents[phase][0], 2.0 * currents[phase][1])
        if size(minus(minus(sum_here, twice), earth)) <= UNSEEN_SHARE * low:
            return phase
    return None
