"""What is taken but unwise, or cannot work, in protection settings: one table of checks.

The kinds, ranges and rules of single keys are settings.py's, and what breaks them is never taken.
Here stands what only shows beside the bay's rating, its line, its wiring, the curve itself or the
other bays. An `error` contradicts itself or physics; a `warning` needs a reason that the engineer
may well have. The defaults of any bay pass. Nothing is read or printed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple

from agent.detect.inverse_time import CURVES, FLAT_RATIO, START_RATIO
from agent.detect.line import Section, ways
from agent.detect.overcurrent import DROP_RATIO
from agent.detect.settings import Settings
from agent.detect.short_circuit import EXPLAINING_SHARE, STABILISING_SHARE
from agent.site import Bay

Severity = Literal["error", "warning"]

# A stage that must see a fault at the far end: least fault current over pickup (DL/T 584, 1.3 to
# 1.5 for a main stage at the end of its line).
SENSITIVITY = 1.5
# Between two stages in series: breaker 60 to 80 ms, drop-out 40 ms, errors of both, margin.
# IEC 60255-151 relays of today are graded by 200 to 300 ms.
GRADING_MS = 200.0
# Restart of motors and cold load, of the rating, for seconds (field records: 1.1 to 1.9).
RESTART_SHARE = 1.5
# Switchgear carries a short circuit for 1 or 3 s (IEC 62271-1, rated duration).
WITHSTAND_MS = 3000.0
# Energising draws eight to twelve times the rating for some cycles.
INRUSH_SHARE, INRUSH_MS = 8.0, 100.0
# Dead times of reclosing begin at 0.3 s (DL/T 584).
RECLOSE_MS = 300.0
CYCLE_MS = 20.0
_IEC = ("A", "B", "C", "short_inverse", "long_inverse")
_IEEE = ("D", "E", "F")


class Seen(NamedTuple):
    """What a check sees: one bay, its settings, which keys the sheet states, and the other bays."""

    bay: Bay
    settings: Settings
    stated: frozenset[str]
    others: tuple[tuple[Bay, Settings, frozenset[str]], ...]


Broken = Callable[[Seen], str]  # the figures of what is wrong, "" where nothing is


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of bad setting.

    name: as findings say it. keys: that it is about, the first is where it points. reason: for
    people, with source.
    """

    name: str
    severity: Severity
    keys: tuple[str, ...]
    reason: str
    broken: Broken


class Finding(NamedTuple):
    """What is wrong with one bay's settings."""

    bay: str
    check: Check
    figures: str


def lint(
    bays: Mapping[str, Bay],
    settings: Mapping[str, Settings],
    stated: Mapping[str, frozenset[str]],
) -> Iterator[Finding]:
    """Every finding, bay by bay, in the order of CHECKS. stated: keys that the sheet states."""
    whole = {
        name: (bay, settings[name], stated.get(name, frozenset())) for name, bay in bays.items()
    }
    for name, (bay, own, keys) in whole.items():
        others = tuple(other for of, other in whole.items() if of != name)
        for check in CHECKS:
            figures = check.broken(Seen(bay, own, keys, others))
            if figures:
                yield Finding(name, check, figures)


# --- what the checks work out ---


def operate_ms(settings: Settings, which: str, amps: float) -> float:
    """When 51P or 51N operates at a steady current; inf: it does not. which: "phase", "residual".

    Source: IEC 60255-151:2009, as agent/detect/inverse_time.py has it.
    """
    curve: str = getattr(settings, f"{which}_inverse_curve")
    ratio = amps / float(getattr(settings, f"{which}_inverse_pickup_amps"))
    if curve == "off" or ratio < (1.0 if curve == "definite" else START_RATIO):
        return inf
    if curve == "definite":
        return float(getattr(settings, f"{which}_inverse_delay_ms"))
    k, a, c = CURVES[curve]
    own = k / (float(min(ratio, FLAT_RATIO) ** a) - 1) + c
    time_ms = 1000 * own * float(getattr(settings, f"{which}_inverse_multiplier"))
    return max(time_ms, float(getattr(settings, f"{which}_inverse_minimum_ms")))


