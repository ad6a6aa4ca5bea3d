"""What one terminal of a case is worth as a mark for the device, and the sums of many marks.

A mark is made by the rules of scenarios/terminal.py; tables (score.py) and the bars of the contract
(bars.py) are sums over marks.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hil.bounds import interval
from hil.case import Case, Truth
from hil.scenarios import terminal

_BANDS = (100.0, 1_000.0, 3_000.0)  # of an earth fault's resistance [ohm]
SURE = 0.9  # contract.md, section 5: never wrong about a direction with so much confidence


@dataclass(frozen=True, slots=True)
class Mark:
    """Of one terminal.

    may: an alarm is right here; owed: it is missed when it does not come; hit: it came.
    kind: None where there was none to tell, else whether it was right; direction likewise, of the
    first word. sure: a wrong direction was told with confidence. false: an alarm before the onset,
    or where none is right. contrary: other kinds were told later. late_ms: latency of the first
    word, where it was owed. away_km: told distance less the true one; reach_km: the true one.
    """

    where: str
    what: str
    earthing: str
    truth_kind: str
    residual: str
    rate_hz: int
    ohm: float | None
    amps: float
    residual_amps: float
    neutral_share: float
    lost_share: float
    voltages: bool
    may: bool
    owed: bool
    hit: bool
    kind: bool | None
    direction: bool | None
    sure: bool
    false: bool
    contrary: bool
    late_ms: float | None
    away_km: float | None = None
    reach_km: float | None = None

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return dataclasses.asdict(self)


def mark(case: Case, name: str, events: Sequence[terminal.Event]) -> Mark:
    """Of what the terminal `name` said."""
    owed = terminal.due(case, name)
    said = terminal.spoken(case, events, owed)
    truth, seen, recording = case.truth, case.truth.terminals[name], case.recordings[name]
    hit = owed.may and said.first is not None
    pointed = bool(owed.direction) and bool(said.direction)
    told = said.direction in ("forward", "reverse")
    right = said.direction == owed.direction
    distance_km = _distance_km(events) if hit else None
    return Mark(
        where=f"{case.name} {name}",
        what=truth.what,
        earthing=truth.earthing,
        truth_kind=truth.kind,
        residual=recording.bay.residual,
        rate_hz=recording.rate_hz,
        ohm=truth.resistance_ohm,
        amps=seen.amps,
        residual_amps=seen.residual_amps,
        neutral_share=seen.neutral_share,
        lost_share=seen.lost_share,
        voltages=any(trace.name == "ua" for trace in recording.traces),
        may=owed.may,
        owed=owed.must,
        hit=hit,
        kind=said.kind_right if hit and owed.named else None,
        direction=right if pointed and owed.may else None,
        sure=pointed and told and not right and (said.confidence or 0.0) >= SURE,
        false=bool(said.early),
        contrary=owed.may and bool(said.contrary),
        late_ms=said.latency_ms if hit and owed.must else None,
        away_km=_away_km(distance_km, seen.distance_km),
        reach_km=seen.distance_km,
    )


def _distance_km(events: Sequence[terminal.Event]) -> float | None:
    told = [float(event["distance_km"]) for event in events if event.get("distance_km") is not None]
    return told[-1] if told else None


def _away_km(told_km: float | None, true_km: float | None) -> float | None:
    return None if told_km is None or true_km is None else told_km - true_km


def band(truth: Truth) -> str:
    """Of an earth fault's resistance; "" of everything else."""
    ohm = truth.resistance_ohm
    return _band(ohm) if truth.what == "earth_fault" and ohm is not None else ""


def band_of(marked: Mark) -> str:
    """The same of a mark."""
    return _band(marked.ohm) if marked.what == "earth_fault" and marked.ohm is not None else ""


def _band(ohm: float) -> str:
    below = [limit for limit in _BANDS if ohm <= limit]
    return f"to {below[0]:.0f} ohm" if below else f"above {_BANDS[-1]:.0f} ohm"


@dataclass(frozen=True, slots=True)
class Tally:
    """The sum of marks: shares are told with their exact 95 % intervals."""

    marks: Sequence[Mark] = field(default=())

    def share(
        self, of: Callable[[Mark], bool], count: Callable[[Mark], bool | None]
    ) -> dict[str, Any]:
        """How many marks of these there are, and how many of them count."""
        chosen = [each for each in self.marks if of(each)]
        return share(sum(bool(count(each)) for each in chosen), len(chosen))

    @property
    def missed(self) -> list[str]:
        """Where a word that was owed did not come."""
        return [each.where for each in self.marks if each.owed and not each.hit]

    @property
    def wrong(self) -> list[str]:
        """Where an alarm came early or where none is right."""
        return [each.where for each in self.marks if each.false]

    @property
    def sure(self) -> list[str]:
        """Where a wrong direction was told with confidence."""
        return [each.where for each in self.marks if each.sure]

    def told(self) -> dict[str, Any]:
        """As plain values, with the intervals."""
        late = sorted(each.late_ms for each in self.marks if each.late_ms is not None)
        return {
            "hit": self.share(lambda m: m.owed, lambda m: m.hit),
            "kind": self.share(lambda m: m.kind is not None, lambda m: m.kind),
            "direction": self.share(lambda m: m.direction is not None, lambda m: m.direction),
            "wrong_and_sure": len(self.sure),
            "false": self.share(lambda m: m.owed or not m.may, lambda m: m.false),
            "other_kinds_later": sum(each.contrary for each in self.marks),
            "latency_ms": spread(late) if late else None,
            "missed": self.missed,
            "false_at": self.wrong,
        }


def share(part: int, whole: int) -> dict[str, Any]:
    """With its exact interval."""
    low, high = interval(part, whole)
    return {"of": whole, "count": part, "low": round(low, 4), "high": round(high, 4)}


def spread(late: Sequence[float]) -> dict[str, float]:
    """Of sorted values."""
    at = round(0.95 * (len(late) - 1))
    return {
        "median": round(statistics.median(late), 2),
        "p95": round(late[at], 2),
        "max": round(late[-1], 2),
    }


Key = tuple[str, str, str]


def by_class(marks: Iterable[Mark]) -> dict[Key, Tally]:
    """(class, earthing, band of resistance) to its tally."""
    found: dict[Key, list[Mark]] = {}
    for each in marks:
        found.setdefault((each.what, each.earthing, band_of(each)), []).append(each)
    return {key: Tally(found[key]) for key in sorted(found)}
