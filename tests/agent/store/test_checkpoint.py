"""A checkpoint saves time and decides nothing: with it, without it or with a false one, as ever."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.store import checkpoint, disk, segment, segment_files
from agent.store.journal import Journal, LaneReader
from agent.store.segment import Walker


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty records in two segments; the checkpoint names the last of them."""
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 700)
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)
    with Journal.open(tmp_path / "log", "a") as writer:
        for k in range(40):
            writer.append("a", b"record %d" % k)
    assert len(segment_files.files(tmp_path / "log", "a")) == 2
    return tmp_path / "log"


def opened(log: Path) -> tuple[object, ...]:
    """What an opening, an append and a reading make of the log."""
    with Journal.open(log, "a") as writer:
        found = writer.next_seq("a"), writer.losses("a")
        appended = writer.append("a", b"next")
    with LaneReader(log, "a") as reader:
        return (*found, appended, reader.read(1000))


def notes(log: Path) -> tuple[int, int, int]:
    text = disk.read_line(log / "a.checkpoint")
    assert text is not None
    first_seq, at, seq = map(int, text.split())
    return first_seq, at, seq


def test_closing_notes_the_last_frame(log: Path) -> None:
    first_seq, at, seq = notes(log)
    (name,) = [file.name for file in segment_files.files(log, "a")[-1:]]
    data = (log / name).read_bytes()
    header = segment.parse_header(data)
    assert header is not None
    assert (first_seq, seq) == (header.first_seq, 40)
    assert Walker(data[at:], header.seed, seq).step() == (40, 40, b"record 39")


def test_opening_walks_from_the_noted_frame_and_reads_no_other_segment(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, int]] = []
    real = os.pread

    def pread(fd: int, size: int, at: int) -> bytes:
        read.append((Path(f"/proc/self/fd/{fd}").readlink().name, at))
        return real(fd, size, at)

    _, at, _ = notes(log)
    last = segment_files.files(log, "a")[-1].name
    monkeypatch.setattr(os, "pread", pread)
    with Journal.open(log, "a") as writer:
        assert writer.next_seq("a") == 41
    assert {name for name, _ in read} == {last}
    assert {place for _, place in read} == {0, at}


def test_while_a_lane_grows_it_is_noted_every_so_often(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_BYTES", 100)
    with Journal.open(log, "a") as writer:
        before = notes(log)
        for _ in range(8):
            writer.append("a", b"another record")
        assert notes(log)[2] > before[2]
        seq = notes(log)[2]
        for _ in range(8):
            writer.append("a", b"another record", sync=False)
        assert notes(log)[2] == seq  # only what is on disk


damages = st.lists(
    st.tuples(st.integers(0, 720), st.integers(1, 255), st.sampled_from(["flip", "zero", "cut"])),
    max_size=4,
)


@given(damages=damages, false_note=st.none() | st.binary(max_size=60) | st.integers(0, 720))
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_damage_an_opening_finds_the_same_without_a_checkpoint(
    log: Path, damages: list[tuple[int, int, str]], false_note: bytes | int | None
) -> None:
    noted, plain = log.with_name("noted"), log.with_name("plain")
    for copy in (noted, plain):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(log, copy)
        path = copy / segment_files.files(copy, "a")[-1].name
        data = bytearray(path.read_bytes())
        for at, byte, kind in damages:
            if kind == "flip" and at < len(data):
                data[at] ^= byte
            elif kind == "zero":
                data[at : at + byte] = bytes(len(data[at : at + byte]))
            elif kind == "cut":
                del data[at + byte :]
        path.write_bytes(data)
    (plain / "a.checkpoint").unlink()
    if isinstance(false_note, bytes):
        (noted / "a.checkpoint").write_bytes(false_note)
    elif false_note is not None:
        first_seq, _, seq = notes(noted)
        checkpoint.save(noted, "a", first_seq=first_seq, at=false_note, seq=seq)
    assert opened(noted) == opened(plain)


def test_a_checkpoint_that_cannot_be_written_costs_nothing_but_time(log: Path) -> None:
    (log / "a.checkpoint").unlink()
    (log / "a.checkpoint").mkdir()
    assert opened(log)[0] == 41


def test_random_bytes_are_no_checkpoint(log: Path) -> None:
    chance = random.Random(3)
    whole = (log / "a.checkpoint").read_bytes()
    for _ in range(100):
        place = chance.randrange(len(whole))
        damaged = whole[:place] + bytes([chance.randrange(256)]) + whole[place + 1 :]
        (log / "a.checkpoint").write_bytes(damaged[: chance.randint(0, len(whole))])
        with Journal.open(log, "a") as writer:
            assert writer.next_seq("a") == 41
