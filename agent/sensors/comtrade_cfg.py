"""The header of a COMTRADE record (.cfg): bytes in, one frozen Header out; no file is opened here.

IEEE C37.111, revisions 1991 and 1999 (IEC 60255-24:2001 has the text of 1999). What devices in the
field write is taken where it can mean one thing only: missing trailing fields, blank optional
fields, any line ending, decimal commas, semicolons between fields. Everything else is one
RecordError that names line and field. Samples (.dat) stay out.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from agent.errors import RecordError

# A bus recorder has some 100 analog and 1,000 status channels; ten times that is damage.
MAX_ANALOGS = 1024
MAX_STATUSES = 8192
MAX_CFG_BYTES = 2 << 20
MAX_TEXT = 128  # characters of a name; the standard allows 64

# Beyond these a rate is a damaged number: no recorder is slower, no converter with 16 bits faster.
MIN_RATE_HZ, MAX_RATE_HZ = 1, 10_000_000

# Far beyond any converter; what lies outside is damage, and would spoil sums that must be exact.
MAX_COUNT = 1e12
_MIN_SCALE = 1e-30

_NUMBER = re.compile(r"[+-]?([0-9]{1,20}([.,][0-9]{0,30})?|[.,][0-9]{1,30})([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[0-9]{1,10}")
_LINE_END = re.compile(r"\r{0,2}\n\r?|\r")
_SUBSTITUTE = "\x1a"  # end of file in DOS; some devices fill the last block with it

# a, b, skew, primary and secondary may have a fraction; min and max are counts.
_REALS_1999 = (0, 1, 2, 5, 6)
_REALS_1991 = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Analog:
    """One analog channel as the header states it: value [unit] = scale * count + offset.

    `low`, `high` are the range of its counts, None where the header does not say. `primary`,
    `secondary` are the transformer's ratio, `side` ("P" or "S") the side the values stand for.
    """

    name: str
    phase: str
    unit: str
    scale: float
    offset: float = 0.0
    skew_us: float = 0.0
    low: float | None = None
    high: float | None = None
    primary: float = 1.0
    secondary: float = 1.0
    side: str = "P"


@dataclass(frozen=True, slots=True)
class Header:
    """Everything that the .cfg file says.

    rate_hz: None when only the time stamps tell. last_sample: number of the last one; 0 = not
    told. start, trigger: as written (1991: mm/dd/yy, 1999: dd/mm/yyyy). encoding: "ASCII" or
    "BINARY". stamp_unit_us: microseconds in one unit of the time stamps.
    """

    station: str
    device: str
    revision: int
    analogs: tuple[Analog, ...]
    status_names: tuple[str, ...]
    nominal_hz: float | None
    rate_hz: Fraction | None
    last_sample: int
    start: str
    trigger: str
    encoding: str
    stamp_unit_us: Fraction
    findings: tuple[str, ...]


def parse_header(data: bytes, name: str) -> Header:
    """The header in the bytes of a .cfg file; `name` stands in errors.

    Raises: RecordError when the bytes are no header, or one of a kind not read yet.
    Source: IEEE C37.111-1999, clause 5 (configuration file); C37.111-1991, clause 5.
    """
    if len(data) > MAX_CFG_BYTES:
        raise RecordError(name, f"{len(data)} bytes", f"a header of at most {MAX_CFG_BYTES} bytes")
    lines = _Lines(name, decode(data))
    station, device, revision = _identity(lines)
    analog_count, status_count = _channel_counts(lines)
    analogs = tuple(_analog(lines, n) for n in range(1, analog_count + 1))
    status_names = tuple(_status_name(lines, n) for n in range(1, status_count + 1))
    nominal_hz = _nominal(lines)
    rate_hz, last_sample = _rate(lines)
    start, trigger, encoding = _times_and_encoding(lines)
    return Header(
        station=station,
        device=device,
        revision=revision,
        analogs=analogs,
        status_names=status_names,
        nominal_hz=nominal_hz,
        rate_hz=rate_hz,
        last_sample=last_sample,
        start=start,
        trigger=trigger,
        encoding=encoding,
        stamp_unit_us=_stamp_unit(lines),
        findings=tuple(dict.fromkeys(lines.findings)),
    )


def decode(data: bytes) -> str:
    """Text of a header in UTF-8, GBK or Latin-1, told apart by the bytes above 0x7F.

    Most Chinese characters are pairs that begin with B0..D7 hex, the 3755 of everyday use. No
    small letter of Latin-1 lies there, and two of its capital ones hardly ever stand together.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        high = sum(byte > 0x7F for byte in data)
        paired = 2 * len(re.findall(rb"[\xb0-\xd7][\xa1-\xfe]", data))
    if 2 * paired > high:
        return data.decode("gbk", errors="replace")
    return data.decode("latin-1")


