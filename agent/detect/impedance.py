"""What drives a current through what: resistance and reactance by least squares over samples.

A voltage across a resistance and an inductance in series is u = R i + L di/dt at every instant,
whatever the decaying DC in i: a fit of u on i and its derivative needs no whole cycle, and a few
milliseconds before a current transformer saturates are enough. Nothing here knows of a bay.

Source: R. W. Wall, B. K. Johnson and others name it the differential-equation algorithm; A. G.
Phadke, J. S. Thorp, "Computer Relaying for Power Systems", ch. 4.

Portable.
"""

import math

# A cycle is thinned to 16..63 sums of neighbouring samples, as in inrush.py.
THINNED = 32
LEAST_SAMPLES = 4  # for two unknowns
SINGULAR = 1e-9  # of a determinant: a current without a quadrature, a bare decay

TYPE_CHECKING = False
if TYPE_CHECKING:
    Row = tuple[list[int], float]


class Fit:
    """first, second: the factors of i and of its quadrature (di/dt over omega) in the fit of u.

    explained: the share of the energy of u that the fit takes up, 0..1.
    """

    def __init__(self, first: float, second: float, explained: float) -> None:
        self.first = first
        self.second = second
        self.explained = explained

    def size(self) -> float:
        """Of the impedance."""
        return math.sqrt(self.first * self.first + self.second * self.second)

    def along(self, cosine: float, sine: float) -> float:
        """Cosine of the angle between the impedance and the direction (cosine, sine); -1..1."""
        size = self.size()
        return (self.first * cosine + self.second * sine) / size if size else 0.0


def thinned(samples: "list[int]", group: int) -> "list[int]":
    """Sums of `group` neighbours each, the newest whole."""
    first = len(samples) % group
    return [sum(samples[k : k + group]) for k in range(first, len(samples), group)]


def group_of(window: int) -> int:
    """How many neighbours are taken together where a cycle has `window` samples."""
    return max(1, window // THINNED)


def fitted(volts: "Row", amps: "Row", cycle: float) -> "Fit | None":
    """The fit of u on i and its quadrature; None where there are too few samples, or no current.

    volts, amps: whole numbers and the unit of one, alike in length; cycle: samples of one.
    """
    y, x = volts[0][1:-1], amps[0][1:-1]
    steps = [after - before for before, after in zip(amps[0], amps[0][2:])]
    if len(y) < LEAST_SAMPLES:
        return None
    step = amps[1] / (2.0 * _table(math.sin(2 * math.pi / cycle)))
    xx, qq, xq = (
        amps[1] * amps[1] * dot(x, x),
        step * step * dot(steps, steps),
        amps[1] * step * dot(x, steps),
    )
    yy = volts[1] * volts[1] * dot(y, y)
    xy, qy = volts[1] * amps[1] * dot(x, y), volts[1] * step * dot(steps, y)
    determinant = xx * qq - xq * xq
    if determinant <= SINGULAR * xx * qq or yy <= 0.0:
        return None
    first, second = (xy * qq - qy * xq) / determinant, (qy * xx - xy * xq) / determinant
    taken = (first * xy + second * qy) / yy
    return Fit(first, second, max(0.0, min(1.0, taken)))


def dot(one: "list[int]", other: "list[int]") -> int:
    """Of whole numbers, exact."""
    return sum([x * y for x, y in zip(one, other)])


def _table(value: float) -> float:
    """Rounded, so that no platform's last bit of a sine reaches a verdict."""
    return math.floor((1 << 20) * value + 0.5) / (1 << 20)
