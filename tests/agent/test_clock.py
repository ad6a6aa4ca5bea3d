from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent import clock
from agent.errors import StoreError


def test_utc_follows_the_system_clock_and_the_monotonic_instant() -> None:
    now = clock.Clock(boot=3)
    t_us = now.now_us()
    stamp = now.stamp(t_us - 5_000_000)
    assert stamp.boot == 3
    assert stamp.mono_us == t_us - 5_000_000
    assert abs(stamp.utc_us + 5_000_000 - time.time_ns() // 1000) < 1_000_000


@pytest.mark.parametrize(
    ("kernel", "source", "error_us"),
    [
        pytest.param((True, 1500), clock.NTP, 1500, id="disciplined"),
        pytest.param(
            (False, 16_000_000), clock.HOLDOVER, clock.UNDISCIPLINED_ERROR_US, id="free-running"
        ),
        pytest.param(None, clock.HOLDOVER, clock.UNDISCIPLINED_ERROR_US, id="the-kernel-is-mute"),
    ],
)
def test_the_source_is_who_keeps_the_clock(
    monkeypatch: pytest.MonkeyPatch, kernel: tuple[bool, int] | None, source: int, error_us: int
) -> None:
    monkeypatch.setattr(clock, "_kernel_discipline", lambda: kernel)
    stamp = clock.Clock(1).stamp(0)
    assert (stamp.source, stamp.error_us) == (source, error_us)


def test_a_clock_that_was_never_set_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)  # 1970
    stamp = clock.Clock(1).stamp(0)
    assert (stamp.source, stamp.error_us) == (clock.UNKNOWN, None)


def test_the_kernel_tells_its_discipline() -> None:
    answer = clock._kernel_discipline()
    assert answer is not None  # Linux answers everybody
    assert answer[1] >= 0


def test_the_boot_counter_counts_boots_and_not_starts(tmp_path: Path) -> None:
    assert clock.boot_counter(tmp_path) == 1
    assert clock.boot_counter(tmp_path) == 1
    (tmp_path / "boot").write_text("1 another-boot-id\n")
    assert clock.boot_counter(tmp_path) == 2


@pytest.mark.parametrize("damage", ["", "x", "1", "1 2 3", "\x00\x00"])
def test_a_damaged_boot_counter_is_begun_anew(tmp_path: Path, damage: str) -> None:
    (tmp_path / "boot").write_text(damage)
    assert clock.boot_counter(tmp_path) == 1


def test_a_boot_counter_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="boot counter"):
        clock.boot_counter(tmp_path / "nowhere")
