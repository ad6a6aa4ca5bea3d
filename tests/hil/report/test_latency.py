from __future__ import annotations

import math

import pytest

from hil.report import latency
from hil.verdict import PASSED, Latency, Outcome


def told(*latencies: tuple[float, float]) -> Outcome:
    each = [Latency("F1", "fault AB", decided, received) for decided, received in latencies]
    return Outcome("one", "", (), PASSED, (), 1.0, latencies=each, jitter_ms=0.4)


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([5.0], (1, 5.0, 5.0, 5.0)),
        ([3.0, 1.0], (2, 2.0, 3.0, 3.0)),
        ([float(k) for k in range(1, 201)], (200, 100.5, 198.0, 200.0)),
    ],
)
def test_the_figures_of_some_durations(
    durations: list[float], expected: tuple[int, float, float, float]
) -> None:
    f = latency.Figures.of(durations)

    assert (f.count, f.median, f.p99, f.largest) == expected


def test_the_page_gives_each_figure_and_the_slowest_message() -> None:
    made = latency.section([told((16.0, 40.0), (18.0, 1500.0)), told((17.0, 42.0))])

    for figure in ("17.0 ms", "18.0 ms", "42.0 ms", "1.50 s", "within 0.4 ms"):
        assert figure in made
    assert made.count("<circle") == 6
    assert "<li><b>1.50 s</b> fault AB at F1 in one (decided after 18.0 ms)</li>" in made


def test_what_was_disturbed_stands_by_itself_and_is_not_drawn() -> None:
    calm = [Latency("F1", "fault", 15.0, 30.0), Latency("F1", "fault", 16.0, 31.0)]
    away = [Latency("F1", "fault", 16.0, 9000.0, disturbed=True)]
    outcome = Outcome("one", "", (), PASSED, (), 1.0, latencies=[*away, *calm])

    made = latency.section([outcome])

    assert made.index("fault, received") < made.index("fault in trouble, received")
    assert made.count("<circle") == 4


def test_without_a_live_scenario_it_says_so() -> None:
    assert "No live scenario was run" in latency.section([told()])


def test_a_message_that_never_came_spoils_no_figure() -> None:
    made = latency.section([told((16.0, math.inf), (16.5, 40.0))])

    assert "inf" not in made
    assert "16.5 ms" in made


def test_instants_at_zero_still_make_a_page() -> None:
    assert "0.0 ms" in latency.section([told((0.0, 0.0))])


def test_thousands_of_messages_do_not_fill_the_page() -> None:
    made = latency.section([told(*((k / 100, k / 50) for k in range(20_000)))])

    assert made.count("<circle") <= 1000
