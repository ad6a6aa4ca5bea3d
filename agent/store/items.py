"""What a lane of the log holds, seq by seq: records, and ranges that are lost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it was appended."""

    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """Seqs, both ends included, that nobody can read any more, or that may never have been."""

    first: int
    last: int
    reason: str


Item = Stored | Lost
