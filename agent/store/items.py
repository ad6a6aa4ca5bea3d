"""What a lane of the log holds, seq by seq: records, and ranges that are lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Stored(NamedTuple):
    """A record as it was appended; a tuple, because backlogs make hundreds of thousands."""

    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """Seqs, both ends included, that nobody can read any more, or that may never have been."""

    first: int
    last: int
    reason: str


Item = Stored | Lost
