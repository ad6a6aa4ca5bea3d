"""A fault's waveform on the uplink: bytes and speed, beside what others make of the same samples.

12 cycles of 8 channels at 80 samples a cycle, 16 bits: two cycles of load, then a short circuit B-C
with a decaying offset, harmonics in the voltages, and white noise of 0.3, 2 or 8 LSB. Ours holds
the channels' names, units and scales, the clock and the trigger as well, and a checksum; so do both
forms of COMTRADE. The other references are samples alone, in the order of the channels.

Besides, a record that the real detection cut from the simulated feeder, with all its notes.
"""

from __future__ import annotations

import io
import lzma
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agent import wave_vectors
from agent.clock import NTP, Stamp
from agent.detect.detector import Detector
from agent.detect.settings import defaults
from agent.record_packed import packed
from agent.record_writer import RecordWriter
from agent.recorder import Recorder, Story
from agent.records import Block, Channel, Layout
from agent.sensors import channels
from agent.sensors.comtrade_write import Sheet, files
from agent.sensors.simulated import Feeder, Happening, Waveform
from agent.site import Bay
from agent.store import entries
from agent.store.record_files import Limits, RecordFiles
from agent.uplink import wave_channel, wave_pack
from agent.waveform import comtrade, opened
from agent.wiring import taps
from bench.table import Row, interleaved

Counts = npt.NDArray[np.int64]

