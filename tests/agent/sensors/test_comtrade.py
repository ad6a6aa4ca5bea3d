"""COMTRADE from bytes to blocks, held against a second reader, D. Parrini's package `comtrade`.

Generated records are written by recordings.py from the text of IEEE C37.111; the real ones in
FTU_RECORDS were written by others (their INDEX.md says by whom). What came with revision 2013 is in
test_comtrade_2013.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import comtrade as second_reader  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import RecordError, SensorError, UsageError
from agent.records import Block, Notice, Quality
from agent.sensors import comtrade
from agent.sensors.comtrade_cfg import MAX_CFG_BYTES
from agent.sensors.comtrade_dat import MAX_DAT_BYTES
from agent.sensors.comtrade_record import LARGEST_COUNT
from agent.sensors.comtrade_text import number
from tests.agent.sensors.recordings import (
    ENCODINGS,
    REVISIONS,
    Written,
    damaged,
    played,
    ramp,
    read_by_other,
    told_or_checked,
    values_of,
)

# --- the same values as the second reader --------------------------------------------

decimals = st.decimals(min_value="-1000", max_value="1000", places=6).filter(
    lambda d: abs(d) > Fraction(1, 1000)
)


@st.composite
def records(draw: st.DrawFn) -> Written:
    analogs, statuses = draw(st.integers(1, 9)), draw(st.integers(0, 35))
    count = draw(st.integers(1, 30))
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    encoding = draw(st.sampled_from(ENCODINGS))
    revision = draw(st.sampled_from(REVISIONS if encoding in ENCODINGS[:2] else [2013]))
    edge = {"ASCII": 99998, "BINARY": 32767, "BINARY32": 2**31 - 1, "FLOAT32": 2**19}[encoding]
    values = seed.integers(-edge, edge, (analogs, count), endpoint=True)
    return Written(
        values=values / 1024 if encoding == "FLOAT32" else values,
        states=seed.integers(0, 2, (statuses, count)),
        revision=revision,
        encoding=encoding,
        scales=[str(draw(decimals)) for _ in range(analogs)],
        offsets=[str(draw(decimals)) for _ in range(analogs)],
    )


@given(records())
@settings(deadline=None)
def test_generated_records_hold_the_values_that_the_second_reader_sees(written: Written) -> None:
    record = written.parsed()
    other = read_by_other(written.cfg(), written.dat())

    ours, theirs = values_of(record), np.array(other.analog)
    # It takes every FFFF hex of 1991 as missing, also in channels whose range includes -1.
    known = ~np.isnan(theirs)
    assert (known | (written.values == -1)).all()
    largest = np.abs(theirs[known]).max(initial=0) + 1000.0  # offset and count may cancel
    # More than 20 bits are rounded to a millionth of the peak, for sums that are exact.
    wide = written.encoding in ("BINARY32", "FLOAT32")
    finest = 2.0**-20 * 1.01 if wide else 1e-12
    np.testing.assert_allclose(ours[known], theirs[known], rtol=1e-9, atol=finest * largest)
    np.testing.assert_array_equal(
        record.statuses, np.array(other.status).reshape(written.states.shape)
    )
    assert record.status_names == tuple(other.status_channel_ids)
    assert [c.name for c in record.layout.channels] == other.analog_channel_ids
    assert record.nominal_hz == other.frequency
    assert all(" 20 bits" in finding for finding in record.findings)
    assert not record.findings or written.encoding == "BINARY32"


needs_records = pytest.mark.skipif(
    "FTU_RECORDS" not in os.environ, reason="FTU_RECORDS names no folder of real records"
)


@needs_records
def test_real_records_hold_the_values_that_the_second_reader_sees() -> None:
    found = comtrade.find([Path(os.environ["FTU_RECORDS"])])

    assert found.paths
    assert not found.findings
    for path in found.paths:
        record = comtrade.read(path)
        other = second_reader.Comtrade(use_numpy_arrays=True, use_double_precision=True)
        other.load(str(path))
        np.testing.assert_allclose(values_of(record), np.array(other.analog), rtol=1e-9, atol=0)
        assert not record.findings
        assert float(record.layout.rate_hz or 0) == other.cfg.sample_rates[0][0]


@needs_records
def test_real_records_written_anew_as_ascii_1991_read_the_same() -> None:
    for path in comtrade.find([Path(os.environ["FTU_RECORDS"])]).paths[::6]:
        record = comtrade.read(path)
        old = Written(
            values=record.counts[:, :500].astype(np.int64),
            revision=1991,
            encoding="ASCII",
            scales=[repr(channel.scale) for channel in record.layout.channels],
        )
        np.testing.assert_array_equal(values_of(old.parsed()), values_of(record)[:, :500])


# --- headers as the field writes them ------------------------------------------------

PLAIN = Written(ramp(), np.eye(2, 40, dtype=np.int64))


def lines_with(number: int, text: str) -> Callable[[str], bytes]:
    """The plain header with one line (counted from 1) replaced."""

    def changed(cfg: str) -> bytes:
        lines = cfg.split("\r\n")
        lines[number - 1] = text
        return "\r\n".join(lines).encode()

    return changed


def with_text(old: str, new: str) -> Callable[[str], bytes]:
    """The plain header with one text in place of another, everywhere."""

    def changed(cfg: str) -> bytes:
        assert old in cfg
        return cfg.replace(old, new).encode()

    return changed


FACTORS = ",0.5,0,0,-32767,32767,600,5"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(with_text("\r\n", "\n"), id="unix-lines"),
        pytest.param(with_text("\r\n", "\r"), id="mac-lines"),
        pytest.param(with_text("\r\n", "\r\r\n"), id="doubled-return"),
        pytest.param(with_text("\r\n", "\n\r"), id="swapped-ends"),
        pytest.param(with_text("\r\n", "  \t\r\n"), id="trailing-blanks"),
        pytest.param(with_text("\r\n", ",\r\n"), id="trailing-commas"),
        pytest.param(with_text(",", " , "), id="blanks-around-fields"),
        pytest.param(lambda cfg: cfg.strip().encode(), id="no-last-line-end"),
        pytest.param(lambda cfg: cfg.encode() + b"\x1a" * 40, id="dos-end-of-file"),
        pytest.param(lambda cfg: cfg.encode() + b"\0" * 40, id="zeros-at-the-end"),
        pytest.param(lambda cfg: b"\xef\xbb\xbf" + cfg.encode(), id="byte-order-mark"),
        pytest.param(lambda cfg: cfg.lower().encode(), id="lower-case"),
        pytest.param(with_text("\r\n1\r\n", "\r\n1\r\n\r\n"), id="blank-line"),
        pytest.param(with_text("BINARY\r\n1\r\n", "BINARY"), id="no-time-multiplier"),
        pytest.param(with_text(",600,5,P", ""), id="no-factors"),
        pytest.param(with_text(",600,5,P", ",600,5"), id="no-side"),
        pytest.param(with_text(",0,-32767,32767,600,5,P", ""), id="a-and-b-only"),
        pytest.param(with_text(",0.5,0,0,", ",0.5,,,"), id="blank-b-and-skew"),
        pytest.param(with_text(",0.5,0,0,", ",0,5,0,0,"), id="decimal-comma"),
        pytest.param(with_text(",0.5,0,0,", ",5,0e-1,0,0,"), id="decimal-comma-and-exponent"),
        pytest.param(
            with_text(FACTORS, ",0,5,0,0,0,0,-32767,32767,600,0,5,0"), id="decimal-commas-only"
        ),
        pytest.param(lambda cfg: cfg.replace(",", ";").replace(".", ",").encode(), id="semicolons"),
        pytest.param(with_text("1600,40", "1600,0,40"), id="decimal-comma-in-the-rate"),
        pytest.param(with_text("1600,40", "1.6e3,40"), id="rate-with-exponent"),
        pytest.param(with_text("1\r\n1600,40", "2\r\n1600,20\r\n1600,40"), id="one-rate-twice"),
        pytest.param(lines_with(1, "a, b, and c,device,1999"), id="commas-in-the-station-name"),
        pytest.param(lines_with(1, "station,device,2001"), id="IEC-of-2001"),
        pytest.param(lines_with(1, "station,device"), id="no-revision"),
        pytest.param(lines_with(2, "5, 3 a, 2 d"), id="counts-with-blanks"),
        pytest.param(lines_with(6, "1,S0"), id="short-status-line"),
        pytest.param(lines_with(8, ""), id="blank-nominal-frequency"),
        pytest.param(lines_with(11, ","), id="no-start-time"),
    ],
)
def test_headers_of_the_field_mean_what_the_plain_header_means(
    change: Callable[[str], bytes],
) -> None:
    plain = PLAIN.parsed()

    record = comtrade.parse(change(PLAIN.cfg()), PLAIN.dat(), "x.cfg", "x.dat")

    np.testing.assert_array_equal(values_of(record), values_of(plain))
    np.testing.assert_array_equal(record.statuses, plain.statuses)
    assert record.layout.rate_hz == plain.layout.rate_hz
    assert [c.phase for c in record.layout.channels] == ["A", "B", "C"]
    assert [c.unit.upper() for c in record.layout.channels] == ["A", "A", "A"]


def test_decimal_commas_are_undone_in_a_header_of_1991() -> None:
    written = Written(ramp(), revision=1991, scales=["1,5", "0,25", "2"], offsets=["0", "0,5", "7"])

    record = written.parsed()

    scales, offsets = np.array([[1.5], [0.25], [2.0]]), np.array([[0.0], [0.5], [7.0]])
    np.testing.assert_array_equal(values_of(record), scales * written.values + offsets)
    assert record.findings == ("numbers with decimal commas",)


def test_a_record_tells_what_its_header_says() -> None:
    record = PLAIN.parsed()

    assert (record.stem, record.station, record.device) == ("x", "station", "device")
    assert (record.revision, record.nominal_hz) == (1999, 50.0)
    assert record.start == "01/02/2026,03:04:05.000000"
    assert record.trigger == "01/02/2026,03:04:05.100000"
    assert record.ratios[0] == comtrade.Ratio(600.0, 5.0, "P")
    assert record.layout.sensor == "x"
    assert record.length == 40
    assert record.statuses.dtype == np.bool_


def test_primary_and_secondary_factors_are_told_but_not_applied() -> None:
    cfg = PLAIN.cfg().replace(",600,5,P", ",600,5,S")

    record = comtrade.parse(cfg.encode(), PLAIN.dat(), "x.cfg", "x.dat")

    assert {ratio.side for ratio in record.ratios} == {"S"}
    np.testing.assert_array_equal(values_of(record), 0.5 * PLAIN.values)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("A相电流", "utf-8"),
        ("A相电流", "gbk"),
        ("南镕线电流", "gbk"),
        ("Größe Süd", "latin-1"),
        ("Größe Süd", "utf-8"),
        ("intensité é", "latin-1"),
        ("ÄÖ Süd é", "latin-1"),
    ],
)
def test_names_are_read_in_the_encodings_of_the_field(name: str, encoding: str) -> None:
    cfg = PLAIN.cfg().replace("1,IA,", f"1,{name},").encode(encoding)

    assert comtrade.parse(cfg, PLAIN.dat(), "x.cfg", "x.dat").layout.channels[0].name == name


def test_a_name_cannot_upset_a_terminal() -> None:
    cfg = PLAIN.cfg().replace("1,IA,", "1,\x1b[2JIA\x07,").encode()

    assert comtrade.parse(cfg, PLAIN.dat(), "x.cfg", "x.dat").layout.channels[0].name == "[2JIA"


def test_channels_without_a_name_get_their_number() -> None:
    cfg = PLAIN.cfg().replace("2,IB,", "2,,").replace("2,S1,", "2,,").encode()

    record = comtrade.parse(cfg, PLAIN.dat(), "x.cfg", "x.dat")

    assert [c.name for c in record.layout.channels] == ["IA", "#2", "IC"]
    assert record.status_names == ("S0", "#D2")


@pytest.mark.parametrize("rate", ["1600", "7678.36", "30706.4", "5759.9", "1e3", "51200.0"])
def test_the_rate_is_the_exact_number_of_the_text(rate: str) -> None:
    assert replace(PLAIN, rate=rate).parsed().layout.rate_hz == Fraction(rate)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9))
def test_numbers_read_alike_with_point_and_comma(value: float) -> None:
    text = repr(value)

    assert number(text) == value
    assert number(text.replace(".", ",")) == value


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "1_0", "\u0661", "0x1", "1e999", "--1", "1.2.3", "e5"]
)
def test_what_only_looks_like_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        number(text)

    assert str(caught.value) == text


# --- the rate by time stamps ---------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "round_to"),
    [("1600", round), ("6400", round), ("6400", int), ("7678.36", int), ("5759.9", round)],
)
@pytest.mark.parametrize("encoding", ["ASCII", "BINARY"])
def test_uniform_time_stamps_tell_the_rate(
    rate: str, round_to: Callable[[float], int], encoding: str
) -> None:
    stamps = [round_to(k * 1e6 / float(rate)) for k in range(8000)]
    written = Written(ramp(2, 8000) % 30000, encoding=encoding, rate="0", stamps=stamps)

    told = written.parsed().layout.rate_hz

    assert told is not None
    assert abs(float(told) / float(rate) - 1) <= 2 / stamps[-1]
    assert told.denominator <= 1000


def test_a_rate_of_zero_or_an_absent_section_leaves_it_to_the_stamps() -> None:
    stamps = [625 * k for k in range(40)]
    written = Written(ramp(), rate="0", stamps=stamps)
    for old, new in (("\r\n0\r\n0,40", "\r\n1\r\n0,40"), ("\r\n0\r\n0,40", "\r\n0")):
        cfg = written.cfg().replace(old, new).encode()

        assert comtrade.parse(cfg, written.dat(), "x.cfg", "x.dat").layout.rate_hz == 1600


def test_time_stamps_are_multiplied() -> None:
    written = Written(ramp(), rate="0", stamps=[5 * k for k in range(40)])
    cfg = written.cfg().replace("BINARY\r\n1\r\n", "BINARY\r\n125\r\n").encode()

    assert comtrade.parse(cfg, written.dat(), "x.cfg", "x.dat").layout.rate_hz == 1600


@pytest.mark.parametrize(
    ("stamps", "told"),
    [
        pytest.param(
            [625 * k + (k > 20) * 300 for k in range(40)], "beside an even step", id="jump"
        ),
        pytest.param([0] * 40, "do not rise", id="all-alike"),
        pytest.param([0xFFFFFFFF] * 40, "time stamps are missing", id="marked-as-missing"),
        pytest.param([k * 10_000_000 for k in range(40)], "0.1 Hz", id="a-minute-apart"),
    ],
)
def test_time_stamps_that_tell_no_rate_are_an_error(stamps: list[int], told: str) -> None:
    with pytest.raises(RecordError, match=told):
        Written(ramp(), rate="0", stamps=stamps).parsed()


def test_a_rate_that_time_stamps_contradict_is_followed_and_told() -> None:
    record = replace(PLAIN, stamps=[1000 * k for k in range(40)]).parsed()

    assert record.layout.rate_hz == 1600
    assert record.findings == ("time stamps tell 1000 Hz, the header's 1600 Hz is followed",)


# --- what is missing is never invented -----------------------------------------------


@pytest.mark.parametrize(("encoding", "marker"), [("BINARY", -32768), ("ASCII", 99999)])
def test_a_missing_run_is_left_out_and_the_block_after_it_is_a_gap(
    encoding: str, marker: int
) -> None:
    values = ramp()
    values[1, 10:13] = marker

    record = Written(values, encoding=encoding).parsed()

    assert played(record, 100) == [(0, 10, Quality.GOOD), (13, 27, Quality.GAP)]
    assert np.isnan(record.counts[1, 10:13]).all()
    assert not np.isnan(record.counts[0]).any()


def test_a_blank_field_is_a_missing_value() -> None:
    dat = Written(ramp(), encoding="ASCII").dat().replace(b"6,3125,-265,", b"6,3125,,")

    record = comtrade.parse(Written(ramp(), encoding="ASCII").cfg().encode(), dat, "x.cfg", "x.dat")

    assert played(record, 100) == [(0, 5, Quality.GOOD), (6, 34, Quality.GAP)]


def test_a_record_that_begins_with_missing_samples_begins_with_a_gap() -> None:
    values = ramp()
    values[:, :4] = -32768

    assert played(Written(values).parsed(), 100) == [(4, 36, Quality.GAP)]


def test_a_converter_at_its_declared_stop_is_no_missing_value() -> None:
    values = ramp()
    values[0, 10:13] = -32768
    values[:, 20] = -32768

    record = Written(values, low=-32768).parsed()

    assert values_of(record)[0, 10] == -16384.0
    assert played(record, 100) == [(0, 20, Quality.GOOD), (21, 19, Quality.GAP)]


def test_minus_one_of_1991_is_missing_only_where_the_range_has_no_room_for_it() -> None:
    values = np.abs(ramp())
    values[0, 5] = -1

    assert played(Written(values, revision=1991, low=0).parsed(), 100)[1][0] == 6
    assert played(Written(values, revision=1991).parsed(), 100) == [(0, 40, Quality.GOOD)]


def test_channels_without_any_value_are_left_out_and_told() -> None:
    values = ramp()
    values[0] = -32768

    record = Written(values, scales=["1", "0", "2"]).parsed()

    assert [c.name for c in record.layout.channels] == ["IC"]
    assert record.ratios == (comtrade.Ratio(600.0, 5.0, "P"),)
    assert record.findings == (
        "channel IA is left out: every sample is marked as missing",
        "channel IB is left out: its multiplier a is 0",
    )
    np.testing.assert_array_equal(values_of(record), 2.0 * values[2:])


def test_sample_numbers_that_jump_are_a_gap() -> None:
    numbers = [*range(1, 21), *range(26, 46)]
    cfg = PLAIN.cfg().replace("1600,40", "1600,45").encode()
    dat = replace(PLAIN, numbers=numbers).dat()

    record = comtrade.parse(cfg, dat, "x.cfg", "x.dat")

    assert played(record, 100) == [(0, 20, Quality.GOOD), (25, 20, Quality.GAP)]
    assert "5 samples are missing by their numbers: a gap" in record.findings


@pytest.mark.parametrize(
    ("numbers", "findings"),
    [
        pytest.param(range(40), 0, id="from-zero"),
        pytest.param([0] * 40, 0, id="all-zero"),
        pytest.param(range(5, 200, 5), 0, id="every-fifth"),
        pytest.param([*range(20), 4_000_000_000, *range(21, 40)], 1, id="one-damaged"),
        pytest.param([*range(39), 4_000_000_000], 1, id="the-last-damaged"),
        pytest.param([*range(20), *range(20)], 1, id="begun-anew"),
    ],
)
def test_sample_numbers_that_mean_nothing_are_ignored(
    numbers: Sequence[int], findings: int
) -> None:
    written = Written(ramp(3, len(numbers)), numbers=list(numbers))

    record = written.parsed()

    assert played(record, 100) == [(0, len(numbers), Quality.GOOD)]
    assert len(record.findings) == findings


def test_sample_numbers_with_a_fraction_are_ignored() -> None:
    written = Written(ramp(), encoding="ASCII")
    lines = written.dat().splitlines(keepends=True)
    lines[20:] = [line.replace(b",", b".5,", 1) for line in lines[20:]]

    record = comtrade.parse(written.cfg().encode(), b"".join(lines), "x.cfg", "x.dat")

    assert played(record, 100) == [(0, 40, Quality.GOOD)]
    assert "taken as consecutive" in record.findings[0]


# --- .dat files that do not fit ------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ASCII", "BINARY"])
@pytest.mark.parametrize("lost", [1, 5, 12])
def test_a_torn_last_sample_is_left_out_and_told(encoding: str, lost: int) -> None:
    written = replace(PLAIN, encoding=encoding)

    record = comtrade.parse(written.cfg().encode(), written.dat()[:-lost], "x.cfg", "x.dat")

    whole = 40 if encoding == "ASCII" and lost == 1 else 39
    np.testing.assert_array_equal(record.counts, PLAIN.values[:, :whole])
    assert whole == 40 or any("torn" in finding for finding in record.findings)


def test_a_number_cut_in_two_at_the_end_of_a_short_file_is_not_taken() -> None:
    written = Written(ramp(2, 40), encoding="ASCII")
    dat = b"".join(written.dat().splitlines(keepends=True)[:20]).rstrip()[:-1]

    record = comtrade.parse(written.cfg().encode(), dat, "x.cfg", "x.dat")

    np.testing.assert_array_equal(record.counts, written.values[:, :19])


@pytest.mark.parametrize("encoding", ["ASCII", "BINARY"])
@pytest.mark.parametrize("told", [30, 41])
def test_a_number_of_samples_unlike_the_header_is_played_and_told(encoding: str, told: int) -> None:
    cfg = replace(PLAIN, encoding=encoding).cfg().replace("1600,40", f"1600,{told}").encode()

    record = comtrade.parse(cfg, replace(PLAIN, encoding=encoding).dat(), "x.cfg", "x.dat")

    assert record.length == 40
    assert record.findings == (f"40 samples, the header tells of {told}; all 40 are taken",)


def test_samples_for_other_channels_than_the_headers_are_refused() -> None:
    other = Written(ramp(5, 40))

    with pytest.raises(RecordError, match=r"out of step with rows of 16.*3 analog and 2 status"):
        comtrade.parse(PLAIN.cfg().encode(), other.dat(), "x.cfg", "x.dat")


def test_fractions_in_an_ascii_file_become_whole_counts() -> None:
    written = Written(ramp(2, 40), encoding="ASCII")
    dat = written.dat().replace(b",-", b",-0.")

    record = comtrade.parse(written.cfg().encode(), dat, "x.cfg", "x.dat")
    other = read_by_other(written.cfg(), dat)

    assert (record.counts == np.rint(record.counts)).all()
    np.testing.assert_allclose(values_of(record), np.array(other.analog), rtol=1e-9)
    assert record.findings == ("samples of IA, IB are no whole numbers of up to 20 bits; scaled",)


@given(st.lists(st.floats(-1e10, 1e10).filter(lambda x: x != 99999), min_size=2, max_size=20))
def test_counts_are_whole_bounded_and_within_a_millionth_of_the_peak(values: list[float]) -> None:
    written = Written(np.zeros((1, len(values)), dtype=np.int64), encoding="ASCII")
    dat = b"".join(b"%d,%d,%r\n" % (k, 625 * k, v) for k, v in enumerate(values))

    record = comtrade.parse(written.cfg().encode(), dat, "x.cfg", "x.dat")

    assert (record.counts == np.rint(record.counts)).all()
    assert np.abs(record.counts).max() <= LARGEST_COUNT
    allowed = 1e-6 * max(map(abs, values)) * 0.5 + 1e-9
    np.testing.assert_allclose(values_of(record)[0], 0.5 * np.array(values), rtol=0, atol=allowed)


def test_numbers_with_semicolons_and_decimal_commas_are_read() -> None:
    written = Written(ramp(2, 40), encoding="ASCII")
    dat = written.dat().replace(b",", b";").replace(b"\r\n", b",0\r\n")

    record = comtrade.parse(written.cfg().encode(), dat, "x.cfg", "x.dat")

    np.testing.assert_array_equal(values_of(record), 0.5 * written.values)


# --- damage is one error that says where and what ------------------------------------

ASCII = replace(PLAIN, encoding="ASCII")


def line(number: int, text: str, told: str) -> tuple[bytes, str]:
    """A header damaged in one line, and what the error must say behind the line's number."""
    return lines_with(number, text)(PLAIN.cfg()), f"x.cfg line {number}: {told}"


