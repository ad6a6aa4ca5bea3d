"""The thread that writes records: guard never waits for it, and hears what became of them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from agent.record_writer import WAITING_STORIES, RecordWriter
from agent.recorder import Story
from agent.sensors.simulated import Happening
from agent.store import wave_orders
from agent.store.record_files import DROPPED, LOST, NOT_SENT, STORED, Limits, RecordFiles, held
from agent.waveform import opened
from tests.agent.stories import AMPLE, STAMP, cut, simulated, stored, told, wired


@pytest.fixture(scope="module")
def story() -> Story:
    layout, samples = simulated(Happening("fault", 0.8, 0.1, kind="BC"), seconds=1.8)
    _, (made,) = told(cut(layout, samples, [20]), wired(layout))
    return made


def test_each_record_is_told_with_the_keys_of_its_events(story: Story, tmp_path: Path) -> None:
    writer = stored(tmp_path, [story, story])
    first, second = writer.told()
    name = held(tmp_path)[0].name
    keys = " ".join(f"a:{each.seq}" for each in story.events)
    assert (first.what, first.detail.split(";")[0]) == (STORED, f"{name} of {keys}")
    assert second.detail.startswith("000002-20261124T")
    assert name.endswith("-head")
    assert writer.told() == []


def test_the_oldest_that_go_are_told(story: Story, tmp_path: Path) -> None:
    writer = stored(tmp_path, [story] * 3, Limits(2, 1 << 30, 0))
    whats = [each.what for each in writer.told()]
    assert whats == [STORED, STORED, STORED, DROPPED]
    assert (writer.stored, writer.dropped) == (3, 1)


def test_a_disk_that_stands_still_costs_records_and_no_time(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()

    def slow() -> RecordFiles:
        free.wait(20.0)
        return RecordFiles(tmp_path, AMPLE)

    writer = RecordWriter(slow, station="s")
    for _ in range(WAITING_STORIES + 4):
        writer.take(story, STAMP)  # returns at once, or this test would hang
    assert writer.lost >= 3
    lost = writer.told()
    assert {each.what for each in lost} == {LOST}
    assert "wait to be written already" in lost[-1].detail
    free.set()
    writer.stop(20.0)
    assert writer.stored + writer.lost == WAITING_STORIES + 4
    assert len(held(tmp_path)) == writer.stored


def test_no_more_bytes_wait_than_are_allowed(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.record_writer.WAITING_BYTES", 1)
    free = threading.Event()

    def slow() -> RecordFiles:
        free.wait(20.0)
        return RecordFiles(tmp_path, AMPLE)

    writer = RecordWriter(slow, station="s")
    for _ in range(3):
        writer.take(story, STAMP)
    assert writer.lost == 2  # the first is taken however large it is
    free.set()
    writer.stop(20.0)
    assert writer.stored == 1


def test_a_folder_that_cannot_be_used_is_told_and_tried_again(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.write_text("a file stands here")
    writer = RecordWriter(lambda: RecordFiles(folder, AMPLE), station="s")
    writer.take(story, STAMP)
    while not writer.lost:
        threading.Event().wait(0.01)
    folder.unlink()
    writer.take(story, STAMP)
    writer.stop(20.0)
    assert [each.what for each in writer.told()] == [LOST, STORED]


@pytest.mark.parametrize(
    ("sent", "alarm", "ordered"),
    [
        ("ask", True, 0),
        ("alarms", True, 1),
        ("alarms", False, 0),
        ("all", False, 1),
    ],
)
def test_what_is_sent_unasked_is_ordered_as_what_is_asked_for(
    story: Story, tmp_path: Path, sent: str, alarm: bool, ordered: int
) -> None:
    events = [replace(each, event=replace(each.event, alarm=alarm)) for each in story.events]
    told_of = Story(story.detector, story.mark, story.pieces, tuple(events), story.cut)
    orders = tmp_path / "waves"
    writer = RecordWriter(
        lambda: RecordFiles(tmp_path, AMPLE), station="s", sent=sent, orders=orders
    )
    writer.take(told_of, STAMP)
    writer.stop(20.0)
    assert len(wave_orders.waiting(orders)) == ordered


def test_a_storm_that_orders_too_much_is_told(story: Story, tmp_path: Path) -> None:
    for number in range(900_000, 900_000 + wave_orders.MOST):
        wave_orders.place(tmp_path / "waves", f"{number}-20261125T071455123Z-head")
    writer = RecordWriter(
        lambda: RecordFiles(tmp_path, AMPLE), station="s", sent="all", orders=tmp_path / "waves"
    )
    writer.take(story, STAMP)
    writer.stop(20.0)
    assert [each.what for each in writer.told()] == [STORED, NOT_SENT]


def test_a_stored_record_is_packed_by_the_thread_and_a_missing_one_is_told(
    story: Story, tmp_path: Path
) -> None:
    writer = RecordWriter(lambda: RecordFiles(tmp_path, AMPLE), station="s")
    writer.take(story, STAMP)
    assert writer.pack("000001")
    writer.stop(20.0)
    name, data, why = writer.packed() or ("", b"", "")
    assert (name, why) == ("000001", "")
    assert opened(data).bay == "head"
    assert writer.packed() is None
    late = RecordWriter(lambda: RecordFiles(tmp_path, AMPLE), station="s")
    assert late.pack("000002")
    late.stop(20.0)
    _, data, why = late.packed() or ("", b"", "")
    assert data == b""
    assert "no record '000002'" in why
