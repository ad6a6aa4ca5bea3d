"""Quarter hours and days of what was measured, whatever clock, source and people do meanwhile."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.history import BACK_US, GAP_US, QUARTER_US, History, quarter_of
from agent.store import entry
from tests.agent.history_scenarios import day_of, play

S = 1_000_000
HALF = 500_000
MONO_US = 77 * S  # the monotonic clock when it is...
NOON_US = 1_795_478_400 * S  # ...the start of this quarter hour

Observation = tuple[int, int, list[int | None]]


def level(value: int | None) -> list[int | None]:
    """13 values, of which one has nothing to say."""
    return [value] * 12 + [None]


def steady(
    since_s: float, until_s: float, value: int | None = 100, step_us: int = HALF, ahead_us: int = 0
) -> list[Observation]:
    """Observations between two instants after the start; ahead_us: by which the clock is wrong."""
    return [
        (MONO_US + t_us, NOON_US + t_us + ahead_us, level(value))
        for t_us in range(round(since_s * S), round(until_s * S) + 1, step_us)
    ]


def told(observed: list[Observation], kind: int = entry.HISTORY) -> list[dict[str, Any]]:
    """What comes of them and of a stop: columns, with the offsets of the interval's end in s."""
    came: Any = play(observed)
    return [
        values | {"mono_s": (mono_us - MONO_US) / S, "utc_s": (utc_us - NOON_US) / S}
        for record_type, mono_us, utc_us, values in came
        if record_type == kind
    ]


def parts(observed: list[Observation]) -> list[tuple[Any, ...]]:
    """(quarter, observed_s, mean, quality) of each history."""
    return [
        (
            (round(each["utc_s"] * S) - 1) // QUARTER_US,
            each["observed_s"],
            each.get("current_a_centiamps"),
            each.get("quality", 0),
        )
        for each in told(observed)
    ]


CUT, STEPPED, UNEVEN = entry.CUT, entry.STEPPED, entry.UNEVEN


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        pytest.param([], [], id="nothing-measured-nothing-told"),
        pytest.param(steady(5, 5), [], id="one-look-lasts-no-time"),
        pytest.param(
            steady(0, 1800),
            [(0, 900, 100, 0), (1, 900, 100, 0)],
            id="quarter-hours-of-900-s",
        ),
        pytest.param(
            steady(0.3, 900.3),
            [(0, 900, 100, 0)],
            id="an-observation-across-the-end-is-shared",
        ),
        pytest.param(steady(100, 700), [(0, 600, 100, CUT)], id="start-and-stop-within-one"),
        pytest.param(
            steady(0, 450, 100) + steady(450.5, 900, 200),
            [(0, 900, 150, 0)],
            id="a-mean-weighs-by-time",
        ),
        pytest.param(
            steady(0, 600, 100) + steady(604, 900, 200, step_us=4 * S),
            [(0, 900, 133, 0)],
            id="a-slow-source-counts-by-time-not-by-number",
        ),
        pytest.param(
            steady(0, 200) + steady(700, 900),
            [(0, 400, 100, 0)],
            id="a-gap-is-not-observed",
        ),
        pytest.param(
            steady(0, 200) + steady(2000, 2700),
            [(0, 200, 100, 0), (2, 700, 100, 0)],
            id="a-gap-over-a-whole-quarter-hour",
        ),
        pytest.param(
            [each for each in steady(0, 900) for _ in range(3)],
            [(0, 900, 100, 0)],
            id="a-source-that-repeats-itself-adds-nothing",
        ),
        pytest.param(
            steady(0, 300, None) + steady(300.5, 900, 50),
            [(0, 900, 50, UNEVEN)],
            id="what-was-known-for-less-says-so",
        ),
        pytest.param(steady(0, 900, None), [(0, 900, None, 0)], id="unknown-stays-unknown"),
        pytest.param(
            steady(0, 302) + steady(302.5, 1200, ahead_us=-300 * S),
            [(0, 1200, 100, STEPPED)],
            id="clock-set-back-within-the-quarter-hour",
        ),
        pytest.param(
            steady(0, 902) + steady(902.5, 1810, ahead_us=-10 * S),
            [(0, 900, 100, 0), (1, 910, 100, STEPPED)],
            id="clock-set-back-over-the-start-tells-no-quarter-hour-twice",
        ),
        pytest.param(
            steady(0, 300) + steady(300.5, 600, ahead_us=300 * S),
            [(0, 600, 100, STEPPED)],
            id="clock-set-forward-within-the-quarter-hour",
        ),
        pytest.param(
            steady(0, 300) + steady(300.5, 1000, ahead_us=7200 * S),
            [(0, 300, 100, STEPPED), (8, 600, 100, STEPPED), (9, 100, 100, CUT)],
            id="clock-set-forward-by-hours",
        ),
        pytest.param(
            steady(0, 300, ahead_us=7200 * S) + steady(300.5, 500),
            [(8, 300, 100, STEPPED), (0, 200, 100, STEPPED | CUT)],
            id="clock-set-back-by-hours",
        ),
    ],
)
def test_a_quarter_hour_says_what_was_observed(
    observed: list[Observation], expected: list[tuple[Any, ...]]
) -> None:
    assert parts(observed) == expected