@pytest.mark.parametrize(
    ("cfg", "told"),
    [
        (b"", "x.cfg line 1: the header ends here; expected station name"),
        (PLAIN.cfg()[:60].encode(), "x.cfg line 3: "),
        line(1, "s,d,1990", "the revision is '1990'; expected 1991, 1999 or 2013"),
        line(1, "s,d,2100", "the revision is '2100'; expected 1991, 1999 or 2013"),
        line(2, "5", "0 analog and 0 status channels; expected at least one"),
        line(2, "5,3X,2D", "the number of channels is '3X'; expected the numbers"),
        line(2, "9,999999A,0D", "999999 analog and 0 status channels; expected"),
        line(3, "1,IA,A", "analog channel 1 has 3 fields; expected 10"),
        line(3, "1,IA,A,,A,x,0,0,-1,1", "multiplier a of channel IA is 'x'; expected a number"),
        line(3, "1,IA,A,,A,,0,0,-1,1", "multiplier a of channel IA is ''"),
        line(3, "1,IA,A,,A,1e-20,1e9,0,-1,1", "a = 1e-20 and b = 1e+09 of channel IA; expected"),
        line(3, "1,IA,A,,A,1e-40,0,0,-1,1", "a = 1e-40 and b = 0 of channel IA; expected"),
        line(3, "1,IA,A,,A" + ",1" * 14, "analog channel 1 (IA) has 19 fields; expected 10"),
        line(4, "2,IB,B,,A,1,0,0,-1,1,1,1,Q", "PS of channel IB is 'Q'; expected P or S"),
        line(4, "2,IB,B,,A,1,0,zz,-1,1,1,1,P", "skew of channel IB is 'zz'; expected a number"),
        line(8, "fifty", "the nominal frequency is 'fifty'; expected 50 or 60"),
        line(9, "x", "the number of sampling rates is 'x'; expected a whole number"),
        line(10, "0.5,40", "the sampling rate is '0.5'; expected 1 to"),
        line(10, "1600,-4", "the number of the last sample is '-4'; expected a whole number"),
        (
            with_text("1\r\n1600,40", "2\r\n1600,20\r\n800,20")(PLAIN.cfg()),
            "x.cfg line 11: the number of the last sample is '20'; expected more than the 20 of",
        ),
        line(13, "EBCDIC", "the type of the data file is 'EBCDIC'; expected ASCII, BINARY, BINA"),
        line(14, "one", "the time multiplier is 'one'; expected a number"),
        line(14, "0", "the time multiplier is '0'; expected a number above 0"),
    ],
)
def test_a_damaged_header_tells_file_line_and_field(cfg: bytes, told: str) -> None:
    with pytest.raises(RecordError) as caught:
        comtrade.parse(cfg, PLAIN.dat(), "x.cfg", "x.dat")

    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("dat", "told"),
    [
        (
            b"",
            "x.dat: 0 bytes without one whole sample; expected samples of number, time, 3 analog",
        ),
        (b"1,0,1,2,3,0", "x.dat: 11 bytes without one whole sample"),
        (
            b"1,0,1,2,3,0\n",
            "x.dat line 1: 6 fields; expected samples of number, time, 3 analog and 2",
        ),
        (b"1,0,1,2,3,0,1\n2,625,1,2,x,0,0\n", "x.dat line 2: field 5 is 'x'; expected a number"),
        (b"1,0,1,2,nan,0,0\n", "x.dat line 1: field 5 is 'nan'"),
        (b"1,0,1,2,1_0,0,0\n", "x.dat line 1: field 5 is '1_0'"),
        (b"1,0,1,2,1e999,0,0\n", "x.dat line 1: field 5 is inf"),
        (b"1,0,1,2,3,7,0\r\n", "x.dat line 1: field 6 is 7; expected 0 or 1 for a status"),
        (b"1,0,1,2,3,,0\r\n", "x.dat line 1: field 6 is nan; expected 0 or 1 for a status"),
        (b"1,0,1,2,3,0,1\r\n\r\n2,0,1,\xff,3,0,1\r\n", "x.dat line 3: field 4 is '\\xff'"),
    ],
)
def test_damaged_samples_tell_file_line_and_field(dat: bytes, told: str) -> None:
    with pytest.raises(RecordError) as caught:
        comtrade.parse(ASCII.cfg().encode(), dat, "x.cfg", "x.dat")

    assert told in str(caught.value)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("revision", REVISIONS)
