"""A COMTRADE record in a single file (.cff): bytes in, its sections out; none is understood here.

Separators stand on lines of their own: `--- file type: CFG ---`, INF, HDR, and at the end
`--- file type: DAT ASCII ---` or `--- file type: DAT BINARY: 702 ---` with the bytes that follow.

Source: IEEE C37.111-2013 (IEC 60255-24:2013), single file format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.errors import RecordError

_SEPARATOR = re.compile(
    rb"(?:\A(?:\xef\xbb\xbf)?|(?<=[\r\n]))[ \t]*---[ \t]*file[ \t]+type[ \t]*:[ \t]*"
    rb"([A-Z]{1,8})(?:[ \t]+([A-Z0-9]{1,12}))?(?:[ \t]*:[ \t]*([0-9]{1,12}))?"
    rb"[ \t]*---[ \t]*(?:\r{0,2}\n|\r|\Z)",
    re.IGNORECASE,
)
_LINE_END = re.compile(rb"\r{0,2}\n\r?|\r")
_FILLING = b"\x1a\0 \t\r\n"


@dataclass(frozen=True, slots=True)
class Sections:
    """What a reader needs of the file: header and samples.

    cfg_line, dat_line: number in the file of each section's first line. encoding: of the samples
    as their separator says it, "" when it does not. findings: what is odd and was taken. inf: the
    recorder's own information, as it is.
    """

    cfg: bytes
    cfg_line: int
    dat: bytes
    dat_line: int
    encoding: str
    findings: tuple[str, ...]
    inf: bytes = b""


def split(data: bytes, name: str) -> Sections:
    """The sections in the bytes of a .cff file; `name` stands in errors.

    HDR, notes for people, is passed over. Raises: RecordError.
    """
    cfg: tuple[bytes, int] | None = None
    inf = b""
    place = 0
    while (separator := _SEPARATOR.search(data, place)) is not None:
        kind, begin = separator[1].upper(), separator.end()
        if kind == b"DAT":
            if cfg is None:
                raise RecordError(_at(data, separator, name), "samples before a header", _CFG_TEXT)
            return replace(_with_samples(data, separator, cfg), inf=inf)
        following = _SEPARATOR.search(data, begin)
        place = following.start() if following else len(data)
        if kind == b"CFG":
            if cfg is not None:
                raise RecordError(_at(data, separator, name), "a second header", "one CFG section")
            cfg = data[begin:place], _line(data, begin)
        elif kind == b"INF":
            inf = data[begin:place]
    if cfg is None:
        raise RecordError(f"{name} line 1", "no header in the file", _CFG_TEXT)
    raise RecordError(name, "no samples in the file", "a line '--- file type: DAT ... ---'")


_CFG_TEXT = "a line '--- file type: CFG ---'"


def _with_samples(data: bytes, separator: re.Match[bytes], cfg: tuple[bytes, int]) -> Sections:
    """The sections, once the separator of the samples is found.

    A number of bytes is believed where the file, or another section, begins behind them; what a
    recorder cut off, or wrote before it knew the number, is taken as it lies there.
    """
    begin, encoding = separator.end(), (separator[2] or b"").upper().decode()
    findings: list[str] = []
    told = int(separator[3]) if separator[3] and encoding != "ASCII" else None
    if told is None or not _ends(data, begin + told):
        end = len(data)
        if encoding in ("ASCII", "") and (following := _SEPARATOR.search(data, begin)):
            end = following.start()
        if told is not None:
            lie = f"{end - begin} bytes of samples, their separator tells of {told}"
            findings.append(f"{lie}; all {end - begin} are taken")
    else:
        end = begin + told
    return Sections(*cfg, data[begin:end], _line(data, begin), encoding, tuple(findings))


def _ends(data: bytes, end: int) -> bool:
    """Whether samples may end at this place: nothing but filling or a separator behind it."""
    if end > len(data):
        return False
    tail = data[end : end + 4096]
    rest = tail.lstrip(_FILLING)
    return not rest or _SEPARATOR.match(rest) is not None


def _line(data: bytes, place: int) -> int:
    """Number of the line that begins at `place`."""
    return 1 + sum(1 for _ in _LINE_END.finditer(data, 0, place))


def _at(data: bytes, separator: re.Match[bytes], name: str) -> str:
    return f"{name} line {_line(data, separator.start())}"