def clears_ms(settings: Settings, amps: float) -> float:
    """When the first of 50P and 51P operates at a steady current."""
    instant = settings.phase_delay_ms if amps >= settings.phase_pickup_amps else inf
    return min(instant, operate_ms(settings, "phase", amps))


def far_end_amps(bay: Bay) -> float:
    """Two-phase fault at the farthest end behind a source without impedance: U / (2 |Z1|). [A]

    The most that can flow; inf where the line is not known. Source: IEC 60909-0, two-phase fault.
    """
    ends = [sum(each.km * complex(each.r1, each.x1) for each in way) for way in _ways(bay)]
    return min((float(bay.nominal_volts / (2 * abs(ohms))) for ohms in ends if ohms), default=inf)


def far_earth_amps(bay: Bay) -> float:
    """Earth fault at the farthest end of a solidly earthed network: sqrt(3) U / |2 Z1 + Z0|. [A]"""
    found = _ways(bay) if bay.earthing == "solid" else []
    known = [way for way in found if all(each.r0 and each.x0 for each in way)]
    ends = [sum(each.km * _earth_loop(each) for each in way) for way in known]
    return min(
        (float(3**0.5 * bay.nominal_volts / abs(ohms)) for ohms in ends if ohms), default=inf
    )


def _earth_loop(section: Section) -> complex:
    """2 Z1 + Z0 of a kilometre."""
    return 2 * complex(section.r1, section.x1) + complex(section.r0, section.x0)


def _ways(bay: Bay) -> list[list[Section]]:
    return ways(bay.line, bay.section)


def without_voltages(bay: Bay) -> bool:
    """Whether a phase has no voltage, as far as the site file says."""
    return bool(bay.channels) and not {"ua", "ub", "uc"} <= bay.channels.keys()


def summed(bay: Bay) -> bool:
    """Whether 3I0 is the sum of phase CTs, as far as the site file says."""
    return bool(bay.channels) and "i0" not in bay.channels


# --- currents ---


def _below_load(key: str, factor: float) -> Broken:
    """A start that does not return at full load; factor: of the key, where it returns."""

    def broken(seen: Seen) -> str:
        returns = factor * getattr(seen.settings, key)
        if _is_off(seen, key) or returns > seen.bay.rating_amps:
            return ""
        return f"returns at {returns:.4g} A, the rating is {seen.bay.rating_amps:g} A"

    return broken


def _is_off(seen: Seen, key: str) -> bool:
    which = key.partition("_")[0]
    return "_inverse_" in key and getattr(seen.settings, f"{which}_inverse_curve") == "off"


def _below_restart(seen: Seen) -> str:
    least = RESTART_SHARE * seen.bay.rating_amps
    pickup, delay = seen.settings.phase_pickup_amps, seen.settings.phase_delay_ms
    if pickup >= least or delay > 5000:
        return ""
    return f"a restart reaches {least:.4g} A for seconds, {delay:g} ms stand against it"


def _never_seen(seen: Seen) -> str:
    amps = far_end_amps(seen.bay)
    pickup = seen.settings.phase_pickup_amps
    return "" if pickup < amps else f"a fault at the far end is {amps:.4g} A at most"


def _insensitive(seen: Seen) -> str:
    amps, pickup = far_end_amps(seen.bay), seen.settings.phase_pickup_amps
    if not amps / SENSITIVITY < pickup < amps:
        return ""
    return f"a fault at the far end is {amps:.4g} A at most, {amps / pickup:.3g} x pickup"


def _insensitive_backup(seen: Seen) -> str:
    amps, start = far_end_amps(seen.bay), START_RATIO * seen.settings.phase_inverse_pickup_amps
    if _is_off(seen, "phase_inverse_curve") or start <= amps / SENSITIVITY:
        return ""
    return f"51P starts at {start:.4g} A, a fault at the far end is {amps:.4g} A at most"


def _never_seen_earth(seen: Seen) -> str:
    amps = far_earth_amps(seen.bay)
    pickup = seen.settings.residual_pickup_amps
    return "" if pickup < amps else f"an earth fault at the far end is {amps:.4g} A at most"


