"""What came of a scenario: checks by name with their evidence, and all that shows why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.case import Truth

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

    event: of a decision or a receipt, what was told, as in Outcome.events.
    """

    t_s: float
    what: str
    where: str
    text: str
    event: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expected:
    """Something that the scenario asks for. where: as in Moment; text: in words.

    from_s, to_s: when it may come, since the scenario's first sample; None: at any time.
    """

    where: str
    text: str
    came: bool
    from_s: float | None = None
    to_s: float | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """Of one message, against one clock. [ms]

    decided: from the onset's sample on the instrument to the decision's; received: to the
    consumer's receipt of it. disturbed: in a scenario that does something to the surroundings.
    """

    terminal: str
    event: str
    decided_ms: float
    received_ms: float
    disturbed: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scenario that was run.

    status: PASSED; FAILED; NOT_YET: it fails, and its file says which part will turn it green;
        BROKEN: the bench failed, `problem` says where; nothing is said about the device.
    events: what the device told, by terminal, as `replay --json` or `listen --json` show it.
    records: COMTRADE headers of the case, by terminal. jitter_ms: largest of what was played in
        real time.
    expected: what the scenario asks for. truth: what happened in the network; its times are those
        of the recordings. begins_s: first sample of each record since the scenario's first one,
        where that is not 0.
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
    expected: Sequence[Expected] = ()
    truth: Truth | None = None
    begins_s: Mapping[str, float] = field(default_factory=dict)