@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_any_damage_gives_a_record_or_one_error(
    encoding: str, revision: int, data: st.DataObject
) -> None:
    written = replace(PLAIN, encoding=encoding, revision=revision)
    cfg, dat = written.cfg().encode(), written.dat()
    which = data.draw(st.sampled_from(["cfg", "dat", "both"]))
    cfg = data.draw(damaged(cfg)) if which != "dat" else cfg
    dat = data.draw(damaged(dat)) if which != "cfg" else dat

    told_or_checked(parsed_or_told(cfg, dat), "x.cfg", "x.dat")


def parsed_or_told(cfg: bytes, dat: bytes) -> comtrade.Record | RecordError:
    try:
        return comtrade.parse(cfg, dat, "x.cfg", "x.dat")
    except RecordError as error:
        return error


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_give_a_record_or_one_error(cfg: bytes, dat: bytes) -> None:
    told_or_checked(parsed_or_told(cfg, dat), "x.cfg", "x.dat")


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_header_cut_at_any_byte_gives_a_record_or_one_error(revision: int) -> None:
    written = replace(PLAIN, revision=revision)
    cfg, dat = written.cfg().encode(), written.dat()

    for length in range(len(cfg)):
        told_or_checked(parsed_or_told(cfg[:length], dat), "x.cfg", "x.dat")


