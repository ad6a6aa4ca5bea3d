"""The memory of commands: none twice, whatever happens to clock, power and file in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.errors import StoreError
from agent.uplink.nonces import LONGEST_US, MOST, Nonces

S = 1_000_000
BOOT, UTC_US, MONO_US = 4, 1_800_000_000 * S, 100 * S
NOW = (UTC_US, MONO_US)
N = [bytes([n]) * 8 for n in range(100)]


class Memory:
    """Nonces over a file, which may be opened anew in another boot."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "uplink" / "commands"
        self.told: list[str] = []
        self.nonces = self.again()

    def again(self, boot: int = BOOT) -> Nonces:
        self.nonces = Nonces(self.path, boot, MONO_US, self.told.append)
        return self.nonces


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


@pytest.mark.parametrize(
    ("deadline", "verdict"),
    [
        pytest.param(UTC_US + 60 * S, "new", id="in-a-minute"),
        pytest.param(UTC_US, "late", id="now"),
        pytest.param(UTC_US - 5, "late", id="over"),
        pytest.param(UTC_US + LONGEST_US, "new", id="as-far-as-may-be"),
        pytest.param(UTC_US + LONGEST_US + 1, "far", id="too-far"),
        pytest.param((BOOT, MONO_US + 60 * S), "new", id="on-its-own-clock"),
        pytest.param((BOOT, MONO_US), "late", id="over-on-its-own-clock"),
        pytest.param((BOOT, MONO_US + LONGEST_US + 1), "far", id="too-far-on-its-own-clock"),
        pytest.param((BOOT - 1, MONO_US + 60 * S), "late", id="of-the-boot-before"),
        pytest.param((BOOT + 1, MONO_US + 60 * S), "late", id="of-a-boot-to-come"),
    ],
)
def test_a_deadline_lies_ahead_and_not_far(memory: Memory, deadline: Any, verdict: str) -> None:
    assert memory.nonces.verdict(N[0], deadline, NOW) == verdict


@pytest.mark.parametrize("deadline", [UTC_US + 60 * S, (BOOT, MONO_US + 60 * S)])
def test_the_second_one_is_replayed_also_after_a_restart(memory: Memory, deadline: Any) -> None:
    memory.nonces.take(N[0], deadline, NOW)

    assert memory.nonces.verdict(N[0], deadline, NOW) == "replayed"
    assert memory.again().verdict(N[0], deadline, NOW) == "replayed"
    assert memory.nonces.verdict(N[1], deadline, NOW) == "new"


def test_what_was_forgotten_stays_refused_when_the_clock_goes_back(memory: Memory) -> None:
    until = UTC_US + 60 * S
    memory.nonces.take(N[0], until, NOW)
    later = (UTC_US + 61 * S, MONO_US + 61 * S)
    memory.nonces.take(N[1], later[0] + 60 * S, later)
    assert N[0].hex() not in memory.path.read_text()

    for nonces in (memory.nonces, memory.again()):
        assert nonces.verdict(N[0], until, NOW) == "late"
        assert nonces.verdict(N[2], until + 1, NOW) == "new"


def test_a_clock_that_jumped_ahead_for_a_moment_locks_nobody_out(memory: Memory) -> None:
    memory.nonces.take(N[0], UTC_US + 60 * S, NOW)
    ahead = (UTC_US + 10**14, MONO_US)
    memory.nonces.take(N[1], (BOOT, MONO_US + 5 * S), ahead)

    assert memory.nonces.verdict(N[2], UTC_US + 61 * S, NOW) == "new"
    assert memory.nonces.verdict(N[0], UTC_US + 60 * S, NOW) == "late"


def test_so_many_in_ten_minutes_and_no_more(memory: Memory) -> None:
    for n in range(MOST):
        assert memory.nonces.verdict(N[n], UTC_US + 60 * S, NOW) == "new"
        memory.nonces.take(N[n], UTC_US + 60 * S, NOW)

    assert memory.nonces.verdict(N[99], UTC_US + 70 * S, NOW) == "many"
    later = (UTC_US + 60 * S, MONO_US + 60 * S)
    assert memory.nonces.verdict(N[99], UTC_US + 70 * S, later) == "new"
    assert memory.path.stat().st_size < 4096


def test_a_damaged_file_takes_nothing_for_ten_minutes(memory: Memory) -> None:
    memory.nonces.take(N[0], UTC_US + 60 * S, NOW)
    data = memory.path.read_bytes()
    for damaged in (data[:-9], b"", b"\xff" * 40, data.replace(b'"floors"', b'"flours"')):
        memory.path.write_bytes(damaged)
        nonces = memory.again()
        assert nonces.verdict(N[0], UTC_US + 60 * S, NOW) == "closed"
        later = (UTC_US + LONGEST_US, MONO_US + LONGEST_US)
        assert nonces.verdict(N[1], later[0] + S, later) == "new"
    assert all("cannot be read" in line for line in memory.told)
    assert len(memory.told) == 4


def test_what_ends_after_a_restart_is_known_until_it_was_told(memory: Memory) -> None:
    memory.nonces.take(N[0], UTC_US + 60 * S, NOW, ("restart-link", "room"))

    nonces = memory.again(BOOT + 1)
    assert nonces.pending == (N[0], "restart-link", "room")
    nonces.settled()
    assert memory.again().pending is None
    assert memory.nonces.verdict(N[0], UTC_US + 60 * S, NOW) == "replayed"


def test_what_cannot_be_remembered_is_not_to_be_obeyed(tmp_path: Path) -> None:
    (tmp_path / "uplink").write_text("a file where a folder should be")
    nonces = Nonces(tmp_path / "uplink" / "commands", BOOT, MONO_US, lambda _: None)
    with pytest.raises(StoreError, match="no command can be remembered"):
        nonces.take(N[0], UTC_US + 60 * S, NOW)
