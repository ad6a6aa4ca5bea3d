"""The bench of the ingester counts what it says it counts."""

from __future__ import annotations

from bench import ingest
from bench.table import Row


def test_every_figure_has_its_reference_in_the_same_run() -> None:
    told: list[Row] = list(ingest.rows(True))

    assert [row.unit for row in told] == ["/s"] * 3
    assert all(row.value > 0 for row in told)
    assert all(row.reference_value for row in told[:2])