def number(text: str) -> float:
    """A finite decimal number, with point or comma. Raises: ValueError."""
    value = float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else math.inf
    if not math.isfinite(value):
        raise ValueError(text)
    return value


class _Lines:
    """The header's lines one after another, each with its number for the error message."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._lines = _LINE_END.split(text.rstrip(_SUBSTITUTE + "\0 \t\r\n"))
        self._next = 0
        self.findings: list[str] = []
        # Where commas are decimals, semicolons stand between the fields from the first line on.
        head = "".join(self._lines[:2])
        self.separator = ";" if ";" in head and "," not in head else ","

    def error(self, what: str, expected: str) -> RecordError:
        return RecordError(f"{self._name} line {max(self._next, 1)}", what, expected)

    def bad(self, field: str, text: str, expected: str) -> RecordError:
        return self.error(f"{field} is {text[:40]!r}", expected)

    def line(self, expected: str) -> str:
        """The next line, which may be blank."""
        if self._next >= len(self._lines):
            raise self.error("the header ends here", expected)
        self._next += 1
        return self._lines[self._next - 1].strip(_SUBSTITUTE + "\0 \t")

    def filled(self, expected: str) -> str:
        """The next line that is not blank."""
        while True:
            line = self.line(expected)
            if line:
                return line

    def fields(self, expected: str) -> list[str]:
        """Fields of the next filled line, trailing blank ones cut."""
        fields = [_clean(field) for field in self.filled(expected).split(self.separator)]
        while len(fields) > 1 and not fields[-1]:
            fields.pop()
        return fields

    def ahead(self, count: int) -> list[str]:
        """Up to `count` lines to come, not yet consumed."""
        ahead = self._lines[self._next : self._next + count]
        return [line.strip(_SUBSTITUTE + "\0 \t") for line in ahead]

    def skip(self, count: int) -> None:
        self._next += count


def _clean(text: str) -> str:
    """A field without blanks around it and without anything that could upset a terminal."""
    return "".join(c for c in text if c.isprintable()).strip()[:MAX_TEXT]


def _identity(lines: _Lines) -> tuple[str, str, int]:
    """station_name, rec_dev_id [, rev_year]; 1991 has no third field."""
    fields = lines.fields("station name, device [, revision year]")
    revision = 1991
    if len(fields) > 2 and re.fullmatch(r"[0-9]{4}", fields[-1]):
        revision = int(fields.pop())
    if not 1991 <= revision <= 2012:
        raise lines.bad("the revision", str(revision), "1991 or 1999; others are not read yet")
    station, device = fields[0], fields[1] if len(fields) > 1 else ""
    return station, device, 1991 if revision == 1991 else 1999


def _channel_counts(lines: _Lines) -> tuple[int, int]:
    """TT,##A,##D: numbers of channels in total, analog and status."""
    expected = "the numbers of channels, as 8,6A,2D"
    fields = [field.upper().replace(" ", "") for field in lines.fields(expected)]
    counts = {"A": 0, "D": 0}
    for field in fields[1:]:
        if not re.fullmatch(r"[0-9]{1,6}[AD]", field):
            raise lines.bad("the number of channels", field, expected)
        counts[field[-1]] = int(field[:-1])
    analogs, statuses = counts["A"], counts["D"]
    if analogs + statuses == 0 or analogs > MAX_ANALOGS or statuses > MAX_STATUSES:
        raise lines.error(
            f"{analogs} analog and {statuses} status channels",
            f"at least one, at most {MAX_ANALOGS} and {MAX_STATUSES}",
        )
    if fields[0] != str(analogs + statuses):
        lines.findings.append(f"{fields[0]!r} channels in total, {analogs}A and {statuses}D taken")
    return analogs, statuses


