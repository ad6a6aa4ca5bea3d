"""The samples of a COMTRADE record (.dat): bytes in, Rows out; no file is opened here.

ASCII, and rows of words in BINARY, BINARY32 or FLOAT32. What the recorder marked as missing becomes
NaN, never a number.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agent.errors import RecordError
from agent.sensors.comtrade_cfg import MAX_COUNT, Analog, Header

Array = npt.NDArray[np.float64]

# Half a minute of 96 channels at 10 kHz; eight channels at 1.6 kHz fill it in half an hour.
MAX_DAT_BYTES = 64 << 20

MISSING_ASCII = 99999.0
MISSING_BINARY = -32768  # 8000 hex
MISSING_BINARY_1991 = -1  # FFFF hex
MISSING_BINARY32 = -(1 << 31)  # 80000000 hex
MISSING_FLOAT32 = float(np.finfo(np.float32).min)  # FF7FFFFF hex, the most negative one
_MISSING_STAMP = 0xFFFF_FFFF
_ANALOG_TYPES = {"BINARY": "<i2", "BINARY32": "<i4", "FLOAT32": "<f4"}

_LINE_END = re.compile(rb"\r{0,2}\n\r?|\r")
_LINE = re.compile(rb"[^\r\n]+")
_NUMBER = re.compile(rb"[+-]?[0-9]*\.?[0-9]+\.?([eE][+-]?[0-9]+)?")
_NUMERIC = b"0123456789+-.eE, \t"
_FILLING = b"\x1a\0 \t\r\n"


@dataclass(frozen=True, slots=True)
class Rows:
    """The samples as they stand in the file, oldest first.

    numbers, stamps: (n,), NaN where blank; values: counts, (analogs, n), NaN where missing;
    statuses: (status channels, n). findings: what is odd but could be taken.
    """

    numbers: Array
    stamps: Array
    values: Array
    statuses: npt.NDArray[np.bool_]
    findings: tuple[str, ...]


def parse_rows(header: Header, data: bytes, name: str, first_line: int = 1) -> Rows:
    """The rows in the bytes of a .dat file; `name` stands in errors.

    first_line: number of its first line where it is a section of a larger file.
    Raises: RecordError when the bytes do not fit the header.
    Source: IEEE C37.111-1999, clause 6 (data file), and the same of 2013 for 32 bits.
    """
    if len(data) > MAX_DAT_BYTES:
        raise RecordError(name, f"{len(data)} bytes", f"at most {MAX_DAT_BYTES} bytes of samples")
    if header.encoding == "ASCII":
        rows = _ascii(header, data, name, first_line)
    else:
        rows = _binary(header, data, name)
    count, told = rows.numbers.shape[0], header.last_sample
    if not count:
        raise RecordError(name, f"{len(data)} bytes without one whole sample", _row_text(header))
    if told and count != told:
        odd = f"{count} samples, the header tells of {told}; all {count} are taken"
        return Rows(rows.numbers, rows.stamps, rows.values, rows.statuses, (*rows.findings, odd))
    return rows


def _binary(header: Header, data: bytes, name: str) -> Rows:
    """Rows of two 32-bit words, a word for each analog channel, 16-bit words of status channels,
    each little end first.

    Source: IEEE C37.111-1999, 6.6 (binary data files).
    """
    analogs, statuses = len(header.analogs), len(header.status_names)
    words = -(-statuses // 16)
    row = np.dtype(
        [
            ("number", "<u4"),
            ("stamp", "<u4"),
            ("analog", _ANALOG_TYPES[header.encoding], (analogs,)),
            ("status", "<u2", (words,)),
        ]
    )
    count, torn = divmod(len(data), row.itemsize)
    table = np.frombuffer(data, dtype=row, count=count)
    numbers = table["number"].astype(np.float64)
    if count != header.last_sample and not _in_step(numbers):
        raise RecordError(
            name,
            f"{len(data)} bytes, whose sample numbers are out of step with rows of {row.itemsize}",
            _row_text(header),
        )
    stamps = table["stamp"].astype(np.float64)
    stamps[stamps == _MISSING_STAMP] = np.nan
    with np.errstate(invalid="ignore"):  # any bits may stand in the place of a float
        values = np.ascontiguousarray(table["analog"].T, dtype=np.float64)
    if header.encoding == "FLOAT32":
        _check_floats(values, header.analogs, name)
    else:
        for marker in _markers(header):
            values[_marked(values, marker, header.analogs)] = np.nan
    bits = np.ascontiguousarray(table["status"]).view(np.uint8)
    states = np.unpackbits(bits, axis=1, count=statuses, bitorder="little") if words else bits
    return Rows(
        numbers,
        stamps,
        values,
        states.T.view(np.bool_),  # zeros and ones of one byte each: no copy of what may be large
        (f"{torn} bytes of a torn last sample are left out",) if torn else (),
    )


def _markers(header: Header) -> tuple[int, ...]:
    """Counts that mean a missing value."""
    if header.encoding == "BINARY32":
        return (MISSING_BINARY32,)
    return (MISSING_BINARY, *((MISSING_BINARY_1991,) if header.revision == 1991 else ()))


def _check_floats(values: Array, analogs: tuple[Analog, ...], name: str) -> None:
    """Missing ones become NaN; a number that no converter delivers is damage.

    Here the range of a channel does not matter: many recorders state that of the type itself,
    marker and all. Raises: RecordError.
    """
    values[values == MISSING_FLOAT32] = np.nan
    absurd = np.abs(values) > MAX_COUNT
    if absurd.any():
        row, channel = (int(k) for k in np.argwhere(absurd.T)[0])
        told = f"sample {row + 1} of channel {analogs[channel].name} is {values[channel, row]:g}"
        raise RecordError(name, told, f"at most {MAX_COUNT:g}")


def _marked(values: Array, marker: int, analogs: tuple[Analog, ...]) -> npt.NDArray[np.bool_]:
    """Where `marker` means a missing value.

    Not in a channel whose own range includes it: there a recorder without markers stands at its
    stop, or near zero. Unless all channels show the stop at once, which no three phases do.
    """
    marked = values == marker
    ranges = [_range(analog) for analog in analogs]
    in_range = np.array([low <= marker <= high for low, high in ranges], dtype=np.bool_)
    missing: npt.NDArray[np.bool_] = marked & ~in_range[:, None]
    if marker != MISSING_BINARY_1991 and len(analogs) > 2:
        missing |= marked.all(axis=0)
    return missing


def _range(analog: Analog) -> tuple[float, float]:
    """Lowest and highest count of a channel; the standard's own where it states none."""
    if analog.low is None or analog.high is None or analog.low >= analog.high:
        return -32767, 32767
    return analog.low, analog.high


