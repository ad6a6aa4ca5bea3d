from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.clock import SOURCE_NAMES
from agent.outage.plan import Plan
from agent.outage.projection import Projection, SupplyFact
from agent.outage.variance import PlanVariance

S = 1_000_000
PLAN = Plan("P1", 1, "planned", "s1", start_us=1000 * S, end_us=2000 * S, tolerance_s=10)


def fact(at_s: float, phases: str = "ABC", *, live: bool, section: str = "s1") -> SupplyFact:
    return SupplyFact(section, phases, live, round(at_s * S), round(at_s * S) + 20_000, 2, 1000)


def verdicts(made: list[PlanVariance]) -> list[tuple[str, ...]]:
    return [variance.verdicts for variance in made]


def test_a_plan_that_was_kept_is_written_when_the_last_phase_is_back() -> None:
    projection = Projection([PLAN])
    assert projection.feed(fact(1000, live=False)) == []
    assert projection.feed(fact(1990, "AB", live=True)) == []
    (variance,) = projection.feed(fact(1995, "C", live=True))
    assert variance.verdicts == ("on_time",)
    assert variance.dead_phases == "ABC"
    assert variance.end_earliest_utc_us == 1995 * S


def test_it_is_written_once() -> None:
    projection = Projection([PLAN])
    projection.feed(fact(1000, live=False))
    assert len(projection.feed(fact(1500, live=True))) == 1
    projection.feed(fact(1600, live=False))
    assert projection.feed(fact(1700, live=True)) == []
    assert projection.tick(9000 * S) == []


def test_what_lane_s_holds_already_is_not_made_again() -> None:
    first = Projection([PLAN])
    first.feed(fact(1000, live=False))
    (variance,) = first.feed(fact(2000, live=True))
    again = Projection([PLAN])
    again.already_written(variance)
    again.feed(fact(1000, live=False))
    assert again.feed(fact(2000, live=True)) == []


def test_an_outage_outside_the_window_is_not_absorbed() -> None:
    projection = Projection([PLAN])
    projection.feed(fact(100, live=False))
    assert projection.feed(fact(200, live=True)) == []


def test_dead_before_the_window_for_another_reason_is_an_early_start() -> None:
    projection = Projection([PLAN])
    projection.feed(fact(100, live=False))
    assert verdicts(projection.feed(fact(2000, live=True))) == [("early_start",)]


def test_another_sections_outage_is_not_this_plans() -> None:
    projection = Projection([PLAN])
    projection.feed(fact(1000, live=False, section="s2"))
    assert projection.feed(fact(2000, live=True, section="s2")) == []


def test_what_never_went_dead_is_told_only_if_somebody_looked_from_the_start() -> None:
    late, early = Projection([PLAN]), Projection([PLAN])
    late.observed(1500 * S)
    early.observed(900 * S)
    assert late.tick(2011 * S) == []
    assert early.tick(2010 * S) == []
    assert verdicts(early.tick(2011 * S)) == [("not_executed",)]


def test_a_section_that_is_still_dead_is_waited_for() -> None:
    projection = Projection([PLAN])
    projection.observed(0)
    projection.feed(fact(1000, live=False))
    assert projection.tick(5000 * S) == []
    assert verdicts(projection.feed(fact(5000, live=True))) == [("late_end",)]


def test_a_cancelled_plan_that_stayed_live_says_nothing() -> None:
    cancelled = Plan("P1", 2, "planned", "s1", 1000 * S, 2000 * S, cancelled=True)
    projection = Projection([PLAN, cancelled])
    projection.observed(0)
    assert projection.tick(9000 * S) == []


def test_the_newest_revision_is_the_one_that_counts() -> None:
    later = Plan("P1", 2, "planned", "s1", 1100 * S, 2100 * S, tolerance_s=10)
    projection = Projection([later, PLAN])
    projection.feed(fact(1100, live=False))
    (variance,) = projection.feed(fact(2100, live=True))
    assert (variance.revision, variance.verdicts) == (2, ("on_time",))


@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["A", "BC", "ABC"]), st.booleans())))
def test_rebuilt_from_the_log_it_makes_the_same(history: list[Any]) -> None:
    facts = []
    t_s = 900.0
    for step, phases, live in history:
        t_s += step
        facts.append(fact(t_s, phases, live=live))
    straight, restarted = Projection([PLAN]), Projection([PLAN])
    made = [v for each in facts for v in straight.feed(each)]
    written: list[PlanVariance] = []
    for count in range(len(facts)):  # a restart before every fact
        restarted = Projection([PLAN])
        for variance in written:
            restarted.already_written(variance)
        for each in facts[: count + 1]:
            written += restarted.feed(each)
    assert written == made


def test_a_cancelled_plan_that_went_dead_is_told() -> None:
    cancelled = Plan("P1", 2, "planned", "s1", 1000 * S, 2000 * S, cancelled=True)
    projection = Projection([PLAN, cancelled])
    projection.feed(fact(1000, live=False))
    assert verdicts(projection.feed(fact(2000, live=True))) == [("executed_though_cancelled",)]


def test_the_worst_clock_of_an_outage_judges_it() -> None:
    projection = Projection([PLAN])
    projection.feed(SupplyFact("s1", "ABC", False, 1000 * S, 1000 * S, 3, 500))
    projection.feed(SupplyFact("s1", "A", True, 1990 * S, 1990 * S, 1, 9 * S))
    (variance,) = projection.feed(SupplyFact("s1", "BC", True, 2000 * S, 2000 * S, 2, 1000))
    assert variance.clock_source == SOURCE_NAMES[1]
    assert variance.clock_error_us == 9 * S
    assert variance.start_deviation_low_ms == -9000


def test_one_fact_without_a_clock_leaves_start_and_end_unjudged() -> None:
    projection = Projection([PLAN])
    projection.feed(SupplyFact("s1", "ABC", False, 1000 * S, 1000 * S, 0, None))
    (variance,) = projection.feed(fact(2000, live=True))
    assert variance.verdicts == ("undetermined_start", "undetermined_end")
    assert variance.duration_deviation_low_ms == 0
    # The next outage is another one, with its own clock.
    other = Plan("P2", 1, "planned", "s1", start_us=3000 * S, end_us=4000 * S)
    projection = Projection([PLAN, other])
    projection.feed(SupplyFact("s1", "ABC", False, 1000 * S, 1000 * S, 0, None))
    projection.feed(fact(2000, live=True))
    projection.feed(fact(3000, live=False))
    assert verdicts(projection.feed(fact(4000, live=True))) == [("on_time",)]


def test_the_first_instant_observed_counts_whatever_comes_later() -> None:
    projection = Projection([PLAN])
    for at_s in (1500, 1000, 3000):
        projection.observed(at_s * S)
    assert verdicts(projection.tick(2011 * S)) == [("not_executed",)]
    assert projection.tick(2012 * S) == []


def test_nobody_there_at_all_claims_nothing() -> None:
    assert Projection([PLAN]).tick(9000 * S) == []
