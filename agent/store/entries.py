"""Events and stamps as entries and back: where the agent's floats become scaled integers.

The table itself stands in entry.py, the bytes in cbor.py. An event loses what lies below the
scales of the table, its `why` travels in an entry of its own, and the error of its clock is
rounded up, so that a bound stays a bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.clock import Stamp, Timemap
from agent.errors import RecordError
from agent.records import Event
from agent.store import entry

Entry = list[Any]
Values = Mapping[str, float | int | str]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Enough for any sentence of ours; what comes from a peer's error text ends here.
_TEXT_LENGTH = 240
QUARTER_US = 900_000_000
# What a float64 holds exactly; a current or voltage beyond it is not one.
_LARGEST_COUNT = 1 << 53
_LARGEST_EXPONENT = 971  # of a float64 whose mantissa is a whole number

_CURRENTS = tuple(f"current_{phase}_centiamps" for phase in "abc")
_VOLTAGES = tuple(f"voltage_{phase}_decivolts" for phase in "abc")
_AMPERE, _VOLT, _PERCENT = 100, 10, 100

# Of entry.METERED: the power of ten of one count, and by what names the last ones are known.
_EXPONENTS = (-2, -2, -2, -2, -1, -1, -1, -1, 2, 2, -3, -2, -1)
_METERED = (
    "neutral_volts",
    "active_watts",
    "reactive_vars",
    "frequency_hz",
    "negative_amps",
    "negative_volts",
)


@dataclass(frozen=True, slots=True)
class Key:
    """What makes a record one and the same wherever it turns up (contract.md section 4)."""

    node: str
    epoch: int
    lane: str
    seq: int


def event_entry(event: Event, stamp: Stamp, *, logged_us: int, exercise: bool = False) -> Entry:
    """The entry of an event that stood at `stamp`.

    logged_us: when this record is made, on the monotonic clock of the stamp. exercise: of a drill.
    Raises: ValueError for an event or a phase that the table does not know.
    """
    earliest_us, latest_us = event.bounds_us or (None, None)
    return entry.compose(
        entry.EVENT,
        _at(stamp),
        {
            "event": event.event,
            "bay": _text(event.bay),
            "flags": (entry.ALARM * event.alarm) | (entry.EXERCISE * exercise),
            "kind": event.kind,
            "direction": event.direction,
            "outcome": event.outcome,
            **_distance(event),
            "confidence_percent": _counts(event.confidence, _PERCENT),
            **_scaled(_CURRENTS, event.currents, _AMPERE),
            **_scaled(_VOLTAGES, event.voltages, _VOLT),
            "residual_centiamps": _counts(event.residual_amps, _AMPERE),
            "neutral_decivolts": _counts(event.neutral_volts, _VOLT),
            "phases": event.phases,
            "onset_before_us": _minus(event.t_us, event.onset_us),
            "earliest_before_us": _minus(event.t_us, earliest_us),
            "latest_before_us": _minus(event.t_us, latest_us),
            "element": _text(event.element),
            "undetermined": _text(event.undetermined),
            "detail": _text(event.detail),
            "lag_us": logged_us - stamp.mono_us,
        },
    )


def entry_event(logged: Entry) -> tuple[Event, Stamp]:
    """The event, with instants on the monotonic clock, and its stamp; without its `why`.

    Raises: RecordError when this is no event, or one of a later version.
    """
    named = _named(logged, "event")
    stamp = entry_stamp(logged)
    try:
        event = Event(
            event=named["event"],
            bay=named["bay"],
            t_us=stamp.mono_us,
            alarm=bool(named["flags"] & entry.ALARM),
            onset_us=_minus(stamp.mono_us, named.get("onset_before_us")),
            bounds_us=_bounds(stamp.mono_us, named),
            element=named.get("element"),
            kind=named.get("kind"),
            phases=named.get("phases"),
            direction=named.get("direction"),
            distance_km=_unscaled(named.get("distance_m"), 1000),
            distance_interval_km=_interval(named),
            outcome=named.get("outcome"),
            confidence=_unscaled(named.get("confidence_percent"), _PERCENT),
            undetermined=named.get("undetermined"),
            currents=_three(named, _CURRENTS, _AMPERE),
            voltages=_three(named, _VOLTAGES, _VOLT),
            residual_amps=_unscaled(named.get("residual_centiamps"), _AMPERE),
            neutral_volts=_unscaled(named.get("neutral_decivolts"), _VOLT),
            detail=named.get("detail"),
        )
    except ValueError as error:
        raise RecordError("event", str(error)) from error
    return event, stamp


def why_entry(stamp: Stamp, lane: str, seq: int, why: Values) -> Entry:
    """The quantities behind the event with the key (lane, seq), floats to the last bit.

    What does not fit into one record is left out, and `left_out` says how many.
    """
    quantities: list[Any] = []
    room = entry.MAX_BYTES - 128  # header, key, and the word on what was left out
    for told, (name, value) in enumerate(why.items()):
        quantity = [_text(name), *_exact(value)]
        room -= sum(entry.size(part) for part in quantity)
        if room < 0:
            quantities += ["left_out", len(why) - told, None]
            break
        quantities += quantity
    values = {"lane": lane, "seq": seq, "quantities": quantities}
    return entry.compose(entry.WHY, _at(stamp), values)


def entry_why(logged: Entry) -> tuple[str, int, dict[str, float | int | str]]:
    """(lane, seq, quantities) of a `why`. Raises: RecordError when this is none."""
    named = _named(logged, "why")
    flat = named["quantities"]
    triples = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    return named["lane"], named["seq"], {name: _value(v, e) for name, v, e in triples}


def blind_entry(stamp: Stamp, since_us: int | None, cause: str) -> Entry:
    """Nobody looked from `since_us` (monotonic; None: unknown since when) until the stamp."""
    values = {"since_before_us": _minus(stamp.mono_us, since_us), "cause": _text(cause)}
    return entry.compose(entry.BLIND, _at(stamp), values)


def variance_entry(stamp: Stamp, values: Mapping[str, Any]) -> Entry:
    """The deviation of an outage from its plan; `values` by the names of entry.COLUMNS.

    Raises: ValueError naming the column and what was expected.
    """
    return entry.compose(entry.PLAN_VARIANCE, _at(stamp), dict(values))


def entry_variance(logged: Entry) -> dict[str, Any]:
    """The columns of a plan_variance by their names. Raises: RecordError when this is none."""
    named = _named(logged, "plan_variance")
    return {name: named.get(name) for name, _, _ in entry.COLUMNS[entry.PLAN_VARIANCE]}


def audit_entry(
    stamp: Stamp,
    what: str,
    who: str | None = None,
    detail: str | None = None,
    result: str | None = None,
) -> Entry:
    """Something was done or changed its state. who: a token; result: of what somebody asked for."""
    values = {"what": _text(what), "who": _text(who), "detail": _text(detail), "result": result}
    return entry.compose(entry.AUDIT, _at(stamp), values)


def entry_audit(logged: Entry) -> tuple[str, str]:
    """(what, detail or "") of an audit. Raises: RecordError when this is none."""
    named = _named(logged, "audit")
    return named["what"], named.get("detail", "")


def wave_entry(stamp: Stamp, values: Mapping[str, Any]) -> Entry:
    """A part of a waveform record. Raises: ValueError, as entry.compose."""
    return entry.compose(entry.WAVE, _at(stamp), dict(values))


def drill_entry(stamp: Stamp, values: Mapping[str, Any]) -> Entry:
    """Word of a drill; `values` by the names of entry.COLUMNS. Raises: ValueError."""
    texts = {name: _text(each) for name, each in values.items() if isinstance(each, str)}
    return entry.compose(entry.DRILL, _at(stamp), {**values, **texts})


def metrics_entry(stamp: Stamp, process: str, told: Sequence[str | int]) -> Entry:
    """What a process measures of itself; `told` as agent/metrics.py lays it flat."""
    return entry.compose(entry.METRICS, _at(stamp), {"of": process, "values": list(told)})


def answer_entry(
    stamp: Stamp, token: str, asked_for: str, answer: str, detail: str | None = None
) -> Entry:
    """What became of the question `token` that asked for something."""
    values = {"asked": token, "asked_for": _text(asked_for), "answer": answer}
    return entry.compose(entry.ANSWER, _at(stamp), {**values, "detail": _text(detail)})


def restamped(logged: Entry, stamp: Stamp) -> Entry:
    """The same entry at another stamp: who has decided may know less of UTC than who writes."""
    return [logged[entry.TYPE], *_at(stamp), *logged[entry.FIRST :]]


def entry_drill(logged: Entry) -> dict[str, Any]:
    """The columns of a drill by their names. Raises: RecordError when this is none."""
    return _named(logged, "drill")


def timemap_entry(change: Timemap) -> Entry:
    """How UTC relates to the monotonic clock from the stamp of `change` on."""
    values = {
        "utc_offset_before_us": change.before_us,
        "utc_offset_after_us": change.after_us,
        "cause": change.cause,
    }
    return entry.compose(entry.TIMEMAP, _at(change.at), values)


def interval_entry(stamp: Stamp, record_type: int, values: Mapping[str, Any]) -> Entry:
    """What was measured up to `stamp`: a history, extremes, readings and their channels."""
    return entry.compose(record_type, _at(stamp), dict(values))


def entry_stamp(logged: Entry) -> Stamp:
    """The instant of any entry."""
    _, boot, mono_us, utc_us, source, error_us = logged[: entry.FIRST]
    return Stamp(boot, mono_us, utc_us, source, error_us)


def shown(logged: Entry) -> dict[str, object]:
    """A record as people and `journal export` see it: contract.md section 3, in UTC.

    Instants are ISO 8601 with microseconds; `clock` says how sure they are. Records that are no
    events have their type's name as `event` and their columns as they are.
    Raises: RecordError when this is no entry.
    """
    named = _named(logged)
    kind = named["type"]
    told: dict[str, object] = {"event": kind if isinstance(kind, str) else f"type-{kind}"}
    if named["type"] == "event":
        told = _event_json(named)
    elif named["type"] == "why":
        lane, seq, why = entry_why(logged)
        told |= {"of": {"lane": lane, "seq": seq}, "why": _finite(why)}
    elif named["type"] == "history":
        told |= _history_json(named)
    elif named["type"] == "extremes":
        told |= _extremes_json(named)
    else:
        told |= {"exercise": True} if named["type"] == "drill" else {}
        told |= {name: _json(value) for name, value in named.items() if name not in _HEADER}
    clock = {name: named.get(name) for name in ("source", "error_us", "boot", "mono_us")}
    return {**told, "t": utc_text(named["utc_us"]), "clock": clock}


def delivered_json(logged: Entry, key: Key) -> dict[str, object]:
    """A delivered record as `listen --json` prints it: as `shown`, and its key."""
    # Written out: a server shows thousands a second, and asdict takes a quarter of their time.
    named = {"node": key.node, "epoch": key.epoch, "lane": key.lane, "seq": key.seq}
    return {**shown(logged), "key": named}


def utc_text(utc_us: int) -> str:
    """An instant as ISO 8601 with microseconds; one that no calendar holds as it is."""
    try:
        instant = _EPOCH + timedelta(microseconds=utc_us)
    except OverflowError:
        return f"{utc_us} us since 1970"
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond:06d}Z"


def metered(meter: Mapping[str, Any]) -> list[int | None]:
    """What a bay measures, by the names of `unmetered`, as counts in the order of entry.METERED."""
    values = [*meter["currents"], meter["residual_amps"], *meter["voltages"]]
    values += [meter[name] for name in _METERED]
    return [_counts(v, 10.0**-e) for v, e in zip(values, _EXPONENTS, strict=True)]


def unmetered(counts: Sequence[int | None]) -> dict[str, Any]:
    """The inverse of `metered`: amperes, volts, watts, vars and hertz."""
    return _by_names([_powered(c, e) for c, e in zip(counts, _EXPONENTS, strict=True)])


def meter_row(meter: Mapping[str, Any]) -> list[Any]:
    """What a bay measures now, as a row of the live values."""
    return [meter["bay"], *metered(meter)]


def row_meter(row: Sequence[Any]) -> dict[str, Any]:
    """The inverse of `meter_row`."""
    return {"bay": row[0], **unmetered(row[1:])}


_HEADER = ("type", "boot", "mono_us", "utc_us", "source", "error_us")


def _at(stamp: Stamp) -> tuple[Any, ...]:
    """The header of an entry, without its type."""
    exponent = entry.error_exponent(stamp.error_us)
    error_us = None if exponent is None else 1 << exponent
    return stamp.boot, stamp.mono_us, stamp.utc_us, stamp.source, error_us


def _named(logged: Entry, wanted: str | None = None) -> dict[str, Any]:
    try:
        named: dict[str, Any] = entry.as_dict(logged)
    except ValueError as error:
        raise RecordError("record", str(error)) from error
    if wanted is not None and named["type"] != wanted:
        raise RecordError("record", f"of type {named['type']}", f"type {wanted}")
    return named


def _event_json(named: Mapping[str, Any]) -> dict[str, object]:
    """contract.md section 3, absent fields left out, `t` apart."""
    utc_us = named["utc_us"]
    told: dict[str, object] = {
        "bay": named["bay"],
        "event": named["event"],
        "alarm": bool(named["flags"] & entry.ALARM),
        **({"exercise": True} if named["flags"] & entry.EXERCISE else {}),
    }
    bounds_us = _bounds(utc_us, named)
    interval = _interval(named)
    currents = _three(named, _CURRENTS, _AMPERE)
    voltages = _three(named, _VOLTAGES, _VOLT)
    optional = {
        "onset": _before(utc_us, named.get("onset_before_us")),
        "bounds": None if bounds_us is None else [utc_text(instant) for instant in bounds_us],
        "element": named.get("element"),
        "kind": named.get("kind"),
        "phases": named.get("phases"),
        "direction": named.get("direction"),
        "distance_km": _unscaled(named.get("distance_m"), 1000),
        "distance_interval_km": None if interval is None else list(interval),
        "outcome": named.get("outcome"),
        "confidence": _unscaled(named.get("confidence_percent"), _PERCENT),
        "undetermined": named.get("undetermined"),
        "currents": None if currents == (None, None, None) else list(currents),
        "voltages": None if voltages == (None, None, None) else list(voltages),
        "residual_amps": _unscaled(named.get("residual_centiamps"), _AMPERE),
        "neutral_volts": _unscaled(named.get("neutral_decivolts"), _VOLT),
        "detail": named.get("detail"),
        "lag_us": named.get("lag_us"),
    }
    return told | {name: value for name, value in optional.items() if value is not None}


def _history_json(named: Mapping[str, Any]) -> dict[str, object]:
    """The quarter hour's means by the names of `unmetered`, and its beginning."""
    begin_us = (named["utc_us"] - 1) // QUARTER_US * QUARTER_US
    return {
        "bay": named["bay"],
        "quarter": utc_text(begin_us),
        **unmetered([named.get(name) for name in entry.METERED]),
        "observed_s": named["observed_s"],
        "quality": _qualities(named),
    }


