from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.clock import Stamp
from agent.records import Event
from agent.store import cbor, entries
from agent.store.journal import Journal, Limits


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A terminal's data with three events and their log."""
    with Journal.open(tmp_path / "log", "ah") as journal:
        for k in range(3):
            event = Event(event="dip", bay="head", t_us=k * 1000, phases="B")
            stamp = Stamp(1, k * 1000, 1_795_478_400_000_000 + k * 1000, 2, 900)
            journal.append("a", cbor.dumps(entries.event_entry(event, stamp, logged_us=k * 1000)))
    return tmp_path


def journal(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", "journal", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def flip(data_dir: Path, place: int) -> None:
    (segment,) = (data_dir / "log").glob("a-*.seg")
    data = bytearray(segment.read_bytes())
    data[place] ^= 0x40
    segment.write_bytes(data)


def test_stat_counts(data_dir: Path) -> None:
    done = journal("stat", data_dir)
    assert done.returncode == 0
    assert "lane a: 3 records in 1 segments, seq 1 to 3" in done.stdout


def test_verify_says_intact_and_exports_what_was_logged(data_dir: Path) -> None:
    done = journal("verify", data_dir / "log")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "intact")
    lines = [json.loads(line) for line in journal("export", data_dir).stdout.splitlines()]
    assert [(line["lane"], line["seq"], line["event"]) for line in lines] == [
        ("a", 1, "dip"),
        ("a", 2, "dip"),
        ("a", 3, "dip"),
    ]
    assert lines[1]["t"] == "2026-11-24T00:00:00.001000Z"


def test_a_flipped_byte_is_found_and_what_is_intact_is_exported(data_dir: Path) -> None:
    flip(data_dir, 80)
    done = journal("verify", data_dir)
    assert done.returncode == 1
    assert "NOT intact" in done.stdout
    exported = journal("export", data_dir)
    assert exported.returncode == 1
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    assert [line.get("lost") or line["seq"] for line in lines] == [[1, 1], 2, 3]
    assert json.loads(journal("verify", data_dir, "--json").stdout)["ok"] is False


def test_looking_changes_nothing(data_dir: Path) -> None:
    flip(data_dir, 80)
    before = {p: p.read_bytes() for p in (data_dir / "log").iterdir()}
    for what in ("stat", "verify", "export"):
        journal(what, data_dir)
    assert {p: p.read_bytes() for p in (data_dir / "log").iterdir()} == before


def test_stat_tells_what_was_removed_to_make_room(tmp_path: Path) -> None:
    limits = Limits({"h": 1_000_000})
    with Journal.open(tmp_path / "log", "h", limits=limits) as writer:
        for _ in range(300):
            writer.append("h", bytes(8000), sync=False)
    done = journal("stat", tmp_path)
    assert done.returncode == 0
    lost, removed = done.stdout.splitlines()
    lowest = int(removed.split()[2].rstrip(":"))
    assert f"seq {lowest} to 300" in lost
    assert f"{lowest - 1} declared lost" in lost
    assert "removed to make room (quota 1 MB)" in removed
    told = journal("verify", tmp_path)
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "intact")
    assert f"  lost 1 to {lowest - 1}: quota" in told.stdout
