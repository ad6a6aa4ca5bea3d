"""How far away a short circuit is, from the voltages and currents of one end of the line.

In the loop of the faulted phases the voltage drops along the line and over the fault:

    u = R i + L di/dt + Rf if        R, L: of the line up to the fault

which holds at every instant, with any decaying offset. Integrated over a thirty-second of a cycle
it makes a row; kilometres within a section and Rf are fitted to all rows (least squares), section
by section until they fit into one. A current transformer is true for the part of each half cycle
that its core can carry: rows that disagree with the majority are left out, and where all rows
together disagree too much, the majority is looked for from each quarter cycle.

Rf must not be taken for line, so `if` must have the right angle: it is the current through the bay
less what the load beyond takes during the fault, which is known from before it as an admittance,
and hangs at the voltage that Rf leaves. (Takagi, T. et al., "Development of a new type fault
locator using the one-terminal voltage and current data", IEEE Trans. PAS-101, 1982, subtracts the
load of before; behind a radial feeder's fault there is no source, and little of it is left.) A
fault of one phase adds the earth's part of the line, (Z0 - Z1) / 3 times 3I0.

Portable.
"""

import math

from agent.detect import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.detect.line import Section
    from agent.detect.raw import Raw

    # Of one stretch of time and loop: the means of voltage and current, the reactive drop of the
    # current a unit of X, both of 3I0, and which loop it is.
    Row = tuple[float, float, float, float, float, int]
    Pair = tuple[float, float]

LOOPS = {
    "AB": ("ab",),
    "BC": ("bc",),
    "CA": ("ca",),
    "ABG": ("ab",),
    "BCG": ("bc",),
    "CAG": ("ca",),
    "ABC": ("ab", "bc", "ca"),
    "AG": ("a",),
    "BG": ("b",),
    "CG": ("c",),
}
SINGLE = ("AG", "BG", "CG")
PHASE_KINDS = ("AB", "BC", "CA", "ABG", "BCG", "CAG", "ABC")

# The charge of the line rings for a millisecond or two after the inception. [cycles]
SETTLED = 0.125
# Rows are taken from so many cycles: the offset is gone from half of them, and it is no longer
# than the fastest breaker and its relay leave (40 ms).
SPAN = 2.2
# Rows a cycle: the arc of a cycle in which a saturating core is true may be a quarter of it.
ROWS = 32
# The majority that is looked for in distorted currents, and how far its own may lie apart, in
# quartiles of what the fit leaves: of noise, 95 % lie within two sigma, which are 6.3 of them.
MAJORITY = 0.25
APART = 6.0
# A fit rests on that share of the rows, most of a cycle, and leaves a fiftieth of the voltage at
# most: where transformers saturate for good, or the fault changes, it is more. (Clean ones leave
# 0.001 to 0.01, at 40 dB of noise.)
LEAST_ROWS = 0.4
MOST_LEFT = 0.02
# Current transformers 5P at rated current (1 %, 60 minutes) and voltage transformers of class 0.5
# (0.5 %, 20 minutes), as root of the sum of squares. Source: IEC 61869-2 and -3.
RATIO_ERROR, ANGLE_ERROR = 0.011, 0.018
_PASSES = 3
_TRIMS = 4
_FINE = 1 << 20
_NOWHERE = 1e9


class Place:
    """km from the bay, between low and high at the errors of the transformers; section: where it
    lies. others: (section, km) on other branches that fit as well. ohm: of the fault's loop.
    left: share of the voltage that the fit leaves; used: share of the rows that it rests on.
    """

    def __init__(
        self, section: str, km: float, error_km: float, ohm: float, left: float, used: float
    ) -> None:
        self.section = section
        self.km = km
        self.low = max(0.0, km - error_km)
        self.high = km + error_km
        self.ohm = ohm
        self.left = left
        self.used = used
        self.others: "list[tuple[str, float]]" = []


class _Fit:
    """km into the section with this number on the way, and ohm of the fault."""

    def __init__(self, number: int, km: float, ohm: float) -> None:
        self.number = number
        self.km = km
        self.ohm = ohm


