"""What the samples say of a suspected earth fault: how large it is, where it lies, on which phase.

An inquiry is made some time after the inception, for that inception. It says what is so; whether
that makes a fault, and what is told of it, is earth_fault.py's.

Portable.
"""

import math

from agent.detect import earth_phase, earth_residual, earth_through, tables
from agent.detect.earth_added import Added, Span, added, recent, squares, summed
from agent.detect.earth_direction import FORWARD, REVERSE, UNKNOWN, Sums, judge, weigh
from agent.detect.earth_energy import energy
from agent.detect.sequences import minus, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.earth_direction import Fit
    from agent.detect.raw import Raw

    Phasor = tuple[float, float]

CURRENTS, VOLTAGES = ("ia", "ib", "ic"), ("ua", "ub", "uc")
# Half a cycle before the inception is looked at too: there the bell that everything is weighed with
# is half up already when the transient comes. A young record has to do with less of everything.
BEFORE, BEFORE_YOUNG, AFTER_YOUNG = 0.5, 0.25, 0.75
# Least difference of what the two models leave that a direction is taken from, four sigma, and of
# the energy's square; and the difference at which it is half as sure as it would be without noise.
LEAST_APART, HALF_SURE = 16.0, 60.0
# A phase current is there beyond so much of its noise, which holds its own changes too; one that
# carries nothing shows less than four sigma in ten thousand.
FLOWING_SIGMAS = 4.0
# Dating: a sample stands out of what a cycle brings anew at so many sigma, or a share of the most.
STANDING_OUT, SHARE_OF_MOST = 4.5, 0.08


class Inquiry:
    """What one look at the samples found; RMS primary, of the last cycle's fundamental.

    neutral_volts, residual_amps: what was added to U0 and 3I0; neutral_noise, residual_noise: of
    one quadrature of these; lasting_amps: as residual_amps, of the last half cycle. struck_volts:
    as neutral_volts, of the first cycle: an arc may be out again, and leave a charge that stands.
    phase_amps: the most that was added to a phase current; line_volts: to a voltage between phases,
    of the first cycle or the last.
    u0_before, u0_after, i0_before: as they stood and stand. ahead, behind: fits of the two models;
    energy: what both were fitted to. flow_share, flow_sigmas: see earth_energy.py. through: the
    phase currents show the fault's own. dead: no phase carries anything.
    overdriven: the sensor of 3I0 is at its end, and the sum of the phases stands for it.
    """

    def __init__(self) -> None:
        self.neutral_volts = self.neutral_noise = self.struck_volts = 0.0
        self.residual_amps = self.residual_noise = self.lasting_amps = 0.0
        self.phase_amps = self.line_volts = 0.0
        self.u0_before = self.u0_after = self.i0_before = 0.0
        self.summed = False
        self.behind: "Fit | None" = None
        self.ahead: "Fit | None" = None
        self.energy = 0.0
        self.flow_share = self.flow_sigmas = 0.0
        self.direction = UNKNOWN
        self.confidence = 0.0
        self.phase = ""
        self.siemens = 0.0
        self.through = False
        self.dead = False
        self.overdriven = False

    def why(self) -> "dict[str, float | int | str]":
        """All of it."""
        told: "dict[str, float | int | str]" = {
            "neutral_volts_added": self.neutral_volts,
            "neutral_volts_struck": self.struck_volts,
            "neutral_volts_noise": self.neutral_noise,
            "neutral_volts_before": self.u0_before,
            "neutral_volts_after": self.u0_after,
            "residual_amps_added": self.residual_amps,
            "residual_amps_noise": self.residual_noise,
            "residual_amps_lasting": self.lasting_amps,
            "residual_summed": int(self.summed),
            "phase_amps_added": self.phase_amps,
            "line_volts_added": self.line_volts,
            "residual_amps_before": self.i0_before,
            "through": int(self.through),
            "dead": int(self.dead),
            "residual_overdriven": int(self.overdriven),
            "fault_siemens": self.siemens,
            "fit_energy": self.energy,
            "energy_flow_share": self.flow_share,
            "energy_flow_sigmas": self.flow_sigmas,
        }
        for name, fit in (("elsewhere", self.behind), ("ahead", self.ahead)):
            if fit is not None:
                told[name + "_left"] = fit.left
                for term, size in zip(("derivative", "u0", "integral", "step"), fit.terms):
                    told[name + "_" + term] = size
        return told


def date(raw: "Raw") -> int:
    """Samples since the inception, if that lies in the last two cycles: since then U0 or 3I0 has
    not been as a cycle before. One and a half cycles where the noise hides it.
    """
    ages = [_dated(raw.last(role, 4 * raw.window), raw.window) for role in ("u0", "i0")]
    return max(ages) or 3 * raw.window // 2


