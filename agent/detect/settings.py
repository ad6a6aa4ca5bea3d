"""The protection settings of one bay: every key with its range, its default and the reason for it.

The fields of Settings are the one table: what reads files (`load`, `parse`), writes them
(`as_tables`) and prints pages goes by KEYS, which are made of these fields.

Defaults are what a careful engineer would ship before he has seen the grading study: above any
load, motor restart and energising seen at a feeder head, below the faults that matter.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import SiteError
from agent.site_kinds import WRONG, Number, OneOf, Place, nearest, shown, shown_key

if TYPE_CHECKING:
    from agent.site import Bay

Value = float | str

# A to F are IEC 60255-151's; the two beside them are in every maker's list. See inverse_time.py.
CURVES = ("A", "B", "C", "D", "E", "F", "short_inverse", "long_inverse", "definite", "off")
RESETS = ("instantaneous", "definite", "dependent")

# Hundreds of bays need a tenth of this; more is not a settings file.
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Key:
    """One key. element: the device numbers (IEEE C37.2) that obey it; reason: of the default.

    share_of: the field of the bay that the default is a share of; "": it is the same for all.
    """

    element: str
    kind: Number | OneOf
    meaning: str
    default: Value
    share_of: str
    reason: str

    @property
    def unit(self) -> str:
        """Of a number: "A", "ms"; shares and words have none."""
        return self.kind.unit if isinstance(self.kind, Number) else ""

    @property
    def expected(self) -> str:
        """The values that are taken, in words."""
        return self.kind.expected

    @property
    def formula(self) -> str:
        """The default in words."""
        if isinstance(self.default, str):
            return self.default
        unit = f"x {self.share_of}" if self.share_of else self.unit
        return f"{self.default:g} {unit}".rstrip()

    def default_of(self, bay: Bay) -> Value:
        """The default in this bay, to the milliampere, so that a file shows what was meant."""
        if isinstance(self.default, str) or not self.share_of:
            return self.default
        share: float = getattr(bay, self.share_of)
        return round(self.default * share, 3)


def _number(
    element: str, kind: Number, meaning: str, default: float, reason: str, of: str = ""
) -> Mapping[str, Key]:
    return {"key": Key(element, kind, meaning, default, of, reason)}


def _choice(
    element: str, choices: tuple[str, ...], meaning: str, default: str, reason: str
) -> Mapping[str, Key]:
    return {"key": Key(element, OneOf(choices), meaning, default, "", reason)}


# From the residual of a small secondary to beyond any fault.
_AMPS = Number(0.001, 1_000_000, "A")
# No protection of a feeder waits longer than ten minutes.
_DELAY = Number(0, 600_000, "ms")
# The fault is told within two cycles of its inception, and before what operates on it.
_STAGE = Number(40, 600_000, "ms")
_MULTIPLIER = Number(0.01, 15)  # IEC time multipliers end at about 1, IEEE time dials at 15
_RATING = "rating_amps"

_CURVE = "curve: IEC 60255-151 A to F, two that makers add, `definite` time, or `off`"
_RESET = "what becomes of the travel when the current falls: gone, kept for a time, or turned back"
_RESET_REASON = "as numerical relays ship; `dependent` where a disc relay is to be matched"


@dataclass(frozen=True, slots=True)
class Settings:
    """Thresholds of one bay: amperes primary RMS, times in milliseconds, voltages as shares."""

    phase_pickup_amps: float = field(
        metadata=_number(
            "50P",
            _AMPS,
            "start of 50P, of each phase current",
            2.2,
            "motor restart and cold load reach about twice the rating for seconds (field records"
            " of industrial incomers: 1.1 to 1.9); a fault at the far end is not far above",
            _RATING,
        )
    )
    phase_delay_ms: float = field(
        metadata=_number(
            "50P",
            _STAGE,
            "50P operates when its start has stood this long",
            300.0,
            "one grading step above a fuse or an instantaneous stage further out",
        )
    )
    residual_pickup_amps: float = field(
        metadata=_number(
            "50N",
            _AMPS,
            "start of 50N, of 3I0",
            0.3,
            "poles that open apart leave a residual of a fifth of the load for some cycles",
            _RATING,
        )
    )
    residual_delay_ms: float = field(
        metadata=_number(
            "50N",
            _STAGE,
            "50N operates when its start has stood this long",
            300.0,
            "as of 50P",
        )
    )
    earth_start_share: float = field(
        metadata=_number(
            "67N",
            Number(0.003, 0.5),
            "start of 67N: change of U0 within a cycle, of the nominal phase voltage",
            0.01,
            "3 kiloohm displace the neutral of a large cable network by some 2 %; noise that is"
            " higher raises it by itself",
        )
    )
    earth_start_amps: float = field(
        metadata=_number(
            "67N",
            Number(0.01, 1000, "A"),
            "start of 67N: change of 3I0 within a cycle",
            0.2,
            "3 kiloohm make some 2 A, of which a small network lets a part through the bay; noise"
            " that is higher raises it by itself",
        )
    )
    arc_start_amps: float = field(
        metadata=_number(
            "50AF",
            Number(0.01, 1000, "A"),
            "least 3I0 of a high-impedance fault that is looked for over seconds",
            0.1,
            "dry sand and asphalt let tenths of an ampere through; what the feeder strays by is"
            " learned and raises it by itself",
        )
    )
    change_floor_amps: float = field(
        metadata=_number(
            "50P, 50N",
            _AMPS,
            "smallest change of a phase current that is followed",
            0.1,
            "loads switch by a few per cent of the rating all day",
            _RATING,
        )
    )
    negative_start_amps: float = field(
        metadata=_number(
            "67Q",
            _AMPS,
            "start of 67Q below 50P: negative sequence that was added to the currents, or of three"
            " phases with the voltage down the positive one; needs voltages",
            0.2,
            "a load between two phases that is switched takes up to a third of the rating, 0.2 as"
            " sequence; a fault of 1.5 times the load adds 0.3 and more",
            _RATING,
        )
    )
    phase_inverse_curve: str = field(
        metadata=_choice(
            "51P",
            CURVES,
            _CURVE,
            "B",
            "very inverse: on a feeder the fault current falls with the distance, and a motor"
            " start is given more time than by A",
        )
    )
    phase_inverse_pickup_amps: float = field(
        metadata=_number(
            "51P",
            _AMPS,
            "Is of 51P, of each phase current",
            1.2,
            "full load must let it return: rating x margin 1.15 / dropout ratio 0.95",
            _RATING,
        )
    )
    phase_inverse_multiplier: float = field(
        metadata=_number(
            "51P",
            _MULTIPLIER,
            "TMS of 51P",
            0.3,
            "6 s at twice the rating, beyond a motor start; 0.45 s at ten times Is, one grading"
            " step above 50P at the next switch",
        )
    )
    phase_inverse_minimum_ms: float = field(
        metadata=_number(
            "51P",
            _DELAY,
            "51P never operates sooner; 0: no such limit",
            0.0,
            "none in the standard",
        )
    )
    phase_inverse_delay_ms: float = field(
        metadata=_number(
            "51P",
            _DELAY,
            "delay of 51P where its curve is `definite`",
            1000.0,
            "three grading steps",
        )
    )
    phase_inverse_reset: str = field(
        metadata=_choice("51P", RESETS, _RESET, "instantaneous", _RESET_REASON)
    )
    phase_inverse_reset_ms: float = field(
        metadata=_number(
            "51P",
            _DELAY,
            "how long a `definite` reset keeps the travel",
            500.0,
            "restrikes of one arcing fault lie closer together",
        )
    )
    residual_inverse_curve: str = field(
        metadata=_choice(
            "51N",
            CURVES,
            _CURVE,
            "A",
            "normal inverse: an earth current depends less on where the fault is than on its"
            " resistance",
        )
    )
    residual_inverse_pickup_amps: float = field(
        metadata=_number(
            "51N",
            _AMPS,
            "Is of 51N, of 3I0",
            0.2,
            "unequal loads and phase CTs leave up to a tenth of the rating in their sum",
            _RATING,
        )
    )
    residual_inverse_multiplier: float = field(
        metadata=_number("51N", _MULTIPLIER, "TMS of 51N", 0.3, "1.3 s at five times Is")
    )
    residual_inverse_minimum_ms: float = field(
        metadata=_number(
            "51N", _DELAY, "51N never operates sooner; 0: no such limit", 0.0, "as of 51P"
        )
    )
    residual_inverse_delay_ms: float = field(
        metadata=_number(
            "51N", _DELAY, "delay of 51N where its curve is `definite`", 1000.0, "as of 51P"
        )
    )
    residual_inverse_reset: str = field(
        metadata=_choice("51N", RESETS, _RESET, "instantaneous", _RESET_REASON)
    )
    residual_inverse_reset_ms: float = field(
        metadata=_number(
            "51N", _DELAY, "how long a `definite` reset keeps the travel", 500.0, "as of 51P"
        )
    )
    undervoltage_share: float = field(
        metadata=_number(
            "27",
            Number(0.3, 0.95),
            "start of 27, of the nominal voltage phase to phase (solidly earthed: to earth)",
            0.9,
            "a dip begins there (EN 50160, IEC 61000-4-30); supply must stay above 0.93"
            " (GB/T 12325, 10 kV), which leaves the sensors three per cent",
        )
    )
    undervoltage_delay_ms: float = field(
        metadata=_number("27", _DELAY, "how long a dip must last to be told", 20.0, "one cycle")
    )
    overvoltage_share: float = field(
        metadata=_number(
            "59",
            Number(1.05, 2),
            "start of 59, of the nominal voltage phase to phase (solidly earthed: to earth)",
            1.1,
            "a swell begins there (EN 50160, IEC 61000-4-30); supply must stay below 1.07"
            " (GB/T 12325, 10 kV), which leaves the sensors three per cent",
        )
    )
    overvoltage_delay_ms: float = field(
        metadata=_number(
            "59",
            Number(20, 600_000, "ms"),
            "how long a swell must last to be told",
            50.0,
            "what capacitors that are switched in lift for a cycle is no swell",
        )
    )
    dead_hold_ms: float = field(
        metadata=_number(
            "27",
            _DELAY,
            "how long a lost voltage must stand to be told",
            60.0,
            "three cycles: shorter is a dip",
        )
    )
    live_hold_ms: float = field(
        metadata=_number(
            "27", _DELAY, "how long a returned voltage must stand to be told", 100.0, "five cycles"
        )
    )
    unbalance_voltage_share: float = field(
        metadata=_number(
            "47",
            Number(0.005, 0.5),
            "limit of the voltages' negative to positive sequence",
            0.02,
            "of means over ten minutes (EN 50160, GB/T 15543); an open phase gives far more",
        )
    )
    unbalance_current_share: float = field(
        metadata=_number(
            "46",
            Number(0.05, 1),
            "limit of the currents' negative to positive sequence, from a tenth of the rating on",
            0.15,
            "loads that differ by 6 % and transformers by 2 % between phases make 0.05; a torn"
            " conductor that fed a quarter of the load makes 0.15",
        )
    )
    unbalance_delay_ms: float = field(
        metadata=_number(
            "46, 47",
            _DELAY,
            "how long an unbalance must last to be told",
            10_000.0,
            "what starts, welds or is switched phase by phase is over by then",
        )
    )
    frequency_limit_hz: float = field(
        metadata=_number(
            "81",
            Number(0.05, 5, "Hz"),
            "how far off the frequency may be",
            0.5,
            "1 % (EN 50160, for 99.5 % of a year; GB/T 15945, for small networks)",
        )
    )
    frequency_delay_ms: float = field(
        metadata=_number(
            "81",
            _DELAY,
            "how long it must be off to be told",
            1000.0,
            "a fault turns the phasors of voltages for some cycles",
        )
    )


KEYS: dict[str, Key] = {made.name: made.metadata["key"] for made in fields(Settings)}


@dataclass(frozen=True, slots=True)
class Rule:
    """Two keys of one bay: `lower` stays below `upper` wherever `curve`, a key, is `among`."""

    lower: str
    upper: str
    reason: str
    curve: str = ""
    among: tuple[str, ...] = ()

    def broken(self, settings: Settings) -> bool:
        """Whether these settings break it."""
        if self.curve and getattr(settings, self.curve) not in self.among:
            return False
        return bool(getattr(settings, self.lower) >= getattr(settings, self.upper))


_ON = tuple(curve for curve in CURVES if curve != "off")


def _stages(which: str) -> tuple[Rule, ...]:
    """How the two stages over one quantity stand to each other."""
    curve = f"{which}_inverse_curve"
    pickups = f"{which}_inverse_pickup_amps", f"{which}_pickup_amps"
    delays = f"{which}_delay_ms", f"{which}_inverse_delay_ms"
    return (
        Rule(*pickups, "51 is the sensitive, slow stage", curve, _ON),
        Rule(*delays, "50 is the fast stage", curve, ("definite",)),
    )


# Undervoltage and overvoltage are kept apart by their ranges.
RULES = (
    *_stages("phase"),
    *_stages("residual"),
    Rule("change_floor_amps", "phase_pickup_amps", "a fault must count as a change"),
)


def defaults(bay: Bay) -> Settings:
    """Settings that follow from what the bay is rated for."""
    return Settings(**{name: key.default_of(bay) for name, key in KEYS.items()})  # type: ignore[arg-type]  # each of its key's kind


def load(path: Path, bays: Iterable[Bay]) -> dict[str, Settings]:
    """Settings of each bay: the defaults, with what the TOML file at `path` states instead.

    The file holds one table a bay: `[feeder-1]`, `phase_pickup_amps = 900`. Raises: SiteError
    with every finding.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise SiteError(str(path), (f"too long; expected at most {MOST_BYTES} bytes",))
        tables = tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise SiteError(
            str(path), (f"cannot be read ({error.strerror}); expected a TOML file",)
        ) from error
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and TOMLDecodeError too
        raise SiteError(
            str(path), (f"is not TOML: {str(error)[:200]}; expected tables and values",)
        ) from error
    return parse(tables, bays, str(path))


