"""What the unit `troubles` finds wrong in a database, and a sample of it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from agent.ingest_rows import Rows
from agent.ingest_store import Database
from agent.store import cbor
from agent.store.journal import Journal, Limits, Stored, export
from hil.faults import disk
from hil.troubles import LANES, fill, held, marked

EPOCH = 7
WHERE = ("s", "n", EPOCH)
MISSING = disk.lacking()


class Tables:
    """The ingester's own tables, filled as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "x.db"
        self._database = Database(f"sqlite:///{self.path}")
        self._database.create()

    def came(self, lane: str, *seqs: int, again: int = 0, text: str = "x") -> None:
        for seq in seqs:
            raw = cbor.dumps([seq, text])
            stamp = (1, seq, seq, 0, 0)
            row = (*WHERE, lane, seq, "audit", "audit", None, 0, 0, again, *stamp, 0, "{}", raw)
            self._database.write(Rows(lanes=[(*WHERE, lane)], records=[row]))

    def lost(self, lane: str, first: int, last: int) -> None:
        row = (*WHERE, lane, first, last, "quota")
        self._database.write(Rows(lanes=[(*WHERE, lane)], lost=[row]))

    def acknowledged(self) -> None:
        self._database.move_marks()

    def forgets(self, lane: str, seq: int) -> None:
        import sqlite3

        with sqlite3.connect(self.path) as tables:
            tables.execute("DELETE FROM ftu_record WHERE lane = ? AND seq = ?", (lane, seq))


def test_received_and_declared_lost_together_have_to_reach_the_end(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.came("a", 1, 2, 6)
    tables.lost("a", 2, 4)
    tables.came("h", 1)

    found = held(tables.path, EPOCH, {"a": 9, "h": 2, "w": 3, "x": 1})

    assert found.missing == [("a", 5, 5), ("a", 7, 8), ("w", 1, 2)]
    assert found.received == {"a": 3, "h": 1, "w": 0, "x": 0}
    assert found.lost == {"a quota": 2}  # 2 came all the same


def test_a_key_with_another_content_is_told(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.came("a", 1, 2)
    tables.came("a", 2, text="y")

    found = held(tables.path, EPOCH, {"a": 3})

    assert found.differs == [("a", 2)]
    log = {("a", 1): cbor.dumps([1, "x"]), ("a", 2): cbor.dumps([2, "z"])}
    assert found.altered(log) == [("a", 2)]


def test_only_what_was_sent_again_may_be_late_and_old_alarms(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.came("h", 1, 5, 3)
    tables.came("h", 2, again=1)
    tables.came("a", 9, 1)

    found = held(tables.path, EPOCH, {})

    assert (found.late, found.out_of_order) == (3, [("h", 3)])


def test_what_was_acknowledged_has_to_be_there(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.came("a", 1, 2, 3)
    tables.came("s", 1)
    tables.acknowledged()
    tables.forgets("a", 2)

    assert marked(tables.path, EPOCH) == {"a": 3, "s": 1}
    assert held(tables.path, EPOCH, {}).acked_and_missing == ["a"]


def test_a_lane_near_its_quota_gives_up_its_oldest_records_soon(tmp_path: Path) -> None:
    """As the terminal's own log does within the least quota that a site file may name."""
    log = tmp_path / "log"
    fill(log, random.Random(3), ["h"])
    with Journal.open(log, LANES, limits=Limits({"h": 1_000_000})) as journal:
        for _ in range(200):
            journal.append("h", bytes(100), sync=False)
        lost = journal.losses("h")

    assert [(each.first, each.reason) for each in lost] == [(1, "quota")]
    counts = dict.fromkeys(LANES, 0)
    for lane, item in export(log):
        counts[lane] += isinstance(item, Stored)
    assert counts["h"] > 1000
    assert all(count == 30 for lane, count in counts.items() if lane != "h")


@pytest.mark.skipif(bool(MISSING), reason=f"this machine lacks {MISSING}")
def test_the_sample_of_all_troubles_at_once_holds(tmp_path: Path) -> None:
    """The real command: two seeds, side by side."""
    path = tmp_path / "soak.jsonl"
    command = [sys.executable, "-m", "hil.soak", *("--only", "troubles", "--file", str(path))]
    subprocess.run([*command, "--units", "2", "--jobs", "2"], capture_output=True, check=False)

    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(each["seed"] for each in told) == [1, 2]
    assert all(each["ok"] for each in told), told
    assert all(sum(each["result"]["troubles"].values()) > 3 for each in told)
