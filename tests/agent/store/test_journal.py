"""The log on disk: what a cut, a flipped byte, a kill or a refusing disk may and may not do."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import StoreError
from agent.store import (
    checkpoint,
    disk,
    identity,
    journal,
    lane_writer,
    segment,
    segment_files,
)
from agent.store import reader as following
from agent.store.journal import Item, Journal, LaneReader, Lost, Stored

ROOT = Path(journal.__file__).parents[2]
Files = dict[str, bytes]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of some four records, so that every byte of several can be tried."""
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 130)


def record(seq: int) -> bytes:
    return b"record %d" % seq + bytes(seq % 5)


def fill(log: Path, count: int, lane: str = "a") -> None:
    with Journal.open(log, lane) as writer:
        for seq in range(1, count + 1):
            assert writer.append(lane, record(seq), sync=False) == seq


def everything(log: Path, lane: str = "a", after: int = 0) -> list[Item]:
    with LaneReader(log, lane, after=after) as reader:
        items = reader.read(10_000)
        assert reader.read(1) == []
    return items


def names(log: Path, pattern: str = "*") -> list[str]:
    return sorted(path.name for path in log.glob(pattern))


def snapshot(log: Path) -> Files:
    return {path.name: path.read_bytes() for path in log.iterdir()}


def end_of(data: bytes | bytearray) -> int:
    """Where the frames of an intact segment end and the space reserved for more begins."""
    header = segment.parse_header(bytes(data))
    assert header is not None
    walker = segment.Walker(bytes(data)[segment.HEADER_BYTES :], header.seed, header.first_seq)
    while walker.step() is not None:
        pass
    return segment.HEADER_BYTES + walker.at


def cut_last_byte(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: end_of(data) - 1])


def restore(log: Path, files: Files) -> None:
    for path in log.iterdir():
        path.unlink()
    for name, data in files.items():
        (log / name).write_bytes(data)


def accounted(items: list[Item], next_seq: int, first: int = 1) -> list[int]:
    """The seqs that were read; every one from `first` to next_seq - 1 has come exactly once."""
    read = []
    for item in items:
        if isinstance(item, Stored):
            assert item.seq == first
            read.append(first)
            first += 1
        else:
            assert item.first == first <= item.last
            first = item.last + 1
    assert first == next_seq
    return read


def assert_truth(items: list[Item], next_seq: int, appended: Callable[[int], bytes]) -> list[int]:
    for item in items:
        if isinstance(item, Stored):
            assert item.payload == appended(item.seq)
    return accounted(items, next_seq)


def survives(log: Path, given_out: int) -> list[int]:
    """Opens a damaged log twice, writes to it, and returns the seqs that can still be read.

    `given_out` is the highest seq that anyone may have seen.
    """
    with Journal.open(log, "a") as writer:
        next_seq, losses = writer.next_seq("a"), writer.losses("a")
    items = everything(log)
    read = assert_truth(items, next_seq, record)
    assert next_seq > given_out
    with Journal.open(log, "a") as writer:
        assert (writer.next_seq("a"), writer.losses("a")) == (next_seq, losses)
        assert everything(log) == items
        assert writer.append("a", record(next_seq)) == next_seq
    assert everything(log) == [*items, Stored(next_seq, record(next_seq))]
    return read


# --- writing and reading ---------------------------------------------------------------------


def test_what_is_appended_is_read_in_order_across_restarts(log: Path) -> None:
    for start in (1, 4, 7):
        with Journal.open(log, "ah") as writer:
            assert writer.next_seq("a") == start
            for seq in range(start, start + 3):
                assert writer.append("a", record(seq)) == seq
            writer.append("h", b"other lane", sync=False)
            assert writer.losses("a") == []
    assert everything(log) == [Stored(seq, record(seq)) for seq in range(1, 10)]
    assert everything(log, "h") == [Stored(seq, b"other lane") for seq in (1, 2, 3)]
    assert names(log, "a-*") == ["a-00000000000000000001.seg"]


def test_a_full_segment_is_followed_by_one_named_by_its_first_seq(log: Path) -> None:
    big = bytes(8192)
    with Journal.open(log, "w") as writer:
        for _ in range(70):
            writer.append("w", big, sync=False)
    per_segment = (256 * 1024 - 36) // (8192 + 10)
    assert names(log, "w-*") == [f"w-{1 + k * per_segment:020d}.seg" for k in range(3)]
    assert all(path.stat().st_size <= 256 * 1024 for path in log.glob("w-*"))
    assert everything(log, "w") == [Stored(seq, big) for seq in range(1, 71)]


def test_overhead_at_120_bytes_is_below_a_tenth(log: Path) -> None:
    with Journal.open(log, "h") as writer:
        for _ in range(5000):
            writer.append("h", bytes(120), sync=False)
    assert sum(end_of(path.read_bytes()) for path in log.glob("h-*")) < 1.1 * 120 * 5000


def test_a_segment_has_its_size_from_the_first_moment_on(log: Path) -> None:
    with Journal.open(log, "h"):
        (path,) = log.glob("h-*")
        assert path.stat().st_size == 256 * 1024
        assert path.stat().st_blocks * 512 >= 256 * 1024  # reserved, not only promised


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("after", range(12))
def test_a_reader_starts_after_any_seq(log: Path, after: int) -> None:
    fill(log, 10)
    assert everything(log, after=after) == [Stored(s, record(s)) for s in range(after + 1, 11)]


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_a_reader_gives_no_more_than_asked_for_and_misses_nothing(log: Path, limit: int) -> None:
    fill(log, 20)
    with LaneReader(log, "a") as reader:
        chunks = []
        while chunk := reader.read(limit):
            assert len(chunk) <= limit
            chunks += chunk
            reader.close()  # in between it may let go of its file
        assert reader.next_seq == 21
    assert chunks == [Stored(seq, record(seq)) for seq in range(1, 21)]


