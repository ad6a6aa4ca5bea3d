from __future__ import annotations

import importlib

import pytest

from bench.__main__ import BENCHES
from bench.table import Row, interleaved, line, missed

FIGURE = Row(what="log, a sync each", value=8000, unit="ev/s")


@pytest.mark.parametrize(
    ("row", "held"),
    [
        pytest.param(FIGURE, None, id="without-a-bar-nothing-is-judged"),
        pytest.param(Row(what="x", value=9, unit="ms", at_most=10), True, id="below-the-most"),
        pytest.param(Row(what="x", value=11, unit="ms", at_most=10), False, id="above-the-most"),
        pytest.param(Row(what="x", value=9, unit="", at_least=10), False, id="below-the-least"),
        pytest.param(
            Row(what="x", value=9, unit="", ratio=1.4, of="ratio", at_least=1.3),
            True,
            id="the-bar-is-on-the-ratio",
        ),
        pytest.param(
            Row(what="x", value=9, unit="", of="ratio", at_least=1.3), None, id="no-ratio-measured"
        ),
    ],
)
def test_a_row_says_whether_its_bar_is_held(row: Row, held: bool | None) -> None:
    assert row.held is held
    assert (row in missed([row])) is (held is False)


def test_a_line_shows_figure_bar_and_reference() -> None:
    shown = line(
        Row(
            what="log",
            value=8000,
            unit="ev/s",
            reference="SQLite",
            reference_value=4000,
            ratio=2.0,
            of="ratio",
            at_least=1.3,
        )
    )

    for word in ("8,000 ev/s", "≥ 1.3x", "SQLite 4,000", "2.00x", "yes"):
        assert word in shown


def test_measures_are_taken_in_turn() -> None:
    taken: list[str] = []

    def measure(name: str, value: float) -> float:
        taken.append(name)
        return value

    medians = interleaved(3, lambda: measure("a", 1.0), lambda: measure("b", 2.0))

    assert medians == [1.0, 2.0]
    assert taken == ["a", "b"] * 3


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_can_be_imported_without_measuring(name: str) -> None:
    assert callable(importlib.import_module(f"bench.{name}").rows)
