"""The supervisor's judgement of its children; that it restarts them, test_end_to_end shows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent import supervisor
from agent.supervisor import LINK_DELAY_S, STARTING_S, STUCK_S, Child


def child(role: str) -> Child:
    made = Child(role, [])
    made.pipe, made.beat_at, made.pid = os.open(os.devnull, os.O_RDONLY), 100.0, 4_000_000
    made.started_at = 100.0
    return made


@pytest.mark.parametrize(
    ("beaten", "silent_s", "expected"),
    [
        pytest.param(False, STARTING_S - 1, False, id="a-start-takes-its-time"),
        pytest.param(False, STARTING_S + 1, True, id="but-not-for-ever"),
        pytest.param(True, STUCK_S - 1, False, id="a-pause"),
        pytest.param(True, STUCK_S + 1, True, id="its-heart-has-stopped"),
    ],
)
def test_a_silent_child_is_stuck(beaten: bool, silent_s: float, expected: bool) -> None:
    watched = child("guard")
    watched.beaten = beaten
    assert watched.stuck(100.0 + silent_s) is expected


def test_guard_is_back_at_once_and_link_ever_later() -> None:
    guard, link = child("guard"), child("link")
    delays = []
    for _ in range(10):
        for each in (guard, link):
            each.pipe = os.open(os.devnull, os.O_RDONLY)
            each.buried(101.0, 9)
        delays.append(link.again_at - 101.0)
    assert guard.again_at <= 101.5  # contract: back within a second, even when it fails at once
    assert delays[0] == pytest.approx(LINK_DELAY_S[0])
    assert delays == sorted(delays)
    assert delays[-1] == pytest.approx(LINK_DELAY_S[1])


def test_a_heartbeat_is_heard_when_it_comes() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    watched = child("guard")
    watched.pipe = reading
    watched.listen(1.0)
    assert not watched.beaten
    os.write(writing, b"..")
    watched.listen(2.0)
    watched.listen(3.0)
    assert (watched.beat_at, watched.beaten) == (2.0, True)


def test_it_sleeps_no_longer_than_until_somebody_has_to_be_started() -> None:
    guard, link = child("guard"), child("link")
    assert supervisor._pause_s([guard, link]) == supervisor.LOOK_PERIOD_S
    link.pid, link.again_at = 0, time.monotonic() + 0.2
    assert 0.1 < supervisor._pause_s([guard, link]) <= 0.2
    guard.pid, guard.again_at = 0, time.monotonic() - 1.0
    assert supervisor._pause_s([guard, link]) == 0.0


def test_a_site_that_cannot_be_built_is_one_line_again_and_again_and_no_traceback(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent.app", "guard", str(tmp_path / "none.toml"), "1", "1", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "none.toml" in done.stderr


def test_it_imports_next_to_nothing() -> None:
    code = "import agent.supervisor, sys; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "numpy", "cbor2", "paho", "json", "logging", "argparse", "subprocess"}
    heavy |= {"dataclasses", "inspect", "ctypes", "typing"}
    assert not heavy & set(told.stdout.split())
    assert supervisor.GOODBYE_S < 5
