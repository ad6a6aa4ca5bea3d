"""The log against SQLite (WAL, synchronous = FULL): the same bytes, the same promise, in turn.

An event is a map of 8 keys, 120 bytes of CBOR. The log is at its quota, so that every segment is
one used again, unless a row says "first fill". Bytes and calls are counted where Python hands them
to the system: the kernel's own counters per process are wrong by up to a megabyte a write here, and
the device's are shared with everybody. Files lie below build/, on the disk of the tree.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.store import cbor
from agent.store.cursors import Cursors
from agent.store.journal import Journal, LaneReader, Limits
from bench.table import Row, interleaved

ROOT = Path(__file__).parents[1]
SQLITE = "SQLite WAL FULL"
GROUP_S = 0.010
DRAINED_AT_ONCE = 100
QUOTA = Limits({"h": 12_000_000})  # holds the backlog that is drained
EVENT = cbor.dumps(
    {
        "seq": 123_456,
        "t_us": 1_795_478_400_123_456,
        "bay": "feeder-07",
        "event": "short_circuit",
        "kind": "ABG",
        "direction": "forward",
        "i": [1_204_331, 1_187_220, 96_012],
        "detail": "51P stage 2, start",
    }
)
_CALLS = ("pwrite", "fdatasync", "fsync", "open", "close", "ftruncate", "posix_fallocate")


def rows(quick: bool) -> Iterator[Row]:
    """The figures one after the other; a full run takes about a minute."""
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as place:
        yield from _speeds(Path(place), quick=quick)
        yield from _counts(Path(place), quick=quick)
        yield from _opening(Path(place), 20_000 if quick else 1_000_000)


def _everybody(_epoch: int, _lane: str) -> int:
    """The link works: what is removed has been received."""
    return 1 << 62


class _Log:
    """Lane h of a log that is at its quota."""

    def __init__(self, place: Path) -> None:
        self.root = place / "log"
        self.journal = Journal.open(self.root, "h", limits=QUOTA, acknowledged=_everybody)
        with self.journal:
            self._fill()
        self.journal = Journal.open(self.root, "h", limits=QUOTA, acknowledged=_everybody)
        self.marks = Cursors(place / "cursors", epoch=self.journal.epoch)

    def _fill(self) -> None:
        for _ in range(QUOTA.quota_bytes["h"] // len(EVENT)):
            self.journal.append("h", EVENT, sync=False)

    def one_by_one(self, count: int) -> None:
        for _ in range(count):
            self.journal.append("h", EVENT)

    def in_groups(self, count: int) -> None:
        group: list[bytes] = []
        until = time.perf_counter() + GROUP_S
        for _ in range(count):
            group.append(EVENT)
            if time.perf_counter() > until:
                self.journal.append_group("h", group)
                group = []
                until = time.perf_counter() + GROUP_S
        self.journal.append_group("h", group)

    def make_backlog(self, count: int) -> None:
        """So many events that nobody has acknowledged."""
        _append(self.journal, count)

    def drain(self, count: int) -> None:
        """What was appended last, an acknowledgement on disk for every hundred."""
        after = self.journal.next_seq("h") - 1 - count
        with LaneReader(self.root, "h", after=after) as reader:
            while items := reader.read(DRAINED_AT_ONCE):
                self.marks.advance("scada", "h", after + len(items))
                self.marks.save()
                after += len(items)


class _Sqlite:
    """A queue as a table, each commit on disk before it returns."""

    def __init__(self, place: Path) -> None:
        self.base = sqlite3.connect(place / "queue.sqlite", isolation_level=None)
        self.base.execute("PRAGMA journal_mode = WAL")
        self.base.execute("PRAGMA synchronous = FULL")
        self.base.execute("CREATE TABLE queue (seq INTEGER PRIMARY KEY, payload BLOB)")

    def one_by_one(self, count: int) -> None:
        for _ in range(count):
            self.base.execute("INSERT INTO queue (payload) VALUES (?)", (EVENT,))

    def in_groups(self, count: int) -> None:
        self.base.execute("BEGIN")
        until = time.perf_counter() + GROUP_S
        for _ in range(count):
            self.base.execute("INSERT INTO queue (payload) VALUES (?)", (EVENT,))
            if time.perf_counter() > until:
                self.base.execute("COMMIT")
                self.base.execute("BEGIN")
                until = time.perf_counter() + GROUP_S
        self.base.execute("COMMIT")

    def make_backlog(self, count: int) -> None:
        """So many events and no others."""
        self.base.execute("DELETE FROM queue")
        self.in_groups(count)

    def drain(self, count: int) -> None:
        """The same, with a DELETE as the acknowledgement."""
        del count  # `make_backlog` has left no more
        query = "SELECT seq, payload FROM queue ORDER BY seq LIMIT ?"
        while items := self.base.execute(query, (DRAINED_AT_ONCE,)).fetchall():
            self.base.execute("DELETE FROM queue WHERE seq <= ?", (items[-1][0],))


def _speeds(place: Path, *, quick: bool) -> Iterator[Row]:
    log, sqlite = _Log(place), _Sqlite(place)
    # Many short runs: on a disk that others use too, the median of few long ones is theirs.
    runs, few, many = (3, 100, 5_000) if quick else (21, 300, 20_000)
    for what, count, do, least in (
        ("log: a sync for each event", few, "one_by_one", 1.3),
        ("log: groups of 10 ms", many, "in_groups", 1.3),
        ("log: drained, an ack for every 100", many, "drain", 1.5),
    ):
        ours, theirs = interleaved(runs, _rate(log, do, count), _rate(sqlite, do, count))
        yield Row(
            what=what,
            value=ours,
            unit="ev/s",
            reference=SQLITE,
            reference_value=theirs,
            ratio=ours / theirs,
            of="ratio",
            at_least=least,
        )
    log.journal.close()
    sqlite.base.close()


def _rate(store: _Log | _Sqlite, what: str, count: int) -> Callable[[], float]:
    def measure() -> float:
        if what == "drain":
            store.make_backlog(count)
        begun = time.perf_counter()
        getattr(store, what)(count)
        return count / (time.perf_counter() - begun)

    return measure


def _counts(place: Path, *, quick: bool) -> Iterator[Row]:
    count = 5_000 if quick else 40_000
    with Journal.open(place / "fill", "h") as journal:
        filled = _written(lambda: _append(journal, count))
    with Journal.open(place / "log", "h", limits=QUOTA, acknowledged=_everybody) as journal:
        used_again = _written(lambda: _append(journal, count))
    with Journal.open(place / "calls", "h") as journal, counted() as calls:
        for _ in range(100):
            journal.append("h", EVENT)
        in_segment = Counter(calls)
    payload = count * len(EVENT)
    syncs = in_segment["fdatasync"] + in_segment["fsync"]
    yield Row(what="log: syncs for an event", value=syncs / 100, unit="", at_most=1, at_least=1)
    every = sum(in_segment[name] for name in _CALLS)
    yield Row(what="log: system calls for an event", value=every / 100, unit="", at_most=2)
    yield Row(
        what="log: bytes written for a byte of payload, steady state",
        value=used_again / payload,
        unit="B",
        at_most=1.1,
    )
    yield Row(
        what="log: bytes written for a byte of payload, first fill",
        value=filled / payload,
        unit="B",
    )


def _append(journal: Journal, count: int) -> None:
    for _ in range(count):
        journal.append("h", EVENT, sync=False)
    journal.sync()


def _written(do: Callable[[], None]) -> int:
    with counted() as calls:
        do()
    return calls["bytes"]


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Calls of `os` by name, and the bytes that `pwrite` took."""
    calls: Counter[str] = Counter()
    real = {name: getattr(os, name) for name in _CALLS}

    def counting(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls[name] += 1
            result = real[name](*arguments)
            if name == "pwrite":
                calls["bytes"] += result
            return result

        return call

    try:
        for name in _CALLS:
            setattr(os, name, counting(name))
        yield calls
    finally:
        for name in _CALLS:
            setattr(os, name, real[name])


_OPEN = """
import sys, time
from pathlib import Path
from agent.store.journal import Journal

begun = time.perf_counter()
with Journal.open(Path(sys.argv[1]), "h") as journal:
    took_s = time.perf_counter() - begun
    with open("/proc/self/status") as status:
        peak_kb = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(took_s * 1000, peak_kb, journal.next_seq("h"))
"""


def _opening(place: Path, count: int) -> Iterator[Row]:
    with Journal.open(place / "large", "h") as journal:
        _append(journal, count)
    with Journal.open(place / "empty", "h"):
        pass
    opened: dict[str, list[tuple[float, float]]] = {"large": [], "empty": []}
    for _ in range(5):
        for name, found in opened.items():
            found.append(_opened(place / name))
    took_ms = {name: sorted(ms for ms, _ in found)[2] for name, found in opened.items()}
    peak_mb = {name: sorted(mb for _, mb in found)[2] for name, found in opened.items()}
    yield Row(
        what=f"log: opening {count:,} records",
        value=took_ms["large"],
        unit="ms",
        reference="an empty log, ms",
        reference_value=took_ms["empty"],
        at_most=10,
    )
    yield Row(
        what=f"log: memory for {count:,} records above an empty log's",
        value=peak_mb["large"] - peak_mb["empty"],
        unit="MB",
        reference="a Python with an empty log, MB",
        reference_value=peak_mb["empty"],
        at_most=0.3,  # pages that the allocator may or may not ask for
    )


def _opened(root: Path) -> tuple[float, float]:
    """(time in ms, peak memory in MB) of a fresh interpreter that opens the log."""
    command = [sys.executable, "-c", _OPEN, str(root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    took_ms, peak_kb, _ = done.stdout.split()
    return float(took_ms), int(peak_kb) / 1024