def _analog(lines: _Lines, n: int) -> Analog:
    """An,ch_id,ph,ccbm,uu,a,b,skew,min,max[,primary,secondary,PS]."""
    fields = lines.fields(f"analog channel {n}")
    if len(fields) < 6:
        raise lines.error(
            f"analog channel {n} has {len(fields)} fields", "10 (revision 1991) or 13 (1999)"
        )
    _, name, phase, _, unit = fields[:5]
    name = name or f"#{n}"
    tail = _undivided(fields[5:], lines) or fields[5:]
    if len(tail) > 8:
        raise lines.error(
            f"analog channel {n} ({name}) has {len(fields)} fields",
            "10 (revision 1991) or 13 (1999)",
        )

    def real(position: int, field: str) -> float | None:
        text = tail[position] if position < len(tail) else ""
        try:
            return number(text) if text else None
        except ValueError:
            raise lines.bad(f"{field} of channel {name}", text, "a number") from None

    scale, offset = real(0, "multiplier a"), real(1, "offset b") or 0.0
    if scale is None:
        raise lines.bad(f"multiplier a of channel {name}", "", "a number")
    if scale and not (
        _MIN_SCALE <= abs(scale) <= 1 / _MIN_SCALE and abs(offset / scale) <= MAX_COUNT
    ):
        raise lines.error(
            f"a = {scale:g} and b = {offset:g} of channel {name}",
            f"a within {_MIN_SCALE:g}..{1 / _MIN_SCALE:g}, b within {MAX_COUNT:g} counts",
        )
    return Analog(
        name=name,
        phase=phase,
        unit=unit,
        scale=scale,
        offset=offset,
        skew_us=real(2, "skew") or 0.0,
        low=real(3, "min"),
        high=real(4, "max"),
        primary=real(5, "primary factor") or 1.0,
        secondary=real(6, "secondary factor") or 1.0,
        side=_side(tail, lines, name),
    )


def _side(tail: Sequence[str], lines: _Lines, name: str) -> str:
    side = tail[7].upper() if len(tail) > 7 else "P"
    if side not in ("P", "S", ""):
        raise lines.bad(f"PS of channel {name}", side, "P or S")
    return side or "P"


def _undivided(tail: list[str], lines: _Lines) -> list[str] | None:
    """The numbers of an analog channel where a decimal comma may have cut some in two.

    A reading counts when every number is one, a is not 0 and min lies below max. Where more than
    one would do, the fraction belongs to a, the field that always has one.
    """
    if _plausible(tail):
        return tail
    for reals, length in ((_REALS_1999, 8), (_REALS_1991, 5)):
        for whole in _joined(tail, reals, len(tail) - length):
            if _plausible(whole):
                lines.findings.append("numbers with decimal commas")
                return whole
    return None


def _joined(tail: list[str], reals: Sequence[int], cuts: int) -> Iterator[list[str]]:
    """Every way to undo `cuts` decimal commas among the fields `reals`."""
    if cuts < 1:
        return
    for cut in itertools.combinations(reals, cuts):
        rest = iter(tail)
        length = len(tail) - cuts
        yield [
            f"{next(rest)}.{next(rest)}" if position in cut else next(rest)
            for position in range(length)
        ]


def _plausible(tail: Sequence[str]) -> bool:
    if not 5 <= len(tail) <= 8:
        return False
    try:
        values = [number(text) if text else 0.0 for text in tail[:7]]
    except ValueError:
        return False
    return values[0] != 0 and values[3] < values[4] and "".join(tail[7:]).upper() in ("", "P", "S")