def test_a_wide_header_over_short_lines_takes_no_memory() -> None:
    cfg = Written(ramp(1, 1), np.zeros((8000, 1), dtype=np.int64), encoding="ASCII").cfg().encode()

    with pytest.raises(RecordError, match="line 1: 1 fields"):
        comtrade.parse(cfg, b"1\n" * 3_000_000, "x.cfg", "x.dat")


def test_line_ends_without_end_are_read_in_linear_time() -> None:
    with pytest.raises(RecordError, match="ends here"):
        comtrade.parse(b"\r" * MAX_CFG_BYTES, b"", "x.cfg", "x.dat")
    with pytest.raises(RecordError, match="1 fields"):
        comtrade.parse(ASCII.cfg().encode(), b"\r" * (1 << 22) + b"x\n", "x.cfg", "x.dat")


@pytest.mark.parametrize(
    ("name", "size"), [("x.cfg", MAX_CFG_BYTES + 1), ("x.dat", MAX_DAT_BYTES + 1)]
)
def test_a_file_beyond_the_limit_is_refused(tmp_path: Path, name: str, size: int) -> None:
    path = PLAIN.save(tmp_path)
    os.truncate(tmp_path / name, size)

    with pytest.raises(RecordError, match=f"{name}: more than {size - 1} bytes"):
        comtrade.read(path)


