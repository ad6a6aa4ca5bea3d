"""Where an earth fault lies, from what it added to U0 and 3I0: ahead of this bay or not.

Whatever is connected to the side of the bay that has no fault is, in the zero sequence, a passive
network: capacitances to earth with a little loss; behind the bay also the neutral's resistor and
coil. It answers U0 by

    fault elsewhere, 3I0 flows into the part ahead:     i0 =   b du0/dt + g u0
    fault ahead, 3I0 comes from the part behind:        i0 = -(b du0/dt + g u0 + l integral(u0)) + d

with b, g, l >= 0, the derivative by the angle w0 t, and d the coil's decaying DC. Both are fitted;
the one that leaves less is so. 3I0 is positive away from the source.

A derivative cannot be taken of noisy samples. So both sides are weighed with functions that vanish
at both ends of the span (modulating functions: a Hann window times a cosine or sine of some order),
and the derivative is moved to them by partial integration, where it is exact: transients, restrikes
and build-up included. The orders are the bands in which a transient earth fault relay looks; at the
first one a coil hides the side, and only losses tell.
Sources: M. Shinbrot, "On the analysis of linear and nonlinear systems", Trans. ASME 79, 1957;
G. Druml et al., "New method for detecting low-ohmic and high-ohmic ground faults", CIRED 2003 (qu);
A. Wahlroos, J. Altonen, "Application of novel multi-frequency neutral admittance method", 2014.

Portable. Tables are whole numbers; what follows is + - * / and square roots in a fixed order.
"""

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.earth_added import Added, Span

    Pair = tuple[float, float]
    Ray = tuple[float, float, float, float]

FORWARD, REVERSE, UNKNOWN = "forward", "reverse", "unknown"

ORDERS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 18)
# The filter before the converter passes up to a third of the rate, and a differs little from its
# neighbour's there; above a sixth of a rate, and above 900 Hz, lines resonate.
LEAST_SAMPLES = 5.5
SCALE = 1 << 12
# What sensors, lines and models are taken to err by, of each band's current.
MODEL_ERROR = 0.05
# Of the capacitive current: losses of lines and errors of angle, 3 degrees, look like conductance.
LEAST_LOSS, MOST_LOSS = -0.05, 0.12

# What the part of the network behind the bay may be made of: a capacitance, a conductance, a coil
# that is not left nearly alone by a feeder with most of the capacitance, a resistor with the
# reactance of its earthing transformer. Terms of the derivative, u0, its integral, the step.
_CAPACITANCE, _CONDUCTANCE = (-1.0, 0.0, 0.0, 0.0), (0.0, -1.0, 0.0, 0.0)
_COIL, _REACTANCE = (-1.0, 0.0, -4.0, 0.0), (0.0, 0.0, -1.0, 0.0)
_LAGGING = (0.0, -1.0, -0.7, 0.0)
_DC = (0.0, 0.0, 0.0, 1.0)
_ANY = (_CAPACITANCE, _CONDUCTANCE, _COIL, _LAGGING)
_RAYS = {
    "isolated": (_CAPACITANCE, _CONDUCTANCE),
    "resonant": (_CAPACITANCE, _CONDUCTANCE, _COIL),
    "low_resistance": (_CAPACITANCE, _CONDUCTANCE, _LAGGING),
    "solid": (_CAPACITANCE, _CONDUCTANCE, _REACTANCE),
}
_WITH_COIL = ("resonant", "")
# There 50 Hz tells all. Higher up the reactance of the earthing transformer grows beside its
# resistor, 1 / (R + j n X), which no sum of these terms is; it would fit worse than no fault ahead.
_EARTHED = ("low_resistance", "solid")