def _below_ct_error(key: str) -> Broken:
    def broken(seen: Seen) -> str:
        feigned = STABILISING_SHARE * seen.bay.rating_amps
        if not summed(seen.bay) or _is_off(seen, key) or getattr(seen.settings, key) >= feigned:
            return ""
        return f"three phase CTs feign up to {feigned:.4g} A at full load"

    return broken


def _residual_above_phase(seen: Seen) -> str:
    phase, residual = seen.settings.phase_pickup_amps, seen.settings.residual_pickup_amps
    return "" if residual < phase else f"the phases start at {phase:.4g} A already"


def _earth_above_residual(seen: Seen) -> str:
    start, pickup = seen.settings.earth_start_amps, seen.settings.residual_pickup_amps
    if start < pickup or not seen.stated & {"earth_start_amps", "residual_pickup_amps"}:
        return ""
    return f"50N starts at {pickup:.4g} A already"


def _floor_above_share(seen: Seen) -> str:
    most = EXPLAINING_SHARE * seen.settings.phase_pickup_amps
    if seen.settings.change_floor_amps <= most:
        return ""
    return f"a change of {most:.4g} A explains a start, but is not followed"


def _floor_above_residual(seen: Seen) -> str:
    pickup = seen.settings.residual_pickup_amps
    if seen.settings.change_floor_amps <= pickup:
        return ""
    return f"an earth fault at 50N's pickup changes its phase by {pickup:.4g} A only"


def _floor_in_load(seen: Seen) -> str:
    least = 0.02 * seen.bay.rating_amps
    if seen.settings.change_floor_amps >= least:
        return ""
    return f"loads switch by {least:.4g} A all day"


def _weak_in_vain(seen: Seen) -> str:
    if not without_voltages(seen.bay) or "negative_start_amps" not in seen.stated:
        return ""
    return "no effect: the bay has not all three voltages"


def _weak_above_stage(seen: Seen) -> str:
    start, pickup = seen.settings.negative_start_amps, seen.settings.phase_pickup_amps
    if 3**0.5 * start < pickup:
        return ""
    return f"two phases that add it carry {3**0.5 * start:.4g} A, 50P starts at {pickup:.4g} A"


def _weak_below_load(seen: Seen) -> str:
    least = 0.15 * seen.bay.rating_amps
    start = seen.settings.negative_start_amps
    return (
        "" if start >= least else f"a load between two phases that is switched adds {least:.4g} A"
    )


def _weak_unfollowed(seen: Seen) -> str:
    added = 3**0.5 * seen.settings.negative_start_amps
    floor = seen.settings.change_floor_amps
    return "" if floor < added else f"two phases that add it change by {added:.4g} A only"


def _weak_never_seen(seen: Seen) -> str:
    amps = far_end_amps(seen.bay) / 3**0.5
    if seen.settings.negative_start_amps < amps:
        return ""
    return f"a fault at the far end adds {amps:.4g} A at most"


# --- units ---


def _kiloamperes(seen: Seen) -> str:
    return _mistaken(seen, 1000.0, "kA")


def _secondary(seen: Seen) -> str:
    ratio = seen.bay.ct_ratio
    return _mistaken(seen, ratio, "secondary amperes") if ratio > 5 else ""


def _mistaken(seen: Seen, factor: float, unit: str) -> str:
    """A pickup that no primary current explains, but `factor` times as much does."""
    pickup, rating = seen.settings.phase_pickup_amps, seen.bay.rating_amps
    if pickup >= 0.3 * rating or not rating < factor * pickup < 30 * rating:
        return ""
    return f"as {unit} it would be {factor * pickup:.4g} A, a usual pickup"


def _seconds(key: str, usual_ms: float, curve: str = "") -> Broken:
    """A time so short that it was meant in seconds."""

    def broken(seen: Seen) -> str:
        value = getattr(seen.settings, key)
        if curve and getattr(seen.settings, curve) != "definite":
            return ""
        if not 0 < value < usual_ms or key not in seen.stated:
            return ""
        return f"in seconds it would be {1000 * value:g} ms"

    return broken


