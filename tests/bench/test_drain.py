"""What the bench of the drain fills the log with is what it says."""

from __future__ import annotations

from pathlib import Path

from agent.store import cbor, entry
from agent.store.journal import LaneReader, Stored
from bench import drain


def test_a_backlog_is_ten_events_a_second_for_72_hours() -> None:
    owed = drain.backlog(quick=False)
    assert owed.a + owed.h == 72 * 3600 * 10
    assert owed.w * drain.CHUNK_BYTES >= 1_000 * 7_200


def test_what_fills_the_log_are_records_of_their_lanes(tmp_path: Path) -> None:
    drain.fill(tmp_path / "log", drain.Backlog(3, 27, 8))
    kinds = {"a": entry.EVENT, "h": entry.WHY, "w": entry.WAVE}
    counted = {}
    for lane, kind in kinds.items():
        with LaneReader(tmp_path / "log", lane) as reader:
            items = reader.read(100)
        assert all(isinstance(item, Stored) for item in items)
        logged = [cbor.loads(item.payload) for item in items if isinstance(item, Stored)]
        assert {each[entry.TYPE] for each in logged} == {kind}
        instants = [each[entry.MONO] for each in logged]
        assert instants == sorted(instants)
        counted[lane] = len(items)
    assert counted == {"a": 3, "h": 27, "w": 8}


def test_the_latency_of_alarms_is_told_by_its_99th_percentile() -> None:
    waited_s = [n / 100 for n in range(1, 101)]

    rows = list(drain.latencies(waited_s[::-1]))

    assert [row.value for row in rows] == [0.51, 1.0, 1.0]
    assert [row.at_most for row in rows] == [None, 2.0, None]
    assert not list(drain.latencies([3.0]))[1].held