def _status_name(lines: _Lines, n: int) -> str:
    """Dn,ch_id[,ph,ccbm],y; only the name is of use here."""
    fields = lines.fields(f"status channel {n}")
    return (fields[1] if len(fields) > 1 else "") or f"#D{n}"


def _nominal(lines: _Lines) -> float | None:
    """lf, the nominal frequency [Hz]; it may be blank."""
    text = lines.line("the nominal frequency").rstrip(",; ")
    if not text:
        return None
    try:
        frequency_hz = number(text)
    except ValueError:
        raise lines.bad("the nominal frequency", text, "50 or 60") from None
    return frequency_hz or None


def _rate(lines: _Lines) -> tuple[Fraction | None, int]:
    """nrates, then samp,endsamp for each; (None, ...) when only time stamps tell the rate."""
    text = lines.filled("the number of sampling rates").rstrip(",; ")
    if not _WHOLE.fullmatch(text) or int(text) > 999:
        raise lines.bad("the number of sampling rates", text, "a whole number of at most 999")
    count = int(text)
    if count == 0:
        # The standard has a line 0,endsamp even now; some devices leave it out.
        return (None, _section(lines)[1]) if _is_section(lines.ahead(1)) else (None, 0)
    sections = [_section(lines) for _ in range(count)]
    rates = {rate for rate, _ in sections}
    if len(rates) > 1:
        told = ", ".join(f"{float(rate):g} Hz" for rate, _ in sections[:4])
        raise lines.error(f"sections at {told}", "one sampling rate; several are not read yet")
    return rates.pop() or None, sections[-1][1]


def _is_section(ahead: list[str]) -> bool:
    return bool(ahead) and re.fullmatch(r"[0-9., eE;]+[,;][0-9 ]*", ahead[0]) is not None


def _section(lines: _Lines) -> tuple[Fraction, int]:
    """samp,endsamp: rate [Hz], 0 when time stamps tell it, and the number of the last sample."""
    fields = lines.fields("sampling rate, number of the last sample")
    if len(fields) == 3 and lines.separator == ",":
        fields = [f"{fields[0]}.{fields[1]}", fields[2]]
    rate_text, last_text = fields[0], fields[1] if len(fields) > 1 else "0"
    if not _NUMBER.fullmatch(rate_text):
        raise lines.bad("the sampling rate", rate_text, "a number")
    rate = Fraction(rate_text.replace(",", "."))
    if rate and not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise lines.bad("the sampling rate", rate_text, f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    if not _WHOLE.fullmatch(last_text):
        raise lines.bad("the number of the last sample", last_text, "a whole number")
    return rate, int(last_text)


def _times_and_encoding(lines: _Lines) -> tuple[str, str, str]:
    """First sample, trigger, ft. The type of the .dat file is looked for; times may be absent."""
    ahead = lines.ahead(4)
    for position, text in enumerate(ahead):
        encoding = text.upper().rstrip(",; ")
        if encoding in ("ASCII", "BINARY"):
            lines.skip(position + 1)
            start, trigger, *_ = *(_clean(line) for line in ahead[:position]), "", ""
            return start, trigger, encoding
        if encoding in ("BINARY32", "FLOAT32"):
            lines.skip(position + 1)
            raise lines.bad("the type of the data file", encoding, "ASCII or BINARY")
    lines.skip(min(3, len(ahead)))
    raise lines.bad("the type of the data file", (ahead + [""] * 3)[2], "ASCII or BINARY")


def _stamp_unit(lines: _Lines) -> Fraction:
    """timemult: microseconds in a unit of the time stamps; 1991 does not have it."""
    text = next((line.rstrip(",; ") for line in lines.ahead(3) if line), "") or "1"
    if not _NUMBER.fullmatch(text):
        lines.skip(1)
        raise lines.bad("the time multiplier", text, "a number")
    return Fraction(text.replace(",", "."))
