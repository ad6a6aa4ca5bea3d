"""Where a short circuit lies: away from the normal source (forward), or on its side (reverse).

Currents are positive away from the source. What a fault adds to the current of its loop, di, is
driven by the voltage that stood at its place before, through everything that lies between: forward
u_before = (R + L d/dt) di with R, L > 0, reverse the same with R, L < 0. The voltage before is
that of one to three cycles ago, so that a fault which leaves no voltage here (close-in) polarises
as well as any other, and in that time no network's frequency moves the phase by more than a few
degrees. Of the three loops between phases the one that took the most current is looked at: no zero
sequence, and the faulted one whichever kind it is.

Two more witnesses where they can be heard. "source": what the fault took from the loop's voltage,
u_before - u = (R + L d/dt) di, is the impedance behind this bay for forward, and the negative of
all that lies before it for reverse. "loop": u = (R + L d/dt) i, the impedance between here and the
fault, for where there was no voltage before: switching on to a fault, or a record that begins in
one. A fault that comes with the voltage and leaves none of it is forward: what comes to life here
is fed from the source's side. A fault of one phase in an earthed network goes by 3I0 and U0: what
flows to the fault returns through the neutral's resistance and the other feeders' capacitances,
in a solidly earthed network through the inductance of the source.

Source: E. O. Schweitzer and others, "Speed of line protection - can we break free of phasor
limitations?", 2014 (incremental quantities); IEC 60255-121 (memory polarising).

Portable.
"""

import math

from agent.detect import impedance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.impedance import Fit
    from agent.detect.raw import Raw

    Changed = tuple[list[int], float, float]

FORWARD, REVERSE, UNKNOWN = "forward", "reverse", "unknown"

# The middle of what a forward impedance may be: from an arc (0) to a source behind a reactor (90).
COSINE, SINE = 0.70710678, 0.70710678
# Of 67N: forward, resistance of the neutral (0) and capacitance of the others (+90), against a
# healthy feeder's own capacitance (-90).
EARTH_COSINE, EARTH_SINE = 0.8660254, 0.5
# Of 67N in a solidly earthed network, as admittance: the source's zero sequence, -60.
SOLID_COSINE, SOLID_SINE = 0.5, -0.8660254
# Cosine of the angle to that middle, times the share explained, from which on a side is told: 14
# degrees from the border, what a load angle, the transformers' angles and three cycles of drift may
# add up to.
SURE = 0.25
# What flowed before ends so much of a cycle ahead of where the change was seen: a current that
# rises from nothing is seen only when it passes the floor.
SEEN_LATE = 0.125
# A cosine from which on there is nothing left to doubt: 45 degrees from the border.
CLEAR = 0.7
LEAST_EXPLAINED = 0.5  # of a fit's energy; less and something else drives the current
# Voltages below this share of the nominal one drive nothing; noise at 40 dB is a hundredth.
LEAST_VOLTS = 0.05
LEAST_LOST = 0.1  # of the same, to be looked at for what took it
LEAST_CHANGE = 0.03  # of the same, of what the fault took from the voltage
SHORT = 0.375  # of a cycle: before a current transformer saturates, or mostly so
LONG = 0.75  # of a cycle
BETTER = 0.02  # of what is explained, to take the longer fit
LOOPS = ((0, 1), (1, 2), (2, 0))
_CURRENTS, _VOLTS = ("ia", "ib", "ic"), ("ua", "ub", "uc")


