"""What revision 2013 brought: 32-bit samples, single files, clocks; and records of several rates.

The second reader is D. Parrini's package `comtrade`; where it differs from the standard, the test
says so. Golden bytes are the standard's own, or IEEE 754's.
"""

from __future__ import annotations

import itertools
import os
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import RecordError
from agent.records import Quality
from agent.sensors import channels, comtrade
from agent.sensors.comtrade_time import Clock
from tests.agent.sensors.recordings import (
    ENCODINGS,
    REVISIONS,
    Written,
    check_promises,
    damaged,
    load_by_other,
    played,
    ramp,
    read_by_other,
    told_or_checked,
    values_of,
)

PLAIN = Written(ramp(), np.eye(2, 40, dtype=np.int64), revision=2013)


# --- 32-bit samples ------------------------------------------------------------------


def test_the_row_that_the_standard_prints_is_read_as_it_says() -> None:
    """IEEE C37.111-1999, 6.4 and 6.6: one and the same row as text and as bytes."""
    header = replace(PLAIN, values=ramp(6, 1), states=np.zeros((6, 1), dtype=np.int64))
    text = b"5, 667, -760, 1274, 72, 61, -140, -502,0,0,0,0,1,1\r\n"
    row = bytes.fromhex("05000000 9B020000 08FD FA04 4800 3D00 74FF 0AFE 3000")

    for encoding, dat in (("ASCII", text), ("BINARY", row)):
        cfg = replace(header, encoding=encoding).cfg().encode()
        record = comtrade.parse(cfg, dat, "x.cfg", "x.dat")

        assert record.counts[:, 0].tolist() == [-760, 1274, 72, 61, -140, -502]
        assert record.statuses[:, 0].tolist() == [False, False, False, False, True, True]


@pytest.mark.parametrize(
    ("encoding", "words", "values"),
    [
        # Two's complement, the least and the largest of 20 bits, and -1.
        ("BINARY32", "0000F0FF FFFF0F00 FFFFFFFF", [-1048576, 1048575, -1]),
        # IEEE 754: sign, exponent - 127, fraction: -2.5, 1/8, 100.
        ("FLOAT32", "000020C0 0000003E 0000C842", [-2.5, 0.125, 100.0]),
    ],
)
def test_32_bit_words_are_read_little_end_first(
    encoding: str, words: str, values: list[float]
) -> None:
    cfg = Written(ramp(3, 1), revision=2013, encoding=encoding, scales=["1", "1", "1"]).cfg()
    dat = struct.pack("<II", 1, 0) + bytes.fromhex(words)

    record = comtrade.parse(cfg.encode(), dat, "x.cfg", "x.dat")

    np.testing.assert_allclose(values_of(record)[:, 0], values, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("encoding", "marker"),
    [
        pytest.param("BINARY32", "00000080", id="80000000-hex"),
        pytest.param("FLOAT32", "FFFF7FFF", id="FF7FFFFF-hex"),
        pytest.param("FLOAT32", "0000C07F", id="not-a-number"),
        pytest.param("FLOAT32", "0100807F", id="a-signalling-one"),
    ],
)
def test_what_is_marked_as_missing_is_no_value(encoding: str, marker: str) -> None:
    written = replace(PLAIN, encoding=encoding)
    dat, row = bytearray(written.dat()), 8 + 3 * 4 + 2
    dat[10 * row + 12 : 10 * row + 16] = bytes.fromhex(marker)

    record = comtrade.parse(written.cfg().encode(), bytes(dat), "x.cfg", "x.dat")

    assert np.isnan(record.counts[1, 10])
    assert np.isnan(record.counts).sum() == 1
    assert played(record, 100) == [(0, 10, Quality.GOOD), (11, 29, Quality.GAP)]


@pytest.mark.parametrize(
    ("revision", "high", "missing"),
    [(1999, 99998, True), (1999, 2**31 - 1, True), (2013, 99999, True), (2013, 2**31 - 1, False)],
)
def test_99999_in_text_is_a_value_where_32_bits_reach_beyond_it(
    revision: int, high: int, missing: bool
) -> None:
    values = ramp()
    values[1, 10] = 99999
    written = Written(values, revision=revision, encoding="ASCII")
    cfg = written.cfg().replace(",32767", f",{high}").encode()

    record = comtrade.parse(cfg, written.dat(), "x.cfg", "x.dat")

    assert np.isnan(record.counts[1, 10]) == missing