def _dated(samples: "list[int]", window: int) -> int:
    """0: nothing stands out, or the record is too young."""
    if len(samples) < 3 * window:
        return 0
    changes = [x - y for x, y in zip(samples[window:], samples)]
    fresh, quiet = changes[-2 * window :], changes[: -2 * window]
    most = max([abs(x) for x in fresh])
    noise = squares(quiet) / len(quiet) if quiet else 0.0
    least = max(STANDING_OUT**2 * noise, (SHARE_OF_MOST * most) ** 2, 2.0)
    for k in range(len(fresh) - 1):
        if fresh[k] * fresh[k] > least and fresh[k + 1] * fresh[k + 1] > least:
            return len(fresh) - k
    return 0


def inquire(
    raw: "Raw", age: int, cycle: int, earthing: str, sums: "Sums | None" = None
) -> "Inquiry | None":
    """None: too little was sampled before the inception.

    age: samples since the inception; cycle: samples of a true one, in 1 / PARTS; sums: of this
    fault so far, which grow.
    """
    span, residual = _spanned(raw, age, cycle)
    if span is None or residual is None:
        return None
    found = Inquiry()
    residual = _reading(found, raw, span, residual, earthing)
    found.residual_amps = size(_fundamental(residual, span))
    found.residual_noise = _noise(residual, span)
    found.lasting_amps = _lasting(residual, span)
    _look_at_currents(found, raw, span)
    neutral = _added(raw, "u0", span)
    if neutral is None:
        return found
    found.neutral_volts = size(_fundamental(neutral, span))
    found.struck_volts = size(_first(neutral, span))
    found.neutral_noise = _noise(neutral, span)
    _look_at_voltages(found, raw, span)
    _look_for_phase(found, raw, span, residual, neutral)
    sums = Sums() if sums is None else sums
    weigh(neutral, residual, span, earthing, sums)
    flow = energy(neutral, residual, span)
    found.flow_share, found.flow_sigmas = flow.share, flow.sigmas
    _point(found, sums, earthing)
    return found


def _reading(found: Inquiry, raw: "Raw", span: Span, own: Added, earthing: str) -> Added:
    """The 3I0 to go by. In a solid network a sum may be an open transformer's, which U0 does not
    tell there.
    """
    found.summed = "i0" in raw.summed
    phases = [x for x in [_added(raw, role, span) for role in CURRENTS] if x is not None]
    if found.summed or len(phases) < len(CURRENTS) or earthing == "solid":
        return own
    total = earth_residual.summed(phases)
    changes = [_fundamental(x, span) for x in phases]
    sensor, sums = _fundamental(own, span), _fundamental(total, span)
    if not earth_residual.driven_to_its_end(sensor, sums, _noise(total, span), changes):
        return own
    found.summed = found.overdriven = True
    return total


def _spanned(raw: "Raw", age: int, cycle: int) -> "tuple[Span | None, Added | None]":
    """The span to look at, shorter where the record is young."""
    window = raw.window
    span = Span(window, cycle, int(BEFORE * window), age)
    residual = _added(raw, "i0", span)
    if residual is None:
        after = min(age, int(AFTER_YOUNG * window))
        span = Span(window, cycle, int(BEFORE_YOUNG * window), after, age - after)
        residual = _added(raw, "i0", span)
    return (span, residual) if residual is not None else (None, None)


def _added(raw: "Raw", role: str, span: Span) -> "Added | None":
    samples, scale = raw.wave(role, span.needed())
    return added(samples, scale, span)


def _look_at_currents(found: Inquiry, raw: "Raw", span: Span) -> None:
    """How much they changed, whether as by a fault's own current, and 3I0 as it stood."""
    samples, scale = raw.wave("i0", span.needed())
    found.i0_before = _standing(_older(samples, span), scale, span)
    currents = [x for x in [_added(raw, role, span) for role in CURRENTS] if x is not None]
    changes = [_fundamental(x, span) for x in currents]
    found.dead = _dead(raw, span, currents)
    found.phase_amps = max([size(x) for x in changes] + [0.0])
    if len(changes) == len(CURRENTS):
        noise = max([_noise(x, span) for x in currents])
        found.phase = earth_through.phase(changes, noise)
        found.through = found.phase != ""


def _dead(raw: "Raw", span: Span, currents: "list[Added]") -> bool:
    """Whether no phase current stands out of its noise: the line is switched off."""
    if len(currents) < len(CURRENTS):
        return False
    for role, current in zip(CURRENTS, currents):
        samples, scale = raw.wave(role, span.needed())
        stands = _standing(recent(samples, span), scale, span)
        if stands > FLOWING_SIGMAS * _noise(current, span):
            return False
    return True