class _Tables:
    """Of one length of a span: for every order the four rows cosine, sine and their derivatives."""

    def __init__(self, length: int, per_cycle: float) -> None:
        self.rows: "list[tuple[list[int], list[int], list[int], list[int]]]" = []
        self.orders = [n for n in ORDERS if n == 1 or n * LEAST_SAMPLES <= per_cycle]
        turn, bell = 2 * math.pi / per_cycle, 2 * math.pi / length
        for n in self.orders:
            cosine, sine, cosine_rate, sine_rate = [], [], [], []
            for k in range(length):
                at = k + 0.5
                window, rate = (
                    0.5 - 0.5 * math.cos(bell * at),
                    0.5 * bell / turn * math.sin(bell * at),
                )
                c, s = math.cos(n * turn * at), math.sin(n * turn * at)
                cosine.append(_round(SCALE * window * c))
                sine.append(_round(SCALE * window * s))
                cosine_rate.append(_round(SCALE * (rate * c - n * window * s)))
                sine_rate.append(_round(SCALE * (rate * s + n * window * c)))
            self.rows.append((cosine, sine, cosine_rate, sine_rate))
        energy = sum([(0.5 - 0.5 * math.cos(bell * (k + 0.5))) ** 2 for k in range(length)])
        self.energy = _round(SCALE * SCALE * energy / 2)


_kept: "dict[tuple[int, int], _Tables]" = {}
_MOST_KEPT = 8


def _tables(span: "Span") -> _Tables:
    key = span.length, int(span.per_cycle * 64 + 0.5)
    if key not in _kept:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        _kept[key] = _Tables(key[0], key[1] / 64)
    return _kept[key]


class Sums:
    """Normal equations of the two models, over one span or several of one fault: they add up.

    products: weighed, of each two of i0, the derivative of u0, u0, its integral, and the step.
    """

    def __init__(self) -> None:
        self.products = [[0.0] * 5 for _ in range(5)]

    def take(self, row: "list[float]", weight: float) -> None:
        """One equation."""
        for a in range(5):
            for b in range(5):
                self.products[a][b] += weight * row[a] * row[b]


class Fit:
    """left: weighed squares that remain; terms: of the derivative, u0, its integral, the step."""

    def __init__(self, left: float, terms: "list[float]") -> None:
        self.left = left
        self.terms = terms


class _Band:
    """What the functions of one order make of each row: cosine and sine. [A, V]"""

    def __init__(self, order: int, rows: "list[Pair]") -> None:
        self.order = order
        self.rows = rows
        self.amps2 = rows[0][0] * rows[0][0] + rows[0][1] * rows[0][1]
        self.volts2 = rows[1][0] * rows[1][0] + rows[1][1] * rows[1][1]


def weigh(u0: "Added", i0: "Added", span: "Span", earthing: str, sums: Sums) -> None:
    """Add the equations of one span: two of each order, weighed by what they may err by.

    earthing: as in the site file.
    """
    tables = _tables(span)
    bands = _bands(u0, i0, span, tables)
    share = tables.energy / (SCALE * SCALE)
    noise_i, noise_u = (x.noise * x.unit * x.unit * share for x in (i0, u0))
    likely = _admittance(bands, noise_i, noise_u)
    for band in bands:
        if band.order > 1 and earthing in _EARTHED:
            break
        variance = noise_i + likely * band.order * band.order * noise_u
        variance += 0.5 * MODEL_ERROR * MODEL_ERROR * band.amps2
        for k in (0, 1):
            sums.take([row[k] for row in band.rows], 1.0 / variance)


def _bands(u0: "Added", i0: "Added", span: "Span", tables: _Tables) -> "list[_Band]":
    integral, total = [], 0
    for x in u0.values:
        integral.append(2 * total + x)  # twice that of the middle of each sum
        total += 2 * x
    amps, volts = i0.unit / SCALE, u0.unit / SCALE
    volt_angles = math.pi / span.per_cycle * volts
    bands = []
    for order, (cosine, sine, cosine_rate, sine_rate) in zip(tables.orders, tables.rows):
        rows = [
            (amps * _dot(i0.values, cosine), amps * _dot(i0.values, sine)),
            (-volts * _dot(u0.values, cosine_rate), -volts * _dot(u0.values, sine_rate)),
            (volts * _dot(u0.values, cosine), volts * _dot(u0.values, sine)),
            (volt_angles * _dot(integral, cosine), volt_angles * _dot(integral, sine)),
            (sum(cosine[span.onset :]) / SCALE, sum(sine[span.onset :]) / SCALE),
        ]
        bands.append(_Band(order, rows))
    return bands


