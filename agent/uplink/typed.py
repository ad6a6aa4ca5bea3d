"""Records as objects: one class for each type of agent/store/entry.py, its columns as fields.

Values stand in the scales that their names say, exactly as they travelled; only an event comes as
the event of agent/records.py, in amperes, volts and kilometres. What a consumer does not know yet,
a type or a code of a later version, comes as `Unknown` and counts like any other record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.errors import RecordError
from agent.records import Event
from agent.store import entries, entry

Counts = list[int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The quantities behind the event with the key (lane, seq) of the same node and epoch."""

    lane: str
    seq: int
    quantities: dict[str, float | int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """Nobody looked from `since_before_us` before the record's instant (None: unknown) until it."""

    cause: str
    since_before_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVariance:
    """How an outage kept to its plan; deviations are actual less planned, as bounds."""

    plan: str
    revision: int
    section: str
    expected_phases: str | None = None
    dead_phases: str | None = None
    planned_start_utc_s: int | None = None
    planned_end_utc_s: int | None = None
    start_earliest_utc_us: int | None = None
    start_latest_utc_us: int | None = None
    end_earliest_utc_us: int | None = None
    end_latest_utc_us: int | None = None
    start_deviation_low_ms: int | None = None
    start_deviation_high_ms: int | None = None
    end_deviation_low_ms: int | None = None
    end_deviation_high_ms: int | None = None
    duration_deviation_low_ms: int | None = None
    duration_deviation_high_ms: int | None = None
    verdicts: list[str | int | None] | None = None
    clock_source: str | None = None
    clock_error_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Something was done or changed its state; `result`: of a command, a stage."""

    what: str
    who: str | None = None
    detail: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Means of a bay over a quarter hour of UTC. `quality`: bits UNEVEN, STEPPED, CUT of entry."""

    bay: str
    observed_s: int
    current_a_centiamps: int | None = None
    current_b_centiamps: int | None = None
    current_c_centiamps: int | None = None
    residual_centiamps: int | None = None
    voltage_a_decivolts: int | None = None
    voltage_b_decivolts: int | None = None
    voltage_c_decivolts: int | None = None
    neutral_decivolts: int | None = None
    active_hectowatts: int | None = None
    reactive_hectovars: int | None = None
    frequency_millihertz: int | None = None
    negative_centiamps: int | None = None
    negative_decivolts: int | None = None
    quality: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """Largest and smallest values of a day, in the order of entry.METERED, and when they stood."""

    bay: str
    day_start_utc_s: int
    observed_s: int
    maxima: Counts
    maxima_after_s: Counts
    minima: Counts
    minima_after_s: Counts
    quality: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timemap:
    """UTC less the monotonic clock of this boot, before and from the record's instant on."""

    utc_offset_after_us: int
    cause: str
    utc_offset_before_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """Word of a drill: never the real thing."""

    drill: str
    what: str
    after_ms: int
    title: str | None = None
    step: str | None = None
    role: str | None = None
    steps: list[str | int | None] | None = None
    expected: list[str | int | None] | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The hash chain of a lane up to and with a seq, signed by the device's key.

    lost: of what came since the head before it, `after_seq`: first, last, reason, again and again.
    """

    of_lane: str
    of_seq: int
    chain: bytes
    signer: bytes
    signature: bytes
    after_seq: int | None = None
    lowest_seq: int | None = None
    lost: list[str | int | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Counters and depths of a process: name, value, again and again."""

    of: str
    values: list[str | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A part of a packed waveform record; the first is part 0, the last one has the digest."""

    of_record: str
    part: int
    parts: int
    body: bytes
    digest: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of something that was asked over the uplink."""

    asked: str
    asked_for: str
    answer: str
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """What the readings of a sensor are called from `first` on: name, unit, again and again."""

    sensor: str
    first: int
    channels: list[str | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """One poll of a sensor, in thousandths of the units; `doubt`: bits of entry.READING_DOUBTS."""

    sensor: str
    first: int
    values_milli: Counts
    doubt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A record of a later version: its type's name or number, and its columns as they came."""

    type: str | int
    columns: list[Any]


Record = (
    Event
    | Why
    | Blind
    | PlanVariance
    | Audit
    | History
    | Extremes
    | Timemap
    | Drill
    | Head
    | Metrics
    | Wave
    | Answer
    | Channels
    | Readings
    | Unknown
)

# Types whose columns are the fields of a class as they stand.
CLASSES: dict[int, Any] = {
    entry.BLIND: Blind,
    entry.PLAN_VARIANCE: PlanVariance,
    entry.AUDIT: Audit,
    entry.HISTORY: History,
    entry.EXTREMES: Extremes,
    entry.TIMEMAP: Timemap,
    entry.DRILL: Drill,
    entry.HEAD: Head,
    entry.METRICS: Metrics,
    entry.WAVE: Wave,
    entry.ANSWER: Answer,
    entry.CHANNELS: Channels,
    entry.READINGS: Readings,
}


def record(logged: list[Any]) -> Record:
    """The record that a checked entry holds; it never raises for one that was delivered."""
    kind = logged[entry.TYPE]
    try:
        if kind == entry.EVENT:
            return entries.entry_event(logged)[0]
        if kind == entry.WHY:
            lane, seq, quantities = entries.entry_why(logged)
            return Why(lane=lane, seq=seq, quantities=quantities)
    except RecordError:  # a code that is not known here
        return Unknown(type=entry.TYPE_NAMES[kind], columns=logged[entry.FIRST :])
    if kind not in CLASSES:
        return Unknown(type=kind, columns=logged[entry.FIRST :])
    columns = [name for name, _, _ in entry.COLUMNS[kind]]
    named = entry.as_dict(logged)
    found: Record = CLASSES[kind](**{name: named[name] for name in columns if name in named})
    return found