def _dial(family: tuple[str, ...], wrong: Callable[[float], bool], says: str) -> Broken:
    def broken(seen: Seen) -> str:
        found = [
            f"{getattr(seen.settings, f'{which}_inverse_multiplier'):g} with curve "
            f"{getattr(seen.settings, f'{which}_inverse_curve')}"
            for which in ("phase", "residual")
            if getattr(seen.settings, f"{which}_inverse_curve") in family
            and wrong(getattr(seen.settings, f"{which}_inverse_multiplier"))
            and f"{which}_inverse_multiplier" in seen.stated
        ]
        return f"{' and '.join(found)}; {says}" if found else ""

    return broken


# --- times ---


def _stages_cross(which: str) -> Broken:
    """The sensitive stage is the faster one where the fast one starts."""

    def broken(seen: Seen) -> str:
        pickup = getattr(seen.settings, f"{which}_pickup_amps")
        slow = operate_ms(seen.settings, which, pickup)
        fast = getattr(seen.settings, f"{which}_delay_ms")
        return "" if slow > fast else f"at {pickup:.4g} A the 51 operates after {slow:.0f} ms"

    return broken


def _flat(which: str) -> Broken:
    """The minimum time is above the curve nearly everywhere."""

    def broken(seen: Seen) -> str:
        least = getattr(seen.settings, f"{which}_inverse_minimum_ms")
        twice = 2 * getattr(seen.settings, f"{which}_inverse_pickup_amps")
        curve = getattr(seen.settings, f"{which}_inverse_curve")
        time = operate_ms(seen.settings, which, twice)
        if curve in ("off", "definite") or not least or time > least:
            return ""
        return f"the curve reaches it below {twice:.4g} A, twice Is"

    return broken


def _too_slow(seen: Seen) -> str:
    amps = 10 * seen.bay.rating_amps
    time = clears_ms(seen.settings, max(amps, seen.settings.phase_pickup_amps))
    if time <= WITHSTAND_MS:
        return ""
    return f"at {amps:.4g} A nothing operates within {WITHSTAND_MS:g} ms"


def _under_inrush(seen: Seen) -> str:
    amps = INRUSH_SHARE * seen.bay.rating_amps
    time = operate_ms(seen.settings, "phase", amps)
    return "" if time >= INRUSH_MS else f"{time:.0f} ms at {amps:.4g} A, as an energising draws"


def _long_stage(seen: Seen) -> str:
    most = max(seen.settings.phase_delay_ms, seen.settings.residual_delay_ms)
    return "" if most <= 10_000 else f"{most / 1000:g} s, longer than any grading needs"


def _long_reset(seen: Seen) -> str:
    for which in ("phase", "residual"):
        held = getattr(seen.settings, f"{which}_inverse_reset_ms")
        if getattr(seen.settings, f"{which}_inverse_reset") == "definite" and held > 60_000:
            return f"{which}: {held / 1000:g} s, so that starts of one motor add up"
    return ""


# --- what is stated in vain ---


def _in_vain(keys: tuple[str, ...], of: str, obeyed: Callable[[str], bool]) -> Broken:
    """Keys that the sheet states though the word in `of` leaves them without effect."""

    def broken(seen: Seen) -> str:
        for which in ("phase", "residual"):
            word = getattr(seen.settings, f"{which}_inverse_{of}")
            vain = [key for k in keys if (key := f"{which}_inverse_{k}") in seen.stated]
            if vain and not obeyed(word):
                return f"{', '.join(vain)}: no effect, {which}_inverse_{of} is {word!r}"
        return ""

    return broken


# --- voltages ---


def _outside(key: str, low: float, high: float, says: str) -> Broken:
    """A value beyond what is sensible, though it is taken."""

    def broken(seen: Seen) -> str:
        value = getattr(seen.settings, key)
        return "" if low <= value <= high else f"{says}; usual is {low:g} to {high:g}"

    return broken


def _dip_after_loss(seen: Seen) -> str:
    delay, hold = seen.settings.undervoltage_delay_ms, seen.settings.dead_hold_ms
    return "" if delay <= hold else f"a loss is told after {hold:g} ms already"


# --- bay to bay ---


