"""The long campaigns' machinery, and a short sample of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hil import soak
from hil.errors import RigError
from hil.ledger import Done, Ledger, summaries, table
from hil.soak import Unit, campaign, main

# A unit's process as it may be: `--one NAME SEED` follows.
SCRIPT = """
import json, os, subprocess, sys, time
name, seed = sys.argv[-2], int(sys.argv[-1])
if name == "dies":
    sys.exit("out of memory, say")
if name == "hangs":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open("child", "w").write(str(child.pid))
    time.sleep(60)
print("words before the answer")
print(json.dumps({"ok": name != "odd" or seed % 2 == 0, "seed": seed}))
"""


def command() -> Sequence[str]:
    return sys.executable, "-c", SCRIPT


def run(path: Path, names: list[str], most: int, told: list[str] | None = None) -> list[Done]:
    tell = (told if told is not None else []).append
    with Ledger(path) as ledger:
        campaign(ledger, names, hours=1.0, most=most, tell=tell, command=command())
        return ledger.fresh


def test_each_kind_goes_on_behind_its_last_seed_after_any_interruption(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "soak.jsonl"
    first = run(path, ["even", "odd"], 4)
    # A power cut in the middle of a line.
    with path.open("ab") as file:
        file.write(b'{"unit": "even", "seed": 77, "ok": tr')

    second = run(path, ["even"], 2)

    assert min((done.unit, done.seed) for done in first) == ("even", 1)
    last = max(done.seed for done in first if done.unit == "even")
    assert [done.seed for done in second] == [last + 1, last + 2]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 6
    assert all(line["version"] for line in lines)


def test_every_kind_gets_its_share_of_the_time(tmp_path: Path) -> None:
    done = run(tmp_path / "soak.jsonl", ["even", "odd", "third"], 6)

    assert {each.unit for each in done} == {"even", "odd", "third"}


def test_units_run_side_by_side_and_each_seed_once(tmp_path: Path) -> None:
    """Three that wait for each other: one after the other they would wait for ever."""
    script = SCRIPT.replace(
        'print("words',
        """
open(f"begun-{seed}", "w").close()
while len([name for name in os.listdir(".") if name.startswith("begun")]) < 3:
    time.sleep(0.01)
print("words""",
    )
    told: list[str] = []
    with Ledger(tmp_path / "soak.jsonl") as ledger, contextlib.chdir(tmp_path):
        wait = (sys.executable, "-c", script)
        campaign(ledger, ["even"], hours=1.0, most=5, jobs=3, tell=told.append, command=wait)

    assert sorted(each.seed for each in ledger.fresh) == [1, 2, 3, 4, 5]
    assert all(each.ok for each in ledger.fresh)


def test_a_number_of_jobs_that_is_none_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = {"even": Unit("always", lambda _: {"ok": True})}

    assert main(["--jobs", "0", "--file", str(tmp_path / "x")], units) == 2
    assert capsys.readouterr().err == "soak: --jobs: 0; expected 1 to 64\n"


def test_a_unit_that_fails_or_dies_is_told_and_the_campaign_goes_on(tmp_path: Path) -> None:
    told: list[str] = []
    done = run(tmp_path / "soak.jsonl", ["odd", "dies"], 4, told)

    assert [each.ok for each in done if each.unit == "odd"][:1] == [False]
    dead = next(each for each in done if each.unit == "dies")
    assert not dead.ok
    assert dead.result["problem"] == "out of memory, say"
    assert any(line.startswith("odd 1 FAILED") for line in told)
    assert any(line.startswith("dies 1 FAILED") for line in told)


def test_a_unit_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "LONGEST_S", 2.0)
    monkeypatch.chdir(tmp_path)

    (done,) = run(tmp_path / "soak.jsonl", ["hangs"], 1)

    assert done.result == {"ok": False, "problem": "has not ended within 2 s"}
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_progress_is_told_while_a_unit_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "LONGEST_S", 1.5)
    monkeypatch.setattr(soak, "PROGRESS_S", 0.5)
    monkeypatch.chdir(tmp_path)
    told: list[str] = []

    run(tmp_path / "soak.jsonl", ["hangs"], 1, told)

    assert told[0].startswith("0 units done, 0 failed, 1.00 h left; hangs 1 for ")


def test_a_damaged_line_in_the_middle_is_told_and_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "soak.jsonl"
    run(path, ["even"], 2)
    text = path.read_text().replace('"seed": 1', '"seed": "one"')
    path.write_text(text)

    with pytest.raises(RigError, match="line 1: seed 'one'"), Ledger(path):
        pass
    assert path.read_text() == text


def test_two_campaigns_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "soak.jsonl"
    with (
        Ledger(path),
        pytest.raises(RigError, match="is another campaign's"),
        Ledger(path),
    ):
        pass


def test_the_summary_counts_each_kind_by_itself() -> None:
    done = [Done("b", 1, True, 3600.0, "0", {}), Done("a", 1, False, 2.0, "0", {})]
    told = summaries([*done, Done("b", 2, True, 0.0, "0", {})])

    assert [(each.unit, each.done, list(each.failed)) for each in told] == [
        ("a", 1, [1]),
        ("b", 2, []),
    ]
    lines = table(told).splitlines()
    assert lines[1].split() == ["a", "1", "1", "100.00", "%", "0.00", "1"]
    assert lines[2].split() == ["b", "2", "0", "77.64", "%", "1.00"]


def test_a_name_that_is_none_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    units = {"even": Unit("always", lambda _: {"ok": True})}

    assert main(["--only", "evne"], units) == 2
    assert capsys.readouterr().err == "soak: unit 'evne': is unknown; expected one of even\n"


def test_the_sample_an_interrupted_campaign_still_sums_up(tmp_path: Path) -> None:
    """The real command with the real units, ended by a signal."""
    path = tmp_path / "soak.jsonl"
    process = subprocess.Popen(
        [*(sys.executable, "-m", "hil.soak"), *("--only", "damage", "--file", str(path))],
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 100
    while not (path.exists() and path.read_text().count("\n")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    said, _ = process.communicate(timeout=60)

    told: dict[str, Any] = json.loads(path.read_text().splitlines()[0])
    assert told["ok"], told
    assert process.returncode == 0
    assert said.splitlines()[1].split()[:3] == ["damage", "1", "0"]


def test_a_signal_while_a_unit_is_written_leaves_it_in_the_summary_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is in the file before it is on disk: that is when the signal comes here."""
    on_disk = os.fsync

    def interrupted(file: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        on_disk(file)

    monkeypatch.setattr(os, "fsync", interrupted)
    done = Done("even", 1, ok=True, seconds=0.1, version="0", result={"ok": True})
    with Ledger(tmp_path / "soak.jsonl") as ledger:
        with pytest.raises(KeyboardInterrupt):
            ledger.append(done)

        assert ledger.done == [done]
