"""Latency figures of a run: from the onset's sample on the instrument to the decision, and to the
consumer's receipt, against one clock. [ms]
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hil.report.axis import ticks
from hil.report.markup import Html, joined, tag
from hil.verdict import Latency, Outcome

_WIDTH, _LEFT, _ROW, _TOP = 480, 74, 34, 6
_MOST_DOTS = 500  # of a row; the figures are of all of them
_SLOWEST = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """Of some durations. p99: the smallest that 99 % do not exceed (nearest rank)."""

    count: int
    median: float
    p99: float
    largest: float

    @classmethod
    def of(cls, durations: Sequence[float]) -> Self:
        """Of at least one duration."""
        ranked = sorted(durations)
        rank = math.ceil(0.99 * len(ranked))
        return cls(len(ranked), statistics.median(ranked), ranked[rank - 1], ranked[-1])


def slowest(outcome: Outcome) -> float | None:
    """The latest receipt of a scenario. [ms]"""
    return max((latency.received_ms for latency in outcome.latencies), default=None)


def section(outcomes: Sequence[Outcome]) -> Html:
    """The figures of all scenarios that were played in real time."""
    timed = [(outcome, each) for outcome in outcomes for each in outcome.latencies]
    timed = [(o, e) for o, e in timed if math.isfinite(e.decided_ms + e.received_ms)]
    if not timed:
        return tag("p", "No live scenario was run, so there are no latencies.", class_="calm")
    groups = _grouped([each for _, each in timed])
    first = next(iter(groups.values()))
    rows = {
        "decided": [each.decided_ms for each in first],
        "received": [each.received_ms for each in first],
    }
    jitter = max((o.jitter_ms for o in outcomes if o.jitter_ms is not None), default=None)
    played = "" if jitter is None else f" What was played kept its time within {jitter:.3g} ms."
    return joined(
        tag(
            "p",
            "From the onset's sample on the instrument to the device's decision, and to the "
            "consumer's receipt, against one clock. In trouble: in scenarios that do something to "
            f"the link, the broker, the disk or the clock. Drawn: the first kind.{played}",
        ),
        tag("div", tag("div", _table(groups), class_="scroll"), _strip(rows), class_="beside"),
        _slowest(timed),
    )


def _grouped(timed: Sequence[Latency]) -> dict[str, list[Latency]]:
    """By event, what nothing disturbed first: a link that is away for an hour says nothing about a
    decision. The largest group leads.
    """
    groups: dict[tuple[bool, str], list[Latency]] = {}
    for each in timed:
        groups.setdefault((each.disturbed, each.event), []).append(each)
    ranked = sorted(groups.items(), key=lambda group: (group[0][0], -len(group[1]), group[0][1]))
    return {f"{event}{' in trouble' if bad else ''}": g for (bad, event), g in ranked}


def _table(groups: dict[str, list[Latency]]) -> Html:
    head = tag("tr", tag("th"), *(tag("th", word, scope="col", class_="n") for word in _HEAD))
    lines = []
    for name, timed in groups.items():
        for what in ("decided", "received"):
            f = Figures.of([getattr(each, f"{what}_ms") for each in timed])
            cells = (ms(f.median), ms(f.p99), ms(f.largest), str(f.count))
            numbers = (tag("td", cell, class_="n") for cell in cells)
            lines.append(tag("tr", tag("th", f"{name}, {what}", scope="row"), *numbers))
    return tag("table", tag("thead", head), tag("tbody", *lines), class_="figures")


_HEAD = ("median", "p99", "max", "of")


def _slowest(timed: Sequence[tuple[Outcome, Latency]]) -> Html:
    worst = sorted(timed, key=lambda pair: -pair[1].received_ms)[:_SLOWEST]
    lines = [
        tag(
            "li",
            tag("b", ms(each.received_ms)),
            f" {each.event} at {each.terminal} in {outcome.scenario} "
            f"(decided after {ms(each.decided_ms)})",
        )
        for outcome, each in worst
    ]
    return tag("details", tag("summary", "The slowest"), tag("ol", *lines), class_="more")


def _strip(rows: dict[str, list[float]]) -> Html:
    """Each of the first kind as a dot, the median as a line: one row decided, one received."""
    reach = max(*(max(durations) for durations in rows.values()), 0.1) * 1.03
    scale = (_WIDTH - _LEFT - 12) / reach
    height = _TOP + _ROW * len(rows) + 22
    parts = [_tick(t, _LEFT + t * scale, height) for t in ticks(0, reach, 6)]
    for row, (name, durations) in enumerate(rows.items()):
        y = _TOP + _ROW * (row + 0.5)
        parts.append(tag("text", name, x=_LEFT - 10, y=_text(y + 4), class_="who"))
        some = sorted(durations)[:: -(-len(durations) // _MOST_DOTS)]
        for k, value in enumerate(some):
            x, shaken = _LEFT + value * scale, y + (k * 5 % 9 - 4) * 1.6
            parts.append(tag("circle", cx=_text(x), cy=_text(shaken), r=2.5, class_=name))
        x_of = _text(_LEFT + statistics.median(durations) * scale)
        ends = {"y1": _text(y - 13), "y2": _text(y + 13)}
        parts.append(tag("line", x1=x_of, x2=x_of, **ends, class_="median"))
    view = f"0 0 {_WIDTH} {height}"
    label = "every message's latency, decided and received"
    return tag("svg", *parts, viewBox=view, class_="strip", role="img", aria_label=label)


def _tick(t: float, x: float, height: float) -> Html:
    line = tag("line", x1=_text(x), x2=_text(x), y1=_TOP, y2=height - 20, class_="grid")
    text = f"{t:g}" + (" ms" if t == 0 else "")
    return joined(line, tag("text", text, x=_text(x), y=height - 5, class_="tick"))


def _text(value: float) -> str:
    return f"{value:.1f}"


def ms(value: float) -> str:
    """A duration for reading: 16.3 ms, 1.24 s."""
    return f"{value / 1000:.2f} s" if abs(value) >= 1000 else f"{value:.1f} ms"
