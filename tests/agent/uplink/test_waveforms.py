"""Parts in any order, twice, with holes: a whole record, or word that it will not become one."""

from __future__ import annotations

import hashlib
import random
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import GNSS, Stamp
from agent.errors import RecordError
from agent.sensors.comtrade import parse, parse_single
from agent.store import entries
from agent.store.entries import Key
from agent.uplink import wave_pack
from agent.uplink.consumer import DeclaredLost, Delivered, Received
from agent.uplink.waveforms import Assembler, Torn, Whole, comtrade, opened
from tests.agent.uplink.test_wave_pack import HEAD, MADE

STAMP = Stamp(3, 1, 1_795_478_400_000_000, GNSS, 1)
NAME = "000017-20261125T071455123Z-head"
FIRST = 40
DATA = random.Random(1).randbytes(9500)


def part(seq: int, number: int, parts: int, body: bytes, **values: Any) -> Received:
    told = {"of_record": NAME, "part": number, "parts": parts, "body": body, **values}
    return Received("hebin", Key("ftu-7", 9, "w", seq), entries.wave_entry(STAMP, told), 0)


def record(data: bytes = DATA, first: int = FIRST, size: int = 1800) -> list[Received]:
    """The parts of a packed record, from the seq `first` on."""
    bodies = [data[at : at + size] for at in range(0, len(data), size)]
    parts = [part(first + n, n, len(bodies), body) for n, body in enumerate(bodies)]
    last = len(bodies) - 1
    digest = hashlib.sha256(data).digest()
    return [*parts[:-1], part(first + last, last, len(bodies), bodies[-1], digest=digest)]


def fed(assembler: Assembler, delivered: list[Delivered]) -> list[Whole | Torn]:
    return [result for each in delivered for result in assembler.take(each)]


def lost(first: int, last: int) -> DeclaredLost:
    return DeclaredLost("hebin", "ftu-7", 9, "w", first, last, "quota")


WHOLE = Whole("hebin", "ftu-7", 9, NAME, FIRST, FIRST + 5, DATA)


@given(st.randoms(use_true_random=False), st.integers(0, 6))
def test_parts_in_any_order_and_repeated_become_one_record(rng: random.Random, twice: int) -> None:
    parts = record()
    come: list[Delivered] = [*parts, *rng.sample(parts, min(twice, len(parts)))]
    rng.shuffle(come)
    assert fed(Assembler(), come) == [WHOLE]


def test_a_record_that_is_sent_again_as_a_whole_is_told_once() -> None:
    assert fed(Assembler(), [*record(), *record()]) == [WHOLE]


def test_a_record_begun_anew_by_another_guard_is_whole_by_its_second_attempt() -> None:
    again = record(first=FIRST + 3)
    results = fed(Assembler(), [*record()[:3], *again])
    assert results == [replace(WHOLE, first=FIRST + 3, last=FIRST + 8)]


@pytest.mark.parametrize(
    ("first", "last", "torn"),
    [
        pytest.param(1, FIRST - 1, False, id="before-it"),
        pytest.param(FIRST + 6, FIRST + 90, False, id="behind-it"),
        pytest.param(FIRST, FIRST + 1, False, id="what-has-come-already"),
        pytest.param(FIRST + 5, FIRST + 5, True, id="its-last-part"),
        pytest.param(1, FIRST + 90, True, id="all-around-it"),
    ],
)
def test_a_lost_range_tears_what_it_takes_a_missing_part_of(
    first: int, last: int, torn: bool
) -> None:
    assembler = Assembler()
    parts = record()
    results = fed(assembler, [*parts[:3], lost(first, last)])
    told = Torn("hebin", "ftu-7", 9, NAME, FIRST, FIRST + 5, "quota")
    assert results == ([told] if torn else [])
    if not torn:
        assert fed(assembler, [*parts[3:]]) == [WHOLE]


def test_another_lanes_loss_another_nodes_loss_and_other_records_change_nothing() -> None:
    assembler = Assembler()
    parts = record()
    noise: list[Delivered] = [
        replace(lost(1, 99), lane="h"),
        replace(lost(1, 99), node="ftu-8"),
        replace(lost(1, 99), epoch=8),
        Received("hebin", Key("ftu-7", 9, "h", 1), entries.audit_entry(STAMP, "x"), 0),
    ]
    assert fed(assembler, [*parts[:3], *noise, *parts[3:]]) == [WHOLE]


def test_a_part_of_other_bytes_is_found_by_the_digest() -> None:
    parts = record()
    parts[2] = part(FIRST + 2, 2, 6, bytes(1800))
    (torn,) = fed(Assembler(), [*parts])
    assert isinstance(torn, Torn)
    assert "digest" in torn.why


@pytest.mark.parametrize(
    "values",
    [
        {"number": 6, "parts": 6},
        {"number": 0, "parts": 1 << 20},
        {"number": 5, "parts": 6},  # a last part without digest
        {"number": 0, "parts": 6, "of_record": "../../etc/cron.d/x"},
        {"number": 60, "parts": 61, "digest": bytes(32)},  # its first part would be before seq 1
    ],
)
def test_a_part_that_contradicts_itself_is_one_clear_error(values: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="lane w, seq 40"):
        Assembler().take(part(FIRST, body=b"x", **values))


def test_memory_is_bounded_and_who_waited_longest_gives_way() -> None:
    assembler = Assembler(most_open=3, most_bytes=10_000)
    results = fed(assembler, [record(first=100 * n)[0] for n in range(1, 6)])
    assert [(type(each), each.first) for each in results] == [(Torn, 100), (Torn, 200)]
    big = [part(1000 + n, n, 9, bytes(1800)) for n in range(6)]
    assert {each.first for each in fed(assembler, [*big])} == {300, 400, 500, 1000}


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
        pytest.param({}, (1, 5000), id="a-scale-beyond-floats"),
        pytest.param({}, (1 << 60, 0), id="a-scale-that-no-float-is"),
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