def test_the_second_reader_takes_the_marker_of_float32_for_a_number() -> None:
    """It looks for Python's smallest positive float, which no 32 bits hold. The day this fails,
    FLOAT32 markers can join the comparison of generated records.
    """
    values = ramp().astype(np.float64)
    values[0, 3] = np.finfo(np.float32).min
    written = Written(values, revision=2013, encoding="FLOAT32")

    other = read_by_other(written.cfg(), written.dat())

    assert other.analog[0][3] < -1e38
    assert np.isnan(written.parsed().counts[0, 3])


@pytest.mark.parametrize("value", [np.inf, -np.inf, 2e12, -3.4e38])
def test_a_float_that_no_converter_delivers_is_damage(value: float) -> None:
    values = ramp().astype(np.float64)
    values[1, 7] = value

    with pytest.raises(RecordError, match=r"sample 8 of channel IB is .*; expected at most 1e.12"):
        Written(values, revision=2013, encoding="FLOAT32").parsed()


def test_more_than_20_bits_are_rounded_and_told_but_floats_are_what_they_are() -> None:
    written = Written(ramp() * 100_000 + 1, revision=2013, encoding="BINARY32")
    floats = Written(ramp() / 7, revision=2013, encoding="FLOAT32")

    for record, told in ((written.parsed(), 1), (floats.parsed(), 0)):
        assert (record.counts == np.rint(record.counts)).all()
        assert len(record.findings) == told
    peaks = 0.5 * np.abs(floats.values).max(axis=1, keepdims=True)
    assert (np.abs(values_of(floats.parsed()) - 0.5 * floats.values) <= peaks * 2.0**-20).all()


needs_records = pytest.mark.skipif(
    "FTU_RECORDS" not in os.environ, reason="FTU_RECORDS names no folder of real records"
)


@needs_records
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_real_records_written_anew_are_the_same_to_both_readers(
    encoding: str, tmp_path: Path
) -> None:
    for path in comtrade.find([Path(os.environ["FTU_RECORDS"])]).paths[::7]:
        record = comtrade.read(path)
        written = Written(
            values=record.counts[:, :400].astype(np.int64),
            revision=2013,
            encoding=encoding,
            scales=[repr(channel.scale) for channel in record.layout.channels],
        )
        expected = values_of(record)[:, :400]
        for saved in (written.save(tmp_path), written.save_cff(tmp_path)):
            ours, theirs = comtrade.read(saved), load_by_other(saved)
            np.testing.assert_array_equal(values_of(ours), expected)
            np.testing.assert_allclose(np.array(theirs.analog), expected, rtol=1e-12, atol=0)


# --- single files --------------------------------------------------------------------


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_single_file_is_the_record_of_its_two_files(encoding: str, line_end: str) -> None:
    written = replace(PLAIN, encoding=encoding)

    single = comtrade.parse_single(written.cff(line_end), "x.cff")

    pair = written.parsed()
    np.testing.assert_array_equal(single.counts, pair.counts)
    np.testing.assert_array_equal(single.statuses, pair.statuses)
    for name in ("stem", "layout", "ratios", "start", "trigger", "clock", "findings"):
        assert getattr(single, name) == getattr(pair, name)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_single_file_is_the_same_to_the_second_reader(encoding: str, tmp_path: Path) -> None:
    path = replace(PLAIN, encoding=encoding).save_cff(tmp_path)

    ours, theirs = comtrade.read(path), load_by_other(path)

    np.testing.assert_allclose(values_of(ours), np.array(theirs.analog), rtol=1e-12)
    np.testing.assert_array_equal(ours.statuses, np.array(theirs.status))
    assert (ours.station, ours.device) == (theirs.station_name, theirs.rec_dev_id)


