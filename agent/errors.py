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


class AgentError(Exception):
    """One line that says where, what, and what was expected."""

    def __init__(self, where: str, what: str, expected: str = "") -> None:
        self.where = where
        self.what = what
        self.expected = expected
        super().__init__(f"{where}: {what}" + (f"; expected {expected}" if expected else ""))


class UsageError(AgentError):
    """The caller asked for something that does not exist or does not fit together."""


class SiteError(AgentError):
    """A file of ours cannot be taken; `findings` holds one line for each thing found wrong."""

    def __init__(self, where: str, findings: tuple[str, ...]) -> None:
        self.findings = tuple(f"{where}: {finding}" for finding in findings)
        super().__init__(where, f"\n{where}: ".join(findings))


class SensorError(AgentError):
    """A source of samples or readings failed or answered nonsense."""


class RecordError(AgentError):
    """Bytes from outside do not decode into a valid record."""


class StoreError(AgentError):
    """The log cannot be opened, written or read."""


class UplinkError(AgentError):
    """The broker refused us or is gone."""
