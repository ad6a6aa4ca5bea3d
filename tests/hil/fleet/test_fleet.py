"""A small fleet through every phase, against a real mosquitto."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hil import fleet
from hil.errors import BenchError

PHASES = ["connect at once", "connect in 0.3 s", "steady", "burst", "links lost", "broker killed"]
SMALL: dict[str, Any] = {
    "steady_s": 1.0,
    "speed": 900.0,
    "spread_s": 0.3,
    "burst_s": 0.5,
    "away_s": 0.3,
    "backoff_first_s": 0.2,
    "settle_s": 60.0,
}


@pytest.fixture(scope="module")
def result() -> fleet.Result:
    return fleet.measured(fleet.Plan(nodes=40, workers=2, **SMALL))


def test_nothing_is_lost_and_nothing_doubled_through_storms_bursts_and_a_killed_broker(
    result: fleet.Result,
) -> None:
    assert result.held.ok, result.held
    assert result.held.records > 80
    assert result.troubles == []
    assert result.ok


def test_every_phase_has_its_figures(result: fleet.Result) -> None:
    phases = {phase.name: phase for phase in result.phases}

    assert list(phases) == PHASES
    for name in ("connect at once", "connect in 0.3 s", "broker killed"):
        assert phases[name].connects >= 40
        assert phases[name].connected_s is not None
    assert phases["links lost"].connects == 20
    assert phases["burst"].alarms >= 48
    for phase in result.phases:
        assert phase.broker_mb is not None
        assert phase.bytes_per_s > 0
        if phase.alarm_ms is not None:
            assert 0 < phase.alarm_ms[0] <= phase.alarm_ms[1] <= phase.alarm_ms[2]


def test_the_table_and_the_json_tell_the_same(result: fleet.Result) -> None:
    told = json.loads(result.to_json())
    printed = fleet.table(result)

    assert told["ok"]
    assert [phase["name"] for phase in told["phases"]] == PHASES
    assert all(name in printed for name in PHASES)
    assert f"{told['held']['records']} records: 0 lost, 0 doubled" in printed


def test_a_fleet_of_nobody_is_refused() -> None:
    with pytest.raises(BenchError, match="0 nodes; expected 1 to"):
        fleet.Plan(nodes=0)


def test_a_node_whose_link_is_cut_or_whose_broker_is_away_comes_back_by_its_back_off(
    result: fleet.Result,
) -> None:
    killed = result.phases[-1]

    assert killed.connected_s is not None
    assert killed.connected_s >= 0.3  # not before the broker was back