def _in_step(numbers: Array) -> bool:
    """Whether most samples are numbered one regular step apart, as rows cut rightly are."""
    if numbers.shape[0] < 3:
        return True
    steps, counts = np.unique(np.diff(numbers), return_counts=True)
    return bool(2 * counts.max() >= numbers.shape[0] - 1 and abs(steps[counts.argmax()]) < 1e6)


def _ascii(header: Header, data: bytes, name: str, first_line: int) -> Rows:
    """Lines of numbers with commas between them.

    Source: IEEE C37.111-1999, 6.4 (ASCII data files): missing values are 99999; 1991: blank.
    """
    analogs, statuses = len(header.analogs), len(header.status_names)
    width = 2 + analogs + statuses
    whole = data.rstrip(_FILLING)
    tables, findings = [np.empty((width, 0))], []
    for rows in _in_hundreds(_filled_lines(whole)):
        start, last = rows[-1]
        count = len(rows) + sum(table.shape[1] for table in tables)
        at_end = start + len(last) == len(whole) and len(whole) == len(data)
        if at_end and _torn(last, width, short=count < header.last_sample):
            rows.pop()
            findings.append("a torn last line is left out")
        try:
            tables += [_table([line for _, line in rows], width, analogs)] if rows else []
        except _Unreadable as error:
            line = first_line + sum(1 for _ in _LINE_END.finditer(whole, 0, rows[error.row][0]))
            expected = error.expected or _row_text(header)
            raise RecordError(f"{name} line {line}", error.what, expected) from None
    table = np.concatenate(tables, axis=1)
    values, states = table[2 : 2 + analogs], table[2 + analogs :]
    values[_marked_in_text(values, header)] = np.nan
    return Rows(table[0], table[1], values, states == 1, tuple(findings))


