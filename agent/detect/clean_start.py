"""What a fault added to each phase before any current transformer could saturate, and to U0.

A saturated transformer delivers too little, and too little is what a healthy phase shows. Its first
milliseconds are right: a core of class P carries a quarter of a cycle of the heaviest fault at full
offset. In so short a time an offset hides one phase and doubles another, so the currents are
compared as what drove them, R i + L di/dt, of which an offset is no part: a sinusoid, whose size a
quarter of a cycle tells.

Source: IEC 61869-2, annex 2B; A. G. Phadke, J. S. Thorp, "Computer Relaying for Power Systems",
ch. 4 (replica impedance).

Portable.
"""

import math

from agent.detect import impedance
from agent.detect.tables import SCALE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.raw import Raw

CLEAN = 0.27  # of a cycle
# R/X where no voltage tells: lines of 0.3 and sources of 0.1, arcs of 1; a wrong one leaves of an
# offset a third of the phase's own size.
USUAL_SHARE = 0.4
LEAST = 6  # thinned samples, of which two go to the derivative


def shares(raw: "Raw", age: float, share: float) -> "tuple[float, float, float] | None":
    """What drove each phase's added current, any unit; None where the past is not known.

    age: cycles since the inception was seen, a cycle and a half at most; share: R/X of the loop.
    """
    count, back = int(age * raw.window), raw.window * (1 + int(age + 0.1))
    group = impedance.group_of(raw.window)
    cycle = raw.window / group
    length = max(LEAST, int(CLEAN * cycle + 0.5))
    if count < length * group:
        return None
    sizes = []
    for role in ("ia", "ib", "ic"):
        samples, scale = raw.wave(role, count + back)
        if len(samples) < count + back:
            return None
        begin = samples[back : back + length * group]
        added = [x - y for x, y in zip(begin, samples)]
        sizes.append(abs(scale) * _driven(impedance.thinned(added, group), cycle, share))
    return sizes[0], sizes[1], sizes[2]


def neutral_change(raw: "Raw", age: float) -> "float | None":
    """RMS of what was added to U0 over the last half cycle [V]; None where it cannot be told."""
    half, back = raw.window // 2, raw.window * (1 + int(age + 0.1))
    samples, scale = raw.wave("u0", half + back)
    if len(samples) < half + back:
        return None
    added = [x - y for x, y in zip(samples[back:], samples)]
    return abs(scale) * math.sqrt(impedance.dot(added, added) / half)


def _driven(added: "list[int]", cycle: float, share: float) -> float:
    """Amplitude of the sinusoid in di/dt over omega + share * i."""
    steps = [after - before for before, after in zip(added, added[2:])]
    middle = added[1:-1]
    step = 2 * math.pi / cycle
    cosine = [_table(math.cos(step * k)) for k in range(len(middle))]
    sine = [_table(math.sin(step * k)) for k in range(len(middle))]
    double_sine = 2 * _table(math.sin(step)) / SCALE
    c = impedance.dot(cosine, steps) / double_sine + share * impedance.dot(cosine, middle)
    s = impedance.dot(sine, steps) / double_sine + share * impedance.dot(sine, middle)
    cc, ss = impedance.dot(cosine, cosine), impedance.dot(sine, sine)
    cs = impedance.dot(cosine, sine)
    determinant = float(cc * ss - cs * cs)
    even, odd = (c * ss - s * cs) / determinant, (s * cc - c * cs) / determinant
    return SCALE * math.sqrt(even * even + odd * odd)


def _table(value: float) -> int:
    return math.floor(SCALE * value + 0.5)