def _graded(keys: tuple[str, ...], wrong: Callable[[Settings, Settings], str]) -> Broken:
    """This bay against each that may lie behind it: the same voltage, a smaller rating, and keys
    that somebody has set in both. The site file does not say what is in series.
    """

    def broken(seen: Seen) -> str:
        for bay, settings, stated in seen.others:
            behind = (
                bay.rating_amps < seen.bay.rating_amps
                and bay.nominal_volts == seen.bay.nominal_volts
            )
            if behind and seen.stated & set(keys) and stated & set(keys):
                figures = wrong(seen.settings, settings)
                if figures:
                    return f"where bay {bay.name} lies behind: {figures}"
        return ""

    return broken


def _pickups_cross(front: Settings, behind: Settings) -> str:
    if front.phase_pickup_amps >= behind.phase_pickup_amps:
        return ""
    return f"its 50P starts at {behind.phase_pickup_amps:.4g} A only"


def _delays_cross(front: Settings, behind: Settings) -> str:
    least = behind.phase_delay_ms + GRADING_MS
    if front.phase_delay_ms >= least:
        return ""
    return f"its 50P takes {behind.phase_delay_ms:g} ms, one step is {GRADING_MS:g} ms"


def _curves_cross(front: Settings, behind: Settings) -> str:
    """51P against 51P, from the higher start up to ten times the front's Is."""
    start = START_RATIO * max(front.phase_inverse_pickup_amps, behind.phase_inverse_pickup_amps)
    most = 10 * front.phase_inverse_pickup_amps
    for step in range(41):
        amps = start * (most / start) ** (step / 40)
        own, other = (operate_ms(each, "phase", amps) for each in (front, behind))
        if own < other + GRADING_MS and other < inf:
            return f"at {amps:.4g} A 51P takes {own:.0f} ms, the other {other:.0f} ms"
    return ""


def _curve_meets_stage(front: Settings, behind: Settings) -> str:
    amps = behind.phase_pickup_amps
    own = operate_ms(front, "phase", amps)
    if own >= behind.phase_delay_ms + GRADING_MS:
        return ""
    return f"at {amps:.4g} A 51P takes {own:.0f} ms, its 50P {behind.phase_delay_ms:g} ms"


_CURVE_KEYS = ("phase_inverse_multiplier", "phase_inverse_curve", "phase_inverse_pickup_amps")
_BOTH_MULTIPLIERS = ("phase_inverse_multiplier", "residual_inverse_multiplier")

