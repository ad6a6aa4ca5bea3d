"""Which way the energy of an earth fault's zero sequence has flowed through this bay.

What was added to U0 and 3I0 is what the fault drives into a network that was dead before. The side
of the bay without the fault is passive, of whatever lines, cables, coils and resistors it is made:
at no instant has it given more than it got. So, with 3I0 positive away from the source,

    w(t) = integral of u0 i0 dt   >= 0 at all times: the fault is elsewhere
                                  <= 0 at all times: the fault is ahead.

No model of the lines is asked for, so that it holds where they resonate: a long overhead line
before the cables of a bus makes a coil of them from the tenth harmonic on, which the models of
earth_direction.py do not know. What it cannot do is to gain from repetition: where noise is large
it sees less than they do.

Over one cycle: errors of angle add to w at a constant rate, 3 degrees a third of what a capacitance
stores in a whole one, and saturation of a 3I0 sensor by the coil's decaying DC comes later.
Source: "transient energy method" of Chinese earth fault line selection; passivity: O. Brune,
"Synthesis of a finite two-terminal network", J. Math. Phys. 10, 1931.

Portable.
"""

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.earth_added import Added, Span

# Cycles that are added up, before and after the inception: it may have been dated too late.
BEFORE, AFTER = 0.25, 1.0


class Energy:
    """share: 1.0: all of it flowed away from the source at any time; -1.0: all towards it.
    sigmas: by how much the most that flowed stands out of noise.
    """

    def __init__(self, share: float, sigmas: float) -> None:
        self.share = share
        self.sigmas = sigmas


def energy(neutral: "Added", residual: "Added", span: "Span") -> Energy:
    """Of what was added to U0 and 3I0."""
    first = max(0, span.onset - int(BEFORE * span.per_cycle))
    last = span.onset + int(AFTER * span.per_cycle)
    flowed = most = least = noise = 0.0
    # Term by term in floats: the whole sum may be beyond 2^53 (see earth_added.squares).
    for x, y in zip(neutral.values[first:last], residual.values[first:last]):
        u, i = float(x), float(y)
        flowed += u * i
        noise += residual.noise * u * u + neutral.noise * i * i
        most, least = max(most, flowed), min(least, flowed)
    # A sensor that is wired the other way round has a negative scale.
    if neutral.unit * residual.unit < 0.0:
        most, least = -least, -most
    if noise <= 0.0 or most == least:
        return Energy(0.0, 0.0)
    return Energy((most + least) / (most - least), max(most, -least) / math.sqrt(noise))
