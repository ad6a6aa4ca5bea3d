"""Which samples are kept: stories begin early enough, end late enough, merge, and are bounded."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from agent.recorder import AFTER_CYCLES, LONGEST_CYCLES, PAST_CYCLES, TRIGGERS, Recorder, cause
from agent.records import Event
from agent.sensors.simulated import Happening
from tests.agent.stories import cut, simulated, told, wired

CYCLE = 80  # samples at 4 kHz


def fault(at_s: float, for_s: float = 0.1, kind: str = "BC") -> Happening:
    return Happening("fault", at_s, for_s, kind=kind)


def test_a_story_holds_what_was_before_the_inception_and_after_the_last_decision() -> None:
    layout, samples = simulated(fault(1.0), seconds=2.4)
    events, (story,) = told(cut(layout, samples, [20]), wired(layout))
    first, end = story.mark.index, story.pieces[-1].end
    inception = 4000
    assert inception - (PAST_CYCLES + 5) * CYCLE <= first <= inception - PAST_CYCLES * CYCLE
    shown = events[-1]
    assert (shown.event, story.cut) == ("fault_cleared", False)
    last = shown.t_us * 4 // 1000
    assert end == last + 1 + AFTER_CYCLES * CYCLE
    assert [each.seq for each in story.events] == list(range(1, len(events) + 1))


def test_an_operation_and_the_clearing_are_in_the_record_of_their_fault() -> None:
    layout, samples = simulated(fault(1.0, 0.6), seconds=3.4)
    _, (story,) = told(cut(layout, samples, [20]), wired(layout))
    names = [each.event.event for each in story.events]
    assert {"fault", "operate", "fault_cleared"} <= set(names)


def test_samples_are_kept_as_they_came() -> None:
    layout, samples = simulated(fault(1.0), seconds=2.4)
    _, (story,) = told(cut(layout, samples, [7, 50]), wired(layout))
    kept = np.concatenate([piece.counts for piece in story.pieces], axis=1)
    first = story.mark.index
    assert np.array_equal(kept, samples[:, first : first + kept.shape[1]])


@pytest.mark.parametrize(
    ("apart_s", "stories"),
    [
        pytest.param(0.3, 1, id="overlap-is-one-record"),
        pytest.param(0.6, 1, id="pasts-that-meet-are-one-record"),
        pytest.param(1.6, 2, id="a-second-and-a-half-later-is-another"),
    ],
)
def test_stories_merge_when_they_overlap(apart_s: float, stories: int) -> None:
    layout, samples = simulated(fault(1.0), fault(1.0 + apart_s), seconds=4.4)
    events, found = told(cut(layout, samples, [20]), wired(layout))
    assert [e.event for e in events].count("fault") == 2
    assert len(found) == stories
    spans = [(s.mark.index, s.pieces[-1].end) for s in found]
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_a_story_without_end_is_cut_and_the_next_one_goes_on() -> None:
    faults = [fault(1.0 + 0.25 * k, 0.1) for k in range(30)]
    layout, samples = simulated(*faults, seconds=10.0)
    _, stories = told(cut(layout, samples, [40]), wired(layout))
    assert len(stories) > 1
    assert stories[0].cut
    for story in stories:
        assert story.pieces[-1].end - story.mark.index <= LONGEST_CYCLES * CYCLE


def test_what_was_going_on_already_is_in_the_record() -> None:
    dip = Happening("dip", 1.0, 0.9, depth=0.3)
    layout, samples = simulated(dip, fault(1.3), seconds=3.0)
    events, (story,) = told(cut(layout, samples, [20]), wired(layout))
    assert events[0].event == "dip"
    assert story.mark.index <= 4000 - PAST_CYCLES * CYCLE
    assert story.events[0].event is events[0]


def test_a_record_begins_where_no_bay_was_in_the_middle_of_anything() -> None:
    layout, samples = simulated(fault(1.0), seconds=2.4)
    detector = wired(layout)
    recorder = Recorder(detector)
    stories = []
    for block in cut(layout, samples, [20]):
        stories += recorder.feed(block, detector.feed(block))
        if block.first == 3800 and detector._samples is not None:
            marks = detector._samples.marks
            for place, mark in enumerate(marks):
                marks[place] = replace(mark, idle=mark.index < 1500)
    (story,) = stories + recorder.stop()
    assert story.mark.index == 1280  # the last multiple of four cycles before


def test_a_stream_that_has_just_begun_gives_what_it_has() -> None:
    layout, samples = simulated(fault(0.1), seconds=1.4)
    _, (story,) = told(cut(layout, samples, [20], first=500), wired(layout))
    assert story.mark.index == story.pieces[0].first == 500


def test_quiet_and_switching_ask_for_nothing() -> None:
    layout, samples = simulated(Happening("dip", 0.8, 0.2, depth=0.3), seconds=1.6)
    events, stories = told(cut(layout, samples, [20]), wired(layout))
    assert {e.event for e in events} == {"dip"}
    assert stories == []


def test_memory_is_bounded_however_long_nothing_happens() -> None:
    layout, samples = simulated(seconds=1.0)
    detector = wired(layout)
    recorder = Recorder(detector)
    for block in cut(layout, np.tile(samples, 6), [40]):
        recorder.feed(block, detector.feed(block))
    held = sum(piece.counts.shape[1] for piece in recorder._pieces)
    assert held <= 110 * CYCLE


def test_an_alarm_names_the_record() -> None:
    names = ("dip", "voltage_loss", "fault")
    events = [Event(event=n, bay="b", t_us=k, alarm=n == "fault") for k, n in enumerate(names)]
    assert cause(events).event == "fault"
    assert cause(events[:2]).event == "voltage_loss"
    assert "fault" in TRIGGERS