RATE, HZ, CYCLES = 4000, 50, 12
MOST_BYTES = 7200  # issue: lossless, of 15.4 kB
NAMES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
STAMP = Stamp(3, 400_000, 1_795_478_400_123_456, NTP, 1_500)
HEAD = {
    "station": "hebin ftu-7",
    "bay": "head",
    "boot": STAMP.boot,
    "mono_us": STAMP.mono_us,
    "utc_us": STAMP.utc_us,
    "source": STAMP.source,
    "error_us": 1_501,
    "trigger_us": 60_000,
    "local_offset_min": 480,
    "nominal_hz": HZ,
    "rate_numerator": RATE,
    "rate_denominator": 1,
    "tuned": wave_channel.tuned_to((RATE, 1), HZ),
    "origin": 51_200,
}
RUNS = [(0, CYCLES * RATE // HZ, -12_800_000)]
LAYOUT = Layout(
    "wire",
    tuple(Channel(name, "A" if name[0] == "i" else "V", 0.61037) for name in NAMES),
    Fraction(RATE),
)


def fault(noise_lsb: float) -> Counts:
    """The samples, shape (8, 960)."""
    rng = np.random.default_rng(20261125)
    t = np.arange(CYCLES * RATE // HZ) / RATE
    w, since = 2 * np.pi * HZ, t - 0.04
    shorted = since >= 0
    turns = -2 * np.pi / 3 * np.arange(3)
    load = 900 * np.sin(w * t + turns[:, None])
    short = 14_000 * (np.sin(w * since - 1.0) + np.sin(1.0) * np.exp(-since / 0.045))
    currents = load + np.outer((0, 1, -1), np.where(shorted, short, 0.0))
    sound = 16_000 * np.sin(w * t + turns[:, None]) + 320 * np.sin(5 * w * t + turns[:, None])
    sag = np.array(((1.0,), (0.55,), (0.55,)))
    volts = np.where(shorted, sag * sound, sound)
    rows = np.vstack((currents, currents.sum(0), volts, volts.sum(0)))
    counts: Counts = np.rint(rows + rng.normal(0, noise_lsb, rows.shape)).astype(np.int64)
    return counts


def ours(samples: Counts, pack_channel: Callable[..., bytes] = wave_vectors.pack) -> bytes:
    """The packed record."""
    packed_channels = [
        (c.name, c.phase, c.unit, entries.exact(c.scale), entries.exact(c.offset))
        for c in LAYOUT.channels
    ]
    return wave_pack.pack(HEAD, RUNS, packed_channels, samples, b"", pack_channel)


def sheet(samples: Counts) -> Sheet:
    """The same as COMTRADE has it."""
    return Sheet(
        stem="bench",
        station="hebin ftu-7",
        layout=LAYOUT,
        nominal_hz=HZ,
        counts=[samples.astype(np.int32)],
        positions=[0],
        origin=51_200,
        starts_us=[-12_800_000],
        begin=STAMP,
        trigger_us=60_000,
        offset_min=480,
        inf=[],
        hdr="",
    )


def comtrade_zip(samples: Counts) -> bytes:
    """Header and samples of 1999 in one archive, as they are mailed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for extension, data in files(sheet(samples)).items():
            if extension in (".cfg", ".dat"):
                archive.writestr(f"bench{extension}", data)
    return out.getvalue()


def raw(samples: Counts) -> bytes:
    """16 bits each, channel by channel."""
    return samples.astype("<i2").tobytes()


def planes(samples: Counts, order: int) -> bytes:
    """Differences of an order, their low bytes before their high bytes."""
    left = np.diff(samples, order, axis=1, prepend=np.zeros((8, order), np.int64)).astype("<i2")
    return left.view(np.uint8).reshape(-1, 2).T.tobytes()


def ours_of_order_two(samples: Counts) -> bytes:
    """What the constant of the frequency gains: the same without it."""
    head = HEAD | {"tuned": 0}
    rows_ = [(name, "", "A", (1, 0), (0, 0)) for name in NAMES]
    return wave_pack.pack(head, RUNS, rows_, samples, b"", wave_vectors.pack)


REFERENCES: dict[str, Callable[[Counts], bytes]] = {
    "COMTRADE zip": comtrade_zip,
    "zlib": lambda samples: zlib.compress(raw(samples), 9),
    "lzma": lambda samples: lzma.compress(raw(samples), preset=9 | lzma.PRESET_EXTREME),
    "delta2 + planes + zlib": lambda samples: zlib.compress(planes(samples, 2), 9),
    "delta + planes + lzma": lambda samples: lzma.compress(
        planes(samples, 1), preset=9 | lzma.PRESET_EXTREME
    ),
    "delta2 + Rice (ours, order 2 alone)": ours_of_order_two,
}


def rows(quick: bool) -> Iterator[Row]:
    """Bytes first, which are exact; then the time of this machine."""
    for noise in (0.3, 2.0, 8.0):
        samples = fault(noise)
        size = len(ours(samples))
        for name, reference in REFERENCES.items():
            told = len(reference(samples))
            yield Row(
                what=f"waveform of {len(raw(samples)):,} bytes, {noise:g} LSB of noise",
                value=size,
                unit="B",
                reference=name,
                reference_value=told,
                ratio=told / size,
                at_most=MOST_BYTES if noise == 2.0 and name == "COMTRADE zip" else None,
            )
    yield from _speed(fault(2.0), 3 if quick else 31)
    yield from _record()


def _speed(samples: Counts, runs: int) -> Iterator[Row]:
    data = ours(samples)
    plain = [row.tolist() for row in samples]
    measured = interleaved(
        runs,
        _timed(lambda: ours(samples)),
        _timed(lambda: wave_pack.pack(HEAD, RUNS, _bare(), plain)),
        _timed(lambda: wave_pack.unpack(data, wave_vectors.unpack)),
        _timed(lambda: wave_pack.unpack(data)),
        _timed(lambda: comtrade_zip(samples)),
    )
    words = ("packed with numpy", "packed without", "opened with numpy", "opened without")
    for what, took in zip(words, measured, strict=False):
        yield Row(
            what=f"  {what}",
            value=took,
            unit="ms",
            reference="COMTRADE zip made, ms",
            reference_value=measured[4],
        )


def _bare() -> list[wave_pack.Channel]:
    return [(name, "", "A", (1, 0), (0, 0)) for name in NAMES]


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    def once() -> float:
        begin = time.process_time()
        work()
        return 1e3 * (time.process_time() - begin)

    return once


def _record() -> Iterator[Row]:
    """One as guard's thread writes and packs it, and the consumer's file again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = RecordWriter(
            lambda: RecordFiles(folder, Limits(10, 1 << 30, 0)), station="hebin ftu-7"
        )
        story = _story()
        writer.take(story, replace(STAMP, mono_us=story.sample_us(story.mark.index)))
        writer.stop(30.0)
        (path,) = folder.glob("*.cff")
        file = path.read_bytes()
        data = packed(path)
        if comtrade(opened(data))[".cff"] != file:
            raise AssertionError("the consumer's file is not the terminal's own")
        notes = len(wave_pack.open_head(data)[3])
    archived = len(zlib.compress(file, 9))
    yield Row(
        what=f"record of a fault, 8 channels, 12.8 kHz, file {len(file):,} B",
        value=len(data),
        unit="B",
        reference="the file, zlib",
        reference_value=archived,
        ratio=archived / len(data),
    )
    yield Row(what="  of it notes: settings, events, reasons", value=notes, unit="B")


def _story() -> Story:
    bay = Bay("head", "S1", 10_000.0, 50, "resonant", 400.0)
    waveform = Waveform(Feeder(rate_hz=12_800), (Happening("fault", 0.8, 0.1, kind="BC"),))
    layout = waveform.layout("wire")
    detector = Detector(
        layout, [(bay, defaults(bay), taps(layout, channels.derive(layout).uses, bay))]
    )
    recorder = Recorder(detector)
    stories: list[Story] = []
    for first in range(0, round(1.8 * 12_800), 64):
        block = Block(layout, first, 0, waveform.counts(first, 64))
        stories += recorder.feed(block, detector.feed(block))
    (story,) = stories + recorder.stop()
    return story
