"""What a bench answers: rows of one table, each figure beside its reference."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

# Runs of one and the same thing differ by up to this factor here, so no ratio nearer to 1 is told.
LEAST_RATIO = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure.

    what: the figure, in words; value, unit: as measured; reference: what it is held against, with
    `reference_value` in the same unit where that was measured in this run. at_least, at_most: the
    bar, on `ratio` where `of` is "ratio", else on the value itself; neither: told, not judged.
    ratio: how many times better than the reference.
    """

    what: str
    value: float
    unit: str
    reference: str = ""
    reference_value: float | None = None
    ratio: float | None = None
    of: Literal["value", "ratio"] = "value"
    at_least: float | None = None
    at_most: float | None = None

    @property
    def held(self) -> bool | None:
        """Whether the bar is held; None when there is none."""
        judged = self.ratio if self.of == "ratio" else self.value
        if judged is None or (self.at_least is None and self.at_most is None):
            return None
        low_enough = self.at_most is None or judged <= self.at_most
        return low_enough and (self.at_least is None or judged >= self.at_least)

    @property
    def bar(self) -> str:
        """The bar in words."""
        unit = "x" if self.of == "ratio" else f" {self.unit}"
        limits = [("≥", self.at_least), ("≤", self.at_most)]
        return ", ".join(f"{sign} {limit:g}{unit}" for sign, limit in limits if limit is not None)


# A bench yields its rows as they are measured; `quick` asks for a run of seconds, for the tests.
Bench = Callable[[bool], Iterator[Row]]


def interleaved(runs: int, *measures: Callable[[], float]) -> list[float]:
    """Median of `runs` measurements of each, taken in turn, so that a busy moment hits them all."""
    taken = [[measure() for measure in measures] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


HEAD = f"{'figure':<58}{'measured':>18}  {'bar':<14}{'reference':<40}{'ratio':>7}  held"
_WORDS = {True: "yes", False: "NO", None: "-"}


def line(row: Row) -> str:
    """A row as the table prints it."""
    reference = row.reference
    if row.reference_value is not None:
        reference += f" {_short(row.reference_value)}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    measured = f"{_short(row.value)} {row.unit}"
    held = _WORDS[row.held]
    return f"{row.what:<58}{measured:>18}  {row.bar:<14}{reference:<40}{ratio:>7}  {held}"


def missed(rows: Sequence[Row]) -> list[Row]:
    """The rows whose bar is not held."""
    return [row for row in rows if row.held is False]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
