from __future__ import annotations

from pathlib import Path

import pytest

from agent.store import journal, segment_files, usage
from agent.store.journal import Journal, Limits


def test_what_lanes_take_and_gave_up_is_what_the_disk_and_the_log_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 130)  # some four records each
    with Journal.open(tmp_path, "ah", limits=Limits({"h": 390})) as log:
        for _ in range(40):
            log.append("h", b"x" * 15)
        log.append("a", b"x" * 15)
    (tmp_path / "h-junk").mkdir()

    told = usage.told(tmp_path, "ahw")

    for lane in "ah":
        files = list(tmp_path.glob(f"{lane}-*.seg"))
        assert told["disk_bytes", lane] == sum(file.stat().st_size for file in files) > 0
        lost = journal.declared_losses(tmp_path, lane)
        assert told["lost_records", lane] == sum(each.last - each.first + 1 for each in lost)
    assert told["lost_records", "h"] > 20
    assert (told["disk_bytes", "w"], told["lost_records", "w"]) == (0, 0)


def test_without_a_log_there_is_nothing(tmp_path: Path) -> None:
    assert usage.told(tmp_path / "log", "a") == {("disk_bytes", "a"): 0, ("lost_records", "a"): 0}
