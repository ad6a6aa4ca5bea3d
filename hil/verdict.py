"""What came of a scenario: checks by name with their evidence, and all that shows why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PASSED, FAILED, NOT_YET, BROKEN = "passed", "failed", "not yet", "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that had to be so. evidence: what was seen, in a sentence with its figures."""

    name: str
    passed: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of the timeline. t_s: since the scenario's first sample; what: "plant", "fault",
    "decision", "receipt", "device" ...; where: terminal, link, consumer ...
    """

    t_s: float
    what: str
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Latency:
    """Of one message, against one clock. [ms]

    decided: from the onset's sample on the instrument to the decision's; received: to the
    consumer's receipt of it.
    """

    terminal: str
    event: str
    decided_ms: float
    received_ms: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scenario that was run.

    status: PASSED; FAILED; NOT_YET: it fails, and its file says which part will turn it green;
        BROKEN: the bench failed, `problem` says where; nothing is said about the device.
    events: what the device told, by terminal, as `replay --json` or `listen --json` show it.
    records: COMTRADE headers of the case. jitter_ms: largest of what was played in real time.
    """

    scenario: str
    title: str
    rows: Sequence[str]
    status: str
    checks: Sequence[Check]
    seconds: float
    not_yet: str = ""
    problem: str = ""
    case: str = ""
    seed: int = 0
    timeline: Sequence[Moment] = ()
    latencies: Sequence[Latency] = ()
    events: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    records: Mapping[str, Path] = field(default_factory=dict)
    jitter_ms: float | None = None