def _marked_in_text(values: Array, header: Header) -> npt.NDArray[np.bool_]:
    """Where 99999 means a missing value: not where 32 bits of 2013 reach beyond it."""
    marked: npt.NDArray[np.bool_] = values == MISSING_ASCII
    if header.revision == 2013:
        wide = [_range(analog)[1] > MISSING_ASCII for analog in header.analogs]
        marked[wide] = False
    return marked


def _filled_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, and where in the file each begins."""
    for match in _LINE.finditer(data):
        if match[0].strip():
            yield match.start(), match[0]


def _in_hundreds(lines: Iterator[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """A few hundred lines at a time, for Python's numbers take ten times the room of an array's."""
    while rows := list(itertools.islice(lines, 500)):
        yield rows


def _torn(line: bytes, width: int, *, short: bool) -> bool:
    """Whether a last line without an end of line was cut.

    A last number that was cut looks like a smaller one, so a file with fewer samples than told
    loses its last row even when all fields are there.
    """
    return short or line.count(b",") + line.count(b";") + 1 < width


class _Unreadable(Exception):
    """Row `row` of a table is no row of numbers; `expected` is empty when its width is wrong."""

    def __init__(self, row: int, what: str, expected: str = "") -> None:
        self.row = row
        self.what = what
        self.expected = expected
        super().__init__(what)


def _table(lines: list[bytes], width: int, analogs: int) -> Array:
    """Numbers of some lines, shape (width, lines), NaN for blank fields. Raises: _Unreadable."""
    table = np.array([_line(row, line, width) for row, line in enumerate(lines)]).T
    states = table[2 + analogs :]
    absurd = np.abs(table) > MAX_COUNT
    absurd[2 + analogs :] |= (states != 0) & (states != 1)
    if absurd.any():
        row, position = (int(k) for k in np.argwhere(absurd.T)[0])
        raise _Unreadable(
            row,
            f"field {position + 1} is {table[position, row]:g}",
            f"0 or 1 for a status, at most {MAX_COUNT:g} elsewhere",
        )
    return table


def _line(row: int, line: bytes, width: int) -> list[float]:
    """Numbers of one line, NaN for a blank field. Raises: _Unreadable."""
    if b";" in line:
        line = line.replace(b",", b".").replace(b";", b",")
    fields = line.split(b",")
    while len(fields) > width and not fields[-1].strip():
        fields.pop()
    if len(fields) != width:
        raise _Unreadable(row, f"{len(fields)} fields")
    try:
        # Python's float() would also take inf, nan and 1_000, which no recorder writes.
        if line.translate(None, _NUMERIC):
            raise ValueError
        return [float(field) if field.strip() else np.nan for field in fields]
    except ValueError:
        raise _bad_field(row, fields) from None


def _bad_field(row: int, fields: list[bytes]) -> _Unreadable:
    for position, field in enumerate(fields, 1):
        if field.strip() and not _NUMBER.fullmatch(field.strip()):
            text = field[:40].decode("ascii", "backslashreplace")
            return _Unreadable(row, f"field {position} is '{text}'", "a number")
    return _Unreadable(row, "a field that is no number", "numbers only")


def _row_text(header: Header) -> str:
    analogs, statuses = len(header.analogs), len(header.status_names)
    return f"samples of number, time, {analogs} analog and {statuses} status channels"