class Direction:
    """word: FORWARD, REVERSE or UNKNOWN; confidence: 0..1. witness: what it rests on, "" nothing.

    why: the quantities behind it. fit: the impedance from the voltage before over what was added,
    None where there is none. contradicted: what the voltages lost is not what these currents take
    from any source, so that one of them is not of this bay: nothing is known.
    """

    def __init__(self) -> None:
        self.word = UNKNOWN
        self.confidence = 0.0
        self.witness = ""
        self.contradicted = False
        self.fit: "Fit | None" = None
        self.why: "dict[str, float | str]" = {}

    def rests_on(self, witness: str, cosine: float, explained: float) -> None:
        """Take this for the answer if it is one. cosine: of the angle to the middle."""
        if abs(cosine) * explained < SURE or explained < LEAST_EXPLAINED:
            return
        self.word = FORWARD if cosine > 0.0 else REVERSE
        self.confidence = min(1.0, abs(cosine) / CLEAR) * explained
        self.witness = witness

    def note(self, witness: str, fit: "Fit", cosine: float) -> None:
        """Put it into `why`."""
        self.why[witness + "_ohm"] = fit.first
        self.why[witness + "_reactance_ohm"] = fit.second
        self.why[witness + "_explained"] = fit.explained
        self.why[witness + "_cosine"] = cosine


class _Loop:
    """The waves of the loop that took the most: volts and amps now and before, thinned alike.

    back: samples from now to before; 0: the past is not known, and the loop that carries the most
    is looked at.
    """

    def __init__(self, raw: "Raw", count: int, back: int) -> None:
        group = impedance.group_of(raw.window)
        self.cycle = raw.window / group
        volts, volt = _waves(raw, _VOLTS, count + back)
        amps, amp = _waves(raw, _CURRENTS, count + back)
        self.volt, self.amp = volt / group, amp / group
        between = [_less(amps[p], amps[q]) for p, q in LOOPS]
        added = [_added(row, count, back) for row in between]
        sizes = [impedance.dot(row, row) for row in added]
        place = sizes.index(max(sizes))
        p, q = LOOPS[place]
        loop = _less(volts[p], volts[q])
        self.name = "abc"[p] + "abc"[q]
        self.added = impedance.thinned(added[place], group), self.amp
        self.amps = impedance.thinned(between[place][-count:], group), self.amp
        past = max(1, back - int(SEEN_LATE * raw.window))
        self.past = impedance.thinned(between[place][:past], group)
        self.volts = impedance.thinned(loop[-count:], group), self.volt
        self.before = impedance.thinned(loop[:count], group), self.volt
        self.taken = _less(self.before[0], self.volts[0]), self.volt


def of_phases(raw: "Raw", age: "float | None", phase_volts: float) -> Direction:
    """The direction of a fault of two or three phases.

    age: cycles since its inception was seen, None where it was not; phase_volts: nominal, phase
    to earth, RMS.
    """
    told = Direction()
    if False in [raw.has(role) for role in _VOLTS + _CURRENTS]:
        return told
    least = LEAST_VOLTS * phase_volts * math.sqrt(3.0)
    count, back = raw.window, 0
    if age is not None:
        count, back = int(age * raw.window), raw.window * _cycles_back(age)
    held = len(raw.last("ua", count + back))
    if age is None or held < count + back or count < raw.window // 8:
        _without_memory(told, _Loop(raw, min(raw.window, held), 0), least)
        return told
    loop = _Loop(raw, count, back)
    told.why["loop"] = loop.name
    if _rms(loop.before) < least:
        _switched_on(told, loop, least)
    else:
        _by_memory(told, loop, least)
    return told


def _by_memory(told: Direction, loop: _Loop, least: float) -> None:
    best = _best_fit(loop)
    if best is None:
        return
    told.fit = best
    cosine = best.along(COSINE, SINE)
    told.note("memory", best, cosine)
    told.rests_on("memory", cosine, best.explained)
    if _rms(loop.taken) < LEAST_CHANGE / LEAST_VOLTS * least:
        return
    behind = impedance.fitted(loop.taken, loop.added, loop.cycle)
    if behind is None or behind.explained < LEAST_EXPLAINED:
        # To say reverse is to keep silent: that takes voltages which belong to the currents.
        if told.word == REVERSE and _rms(loop.taken) >= LEAST_LOST / LEAST_VOLTS * least:
            told.word, told.confidence, told.contradicted = UNKNOWN, 0.0, True
        return
    witness = behind.along(COSINE, SINE)
    told.note("source", behind, witness)
    if told.word == UNKNOWN:
        told.rests_on("source", witness, behind.explained)
    elif abs(witness) >= SURE and (witness > 0.0) != (told.word == FORWARD):
        told.confidence = 0.5 * told.confidence