def _admittance(bands: "list[_Band]", noise_i: float, noise_u: float) -> float:
    """About how large b is, squared: a noisy u0 makes as much noise in the equations."""
    of_i = of_d = 0.0
    for band in bands:
        of_i += max(0.0, band.amps2 - 2 * noise_i)
        of_d += max(0.0, band.volts2 - 2 * band.order * band.order * noise_u)
    return of_i / of_d if of_d > 0.0 else 0.0


def judge(sums: Sums, earthing: str) -> "tuple[Fit, Fit]":
    """What the fault elsewhere and the fault ahead leave. earthing: as in the site file."""
    return _behind(sums.products), _ahead(sums.products, earthing)


def _behind(p: "list[list[float]]") -> Fit:
    """A capacitance with losses between their limits."""
    best = Fit(p[0][0], [0.0] * 4)
    rays = [(1.0, LEAST_LOSS, 0.0, 0.0), (1.0, MOST_LOSS, 0.0, 0.0)]
    for chosen in ([rays[0]], [rays[1]], rays):
        terms = _fitted(p, chosen, len(chosen))
        if terms is not None:
            left = _left(p, terms)
            if left < best.left:
                best = Fit(left, terms)
    return best


def _ahead(p: "list[list[float]]", earthing: str) -> Fit:
    """Every sum of what a neutral like this may be made of, none of it negative."""
    best = Fit(p[0][0], [0.0] * 4)
    rays = _RAYS.get(earthing, _ANY)
    for choice in range(1, 1 << len(rays)):
        chosen = [ray for k, ray in enumerate(rays) if choice >> k & 1]
        positive = len(chosen)
        if earthing in _WITH_COIL:
            chosen.append(_DC)
        terms = _fitted(p, chosen, positive)
        if terms is None:
            continue
        left = _left(p, terms)
        if left < best.left:
            best = Fit(left, [-terms[0], -terms[1], -terms[2], terms[3]])
    return best


def _fitted(p: "list[list[float]]", rays: "list[Ray]", positive: int) -> "list[float] | None":
    """Terms of the sum of these rays that fits row 0 best; None where there is none, or one of the
    first `positive` would be negative.
    """
    m = []
    for one in rays:
        row = []
        for other in rays:
            total = 0.0
            for a in range(4):
                for b in range(4):
                    total += one[a] * other[b] * p[a + 1][b + 1]
            row.append(total)
        total = 0.0
        for a in range(4):
            total += one[a] * p[0][a + 1]
        row.append(total)
        m.append(row)
    found = _solved(m)
    if found is None or min(found[:positive]) < 0:
        return None
    terms = [0.0] * 4
    for ray, size in zip(rays, found):
        for a in range(4):
            terms[a] += size * ray[a]
    return terms


def _solved(m: "list[list[float]]") -> "list[float] | None":
    """Solution of symmetric equations, the right side in the last column."""
    n = len(m)
    sizes = [m[k][k] for k in range(n)]
    for k in range(n):
        if m[k][k] <= 1e-9 * sizes[k]:
            return None
        for row in range(k + 1, n):
            share = m[row][k] / m[k][k]
            for column in range(k, n + 1):
                m[row][column] -= share * m[k][column]
    found = [0.0] * n
    for k in range(n - 1, -1, -1):
        rest = m[k][n]
        for column in range(k + 1, n):
            rest -= m[k][column] * found[column]
        found[k] = rest / m[k][k]
    return found


def _left(p: "list[list[float]]", terms: "list[float]") -> float:
    """Squares that remain of row 0 when so much of each other row is taken away."""
    left = p[0][0]
    for a in range(4):
        left -= 2 * terms[a] * p[0][a + 1]
        for b in range(4):
            left += terms[a] * terms[b] * p[a + 1][b + 1]
    return max(0.0, left)


def _dot(values: "list[int]", table: "list[int]") -> int:
    return sum([x * y for x, y in zip(values, table)])


def _round(value: float) -> int:
    return math.floor(value + 0.5)