def parse(tables: Mapping[str, object], bays: Iterable[Bay], where: str) -> dict[str, Settings]:
    """Settings of each bay: the defaults, with what its table states instead.

    where: names the source in findings. Raises: SiteError with every finding.
    """
    chosen = {bay.name: defaults(bay) for bay in bays}
    findings: list[str] = []
    for name, table in tables.items():
        if name not in chosen:
            hint = nearest(name, chosen)
            known = ", ".join(chosen) or "none: there is no bay"
            findings.append(f"[{shown_key(name)}]: no such bay{hint}; expected one of {known}")
        elif not isinstance(table, dict):
            findings.append(f"{name} = {shown(table)}: not a table; expected [{name}]")
        else:
            chosen[name] = _taken(name, table, chosen[name], findings)
    if findings:
        raise SiteError(where, tuple(findings))
    return chosen


def as_tables(settings: Mapping[str, Settings]) -> dict[str, dict[str, Value]]:
    """The inverse of `parse`: a table for each bay, every key in the order of KEYS."""
    return {bay: asdict(each) for bay, each in settings.items()}


def _taken(bay: str, table: Mapping[str, object], base: Settings, findings: list[str]) -> Settings:
    """`base` with the good ones of the table's values; `findings` is told of all else."""
    place = Place(f"[{bay}]", "", Path(), look=False, findings=findings)
    good: dict[str, Any] = {}
    for name, value in table.items():
        if name not in KEYS:
            known = ", ".join(KEYS)
            place.at(name).refuse(value, f"unknown key{nearest(name, KEYS)}", f"one of {known}")
        elif (read := KEYS[name].kind.read(value, place.at(name))) is not WRONG:
            good[name] = read
    settings = replace(base, **good)
    for rule in RULES:
        # A value that was refused is told once; what it means beside others is not known.
        unread = (table.keys() - good.keys()) & {rule.lower, rule.upper, rule.curve}
        if not unread and rule.broken(settings):
            low, high = getattr(settings, rule.lower), getattr(settings, rule.upper)
            place.at(rule.lower).refuse(
                low, rule.reason, f"less than {rule.upper}, which is {high:g}"
            )
    return settings
