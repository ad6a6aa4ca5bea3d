"""From supply facts in the order of the log to the variances that belong into lane s.

Sans-I/O and idempotent: rebuilt from the log it comes to the same state, and what lane s holds
already is not made again. The plan says what to look at, never what happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.clock import SOURCE_NAMES
from agent.outage.ledger import Ledger
from agent.outage.plan import Plan, newest
from agent.outage.variance import SECOND_US, Measured, PlanVariance, compare, not_executed


@dataclass(frozen=True, slots=True)
class SupplyFact:
    """Phases of a section went dead or live between two instants. [UTC, us]"""

    section: str
    phases: str
    live: bool
    earliest_us: int
    latest_us: int
    source: int
    error_us: int | None


class Projection:
    """All plans of this device against what its sections went through."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._plans = newest(plans)
        self._ledger = Ledger()
        self._clocks: dict[str, tuple[int, int | None]] = {}
        self._written: set[tuple[str, int, str]] = set()
        self._observed_from_us: int | None = None

    def already_written(self, variance: PlanVariance) -> None:
        """Lane s holds this one."""
        self._written.add((variance.plan, variance.revision, variance.section))

    def observed(self, utc_us: int) -> None:
        """The device was there at this instant; the earliest one counts."""
        if self._observed_from_us is None or utc_us < self._observed_from_us:
            self._observed_from_us = utc_us

    def feed(self, fact: SupplyFact) -> list[PlanVariance]:
        """Variances that this fact completes: when the last dead phase of a section is back."""
        self._clocks[fact.section] = _worse(
            self._clocks.get(fact.section), (fact.source, fact.error_us)
        )
        self._ledger.feed((fact.section, fact.phases, fact.live, fact.earliest_us, fact.latest_us))
        if not fact.live or self._ledger.dead_phases(fact.section):
            return []
        made = [
            compare(plan, measured, SOURCE_NAMES[measured.source])
            for plan in self._open_plans(fact.section)
            if (measured := self._measured(plan)) is not None
        ]
        self._clocks.pop(fact.section, None)
        return self._remember(made)

    def tick(self, utc_us: int) -> list[PlanVariance]:
        """Variances of plans whose window has passed by now without anything being dead."""
        made = [
            not_executed(plan)
            for plan in self._plans
            if self._is_open(plan)
            and not plan.cancelled
            and utc_us > plan.end_us + plan.tolerance_s * SECOND_US
            and self._observed_from_us is not None
            and self._observed_from_us <= plan.start_us
            and not self._ledger.dead_phases(plan.section)
            and self._measured(plan) is None
        ]
        return self._remember(made)

    def _remember(self, made: list[PlanVariance]) -> list[PlanVariance]:
        for variance in made:
            self.already_written(variance)
        return made

    def _open_plans(self, section: str) -> list[Plan]:
        return [p for p in self._plans if p.section == section and self._is_open(p)]

    def _is_open(self, plan: Plan) -> bool:
        return (plan.plan, plan.revision, plan.section) not in self._written

    def _measured(self, plan: Plan) -> Measured | None:
        """The section's dead interval that reaches into the window; None when there is none."""
        margin_us = plan.tolerance_s * SECOND_US
        phases = set()
        starts: list[tuple[int, int]] = []
        ends: list[tuple[int, int]] = []
        for _, phase, start_low, start_high, end_low, end_high in self._ledger.intervals(
            plan.section
        ):
            if end_low is None or end_high is None:
                continue
            if start_low <= plan.end_us + margin_us and end_high >= plan.start_us - margin_us:
                phases.add(phase)
                starts.append((start_low, start_high))
                ends.append((end_low, end_high))
        if not phases:
            return None
        source, error_us = self._clocks.get(plan.section, (0, None))
        return Measured(
            phases="".join(sorted(phases)),
            start=(min(low for low, _ in starts), min(high for _, high in starts)),
            end=(max(low for low, _ in ends), max(high for _, high in ends)),
            source=source,
            error_us=error_us,
        )


def _worse(
    known: tuple[int, int | None] | None, new: tuple[int, int | None]
) -> tuple[int, int | None]:
    """Of two clocks the one that vouches for less."""
    if known is None:
        return new
    error_us = None if None in (known[1], new[1]) else max(known[1] or 0, new[1] or 0)
    return min(known[0], new[0]), error_us
