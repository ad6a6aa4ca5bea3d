"""A record of ours rebuilds its decisions to the last bit, whatever the live path was fed with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.detect.function import Now
from agent.detect.functions.voltages import Voltages
from agent.detect.look import Look
from agent.errors import RecordError
from agent.record_replay import again, blocks, load
from agent.records import Block, Event, Quality
from agent.sensors import comtrade
from agent.sensors.simulated import Happening
from tests.agent.stories import GOLDEN, bare, cut, golden, simulated, stored, told, wired

CASES = [
    pytest.param(case.parent.name, case.stem, id=f"{case.parent.name}-{case.stem}")
    for case in sorted(GOLDEN.glob("*/*-head.cfg"))
]
UNEVEN = [7, 64, 1, 33, 80]


@pytest.mark.parametrize(("case", "terminal"), CASES)
def test_a_record_of_a_golden_case_tells_the_same_events(
    case: str, terminal: str, tmp_path: Path
) -> None:
    layout, samples = golden(case, terminal, lead_cycles=40)
    detector = wired(layout)
    _, stories = told(cut(layout, samples, UNEVEN, first=1_234_567), detector)
    stored(tmp_path, stories)
    paths = sorted(tmp_path.glob("*.cff"))
    assert len(paths) == len(stories)
    for path, story in zip(paths, stories, strict=True):
        record, notes = load(path)
        begin_us = story.sample_us(story.mark.index)
        live = bare((each.event for each in story.events), begin_us)
        assert bare(notes.told) == live  # what is stored is what was told
        assert bare(again(record, notes)) == live
        assert bare(again(record, notes, size=37)) == live


@pytest.mark.parametrize(
    ("frequency_hz", "rate_hz"), [(47.3, 1600), (49.9, 4000), (50.0, 12_800), (52.4, 6400)]
)
def test_off_nominal_frequency_and_any_rate_are_rebuilt(
    frequency_hz: float, rate_hz: int, tmp_path: Path
) -> None:
    layout, samples = simulated(
        Happening("fault", 2.61, 0.2, kind="BC"),  # what is slow has been told by then
        seconds=3.9,
        rate_hz=rate_hz,
        frequency_hz=frequency_hz,
    )
    events, stories = told(cut(layout, samples, UNEVEN), wired(layout))
    assert [e.event for e in events].count("fault") == 1
    stored(tmp_path, stories)
    (path,) = tmp_path.glob("*.cff")
    record, notes = load(path)
    assert (notes.mark.frequency_mhz == 50_000) == (frequency_hz in (49.9, 50.0))
    begin_us = stories[0].sample_us(notes.mark.index)
    live = [e for e in events if e.t_us >= begin_us]
    assert bare(again(record, notes)) == bare(live, begin_us)


class Learning(Voltages):
    """Learns the load from every slow look, with a memory that never ends, and tells it."""

    level = 0.0

    def look(self, look: Look) -> list[Event]:
        self.level += 0.1 * (look.channels["ia"].rms() - self.level)
        return super().look(look)

    def step(self, now: Now) -> list[Event]:
        return [replace(e, why={**e.why, "level": self.level}) for e in super().step(now)]

    def learned(self) -> list[float]:
        return [self.level]

    def relearn(self, numbers: Sequence[float]) -> None:
        (self.level,) = numbers


def test_what_a_function_has_learnt_before_is_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.detect.bay.Voltages", Learning)
    layout, samples = simulated(Happening("fault", 1.3, 0.2, kind="ABC"), seconds=2.4)
    events, stories = told(cut(layout, samples, [20]), wired(layout))
    stored(tmp_path, stories)
    (path,) = tmp_path.glob("*.cff")
    record, notes = load(path)
    assert bare(again(record, notes)) == bare(events, stories[0].sample_us(notes.mark.index))
    levels = [float(e.why["level"]) for e in notes.told if "level" in e.why]
    assert min(levels) > 20.0
    forgetful = replace(notes, mark=replace(notes.mark, learned=()))
    assert bare(again(record, forgetful)) != bare(notes.told)


def test_a_gap_and_a_clock_that_is_slewed_are_rebuilt(tmp_path: Path) -> None:
    layout, samples = simulated(Happening("fault", 1.3, 0.2, kind="ABC"), seconds=2.4)
    fed = []
    for block in cut(layout, samples, [20]):
        if 5100 <= block.first < 5140:  # lost on the way
            continue
        broken = block.first == 4800  # the source began anew without missing anything
        fed.append(
            Block(
                layout,
                block.first,
                block.first // 400,  # slewed by 10 ppm
                block.counts,
                Quality.GAP if broken else Quality.GOOD,
            )
        )
    events, stories = told(fed, wired(layout))
    assert "fault" in [e.event for e in events]
    stored(tmp_path, stories)
    (path,) = tmp_path.glob("*.cff")
    record, notes = load(path)
    assert notes.breaks == (4800,)
    assert len(notes.axis) > 3
    rebuilt = list(blocks(record, notes, 64))
    assert {b.first for b in rebuilt if b.quality & Quality.GAP} == {4800}
    assert not any(5100 <= b.first < 5140 for b in rebuilt)
    begin_us = stories[0].sample_us(stories[0].mark.index)
    live = [e for e in events if e.t_us >= begin_us]
    assert bare(again(record, notes)) == bare(live, begin_us)


FAULTS = [("short-bc", "F1-head"), ("short-abg", "F1-head"), ("saturated-bc", "F1-head")]


@given(which=st.sampled_from(FAULTS), more=st.integers(1, 3), size=st.integers(1, 600))
@settings(max_examples=12, deadline=None)
def test_a_record_cut_just_after_t_still_yields_the_event(
    which: tuple[str, str], more: int, size: int
) -> None:
    layout, samples = golden(*which, lead_cycles=20)
    detector = wired(layout)
    whole = [e for block in cut(layout, samples, [512]) for e in detector.feed(block)]
    fault = next(e for e in whole if e.event == "fault")
    rate = layout.rate_hz
    assert rate is not None
    last = -(-fault.t_us * rate.numerator // (1_000_000 * rate.denominator))  # its index
    other = wired(layout)
    short = samples[:, : last + more]
    early = [e for block in cut(layout, short, [size]) for e in other.feed(block)]
    assert bare([fault])[0] in bare(early)


def test_other_settings_may_decide_otherwise(tmp_path: Path) -> None:
    layout, samples = simulated(Happening("fault", 1.3, 0.2, kind="BC", amps=1500), seconds=2.4)
    _, stories = told(cut(layout, samples, [20]), wired(layout))
    stored(tmp_path, stories)
    (path,) = tmp_path.glob("*.cff")
    record, notes = load(path)
    (_, own, _) = notes.wired[0]
    high = {"head": replace(own, phase_pickup_amps=4000.0, negative_start_amps=4000.0)}
    assert "fault" in [e.event for e in again(record, notes)]
    assert "fault" not in [e.event for e in again(record, notes, high)]


def test_a_record_of_another_device_has_no_notes() -> None:
    with pytest.raises(RecordError, match="no notes"):
        load(GOLDEN / "short-bc" / "F1-head.cfg")


@given(place=st.integers(0, 3000), byte=st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_damaged_notes_are_one_clear_error(place: int, byte: int) -> None:
    text = _NOTES.text()
    spoilt = text[: place % len(text)] + chr(byte) + text[place % len(text) + 1 :]
    from agent.record_notes import read

    try:
        read(spoilt, "x")
    except RecordError as error:
        assert str(error).startswith("x: ")


class _Notes:
    """The lines of one record, made once."""

    def __init__(self) -> None:
        self._text = ""

    def text(self) -> str:
        if not self._text:
            from agent.record_notes import write
            from tests.agent.stories import sheet

            layout, samples = simulated(Happening("fault", 0.8, 0.1), seconds=1.6)
            _, (story,) = told(cut(layout, samples, [20]), wired(layout))
            self._text = "\n".join(write(sheet(story)[0]))
        return self._text


_NOTES = _Notes()


def test_what_other_readers_see_is_the_same_record(tmp_path: Path) -> None:
    import comtrade as other  # type: ignore[import-untyped]  # an independent reader, untyped

    layout, samples = simulated(Happening("fault", 0.8, 0.1), seconds=1.6)
    _, stories = told(cut(layout, samples, [20]), wired(layout))
    stored(tmp_path, stories)
    (path,) = tmp_path.glob("*.cff")
    seen = other.Comtrade()
    seen.load(str(path))
    story = stories[0]
    first, end = story.mark.index, story.pieces[-1].end
    assert seen.total_samples == end - first
    for row, channel in enumerate(layout.channels):
        expected = samples[row, first:end] * channel.scale
        assert np.allclose(seen.analog[row], expected, rtol=1e-6, atol=1e-6)
    assert comtrade.read(path).clock.utc_offset_min == 0
