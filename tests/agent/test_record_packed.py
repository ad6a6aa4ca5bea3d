"""A record of the folder as it travels: the consumer's file is the terminal's, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agent.clock import HOLDOVER
from agent.errors import RecordError
from agent.record_packed import BODY_BYTES, packed, parts
from agent.recorder import Piece, Story
from agent.sensors.simulated import Happening
from agent.store import cbor, entry
from agent.store.entries import Key
from agent.uplink import wire
from agent.uplink.consumer import Received
from agent.uplink.waveforms import Assembler, Whole
from agent.waveform import comtrade, opened
from tests.agent.stories import STAMP, cut, golden, simulated, stored, told, wired

FAULT = Happening("fault", 0.8, 0.1, kind="BC")


@cache
def storied(rate_hz: int = 4000, block: int = 20, **feeder: float) -> Story:
    layout, samples = simulated(FAULT, seconds=1.8, rate_hz=rate_hz, **feeder)
    _, (made,) = told(cut(layout, samples, [block]), wired(layout))
    return made


def of_golden(case: str) -> Story:
    layout, samples = golden(case, "F1-head", lead_cycles=40)
    _, (made, *_) = told(cut(layout, samples, [20]), wired(layout))
    return made


def slewed(story: Story) -> Story:
    """The clock of the source was corrected twice, and samples are missing once."""
    pieces = [
        replace(piece, start_us=piece.start_us + 7 * (n > 30) - 5 * (n > 60), broken=n == 80)
        for n, piece in enumerate(story.pieces)
        if n not in (78, 79)
    ]
    return Story(story.detector, story.mark, tuple(pieces), story.events, story.cut)


def loud(story: Story) -> Story:
    """Counts that need 20 bits."""
    return of_counts(story, 40)


def of_counts(story: Story, times: int) -> Story:
    """The same with so many times the counts."""
    pieces = [Piece(p.first, p.start_us, p.broken, p.counts * times) for p in story.pieces]
    return Story(story.detector, story.mark, tuple(pieces), story.events, story.cut)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(storied, id="at-4-kHz"),
        pytest.param(lambda: storied(12_800, 64), id="at-12.8-kHz"),
        pytest.param(lambda: slewed(storied(12_800, 64)), id="slewed-and-with-a-gap"),
        pytest.param(lambda: loud(storied()), id="20-bits"),
        pytest.param(lambda: of_golden("short-abg"), id="the-rigs-short-circuit"),
    ],
)
def test_the_consumers_file_is_the_terminals_own(tmp_path: Path, made: Any) -> None:
    writer = stored(tmp_path, [made()])
    assert writer.stored == 1, writer.told()
    (path,) = tmp_path.glob("*.cff")
    data = packed(path)
    assert comtrade(opened(data))[".cff"] == path.read_bytes()


def test_it_takes_a_quarter_of_the_file_and_says_which_bay_and_when(tmp_path: Path) -> None:
    stored(tmp_path, [storied()])
    (path,) = tmp_path.glob("*.cff")
    data = packed(path)
    assert len(data) < path.stat().st_size / 4
    waveform = opened(data)
    assert (waveform.bay, waveform.station) == ("head", "hebin ftu-7")
    assert waveform.stamp.utc_us == STAMP.utc_us
    assert 410_000 < waveform.trigger_us < 425_000  # 20 cycles and what the decision took


def test_its_parts_are_records_of_lane_w_each_in_a_message_below_two_kilobytes(
    tmp_path: Path,
) -> None:
    stored(tmp_path, [storied()])
    (path,) = tmp_path.glob("*.cff")
    data = packed(path)
    late = replace(STAMP, source=HOLDOVER, error_us=7_000_000)
    rows = list(parts(path.stem, data, late))
    assert len(rows) == -(-len(data) // BODY_BYTES)
    assembler = Assembler()
    results = []
    for seq, row in enumerate(rows, 1_000_000):
        envelope, taken = wire.envelope(1 << 63, "w", [("record", seq, row)], 8192)
        message = cbor.dumps(envelope)
        assert taken == 1
        assert len(message) < 2048
        _, _, ((_, _, came),) = wire.open_envelope(cbor.loads(message))
        assert came[entry.TYPE] == entry.WAVE
        results += assembler.take(Received("s", Key("n", 1, "w", seq), came, 0))
    (whole,) = results
    assert isinstance(whole, Whole)
    assert (whole.name, whole.data) == (path.stem, data)


def test_a_record_that_the_reader_rounds_is_not_sent(tmp_path: Path) -> None:
    stored(tmp_path, [of_counts(storied(), 9_999)])
    (path,) = tmp_path.glob("*.cff")
    with pytest.raises(RecordError, match="rounded"):
        packed(path)


def test_a_file_that_was_damaged_is_not_sent(tmp_path: Path) -> None:
    stored(tmp_path, [storied()])
    (path,) = tmp_path.glob("*.cff")
    path.write_bytes(path.read_bytes().replace(b"layout=", b"layuot="))
    with pytest.raises(RecordError, match="notes"):
        packed(path)
