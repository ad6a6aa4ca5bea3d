"""A unit of the soak over hostile input, with a real atheris for a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.fuzz import unit


@pytest.fixture(autouse=True)
def _short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("atheris", reason="no wheel for this machine")
    monkeypatch.setattr(unit, "FOUND", tmp_path)
    monkeypatch.setattr(unit, "SECONDS", 1)
    monkeypatch.setattr(unit, "ROUNDS", 2)


def test_a_target_is_executed_many_times_and_its_memory_is_looked_at(tmp_path: Path) -> None:
    came = unit.fuzzed("fuzz-lines", 0)

    assert came["ok"], came
    assert came["target"] == "modbus"
    assert came["executions"] > 100
    assert came["grown_bytes"] < unit.GROWTH_BYTES
    assert list((tmp_path / "modbus").iterdir())


def test_a_defect_fails_the_unit_and_is_told_with_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project without defects has none to show, so an input counts as one that takes no time."""
    monkeypatch.setenv("FTU_FUZZ_LONGEST_S", "0")

    came = unit.fuzzed("fuzz-lines", 2)

    assert not came["ok"]
    assert came["defects"]
    assert "expected at most 0 s" in came["defects"][0]