def _best_fit(loop: _Loop) -> "Fit | None":
    """Over the first milliseconds, or over longer where that explains more."""
    best: "Fit | None" = None
    for share in (SHORT, LONG):
        end = max(6, int(share * loop.cycle))
        before, added = loop.before[0][:end], loop.added[0][:end]
        fit = impedance.fitted((before, loop.volt), (added, loop.amp), loop.cycle)
        if fit is not None and (best is None or fit.explained > best.explained + BETTER):
            best = fit
    return best


def _switched_on(told: Direction, loop: _Loop, least: float) -> None:
    """No voltage before: what lies between here and the fault, or all of it is in front."""
    told.why["memory_volts"] = _rms(loop.before)
    if _rms(loop.volts) >= least:
        _by_loop(told, loop)
    if told.word == UNKNOWN:
        told.word, told.confidence, told.witness = FORWARD, 0.5, "switched on"


def _without_memory(told: Direction, loop: _Loop, least: float) -> None:
    """A fault that is older than the samples: the loop's own voltage over its current."""
    if len(loop.volts[0]) >= impedance.THINNED // 4 and _rms(loop.volts) >= least:
        _by_loop(told, loop)


def _by_loop(told: Direction, loop: _Loop) -> None:
    fit = impedance.fitted(loop.volts, loop.amps, loop.cycle)
    if fit is None:
        return
    cosine = fit.along(COSINE, SINE)
    told.note("loop", fit, cosine)
    told.rests_on("loop", cosine, fit.explained)


class Beyond:
    """What lies behind a bay in which three equal currents grew.

    volts: to earth, what is left of the least loop's, RMS; before_amps: of the largest loop's
    current before, a phase's, RMS. fit: the impedance that the added current flows into.
    """

    def __init__(self, volts: float, before_amps: float, fit: "Fit | None") -> None:
        self.volts = volts
        self.before_amps = before_amps
        self.fit = fit


def beyond(raw: "Raw", age: float) -> "Beyond | None":
    """The impedance beyond this bay, by what was added; None where there is no voltage."""
    if False in [raw.has(role) for role in _VOLTS + _CURRENTS]:
        return None
    count, back = int(age * raw.window), raw.window * _cycles_back(age)
    held = len(raw.last("ua", count + back))
    if held < count + back or count < raw.window // 4:
        return None
    loop = _Loop(raw, count, back)
    fit = impedance.fitted(loop.volts, loop.added, loop.cycle)
    half = len(loop.volts[0]) // 2
    left = _rms((loop.volts[0][-half:], loop.volt)) / math.sqrt(3.0)
    return Beyond(left, _rms((loop.past, loop.amp)) / math.sqrt(3.0), fit)


def unexplained(raw: "Raw", age: float, phase_volts: float) -> "float | None":
    """Of what the loop's voltage lost since the inception, the share [energy] that the current does
    not explain through any source's impedance; None where little was lost.

    A core that saturates takes voltage only while its current flows; behind a current transformer
    that saturates the short circuit goes on.
    """
    if False in [raw.has(role) for role in _VOLTS + _CURRENTS]:
        return None
    count, back = int(age * raw.window), raw.window * _cycles_back(age)
    if len(raw.last("ua", count + back)) < count + back or count < raw.window // 2:
        return None
    loop = _Loop(raw, count, back)
    # A voltage that returns was not lost: what it feeds anew is an inrush.
    if impedance.dot(loop.taken[0], loop.before[0]) <= 0:
        return None
    if _rms(loop.taken) < LEAST_LOST * phase_volts:
        return None
    fit = impedance.fitted(loop.taken, loop.added, loop.cycle)
    return None if fit is None else 1.0 - fit.explained