def changed(old: bytes, new: bytes, encoding: str = "BINARY") -> bytes:
    cff = replace(PLAIN, encoding=encoding).cff()
    assert old in cff
    return cff.replace(old, new)


BYTES = b": 640 ---"


@pytest.mark.parametrize(
    ("cff", "findings"),
    [
        pytest.param(changed(b"file type", b"FILE  Type "), 0, id="other-case-and-blanks"),
        pytest.param(b"\xef\xbb\xbf" + PLAIN.cff(), 0, id="byte-order-mark"),
        pytest.param(b"a note\r\n" + PLAIN.cff(), 0, id="words-before-the-first-section"),
        pytest.param(changed(BYTES, b" ---"), 0, id="no-number-of-bytes"),
        pytest.param(changed(b" BINARY" + BYTES, b" ---"), 0, id="no-encoding"),
        pytest.param(changed(BYTES, b": 0 ---"), 1, id="a-number-never-filled-in"),
        pytest.param(changed(BYTES, b": 999 ---"), 1, id="a-number-too-large"),
        pytest.param(PLAIN.cff() + b"\x1a" * 100, 0, id="dos-end-of-file"),
        pytest.param(PLAIN.cff() + b"\r\n--- file type: END ---\r\n", 0, id="a-section-behind"),
        pytest.param(
            changed(b"--- file type: HDR ---\r\na fault\r\nof the tests\r\n", b""), 0, id="no-hdr"
        ),
    ],
)
def test_single_files_of_the_field_mean_what_the_plain_one_means(cff: bytes, findings: int) -> None:
    record = comtrade.parse_single(cff, "x.cff")

    np.testing.assert_array_equal(record.counts, PLAIN.values)
    assert len(record.findings) == findings


def test_binary_stands_for_every_binary_encoding() -> None:
    cff = changed(b"DAT BINARY32", b"DAT BINARY", "BINARY32")

    np.testing.assert_array_equal(comtrade.parse_single(cff, "x.cff").counts, PLAIN.values)


def test_samples_that_look_like_a_separator_are_samples() -> None:
    words = np.frombuffer(b"\r\n--- file type: CFG ---\r\n", dtype="<i2").astype(np.int64)
    values = np.tile(words, (1, 4)).reshape(4, -1)
    written = Written(values, revision=2013)

    record = comtrade.parse_single(written.cff(), "x.cff")

    np.testing.assert_array_equal(record.counts, values)


@pytest.mark.parametrize(
    ("cff", "told"),
    [
        pytest.param(
            b"", "x.cff line 1: no header in the file; expected a line '--- file", id="empty"
        ),
        pytest.param(b"\0" * 5000, "x.cff line 1: no header in the file", id="zeros"),
        pytest.param(
            PLAIN.cff()[: PLAIN.cff().index(b"--- file type: INF")],
            "x.cff: no samples in the file; expected a line '--- file type: DAT",
            id="no-samples",
        ),
        pytest.param(
            PLAIN.cff()[PLAIN.cff().index(b"--- file type: INF") :],
            "x.cff line 7: samples before a header",
            id="no-header",
        ),
        pytest.param(
            changed(b"--- file type: HDR ---", b"--- file type: CFG ---"),
            "x.cff line 21: a second header; expected one CFG section",
            id="two-headers",
        ),
        pytest.param(
            changed(b"DAT BINARY", b"DAT ASCII"),
            "x.cff line 24: samples are ASCII, the header says BINARY; expected one and",
            id="two-encodings",
        ),
        pytest.param(
            changed(b"3A,2D", b"3B,2D"),
            "x.cff line 3: the number of channels is '3B'",
            id="header-damaged",
        ),
        pytest.param(
            changed(b",3125,", b",312x,", "ASCII"),
            "x.cff line 30: field 2 is '312x'; expected a number",
            id="sample-damaged",
        ),
        pytest.param(
            changed(b"5,3A,2D", b"4,4A,0D"), "x.cff line 7: analog channel 4", id="a-channel-more"
        ),
        pytest.param(
            changed(b"5,3A,2D", b"9,999999A,0D"),
            "x.cff line 3: 999999 analog and 0 status channels",
            id="absurdly-many-channels",
        ),
    ],
)
def test_a_damaged_single_file_tells_its_line_and_field(cff: bytes, told: str) -> None:
    with pytest.raises(RecordError) as caught:
        comtrade.parse_single(cff, "x.cff")

    assert str(caught.value).startswith(told)
    assert "; expected " in str(caught.value)


