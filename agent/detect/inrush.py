"""Fault or transformer inrush? The shape of the last two cycles of raw samples tells.

What a short circuit adds to a current is a sinusoid of the network's frequency with a decaying DC,
from its inception on. What a saturating core adds is a row of humps with flat gaps between them:
flux that starts at most 0.8 beside its steady course, with a knee at 1.1 or more, leaves the core
unsaturated for 50 degrees and more of each cycle, and shifts the flux of another phase the other
way. So a fault is proven by any of

- "sinusoid": what was added fits a sinusoid and an exponential too well for a hump, and it has
  swung to the other side, or stands where every hump is long on its way down, or lasts longer;
- "no gap": the current has had an amplitude throughout for longer than a core can stay saturated;
- "voltage down": it is larger than most inrushes, and the voltage stays down where it seems to
  pause (direction.py): what pauses is a current transformer;
- "clipped": it is as large, and stands at the converter's end for a sixteenth of a cycle;
- "collapse": it falls far faster than it rose: no core does that, its current being a function of
  a flux that goes down as it went up, but a current transformer that saturates does.

Inrush is what shows none of these for a whole cycle. Called when an element has
started and then a few times a cycle, never for every sample.

Source: S. V. Kulkarni, S. A. Khaparde, "Transformer Engineering", ch. 2.7 (inrush); IEC 61869-2,
annex 2B (saturation of current transformers); docs/decisions, "inrush is told by its shape".

Portable.
"""

import math

FAULT = 1
INRUSH = -1
UNDECIDED = 0

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.raw import Raw

    Wave = tuple[list[int], float]

# A cycle is thinned to 16..63 sums of neighbouring samples: enough for the shape, noise goes down.
THINNED = 32
SCALE = 1 << 12
# Time constants of the DC in cycles; between two of them the misfit is below a ten-thousandth.
DECAYS = (0.12, 0.24, 0.48, 0.96, 2.0, 8.0)

# All limits below: measured over a thousand energisings and a thousand faults of the physical
# models in tests/agent/detect; shares are of energy, times in cycles since the change was seen.
CLEAN = 0.0005  # faults leave less than 0.0003; a hump leaves 0.002 once its end is seen
CLEAN_HIGH = 0.0002  # faults leave 0.0001 by then
CLEAN_SWUNG = 0.002  # with a swing to the other side humps of two windings leave 0.004 and more
SWUNG = 0.3  # of the peak; two windings in a delta swing 0.25 the other way
HIGH = 0.65  # of the peak, 0.6 of a cycle on: a hump has fallen to 0.4
LONG = 0.76  # a hump that began with the change has ended, and its end spoils the fit
ONE_ENOUGH = 0.9  # one clean phase proves it, the others may be what their transformers left
CLEAN_CLOSED = 0.08  # of a current that had gaps: an inrush decays, so its gaps only widen
CLEAN_STEADY = 0.012  # of the last whole cycle; rows of humps without gap leave 0.017 and more
NO_GAP = 0.875  # the widest row of humps lasts 0.83 of a cycle
NO_GAP_AT_ALL = 1.2  # however distorted, if only by odd harmonics: arcs
COLLAPSE = 2.3  # fastest fall to fastest rise; cores up to 1.9, 2.15 at 16 samples a cycle
COLLAPSE_UNTIL = 1.5  # later humps may themselves have saturated the current transformers
# A crest of 22 degrees falls by a fiftieth to its ends: never the same count.
CREST = 16
GAP = 0.125  # of a cycle: 45 degrees
SECOND_HARMONIC = 0.15  # of the fundamental: what protection relays are set to
LEAST_HUM = 0.25  # of the fundamental that a core adds; most make 0.3 to 0.6
RUNNING = 0.5  # of a cycle without gap, where a fault shows through an inrush: it is here too
# A gap is where the amplitude is below this share of pickup (a load may flow in it: the pickup
# stands above any load), or of the peak (a knee is round, and current transformers creep).
GAP_PICKUP_SHARE = 0.7
GAP_PEAK_SHARE = 0.12
# A change shows where two samples in a row leave the noise by so many times its RMS, or the peak's
# fiftieth; where that is half the peak there is none.
SURE_NOISE, SLIGHT_CHANGE, LARGEST_NOISE = 4.0, 0.02, 0.5
# Phases that take part: see faulted_phase.INVOLVED_SHARE, squared.
INVOLVED_ENERGY = 0.16