def of_earth(
    raw: "Raw", age: "float | None", phase_volts: float, phase: int, solid: bool
) -> Direction:
    """The direction of a fault of one phase to earth whose 3I0 is a real current (67N).

    phase: 0, 1 or 2, or -1: none of them carries it more than the others; solid: the network's
    neutrals are solidly earthed.
    """
    told = Direction()
    if age is None:
        return told
    count, back = int(age * raw.window), raw.window * _cycles_back(age)
    held = min([len(raw.last(role, count + back)) for role in ("i0", _CURRENTS[phase])])
    if held < count + back or count < raw.window // 8:
        return told
    if solid and phase >= 0 and raw.has(_VOLTS[phase]):
        _by_phase(told, raw, count, back, phase)
    if told.word == UNKNOWN and raw.has("u0"):
        volts, amps = _change(raw, "u0", count, back), _change(raw, "i0", count, back)
        if _rms(volts) >= LEAST_CHANGE * phase_volts:
            _by_neutral(told, volts, amps, solid)
    return told


def _by_neutral(told: Direction, volts: "Changed", amps: "Changed", solid: bool) -> None:
    """3I0 = -(G + C d/dt) U0 of the network behind this bay."""
    fit = impedance.fitted((amps[0], -amps[1]), volts[:2], amps[2])
    if fit is None:
        return
    cosine = fit.along(SOLID_COSINE, SOLID_SINE) if solid else fit.along(EARTH_COSINE, EARTH_SINE)
    told.why["neutral_siemens"] = fit.first
    told.why["neutral_susceptance_siemens"] = fit.second
    told.why["neutral_explained"] = fit.explained
    told.why["neutral_cosine"] = cosine
    told.rests_on("neutral", cosine, fit.explained)


def _by_phase(told: Direction, raw: "Raw", count: int, back: int, phase: int) -> None:
    """The faulted phase's own voltage before, over what was added to its current."""
    group = impedance.group_of(raw.window)
    samples, scale = raw.wave(_VOLTS[phase], count + back)
    before = impedance.thinned(samples[:count], group), scale / group
    added = _change(raw, _CURRENTS[phase], count, back)
    fit = impedance.fitted(before, added[:2], added[2])
    if fit is None:
        return
    cosine = fit.along(COSINE, SINE)
    told.note("memory", fit, cosine)
    told.rests_on("memory", cosine, fit.explained)


def _cycles_back(age: float) -> int:
    """Whole cycles to what was before, a tenth more than the change may have been seen late."""
    return 1 + int(age + 0.1)


def _waves(raw: "Raw", roles: "tuple[str, ...]", count: int) -> "tuple[list[list[int]], float]":
    """The last samples of three channels in one unit, the finest of theirs."""
    waves = [raw.wave(role, count) for role in roles]
    unit = min([abs(scale) for _, scale in waves])
    rows = []
    for samples, scale in waves:
        weight = scale / unit
        whole = weight in (1.0, -1.0)
        sign = 1 if weight > 0.0 else -1
        rows.append(
            [sign * x for x in samples]
            if whole
            else [math.floor(weight * x + 0.5) for x in samples]
        )
    return rows, unit


def _change(raw: "Raw", role: str, count: int, back: int) -> "tuple[list[int], float, float]":
    """What was added to a channel, thinned, with its unit and the samples of a cycle."""
    group = impedance.group_of(raw.window)
    samples, scale = raw.wave(role, count + back)
    row = impedance.thinned(_added(samples, count, back), group)
    return row, scale / group, raw.window / group


def _added(row: "list[int]", count: int, back: int) -> "list[int]":
    return [x - y for x, y in zip(row[-count:], row)] if back else row[-count:]


def _less(one: "list[int]", other: "list[int]") -> "list[int]":
    return [x - y for x, y in zip(one, other)]


def _rms(row: "tuple[list[int], float] | tuple[list[int], float, float]") -> float:
    if not row[0]:
        return 0.0
    return abs(row[1]) * math.sqrt(impedance.dot(row[0], row[0]) / len(row[0]))