CHECKS = (
    Check(
        "pickup below load",
        "error",
        ("phase_pickup_amps",),
        "a start must return at full load: rating / drop-out ratio 0.95",
        _below_load("phase_pickup_amps", DROP_RATIO),
    ),
    Check(
        "pickup below restart",
        "warning",
        ("phase_pickup_amps", "phase_delay_ms"),
        "motors that restart and cold load reach 1.1 to 1.9 of the rating for seconds",
        _below_restart,
    ),
    Check(
        "51P below load",
        "error",
        ("phase_inverse_pickup_amps",),
        "51P starts at 1.1 x Is and returns at 0.95 of that; full load must let it return",
        _below_load("phase_inverse_pickup_amps", START_RATIO * DROP_RATIO),
    ),
    Check(
        "far end never seen",
        "error",
        ("phase_pickup_amps",),
        "U / (2 |Z1| length), a two-phase fault behind a source without impedance (IEC 60909-0)",
        _never_seen,
    ),
    Check(
        "far end hardly seen",
        "warning",
        ("phase_pickup_amps",),
        "a main stage is set to two thirds of the least fault (DL/T 584, sensitivity 1.5)",
        _insensitive,
    ),
    Check(
        "51P insensitive",
        "warning",
        ("phase_inverse_pickup_amps",),
        "the sensitive stage must see the far end with a margin of 1.5",
        _insensitive_backup,
    ),
    Check(
        "far earth fault never seen",
        "error",
        ("residual_pickup_amps",),
        "sqrt(3) U / |2 Z1 + Z0| in a solidly earthed network",
        _never_seen_earth,
    ),
    Check(
        "50N below CT error",
        "warning",
        ("residual_pickup_amps",),
        "a summed residual is what phase CTs differ by, up to a tenth of the current",
        _below_ct_error("residual_pickup_amps"),
    ),
    Check(
        "51N below CT error",
        "warning",
        ("residual_inverse_pickup_amps",),
        "as of 50N",
        _below_ct_error("residual_inverse_pickup_amps"),
    ),
    Check(
        "50N above 50P",
        "warning",
        ("residual_pickup_amps",),
        "an earth fault carries no load: 50N is there to be more sensitive",
        _residual_above_phase,
    ),
    Check(
        "67N above 50N",
        "warning",
        ("earth_start_amps", "residual_pickup_amps"),
        "67N is there for the earth faults that lie below 50N",
        _earth_above_residual,
    ),
    Check(
        "67N deaf to resistance",
        "warning",
        ("earth_start_share",),
        "a kiloohm displaces the neutral of a large cable network by a few per cent",
        _outside("earth_start_share", 0.003, 0.1, "faults of a kiloohm are not looked for"),
    ),
    Check(
        "50AF deaf to dry ground",
        "warning",
        ("arc_start_amps",),
        "dry sand and asphalt let tenths of an ampere through",
        _outside("arc_start_amps", 0.01, 2.0, "most high-impedance faults stay below"),
    ),
    Check(
        "change floor above a fault's share",
        "warning",
        ("change_floor_amps",),
        "a quarter of the pickup as a change explains a start (short_circuit.py)",
        _floor_above_share,
    ),
    Check(
        "change floor above 50N",
        "warning",
        ("change_floor_amps",),
        "the change names the phase of an earth fault",
        _floor_above_residual,
    ),
    Check(
        "change floor within load",
        "warning",
        ("change_floor_amps",),
        "loads switch by a few per cent of the rating all day",
        _floor_in_load,
    ),
    Check(
        "kiloamperes",
        "error",
        ("phase_pickup_amps",),
        "pickups are in amperes",
        _kiloamperes,
    ),
    Check(
        "secondary amperes",
        "error",
        ("phase_pickup_amps",),
        "pickups are primary; ct_ratio is applied to what the source delivers",
        _secondary,
    ),
    Check(
        "51P delay in seconds",
        "error",
        ("phase_inverse_delay_ms",),
        "times are in milliseconds; no stage operates within a cycle",
        _seconds("phase_inverse_delay_ms", CYCLE_MS, "phase_inverse_curve"),
    ),
    Check(
        "51N delay in seconds",
        "error",
        ("residual_inverse_delay_ms",),
        "as of 51P",
        _seconds("residual_inverse_delay_ms", CYCLE_MS, "residual_inverse_curve"),
    ),
    Check(
        "hold in seconds",
        "error",
        ("dead_hold_ms",),
        "times are in milliseconds; a window is a cycle long",
        _seconds("dead_hold_ms", CYCLE_MS / 2),
    ),
    Check(
        "IEC multiplier too large",
        "warning",
        _BOTH_MULTIPLIERS,
        "a time multiplier of IEC 60255-151 curves A to C is 0.05 to 1; dials are IEEE's",
        _dial(_IEC, lambda value: value > 1.5, "an IEC multiplier is 0.05 to 1"),
    ),
    Check(
        "IEEE dial too small",
        "warning",
        _BOTH_MULTIPLIERS,
        "a time dial of IEEE C37.112 curves is 0.5 to 15",
        _dial(_IEEE, lambda value: value < 0.5, "an IEEE dial is 0.5 to 15"),
    ),
    Check(
        "50P and 51P cross",
        "warning",
        ("phase_delay_ms", "phase_inverse_multiplier"),
        "51 is the slow stage; faster than 50 at its pickup, it makes 50 useless",
        _stages_cross("phase"),
    ),
    Check(
        "50N and 51N cross",
        "warning",
        ("residual_delay_ms", "residual_inverse_multiplier"),
        "as of the phases",
        _stages_cross("residual"),
    ),
    Check(
        "51P flat",
        "warning",
        ("phase_inverse_minimum_ms",),
        "a minimum above the curve at twice Is makes it a definite time",
        _flat("phase"),
    ),
    Check(
        "51N flat",
        "warning",
        ("residual_inverse_minimum_ms",),
        "as of 51P",
        _flat("residual"),
    ),
    Check(
        "clears too slowly",
        "warning",
        ("phase_delay_ms", "phase_inverse_multiplier"),
        "switchgear carries a short circuit for 1 or 3 s (IEC 62271-1)",
        _too_slow,
    ),
    Check(
        "51P under inrush",
        "warning",
        ("phase_inverse_multiplier",),
        "51 counts an inrush as current: eight times the rating for 100 ms",
        _under_inrush,
    ),
    Check(
        "stage of more than 10 s",
        "warning",
        ("phase_delay_ms", "residual_delay_ms"),
        "five gradings take 2 s; a unit may be mistaken",
        _long_stage,
    ),
    Check(
        "travel kept too long",
        "warning",
        ("phase_inverse_reset_ms", "residual_inverse_reset_ms"),
        "restrikes of one arcing fault lie within seconds, motor starts minutes apart",
        _long_reset,
    ),
    Check(
        "set though the curve is off",
        "warning",
        ("phase_inverse_curve", "residual_inverse_curve"),
        "who states a pickup or multiplier expects a stage that works",
        _in_vain(
            ("pickup_amps", "multiplier", "minimum_ms", "delay_ms", "reset", "reset_ms"),
            "curve",
            lambda word: word != "off",
        ),
    ),
    Check(
        "delay without definite curve",
        "warning",
        ("phase_inverse_delay_ms", "residual_inverse_delay_ms"),
        "only curve `definite` obeys it",
        _in_vain(("delay_ms",), "curve", lambda word: word in ("definite", "off")),
    ),
    Check(
        "multiplier of a definite curve",
        "warning",
        _BOTH_MULTIPLIERS,
        "curve `definite` obeys its delay alone",
        _in_vain(("multiplier",), "curve", lambda word: word != "definite"),
    ),
    Check(
        "reset time without definite reset",
        "warning",
        ("phase_inverse_reset_ms", "residual_inverse_reset_ms"),
        "only reset `definite` obeys it",
        _in_vain(("reset_ms",), "reset", lambda word: word == "definite"),
    ),
    Check(
        "undervoltage within supply",
        "warning",
        ("undervoltage_share",),
        "supply may stay at 0.93 (GB/T 12325, 10 kV), and a dip ends 0.02 above its start",
        _outside("undervoltage_share", 0.0, 0.91, "a dip at 0.93 of nominal may never end"),
    ),
    Check(
        "undervoltage too deep",
        "warning",
        ("undervoltage_share",),
        "contactors and drives drop out at 0.7 (a test level of IEC 61000-4-11)",
        _outside("undervoltage_share", 0.7, 1.0, "dips that stop customers' drives are not told"),
    ),
    Check(
        "swell within supply",
        "warning",
        ("overvoltage_share",),
        "supply may stay at 1.07 (GB/T 12325, 10 kV), and a swell ends 0.02 below its start",
        _outside("overvoltage_share", 1.09, 2.0, "a swell at 1.07 of nominal may never end"),
    ),
    Check(
        "swell out of reach",
        "warning",
        ("overvoltage_share",),
        "between phases no fault lifts the voltage; load rejection by 1.2 to 1.5 (IEC 60071-2)",
        _outside("overvoltage_share", 1.0, 1.5, "no voltage between phases reaches it"),
    ),
    Check(
        "dip told after loss",
        "warning",
        ("undervoltage_delay_ms", "dead_hold_ms"),
        "a dip is the shorter of the two",
        _dip_after_loss,
    ),
    Check(
        "swell delay beyond a minute",
        "warning",
        ("overvoltage_delay_ms",),
        "longer is no swell but a wrong voltage (EN 50160: up to one minute)",
        _outside("overvoltage_delay_ms", 0, 60_000, "no swell lasts so long"),
    ),
    Check(
        "loss hidden by reclosing",
        "warning",
        ("dead_hold_ms",),
        "dead times of reclosing begin at 0.3 s",
        _outside("dead_hold_ms", CYCLE_MS, RECLOSE_MS, "a reclosing's dead time"),
    ),
    Check(
        "return told too soon",
        "warning",
        ("live_hold_ms",),
        "reclosed onto a fault the voltage is back for a cycle or two",
        _outside("live_hold_ms", 2 * CYCLE_MS, 10_000, "a try, or after the restoration"),
    ),
    Check(
        "67Q without voltages",
        "warning",
        ("negative_start_amps",),
        "the motors behind a bay answer a neighbour's fault alike; voltages tell the side",
        _weak_in_vain,
    ),
    Check(
        "67Q above 50P",
        "warning",
        ("negative_start_amps", "phase_pickup_amps"),
        "it is there for what stays below 50P",
        _weak_above_stage,
    ),
    Check(
        "67Q within load",
        "warning",
        ("negative_start_amps",),
        "a load between two phases may take a quarter of the rating, 0.15 of it as sequence",
        _weak_below_load,
    ),
    Check(
        "67Q below change floor",
        "error",
        ("negative_start_amps", "change_floor_amps"),
        "a fault between two phases adds the square root of three of its negative sequence to each",
        _weak_unfollowed,
    ),
    Check(
        "67Q out of reach",
        "error",
        ("negative_start_amps",),
        "the negative sequence of a fault between two phases, IEC 60909-0",
        _weak_never_seen,
    ),
    Check(
        "unbalance within VT errors",
        "warning",
        ("unbalance_voltage_share",),
        "lines that are not transposed and transformers of class 0.5 make up to 0.01",
        _outside("unbalance_voltage_share", 0.01, 0.5, "a sound supply is told unbalanced"),
    ),
    Check(
        "unbalance beyond motors",
        "warning",
        ("unbalance_voltage_share",),
        "no motor should run from 0.05 on (IEC 60034-26; NEMA MG 1, 14.36)",
        _outside("unbalance_voltage_share", 0.0, 0.05, "motors burn before it is told"),
    ),
    Check(
        "current unbalance within load",
        "warning",
        ("unbalance_current_share",),
        "loads that differ by 6 % and transformers by 2 % between phases make 0.05",
        _outside("unbalance_current_share", 0.08, 1.0, "ordinary load is told unbalanced"),
    ),
    Check(
        "current unbalance above an open phase",
        "warning",
        ("unbalance_current_share",),
        "one open phase of three makes 0.5 to 1 behind it, less where other load remains",
        _outside("unbalance_current_share", 0.0, 0.5, "an open phase may stay untold"),
    ),
    Check(
        "unbalance told in a start",
        "warning",
        ("unbalance_delay_ms",),
        "what starts or is switched phase by phase takes seconds",
        _outside("unbalance_delay_ms", 1000, 600_000, "a start or a reclosing is told"),
    ),
    Check(
        "frequency limit within control",
        "warning",
        ("frequency_limit_hz",),
        "0.2 Hz are normal (GB/T 15945; ENTSO-E, standard range 0.05, maximum 0.2)",
        _outside("frequency_limit_hz", 0.2, 5.0, "the network's control moves as much all day"),
    ),
    Check(
        "frequency limit beyond shedding",
        "warning",
        ("frequency_limit_hz",),
        "load is shed from 1 Hz below nominal on (DL/T 428; ENTSO-E 49.0 Hz)",
        _outside("frequency_limit_hz", 0.0, 1.0, "it is told after load was shed"),
    ),
    Check(
        "frequency told in a fault",
        "warning",
        ("frequency_delay_ms",),
        "a fault turns the phasors of voltages for some cycles, and is cleared within 0.2 s",
        _outside("frequency_delay_ms", 200, 600_000, "a fault's turn of phase is told"),
    ),
    Check(
        "50P pickups not graded",
        "warning",
        ("phase_pickup_amps",),
        "the stage in front must not start before the one behind",
        _graded(("phase_pickup_amps",), _pickups_cross),
    ),
    Check(
        "50P delays not graded",
        "warning",
        ("phase_delay_ms",),
        "one step of 200 ms or more between stages in series",
        _graded(("phase_delay_ms",), _delays_cross),
    ),
    Check(
        "51P curves cross",
        "warning",
        ("phase_inverse_multiplier",),
        "one step of 200 ms or more at every current up to ten times Is",
        _graded(_CURVE_KEYS, _curves_cross),
    ),
    Check(
        "51P meets 50P behind",
        "warning",
        ("phase_inverse_multiplier",),
        "one step of 200 ms or more at the pickup of the stage behind",
        _graded((*_CURVE_KEYS, "phase_delay_ms", "phase_pickup_amps"), _curve_meets_stage),
    ),
)
