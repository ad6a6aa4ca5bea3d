"""A packed record opened: what was measured, when and how surely, in files that others read."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

from agent.clock import Stamp
from agent.errors import RecordError
from agent.sensors.comtrade import parse, parse_single
from agent.uplink import wave_pack
from agent.waveform import comtrade, opened
from tests.agent.uplink.test_wave_pack import HEAD, MADE


def packed(name: str, **head: Any) -> bytes:
    base, runs, channels, samples, notes = MADE[name]
    return wave_pack.pack({**base, **head}, runs, channels, samples, notes)


def test_the_samples_and_instants_stand_in_a_file_that_the_standards_reader_takes() -> None:
    waveform = opened(packed("a-gap-and-a-slewed-clock"))
    assert waveform.counts.tolist() == MADE["a-gap-and-a-slewed-clock"][3]
    record = parse_single(comtrade(waveform)[".cff"], "x.cff")
    assert record.counts.astype(int).tolist() == waveform.counts.tolist()
    assert record.positions.tolist() == [*range(10), *range(15, 45)]
    assert record.clock.local_offset_min == -210
    old = comtrade(waveform, 1999)
    again = parse(old[".cfg"], old[".dat"], "x.cfg", "x.dat")
    assert again.counts.astype(int).tolist() == waveform.counts.tolist()


def test_a_record_says_who_measured_what_when_and_how_surely() -> None:
    waveform = opened(packed("a-fault-of-two-channels"))
    assert (waveform.station, waveform.bay, waveform.nominal_hz) == ("hebin ftu-7", "head", 50)
    assert waveform.stamp == Stamp(3, 400_000, HEAD["utc_us"], 2, 1_500)  # type: ignore[arg-type]
    assert waveform.layout.rate_hz == 4000
    ia, u0 = waveform.layout.channels
    assert (ia.name, ia.phase, ia.unit, ia.scale) == ("ia", "A", "A", 1374431479040039 * 2.0**-51)
    assert (u0.scale, u0.offset) == (0.125, -0.5)
    assert (waveform.notes[0], waveform.hdr) == ("[ftu-agent Record #1]", "over")
    assert opened(packed("a-gap-and-a-slewed-clock")).stamp.error_us is None


BOMB = zlib.compress(bytes(50 << 20))


@pytest.mark.parametrize(
    "notes",
    [
        pytest.param(b"never deflated", id="no-deflated-text"),
        pytest.param(zlib.compress(b"cut off")[:-3], id="cut-off"),
        pytest.param(BOMB, id="a-bomb"),
        pytest.param(zlib.compress(b"\xff"), id="no-utf-8"),
        pytest.param(zlib.compress(b"a\n--- file type: DAT BINARY: 9 ---\n\f"), id="separators"),
    ],
)
def test_notes_that_are_none_are_one_clear_error(notes: bytes) -> None:
    head, runs, channels, samples, _ = MADE["a-gap-and-a-slewed-clock"]
    with pytest.raises(RecordError, match="a packed record"):
        opened(wave_pack.pack(head, runs, channels, samples, notes))


@pytest.mark.parametrize(
    ("head", "scale"),
    [
        pytest.param({"utc_us": 1 << 61}, (1, 0), id="beyond-the-calendar"),
        pytest.param({"utc_us": 5, "trigger_us": -6}, (1, 0), id="before-the-calendar"),
        pytest.param({"origin": 0}, (1, 0), id="samples-before-the-first"),
        pytest.param({"origin": 1 << 40}, (1, 0), id="samples-hours-after-the-first"),
        pytest.param({"rate_denominator": 5000}, (1, 0), id="a-rate-that-no-reader-takes"),
        pytest.param({}, (1, 5000), id="a-scale-beyond-floats"),
        pytest.param({}, (1 << 60, 0), id="a-scale-that-no-float-is"),
        pytest.param({}, (1, -187), id="a-scale-that-no-reader-takes"),
    ],
)
def test_what_no_file_can_say_is_one_clear_error(
    head: dict[str, Any], scale: tuple[int, int]
) -> None:
    base, runs, _, samples, _ = MADE["a-gap-and-a-slewed-clock"]
    channels = [("x", "", "", scale, (0, 0))]
    with pytest.raises(RecordError, match="a packed record"):
        opened(wave_pack.pack(base | head, runs, channels, samples))


def test_every_sample_of_random_records_comes_back() -> None:
    rng = np.random.default_rng(4)
    head, _, channels, _, _ = MADE["a-fault-of-two-channels"]
    for _ in range(20):
        count = int(rng.integers(1, 700))
        samples = rng.normal(0, 10.0 ** rng.integers(0, 5), (2, count)).astype(np.int64)
        data = wave_pack.pack(head | {"origin": 0}, [(0, count, 0)], channels, samples.tolist())
        assert (opened(data).counts == samples).all()
