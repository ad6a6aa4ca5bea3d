"""What can go wrong, drawn once.

AgentError
├── UsageError      the command line asks for what does not exist
├── SiteError       the site file or a document cannot be taken; carries every finding
├── SensorError     a source broke its promise (peer's mistake)
├── RecordError     bytes from outside are not a valid record
├── StoreError      the log cannot be written or read
└── UplinkError     the broker refused or vanished

A fault on the feeder is an event, never an error. A sample that cannot be trusted is a record
with its quality marked. A shell turns a library's exception into one of these once, at the
border, and keeps the cause.
"""

from __future__ import annotations


def one_line(text: str) -> str:
    """The text without letters that break a line or steer the terminal that shows it.

    What is quoted in an error may come from a stranger.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class AgentError(Exception):
    """One line that says where, what, and what was expected."""

    def __init__(self, where: str, what: str, expected: str = "") -> None:
        self.where = one_line(where)
        self.what = one_line(what)
        self.expected = one_line(expected)
        expectation = f"; expected {self.expected}" if expected else ""
        super().__init__(f"{self.where}: {self.what}{expectation}")


class UsageError(AgentError):
    """The caller asked for something that does not exist or does not fit together."""


class SiteError(AgentError):
    """A file of ours cannot be taken; `findings` holds one line for each thing found wrong."""

    def __init__(self, where: str, findings: tuple[str, ...]) -> None:
        super().__init__(where, "; ".join(findings))
        self.findings = tuple(one_line(f"{where}: {finding}") for finding in findings)
        self.args = ("\n".join(self.findings),)


class SensorError(AgentError):
    """A source of samples or readings failed or answered nonsense."""


class RecordError(AgentError):
    """Bytes from outside do not decode into a valid record."""


class StoreError(AgentError):
    """The log cannot be opened, written or read."""


class UplinkError(AgentError):
    """The broker refused us or is gone."""
