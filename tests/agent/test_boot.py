from __future__ import annotations

from pathlib import Path

import pytest

from agent import boot
from agent.errors import StoreError


def test_the_counter_counts_boots_and_not_starts(tmp_path: Path) -> None:
    assert boot.counter(tmp_path) == 1
    assert boot.counter(tmp_path) == 1
    (tmp_path / "boot").write_text("1 another-boot-id\n")
    assert boot.counter(tmp_path) == 2


@pytest.mark.parametrize("damage", ["", "x", "1", "1 2 3", "\x00\x00"])
def test_a_damaged_counter_is_begun_anew(tmp_path: Path, damage: str) -> None:
    (tmp_path / "boot").write_text(damage)
    assert boot.counter(tmp_path) == 1


def test_a_counter_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="boot counter"):
        boot.counter(tmp_path / "nowhere")
