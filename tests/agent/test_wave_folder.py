"""A consumer's folder: killed between any two parts it goes on, and it keeps nothing for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import StoreError
from agent.uplink.consumer import Delivered
from agent.wave_folder import PARTS, WaveFolder
from agent.waveform import comtrade, opened
from tests.agent.test_waveform import packed
from tests.agent.uplink.test_waveforms import NAME, lost, part, record

DATA = packed("a-fault-of-two-channels")
PARTS_OF_IT = record(DATA, size=100)
WHERE = Path("hebin/ftu-7") / f"{NAME}.cff"


def waiting(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / PARTS).iterdir())


@pytest.mark.parametrize("killed_after", range(len(PARTS_OF_IT)))
def test_a_listener_killed_after_any_part_goes_on_with_the_next(
    tmp_path: Path, killed_after: int
) -> None:
    assert WaveFolder(tmp_path).take(PARTS_OF_IT[:killed_after]) == []
    assert len(waiting(tmp_path)) == killed_after
    (line,) = WaveFolder(tmp_path).take(PARTS_OF_IT[killed_after:])
    assert line.startswith("hebin/ftu-7: ")
    assert (tmp_path / WHERE).read_bytes() == comtrade(opened(DATA))[".cff"]
    assert waiting(tmp_path) == []


def test_a_listener_killed_before_it_wrote_the_file_writes_it_when_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("agent.wave_folder.comtrade", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            WaveFolder(tmp_path).take(PARTS_OF_IT)
    assert not (tmp_path / WHERE).exists()
    again = WaveFolder(tmp_path)
    assert (tmp_path / WHERE).exists()
    assert len(again.take([])) == 1


@pytest.mark.parametrize(
    "torn",
    [
        pytest.param([lost(1, 99)], id="a-lost-range"),
        pytest.param([part(42, 2, 3, b"x")], id="numbered-in-two-ways"),
        pytest.param([part(42, 7, 3, b"x")], id="a-part-that-contradicts-itself"),
    ],
)
def test_what_will_not_become_whole_is_told_and_leaves_nothing(
    tmp_path: Path, torn: list[Delivered]
) -> None:
    folder = WaveFolder(tmp_path)
    folder.take(PARTS_OF_IT[:2])
    (line,) = folder.take(torn)
    assert "expected" in line or "will not become whole" in line
    folder.take([lost(1, 99)])
    assert waiting(tmp_path) == []


def test_what_is_sent_again_when_it_is_whole_leaves_nothing(tmp_path: Path) -> None:
    folder = WaveFolder(tmp_path)
    folder.take(PARTS_OF_IT)
    assert folder.take(PARTS_OF_IT[1:3]) == []
    assert waiting(tmp_path) == []


def test_a_part_that_a_power_cut_tore_is_asked_for_by_the_missing_acknowledgement(
    tmp_path: Path,
) -> None:
    WaveFolder(tmp_path).take(PARTS_OF_IT[:3])
    torn = tmp_path / PARTS / waiting(tmp_path)[1]
    torn.write_bytes(torn.read_bytes()[:-1])
    again = WaveFolder(tmp_path)
    assert len(waiting(tmp_path)) == 2
    assert len(again.take([*PARTS_OF_IT[1:2], *PARTS_OF_IT[3:]])) == 1


def test_what_this_version_cannot_open_is_kept_as_it_came(tmp_path: Path) -> None:
    later = b"FTUW\x02 of a later version"
    WaveFolder(tmp_path).take(record(later, size=10))
    assert (tmp_path / WHERE.with_suffix(".ftuw")).read_bytes() == later


def test_a_disk_that_refuses_is_told_before_anything_is_acknowledged(tmp_path: Path) -> None:
    folder = WaveFolder(tmp_path)
    (tmp_path / PARTS).rmdir()
    (tmp_path / PARTS).write_text("no folder")
    with pytest.raises(StoreError, match="cannot be written"):
        folder.take(PARTS_OF_IT)