def _look_at_voltages(found: Inquiry, raw: "Raw", span: Span) -> None:
    """Voltages between phases, and U0 as it stands."""
    samples, scale = raw.wave("u0", span.needed())
    found.u0_after = _standing(recent(samples, span), scale, span)
    found.u0_before = _standing(_older(samples, span), scale, span)
    phases = [_added(raw, role, span) for role in VOLTAGES]
    for cycle in (_first, _fundamental):
        a, b, c = [cycle(x, span) if x else None for x in phases]
        for one, other in ((a, b), (b, c), (c, a)):
            if one is not None and other is not None:
                found.line_volts = max(found.line_volts, size(minus(one, other)))


def _look_for_phase(
    found: Inquiry, raw: "Raw", span: Span, residual: Added, neutral: Added
) -> None:
    waves = [raw.wave(role, span.samples + span.late) for role in VOLTAGES]
    if [] in [samples for samples, _ in waves]:
        return
    # Of one unit, whatever the scales of the three.
    finest = min([abs(scale) for _, scale in waves])
    volts = [
        [int(x * scale / finest) for x in summed(recent(samples, span), span.step)]
        for samples, scale in waves
    ]
    cycle, since = int(span.per_cycle + 0.5), span.onset
    low = earth_phase.lowest([squares(phase[-cycle:]) for phase in volts])
    if not low:  # an arc that is out again has burnt for half a cycle at least
        low = earth_phase.lowest([squares(phase[since : since + cycle // 2]) for phase in volts])
    phases = [phase[since:] for phase in volts]
    fit = earth_phase.find(residual.since(since), neutral.since(since), phases)
    found.siemens = fit.gain * abs(residual.unit) * span.step / finest
    found.phase = low or fit.name or found.phase


def _point(found: Inquiry, sums: Sums, earthing: str) -> None:
    """The direction, and how sure it is: the surer of two witnesses that agree, and what one has
    more than the other where they do not. Each speaks for forward or, below zero, for reverse.
    """
    models, flow = _by_models(found, sums, earthing), _by_energy(found)
    sure = models + flow if models * flow < 0.0 else max(models, flow, key=abs)
    if sure != 0.0:
        found.direction = FORWARD if sure > 0.0 else REVERSE
        found.confidence = 0.5 + 0.5 * abs(sure)


def _by_models(found: Inquiry, sums: Sums, earthing: str) -> float:
    """By how much better the better model is, how far that lies beyond the noise, and how well it
    fits at all.
    """
    behind, ahead = judge(sums, earthing)
    found.behind, found.ahead, found.energy = behind, ahead, sums.products[0][0]
    better, worse = min(behind.left, ahead.left), max(behind.left, ahead.left)
    if worse - better < LEAST_APART:
        return 0.0
    sure = (1.0 - better / worse) * (1.0 - better / found.energy) * _beyond(worse - better)
    return sure if ahead.left < behind.left else -sure


def _by_energy(found: Inquiry) -> float:
    """By how much of it has flowed the same way at all times, and how far beyond the noise."""
    squared = found.flow_sigmas * found.flow_sigmas
    return -found.flow_share * _beyond(squared) if squared >= LEAST_APART else 0.0


def _beyond(squared: float) -> float:
    """How much is left of it beside noise; squared: sigmas."""
    return squared / (squared + HALF_SURE)


# --- fundamentals ---------------------------------------------------------------------------------

_kept: "dict[int, tuple[list[int], list[int]]]" = {}


def _quadratures(values: "list[int]", span: Span, share: float = 1.0) -> "Phasor":
    """Of the last cycle of these sums, or of half a one, RMS."""
    cycle = int(span.per_cycle + 0.5)
    if cycle not in _kept:
        _kept[cycle] = tables.harmonic(cycle, 1)
    length = int(share * cycle + 0.5)
    cosine, sine = _kept[cycle]
    last = values[-length:]
    norm = math.sqrt(2.0) / (tables.SCALE * length)
    re = sum([x * y for x, y in zip(last, cosine)])
    return norm * re, -norm * sum([x * y for x, y in zip(last, sine)])


def _fundamental(of: Added, span: Span) -> "Phasor":
    re, im = _quadratures(of.values, span)
    return re * of.unit, im * of.unit


def _first(of: Added, span: Span) -> "Phasor":
    """As `_fundamental`, of the first cycle since the inception."""
    re, im = _quadratures(of.values[: span.onset + int(span.per_cycle + 0.5)], span)
    return re * of.unit, im * of.unit


def _lasting(of: Added, span: Span) -> float:
    return size(_quadratures(of.values, span, 0.5)) * abs(of.unit)


def _older(samples: "list[int]", span: Span) -> "list[int]":
    """Those before the span."""
    return samples[: len(samples) - span.late - span.samples]


def _standing(samples: "list[int]", scale: float, span: Span) -> float:
    sums = summed(samples[len(samples) % span.step :], span.step)
    return size(_quadratures(sums, span)) * abs(scale) / span.step


def _noise(of: Added, span: Span) -> float:
    """Of one quadrature of the fundamental, RMS."""
    return math.sqrt(of.noise / span.per_cycle) * abs(of.unit)
