"""The header of a COMTRADE record (.cfg): bytes in, one frozen Header out; no file is opened here.

IEEE C37.111, revisions 1991, 1999 (IEC 60255-24:2001 has its text) and 2013 (IEC 60255-24:2013).
What devices in the field write is taken where it can mean one thing only: missing trailing fields,
blank optional fields, any line ending, decimal commas, semicolons between fields. Everything else
is one RecordError that names line and field. Samples (.dat) stay out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from agent.errors import RecordError
from agent.sensors.comtrade_text import NUMBER, Lines, clean, decode, number
from agent.sensors.comtrade_time import Clock, between_us, clock, counts_nanoseconds

# A bus recorder has some 100 analog and 1,000 status channels; ten times that is damage.
MAX_ANALOGS = 1024
MAX_STATUSES = 8192
MAX_CFG_BYTES = 2 << 20

REVISIONS = (1991, 1999, 2013)
ENCODINGS = ("ASCII", "BINARY", "BINARY32", "FLOAT32")

# Beyond these a rate is a damaged number: no recorder is slower, no converter with 16 bits faster.
MIN_RATE_HZ, MAX_RATE_HZ = 1, 10_000_000

# Far beyond any converter; what lies outside is damage, and would spoil sums that must be exact.
MAX_COUNT = 1e12
MIN_SCALE = 1e-30

_WHOLE = re.compile(r"[0-9]{1,10}")

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


class Section(NamedTuple):
    """Samples of one rate: rate_hz is None when only the time stamps tell; last: the number of
    the last sample, 0 = not told.
    """

    rate_hz: Fraction | None
    last: int


@dataclass(frozen=True, slots=True)
class Header:
    """Everything that the .cfg file says.

    sections: at least one, neighbours of different rates. start, trigger: as written (1991:
    mm/dd/yy, later dd/mm/yyyy). trigger_us: its instant since the first sample, None = cannot be
    told. encoding: one of ENCODINGS. stamp_unit_us: microseconds in one unit of the time stamps.
    """

    station: str
    device: str
    revision: int
    analogs: tuple[Analog, ...]
    status_names: tuple[str, ...]
    nominal_hz: float | None
    sections: tuple[Section, ...]
    start: str
    trigger: str
    trigger_us: int | None
    encoding: str
    stamp_unit_us: Fraction
    clock: Clock
    findings: tuple[str, ...]

    @property
    def last_sample(self) -> int:
        """Number of the last sample; 0 = not told."""
        return self.sections[-1].last


def parse_header(data: bytes, name: str, first_line: int = 1) -> Header:
    """The header in the bytes of a .cfg file; `name` stands in errors.

    first_line: number of its first line where it is a section of a larger file.

    Raises: RecordError when the bytes are no header, or one of a kind not read yet.
    Source: IEEE C37.111-1991 and 1999, clause 5 (configuration file), and the same of 2013.
    """
    if len(data) > MAX_CFG_BYTES:
        raise RecordError(name, f"{len(data)} bytes", f"a header of at most {MAX_CFG_BYTES} bytes")
    lines = Lines(name, decode(data), first_line)
    station, device, revision = _identity(lines)
    analog_count, status_count = _channel_counts(lines)
    analogs = tuple(_analog(lines, n) for n in range(1, analog_count + 1))
    status_names = tuple(_status_name(lines, n) for n in range(1, status_count + 1))
    nominal_hz = _nominal(lines)
    sections = _sections(lines)
    start, trigger, encoding = _times_and_encoding(lines)
    unit_us = _time_multiplier(lines, revision)
    if revision == 2013 and counts_nanoseconds(start, trigger):
        unit_us /= 1000
    stated = _clock(lines) if revision == 2013 else Clock()
    return Header(
        station=station,
        device=device,
        revision=revision,
        analogs=analogs,
        status_names=status_names,
        nominal_hz=nominal_hz,
        sections=sections,
        start=start,
        trigger=trigger,
        trigger_us=between_us(start, trigger, month_first=revision == 1991),
        encoding=encoding,
        stamp_unit_us=unit_us,
        clock=stated,
        findings=tuple(dict.fromkeys(lines.findings)),
    )


def _identity(lines: Lines) -> tuple[str, str, int]:
    """station_name, rec_dev_id [, rev_year]; 1991 has no third field."""
    fields = lines.fields("station name, device [, revision year]")
    revision = 1991
    if len(fields) > 2 and re.fullmatch(r"[0-9]{4}", fields[-1]):
        revision = int(fields.pop())
    if not 1991 <= revision <= 2099:
        raise lines.bad("the revision", str(revision), "1991, 1999 or 2013")
    station, device = fields[0], fields[1] if len(fields) > 1 else ""
    # IEC and national editions of the same text carry years of their own: 2001, 2017.
    return station, device, max(year for year in REVISIONS if year <= revision)


def _channel_counts(lines: Lines) -> tuple[int, int]:
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


def _analog(lines: Lines, n: int) -> Analog:
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
        MIN_SCALE <= abs(scale) <= 1 / MIN_SCALE and abs(offset / scale) <= MAX_COUNT
    ):
        raise lines.error(
            f"a = {scale:g} and b = {offset:g} of channel {name}",
            f"a within {MIN_SCALE:g}..{1 / MIN_SCALE:g}, b within {MAX_COUNT:g} counts",
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


def _side(tail: Sequence[str], lines: Lines, name: str) -> str:
    side = tail[7].upper() if len(tail) > 7 else "P"
    if side not in ("P", "S", ""):
        raise lines.bad(f"PS of channel {name}", side, "P or S")
    return side or "P"


def _undivided(tail: list[str], lines: Lines) -> list[str] | None:
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


def _status_name(lines: Lines, n: int) -> str:
    """Dn,ch_id[,ph,ccbm],y; only the name is of use here."""
    fields = lines.fields(f"status channel {n}")
    return (fields[1] if len(fields) > 1 else "") or f"#D{n}"


def _nominal(lines: Lines) -> float | None:
    """lf, the nominal frequency [Hz]; it may be blank."""
    text = lines.line("the nominal frequency").rstrip(",; ")
    if not text:
        return None
    try:
        frequency_hz = number(text)
    except ValueError:
        raise lines.bad("the nominal frequency", text, "50 or 60") from None
    return frequency_hz or None


def _sections(lines: Lines) -> tuple[Section, ...]:
    """nrates, then samp,endsamp for each; neighbours of one rate are one section."""
    text = lines.filled("the number of sampling rates").rstrip(",; ")
    if not _WHOLE.fullmatch(text) or int(text) > 999:
        raise lines.bad("the number of sampling rates", text, "a whole number of at most 999")
    count = int(text)
    if count == 0:
        # The standard has a line 0,endsamp even now; some devices leave it out.
        told = _section(lines).last if _is_section(lines.ahead(1)) else 0
        return (Section(None, told),)
    sections: list[Section] = []
    for _ in range(count):
        section = _section(lines)
        if sections and sections[-1].rate_hz == section.rate_hz:
            sections.pop()
        elif sections and section.last <= sections[-1].last:
            raise lines.bad(
                "the number of the last sample",
                str(section.last),
                f"more than the {sections[-1].last} of the rate before",
            )
        sections.append(section)
    return tuple(sections)


def _is_section(ahead: list[str]) -> bool:
    return bool(ahead) and re.fullmatch(r"[0-9., eE;]+[,;][0-9 ]*", ahead[0]) is not None


def _section(lines: Lines) -> Section:
    """samp,endsamp: rate [Hz], 0 when time stamps tell it, and the number of the last sample."""
    fields = lines.fields("sampling rate, number of the last sample")
    if len(fields) == 3 and lines.separator == ",":
        fields = [f"{fields[0]}.{fields[1]}", fields[2]]
    rate_text, last_text = fields[0], fields[1] if len(fields) > 1 else "0"
    if not NUMBER.fullmatch(rate_text):
        raise lines.bad("the sampling rate", rate_text, "a number")
    rate = Fraction(rate_text.replace(",", "."))
    if rate and not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise lines.bad("the sampling rate", rate_text, f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    if not _WHOLE.fullmatch(last_text):
        raise lines.bad("the number of the last sample", last_text, "a whole number")
    return Section(rate or None, int(last_text))


def _times_and_encoding(lines: Lines) -> tuple[str, str, str]:
    """First sample, trigger, ft. The type of the .dat file is looked for; times may be absent."""
    ahead = lines.ahead(4)
    for position, text in enumerate(ahead):
        encoding = text.upper().rstrip(",; ")
        if encoding in ENCODINGS:
            lines.skip(position + 1)
            start, trigger, *_ = *(clean(line) for line in ahead[:position]), "", ""
            return start, trigger, encoding
    lines.skip(min(3, len(ahead)))
    expected = f"{', '.join(ENCODINGS[:-1])} or {ENCODINGS[-1]}"
    raise lines.bad("the type of the data file", (ahead + [""] * 3)[2], expected)


def _time_multiplier(lines: Lines, revision: int) -> Fraction:
    """timemult: what a unit of the time stamps is multiplied with; 1991 does not have it."""
    ahead = lines.ahead(1 if revision == 2013 else 3)  # 2013 goes on behind it
    blank = next((k for k, line in enumerate(ahead) if line), len(ahead))
    text = ahead[blank].rstrip(",; ") if blank < len(ahead) else "1"
    lines.skip(blank + 1)
    factor = Fraction(text.replace(",", ".")) if NUMBER.fullmatch(text) else Fraction(0)
    if factor <= 0:
        raise lines.bad("the time multiplier", text, "a number above 0")
    return factor


def _clock(lines: Lines) -> Clock:
    """time_code,local_code and tmq_code,leapsec of 2013, each line where it is there."""
    fields = [[clean(field) for field in line.split(lines.separator)] for line in lines.ahead(2)]
    codes, quality = (*fields, [], [])[:2]
    stated, odd = clock(codes, quality)
    lines.findings += odd
    return stated