def parsed_or_told(cff: bytes) -> comtrade.Record | RecordError:
    try:
        return comtrade.parse_single(cff, "x.cff")
    except RecordError as error:
        return error


SMALL = Written(ramp(2, 6), np.eye(1, 6, dtype=np.int64), revision=2013)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_single_file_cut_at_any_byte_gives_a_record_or_one_error(encoding: str) -> None:
    cff = replace(SMALL, encoding=encoding).cff()

    for length in range(len(cff)):
        told_or_checked(parsed_or_told(cff[:length]), "x.cff")


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_any_damage_of_a_single_file_gives_a_record_or_one_error(
    encoding: str, data: st.DataObject
) -> None:
    told_or_checked(
        parsed_or_told(data.draw(damaged(replace(SMALL, encoding=encoding).cff()))), "x.cff"
    )


def test_separators_without_end_are_read_in_linear_time() -> None:
    with pytest.raises(RecordError, match="no header"):
        comtrade.parse_single(b"--- file type: INF ---\n" * 200_000, "x.cff")
    with pytest.raises(RecordError, match="no header"):
        comtrade.parse_single(b"\n---" + b" " * (1 << 20) + b"\n", "x.cff")


def test_folders_give_a_record_once_also_where_it_lies_there_twice(tmp_path: Path) -> None:
    PLAIN.save(tmp_path, "both")
    single = PLAIN.save_cff(tmp_path, "both")
    (tmp_path / "lonely.cff").write_bytes(PLAIN.cff())
    PLAIN.save_cff(tmp_path / "deep", "R1").rename(tmp_path / "deep" / "R1.CFF")

    found = comtrade.find([tmp_path])

    assert found.paths == [single, tmp_path / "deep" / "R1.CFF", tmp_path / "lonely.cff"]
    assert found.findings == []
    assert found.notes == [f"{tmp_path}/both.cfg: left out, both.cff beside it is the same record"]


def test_a_file_that_is_named_is_taken(tmp_path: Path) -> None:
    pair, single = PLAIN.save(tmp_path), PLAIN.save_cff(tmp_path)

    assert comtrade.find([pair]).paths == [pair]
    assert comtrade.find([single, pair]).paths == [single, pair]


def test_a_mapping_is_found_in_a_record_of_2013() -> None:
    record = comtrade.parse_single(replace(PLAIN, encoding="FLOAT32").cff(), "x.cff")

    stated = channels.resolve(channels.parse_map("ia=IB,ib=ic"), record.layout)
    derived = channels.derive(record.layout, record.status_names)

    assert {role: use.index for role, use in stated.uses.items()} == {"ia": 1, "ib": 2}
    assert {role: use.index for role, use in derived.uses.items()} == {"ia": 0, "ib": 1, "ic": 2}


# --- the clock -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "clock", "findings"),
    [
        (("+8,+8", "0,0"), Clock(480, 480, True, None, "none"), 0),
        (("-5h30,-5h30", "B,3"), Clock(-330, -330, False, 10.0, "unknown"), 1),
        (("0,x", "4,0"), Clock(0, None, False, 1e-6, "none"), 1),
        (("-4,0", "f,1"), Clock(-240, 0, False, None, "added"), 2),
        (("8 , 8", "0 , 2"), Clock(480, 480, True, None, "removed"), 1),
        (("-7h15s,-7h15", "1,3"), Clock(-435, -435, False, 1e-9, "unknown"), 1),
        (("soon,later", "Z,9"), Clock(), 4),
        (("+15,+8h60", "10,"), Clock(), 3),
        ((), Clock(), 0),
        (("+8,+8",), Clock(480, 480), 0),
    ],
)
def test_the_clock_behind_a_record_is_understood_or_unknown(
    codes: tuple[str, ...], clock: Clock, findings: int
) -> None:
    record = replace(PLAIN, clock=codes).parsed()

    assert record.clock == clock
    assert len(record.findings) == findings


