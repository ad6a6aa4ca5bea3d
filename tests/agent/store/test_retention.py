"""Which segments go, what is said about it, and what a crash in the middle of it leaves."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import StoreError
from agent.store import journal, removal, retention, segment, segment_files
from agent.store.cursors import Cursors, acknowledged
from agent.store.journal import Item, Journal, LaneReader, Limits, Lost, Stored

SHORT = 130  # bytes of a segment that holds some four records
CALLS = ("open", "pwrite", "fsync", "fdatasync", "ftruncate", "posix_fallocate", "rename",
         "replace", "unlink")  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", SHORT)


def record(lane: str, seq: int) -> bytes:
    return b"%s %08d" % (lane.encode(), seq) + bytes(seq % 7)


def at_most(**segments: int) -> Limits:
    return Limits({lane: count * SHORT for lane, count in segments.items()})


def everyone(_epoch: int, _lane: str) -> int:
    return 1 << 62


def fill(log: Path, lane: str, count: int, **options: Any) -> None:
    with Journal.open(log, lane, **options) as writer:
        for _ in range(count):
            writer.append(lane, record(lane, writer.next_seq(lane)))


def everything(log: Path, lane: str, after: int = 0) -> list[Item]:
    with LaneReader(log, lane, after=after) as reader:
        items: list[Item] = []
        while more := reader.read(100):
            items += more
        return items


def assert_accounted(items: list[Item], lane: str, next_seq: int) -> None:
    """Each seq comes once, as what was appended or as lost."""
    expected = 1
    for item in items:
        if isinstance(item, Stored):
            assert item == Stored(expected, record(lane, expected))
            expected += 1
        else:
            assert item.first == expected <= item.last
            expected = item.last + 1
    assert expected == next_seq


def test_a_lane_keeps_its_quota_and_says_what_it_gave_up(log: Path) -> None:
    fill(log, "h", 100, limits=at_most(h=3))
    files = segment_files.files(log, "h")
    assert len(files) == 3
    lowest = files[0].first_seq
    assert journal.lowest_seq(log, "h") == lowest > 80
    assert journal.declared_losses(log, "h") == [Lost(1, lowest - 1, "quota")]
    items = everything(log, "h")
    assert items[0] == Lost(1, lowest - 1, "quota")
    assert_accounted(items, "h", 101)
    assert everything(log, "h", after=lowest - 5)[0] == Lost(lowest - 4, lowest - 1, "quota")


def test_what_everyone_has_acknowledged_is_removed_and_not_lost(log: Path) -> None:
    fill(log, "h", 100, limits=at_most(h=3), acknowledged=everyone)
    assert journal.lowest_seq(log, "h") > 80
    assert journal.declared_losses(log, "h") == []
    report = journal.verify(log)
    assert report.ok
    assert report.lanes[0].losses == ()
    assert report.lanes[0].removed.segments > 20
    assert report.lanes[0].removed.quota_bytes == 3 * SHORT


def test_only_what_lies_beyond_the_acknowledged_mark_is_lost(log: Path) -> None:
    fill(log, "a", 40, limits=at_most(a=3), acknowledged=lambda _epoch, _lane: 10)
    lowest = journal.lowest_seq(log, "a")
    assert journal.declared_losses(log, "a") == [Lost(11, lowest - 1, "quota")]
    fill(log, "a", 40, limits=at_most(a=3), acknowledged=everyone)
    assert journal.declared_losses(log, "a") == [Lost(11, lowest - 1, "quota")]


def test_the_marks_that_link_keeps_are_what_counts(log: Path, tmp_path: Path) -> None:
    with Journal.open(log, "a") as writer:
        epoch = writer.epoch
    path = tmp_path / "cursors"
    assert acknowledged(path, ("one", "two"), epoch, "a") == 0
    marks = Cursors(path, epoch=epoch)
    marks.advance("one", "a", 30)
    marks.advance("two", "a", 20)
    marks.advance("two", "h", 9)
    marks.save()
    before = path.read_bytes()
    assert acknowledged(path, ("one", "two"), epoch, "a") == 20
    assert acknowledged(path, ("one", "two"), epoch, "h") == 0
    assert acknowledged(path, (), epoch, "a") == 0
    assert acknowledged(path, ("one",), epoch + 1, "a") == 0
    assert path.read_bytes() == before
    path.unlink()
    path.mkdir()
    assert acknowledged(path, ("one",), epoch, "a") == 0


def test_ranges_that_are_told_are_bounded(log: Path) -> None:
    removed = removal.Removed()
    for k in range(1, 100):
        removed = removed.and_up_to(k * 10, acknowledged=k * 10 - 5, quota_bytes=1)
    assert len(removed.unacknowledged) == removal.MOST_RANGES
    assert removed.unacknowledged[-1] == (986, 990)
    log.mkdir()
    removal.declare(log, "a", removed)
    assert removal.read(log, "a") == removed


@pytest.mark.parametrize("place", range(0, 90, 3))
@pytest.mark.parametrize("slots", [(0,), (4096,), (0, 4096)])
def test_a_damaged_declaration_costs_the_reason_only(
    log: Path, place: int, slots: tuple[int, ...]
) -> None:
    fill(log, "h", 30, limits=at_most(h=2))
    path = log / "h.removed"
    data = bytearray(path.read_bytes())
    for slot in slots:
        data[slot + place] ^= 0x11
    path.write_bytes(data)
    items = everything(log, "h")
    assert_accounted(items, "h", 31)
    assert isinstance(items[0], Lost)
    assert items[0].reason in ("missing", "quota")
    fill(log, "h", 30, limits=at_most(h=2))
    assert_accounted(everything(log, "h"), "h", 61)


# --- the disk --------------------------------------------------------------------------------


class Free:
    """A file system of so many bytes, of which the log is the only user."""

    def __init__(self, log: Path, size: int) -> None:
        self.log, self.size = log, size

    def __call__(self, _path: Path) -> Any:
        used = sum(path.stat().st_size for path in self.log.glob("*.s*"))

        class State:
            f_frsize = 1
            f_bavail = self.size - used

        return State


def test_below_the_floor_waveforms_go_first_and_alarms_last(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", Free(log, 14 * SHORT))
    limits = Limits(free_floor_bytes=2 * SHORT)
    with Journal.open(log, "ahw", limits=limits) as writer:
        for lane in "wha":
            for _ in range(16):
                writer.append(lane, record(lane, writer.next_seq(lane)), sync=False)
        counts = {lane: len(segment_files.files(log, lane)) for lane in "ahw"}
        assert counts == {"a": 4, "h": 4, "w": 4} or sum(counts.values()) <= 13
        for _ in range(40):
            writer.append("a", record("a", writer.next_seq("a")))
        assert journal.declared_losses(log, "w") != []
        assert len(segment_files.files(log, "w")) == 1
        assert len(segment_files.files(log, "h")) == 1
        lost = journal.declared_losses(log, "a")
        assert lost == [Lost(1, journal.lowest_seq(log, "a") - 1, "quota")]
    for lane in "ahw":
        assert_accounted(everything(log, lane), lane, journal.next_seq(log, lane))


def test_received_history_goes_before_waveforms_that_nobody_has(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(log, "w", 20)
    fill(log, "h", 20)
    monkeypatch.setattr(os, "statvfs", Free(log, 0))
    received = {"h": 1 << 62}
    with Journal.open(
        log, "ahw", limits=Limits(free_floor_bytes=1), acknowledged=lambda _, e: received.get(e, 0)
    ) as writer:
        kept = len(segment_files.files(log, "w"))
        for _ in range(8):
            writer.append("a", record("a", writer.next_seq("a")))
        assert len(segment_files.files(log, "w")) == kept
    assert journal.declared_losses(log, "h") == []


class Refusing:
    """`posix_fallocate` of a disk on which nothing new fits until something was given up."""

    def __init__(self, log: Path) -> None:
        self.log, self.most = log, len(list(log.glob("*.s*")))

    def __call__(self, fd: int, _at: int, size: int) -> None:
        if len(list(self.log.glob("*.s*"))) > self.most:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.ftruncate(fd, size)


def test_a_full_disk_takes_from_history_what_an_alarm_needs(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(log, "h", 20)
    fill(log, "a", 1)
    with Journal.open(log, "ah") as writer:
        monkeypatch.setattr(os, "posix_fallocate", Refusing(log))
        for _ in range(10):
            writer.append("a", record("a", writer.next_seq("a")))
    assert_accounted(everything(log, "a"), "a", 12)
    assert_accounted(everything(log, "h"), "h", 21)
    assert journal.declared_losses(log, "a") == []
    assert [loss.reason for loss in journal.declared_losses(log, "h")] == ["quota"]


def test_a_disk_that_goes_on_refusing_costs_one_segment_and_no_more(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(log, "h", 40)
    before = len(segment_files.files(log, "h"))
    with Journal.open(log, "h", limits=at_most(h=before)) as writer:

        def refusal(*_: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(os, "posix_fallocate", refusal)
            for _ in range(20):
                with pytest.raises(StoreError):
                    while True:
                        writer.append("h", record("h", writer.next_seq("h")))
        assert len(segment_files.files(log, "h")) == before - 1
        seq = writer.append("h", record("h", writer.next_seq("h")))
    assert_accounted(everything(log, "h"), "h", seq + 1)


def test_a_disk_that_stays_full_whatever_is_given_up_does_not_eat_the_log(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(log, "h", 80)
    before = len(segment_files.files(log, "h"))
    assert before > retention.MOST_IN_VAIN + 2

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Journal.open(log, "h") as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "posix_fallocate", full)
            for _ in range(40):
                with pytest.raises(StoreError, match="No space left"):
                    while True:
                        writer.append("h", record("h", writer.next_seq("h")))
        assert len(segment_files.files(log, "h")) == before - retention.MOST_IN_VAIN
        seq = writer.append("h", record("h", writer.next_seq("h")))
    assert_accounted(everything(log, "h"), "h", seq + 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    command = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_on_a_real_full_disk_alarms_go_on_and_nothing_is_half_written(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 256 * 1024)
    log = small_disk / "log"
    refusals = 0
    with Journal.open(log, "ahw") as writer:
        for lane in "whwha":
            for _ in range(4000):
                try:
                    writer.append(lane, record(lane, writer.next_seq(lane)) + bytes(200))
                except StoreError as error:
                    assert "No space left" in str(error)
                    refusals += 1
        (small_disk / "somebody else's").write_bytes(bytes(shutil.disk_usage(small_disk).free))
        for _ in range(9000):
            writer.append("a", record("a", writer.next_seq("a")) + bytes(200))
    assert refusals == 0  # room was made each time
    for lane in "ahw":
        items = everything(log, lane)
        assert isinstance(items[0], Lost)
        assert items[0].reason == "quota"
        stored = [item for item in items if isinstance(item, Stored)]
        assert [item.payload for item in stored] == [
            record(lane, item.seq) + bytes(200) for item in stored
        ]
        assert stored[-1].seq + 1 == journal.next_seq(log, lane)
        assert stored[0].seq == items[0].last + 1
    assert journal.verify(log).ok


# --- crashes ---------------------------------------------------------------------------------


class Crash(BaseException):
    """The process is gone."""


class Mortal:
    """Counts the calls that change the disk, and dies at the one chosen."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count, self.dies_at = 0, -1
        self.half = False
        self.open_files: set[int] = set()
        real_open, real_close = os.open, os.close

        def opened(*arguments: Any, **more: Any) -> int:
            fd = real_open(*arguments, **more)
            self.open_files.add(fd)
            return fd

        def close(fd: int) -> None:
            self.open_files.discard(fd)
            real_close(fd)

        patch.setattr(os, "open", opened)
        patch.setattr(os, "close", close)
        for name in ("fsync", "fdatasync"):  # thousands of times; a process that dies needs none
            patch.setattr(os, name, lambda _: None)
        for name in CALLS:
            patch.setattr(os, name, self._mortal(getattr(os, name), name))

    def bury(self) -> None:
        """What the kernel does for a dead process."""
        for fd in list(self.open_files):
            os.close(fd)

    def _mortal(self, real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            if self.dies_at >= 0 and self.count > self.dies_at:
                if self.half and name == "pwrite" and self.count == self.dies_at + 1:
                    fd, data, at = arguments
                    real(fd, data[: len(data) // 2], at)
                raise Crash
            return real(*arguments, **more)

        return call


@pytest.mark.parametrize("half", [False, True])
def test_a_death_at_any_call_of_a_reuse_loses_nothing_that_was_kept(
    log: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    limits = at_most(a=3, h=2)

    def history() -> None:
        with Journal.open(log, "ah", limits=limits) as writer:
            for _ in range(16):
                for lane in "ah":
                    seq = writer.append(lane, record(lane, writer.next_seq(lane)))
                    returned[lane] = seq

    returned: dict[str, int] = {}
    with monkeypatch.context() as patch:
        mortal = Mortal(patch)
        history()
        calls = mortal.count
    assert calls > 120
    for dies_at in range(calls):
        shutil.rmtree(log)
        returned.clear()
        with monkeypatch.context() as patch:
            mortal = Mortal(patch)
            mortal.dies_at, mortal.half = dies_at, half
            with pytest.raises(Crash):
                history()
            mortal.bury()
        for lane in "ah":  # as a process that starts anew finds it
            check_after_crash(log, lane, returned.get(lane, 0), limits, half=half)


def check_after_crash(log: Path, lane: str, given: int, limits: Limits, *, half: bool) -> None:
    if log.is_dir():
        for item in everything(log, lane):
            assert not isinstance(item, Stored) or item.payload == record(lane, item.seq)
    with Journal.open(log, lane, limits=limits) as writer:
        next_seq = writer.next_seq(lane)
        assert next_seq > given
        assert writer.append(lane, record(lane, next_seq)) == next_seq
    items = everything(log, lane)
    stored = [item for item in items if isinstance(item, Stored)]
    assert [item.payload for item in stored] == [record(lane, item.seq) for item in stored]
    lowest = journal.lowest_seq(log, lane)
    # Everything that append returned for is there, from the lowest seq on.
    assert {item.seq for item in stored} >= {*range(lowest, given + 1), next_seq}
    reasons = {item.reason for item in items if isinstance(item, Lost)}
    assert reasons <= ({"quota", "torn"} if half else {"quota"})
    assert not [path for path in log.glob(f"{lane}-*") if path.suffix != ".seg"]


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["append", "group", "acknowledge", "reopen", "cut"]),
            st.sampled_from("ahw"),
            st.integers(1, 12),
        ),
        max_size=40,
    )
)
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_history_of_appends_and_reuse_ever_shows_an_old_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, str, int]]
) -> None:
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)
    log = tmp_path / "log"
    shutil.rmtree(log, ignore_errors=True)
    marks = dict.fromkeys("ahw", 0)
    limits = at_most(a=4, h=3, w=2)
    options: dict[str, Any] = {"limits": limits, "acknowledged": lambda _, lane: marks[lane]}
    settled = dict.fromkeys("ahw", 0)
    writer = Journal.open(log, "ahw", **options)
    for what, lane, count in steps:
        if what == "append":
            for _ in range(count):
                settled[lane] = writer.append(lane, record(lane, writer.next_seq(lane)))
        elif what == "group":
            first = writer.next_seq(lane)
            group = [record(lane, seq) for seq in range(first, first + min(count, 3))]
            settled[lane] = writer.append_group(lane, group)[-1]
        elif what == "acknowledge":
            marks[lane] = max(marks[lane], settled[lane] - count)
        else:
            writer.close()
            if what == "cut":  # an unfinished frame stands at the lane's end
                tear(log, lane, settled[lane] + 1, count)
            writer = Journal.open(log, "ahw", **options)
        for each in "ahw":
            check_history(log, each, writer.next_seq(each), settled[each], marks[each])
    writer.close()
    assert journal.verify(log).ok


