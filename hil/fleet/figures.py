"""What a fleet's run has shown: figures by phase, what was lost, and how both are printed."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

Key = tuple[str, str, int]  # node, lane, seq

_TICKS = os.sysconf("SC_CLK_TCK")
_LOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Load:
    """What processes have used so far: processor time [s], resident memory now [MB]."""

    cpu_s: float = 0.0
    rss_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase. Rates are means over `seconds`.

    connected_s: from its start until the last node's link stood, where nodes connected.
    alarm_ms: latency from node to consumer, (median, p99, largest), of the alarms that began in it.
    backlog: the most records that lacked their acknowledgement. *_percent: of one processor.
    settled: whether it came to its end within the time that it was given.
    """

    name: str
    seconds: float
    settled: bool
    connects: int
    connected_s: float | None
    messages_per_s: float
    bytes_per_s: float
    alarms: int
    alarm_ms: tuple[float, float, float] | None
    backlog: int
    resends: int
    broker_percent: float | None
    broker_mb: float | None
    nodes_percent: float
    consumer_percent: float


@dataclass(frozen=True, slots=True)
class Held:
    """What arrived, held against what was told: keys, each list sorted."""

    records: int
    lost: Sequence[Key]
    doubled: Sequence[Key]
    altered: Sequence[Key]
    invented: Sequence[Key]

    @property
    def ok(self) -> bool:
        """Each key once and unaltered, and no other."""
        return not (self.lost or self.doubled or self.altered or self.invented)


@dataclass(frozen=True, slots=True)
class Result:
    """A run. repeated: messages that came again, as they may; the consumer took them once."""

    nodes: int
    workers: int
    seed: int
    speed: float
    phases: Sequence[Phase]
    held: Held
    repeated: int
    refused: int
    nodes_mb: float
    troubles: Sequence[str]

    @property
    def ok(self) -> bool:
        """Nothing lost, nothing twice, and every phase came to its end."""
        return self.held.ok and all(phase.settled for phase in self.phases)

    def to_json(self) -> str:
        """All of it, on one line."""
        return json.dumps(asdict(self) | {"ok": self.ok})


def load(pids: Iterable[int]) -> Load:
    """Of these processes together; one that has ended counts nothing."""
    cpu_s = rss_mb = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
        cpu_s += (int(fields[11]) + int(fields[12])) / _TICKS
        rss_mb += pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return Load(cpu_s, rss_mb)


def summary(values: Iterable[float]) -> tuple[float, float, float] | None:
    """(median, 99th percentile by nearest rank, largest); None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    rank = [ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.99)]
    return rank[0], rank[1], ordered[-1]


def held(told: dict[Key, int], came: Sequence[tuple[Key, int]]) -> Held:
    """told: every record's check sum; came: key and check sum of all that the consumer took."""
    counts = Counter(key for key, _ in came)
    return Held(
        records=len(told),
        lost=sorted(told.keys() - counts.keys()),
        doubled=sorted(key for key, count in counts.items() if count > 1),
        altered=sorted({key for key, check in came if key in told and told[key] != check}),
        invented=sorted(counts.keys() - told.keys()),
    )


def table(result: Result) -> str:
    """For a person."""
    columns = [
        *("phase", "s", "connects", "all up s", "conn/s", "msg/s", "kB/s", "alarms"),
        *("p50 ms", "p99", "max", "backlog", "resent"),
        *("broker %", "MB", "nodes %", "consumer %"),
    ]
    rows = [columns, *(_row(phase) for phase in result.phases)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(columns))]
    lines = []
    for row in rows:
        figures = [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *figures]))
    return "\n".join([*lines, "", *_verdict(result)])


def _row(phase: Phase) -> list[str]:
    rate = phase.connects / phase.connected_s if phase.connected_s else None
    latency: Sequence[float | None] = phase.alarm_ms or (None, None, None)
    return [
        phase.name,
        f"{phase.seconds:.1f}" + ("" if phase.settled else "!"),
        _figure(phase.connects or None, 0),
        _figure(phase.connected_s, 2),
        _figure(rate, 0),
        _figure(phase.messages_per_s, 0),
        _figure(phase.bytes_per_s / 1000, 1),
        _figure(phase.alarms or None, 0),
        *(_figure(each, 1) for each in latency),
        _figure(phase.backlog, 0),
        _figure(phase.resends or None, 0),
        _figure(phase.broker_percent, 0),
        _figure(phase.broker_mb, 1),
        _figure(phase.nodes_percent, 0),
        _figure(phase.consumer_percent, 0),
    ]


def _figure(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _verdict(result: Result) -> list[str]:
    told = result.held
    who = (
        f"{result.nodes} nodes in {result.workers} processes of {result.nodes_mb:.0f} MB together, "
        f"seed {result.seed}; a quarter hour takes {900 / result.speed:g} s"
    )
    what_came = (
        f"{told.records} records: {len(told.lost)} lost, {len(told.doubled)} doubled, "
        f"{len(told.altered)} altered, {len(told.invented)} invented; "
        f"{result.repeated} messages came again and were taken once"
    )
    lines = [who, what_came]
    for what in ("lost", "doubled", "altered", "invented"):
        keys: Sequence[Key] = getattr(told, what)
        shown = ", ".join(f"{node} {lane}:{seq}" for node, lane, seq in keys[:_LOST_SHOWN])
        lines += [f"  {what}: {shown}"] if keys else []
    lines += [f"  {name}: not settled in time" for name in _unsettled(result)]
    return lines + [f"  {trouble}" for trouble in result.troubles]


def _unsettled(result: Result) -> list[str]:
    return [phase.name for phase in result.phases if not phase.settled]
