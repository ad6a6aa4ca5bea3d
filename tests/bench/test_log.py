from __future__ import annotations

import os
from pathlib import Path

from bench import log


def test_calls_and_bytes_are_counted_where_they_happen_and_only_then(tmp_path: Path) -> None:
    with log.counted() as calls:
        fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        os.pwrite(fd, b"12345", 0)
        os.fdatasync(fd)
        os.close(fd)
    assert calls == {"open": 1, "pwrite": 1, "fdatasync": 1, "close": 1, "bytes": 5}
    (tmp_path / "other").write_bytes(b"x")
    assert calls["open"] == 1


def test_a_quick_run_tells_every_figure_and_holds_those_that_are_exact() -> None:
    rows = list(log.rows(quick=True))
    exact = {row.what: row.held for row in rows if "event" in row.what or "bytes" in row.what}
    exact.pop("log: a sync for each event")
    assert exact == {
        "log: syncs for an event": True,
        "log: system calls for an event": True,
        "log: bytes written for a byte of payload, steady state": True,
        "log: bytes written for a byte of payload, first fill": None,
    }
    assert len(rows) == 9
    assert all(row.value > 0 for row in rows[:7])
