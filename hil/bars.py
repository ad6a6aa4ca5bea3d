"""The bars of contract.md, section 5, held against the marks of a score.

A share is held against its bar twice: as it was counted, and by its 95 % lower bound, which is what
is known. Both are shown; a bar that was counted but is not yet known to hold needs more cases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hil.bounds import upper_bound
from hil.tally import Mark, spread

_EARTH = "earth_fault"
_SINGLE = ("AG", "BG", "CG")


@dataclass(frozen=True, slots=True)
class Bar:
    """of: the marks that it counts; count: those that are as they should be; least: their share."""

    name: str
    least: float
    of: Callable[[Mark], bool]
    count: Callable[[Mark], bool]


@dataclass(frozen=True, slots=True)
class Held:
    """A bar and what was found. low: 95 % lower bound, one-sided and exact, of the share."""

    bar: Bar
    count: int
    whole: int
    low: float

    @property
    def verdict(self) -> str:
        """In one word."""
        if not self.whole:
            return "-"
        if self.count < self.bar.least * self.whole:
            return "MISSED"
        return "holds" if self.low >= self.bar.least else "counted"


def _short(m: Mark) -> bool:
    return m.owed and m.truth_kind not in (*_SINGLE, "") and m.what != "broken_conductor"


def _ms(limit: float) -> Callable[[Mark], bool]:
    return lambda m: m.late_ms is not None and m.late_ms <= limit


def _earth(residual: str, ohm: float) -> Callable[[Mark], bool]:
    return lambda m: (
        m.what == _EARTH and m.owed and m.residual == residual and (m.ohm or 0.0) <= ohm
    )


def _pointed(residual: str, ohm: float) -> Callable[[Mark], bool]:
    """Where 3I0 and U0 are large enough to be asked for a direction."""
    owed = _earth(residual, ohm)
    return lambda m: owed(m) and m.direction is not None


def _class(what: str) -> Callable[[Mark], bool]:
    return lambda m: m.what == what and m.owed


def _faulted(m: Mark) -> bool:
    return m.truth_kind != ""


def _hit(m: Mark) -> bool:
    return m.hit


def _right(m: Mark) -> bool:
    return bool(m.direction)


def _resistances() -> list[Bar]:
    bars = []
    for residual, said in (("core_balance", "core-balance"), ("summed", "summed")):
        for ohm, least in ((1_000.0, 0.99), (3_000.0, 0.95)):
            to = f"earth faults to {ohm / 1000:.0f} kohm, 3I0 {said}"
            bars.append(Bar(f"{to}: flagged", least, _earth(residual, ohm), _hit))
            bars.append(Bar(f"{to}: direction", least, _pointed(residual, ohm), _right))
    return bars


BARS = (
    Bar("short circuits of 2 x pickup: flagged", 1.0, _short, _hit),
    Bar("the same: kind", 1.0, lambda m: _short(m) and m.kind is not None, lambda m: bool(m.kind)),
    Bar("the same: within 20 ms", 0.95, lambda m: _short(m) and m.hit, _ms(20.0)),
    Bar("the same: within 30 ms", 1.0, lambda m: _short(m) and m.hit, _ms(30.0)),
    *_resistances(),
    Bar("wrong direction with confidence: never", 1.0, _faulted, lambda m: not m.sure),
    Bar("arcing and intermittent: flagged", 0.90, _class("intermittent_earth_fault"), _hit),
    Bar("high-impedance: flagged", 0.80, _class("high_impedance_fault"), _hit),
    Bar("broken conductor, 1/5 of the load lost: flagged", 0.95, _class("broken_conductor"), _hit),
    Bar("where nothing is faulty ahead: silent", 1.0, lambda m: not m.may, lambda m: not m.false),
)


def held(marks: Sequence[Mark]) -> list[Held]:
    """Every bar."""
    return [_held(bar, marks) for bar in BARS]


def _held(bar: Bar, marks: Sequence[Mark]) -> Held:
    chosen = [each for each in marks if bar.of(each)]
    count = sum(bar.count(each) for each in chosen)
    low = 1 - upper_bound(len(chosen) - count, len(chosen)) if chosen else 0.0
    return Held(bar, count, len(chosen), low)


def lines(marks: Sequence[Mark]) -> list[str]:
    """As Markdown rows, bars and distances."""
    told = ["| bar (contract, section 5) | asked | counted | of | 95 % lower bound | |"]
    told.append("|---|---|---|---|---|---|")
    for each in held(marks):
        counted = f"{100 * each.count / each.whole:.1f} %" if each.whole else "-"
        told.append(
            f"| {each.bar.name} | {100 * each.bar.least:.0f} % | {counted} | {each.whole} |"
            f" {100 * each.low:.1f} % | {each.verdict} |"
        )
    away = sorted(abs(m.away_km) for m in marks if m.away_km is not None)
    if away:
        late = spread(away)
        told.append("")
        told.append(
            f"Distance of {len(away)} phase faults: off by {late['median']:.2f} km median,"
            f" {late['p95']:.2f} km 95th percentile."
        )
    return told