def _extremes_json(named: Mapping[str, Any]) -> dict[str, object]:
    """The day's largest and smallest values by the names of `unmetered`, and their instants."""
    start_s = named["day_start_utc_s"]
    told: dict[str, object] = {"bay": named["bay"], "day_start": utc_text(start_s * 1_000_000)}
    for which in ("maxima", "minima"):
        values, after_s = _numbers(named, which), _numbers(named, f"{which}_after_s")
        told[which] = unmetered(values)
        told[f"{which}_at"] = _by_names(
            [None if s is None else utc_text((start_s + s) * 1_000_000) for s in after_s]
        )
    return told | {"observed_s": named["observed_s"], "quality": _qualities(named)}


def _json(value: Any) -> Any:
    """JSON knows no bytes: those in hexadecimal digits, also within what a later version nests."""
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _json(each) for key, each in value.items()}
    return value.hex() if isinstance(value, bytes) else value


def _numbers(named: Mapping[str, Any], name: str) -> list[int | None]:
    """A list of extremes. Raises: RecordError for one that cannot be."""
    values: list[int | None] = named[name]
    if len(values) != len(entry.METERED) or any(isinstance(value, str) for value in values):
        raise RecordError(f"extremes.{name}", entry.short(values), "a number or null for each")
    return values


