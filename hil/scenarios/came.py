"""What came out of a run: what the device told, what its log holds, what the consumer received.

Made by the bench, judged by judge.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]
Key = tuple[str, int, str, int]  # node, epoch, lane, seq: contract.md, section 4, promise 1
Events = Mapping[str, Sequence[Event]]


@dataclass(frozen=True, slots=True)
class Log:
    """What the device's log held in the end. problems: what `journal verify` says of it.

    due: of `held`, what had to arrive: what is recorded during the goodbye leaves at the next start
    only; None: all of it.
    """

    held: frozenset[Key] = frozenset()
    due: frozenset[Key] | None = None
    lost: frozenset[Key] = frozenset()
    intact: bool = True
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """How a command of the scenario ended, and what it printed."""

    run: str
    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Came:
    """All that came of one run.

    plays: for each time that the case was played, the events of each terminal, `t` and `onset` in
    seconds of the recordings. others: events of no terminal, as they came. keys: how often each
    record came to the consumer. retained: topic below the node's to the decoded payload.
    """

    plays: Sequence[Events] = ()
    others: Sequence[Event] = ()
    keys: Counter[Key] = field(default_factory=Counter)
    log: Log | None = None
    said: Sequence[Said] = ()
    retained: Mapping[str, Any] = field(default_factory=dict)