@pytest.mark.usefixtures("short_segments")
def test_a_reader_waits_for_a_lane_that_does_not_exist_yet(log: Path) -> None:
    with LaneReader(log, "a") as reader:
        assert reader.read(9) == []
        with Journal.open(log, "s"):
            assert reader.read(9) == []
        with Journal.open(log, "a") as writer:
            assert reader.read(9) == []
            for seq in range(1, 30):
                writer.append("a", record(seq))
                assert reader.read(9) == [Stored(seq, record(seq))]
                assert reader.read(9) == []


@pytest.mark.parametrize("length", [0, 8193])
def test_a_record_that_does_not_fit_is_refused_and_costs_no_seq(log: Path, length: int) -> None:
    with Journal.open(log, "a") as writer:
        with pytest.raises(StoreError, match=f"{length} bytes; expected 1 to 8192"):
            writer.append("a", bytes(length))
        assert writer.append("a", b"x") == 1


def test_after_closing_an_append_says_so(log: Path) -> None:
    writer = Journal.open(log, "a")
    writer.append("a", b"x", sync=False)
    writer.close()
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        writer.append("a", b"y")
    assert everything(log) == [Stored(1, b"x")]


def test_a_log_that_cannot_be_a_directory_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    for attempt in (
        lambda: Journal.open(tmp_path / "log", "a"),
        lambda: LaneReader(tmp_path / "log", "a").read(1),
        lambda: journal.verify(tmp_path / "log"),
        lambda: journal.declared_losses(tmp_path / "log", "a"),
        lambda: list(journal.export(tmp_path / "log")),
    ):
        with pytest.raises(StoreError) as caught:
            attempt()
        assert "\n" not in str(caught.value)


# --- every cut, every flipped byte -----------------------------------------------------------