class Waves:
    """The raw material: samples up to one decision, newest last, two windows less one at most.

    phases: ia, ib, ic, each (integers [counts], primary amperes per count); no samples where there
    is no sensor. residual: 3I0 likewise, measured or summed. window: samples of a nominal cycle.
    """

    def __init__(self, phases: "list[Wave]", residual: "Wave", window: int) -> None:
        self.phases = phases
        self.residual = residual
        self.window = window


def waves_of(raw: "Raw") -> Waves:
    """The currents of a bay."""
    count = 2 * raw.window - 1
    phases = [raw.wave(role, count) for role in ("ia", "ib", "ic")]
    return Waves(phases, raw.wave("i0", count), raw.window)


class Judgement:
    """verdict: FAULT, INRUSH or UNDECIDED; proof: which of the proofs, or "".

    residual_share: energy that the fit leaves; harmonic_share: second harmonic to fundamental, the
    largest; gap_share: the longest gap, run_share: the longest amplitude up to now [cycles].
    gapped, short: places of the waves with a gap, and of those that run on without. earth_share:
    3I0 to the largest phase current where current transformers had no time to saturate, None when
    that need not or cannot be told.
    """

    def __init__(
        self,
        shapes: "list[Shape]",
        age: float,
        crossing: bool,
        gapped: "list[int]",
        beyond_amps: float = 0.0,
    ) -> None:
        energy = sum([shape.energy for shape in shapes])
        self.residual_share = sum([s.left for s in shapes]) / energy if energy else 0.0
        self.harmonic_share = max([s.harmonic for s in shapes] + [0.0])
        self.gap_share = max([s.gap for s in shapes] + [0.0])
        self.run_share = max([s.run for s in shapes] + [0.0])
        self.short = [shape.place for shape in shapes if shape.run >= RUNNING]
        self.gapped = [shape.place for shape in shapes if shape.gap >= GAP]
        self.earth_share: "float | None" = None
        self.peak_amps = max([s.peak for s in shapes] + [0.0])
        self.proof = self._proof(shapes, age, crossing, gapped)
        self.large = 0.0 < beyond_amps <= self.peak_amps
        self.verdict = FAULT if self.proof else UNDECIDED
        if not self.proof and age >= 1.0:
            self.verdict = INRUSH

    def prove(self, proof: str) -> None:
        """It is large, and something else than its shape says that it is no inrush."""
        self.proof, self.verdict = proof, FAULT

    def why(self) -> "dict[str, float | str]":
        """The quantities behind it."""
        return {
            "proof": self.proof,
            "residual_share": self.residual_share,
            "harmonic_share": self.harmonic_share,
            "gap_share": self.gap_share,
            "run_share": self.run_share,
            "peak_amps": self.peak_amps,
        }

    def _proof(self, shapes: "list[Shape]", age: float, crossing: bool, gapped: "list[int]") -> str:
        if not shapes:
            return "no samples"
        if age <= 1.0 and self._sinusoid(shapes, age):
            return "sinusoid"
        lasting = [shape for shape in shapes if shape.lasting()]
        if len(lasting) == len(shapes) or (lasting and not crossing):
            return "no gap"
        if True in [shape.unbroken(shape.place in gapped) for shape in shapes]:
            return "no gap"
        if age <= COLLAPSE_UNTIL and max([shape.collapse for shape in shapes]) >= COLLAPSE:
            return "collapse"
        return ""

    def _sinusoid(self, shapes: "list[Shape]", age: float) -> bool:
        # Early on the kink where a second hump began is short: the fit must be the better for it.
        swung = CLEAN_SWUNG if age >= 0.65 else CLEAN_SWUNG / 2
        if self.residual_share <= swung and max([shape.swing for shape in shapes]) >= SWUNG:
            return True
        if age >= ONE_ENOUGH and min([s.left / s.energy for s in shapes]) <= CLEAN:
            return True
        if age >= LONG:
            return self.residual_share <= CLEAN
        high = age >= 0.6 and max([shape.end for shape in shapes]) >= HIGH
        return high and self.residual_share <= CLEAN_HIGH