# --- blocks --------------------------------------------------------------------------


@given(st.integers(1, 50), st.sets(st.integers(0, 39), max_size=10))
def test_blocks_of_any_size_hold_every_good_sample_once(size: int, missing: set[int]) -> None:
    values = ramp()
    values[0, sorted(missing)] = -32768
    record = Written(values).parsed()

    blocks = list(comtrade.blocks(record, size))

    indices = [b.first + k for b in blocks for k in range(b.counts.shape[1])]
    assert indices == [k for k in range(40) if k not in missing]
    together = np.concatenate([b.counts for b in blocks], axis=1)
    np.testing.assert_array_equal(together, values[:, indices])
    gaps = {b.first for b in blocks if b.quality is Quality.GAP}
    assert gaps == {k for k in indices if k - 1 in missing}
    assert all(b.layout is record.layout and b.counts.shape[1] <= size for b in blocks)


def test_the_instants_of_samples_are_exact() -> None:
    record = replace(PLAIN, rate="7678.36").parsed()

    (block,) = comtrade.blocks(record, 100)

    assert block.sample_us(0) == 0
    assert block.sample_us(767836) == 100_000_000


def test_blocks_without_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        next(comtrade.blocks(PLAIN.parsed(), 0))


# --- files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cfg", "dat"),
    [("x.cfg", "x.dat"), ("X.CFG", "X.DAT"), ("x.CFG", "x.dat"), ("a.1.cfg", "A.1.Dat")],
)
def test_the_samples_are_found_beside_the_header(tmp_path: Path, cfg: str, dat: str) -> None:
    (tmp_path / cfg).write_bytes(PLAIN.cfg().encode())
    (tmp_path / dat).write_bytes(PLAIN.dat())

    record = comtrade.read(tmp_path / cfg)

    assert record.stem == cfg[:-4]
    np.testing.assert_array_equal(record.counts, PLAIN.values)
    assert comtrade.find([tmp_path / dat]).paths == [tmp_path / cfg]