def locate(
    raw: "Raw",
    kind: str,
    age: int,
    ways: "Sequence[Sequence[Section]]",
    load_seen: bool,
) -> "Place | str":
    """The place of a fault of this kind that began `age` samples before the end of `raw`, or why
    it cannot be told.

    ways: line.ways of the bay. load_seen: what was before it was load, and nothing else.
    """
    span = min(age, int(SPAN * raw.window))
    if span < raw.window + int(SETTLED * raw.window):
        return "less than a cycle of it was seen"
    waves = _Waves(raw, kind, age)
    rows, load = waves.rows(span), waves.load() if load_seen else waves.no_load()
    if len(rows) < ROWS * len(load) // 2:
        return "the currents are distorted"
    chosen = _agreeing(rows, ways[0], load)
    left = _left(chosen, rows, ways[0], load)
    if len(chosen) < LEAST_ROWS * len(rows) or left > MOST_LEFT:
        return "the currents are distorted"
    return _placed(chosen, ways, load, left, len(chosen) / len(rows))


class _Waves:
    """The samples of the faulted loops, from before the inception on."""

    def __init__(self, raw: "Raw", kind: str, age: int) -> None:
        self._loops = LOOPS[kind]
        self._length = length = raw.window
        self._age = age
        roles = [quantity + phase for quantity in "iu" for phase in "abc"]
        roles += [] if kind in PHASE_KINDS else ["i0"]
        count = age + length * 5 // 2
        self._waves = {role: raw.wave(role, count) for role in roles}
        self._count = min([len(samples) for samples, _ in self._waves.values()])
        # The difference of two samples over the mean between them is this times j omega: exact
        # for the fundamental.
        self._reactive = math.floor(2.0 * math.tan(math.pi / length) * _FINE + 0.5) / _FINE

    def rows(self, span: int) -> "list[Row]":
        """Of the fault's first `span` samples, but for those that ring."""
        step = max(1, self._length // ROWS)
        first = self._count - self._age
        begin, end = first + int(SETTLED * self._length), first + span
        if first < 0 or end > self._count:
            return []
        rows = []
        tops = {role: _clipped(samples) for role, (samples, _) in self._waves.items()}
        for k in range(begin, end - step, step):
            for number, loop in enumerate(self._loops):
                if any(self._stands("i" + phase, k, step, tops) for phase in loop):
                    continue
                voltage, _ = self._of("u", loop, k, step)
                current, drop = self._of("i", loop, k, step)
                earth, earth_drop = (0.0, 0.0) if len(loop) > 1 else self._mean("i0", k, step)
                rows.append((voltage, current, drop, earth, earth_drop, number))
        return rows

    def _stands(self, role: str, first: int, step: int, tops: "dict[str, Pair | None]") -> bool:
        """Whether the converter stood at its end somewhere in a row."""
        levels = tops[role]
        if levels is None:
            return False
        samples, _ = self._waves[role]
        begin = len(samples) - self._count + first
        row = samples[begin : begin + step + 1]
        return min(row) <= levels[0] or max(row) >= levels[1]

    def load(self) -> "list[Pair]":
        """The admittance of each loop's load before the fault, nought where that was not seen."""
        # The inception of a weak start may be dated a cycle late: a cycle that is surely before.
        first = self._count - self._age - self._length * 9 // 4
        if first < 0:
            return self.no_load()
        cosine, sine = tables.harmonic(self._length, 1)
        found = []
        for loop in self._loops:
            parts = []
            for quantity in "iu":
                re = im = 0.0
                for sign, phase in zip((1.0, -1.0), loop):
                    samples, scale = self._waves[quantity + phase]
                    offset = len(samples) - self._count + first
                    cycle = samples[offset : offset + self._length]
                    re += sign * scale * sum([x * c for x, c in zip(cycle, cosine)])
                    im -= sign * scale * sum([x * s for x, s in zip(cycle, sine)])
                parts.append((re, im))
            found.append(_over(parts[0], parts[1]))
        return found

    def no_load(self) -> "list[Pair]":
        """As if nothing hung beyond."""
        return [(0.0, 0.0)] * len(self._loops)

    def _of(self, quantity: str, loop: str, first: int, step: int) -> "Pair":
        """Mean and drop of a phase, or of the difference of two."""
        one = self._mean(quantity + loop[0], first, step)
        if len(loop) == 1:
            return one
        other = self._mean(quantity + loop[1], first, step)
        return one[0] - other[0], one[1] - other[1]

    def _mean(self, role: str, first: int, step: int) -> "Pair":
        """Mean over `step` samples by the rule of trapezoids, and the rise a unit of omega."""
        samples, scale = self._waves[role]
        begin = len(samples) - self._count + first
        one, last = samples[begin], samples[begin + step]
        twice = 2 * sum(samples[begin : begin + step]) - one + last
        return scale * twice / (2 * step), scale * (last - one) / (step * self._reactive)


def _clipped(samples: "list[int]") -> "Pair | None":
    """The ends of the converter, where the samples stand at them: two alike in a row at the
    largest; a wave that turns by itself seldom does so, and loses a row by it.
    """
    if not samples:
        return None
    bottom, top = min(samples), max(samples)
    flat_top = flat_bottom = False
    for one, other in zip(samples, samples[1:]):
        if one == other:
            flat_top = flat_top or one == top
            flat_bottom = flat_bottom or one == bottom
    if not flat_top and not flat_bottom:
        return None
    return (bottom if flat_bottom else bottom - 1), (top if flat_top else top + 1)


def _agreeing(rows: "list[Row]", way: "Sequence[Section]", load: "list[Pair]") -> "list[Row]":
    """The rows that agree on one place."""
    chosen = _trimmed(_fitted(rows, way, load), rows, way, load)
    if len(chosen) >= LEAST_ROWS * len(rows) and _left(chosen, rows, way, load) <= MOST_LEFT / 4:
        return chosen
    length = ROWS * len(load) // 4
    best: "_Fit | None" = None
    least = 0.0
    for first in range(0, len(rows) - length, length // 4):
        fit = _fitted(rows[first : first + length], way, load)
        middle = _middle(_rests(fit, rows, way, load))
        if best is None or middle < least:
            best, least = fit, middle
    return chosen if best is None else _trimmed(best, rows, way, load)


def _trimmed(
    fit: "_Fit", rows: "list[Row]", way: "Sequence[Section]", load: "list[Pair]"
) -> "list[Row]":
    """The rows that agree with a fit, and with that of themselves, and so on."""
    chosen = rows
    floor = 1e-4 * _rms([row[0] for row in rows])
    for _ in range(_TRIMS):
        rests = _rests(fit, rows, way, load)
        limit = APART * _middle(rests) + floor
        chosen = [row for row, rest in zip(rows, rests) if -limit <= rest <= limit]
        fit = _fitted(chosen, way, load)
    return chosen


def _middle(rests: "list[float]") -> float:
    return sorted([abs(rest) for rest in rests])[int(MAJORITY * (len(rests) - 1))]


def _left(
    chosen: "list[Row]", rows: "list[Row]", way: "Sequence[Section]", load: "list[Pair]"
) -> float:
    rests = _rests(_fitted(chosen, way, load), chosen, way, load)
    return _rms(rests) / (_rms([row[0] for row in rows]) or 1.0)


def _drop(section: "Section", row: "Row") -> float:
    """The voltage along one km of it."""
    volts = section.r1 * row[1] + section.x1 * row[2]
    if section.r0 is not None and section.x0 is not None:
        volts += (section.r0 - section.r1) / 3.0 * row[3]
        volts += (section.x0 - section.x1) / 3.0 * row[4]
    return volts


def _fitted(rows: "list[Row]", way: "Sequence[Section]", load: "list[Pair]") -> "_Fit":
    """The place on the way that leaves the least of the voltages; beyond its end, of its last
    section.
    """
    voltages = [row[0] for row in rows]
    number = 0
    while True:
        section = way[number]
        drops = [_drop(section, row) for row in rows]
        km, ohm = _solved(voltages, drops, rows, load)
        if km <= section.km or number == len(way) - 1:
            return _Fit(number, km, ohm)
        voltages = [u - section.km * drop for u, drop in zip(voltages, drops)]
        number += 1


def _solved(
    voltages: "list[float]", drops: "list[float]", rows: "list[Row]", load: "list[Pair]"
) -> "Pair":
    """Kilometres and ohm, none below nought."""
    dd, du = _dot(drops, drops), _dot(drops, voltages)
    if dd == 0.0:
        return _NOWHERE, 0.0
    km = ohm = 0.0
    for _ in range(_PASSES):
        flowing = _into_the_fault(rows, load, ohm)
        df, ff, fu = _dot(drops, flowing), _dot(flowing, flowing), _dot(flowing, voltages)
        determinant = dd * ff - df * df
        if determinant <= 0.0:
            return du / dd, 0.0
        km, ohm = (du * ff - fu * df) / determinant, (dd * fu - df * du) / determinant
        if ohm <= 0.0:
            return du / dd, 0.0
    return km, ohm


def _into_the_fault(rows: "list[Row]", load: "list[Pair]", ohm: float) -> "list[float]":
    """What of the currents the load beyond does not take: i / (1 + y ohm), for it hangs at the
    voltage that the fault leaves.
    """
    parts = [_over((1.0, 0.0), (1.0 + re * ohm, im * ohm)) for re, im in load]
    return [parts[row[5]][0] * row[1] + parts[row[5]][1] * row[2] for row in rows]


def _rests(
    fit: "_Fit", rows: "list[Row]", way: "Sequence[Section]", load: "list[Pair]"
) -> "list[float]":
    """What the fit leaves of each voltage."""
    flowing = _into_the_fault(rows, load, fit.ohm)
    rests = [row[0] - fit.ohm * amps for row, amps in zip(rows, flowing)]
    for number, section in enumerate(way[: fit.number + 1]):
        km = section.km if number < fit.number else fit.km
        rests = [rest - km * _drop(section, row) for rest, row in zip(rests, rows)]
    return rests


def _placed(
    rows: "list[Row]",
    ways: "Sequence[Sequence[Section]]",
    load: "list[Pair]",
    left: float,
    used: float,
) -> "Place | str":
    """The place on the first way that it fits, and on the others."""
    places: "list[Place]" = []
    for way in ways:
        fit = _fitted(rows, way, load)
        section, known = way[fit.number], [each.section for each in places]
        error_km = _error_km(fit, way, load, left)
        if section.name not in known and -error_km <= fit.km <= section.km + error_km:
            before = sum([each.km for each in way[: fit.number]])
            km = before + min(max(fit.km, 0.0), section.km)
            places.append(Place(section.name, km, error_km, fit.ohm, left, used))
    if not places:
        return "it fits no place on the line"
    best = places[0]
    for other in places[1:]:
        best.others.append((other.section, other.km))
        best.low, best.high = min(best.low, other.low), max(best.high, other.high)
    return best


def _error_km(fit: "_Fit", way: "Sequence[Section]", load: "list[Pair]", left: float) -> float:
    """What transformers within their class, loads that leave on the way, and what the fit leaves
    may make of it: an error of ratio counts with the reactance, one of angle with the resistance.
    """
    lengths = [section.km for section in way[: fit.number]] + [abs(fit.km)]
    r = fit.ohm + sum([section.r1 * km for section, km in zip(way, lengths)])
    x = sum([section.x1 * km for section, km in zip(way, lengths)])
    z = math.sqrt(r * r + x * x)
    y = max([math.sqrt(re * re + im * im) for re, im in load])
    loads = 0.5 * y * z * x
    ohm = RATIO_ERROR * x + ANGLE_ERROR * r + left * z + loads
    return ohm / way[fit.number].x1


def _dot(one: "list[float]", other: "list[float]") -> float:
    return sum([a * b for a, b in zip(one, other)])


def _rms(values: "list[float]") -> float:
    return math.sqrt(_dot(values, values) / len(values)) if values else 0.0


def _over(a: "Pair", b: "Pair") -> "Pair":
    """Of two phasors, nought where there is nothing below."""
    square = b[0] * b[0] + b[1] * b[1]
    if square == 0.0:
        return 0.0, 0.0
    return (a[0] * b[0] + a[1] * b[1]) / square, (a[1] * b[0] - a[0] * b[1]) / square
