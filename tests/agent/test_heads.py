"""When a head is written, and that a restart goes on from the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import heads, listen
from agent.errors import StoreError
from agent.store import cbor, device_key, segment_files
from agent.store.chain import Head
from agent.store.evidence import entry_head
from agent.store.journal import LaneReader
from agent.store.proof import prove
from tests.agent.store.evidence_log import Device, stored


def written(device: Device) -> list[tuple[str, int]]:
    """(lane, seq) of each head in lane s, in order."""
    return [(head.lane, head.seq) for head in all_heads(device)]


def all_heads(device: Device) -> list[Head]:
    found = [entry_head(cbor.loads(item.payload)) for item in stored(device.log, "s")]
    return [head for head in found if head is not None]


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """One that has written its first heads."""
    device = Device(tmp_path / "device")
    device.event()
    device.look()
    assert written(device) == [("a", 1), ("s", 1)]  # that of lane s vouches for the one before it
    return device


def test_nothing_happens_where_nothing_is_new(device: Device) -> None:
    for _ in range(100):
        device.now.wait(300)
        device.look()
    device.stop()
    assert written(device) == [("a", 1), ("s", 1)]


def test_after_five_minutes_when_anything_is_new(device: Device) -> None:
    device.event()
    device.look()
    device.now.wait(299)
    device.look()
    assert len(written(device)) == 2
    device.now.wait(1)
    device.look()
    assert written(device)[2:] == [("a", 2), ("s", 3)]


def test_soon_after_an_alarm_one_for_all_that_came_meanwhile(device: Device) -> None:
    for _ in range(4):
        device.event(alarm=True)
        device.look()
    assert len(written(device)) == 2
    device.now.wait(2)
    device.look()
    assert written(device)[2:] == [("a", 5), ("s", 3)]


def test_after_so_many_records(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "EVERY_RECORDS", 8)
    for _ in range(7):
        device.event(seconds=0)
        device.look()
    assert len(written(device)) == 2
    device.event(seconds=0)
    device.look()
    assert written(device)[2:] == [("a", 9), ("s", 3)]


def test_what_is_only_in_lane_s_gets_a_head_of_its_own(device: Device) -> None:
    device.audit()
    device.look()
    device.now.wait(300)
    device.look()
    assert written(device)[2:] == [("s", 3)]


def test_at_the_end_everything_has_one(device: Device) -> None:
    device.event()
    device.audit()
    device.stop()
    assert written(device)[2:] == [("a", 2), ("s", 4)]


def test_a_restart_goes_on_from_the_last_head_and_reads_no_more(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(50):
        device.event()
    device.look()
    device.now.wait(300)
    device.look()
    device.event()
    read: list[tuple[str, int]] = []

    class Watched(LaneReader):
        def __init__(self, root: Path, lane: str, *, after: int = 0) -> None:
            read.append((lane, after))
            super().__init__(root, lane, after=after)

    monkeypatch.setattr(heads, "LaneReader", Watched)
    device.heads = device.new_heads()
    assert read == [("a", 51), ("s", 3)]
    device.look()
    assert written(device)[-2:] == [("a", 52), ("s", 5)]
    assert [head.after for head in all_heads(device) if head.lane == "a"] == [0, 1, 51]
    device.journal.close()
    public = device_key.read_public(device.folder / device_key.PUBLIC_FILE)
    assert prove(device.log, public).findings == ()


def test_a_log_that_refuses_delays_them_and_loses_none(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = device.journal.append
    device.event()
    device.look()
    device.now.wait(300)

    def refuse(*_: Any, **__: Any) -> int:
        raise StoreError("lane s", "the disk is full")

    monkeypatch.setattr(device.journal, "append", refuse)
    device.look()
    device.look()
    assert device.told == ["lane s: the disk is full; heads of the log are tried again"]
    monkeypatch.setattr(device.journal, "append", append)
    device.look()
    assert len(written(device)) == 2
    device.now.wait(10)
    device.look()
    assert written(device)[2:] == [("a", 2), ("s", 3)]


def test_a_long_log_gets_heads_on_its_way(tmp_path: Path) -> None:
    """A log from before there were heads: it is taken bit by bit, with a head for each 512."""
    device = Device(tmp_path / "device")
    device.event()
    device.journal.append_group("a", [stored(device.log, "a")[0].payload] * 1199)
    steps = 0
    while device.heads.step():
        steps += 1
    assert steps >= 1200 // heads.BATCH
    device.stop()
    assert [seq for lane, seq in written(device) if lane == "a"] == [512, 1024, 1200]


def test_more_losses_than_a_head_can_tell_are_told_by_more_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(tmp_path / "device")
    for _ in range(150):
        device.event()
        device.journal.append("a", b"\xff")  # none of ours: it travels as lost
    device.look()
    device.stop()
    a = [head for head in all_heads(device) if head.lane == "a"]
    assert sum(len(head.lost) for head in a) == 150
    public = device_key.read_public(device.folder / device_key.PUBLIC_FILE)
    assert prove(device.log, public).findings == ()


def test_a_head_that_somebody_else_wrote_is_not_gone_on_from(device: Device) -> None:
    logged = all_heads(device)[0].logged
    device.event()
    forged = [*logged[:7], 2, bytes(32), *logged[9:]]
    device.journal.append("s", cbor.dumps(forged))
    device.heads = device.new_heads()
    assert device.told == ["lane a: a head of seq 2 bears a signature that is not ours"]
    device.look()
    assert written(device)[-2] == ("a", 2)
    assert all_heads(device)[-2].chain != bytes(32)


def test_people_read_up_to_where_a_log_is_signed(device: Device) -> None:
    line = listen.line(all_heads(device)[0].logged)
    assert line.endswith("signed: lane a up to seq 1")


def test_segments_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = []
    for size in (300, 65536):
        monkeypatch.setattr(segment_files, "SEGMENT_BYTES", size)
        device = Device(tmp_path / str(size))
        device.journal.epoch = 5
        device.heads = device.new_heads()
        for _ in range(20):
            device.event()
        device.look()
        device.stop()
        values.append([head.chain for head in all_heads(device) if head.lane == "a"])
    assert values[0] == values[1]
