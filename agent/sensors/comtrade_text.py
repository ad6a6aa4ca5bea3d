"""The text of a COMTRADE header: bytes to lines, lines to fields, each knowing where it stands.

What the fields mean stays out: see comtrade_cfg.py.
"""

from __future__ import annotations

import math
import re

from agent.errors import RecordError

MAX_TEXT = 128  # characters of a name; the standard allows 64

NUMBER = re.compile(r"[+-]?([0-9]{1,20}([.,][0-9]{0,30})?|[.,][0-9]{1,30})([eE][+-]?[0-9]{1,3})?")
_LINE_END = re.compile(r"\r{0,2}\n\r?|\r")
_SUBSTITUTE = "\x1a"  # end of file in DOS; some devices fill the last block with it


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
    value = float(text.replace(",", ".")) if NUMBER.fullmatch(text) else math.inf
    if not math.isfinite(value):
        raise ValueError(text)
    return value


class Lines:
    """The header's lines one after another, each with its number for the error message."""

    def __init__(self, name: str, text: str, first_line: int = 1) -> None:
        self._name = name
        self._first_line = first_line
        self._lines = _LINE_END.split(text.rstrip(_SUBSTITUTE + "\0 \t\r\n"))
        self._next = 0
        self.findings: list[str] = []
        # Where commas are decimals, semicolons stand between the fields from the first line on.
        head = "".join(self._lines[:2])
        self.separator = ";" if ";" in head and "," not in head else ","

    def error(self, what: str, expected: str) -> RecordError:
        """What is wrong with the line last taken."""
        line = self._first_line + max(self._next, 1) - 1
        return RecordError(f"{self._name} line {line}", what, expected)

    def bad(self, field: str, text: str, expected: str) -> RecordError:
        """That one of its fields says `text`."""
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
        fields = [clean(field) for field in self.filled(expected).split(self.separator)]
        while len(fields) > 1 and not fields[-1]:
            fields.pop()
        return fields

    def ahead(self, count: int) -> list[str]:
        """Up to `count` lines to come, not yet consumed."""
        ahead = self._lines[self._next : self._next + count]
        return [line.strip(_SUBSTITUTE + "\0 \t") for line in ahead]

    def skip(self, count: int) -> None:
        """Take `count` lines that were looked at."""
        self._next += count


def clean(text: str) -> str:
    """A field without blanks around it and without anything that could upset a terminal."""
    return "".join(c for c in text if c.isprintable()).strip()[:MAX_TEXT]