def tear(log: Path, lane: str, seq: int, count: int) -> None:
    file = segment_files.files(log, lane)[-1]
    data = bytearray((log / file.name).read_bytes())
    header = segment.parse_header(bytes(data))
    assert header is not None
    walker = segment.Walker(bytes(data[segment.HEADER_BYTES :]), header.seed, header.first_seq)
    while walker.step() is not None:
        pass
    end = segment.HEADER_BYTES + walker.at
    torn = segment.make_frame(header.seed, seq, record(lane, seq))[: 1 + count]
    data[end : end + len(torn)] = torn[: len(data) - end]
    (log / file.name).write_bytes(data)


def check_history(log: Path, lane: str, next_seq: int, settled: int, mark: int) -> None:
    items = everything(log, lane)
    expected = 1
    for item in items:
        if isinstance(item, Stored):
            assert item == Stored(expected, record(lane, expected))
            expected += 1
        else:
            assert item.first == expected
            assert item.reason in ("quota", "torn")
            expected = item.last + 1
    assert expected == next_seq > settled
    lowest = journal.lowest_seq(log, lane)
    losses = [item for item in items if isinstance(item, Lost)]
    assert all(loss.last < lowest or loss.reason == "torn" for loss in losses)
    declared = journal.declared_losses(log, lane)
    gone = {seq for loss in declared for seq in range(loss.first, loss.last + 1)}
    assert gone >= set(range(mark + 1, lowest))  # never removed in silence


def test_the_file_of_a_removed_segment_becomes_the_next_one(log: Path) -> None:
    limits = at_most(h=3)
    with Journal.open(log, "h", limits=limits) as writer:
        inodes = set()
        for _ in range(200):
            writer.append("h", record("h", writer.next_seq("h")))
            inodes |= {path.stat().st_ino for path in log.glob("h-*")}
    assert len(inodes) == 3


def test_a_follower_of_a_segment_that_is_reused_tells_the_rest_as_removed(log: Path) -> None:
    with Journal.open(log, "h", limits=at_most(h=2)) as writer, LaneReader(log, "h") as reader:
        for seq in range(1, 4):
            writer.append("h", record("h", seq))
        assert reader.read(1) == [Stored(1, record("h", 1))]
        for seq in range(4, 31):
            writer.append("h", record("h", seq))
        items = reader.read(100)
        assert [item.reason for item in items if isinstance(item, Lost)] == ["quota"]
        assert_accounted([Stored(1, record("h", 1)), *items], "h", 31)