def _qualities(named: Mapping[str, Any]) -> list[str]:
    bits = named.get("quality") or 0
    return [name for bit, name in enumerate(entry.QUALITIES) if bits >> bit & 1]


def _by_names(values: Sequence[Any]) -> dict[str, Any]:
    """What is in the order of entry.METERED, by the names of `unmetered`."""
    named = {
        "currents": list(values[:3]),
        "residual_amps": values[3],
        "voltages": list(values[4:7]),
    }
    return named | dict(zip(_METERED, values[7:], strict=True))


def _powered(counts: int | None, exponent: int) -> float | None:
    """Counts of 10^exponent each."""
    if counts is None:
        return None
    return counts * 10.0**exponent if exponent > 0 else counts / 10**-exponent


def _bounds(t_us: int, named: Mapping[str, Any]) -> tuple[int, int] | None:
    earliest_us, latest_us = named.get("earliest_before_us"), named.get("latest_before_us")
    if earliest_us is None or latest_us is None:
        return None
    return t_us - earliest_us, t_us - latest_us


def _distance(event: Event) -> dict[str, int | None]:
    low_km, high_km = event.distance_interval_km or (None, None)
    return {
        "distance_m": _counts(event.distance_km, 1000),
        "distance_low_m": _counts(low_km, 1000),
        "distance_high_m": _counts(high_km, 1000),
    }