def test_a_header_without_samples_is_an_error(tmp_path: Path) -> None:
    path = PLAIN.save(tmp_path)
    (tmp_path / "x.dat").unlink()

    with pytest.raises(RecordError, match=r"x\.cfg: no \.dat file beside it; expected x\.dat"):
        comtrade.read(path)


@pytest.mark.parametrize("name", ["none.cfg", "folder.cfg"])
def test_a_header_that_is_no_file_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.cfg").mkdir()
    for stem in ("none", "folder"):
        (tmp_path / f"{stem}.dat").write_bytes(b"")

    with pytest.raises(RecordError, match="cannot be read"):
        comtrade.read(tmp_path / name)


def test_records_are_found_in_folders_sorted_and_once(tmp_path: Path) -> None:
    for stem in ("r3", "r5", "r2", "r4"):
        PLAIN.save(tmp_path / "a" / "deep", stem)
    expected = [tmp_path / "a" / "deep" / f"r{k}.cfg" for k in (2, 3, 4, 5)]
    expected.append(PLAIN.save(tmp_path / "b", "r1"))
    (tmp_path / "b" / "notes.txt").write_text("nothing")
    (tmp_path / "b" / "r1.hdr").write_text("nothing")

    found = comtrade.find([tmp_path, tmp_path / "b", expected[4], tmp_path / "b" / "r1.dat"])

    assert found == (expected, [], [])


