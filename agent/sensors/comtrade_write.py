"""COMTRADE written: a sheet in, the bytes of its files out; no file is opened here.

Revision 2013 (IEEE C37.111-2013, IEC 60255-24:2013) as one file (.cff) with the clock's state, and
1999 (IEC 60255-24:2001) as header, samples, .inf and .hdr for what reads no newer one. Samples are
BINARY where 16 bits hold them, else BINARY32, which 1999 does not have: there they are ASCII.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from agent.clock import GNSS, UNKNOWN, Stamp
from agent.records import Channel, Layout

Counts = npt.NDArray[np.int32]
Positions = npt.NDArray[np.int64]

FULL_SCALE = 32767  # -32768 marks a missing sample (1999, 8.6)
# So many samples are turned into bytes at once: some 0.1 ms, in which no other thread runs.
ROWS = 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = "\r\n"
_LONGEST_NAME = 64  # ch_id (2013: 128; 1999: 64)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A record to be written.

    counts: pieces of shape (channels, n), one after another; positions: index of each piece's
    first sample since the record's first, which is the sample `origin` of its stream; starts_us:
    instant of the stream's index 0 by each piece's axis, since the record's first sample. So a
    sample's stamp does not depend on how the pieces are cut. begin: of the first sample;
    trigger_us: after it. offset_min: of the place's own time to UTC. inf: lines of the information
    file; hdr: text for people.
    """

    stem: str
    station: str
    layout: Layout
    nominal_hz: int
    counts: Sequence[Counts]
    positions: Sequence[int]
    origin: int
    starts_us: Sequence[int]
    begin: Stamp
    trigger_us: int
    offset_min: int
    inf: Sequence[str]
    hdr: str

    @property
    def samples(self) -> int:
        """How many there are."""
        return sum(piece.shape[1] for piece in self.counts)

    def encoding(self, revision: int) -> str:
        """Of its samples."""
        if all(abs(int(edge)) <= FULL_SCALE for p in self.counts for edge in (p.min(), p.max())):
            return "BINARY"
        return "BINARY32" if revision == 2013 else "ASCII"


def single(sheet: Sheet) -> Iterator[bytes]:
    """The one file of revision 2013, piece by piece."""
    encoding = sheet.encoding(2013)
    size = sheet.samples * _row(len(sheet.layout.channels), encoding).itemsize
    head = [
        "--- file type: CFG ---",
        *configuration(sheet, 2013),
        "--- file type: INF ---",
        *sheet.inf,
        "--- file type: HDR ---",
        *sheet.hdr.splitlines(),
        f"--- file type: DAT {encoding}: {size} ---",
    ]
    yield (_END.join(head) + _END).encode()
    yield from rows(sheet, encoding)


def files(sheet: Sheet) -> dict[str, bytes]:
    """The files of revision 1999 by their extensions."""
    return {
        ".cfg": (_END.join(configuration(sheet, 1999)) + _END).encode(),
        ".dat": b"".join(rows(sheet, sheet.encoding(1999))),
        ".inf": (_END.join(sheet.inf) + _END).encode(),
        ".hdr": (_END.join(sheet.hdr.splitlines()) + _END).encode(),
    }


def configuration(sheet: Sheet, revision: int) -> list[str]:
    """Lines of the header (.cfg)."""
    channels, encoding = sheet.layout.channels, sheet.encoding(revision)
    stop = (1 << 31) - 1 if encoding == "BINARY32" else FULL_SCALE
    if encoding == "ASCII":
        stop = 99998  # 99999 is a missing one
    lines = [
        f"{_word(sheet.station)},ftu-agent,{revision}",
        f"{len(channels)},{len(channels)}A,0D",
        *(_analog(n, channel, stop) for n, channel in enumerate(channels, 1)),
        f"{sheet.nominal_hz}",
        "1",
        f"{_rate(sheet.layout)},{sheet.samples}",
        _instant(sheet.begin.utc_us),
        _instant(sheet.begin.utc_us + sheet.trigger_us),
        encoding,
        "1",
    ]
    if revision == 2013:
        lines += [f"0,{_offset(sheet.offset_min)}", f"{quality(sheet.begin)},3"]
    return lines


def rows(sheet: Sheet, encoding: str) -> Iterator[bytes]:
    """The samples (.dat), up to ROWS at a time: number, microseconds, counts."""
    rate = sheet.layout.rate_hz
    over, under = (0, 1) if rate is None else (1_000_000 * rate.denominator, rate.numerator)
    for counts, first, start_us in zip(sheet.counts, sheet.positions, sheet.starts_us, strict=True):
        whole_us, rest = divmod((sheet.origin + first) * over, under)  # beyond 64 bits in years
        for begin in range(0, counts.shape[1], ROWS):
            some = counts[:, begin : begin + ROWS]
            numbers = np.arange(begin, begin + some.shape[1], dtype=np.int64)
            stamps = start_us + whole_us + (rest + numbers * over) // under
            yield _encoded(numbers + first + 1, stamps, some, encoding)


def _encoded(numbers: Positions, stamps: Positions, counts: Counts, encoding: str) -> bytes:
    if encoding == "ASCII":
        table = np.vstack((numbers, stamps, counts)).T.tolist()
        return "".join(f"{','.join(map(str, line))}{_END}" for line in table).encode()
    table = np.zeros(numbers.shape[0], dtype=_row(counts.shape[0], encoding))
    table["number"], table["us"], table["counts"] = numbers, stamps, counts.T
    return bytes(table.tobytes())


def _row(analogs: int, encoding: str) -> np.dtype[np.void]:
    """A sample in BINARY or BINARY32 (1999, 8.6)."""
    word = "<i4" if encoding == "BINARY32" else "<i2"
    return np.dtype([("number", "<u4"), ("us", "<u4"), ("counts", word, (analogs,))])


def _analog(number: int, channel: Channel, stop: int) -> str:
    name, phase, unit = _word(channel.name), _word(channel.phase), _word(channel.unit)
    offset = channel.scale * channel.offset
    return f"{number},{name},{phase},,{unit},{channel.scale!r},{offset!r},0,{-stop},{stop},1,1,P"


def _word(text: str) -> str:
    """A field that cannot be taken for two."""
    return "".join(c if c.isprintable() and c not in ",;" else " " for c in text)[:_LONGEST_NAME]


def _rate(layout: Layout) -> str:
    rate = layout.rate_hz
    return "0" if rate is None else f"{float(rate):.12g}"


def _instant(utc_us: int) -> str:
    """dd/mm/yyyy,hh:mm:ss.ssssss"""
    return (_EPOCH + timedelta(microseconds=utc_us)).strftime("%d/%m/%Y,%H:%M:%S.%f")


def _offset(minutes: int) -> str:
    """As +5h30."""
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours}" + (f"h{rest:02d}" if rest else "")


def quality(stamp: Stamp) -> str:
    """tmq_code: 0 = locked to a source that is exact, 1 to B = within 10^(code - 10) s, F = no
    reliable time (2013, table of time quality).
    """
    if stamp.source == UNKNOWN or stamp.error_us is None or stamp.error_us > 10_000_000:
        return "F"
    if stamp.source == GNSS and stamp.error_us <= 1:
        return "0"
    return next(f"{code:X}" for code in range(4, 12) if stamp.error_us <= 10 ** (code - 4))
