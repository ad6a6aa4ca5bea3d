from __future__ import annotations

from pathlib import Path

import pytest

from agent import boot
from hil.faults import disk

MISSING = disk.lacking()


def counter(folder: Path) -> int:
    """Nothing is to be told."""
    return boot.counter(folder, pytest.fail)


def test_the_counter_counts_boots_and_not_starts(tmp_path: Path) -> None:
    assert counter(tmp_path) == 1
    assert counter(tmp_path) == 1
    (tmp_path / "boot").write_text("1 another-boot-id\n")
    assert counter(tmp_path) == 2


@pytest.mark.parametrize("damage", ["", "x", "1", "1 2 3", "\x00\x00"])
def test_a_damaged_counter_is_begun_anew(tmp_path: Path, damage: str) -> None:
    (tmp_path / "boot").write_text(damage)
    assert counter(tmp_path) == 1


def test_a_counter_that_cannot_be_written_is_told_and_stops_nobody(tmp_path: Path) -> None:
    told: list[str] = []

    assert boot.counter(tmp_path / "nowhere", told.append) == 1
    assert len(told) == 1
    assert "the boot counter cannot be written (No such file or directory)" in told[0]


@pytest.mark.skipif(bool(MISSING), reason=f"this machine lacks {MISSING}")
def test_a_boot_on_a_full_disk_has_its_own_number_and_the_next_one_too(tmp_path: Path) -> None:
    with disk.Disk(tmp_path) as own:
        (own.path / "boot").write_text("9 another-boot-id\n")
        own.fill()

        assert counter(own.path) == 10
        assert counter(own.path) == 10
        own.heal()
        assert counter(own.path) == 10
