"""Whether an earth fault's own current flows through this bay, from the three phase currents alone.

Loads hang between phases and do not move for an earth fault. So a bay that only charges what lies
ahead of it sees all three phase currents change alike, by a third of 3I0 each; the fault's current
is added to one phase and leaves the two others alike. What a load changes sums up to nothing.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Phasor = tuple[float, float]

PHASES = "ABC"
# The fault's current stands out of the noise of three phases by so much.
SIGMAS = 5.0
# The two others differ by no more than this share of it, and the noise of both: transformers of
# class 5P and a load that changed a little at the same time.
ALIKE = 0.25
# Of the fault's current, 3I0 shows what comes from behind the bay, nearly all; a load shows none,
# and much more than it is a charging current beside which transformers that differ feign a fault.
SHOWN, MOST_SHOWN = 0.4, 1.5
# And it shows it within 30 degrees: a load that sagged a little beside a charging current is as
# large by chance, not in phase.
ALONG = 0.75


def phase(changes: "list[Phasor]", noise: float) -> str:
    """The phase that the current of an earth fault was added to; "": none stands out.

    changes: phasors of what was added to A, B, C; noise: of one quadrature of these.
    """
    total = sum([x for x, _ in changes]), sum([y for _, y in changes])
    for p in range(3):
        one, q, r = changes[p], changes[p - 2], changes[p - 1]
        fault = one[0] - (q[0] + r[0]) / 2, one[1] - (q[1] + r[1]) / 2
        square = fault[0] * fault[0] + fault[1] * fault[1]
        if square < 1.5 * (SIGMAS * noise) ** 2 or square == 0.0:
            continue
        apart2 = (q[0] - r[0]) ** 2 + (q[1] - r[1]) ** 2
        if apart2 > 2 * (ALIKE * ALIKE * square + 2 * (3 * noise) ** 2):
            continue
        shown = total[0] * fault[0] + total[1] * fault[1]
        size2 = total[0] * total[0] + total[1] * total[1]
        if shown * shown < ALONG * square * size2:
            continue
        if shown >= SHOWN * square and size2 <= MOST_SHOWN * MOST_SHOWN * square:
            return PHASES[p]
    return ""
