"""Killing, freezing and thawing real processes, at drawn moments."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.faults import processes
from tests.agent.uplink.broker import run

COUNT = "import sys\nwhile True:\n print('x', flush=True)"


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", COUNT], stdout=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def ticks(process: int) -> int:
    """Processor time that it has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_frozen_process_lives_and_does_nothing_until_it_is_thawed(
    busy: subprocess.Popen[bytes],
) -> None:
    while ticks(busy.pid) < 2:
        time.sleep(0.005)
    with processes.frozen(busy.pid):
        assert processes.state(busy.pid) == "T"
        assert processes.alive(busy.pid)
        had = ticks(busy.pid)
        time.sleep(0.1)  # any work would show in it
        assert ticks(busy.pid) == had
    deadline = time.monotonic() + 10
    while ticks(busy.pid) == had:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_killed_process_is_gone_and_cannot_be_killed_again(busy: subprocess.Popen[bytes]) -> None:
    assert processes.kill(busy.pid)
    busy.wait()
    assert not processes.alive(busy.pid)
    assert not processes.kill(busy.pid)
    assert not processes.freeze(busy.pid)
    assert not processes.thaw(busy.pid)


def test_descendants_are_children_and_theirs() -> None:
    inner = "import subprocess, sys; subprocess.run(['sleep', '60'])"
    with subprocess.Popen([sys.executable, "-c", inner]) as process:
        deadline = time.monotonic() + 10
        while len(found := processes.descendants(process.pid)) < 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        for each in found:
            processes.kill(each)
    assert processes.descendants(process.pid) == []


def test_moments_are_the_seeds_and_lie_as_far_apart_as_was_said() -> None:
    drawn = processes.moments(5, 200, 1_000_000, (0.02, 2.5))
    assert drawn == processes.moments(5, 200, 1_000_000, (0.02, 2.5))
    assert drawn != processes.moments(6, 200, 1_000_000, (0.02, 2.5))
    steps = [b - a for a, b in zip([1_000_000, *drawn], drawn, strict=False)]
    assert 20_000 <= min(steps) < 200_000
    assert 2_300_000 < max(steps) <= 2_500_000


def test_what_is_to_be_done_is_done_at_its_moment_never_before() -> None:
    async def scenario() -> None:
        done: list[int] = []

        async def act() -> None:
            done.append(time.monotonic_ns() // 1000)

        instant_us = time.monotonic_ns() // 1000 + 50_000
        late_us = await processes.at(instant_us, act)
        assert late_us >= 0
        assert done[0] >= instant_us
        assert await processes.at(instant_us, lambda: done.append(0)) > 0  # it is past
        await asyncio.sleep(0)
        assert done[1] == 0

    run(scenario())