def _interval(named: Mapping[str, Any]) -> tuple[float, float] | None:
    low_m, high_m = named.get("distance_low_m"), named.get("distance_high_m")
    return None if low_m is None or high_m is None else (low_m / 1000, high_m / 1000)


def _before(utc_us: int, before_us: int | None) -> str | None:
    return None if before_us is None else utc_text(utc_us - before_us)


def _minus(t_us: int, other_us: int | None) -> int | None:
    """Turns an instant into "so long before", and back."""
    return None if other_us is None else t_us - other_us


def _counts(value: float | None, per_unit: float) -> int | None:
    """A value in counts of the scale; what is not a number of this world is absent."""
    if value is None or not abs(value * per_unit) < _LARGEST_COUNT:
        return None
    return round(value * per_unit)


def _unscaled(counts: int | None, per_unit: float) -> float | None:
    return None if counts is None else counts / per_unit


def _scaled(
    names: tuple[str, ...], values: tuple[float | None, ...], per_unit: int
) -> dict[str, int | None]:
    return {name: _counts(value, per_unit) for name, value in zip(names, values, strict=True)}


def _three(
    named: Mapping[str, Any], names: tuple[str, ...], per_unit: int
) -> tuple[float | None, float | None, float | None]:
    a, b, c = (_unscaled(named.get(name), per_unit) for name in names)
    return a, b, c


