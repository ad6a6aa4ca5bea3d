"""Variances with numbers worked out by hand. The window is 08:00 to 10:00, times in seconds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.outage.plan import Plan
from agent.outage.variance import Measured, PlanVariance, compare, not_executed

S = 1_000_000
START, END = 1_800_000_000 * S, 1_800_007_200 * S


def plan(**changes: Any) -> Plan:
    known: dict[str, Any] = {"start_us": START, "end_us": END, "tolerance_s": 60}
    return Plan("P1", 1, "planned", "s1", **(known | changes))


def measured(
    start_s: float,
    end_s: float,
    *,
    width_us: int = 0,
    error_us: int | None = 0,
    phases: str = "ABC",
) -> Measured:
    """Dead from start_s after the window's start to end_s after its end."""
    begin, end = START + round(start_s * S), END + round(end_s * S)
    return Measured(
        phases=phases,
        start=(begin, begin + width_us),
        end=(end, end + width_us),
        source=2,
        error_us=error_us,
    )


@pytest.mark.parametrize(
    ("seen", "verdicts"),
    [
        pytest.param(measured(0, 0), ("on_time",), id="to-the-second"),
        pytest.param(measured(60, -60), ("on_time",), id="at-the-tolerance"),
        pytest.param(measured(-61, 0), ("early_start",), id="early-start"),
        pytest.param(measured(61, 0), ("late_start",), id="late-start"),
        pytest.param(measured(0, -61), ("early_end",), id="early-end"),
        pytest.param(measured(0, 61), ("late_end",), id="late-end"),
        pytest.param(
            measured(60, 0, width_us=2000), ("borderline_start",), id="bounds-straddle-the-limit"
        ),
        pytest.param(
            measured(0, 50, error_us=20 * S), ("borderline_end",), id="the-clock-straddles-it"
        ),
        pytest.param(
            measured(90, 90, error_us=None),
            ("undetermined_start", "undetermined_end"),
            id="nobody-vouches-for-the-clock",
        ),
        pytest.param(measured(0, 0, phases="AB"), ("scope_under",), id="a-phase-stayed-live"),
        pytest.param(measured(-90, 90), ("early_start", "late_end"), id="both-instants-told"),
        pytest.param(measured(-60, 0, error_us=1), ("borderline_start",), id="a-microsecond-short"),
        pytest.param(
            measured(-65, 0, error_us=4 * S), ("early_start",), id="early-for-any-such-clock"
        ),
        pytest.param(
            measured(0, 0, error_us=61 * S),
            ("borderline_start", "borderline_end"),
            id="a-clock-worse-than-the-tolerance-judges-nothing",
        ),
        pytest.param(
            measured(0, 0, phases="A", error_us=None),
            ("undetermined_start", "undetermined_end", "scope_under"),
            id="the-scope-needs-no-clock",
        ),
    ],
)
def test_verdicts(seen: Measured, verdicts: tuple[str, ...]) -> None:
    assert compare(plan(), seen, "ntp").verdicts == verdicts


def test_a_phase_too_many_is_told() -> None:
    assert compare(plan(phases="A"), measured(0, 0), "ntp").verdicts == ("scope_over",)


def test_a_cancelled_plan_that_was_carried_out_is_told() -> None:
    done = compare(plan(cancelled=True), measured(0, 0), "ntp")
    assert done.verdicts == ("executed_though_cancelled",)


def test_the_clocks_error_widens_start_and_end_but_not_the_duration() -> None:
    sure = compare(plan(), measured(10, 30, width_us=1500), "ntp")
    unsure = compare(plan(), measured(10, 30, width_us=1500, error_us=5 * S), "ntp")
    assert (sure.start_deviation_low_ms, sure.start_deviation_high_ms) == (10_000, 10_002)
    assert (sure.end_deviation_low_ms, sure.end_deviation_high_ms) == (30_000, 30_002)
    assert (unsure.start_deviation_low_ms, unsure.start_deviation_high_ms) == (5_000, 15_002)
    # 20 s longer than planned, 1.5 ms either way, rounded outwards.
    for variance in (sure, unsure):
        duration = variance.duration_deviation_low_ms, variance.duration_deviation_high_ms
        assert duration == (19_998, 20_002)


def test_without_a_clock_the_duration_is_still_given() -> None:
    variance = compare(plan(), measured(10, 30, error_us=None), "unknown")
    assert variance.start_deviation_low_ms is None
    assert variance.duration_deviation_low_ms == 20_000


def test_what_never_happened_claims_no_measurement() -> None:
    variance = not_executed(plan())
    assert variance.verdicts == ("not_executed",)
    assert variance.dead_phases == ""
    assert variance.start_earliest_utc_us is None


@given(
    start_us=st.integers(-10_000 * S, 10_000 * S),
    end_us=st.integers(-5_000 * S, 10_000 * S),
    width_us=st.integers(0, 10 * S),
    wider_us=st.integers(0, 10 * S),
)
def test_wider_bounds_never_narrow_a_deviation(
    start_us: int, end_us: int, width_us: int, wider_us: int
) -> None:
    def deviations(width: int) -> PlanVariance:
        return compare(plan(), measured(start_us / S, end_us / S, width_us=width), "ntp")

    narrow, wide = deviations(width_us), deviations(width_us + wider_us)
    for what in ("start", "end", "duration"):
        low, high = f"{what}_deviation_low_ms", f"{what}_deviation_high_ms"
        assert getattr(wide, low) <= getattr(narrow, low)
        assert getattr(wide, high) >= getattr(narrow, high)


def test_other_phases_than_planned_are_too_many_and_too_few() -> None:
    other = compare(plan(phases="AB"), measured(0, 0, phases="BC"), "ntp")
    assert other.verdicts == ("scope_over", "scope_under")


@given(
    start_s=st.integers(-300, 300),
    end_s=st.integers(-300, 300),
    error_s=st.integers(0, 200),
    more_s=st.integers(0, 200),
)
def test_a_worse_clock_takes_verdicts_back_and_leaves_the_duration(
    start_s: int, end_s: int, error_s: int, more_s: int
) -> None:
    def seen(error: int) -> PlanVariance:
        return compare(plan(), measured(start_s, end_s, error_us=error * S), "ntp")

    better, worse = seen(error_s), seen(error_s + more_s)
    # What a worse clock still says for certain, the better one said too.
    certain = {word for word in worse.verdicts if word.startswith(("early", "late", "on_time"))}
    assert certain <= set(better.verdicts)
    assert worse.duration_deviation_low_ms == better.duration_deviation_low_ms
    assert worse.duration_deviation_high_ms == better.duration_deviation_high_ms