def test_the_end_of_a_quarter_hour_stands_on_both_clocks() -> None:
    (whole,) = told(steady(0.3, 900.3))

    assert (whole["mono_s"], whole["utc_s"]) == (900, 900)


def test_a_clock_that_goes_back_for_ever_does_not_keep_a_quarter_hour_open_for_ever() -> None:
    observed: list[Observation] = []
    for turn in range(20):
        back_us = -turn * 800 * S
        observed += steady(turn * 800, turn * 800 + 799.5, ahead_us=back_us)

    assert max(observed_s for _, observed_s, _, _ in parts(observed)) <= (QUARTER_US + BACK_US) // S
    assert sum(observed_s for _, observed_s, _, _ in parts(observed)) == pytest.approx(
        16_000, abs=9
    )


def test_a_day_tells_its_extremes_and_when_they_stood() -> None:
    observed = steady(0, 4000, 100, step_us=4 * S)
    observed[500] = (*observed[500][:2], [90, 170, None, *[-5] * 9, None])

    (day,) = told(observed, entry.EXTREMES)

    assert day["day_start_utc_s"] == day_of(NOON_US)[0] // S
    start_s = (NOON_US - day_of(NOON_US)[0]) // S
    assert day["maxima"] == [100, 170] + [100] * 10 + [None]
    assert day["maxima_after_s"] == [start_s, start_s + 2000] + [start_s] * 10 + [None]
    assert day["minima"] == [90, 100, 100] + [-5] * 9 + [None]
    assert day["minima_after_s"][:3] == [start_s + 2000, start_s, start_s]
    assert (day["observed_s"], day["quality"]) == (4000, UNEVEN | CUT)


def test_days_follow_each_other() -> None:
    observed = steady(0, 3 * 86_400, step_us=GAP_US)

    days = told(observed, entry.EXTREMES)

    assert [day["observed_s"] for day in days] == [86_400] * 3
    assert [day["day_start_utc_s"] - day_of(NOON_US)[0] // S for day in days] == [
        0,
        86_400,
        2 * 86_400,
    ]


def test_the_board_tells_the_same(board: Any) -> None:
    calls = [
        steady(0, 60) + steady(60.5, 90, None) + steady(100, 130, -7, ahead_us=900 * S),
        steady(880, 960, 12_345),
    ]

    answers = board([("tests.agent.history_scenarios", "play", [each]) for each in calls])

    assert answers == [play(each) for each in calls]


def test_bays_do_not_mix() -> None:
    history = History(day_of)
    for mono_us, utc_us, counts in steady(0, 10):
        history.feed("head", counts, mono_us, utc_us)
        history.feed("tail", level(7), mono_us, utc_us)

    stopped = [values for kind, _, _, values in history.stop() if kind == entry.HISTORY]

    assert history.stop() == []

    assert [(each["bay"], each["current_a_centiamps"]) for each in stopped] == [
        ("head", 100),
        ("tail", 7),
    ]


STEPS = st.lists(
    st.tuples(
        st.integers(1, GAP_US * 2),  # the next observation
        st.sampled_from([0, 0, 0, 0, 1, -40 * S, 900 * S, -20_000 * S, 9_000 * S]),  # clock set
        st.none() | st.integers(-1000, 1000),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(0, QUARTER_US))
def test_no_time_is_lost_or_invented(
    steps: list[tuple[int, int, int | None]], phase_us: int
) -> None:
    """Seconds add up to what was observed, means lie between what was seen, ends only rise."""
    mono_us, utc_us = MONO_US, NOON_US + phase_us
    observed: list[Observation] = [(mono_us, utc_us, level(0))]
    seen_us = 0
    for after_us, set_us, value in steps:
        mono_us, utc_us = mono_us + after_us, utc_us + after_us + set_us
        observed.append((mono_us, utc_us, level(value)))
        seen_us += after_us if after_us <= GAP_US else 0

    for kind in (entry.HISTORY, entry.EXTREMES):
        came = told(observed, kind)
        told_s = sum(each["observed_s"] for each in came)
        # Each part is rounded, and what rounds to nothing is left out.
        assert -len(observed) / 2 <= told_s - Fraction(seen_us, S) <= len(came) / 2
        ends = [each["mono_s"] for each in came]
        assert ends == sorted(ends)
    values = [value for _, _, (value, *_) in observed if value is not None]
    for each in told(observed):
        mean = each.get("current_a_centiamps")
        assert mean is None or min(values) <= mean <= max(values)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=30))
def test_the_mean_is_that_of_fractions(values: list[int]) -> None:
    observed = [(MONO_US + n * S, NOON_US + n * S, level(value)) for n, value in enumerate(values)]

    (part,) = told(observed)

    mean = Fraction(sum(values[1:]), len(values) - 1)
    assert abs(part["current_a_centiamps"] - mean) <= Fraction(1, 2)


def test_the_quarter_hour_is_aligned_to_utc() -> None:
    assert quarter_of(NOON_US) == (NOON_US, NOON_US + QUARTER_US)
    assert quarter_of(NOON_US - 1) == (NOON_US - QUARTER_US, NOON_US)
