"""What the agent measures of itself: the one table of names, and the forms in which they are told.

As a METRICS record each process writes its own, hourly and when it stops; `state` tells a few;
the Prometheus file tells all (prometheus.io, Exposition formats, text format 0.0.4).
A name ends with its unit; counters run since the process started. A quantile is of the time since
the last METRICS record.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from agent.durations import Durations
from agent.errors import StoreError

# Enough to see a disk grow slow or a link fail; a year of records takes 5 MB.
PERIOD_S = 3600.0
# Prometheus' node exporter is asked as often.
FILE_PERIOD_S = 15.0

GAUGE, COUNTER = "gauge", "counter"
# name: (kind, whether it is told of each lane, what it says)
METRICS = {
    "disk_bytes": (GAUGE, True, "what the lane takes on disk"),
    "lost_records": (GAUGE, True, "removed to make room before every consumer had them"),
    "flushes": (GAUGE, False, "flushes of the log to disk since the last record of metrics"),
    "flush_p50_us": (GAUGE, False, "half of these flushes took no longer"),
    "flush_p99_us": (GAUGE, False, "99 % of these flushes took no longer"),
    "flush_max_us": (GAUGE, False, "the longest of these flushes"),
    "waiting_records": (GAUGE, False, "in memory, because the log cannot be written"),
    "given_up_records_total": (COUNTER, False, "that had waited in memory and found no room"),
    "live_dropped_total": (COUNTER, False, "live values that nobody took in time"),
    "online": (GAUGE, False, "1 while the link to the broker stands"),
    "connections_total": (COUNTER, False, "connections to the broker, never reset"),
    "depth_records": (GAUGE, True, "not yet acknowledged by every required consumer"),
    "oldest_age_s": (GAUGE, True, "age of the oldest of these"),
    "puback_lag_p50_ms": (
        GAUGE,
        True,
        "half of the messages: from their first record's instant to the broker's word",
    ),
    "puback_lag_p99_ms": (GAUGE, True, "99 % of the messages: as above"),
    "puback_lag_max_ms": (GAUGE, True, "the longest of these"),
    "ack_lag_p50_ms": (
        GAUGE,
        True,
        "half of the messages: from their first record's instant to the last acknowledgement",
    ),
    "ack_lag_p99_ms": (GAUGE, True, "99 % of the messages: as above"),
    "ack_lag_max_ms": (GAUGE, True, "the longest of these"),
    "resends_total": (COUNTER, False, "messages sent again"),
    "sends_refused_total": (COUNTER, False, "messages that the broker refused"),
    "sends_unheard_total": (COUNTER, False, "messages for which nobody had subscribed"),
    "oversize_records_total": (COUNTER, False, "larger than the broker takes, told as lost"),
    "unreadable_records_total": (COUNTER, False, "in the log, told as lost"),
    "acks_refused_total": (COUNTER, False, "acknowledgements that could not be true"),
    "requests_refused_total": (COUNTER, False, "questions and requests to send again, not taken"),
    "commands_obeyed_total": (COUNTER, False, "signed commands that were obeyed"),
    "commands_refused_total": (COUNTER, False, "commands that were refused, signed or not"),
    "messages_refused_total": (COUNTER, False, "received, and not to be understood"),
    "consumers_never_heard": (GAUGE, False, "required, and never seen"),
    "backlog_rate_bytes_s": (
        GAUGE,
        False,
        "what brake and quota leave to a backlog; absent without",
    ),
}
_PREFIX = "ftu_"

# (name, lane or "") -> value
Values = dict[tuple[str, str], int]


def spread(values: Values, name: str, unit_us: int, durations: Durations, lane: str = "") -> None:
    """Tell p50, p99 and the longest of `durations`, measured in us; nothing where there are none.

    name: with a % in the place of the three. unit_us: the told unit.
    """
    if durations.count:
        values[name.replace("%", "p50"), lane] = durations.quantile(50) // unit_us
        values[name.replace("%", "p99"), lane] = durations.quantile(99) // unit_us
        values[name.replace("%", "max"), lane] = durations.longest // unit_us


def flushes(durations: Durations) -> Values:
    """How long the log's flushes take."""
    values: Values = {("flushes", ""): durations.count}
    spread(values, "flush_%_us", 1, durations)
    return values


def flat(values: Values) -> list[str | int]:
    """Name, value, again and again, as a METRICS record holds them; a lane's: name/lane."""
    told: list[str | int] = []
    for (name, lane), value in sorted(values.items()):
        told += [f"{name}/{lane}" if lane else name, value]
    return told


def opened(told: Iterable[object]) -> Values:
    """The inverse of `flat`; what is no metric of ours is left out."""
    values: Values = {}
    items = iter(told)
    for label, value in zip(items, items, strict=False):
        name, _, lane = label.partition("/") if isinstance(label, str) else ("", "", "")
        if name in METRICS and type(value) is int and len(lane) == METRICS[name][1]:
            values[name, lane] = value
    return values


def exposition(of: Mapping[str, Values]) -> str:
    """The values of each process in Prometheus' text format 0.0.4."""
    lines = []
    for name, (kind, _, meaning) in METRICS.items():
        samples = [
            f"{_PREFIX}{name}{{{_labels(process, lane)}}} {value}"
            for process, values in sorted(of.items())
            for (each, lane), value in sorted(values.items())
            if each == name
        ]
        if samples:
            lines += [f"# HELP {_PREFIX}{name} {meaning} [{unit(name)}]"]
            lines += [f"# TYPE {_PREFIX}{name} {kind}", *samples]
    return "".join(f"{line}\n" for line in lines)


def unit(name: str) -> str:
    """The unit of a metric, as its HELP says it."""
    parts = name.removesuffix("_total").split("_")
    if name.endswith("bytes_s"):
        return "bytes/s"
    return parts[-1] if parts[-1] in ("us", "ms", "s", "bytes", "records") else "1"


def reference() -> str:
    """docs/metrics.md: every metric, from the table above."""
    rows = [
        f"| `{name}` | {unit(name)} | {kind} | {'each lane' if of_lanes else ''} | {meaning} |"
        for name, (kind, of_lanes, meaning) in METRICS.items()
    ]
    head = "| metric | unit | kind | of | what it says |\n|---|---|---|---|---|"
    return "\n".join([_PREFACE, head, *rows]) + "\n"


_PREFACE = """# Metrics

What the agent measures of itself. Guard writes its own into lane h and link into lane s, as
records of type `metrics`, every hour and when it stops; `state` tells a few, at most once a
minute. With `metrics_file` in `[store]` all of them stand in that file in Prometheus' text
format, with `ftu_` before the name, the labels `process` and `lane`, renewed every 15 s. Counters
run since the process started. A p50, p99 or max is of the time since the last record, told by an
eighth too high at most; a lag runs from a message's oldest record's own instant. What was not
measured is not there.

This page is printed from agent/metrics.py (`make docs`).
"""


def write_file(path: Path, text: str) -> None:
    """Replace the file as a whole; after a power cut it is made anew anyway, so nothing is flushed.

    Raises: StoreError.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        what = f"metrics cannot be written ({error.strerror})"
        raise StoreError(str(path), what, "a folder that the agent may write to") from error


def _labels(process: str, lane: str) -> str:
    return f'process="{process}"' + (f',lane="{lane}"' if lane else "")
