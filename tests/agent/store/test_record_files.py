"""The folder of records: whole files or none, a ring, and a disk that is full or refuses."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import StoreError, UsageError
from agent.store.record_files import Held, Limits, RecordFiles, held, named, path_of

AT_US = 1_795_478_400_123_456
AMPLE = Limits(100, 1 << 30, 0)


def keep(files: RecordFiles, size: int = 1000, at_us: int = AT_US) -> tuple[str, int]:
    record, dropped = files.keep(at_us, "head", size, iter([b"x" * size]))
    return record.name, dropped


def test_a_name_has_number_instant_and_bay() -> None:
    assert named(17, AT_US, "bay-1") == "000017-20261124T000000123Z-bay-1"


def test_numbers_rise_across_restarts_and_whatever_the_clock_does(tmp_path: Path) -> None:
    first, _ = keep(RecordFiles(tmp_path, AMPLE))
    second, _ = keep(RecordFiles(tmp_path, AMPLE), at_us=1_000_000)  # a clock that was never set
    assert [each.name for each in held(tmp_path)] == [first, second]
    assert [each.number for each in held(tmp_path)] == [1, 2]


def test_the_oldest_make_room_by_number_and_by_size(tmp_path: Path) -> None:
    files = RecordFiles(tmp_path, Limits(3, 10_000, 0))
    assert [keep(files)[1] for _ in range(5)] == [0, 0, 0, 1, 1]
    assert [each.number for each in held(tmp_path)] == [3, 4, 5]
    assert keep(files, 8500)[1] == 2
    assert [each.size for each in held(tmp_path)] == [1000, 8500]


def test_what_is_larger_than_the_quota_is_refused_and_drops_nothing(tmp_path: Path) -> None:
    files = RecordFiles(tmp_path, Limits(3, 2000, 0))
    keep(files)
    with pytest.raises(StoreError, match="no room"):
        keep(files, 3000)
    assert keep(files)[1] == 0
    assert [each.number for each in held(tmp_path)] == [1, 2]


def test_the_free_floor_is_left_to_others(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    files = RecordFiles(tmp_path, Limits(3, 1 << 40, 2 * free.f_bavail * free.f_frsize))
    files._records.append(Held("000001-20261124T000000123Z-head", 10))
    with pytest.raises(StoreError, match="no room"):
        keep(files)
    assert len(files._records) == 1  # its going would not have helped


def test_a_disk_that_fills_up_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 100
        raise OSError(errno.ENOSPC, "No space left on device")

    files = RecordFiles(tmp_path, AMPLE)
    with pytest.raises(StoreError, match="No space left"):
        files.keep(AT_US, "head", 100, pieces())
    assert list(tmp_path.iterdir()) == []
    assert keep(files)[0].startswith("000001-")


def test_a_kill_while_writing_leaves_no_record_and_the_next_start_tidies_up(
    tmp_path: Path,
) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from agent.store.record_files import Limits, RecordFiles
def pieces():
    yield b"x" * 200_000
    os.kill(os.getpid(), signal.SIGKILL)
files = RecordFiles(Path(sys.argv[1]), Limits(9, 1 << 30, 0))
files.keep(0, "head", 1, iter([b"whole"]))
files.keep(0, "head", 1, pieces())
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 2
    assert [each.size for each in held(tmp_path)] == [5]
    RecordFiles(tmp_path, AMPLE)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_record_is_found_by_name_or_number(tmp_path: Path) -> None:
    name, _ = keep(RecordFiles(tmp_path, AMPLE))
    for wanted in (name, "1", "000001"):
        assert path_of(tmp_path, wanted).stem == name
    with pytest.raises(UsageError, match="no record '2'"):
        path_of(tmp_path, "2")
    with pytest.raises(UsageError, match="none yet"):
        path_of(tmp_path / "nowhere", "1")


def test_what_is_no_record_of_ours_is_passed_over(tmp_path: Path) -> None:
    for name in ("x.cff", "000001-20261124T000000123Z-head.cfg", "1-2-3.cff"):
        (tmp_path / name).write_bytes(b"x")
    assert held(tmp_path) == []