@pytest.fixture
def template(log: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Ten records in three short segments.

    Bytes are damaged and opened thousands of times here; the disk need not see it.
    """
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 130)
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)
    fill(log, 10)
    files = snapshot(log)
    assert len([name for name in files if name.endswith(".seg")]) == 3
    return files


SEGMENTS = [1, 5, 9]  # the first seqs of the template's segments


@pytest.mark.parametrize("first", SEGMENTS)
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_costs_what_it_hits_and_is_declared(
    log: Path, template: Files, first: int, mask: int
) -> None:
    name = f"a-{first:020d}.seg"
    inside = range(first, min(first + 4, 11))
    for position in range(end_of(template[name])):
        damaged = bytearray(template[name])
        damaged[position] ^= mask
        restore(log, template | {name: bytes(damaged)})
        read = survives(log, given_out=10)
        missing = set(range(1, 11)) - set(read)
        in_header = position < segment.HEADER_BYTES
        assert missing == set(inside) if in_header else len(missing) == 1
        assert missing <= set(inside)


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_of_another_file_costs_nothing(
    log: Path, template: Files, mask: int
) -> None:
    epoch = journal.read_epoch(log)
    for name in ("epoch", "a.lock"):
        for position in range(len(template[name])):
            damaged = bytearray(template[name])
            damaged[position] ^= mask
            restore(log, template | {name: bytes(damaged)})
            assert survives(log, given_out=10) == list(range(1, 11))
            assert journal.read_epoch(log) == epoch


def test_a_cut_in_the_last_write_costs_at_most_that_record(log: Path, template: Files) -> None:
    name = f"a-{9:020d}.seg"
    last = len(segment.make_frame(0, 10, record(10)))
    for cut in range(1, last + 1):
        restore(log, template | {name: template[name][: end_of(template[name]) - cut]})
        assert survives(log, given_out=9) == list(range(1, 10))


def test_a_last_segment_cut_anywhere_leaves_an_intact_prefix(log: Path, template: Files) -> None:
    name = f"a-{9:020d}.seg"
    ends = {36: 8, 36 + len(segment.make_frame(0, 9, record(9))): 9, end_of(template[name]): 10}
    for length in range(end_of(template[name]) + 1):
        restore(log, template | {name: template[name][:length]})
        whole = max((seq for end, seq in ends.items() if end <= length), default=8)
        # A file shorter than the header it began with has lost what nobody can count.
        given_out = whole if length >= segment.HEADER_BYTES else 10
        assert survives(log, given_out) == list(range(1, whole + 1))


def test_zeros_behind_the_end_are_written_over(log: Path, template: Files) -> None:
    name = f"a-{9:020d}.seg"
    restore(log, template | {name: template[name] + bytes(64)})
    assert survives(log, given_out=10) == list(range(1, 11))
    assert len(names(log, "a-*")) == 3


damages = st.lists(
    st.tuples(
        st.sampled_from(["epoch", *(f"a-{first:020d}.seg" for first in SEGMENTS)]),
        st.sampled_from(["flip", "cut", "zero", "garbage", "grow", "remove", "swap"]),
        st.integers(0, 150),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=5,
)


def spoil(log: Path, damage: tuple[str, str, int, int]) -> None:
    name, kind, at, byte = damage
    path = log / name
    if not path.exists():
        return
    data = bytearray(path.read_bytes())
    if kind == "flip" and at < len(data):
        data[at] ^= byte
    elif kind == "cut":
        del data[at:]
    elif kind == "zero":
        data[at : at + byte] = bytes(len(data[at : at + byte]))
    elif kind == "garbage":
        data[at : at + byte] = random.Random(at).randbytes(byte)
    elif kind == "grow":
        data += bytes([byte]) * at
    elif kind == "swap":
        data = bytearray((log / f"a-{SEGMENTS[at % 3]:020d}.seg").read_bytes())
    path.unlink() if kind == "remove" else path.write_bytes(data)


@given(damages=damages)
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_damage_whatever_yields_a_wrong_record_or_stops_an_opening(
    log: Path, template: Files, damages: list[tuple[str, str, int, int]]
) -> None:
    restore(log, template)
    for damage in damages:
        try:
            spoil(log, damage)
        except FileNotFoundError:
            continue  # a swap with a file that is removed
        journal.verify(log)
        everything(log)  # a reader without a writer must not fail either
    survives(log, given_out=0)
    assert journal.verify(log).lanes[0].next_seq > 0


@given(damages=st.lists(damages.map(lambda found: found[0]), max_size=3), rounds=st.just(3))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_flips_between_restarts_never_give_a_seq_twice(
    log: Path, template: Files, damages: list[tuple[str, str, int, int]], rounds: int
) -> None:
    restore(log, template)
    given_out = 10
    for k in range(rounds):
        for name, _, at, byte in damages[k : k + 1]:
            spoil(log, (name, "flip", at, byte))
        with Journal.open(log, "a") as writer:
            seq = writer.append("a", b"after damage")
        assert seq > given_out
        given_out = seq


def test_old_bytes_behind_the_end_of_a_reused_file_never_pass(log: Path, template: Files) -> None:
    first, last = f"a-{1:020d}.seg", f"a-{9:020d}.seg"
    restore(log, template | {last: template[last] + template[first][len(template[last]) :]})
    assert survives(log, given_out=10) == list(range(1, 11))
    restore(log, template | {last: template[last][:36] + template[first][36:]})
    assert survives(log, given_out=8) == list(range(1, 9))


def test_a_segment_that_is_a_directory_is_set_aside(log: Path) -> None:
    fill(log, 3)
    (log / f"a-{4:020d}.seg").mkdir()
    assert survives(log, given_out=3)[:3] == [1, 2, 3]
    assert names(log, "*.bad") == [f"a-{4:020d}.seg.bad"]


@pytest.mark.usefixtures("short_segments")
def test_an_unreadable_middle_is_told_as_lost_by_reader_and_writer(log: Path) -> None:
    fill(log, 10)
    (log / f"a-{5:020d}.seg").write_bytes(b"no header at all")
    expected = [
        *(Stored(seq, record(seq)) for seq in range(1, 5)),
        Lost(5, 8, "header"),
        *(Stored(seq, record(seq)) for seq in (9, 10)),
    ]
    assert everything(log) == expected
    with Journal.open(log, "a") as writer:
        assert writer.losses("a") == [Lost(5, 8, "header")]
        assert writer.next_seq("a") == 11
    assert everything(log) == expected
    (log / f"a-{5:020d}.seg").unlink()
    assert everything(log)[4] == Lost(5, 8, "missing")
    assert everything(log, after=6)[0] == Lost(7, 8, "missing")


def test_a_reader_waits_at_a_damaged_end_until_the_writer_declares_it(log: Path) -> None:
    fill(log, 3)
    cut_last_byte(log / f"a-{1:020d}.seg")
    with LaneReader(log, "a") as reader:
        assert reader.read(9) == [Stored(1, record(1)), Stored(2, record(2))]
        assert reader.read(9) == reader.read(9) == []
        with Journal.open(log, "a") as writer:
            next_seq = writer.next_seq("a")
            assert reader.read(9) == [Lost(3, next_seq - 1, "torn")] == writer.losses("a")
            writer.append("a", b"goes on")
            assert reader.read(9) == [Stored(next_seq, b"goes on")]


def test_a_reader_crosses_damage_that_a_living_writer_knows_nothing_of(log: Path) -> None:
    with Journal.open(log, "a") as writer, LaneReader(log, "a") as reader:
        for seq in (1, 2, 3):
            writer.append("a", record(seq))
        path = log / f"a-{1:020d}.seg"
        data = bytearray(path.read_bytes())
        data[end_of(data) - 1] ^= 1
        path.write_bytes(data)
        assert reader.read(9) == [Stored(1, record(1)), Stored(2, record(2))]
        assert reader.read(9) == []
        writer.append("a", record(4))
        assert reader.read(9) == [Lost(3, 3, "damaged"), Stored(4, record(4))]


# --- the epoch -------------------------------------------------------------------------------


def test_the_epoch_stays_until_nothing_is_left(log: Path) -> None:
    with Journal.open(log, "a") as writer:
        epoch = writer.epoch
        writer.append("a", b"x")
        with Journal.open(log, "s") as other:
            assert other.epoch == epoch
    (log / "epoch").unlink()
    assert everything(log) == [Stored(1, b"x")]
    with Journal.open(log, "s") as other:
        assert other.epoch == epoch == journal.read_epoch(log)
    shutil.rmtree(log)
    with Journal.open(log, "a") as writer:
        assert writer.epoch != epoch
        assert writer.next_seq("a") == 1


def test_a_segment_of_another_epoch_is_set_aside(log: Path, tmp_path: Path) -> None:
    fill(tmp_path / "other", 3)
    with Journal.open(log, "s"):
        pass
    shutil.copy(tmp_path / "other" / f"a-{1:020d}.seg", log)
    with Journal.open(log, "a") as writer:
        assert writer.next_seq("a") > 3
        assert [item.reason for item in writer.losses("a")] == ["header"]
    assert not [item for item in everything(log) if isinstance(item, Stored)]


OPEN_AND_TELL = """
import sys
from pathlib import Path
from agent.store.journal import Journal

print("ready", flush=True)
sys.stdin.readline()
with Journal.open(Path(sys.argv[1]), sys.argv[2]) as writer:
    writer.append(sys.argv[2], b"here")
    print(writer.epoch, flush=True)
"""


@pytest.mark.parametrize("left_over", ["nothing", "a damaged file", "a segment"])
def test_processes_that_start_at_once_agree_on_the_epoch(
    log: Path, start: Start, left_over: str
) -> None:
    if left_over != "nothing":
        fill(log, 1, "z")
        (log / "epoch").write_text("damaged")
    if left_over == "a damaged file":
        (log / f"z-{1:020d}.seg").unlink()
    processes = [start(OPEN_AND_TELL, str(log), lane) for lane in "abcdefgh"]
    for process in processes:
        assert line_of(process) == "ready"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    epochs = {line_of(process) for process in processes}
    for process in processes:
        assert process.wait(timeout=20) == 0
    assert epochs == {str(journal.read_epoch(log))}
    assert all(everything(log, lane) == [Stored(1, b"here")] for lane in "abcdefgh")


# --- one writer a lane, kills, followers -------------------------------------------------------


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a script in a process of its own, which is gone when the test is."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(script: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", script, *arguments]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate(timeout=20)


def line_of(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


HOLD = """
import sys
from pathlib import Path
from agent.store.journal import Journal

with Journal.open(Path(sys.argv[1]), "a"):
    print("open", flush=True)
    sys.stdin.readline()
"""


def test_a_second_writer_is_told_who_holds_the_lane_until_he_is_gone(
    log: Path, start: Start
) -> None:
    process = start(HOLD, str(log))
    assert line_of(process) == "open"
    with pytest.raises(StoreError, match=f"lane a is written by process {process.pid} "):
        Journal.open(log, "sa")
    with Journal.open(log, "s"):  # the refused opening let go of lane s again
        pass
    process.kill()
    process.wait(timeout=20)
    with Journal.open(log, "a"), pytest.raises(StoreError, match="expected one writer a lane"):
        Journal.open(log, "a")


WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from agent.store import journal, segment_files

segment_files.SEGMENT_BYTES = 2000
with journal.Journal.open(Path(sys.argv[1]), "a") as writer:
    while True:
        seq = writer.next_seq("a")
        writer.append("a", b"record %d" % seq + bytes(seq % 5), sync=seq % 3 > 0)
        sys.stdout.write("%d\\n" % seq)
        sys.stdout.flush()
"""


def test_a_killed_writer_loses_nothing_that_append_returned_for(
    log: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 2000)
    chance = random.Random(7)
    returned = 0
    for _ in range(15):
        process = start(WRITE_UNTIL_KILLED, str(log))
        assert process.stdout is not None
        for _ in range(chance.randint(1, 300)):
            returned = int(line_of(process))
        process.kill()
        for line in process.stdout.read().splitlines(keepends=True):
            if line.endswith(b"\n"):
                returned = int(line)
        process.wait(timeout=20)
        with Journal.open(log, "a") as writer:
            next_seq = writer.next_seq("a")
        assert set(assert_truth(everything(log), next_seq, record)) >= set(range(1, returned + 1))
    assert returned > 15
    assert len(names(log, "a-*.seg")) > 3


WRITE_MANY = """
import sys
from pathlib import Path
from agent.store import journal

with journal.Journal.open(Path(sys.argv[1]), "h") as writer:
    for seq in range(1, int(sys.argv[2]) + 1):
        writer.append("h", b"record %d" % seq + bytes(seq % 5) + bytes(100), sync=seq % 50 == 0)
"""


def test_a_follower_of_a_living_writer_sees_each_record_once(log: Path, start: Start) -> None:
    count = 20_000
    process = start(WRITE_MANY, str(log), str(count))
    items: list[Item] = []
    deadline = time.monotonic() + 60
    with LaneReader(log, "h") as reader:
        while len(items) < count and time.monotonic() < deadline:
            items += reader.read(97)
    assert process.wait(timeout=20) == 0
    assert items == [Stored(seq, record(seq) + bytes(100)) for seq in range(1, count + 1)]
    assert len(names(log, "h-*")) > 5


# --- a disk that refuses -----------------------------------------------------------------------


class Faults:
    """`os` as the store sees it, with a count of each call and refusals on demand."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refusing: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if not callable(real):
            return real

        def call(*arguments: Any, **more: Any) -> Any:
            self.calls.append(name)
            return self.refusing.get(name, real)(*arguments, **more)

        return call

    def refuse(self, name: str, number: int) -> None:
        def refusal(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        self.refusing[name] = refusal


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    faults = Faults()
    for module in (checkpoint, disk, identity, lane_writer, following, segment_files):
        monkeypatch.setattr(module, "os", faults)
    return faults


def test_a_synced_append_is_one_write_and_one_sync(log: Path, faults: Faults) -> None:
    with Journal.open(log, "a") as writer:
        faults.calls.clear()
        for _ in range(3):
            writer.append("a", b"x" * 120)
        assert faults.calls == ["pwrite", "fdatasync"] * 3
        faults.calls.clear()
        writer.append("a", b"x", sync=False)
        writer.append("a", b"x", sync=False)
        writer.sync()
        writer.sync()
        assert faults.calls == ["pwrite", "pwrite", "fdatasync"]


def test_a_group_is_one_write_and_one_sync_in_each_segment(log: Path, faults: Faults) -> None:
    with Journal.open(log, "a") as writer:
        faults.calls.clear()
        assert writer.append_group("a", [b"fault", b"why", b"blind"]) == range(1, 4)
        assert faults.calls == ["pwrite", "fdatasync"]
        assert writer.append_group("a", []) == range(4, 4)
        assert faults.calls == ["pwrite", "fdatasync"]
        assert writer.append_group("a", [bytes(8000)] * 70) == range(4, 74)
    assert [item.payload for item in everything(log) if isinstance(item, Stored)] == [
        *(b"fault", b"why", b"blind"),
        *([bytes(8000)] * 70),
    ]
    assert len(names(log, "a-*")) == 3


def test_a_group_of_which_one_does_not_fit_is_refused_as_a_whole(log: Path) -> None:
    with Journal.open(log, "a") as writer:
        with pytest.raises(StoreError, match="a record of 0 bytes"):
            writer.append_group("a", [b"good", b""])
        assert writer.next_seq("a") == 1


def test_of_a_group_that_is_cut_short_no_seq_comes_again(log: Path, faults: Faults) -> None:
    with Journal.open(log, "a") as writer, LaneReader(log, "a") as reader:
        faults.refusing["pwrite"] = short_write
        with pytest.raises(StoreError, match="No space left"):
            writer.append_group("a", [b"x", b"second", b"third"])
        # These were whole already, and are seen.
        assert reader.read(9) == [Stored(1, b"x"), Stored(2, b"second")]
        faults.refusing.clear()
        assert writer.append("a", b"next") == 4
        assert reader.read(9) == [Lost(3, 3, "write_failed"), Stored(4, b"next")]


APPEND_TEN = """
import sys
from pathlib import Path
from agent.store.journal import Journal

with Journal.open(Path(sys.argv[1]), "a") as writer:
    sys.stdin.readline()
    for _ in range(10):
        writer.append("a", b"x" * 120)
    sys.stdin.readline()
"""


def test_the_kernel_sees_two_calls_for_each_synced_append(log: Path, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed; the calls are counted at Python's os above")
    command = [strace, "-o", str(tmp_path / "trace"), sys.executable, "-c", APPEND_TEN, str(log)]
    done = subprocess.run(
        command, cwd=ROOT, input=b"\n\n", capture_output=True, timeout=60, check=False
    )
    if b"ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr.decode()
    trace = (tmp_path / "trace").read_text().splitlines()
    calls = [match[1] for line in trace if (match := re.match(r"(\w+)\(", line))]
    first, last = calls.index("pwrite64"), len(calls) - calls[::-1].index("fdatasync")
    # The first write of all is the epoch's, the second the header's; reads of stdin come before.
    assert calls[first:last][-20:] == ["pwrite64", "fdatasync"] * 10


def test_an_idle_follower_asks_twice_and_reads_nothing(
    log: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(log, 500)
    monkeypatch.setattr(following, "SETTLES_NS", 0)
    with LaneReader(log, "a") as reader:
        assert len(reader.read(1000)) == 500
        reader.read(1)
        faults.calls.clear()
        assert reader.read(1) == []
        assert faults.calls == ["fstat"]  # besides one stat of the directory


def test_what_a_follower_hands_out_is_on_disk(log: Path, faults: Faults) -> None:
    with Journal.open(log, "h") as writer, LaneReader(log, "h") as reader:
        writer.append("h", b"x", sync=False)
        faults.calls.clear()
        assert reader.read(1) == [Stored(1, b"x")]
        assert "fdatasync" in faults.calls
        faults.refuse("fdatasync", errno.EIO)
        writer.append("h", b"y", sync=False)
        with pytest.raises(StoreError, match="Input/output"):
            reader.read(1)
        faults.refuse("fdatasync", errno.EROFS)  # a copy on a desk, mounted read-only
        assert reader.read(1) == [Stored(2, b"y")]
        faults.refusing.clear()


def test_a_frame_half_visible_while_it_is_written_is_no_damage(log: Path, faults: Faults) -> None:
    fill(log, 4)
    torn = bytearray((log / f"a-{1:020d}.seg").read_bytes())
    torn[segment.HEADER_BYTES + 12] ^= 0xFF

    def first_read(fd: int, size: int, at: int) -> bytes:
        if at < segment.HEADER_BYTES:
            return os.pread(fd, size, at)
        del faults.refusing["pread"]
        return bytes(torn[at : at + size])

    faults.refusing["pread"] = first_read
    with LaneReader(log, "a") as reader:
        items = reader.read(9) + reader.read(9)
    assert items == [Stored(seq, record(seq)) for seq in range(1, 5)]


LIMITED = """
import resource
import sys
from pathlib import Path
from agent.errors import StoreError
from agent.store.journal import Journal

hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
with Journal.open(Path(sys.argv[1]), "a") as writer:
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        while True:
            writer.append("a", b"%030d" % writer.next_seq("a"), sync=False)
    except StoreError as error:
        print(error, flush=True)
    for _ in range(3):
        try:
            writer.append("a", b"%030d" % writer.next_seq("a"))
        except StoreError:
            print("still", flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for _ in range(5):
        print(writer.append("a", b"%030d" % writer.next_seq("a")), flush=True)
"""


def test_a_real_short_write_costs_no_seq_and_poisons_nothing(log: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(log)],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    refusal, *rest = done.stdout.decode().splitlines()
    assert refusal == f"{log}: lane a cannot be written (File too large)"
    fitted = (5000 - 36) // 40
    assert (5000 - 36) % 40 != 0  # so that the last write was a short one
    assert rest == ["still"] * 3 + [str(fitted + k) for k in range(1, 6)]
    assert everything(log) == [Stored(seq, b"%030d" % seq) for seq in range(1, fitted + 6)]
    assert journal.verify(log).ok


@pytest.mark.usefixtures("short_segments")
def test_an_interruption_in_the_middle_of_a_write_spends_the_seq(log: Path, faults: Faults) -> None:
    def interrupted(fd: int, data: bytes, at: int) -> int:
        os.pwrite(fd, data, at)
        raise KeyboardInterrupt

    with Journal.open(log, "a") as writer, LaneReader(log, "a") as reader:
        faults.refusing["pwrite"] = interrupted
        with pytest.raises(KeyboardInterrupt):
            writer.append("a", b"seen by a follower")
        assert reader.read(9) == [Stored(1, b"seen by a follower")]
        faults.refusing.clear()
        assert writer.append("a", b"next") == 2
        assert reader.read(9) == [Stored(2, b"next")]
        faults.refusing["pwrite"] = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            writer.append("a", b"never written")
        faults.refusing.clear()
        assert writer.append("a", b"next") == 4
        assert reader.read(9) == [Lost(3, 3, "write_failed"), Stored(4, b"next")]


def short_write(fd: int, data: bytes, at: int) -> int:
    """The disk takes half of a frame and no more."""
    if len(data) < 12:
        raise OSError(errno.ENOSPC, "No space left on device")
    return os.pwrite(fd, data[:11], at)


@pytest.mark.usefixtures("short_segments")
def test_a_part_that_cannot_be_taken_back_is_left_behind_in_its_segment(
    log: Path, faults: Faults
) -> None:
    with Journal.open(log, "a") as writer, LaneReader(log, "a") as reader:
        writer.append("a", b"one")
        faults.refusing["pwrite"] = short_write
        faults.refuse("ftruncate", errno.EIO)
        with pytest.raises(StoreError, match="No space left"):
            writer.append("a", b"never" * 4)
        with pytest.raises(StoreError, match="cannot begin a segment"):
            writer.append("a", b"never" * 4)
        assert writer.losses("a") == [Lost(2, 2, "write_failed")]
        assert reader.read(9) == [Stored(1, b"one")]
        faults.refusing.clear()
        assert writer.append("a", b"three") == 3
        assert reader.read(9) == [Lost(2, 2, "write_failed"), Stored(3, b"three")]
        assert writer.losses("a") == [Lost(2, 2, "write_failed")]
    with Journal.open(log, "a") as writer:
        assert writer.next_seq("a") == 4
    assert names(log, "a-*") == [f"a-{1:020d}.seg", f"a-{3:020d}.seg"]


def test_after_a_failed_sync_the_segment_is_left_and_its_seqs_are_spent(
    log: Path, faults: Faults
) -> None:
    with Journal.open(log, "ah") as writer:
        writer.append("a", b"one")
        writer.append("a", b"two", sync=False)
        writer.append("h", b"history", sync=False)
        faults.refuse("fdatasync", errno.EIO)
        with pytest.raises(StoreError, match="cannot be brought to disk"):
            writer.append("a", b"three")
        faults.refusing.clear()
        assert writer.append("a", b"four") == 4
        assert writer.losses("a") == [Lost(2, 3, "write_failed")]  # nobody knows
    kept = [Stored(seq, data) for seq, data in enumerate((b"one", b"two", b"three", b"four"), 1)]
    assert everything(log) == kept  # this time the page cache has brought them through
    first = log / f"a-{1:020d}.seg"
    first.write_bytes(first.read_bytes()[: 36 + 13])  # and this time it has not
    assert everything(log) == [kept[0], Lost(2, 3, "write_failed"), kept[3]]


def test_sync_tries_every_lane_before_it_complains(log: Path, faults: Faults) -> None:
    with Journal.open(log, "ah") as writer:
        for lane in "ah":
            writer.append(lane, b"x", sync=False)
        faults.refuse("fdatasync", errno.EIO)
        faults.calls.clear()
        with pytest.raises(StoreError):
            writer.sync()
        assert faults.calls.count("fdatasync") == 2
        faults.refusing.clear()


def test_a_full_disk_does_not_keep_a_torn_log_from_opening(log: Path, faults: Faults) -> None:
    fill(log, 3)
    cut_last_byte(log / f"a-{1:020d}.seg")
    faults.refuse("pwrite", errno.ENOSPC)
    with Journal.open(log, "a") as writer:
        next_seq = writer.next_seq("a")
        assert writer.losses("a") == [Lost(3, next_seq - 1, "torn")]
        with pytest.raises(StoreError, match="No space left"):
            writer.append("a", b"x")
        faults.refusing.clear()
        assert writer.append("a", b"x") == next_seq
        assert writer.losses("a") == [Lost(3, next_seq - 1, "torn")]
    assert names(log, "*.spare") == []


def test_a_disk_that_refuses_otherwise_stops_the_opening_and_lets_go(
    log: Path, faults: Faults
) -> None:
    fill(log, 3)
    faults.refuse("fdatasync", errno.EIO)
    with pytest.raises(StoreError, match=r"the log cannot be opened \(Input/output error\)"):
        Journal.open(log, "sa")
    faults.refusing.clear()
    with Journal.open(log, "sa") as writer:
        assert writer.next_seq("a") == 4


@pytest.mark.usefixtures("short_segments")
def test_a_new_segment_counts_only_when_its_name_is_on_disk(log: Path, faults: Faults) -> None:
    with Journal.open(log, "a") as writer:
        for seq in range(1, 5):
            writer.append("a", record(seq))
        faults.refuse("fsync", errno.EIO)  # of the new file
        with pytest.raises(StoreError, match="cannot begin a segment"):
            writer.append("a", record(5))
        refused_once = iter([True])

        def directory_only(fd: int) -> None:
            if os.fstat(fd).st_mode & 0o040000 and next(refused_once, False):
                raise OSError(errno.EIO, "Input/output error")
            os.fsync(fd)

        faults.refusing["fsync"] = directory_only
        with pytest.raises(StoreError, match="cannot list its new segment"):
            writer.append("a", record(5))
        faults.calls.clear()
        assert writer.append("a", record(5)) == 5
        assert faults.calls.count("fsync") == 1
    assert everything(log) == [Stored(seq, record(seq)) for seq in range(1, 6)]


@pytest.mark.usefixtures("short_segments")
def test_a_medium_that_refuses_bytes_costs_those_and_no_more(log: Path, faults: Faults) -> None:
    fill(log, 10)
    bad_from = segment.HEADER_BYTES + len(segment.make_frame(0, 5, record(5)))

    def bad_sector(fd: int, size: int, at: int) -> bytes:
        if Path(f"/proc/self/fd/{fd}").readlink().name != f"a-{5:020d}.seg":
            return os.pread(fd, size, at)
        if at >= bad_from:
            raise OSError(errno.EIO, "Input/output error")
        return os.pread(fd, min(size, bad_from - at), at)

    faults.refusing["pread"] = bad_sector
    assert everything(log) == [
        *(Stored(seq, record(seq)) for seq in range(1, 6)),
        Lost(6, 8, "damaged"),
        *(Stored(seq, record(seq)) for seq in (9, 10)),
    ]
    (log / f"a-{9:020d}.seg").unlink()
    with Journal.open(log, "a") as writer:
        assert writer.next_seq("a") > 8
        assert writer.losses("a")[0].first <= 6


# --- power cuts --------------------------------------------------------------------------------


class Disk:
    """What would be left of each file if power went now: its bytes as of the last sync."""

    def __init__(self, faults: Faults) -> None:
        self.kept: dict[int, bytes] = {}  # by inode, since files change their names
        for name in ("fsync", "fdatasync"):
            faults.refusing[name] = self.sync

    def sync(self, fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if path.is_file():
            self.kept[path.stat().st_ino] = path.read_bytes()

    def cut(self, log: Path, chance: random.Random) -> None:
        """Of what was written since the last sync the disk keeps as much as it likes."""
        for path in log.iterdir():
            data, synced = path.read_bytes(), self.kept.get(path.stat().st_ino, b"")
            if path.suffix == ".seg":  # what is on disk is written to no more, only behind it
                assert data.startswith(synced.rstrip(b"\0"))
            written = chance.randint(0, len(data))
            with path.open("r+b") as file:  # the same inode
                file.write(data[:written] + synced[written : len(data)])
                file.truncate()


@given(
    steps=st.lists(
        st.lists(st.sampled_from(["append", "synced", "sync", "read", "read1"]), max_size=12),
        min_size=1,
        max_size=4,
    ),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.usefixtures("short_segments")
def test_after_power_cuts_no_seq_that_was_seen_comes_again_with_other_content(
    tmp_path: Path, faults: Faults, steps: list[list[str]], seed: int
) -> None:
    log = tmp_path / "log"
    shutil.rmtree(log, ignore_errors=True)
    chance = random.Random(seed)
    disk = Disk(faults)
    seen: dict[int, bytes] = {}
    durable: dict[int, bytes] = {}
    for life, actions in enumerate(steps):
        writer = Journal.open(log, "a")
        reader = LaneReader(log, "a")
        given: dict[int, bytes] = {}
        for action in actions:
            if action in ("append", "synced"):
                payload = b"life %d, %d" % (life, chance.randrange(1000))
                given[writer.append("a", payload, sync=action == "synced")] = payload
            elif action == "sync":
                writer.sync()
            else:
                for item in reader.read(1 if action == "read1" else 99):
                    if isinstance(item, Stored):
                        assert seen.setdefault(item.seq, item.payload) == item.payload
            if action in ("synced", "sync"):
                durable |= given
        for lane in writer._lanes.values():  # power goes: nobody closes or syncs anything
            lane.release()
        reader.close()
        disk.cut(log, chance)
    with Journal.open(log, "a") as writer:
        next_seq = writer.next_seq("a")
    assert next_seq > max([0, *seen, *durable])
    items = everything(log)
    accounted(items, next_seq)
    stored = {item.seq: item.payload for item in items if isinstance(item, Stored)}
    assert stored.items() >= seen.items()
    assert stored.items() >= durable.items()


# --- the end of a lane ---


@pytest.mark.usefixtures("short_segments")
def test_the_next_seq_is_found_without_a_reader(log: Path) -> None:
    assert journal.next_seq(log, "a") == 1
    for count in (3, 9):
        fill(log, count) if count == 3 else None
        with Journal.open(log, "a") as writer:
            assert journal.next_seq(log, "a") == writer.next_seq("a")
            seq = writer.append("a", b"more", sync=False)
            assert journal.next_seq(log, "a") == seq + 1
    assert journal.next_seq(log, "h") == 1


@pytest.mark.usefixtures("short_segments")
def test_newest_first_is_the_reading_backwards(log: Path) -> None:
    assert list(journal.newest_first(log, "a")) == []
    fill(log, 23)
    assert list(journal.newest_first(log, "a")) == everything(log)[::-1]
    (log / f"a-{9:020d}.seg").write_bytes(b"no header")
    with Journal.open(log, "a"):
        assert list(journal.newest_first(log, "a")) == everything(log)[::-1]
    assert next(iter(journal.newest_first(log, "a"))) == Stored(23, record(23))


# --- verify, export ------------------------------------------------------------------------------


@pytest.mark.usefixtures("short_segments")
def test_verify_counts_what_is_there_and_finds_nothing_in_a_sound_log(log: Path) -> None:
    fill(log, 10)
    fill(log, 2, "s")
    report = journal.verify(log)
    assert report.ok
    assert report.epoch == journal.read_epoch(log)
    told = [(x.lane, x.segments, x.records, x.first_seq, x.next_seq) for x in report.lanes]
    assert told == [("a", 3, 10, 1, 11), ("s", 1, 2, 1, 3)]
    assert report.lanes[0].size_bytes == sum(path.stat().st_size for path in log.glob("a-*"))
    assert report.lanes[0].losses == ()
    assert report.lanes[0].problems == ()


@pytest.mark.parametrize(
    ("place", "losses", "problem"),
    [
        pytest.param(("epoch", 0), (), None, id="epoch"),
        pytest.param(
            (f"a-{5:020d}.seg", 40), (Lost(5, 5, "damaged"),), "seq 5 to 5: damaged", id="record"
        ),
        pytest.param(
            (f"a-{5:020d}.seg", 3),
            (Lost(5, 8, "header"),),
            f"a-{5:020d}.seg: no intact header",
            id="middle-header",
        ),
        pytest.param(
            (f"a-{9:020d}.seg", 3), (), f"a-{9:020d}.seg: no intact header", id="last-header"
        ),
        pytest.param(
            (f"a-{9:020d}.seg", -1),
            (),
            f"a-{9:020d}.seg: torn, up to 2 records cannot be read at its end",
            id="last-record",
        ),
    ],
)
def test_verify_says_what_is_wrong_before_a_writer_has_opened(
    log: Path,
    template: Files,
    place: tuple[str, int],
    losses: tuple[Lost, ...],
    problem: str | None,
) -> None:
    name, at = place
    data = bytearray(template[name])
    data[at if at >= 0 else end_of(data) + at] ^= 0xFF
    (log / name).write_bytes(data)
    report = journal.verify(log)
    assert not report.ok
    assert report.lanes[0].losses == losses
    assert report.lanes[0].problems == (() if problem is None else (problem,))
    assert report.problems == (() if name != "epoch" else ("epoch: cannot be read",))


def test_a_declared_loss_is_history_and_no_problem(log: Path) -> None:
    fill(log, 3)
    cut_last_byte(log / f"a-{1:020d}.seg")
    assert not journal.verify(log).ok
    with Journal.open(log, "a") as writer:
        declared = tuple(writer.losses("a"))
    report = journal.verify(log)
    assert report.ok
    assert report.lanes[0].losses == declared
    assert journal.declared_losses(log, "a") == list(declared)


@pytest.mark.usefixtures("short_segments")
def test_when_the_oldest_segments_are_gone_the_rest_is_sound(log: Path) -> None:
    fill(log, 10)
    assert journal.lowest_seq(log, "a") == 1
    (log / f"a-{1:020d}.seg").unlink()
    assert journal.lowest_seq(log, "a") == 5
    report = journal.verify(log)
    assert report.ok
    assert (report.lanes[0].first_seq, report.lanes[0].records) == (5, 6)
    assert everything(log)[0] == Lost(1, 4, "missing")


@pytest.mark.usefixtures("short_segments")
def test_export_gives_lane_by_lane_what_is_there(log: Path) -> None:
    fill(log, 6)
    fill(log, 2, "s")
    exported = list(journal.export(log, "sax"))
    assert [(lane, item.seq) for lane, item in exported if isinstance(item, Stored)] == [
        *(("s", seq) for seq in (1, 2)),
        *(("a", seq) for seq in range(1, 7)),
    ]
    assert [lane for lane, _ in journal.export(log, "sa", after=5)] == ["a"]
    assert list(journal.export(log)) == list(journal.export(log, "as"))