def test_what_cannot_be_a_record_is_told(tmp_path: Path) -> None:
    (tmp_path / "lonely.DAT").write_bytes(b"")

    found = comtrade.find([tmp_path])

    assert found.paths == []
    assert found.findings == [
        f"{tmp_path}/lonely.DAT: samples without a header; expected lonely.cfg",
    ]


def test_a_path_that_is_no_record_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")

    with pytest.raises(UsageError, match=r"notes\.txt: is no record; expected a \.cfg"):
        comtrade.find([tmp_path / "notes.txt"])
    with pytest.raises(UsageError, match="none: is neither file nor folder"):
        comtrade.find([tmp_path / "none"])


# --- the driver ----------------------------------------------------------------------


class Time:
    """A monotonic clock that moves only when someone sleeps."""

    def __init__(self) -> None:
        self.us = 5_000_000
        self.slept: list[float] = []

    def now_us(self) -> int:
        return self.us

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.us += round(seconds * 1e6)
        await asyncio.sleep(0)


def sensor(path: Path | None, time: Time, **options: bool) -> comtrade.Comtrade:
    return comtrade.Comtrade(name="f1", path=path, now_us=time.now_us, sleep=time.sleep, **options)


def heard(driver: comtrade.Comtrade, limit: int = 1000) -> list[Block | Notice]:
    async def listen() -> list[Block | Notice]:
        items: list[Block | Notice] = []
        async with contextlib.aclosing(driver.stream()) as stream:
            async for item in stream:
                items.append(item)
                if len(items) == limit:
                    break
        return items

    return asyncio.run(listen())