class Shape:
    """One current, thinned: what was added since the change, and how it rose, fell and paused.

    While the change is younger than a cycle, what was added is the difference to one cycle before,
    so that a load from before takes no part; later it is the last cycle itself.
    """

    def __init__(self, place: int, wave: "Wave", window: int, age: float) -> None:
        samples, scale = wave
        group = max(1, window // THINNED)
        self.place = place
        self.cycle = window / group
        self.scale = abs(scale) / group
        self.now = _thinned(samples, group)
        since, lead = max(8 * group, int(age * window)), window // 4
        lately = samples
        if age <= 1.0 and len(samples) >= 3 * window // 2:
            lately = [y - x for x, y in zip(samples, samples[window:])]
        self.added = _thinned(lately[-min(since, window, len(lately)) :], group)
        self.lately = _thinned(lately[-(since + lead) :], group)
        self.peak = max([abs(y) for y in self.added] + [0]) * self.scale
        self.energy = self.left = float(_dot(self.added, self.added)) * self.scale * self.scale
        self.swing = self.end = self.run = self.gap = self.collapse = self.harmonic = 0.0

    def examine(self, model: "Model", pickup_amps: float) -> None:
        """All that costs more than a glance."""
        self.left = model.left(self.added) * self.scale * self.scale
        self._sides()
        self._walk(pickup_amps)
        self._slopes()
        self._harmonics()

    def unbroken(self, gapped: bool) -> bool:
        """A run too long for humps, of a current too clean for them."""
        clean = CLEAN_CLOSED if gapped else CLEAN_STEADY
        return self.run >= NO_GAP and self.left <= clean * self.energy

    def lasting(self) -> bool:
        """A run without gap, however distorted, and without a second harmonic."""
        return self.run >= NO_GAP_AT_ALL and self.harmonic < SECOND_HARMONIC

    def _sides(self) -> None:
        top, bottom = max(self.added), min(self.added)
        peak = max(top, -bottom, 1)
        sense = 1 if top == peak else -1
        self.end = sense * self.added[-1] / peak
        self.swing = -min([sense * y for y in self.added]) / peak

    def _walk(self, pickup_amps: float) -> None:
        """Gaps and runs of the amplitude sqrt(y^2 + (y'/omega)^2), which a sinusoid keeps."""
        wave, k = self.lately, self._sixteenth()
        double_sine = 2 * _table(math.sin(k * 2 * math.pi / self.cycle)) / SCALE
        squares = []
        for before, y, after in zip(wave, wave[k:], wave[2 * k :]):
            quadrature = (after - before) / double_sine
            squares.append(y * y + quadrature * quadrature)
        amplitude = GAP_PICKUP_SHARE * pickup_amps / self.scale
        # Twice the square: pickup_amps is RMS, what is walked along are peaks.
        level = max(2 * amplitude * amplitude, GAP_PEAK_SHARE * GAP_PEAK_SHARE * max(squares))
        high = [square >= level for square in squares]
        self.run = _length_of_last(high) / self.cycle
        self.gap = _longest_gap(high[-int(self.cycle + 0.5) :]) / self.cycle

    def _slopes(self) -> None:
        """Fastest fall towards zero over fastest rise, from one thinned sample to the next."""
        sizes = [abs(y) for y in self.now]
        steps = [after - before for before, after in zip(sizes, sizes[1:])]
        fastest = max(steps)
        self.collapse = -min(steps) / max(fastest, 1)

    def _harmonics(self) -> None:
        last = self.now[-int(self.cycle + 0.5) :]
        fundamental = _amplitude(last, 2 * math.pi / self.cycle)
        self.harmonic = _amplitude(last, 4 * math.pi / self.cycle) / max(fundamental, 1.0)

    def _sixteenth(self) -> int:
        return max(1, int(self.cycle / 16 + 0.5))


class Model:
    """Least squares of a cosine, a sine and an exponential over `length` thinned samples."""

    def __init__(self, length: int, cycle: float) -> None:
        step = 2 * math.pi / cycle
        self._cosine = [_table(math.cos(step * i)) for i in range(length)]
        self._sine = [_table(math.sin(step * i)) for i in range(length)]
        self._cc = float(_dot(self._cosine, self._cosine))
        self._cs = float(_dot(self._cosine, self._sine))
        self._ss = float(_dot(self._sine, self._sine))
        self._decays = [self._decay(length, cycle * tau) for tau in DECAYS]

    def _decay(self, length: int, tau: float) -> "tuple[list[int], float, float, float]":
        table = [_table(math.exp(-i / tau)) for i in range(length)]
        crossed = float(_dot(self._cosine, table)), float(_dot(self._sine, table))
        return table, crossed[0], crossed[1], float(_dot(table, table))

    def size(self, wave: "list[int]") -> float:
        """Amplitude of the sinusoid, with the decay that fits best. [counts]"""
        c, s = float(_dot(self._cosine, wave)), float(_dot(self._sine, wave))
        fits = []
        for table, cd, sd, dd in self._decays:
            b = c, s, float(_dot(table, wave))
            fits.append((self._taken(b, cd, sd, dd), self._quadratures(b, cd, sd, dd)))
        even, odd = max(fits)[1]
        return SCALE * math.sqrt(even * even + odd * odd)

    def _quadratures(
        self, b: "tuple[float, float, float]", cd: float, sd: float, dd: float
    ) -> "tuple[float, float]":
        """Of the fit whose energy `_taken` tells."""
        c, s, d = b
        cc, cs, ss = self._cc, self._cs, self._ss
        a11, a12, a13 = ss * dd - sd * sd, cd * sd - cs * dd, cs * sd - cd * ss
        a22, a23 = cc * dd - cd * cd, cs * cd - cc * sd
        determinant = cc * a11 + cs * a12 + cd * a13
        if determinant <= 0.0:
            return 0.0, 0.0
        even = (a11 * c + a12 * s + a13 * d) / determinant
        return even, (a12 * c + a22 * s + a23 * d) / determinant

    def left(self, added: "list[int]") -> float:
        """Energy of the residual with the decay that fits best. [counts squared]"""
        energy = float(_dot(added, added))
        c, s = float(_dot(self._cosine, added)), float(_dot(self._sine, added))
        taken = [
            self._taken((c, s, float(_dot(table, added))), cd, sd, dd)
            for table, cd, sd, dd in self._decays
        ]
        return max(energy - max(taken), 0.0)

    def _taken(self, b: "tuple[float, float, float]", cd: float, sd: float, dd: float) -> float:
        """Energy taken up by the fit: b' G^-1 b of its normal equations, G inverted by minors."""
        c, s, d = b
        cc, cs, ss = self._cc, self._cs, self._ss
        a11, a12, a13 = ss * dd - sd * sd, cd * sd - cs * dd, cs * sd - cd * ss
        a22, a23, a33 = cc * dd - cd * cd, cs * cd - cc * sd, cc * ss - cs * cs
        determinant = cc * a11 + cs * a12 + cd * a13
        if determinant <= 0.0:
            return 0.0
        twice = 2 * (a12 * c * s + a13 * c * d + a23 * s * d)
        return (a11 * c * c + a22 * s * s + a33 * d * d + twice) / determinant


def judge(
    waves: Waves,
    pickup_amps: float,
    age: float,
    crossing: bool,
    earth_only: bool,
    gapped: "list[int]",
    beyond_amps: float = 0.0,
) -> Judgement:
    """What these currents are.

    pickup_amps: of the element that has started; earth_only: that was 50N alone, so 3I0 is looked
    at. age: cycles since the change was seen, 2 or more when that is not known. crossing: True
    while the inrush of one phase restrains another that shows no gap. gapped: places of the waves
    that showed a gap in the judgements before. beyond_amps: peak that no inrush reaches; 0: none.
    """
    window = waves.window
    looked_at = [waves.residual] if earth_only else waves.phases
    shapes = [
        Shape(place, wave, window, age)
        for place, wave in enumerate(looked_at)
        if len(wave[0]) >= window
    ]
    least = INVOLVED_ENERGY * max([shape.energy for shape in shapes] + [0.0])
    shapes = [shape for shape in shapes if shape.energy >= least and shape.energy > 0.0]
    if shapes:
        model = Model(len(shapes[0].added), shapes[0].cycle)
        for shape in shapes:
            shape.examine(model, pickup_amps)
    judgement = Judgement(shapes, age, crossing, gapped, beyond_amps)
    if judgement.verdict != FAULT and judgement.large and not earth_only and _clipped(waves):
        judgement.prove("clipped")
    if judgement.proof in ("no gap", "collapse") or judgement.large:
        judgement.earth_share = _earth_share(waves, age)
    return judgement


def age_of(waves: Waves) -> "float | None":
    """Cycles since the currents left what they were one cycle before; None when it does not show.

    For a change that noise above its floor hides: here it is held against the noise itself, which
    the oldest quarter of the last cycle shows.
    """
    window = waves.window
    oldest: "float | None" = None
    for samples, _ in waves.phases:
        if len(samples) < 2 * window - 1:
            continue
        added = [y - x for x, y in zip(samples, samples[window:])]
        quarter = len(added) // 4
        noise = math.sqrt(_dot(added[:quarter], added[:quarter]) / quarter)
        peak = max([abs(y) for y in added])
        level = max(SURE_NOISE * noise, SLIGHT_CHANGE * peak)
        if level >= LARGEST_NOISE * peak:  # also where nothing is there at all
            continue
        high = [abs(y) >= level for y in added]
        first = [i for i, pair in enumerate(zip(high, high[1:])) if pair == (True, True)]
        if first:
            age = (len(added) - first[0]) / window
            oldest = age if oldest is None else max(oldest, age)
    return oldest


def sizes_of(waves: Waves, age: float) -> "list[tuple[float, float]]":
    """RMS of each phase's sinusoid since the change, its decaying DC apart, and of the second
    harmonic of its last cycle. [A]
    """
    window = waves.window
    group = max(1, window // THINNED)
    length = max(8, int(min(age, 1.0) * window / group))
    model = Model(length, window / group)
    sizes = []
    for samples, scale in waves.phases:
        if len(samples) >= max(length * group, window):
            thin, unit = _thinned(samples, group), abs(scale) / group / math.sqrt(2.0)
            last = thin[-int(window / group + 0.5) :]
            double = 2.0 * _amplitude(last, 4 * math.pi * group / window) / (SCALE * len(last))
            sizes.append((model.size(thin[-length:]) * unit, double * unit))
    return sizes


def beneath(sizes: "list[tuple[float, float]]") -> float:
    """The largest of these less the most that cores may add to it. [A]"""
    return max([size - double / LEAST_HUM for size, double in sizes] + [0.0])


def carried(waves: Waves) -> "tuple[float, float, float]":
    """What each phase added of what 3I0 added within a cycle, as a share of it: an inrush repeats
    itself, and takes little part.
    """
    added = []
    for samples, scale in [waves.residual] + waves.phases:
        added.append(([y - x for x, y in zip(samples, samples[waves.window :])], scale))
    residual, unit = added.pop(0)
    energy = abs(unit) * _dot(residual, residual)
    sign = 1.0 if unit > 0.0 else -1.0
    a, b, c = [
        max(0.0, sign * scale * _dot(row, residual)) / max(energy, 1e-12) for row, scale in added
    ]
    return a, b, c


def second_share(raw: "Raw", role: str) -> float:
    """Second harmonic to fundamental of a channel's last cycle."""
    last, step = raw.last(role, raw.window), 2 * math.pi / raw.window
    return _amplitude(last, 2 * step) / max(_amplitude(last, step), 1.0)


def _clipped(waves: Waves) -> bool:
    """Whether a phase stands at its extreme, to the count, longer than any wave's crest."""
    least = max(3, waves.window // CREST)
    for samples, _ in waves.phases:
        last = samples[-waves.window :]
        for end in (max(last + [0]), min(last + [0])):
            count = longest = 0
            for x in last:
                count = count + 1 if x == end != 0 else 0
                longest = max(longest, count)
            if longest >= least:
                return True
    return False


def _earth_share(waves: Waves, age: float) -> "float | None":
    """3I0 to the largest phase, RMS over the fifth of a cycle from the change on, or over the last
    half cycle less what flowed one cycle before when the change is older.
    """
    window = waves.window
    if [1 for samples, _ in waves.phases if len(samples) < 3 * window // 2]:
        return None
    rows = []
    for samples, scale in waves.phases:
        if age <= COLLAPSE_UNTIL:
            since = min(len(samples), int(age * window))
            row = samples[-since : window // 5 - since]
        else:
            half = window // 2
            row = [y - x for x, y in zip(samples[-window - half :], samples[-half:])]
        rows.append([scale * y for y in row])
    total = [a + b + c for a, b, c in zip(rows[0], rows[1], rows[2])]
    largest = max([sum([y * y for y in row]) for row in rows])
    return math.sqrt(sum([y * y for y in total]) / largest) if largest else None


def _thinned(samples: "list[int]", group: int) -> "list[int]":
    """Sums of `group` neighbours each, the newest whole."""
    first = len(samples) % group
    return [sum(samples[k : k + group]) for k in range(first, len(samples), group)]


def _amplitude(wave: "list[int]", step: float) -> float:
    """Of the component that turns by `step` from sample to sample. [any unit]"""
    re = float(_dot([_table(math.cos(step * i)) for i in range(len(wave))], wave))
    im = float(_dot([_table(math.sin(step * i)) for i in range(len(wave))], wave))
    return math.sqrt(re * re + im * im)


def _length_of_last(high: "list[bool]") -> int:
    count = 0
    while count < len(high) and high[-1 - count]:
        count += 1
    return count


def _longest_gap(high: "list[bool]") -> int:
    """Longest row of False in a cycle, the end joined to the beginning."""
    if True not in high:
        return len(high)
    longest = count = 0
    for each in high + high:
        count = 0 if each else count + 1
        longest = max(longest, count)
    return longest


def _table(value: float) -> int:
    return math.floor(SCALE * value + 0.5)


def _dot(one: "list[int]", other: "list[int]") -> int:
    return sum([x * y for x, y in zip(one, other)])
