"""Samples of the committed cases and of a simulated feeder, fed as guard feeds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from agent.clock import GNSS, Stamp
from agent.detect.detector import Detector
from agent.detect.settings import defaults
from agent.record_notes import Notes, of_story
from agent.record_sheet import sheet_of
from agent.record_writer import RecordWriter
from agent.recorder import Recorder, Story
from agent.records import Block, Event, Layout
from agent.sensors import channels, comtrade
from agent.sensors.comtrade_write import Sheet
from agent.sensors.simulated import Feeder, Happening, Waveform
from agent.site import Bay
from agent.store.record_files import Limits, RecordFiles
from agent.wiring import taps

GOLDEN = Path("hil/golden")
STAMP = Stamp(3, 5_000_000, 1_795_478_400_123_456, GNSS, 1)
BAY = Bay(
    name="head",
    section="S1",
    nominal_volts=10_000.0,
    frequency_hz=50,
    earthing="resonant",
    rating_amps=400.0,
)
AMPLE = Limits(1000, 1 << 30, 0)


def golden(case: str, terminal: str, lead_cycles: int = 0) -> tuple[Layout, np.ndarray]:
    """A case's samples; lead_cycles: so many more before, made of its first five."""
    record = comtrade.read(GOLDEN / case / f"{terminal}.cfg")
    cycle = round(record.layout.rate_hz / 50) if record.layout.rate_hz else 1
    lead = np.tile(record.counts[:, : 5 * cycle], -(-lead_cycles // 5))[:, : lead_cycles * cycle]
    return record.layout, np.concatenate((lead, record.counts), axis=1)


def simulated(
    *script: Happening, seconds: float = 2.0, rate_hz: int = 4000, **feeder: float
) -> tuple[Layout, np.ndarray]:
    """A simulated feeder's samples."""
    waveform = Waveform(Feeder(rate_hz=rate_hz, **feeder), script)  # type: ignore[arg-type]
    return waveform.layout("wire"), waveform.counts(0, round(seconds * rate_hz))


def wired(layout: Layout, bay: Bay = BAY) -> Detector:
    """With the bay's defaults, its channels found by their names."""
    uses = channels.derive(layout).uses
    return Detector(layout, [(bay, defaults(bay), taps(layout, uses, bay))])


def cut(
    layout: Layout, samples: np.ndarray, sizes: Iterable[int], first: int = 0, start_us: int = 0
) -> Iterator[Block]:
    """Blocks of these sizes, again and again."""
    again = list(sizes)
    at = number = 0
    while at < samples.shape[1]:
        size = again[number % len(again)]
        yield Block(layout, first + at, start_us, samples[:, at : at + size])
        at, number = at + size, number + 1


def told(blocks: Iterable[Block], detector: Detector) -> tuple[list[Event], list[Story]]:
    """Every event, and every story with what is open at the end."""
    recorder = Recorder(detector)
    events: list[Event] = []
    stories: list[Story] = []
    for block in blocks:
        some = detector.feed(block)
        seqs = range(len(events) + 1, len(events) + 1 + len(some))
        events += some
        stories += recorder.feed(block, some, seqs)
    return events, stories + recorder.stop()


def sheet(story: Story, stamp: Stamp = STAMP) -> tuple[Notes, Sheet]:
    """What a record of it holds."""
    notes = of_story(story, stamp)
    begin_us = story.sample_us(story.mark.index)
    spans = [(p.first, p.start_us - begin_us, p.counts) for p in story.pieces]
    return notes, sheet_of(notes, spans, stem="wire", station="hebin ftu-7", offset_min=480)


def stored(folder: Path, stories: Iterable[Story], limits: Limits = AMPLE) -> RecordWriter:
    """Their records in the folder, by the real writer."""
    writer = RecordWriter(lambda: RecordFiles(folder, limits), station="hebin ftu-7")
    for story in stories:
        writer.take(story, replace(STAMP, mono_us=story.sample_us(story.mark.index)))
    writer.stop(20.0)
    return writer


def bare(events: Iterable[Event], since_us: int = 0) -> list[tuple[object, ...]]:
    """What must be the same in a replay: all of a decision, `why` to the last bit."""
    return [
        (
            *(e.event, e.bay, e.alarm, e.t_us - since_us, e.element, e.kind, e.phases),
            *(e.direction, e.outcome, e.confidence, e.undetermined, e.detail),
            None if e.onset_us is None else e.onset_us - since_us,
            sorted((name, repr(value)) for name, value in e.why.items()),
        )
        for e in events
    ]


def fraction(rate: Fraction | None) -> Fraction:
    """A rate that is there."""
    assert rate is not None
    return rate