def _text(text: str | None) -> str | None:
    """Text that can be written: no half of a surrogate pair, and an end."""
    if text is None:
        return None
    clean = text.encode("utf-8", "replace").decode()
    return clean if len(clean) <= _TEXT_LENGTH else clean[: _TEXT_LENGTH - 1] + "…"


def _exact(value: float | str) -> tuple[int | str | None, int | None]:
    """(value, exponent) as fitting.is_quantity says, so that a float comes back bit for bit."""
    if isinstance(value, str):
        return _text(value), None
    if isinstance(value, int):
        return int(value), None
    if not math.isfinite(value) or (value == 0 and math.copysign(1, value) < 0):
        return repr(float(value)), 0
    return exact(value)


def exact(value: float) -> tuple[int, int]:
    """(m, n) of a finite float, with m * 2^n equal to it to the last bit."""
    if value == int(value) and abs(value) < _LARGEST_COUNT:
        return int(value), 0
    fraction, exponent = math.frexp(value)
    mantissa, exponent = int(math.ldexp(fraction, 53)), exponent - 53
    while (mantissa % 2 == 0 and exponent < _LARGEST_EXPONENT) or exponent < -1074:
        mantissa, exponent = mantissa // 2, exponent + 1
    return mantissa, exponent


def _value(value: int | str, exponent: int | None) -> float | int | str:
    """The inverse of `_exact`."""
    if exponent is None:
        return value
    return float(value) if isinstance(value, str) else math.ldexp(value, exponent)


def _finite(why: Values) -> dict[str, float | int | str]:
    """JSON has no word for what is not finite: those by their names."""
    return {
        name: repr(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in why.items()
    }
