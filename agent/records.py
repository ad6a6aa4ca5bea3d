"""What flows through the house: samples in, events out. Frozen, checked when made.

Amperes and volts are primary. Instants named `..._us` are integer microseconds on the axis that
the source states: the monotonic clock of this boot when live, the record's first sample in replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # link carries these records too and must not pay for numpy, nor for decimals
    from fractions import Fraction

    import numpy as np
    import numpy.typing as npt

    Counts = npt.NDArray[np.float64]

PHASES = "ABC"
FAULT_KINDS = ("AG", "BG", "CG", "AB", "BC", "CA", "ABG", "BCG", "CAG", "ABC")
DIRECTIONS = ("forward", "reverse", "unknown")
OUTCOMES = ("permanent", "self_cleared", "open")
# `element` of what is told of the voltages behind the switch: the bay's own supply is another.
LOAD_SIDE = "load side"


class Quality(IntFlag):
    """What is wrong with a block or a reading; GOOD is the absence of all flags."""

    GOOD = 0
    GAP = 1  # samples are missing before this block: windows must start anew
    STALE = 2  # the source repeats itself or is late: not a new observation
    INVALID = 4  # the source itself, or a plausibility check, says the value is not one
    OVERRANGE = 8  # the converter stands at its stop


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a source: value = scale * (count + offset).

    `scale` turns counts into the unit; `offset` is in counts; `phase` is "A", "B",
    "C", "N", phase to phase "AB", "BC", "CA", or "".
    """

    name: str
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a source delivers: its channels, and the sampling rate. [Hz; None: RMS readings]"""

    sensor: str
    channels: tuple[Channel, ...]
    rate_hz: Fraction | None = None

    def index(self, name: str) -> int:
        """Position of the channel called `name`; KeyError when there is none."""
        for position, channel in enumerate(self.channels):
            if channel.name == name:
                return position
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples of every channel of one source.

    `counts` has shape (channels, n): integers held in float64, so that sums are exact.
    `first` is the index of the first sample since the stream began; missed samples are counted in.
    `start_us` is the instant of index 0, so that a sample's instant is exact: see `sample_us`.
    """

    layout: Layout
    first: int
    start_us: int
    counts: Counts
    quality: Quality = Quality.GOOD

    def sample_us(self, index: int) -> int:
        """Instant of the sample `index`, counted from the beginning of the stream."""
        rate = self.layout.rate_hz
        if rate is None:
            raise ValueError("a block has a rate")
        return self.start_us + index * 1_000_000 * rate.denominator // rate.numerator


@dataclass(frozen=True, slots=True)
class Reading:
    """One poll of a source that measures by itself: RMS values and states; None = not valid."""

    layout: Layout
    t_us: int
    values: tuple[float | None, ...]
    quality: Quality = Quality.GOOD


SourceState = Literal["live", "stalled", "ended", "lying", "reconnected"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A source changed its state: an event for people, and a warning to detection."""

    sensor: str
    t_us: int
    state: SourceState
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A decision of detection, as contract.md section 3 shows it.

    `t_us` is the instant of the last sample that the decision used, `onset_us` the estimated
    inception, which lies within `bounds_us`. Phasor magnitudes are RMS, primary. Absent is None.
    `distance_km`: along the line from this bay to the fault, which lies within the interval.
    """

    event: str
    bay: str
    t_us: int
    alarm: bool = False
    onset_us: int | None = None
    bounds_us: tuple[int, int] | None = None
    element: str | None = None
    kind: str | None = None
    phases: str | None = None
    direction: str | None = None
    distance_km: float | None = None
    distance_interval_km: tuple[float, float] | None = None
    outcome: str | None = None
    confidence: float | None = None
    undetermined: str | None = None
    currents: tuple[float | None, float | None, float | None] = (None, None, None)
    voltages: tuple[float | None, float | None, float | None] = (None, None, None)
    residual_amps: float | None = None
    neutral_volts: float | None = None
    detail: str | None = None
    why: Mapping[str, float | int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _among("kind", self.kind, FAULT_KINDS)
        _among("direction", self.direction, DIRECTIONS)
        _among("outcome", self.outcome, OUTCOMES)
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence {self.confidence}; expected 0..1")


def _among(field_name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise ValueError(f"{field_name} {value!r}; expected one of {', '.join(allowed)}")


def event_json(event: Event, **context: str) -> dict[str, object]:
    """The event as one JSON object (contract.md section 3), absent fields left out.

    Times are seconds on the event's own axis, rounded to the microsecond that they are.
    """
    shown: dict[str, object] = {
        **context,
        "bay": event.bay,
        "event": event.event,
        "alarm": event.alarm,
        "t": event.t_us / 1e6,
    }
    optional: dict[str, object] = {
        "onset": None if event.onset_us is None else event.onset_us / 1e6,
        "bounds": None if event.bounds_us is None else [t / 1e6 for t in event.bounds_us],
        "element": event.element,
        "kind": event.kind,
        "phases": event.phases,
        "direction": event.direction,
        "distance_km": event.distance_km,
        "distance_interval_km": None
        if event.distance_interval_km is None
        else list(event.distance_interval_km),
        "outcome": event.outcome,
        "confidence": event.confidence,
        "undetermined": event.undetermined,
        "currents": None if event.currents == (None, None, None) else list(event.currents),
        "voltages": None if event.voltages == (None, None, None) else list(event.voltages),
        "residual_amps": event.residual_amps,
        "neutral_volts": event.neutral_volts,
        "detail": event.detail,
        "why": dict(event.why) or None,
    }
    shown.update({name: value for name, value in optional.items() if value is not None})
    return shown
