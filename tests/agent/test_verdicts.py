"""Two answers to the same samples, side by side."""

from __future__ import annotations

from typing import Any

import pytest

from agent.records import Event
from agent.verdicts import changes, told


def event(t_us: int, name: str = "fault", **fields: Any) -> Event:
    return Event(event=name, bay="head", t_us=t_us, **fields)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([event(5, why={"p": 1.0})], [event(5, why={"p": 2.0})], [], id="why-differs"),
        pytest.param([event(5)], [], [(5, None)], id="gone"),
        pytest.param([], [event(7)], [(None, 7)], id="new"),
        pytest.param([event(5)], [event(999)], [], id="a-sample-later"),
        pytest.param([event(5)], [event(1005)], [(5, 1005)], id="later"),
        pytest.param([event(5, kind="AB")], [event(5, kind="BC")], [(5, 5)], id="other-phases"),
        pytest.param([event(5, alarm=True)], [event(5)], [(5, 5)], id="no-alarm-any-more"),
        pytest.param(
            [event(5), event(9000)], [event(5)], [(9000, None)], id="the-second-of-two-is-gone"
        ),
        pytest.param(
            [event(90, "operate", element="51P")],
            [event(80, "operate", element="50P")],
            [(None, 80), (90, None)],
            id="stages-are-matched-with-themselves",
        ),
    ],
)
def test_changes(
    before: list[Event], after: list[Event], expected: list[tuple[int | None, int | None]]
) -> None:
    found = [
        (change.before and change.before.t_us, change.after and change.after.t_us)
        for change in changes(before, after)
    ]
    assert found == expected


def test_a_verdict_in_words() -> None:
    fault = event(417_750, kind="BC", direction="forward", alarm=True, element="50P")
    assert told(fault) == "ALARM fault BC 50P forward at 0.418 s"
    assert told(None) == "-"
