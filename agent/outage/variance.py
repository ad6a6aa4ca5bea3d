"""How a planned outage went against its plan (R18): deviations as intervals, verdicts in words.

Start and end are compared with the plan's wall clock, so the error of the device's clock widens
them; a duration is measured on one clock and carries only the bounds of its two instants. A
deviation that straddles the tolerance is `borderline`, never a guess; with a clock nobody vouches
for, start and end are not judged at all, the duration still is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.outage.plan import Plan

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The dead interval of a section: first expected phase lost, last one back. [UTC, us]

    phases: all that were dead; source, error_us: of the clock that stamped it (agent.clock).
    """

    phases: str
    start: tuple[int, int]
    end: tuple[int, int]
    source: int
    error_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVariance:
    """One `plan_variance` record; fields as in the table of entry.py, deviations in ms."""

    plan: str
    revision: int
    section: str
    expected_phases: str
    dead_phases: str
    planned_start_utc_s: int
    planned_end_utc_s: int
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
    verdicts: tuple[str, ...] = ()
    clock_source: str | None = None
    clock_error_us: int | None = None


def compare(plan: Plan, measured: Measured, source_name: str) -> PlanVariance:
    """The variance of what was measured from what was planned."""
    start = _deviation(measured.start, plan.start_us, measured.error_us)
    end = _deviation(measured.end, plan.end_us, measured.error_us)
    planned_us = plan.end_us - plan.start_us
    duration = _in_ms(
        max(0, measured.end[0] - measured.start[1]) - planned_us,
        measured.end[1] - measured.start[0] - planned_us,
    )
    return PlanVariance(
        plan=plan.plan,
        revision=plan.revision,
        section=plan.section,
        expected_phases=plan.phases,
        dead_phases=measured.phases,
        planned_start_utc_s=plan.start_us // SECOND_US,
        planned_end_utc_s=plan.end_us // SECOND_US,
        start_earliest_utc_us=measured.start[0],
        start_latest_utc_us=measured.start[1],
        end_earliest_utc_us=measured.end[0],
        end_latest_utc_us=measured.end[1],
        start_deviation_low_ms=None if start is None else start[0],
        start_deviation_high_ms=None if start is None else start[1],
        end_deviation_low_ms=None if end is None else end[0],
        end_deviation_high_ms=None if end is None else end[1],
        duration_deviation_low_ms=duration[0],
        duration_deviation_high_ms=duration[1],
        verdicts=_verdicts(plan, measured, start, end),
        clock_source=source_name,
        clock_error_us=measured.error_us,
    )


def not_executed(plan: Plan) -> PlanVariance:
    """The window and its tolerance have passed, observed, and nothing was dead."""
    return PlanVariance(
        plan=plan.plan,
        revision=plan.revision,
        section=plan.section,
        expected_phases=plan.phases,
        dead_phases="",
        planned_start_utc_s=plan.start_us // SECOND_US,
        planned_end_utc_s=plan.end_us // SECOND_US,
        verdicts=("not_executed",),
    )


def _deviation(
    actual: tuple[int, int], planned_us: int, error_us: int | None
) -> tuple[int, int] | None:
    """Later than planned by so much, at least and at most; None without a clock. [ms]"""
    if error_us is None:
        return None
    return _in_ms(actual[0] - planned_us - error_us, actual[1] - planned_us + error_us)


def _in_ms(low_us: int, high_us: int) -> tuple[int, int]:
    """Rounded outwards, so that the truth stays inside."""
    return low_us // 1000, -(-high_us // 1000)


def _verdicts(
    plan: Plan,
    measured: Measured,
    start: tuple[int, int] | None,
    end: tuple[int, int] | None,
) -> tuple[str, ...]:
    tolerance_ms = plan.tolerance_s * 1000
    words = []
    if plan.cancelled:
        words.append("executed_though_cancelled")
    words += _judged(start, tolerance_ms, "start")
    words += _judged(end, tolerance_ms, "end")
    if _beyond(measured.phases, plan.phases):
        words.append("scope_over")
    if _beyond(plan.phases, measured.phases):
        words.append("scope_under")
    return tuple(words) or ("on_time",)


def _judged(deviation: tuple[int, int] | None, tolerance_ms: int, what: str) -> Sequence[str]:
    if deviation is None:
        return (f"undetermined_{what}",)
    low, high = deviation
    if low > tolerance_ms:
        return (f"late_{what}",)
    if high < -tolerance_ms:
        return (f"early_{what}",)
    if low < -tolerance_ms or high > tolerance_ms:
        return (f"borderline_{what}",)
    return ()


def _beyond(phases: str, others: str) -> bool:
    return any(phase not in others for phase in phases)
