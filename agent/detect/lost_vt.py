"""Phase voltages that are lost in the measuring and nowhere else: a blown fuse of the VT.

What lies behind follows the voltages that are really there: where one or two phases are lost, loads
draw I2 of at least the same share, motors more, and an earth fault lifts the others. So currents
that stay balanced say that the voltage is still there. Where all three are lost, only currents that
stay what they were say it, or a load at no voltage at all. Without load nothing can be told.

Source: the comparison of dU with dI (60, "VT fuse failure") of every distance relay, e.g. IEEE
C37.2 number 60; limits from the sequence arithmetic beside each.

Portable.
"""

from agent.detect.sequences import minus, sequences, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.sequences import Phasor

# What its neighbours still put on the lost phase, through the winding and its burden.
REST_SHARE = 0.35
# The others are healthy: supply may stay between 0.9 and 1.1, and sensors err.
LOW_SHARE, HIGH_SHARE = 0.85, 1.2
# Two healthy phases stand 120 degrees apart: 1.73; in an earth fault they close in on 60, 1.0.
APART_SHARE = 1.6
# A phase at REST_SHARE makes U2/U1 0.28, and loads draw at least as much I2; sound loads 0.1.
BALANCED_SHARE = 0.17
# Of a network that is really so low nothing draws a steady current, its motors for 0.2 s.
MUTE_SHARE = 0.05
# Against what it was. The VT's other phases do not move, load in 20 ms by a few per cent.
SAME_VOLTS, SAME_AMPS = 0.04, 0.08


# Load that tells: with less, what noise leaves is taken for a current that stays.
LOADED_SHARE = 0.03


def lost_phases(
    volts: "list[Phasor]", amps: "list[Phasor]", nominal_volts: float, least_amps: float
) -> "str":
    """The phases that are lost in the measuring, "" where none is, or where it cannot be told.

    "abc" says no more than that a balanced current flows at low voltages. nominal_volts: to earth;
    least_amps: each current is at least that. [RMS]
    """
    sizes = [size(each) for each in volts]
    lost = [p for p in range(3) if sizes[p] <= REST_SHARE * nominal_volts]
    left = [p for p in range(3) if p not in lost]
    if not lost or min([size(each) for each in amps]) < least_amps:
        return ""
    for p in left:
        if not LOW_SHARE * nominal_volts <= sizes[p] <= HIGH_SHARE * nominal_volts:
            return ""
    if len(left) == 2:
        one, other = left
        if size(minus(volts[one], volts[other])) < APART_SHARE * min(sizes[one], sizes[other]):
            return ""
    _, ahead, reverse = [size(each) for each in sequences(amps[0], amps[1], amps[2])]
    if min(ahead, reverse) > BALANCED_SHARE * max(ahead, reverse):
        return ""
    return "".join(["abc"[p] for p in lost])


def mute(volts: "list[Phasor]", nominal_volts: float) -> bool:
    """Whether there is no voltage at all."""
    return max([size(each) for each in volts]) <= MUTE_SHARE * nominal_volts


def same(amps: "list[float]", before: "list[float]") -> bool:
    """Whether these currents are what they were. [RMS]"""
    return all(abs(now - was) <= SAME_AMPS * was for now, was in zip(amps, before))


def sound(volts: "list[float]", nominal_volts: float) -> bool:
    """Whether all three are there. [RMS]"""
    return LOW_SHARE * nominal_volts <= min(volts) and max(volts) <= HIGH_SHARE * nominal_volts


def back(volts: "list[Phasor]", phases: str, nominal_volts: float) -> bool:
    """Whether all of these phases are there again."""
    return min([size(volts["abc".index(p)]) for p in phases]) >= LOW_SHARE * nominal_volts


def unshaken(
    volts: "list[float]",
    line_volts: "list[float]",
    amps: "list[float]",
    before: "tuple[list[float], list[float], list[float]]",
    nominal_volts: float,
    rating_amps: float,
) -> "str":
    """The phases that fell to a rest while nothing else moved, "" where that is not so.

    volts: to earth; line_volts: AB, BC, CA; amps: of the phases; before: all three, a cycle or
    more ago. [RMS]
    """
    was_volts, was_line, was_amps = before
    lost = [p for p in range(3) if volts[p] <= REST_SHARE * nominal_volts]
    if not sound(was_volts, nominal_volts) or min(was_amps) < LOADED_SHARE * rating_amps:
        return ""
    if not same(amps, was_amps):
        return ""
    for p in range(3):
        if p in lost:
            continue
        if abs(volts[p] - was_volts[p]) > SAME_VOLTS * was_volts[p]:
            return ""
        between = (p + 1) % 3 not in lost
        if between and abs(line_volts[p] - was_line[p]) > SAME_VOLTS * was_line[p]:
            return ""
    return "".join(["abc"[p] for p in lost])