def test_a_record_is_played_and_its_end_is_told(tmp_path: Path) -> None:
    time = Time()

    *blocks, end = heard(sensor(PLAIN.save(tmp_path), time, real_time=False))

    assert [b.first for b in blocks if isinstance(b, Block)] == [0, 8, 16, 24, 32]
    assert all(isinstance(b, Block) and b.layout is blocks[0].layout for b in blocks)  # type: ignore[union-attr]
    assert isinstance(blocks[0], Block)
    assert blocks[0].layout.sensor == "f1"
    assert blocks[0].start_us == 5_000_000
    assert end == Notice("f1", 5_000_000, "ended", "record x")
    assert set(time.slept) == {0}


def test_in_real_time_no_block_comes_before_its_last_sample(tmp_path: Path) -> None:
    time = Time()
    driver = sensor(PLAIN.save(tmp_path), time)

    async def listen() -> list[int]:
        return [
            time.us - item.sample_us(item.first + item.counts.shape[1])
            async for item in driver.stream()
            if isinstance(item, Block)
        ]

    assert asyncio.run(listen()) == [0] * 5
    assert sum(time.slept) == pytest.approx(40 / 1600)


def test_a_late_listener_gets_what_is_due_without_a_wait(tmp_path: Path) -> None:
    time = Time()
    driver = sensor(PLAIN.save(tmp_path), time)

    async def listen() -> None:
        async for _ in driver.stream():
            time.us += 1_000_000

    asyncio.run(listen())

    assert time.slept == [0.005, 0, 0, 0, 0]


def test_a_loop_counts_on_and_marks_each_joint(tmp_path: Path) -> None:
    driver = sensor(PLAIN.save(tmp_path), Time(), loop=True)

    blocks = [item for item in heard(driver, 12) if isinstance(item, Block)]

    assert [b.first for b in blocks] == [*range(0, 96, 8)]
    assert {b.first for b in blocks if b.quality & Quality.GAP} == {40, 80}
    assert {b.start_us for b in blocks} == {5_000_000}


def test_what_is_odd_about_a_record_is_told_first(tmp_path: Path) -> None:
    path = PLAIN.save(tmp_path)
    path.with_suffix(".dat").write_bytes(PLAIN.dat()[:-3])

    first = heard(sensor(path, Time()), 1)[0]

    assert isinstance(first, Notice)
    assert first.state == "live"
    assert "13 bytes of a torn last sample" in first.detail


def test_of_several_rates_the_longest_stretch_is_played_and_told(tmp_path: Path) -> None:
    path = replace(PLAIN, sections=[("1000", 10), ("4000", 40)]).save(tmp_path)

    odd, *items = heard(sensor(path, Time(), real_time=False))

    assert isinstance(odd, Notice)
    assert "only the longest stretch, of 4000 Hz, is played" in odd.detail
    blocks = [item for item in items if isinstance(item, Block)]
    assert sum(block.counts.shape[1] for block in blocks) == 30
    assert {block.start_us for block in blocks} == {5_000_000}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (None, "sensor f1: has no path: only `ftu-agent replay` can feed it; expected path ="),
        ("none.cfg", "sensor f1: .*none.cfg: no .dat file beside it; expected none.dat"),
        ("empty.cfg", "sensor f1: .*empty.cfg has no whole sample"),
    ],
)
def test_a_source_that_can_never_work_says_so(tmp_path: Path, path: str | None, told: str) -> None:
    alternately = ramp(2, 40)
    alternately[0, ::2] = alternately[1, 1::2] = -32768
    Written(alternately).save(tmp_path, "empty")

    with pytest.raises(SensorError, match=told):
        heard(sensor(tmp_path / path if path else None, Time()))


def test_options_of_the_site_file_make_the_driver(tmp_path: Path) -> None:
    path = PLAIN.save(tmp_path)

    driver = comtrade.from_options("f1", {"path": str(path), "speed": "fast"}, Time().now_us)

    assert driver.name == "f1"
    assert len(heard(driver)) == 6


def test_all_wrong_options_are_told_at_once() -> None:
    options = {"path": 7, "speed": "slow", "loop": "yes", "pace": 1}

    with pytest.raises(SensorError) as caught:
        comtrade.from_options("f1", options, Time().now_us)

    for word in ("path = 7", "speed = 'slow'", "loop = 'yes'", "pace: unknown"):
        assert word in caught.value.what