def test_a_clock_that_was_not_locked_is_told() -> None:
    assert replace(PLAIN, clock=("0,0", "7,0")).parsed().findings == (
        "the recorder's clock was not locked: stamps are within 0.001 s",
    )


@pytest.mark.parametrize("revision", [1991, 1999])
def test_older_revisions_say_nothing_of_their_clock(revision: int) -> None:
    assert replace(PLAIN, revision=revision).parsed().clock == Clock()


@pytest.mark.parametrize(
    ("year", "revision"), [("2001", 1999), ("2008", 1999), ("2013", 2013), ("2017", 2013)]
)
def test_editions_of_other_bodies_are_the_revision_they_repeat(year: str, revision: int) -> None:
    cfg = PLAIN.cfg().replace("2013", year, 1).encode()

    assert comtrade.parse(cfg, PLAIN.dat(), "x.cfg", "x.dat").revision == revision


@pytest.mark.parametrize(
    ("revision", "begin", "trigger", "told_us"),
    [
        (1999, "01/02/2026,03:04:05.000000", "01/02/2026,03:04:05.1", 100_000),
        (1999, "28/02/2026,23:59:59.5", "01/03/2026,00:00:00.25", 750_000),
        (1991, "02/28/26,23:59:59.5", "03/01/26,00:00:00.25", 750_000),
        (2013, "01/02/2026,03:04:05.000000123", "01/02/2026,03:04:05.100001124", 100_001),
        (1999, "", "01/02/2026,03:04:05.1", None),
        (1999, "31/02/2026,03:04:05", "01/03/2026,03:04:05", None),
        (1999, "01/02/2026,03:04:05", "01/02/2026,25:04:05", None),
    ],
)
def test_the_trigger_is_told_since_the_first_sample(
    revision: int, begin: str, trigger: str, told_us: int | None
) -> None:
    written = replace(PLAIN, revision=revision)
    cfg = written.cfg()
    for second, instant in zip(written.seconds, (begin, trigger), strict=True):
        cfg = cfg.replace(f"01/02/2026,03:04:{second}", instant)

    assert comtrade.parse(cfg.encode(), PLAIN.dat(), "x.cfg", "x.dat").trigger_us == told_us


@pytest.mark.parametrize(
    ("seconds", "unit_ns"),
    [(("05.000000", "05.100000"), 1000), (("05.000000000", "05.100000000"), 1)],
)
@pytest.mark.parametrize("factor", ["1", "2.5"])
def test_stamps_count_nanoseconds_where_the_instants_do(
    seconds: tuple[str, str], unit_ns: int, factor: str
) -> None:
    step = Fraction(625_000) / unit_ns / Fraction(factor)
    stamps = [int(k * step) for k in range(40)]
    written = replace(PLAIN, rate="0", stamps=stamps, seconds=seconds)
    cfg = written.cfg().replace("BINARY\r\n1\r\n", f"BINARY\r\n{factor}\r\n")

    record = comtrade.parse(cfg.encode(), written.dat(), "x.cfg", "x.dat")

    assert record.layout.rate_hz == 1600
    other = read_by_other(cfg, written.dat())
    assert other.time[-1] - other.time[0] == pytest.approx(39 / 1600, rel=1e-3)


# --- several rates -------------------------------------------------------------------

TWO = replace(PLAIN, sections=[("1000", 10), ("4000", 40)])


def test_each_stretch_of_one_rate_is_a_stream_on_one_axis() -> None:
    first, second = TWO.parsed().stretches

    assert (first.layout.rate_hz, second.layout.rate_hz) == (Fraction(1000), Fraction(4000))
    assert (first.length, first.begin_us) == (10, 0)
    # 10 samples 1 ms apart, then a period of the new rate: the instant of sample 11.
    assert (second.length, second.begin_us) == (30, 9250)
    np.testing.assert_array_equal(np.hstack((first.counts, second.counts)), PLAIN.values)
    np.testing.assert_array_equal(
        np.hstack((first.statuses, second.statuses)), PLAIN.states.astype(bool)
    )
    for stretch in (first, second):
        check_promises(stretch)
    (block,) = comtrade.blocks(second, 100)
    assert [block.sample_us(k) for k in (0, 1, 29)] == [9250, 9500, 16500]


def test_the_longest_stretch_comes_first_and_tells_of_the_others() -> None:
    record = TWO.parsed()

    assert record.layout.rate_hz == 4000
    assert [other.layout.rate_hz for other in record.others] == [1000]
    assert "the rate changes: 1000 Hz from 0 s, 4000 Hz from 0.00925 s; each stretch by itself" in (
        record.findings
    )
    assert all(not other.findings for other in record.others)


@st.composite
def sections(draw: st.DrawFn) -> list[tuple[str, int]]:
    ends = sorted(draw(st.sets(st.integers(1, 60), min_size=1, max_size=6)))
    rates = draw(st.lists(st.sampled_from(["800", "1000", "1600", "7678.36"]), min_size=6))
    return [(rates[k], end) for k, end in enumerate(ends)]


@given(sections())
@settings(deadline=None)
def test_instants_over_any_rates_are_those_of_the_second_reader(
    told: list[tuple[str, int]],
) -> None:
    written = Written(ramp(2, told[-1][1]), revision=2013, sections=told)

    record = written.parsed()
    other = read_by_other(written.cfg(), written.dat())

    instants = [
        block.sample_us(block.first + k)
        for stretch in record.stretches
        for block in comtrade.blocks(stretch, 1000)
        for k in range(block.counts.shape[1])
    ]
    np.testing.assert_allclose(instants, 1e6 * np.array(other.time), rtol=0, atol=1.5)
    together = np.hstack([values_of(stretch) for stretch in record.stretches])
    np.testing.assert_allclose(together, np.array(other.analog), rtol=1e-12)
    rates = [stretch.layout.rate_hz for stretch in record.stretches]
    assert all(a != b for a, b in itertools.pairwise(rates))


@pytest.mark.parametrize(
    ("told", "lengths"),
    [
        pytest.param([("1000", 10), ("4000", 30)], [10, 30], id="more-samples-than-told"),
        pytest.param([("1000", 10), ("4000", 90)], [10, 30], id="fewer-samples-than-told"),
        pytest.param([("1000", 50), ("4000", 90)], [40], id="a-file-that-ends-before-a-rate"),
    ],
)
def test_stretches_follow_the_samples_that_are_there(
    told: list[tuple[str, int]], lengths: list[int]
) -> None:
    record = replace(PLAIN, sections=told).parsed()

    assert [stretch.length for stretch in record.stretches] == lengths


def test_a_gap_at_the_change_of_rate_moves_what_follows() -> None:
    numbers = [*range(1, 11), *range(15, 45)]

    first, second = (
        replace(TWO, sections=[("1000", 10), ("4000", 44)], numbers=numbers).parsed().stretches
    )

    assert (first.length, second.length) == (10, 30)
    assert second.begin_us == 9000 + 5 * 250


def test_a_rate_among_others_may_be_told_by_its_stamps() -> None:
    stamps = [1000 * k for k in range(10)] + [9250 + 250 * k for k in range(30)]

    first, second = (
        replace(TWO, sections=[("1000", 10), ("0", 40)], stamps=stamps).parsed().stretches
    )

    assert (first.layout.rate_hz, second.layout.rate_hz) == (Fraction(1000), Fraction(4000))


@pytest.mark.parametrize("revision", REVISIONS)
@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_any_damage_of_a_record_of_several_rates_gives_a_record_or_one_error(
    revision: int, data: st.DataObject
) -> None:
    written = replace(SMALL, revision=revision, sections=[("1000", 2), ("4000", 6)])
    cfg = data.draw(damaged(written.cfg().encode()))
    try:
        read: comtrade.Record | RecordError = comtrade.parse(cfg, written.dat(), "x.cfg", "x.dat")
    except RecordError as error:
        read = error

    told_or_checked(read, "x.cfg", "x.dat")
