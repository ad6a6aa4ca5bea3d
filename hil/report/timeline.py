"""What happened when: lanes with a dot for each moment, and the same in words."""

from __future__ import annotations

from collections.abc import Sequence

from hil.report import words
from hil.report.axis import ticks
from hil.report.markup import Html, joined, tag
from hil.verdict import Moment, Outcome

# From cause to effect; lanes of other names follow.
_LANES = ("plant", "fault", "device", "decision", "receipt")
_MOST = 300
_WIDTH, _LEFT, _RIGHT, _ROW, _AXIS = 1000, 84, 30, 26, 24


def part(outcome: Outcome) -> Html:
    """The timeline of a scenario; nothing where there is none."""
    moments = sorted(outcome.timeline, key=lambda moment: moment.t_s)
    if not moments:
        return Html("")
    shown, more = moments[:_MOST], len(moments) - _MOST
    onset_s = _onset(outcome, moments)
    rows = [_row(moment, onset_s) for moment in shown]
    after = "" if onset_s is None else "after onset"
    head = tag("tr", *(tag("th", w, scope="col") for w in ("time", after, "what", "where", "")))
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="timeline")
    rest = tag("p", f"and {more} more, in outcomes.json", class_="calm") if more > 0 else ""
    return joined(tag("h4", "Timeline"), _lanes(shown), tag("div", table, class_="scroll"), rest)


def _onset(outcome: Outcome, moments: Sequence[Moment]) -> float | None:
    if outcome.truth and outcome.truth.onset_s is not None:
        return outcome.truth.onset_s + min(outcome.begins_s.values(), default=0.0)
    return next((moment.t_s for moment in moments if moment.what == "plant"), None)


def _row(moment: Moment, onset_s: float | None) -> Html:
    after = "" if onset_s is None else _after(moment.t_s - onset_s)
    return tag(
        "tr",
        tag("td", words.instant(moment.t_s), class_="n"),
        tag("td", after, class_="n"),
        tag("td", tag("span", moment.what, class_=f"what {_class(moment)}")),
        tag("td", tag("span", moment.where, class_="place")),
        tag("td", _text_of(moment)),
    )


def _text_of(moment: Moment) -> str:
    """Its text; of an event more than its bare name."""
    if not moment.event:
        return moment.text
    told = words.told(moment.event)
    # A decision's text is the event once more; a receipt's says what became of it.
    return told if moment.what == "decision" else f"{told}. {moment.text}"


def _class(moment: Moment) -> str:
    """What the style knows of it."""
    lane = moment.what if moment.what in _LANES else "other"
    return f"{lane} {words.tone(moment.event)}" if moment.event else lane


def _after(seconds: float) -> str:
    return f"{seconds * 1000:+.1f} ms" if abs(seconds) < 10 else f"after {words.instant(seconds)}"


_UNITS = ((3600, "h"), (60, "min"))
_UNIT_FROM = 5  # hours from five of them on
_LANE_WIDTH = _WIDTH - _LEFT - _RIGHT


def _lanes(moments: Sequence[Moment]) -> Html:
    names = dict.fromkeys((*_LANES, *(moment.what for moment in moments)))
    lanes = [name for name in names if any(moment.what == name for moment in moments)]
    begin, end = min(0.0, moments[0].t_s), max(moments[-1].t_s, 1e-3)
    height = _ROW * len(lanes) + _AXIS
    unit, word = next(((u, w) for u, w in _UNITS if end >= _UNIT_FROM * u), (1, "s"))
    parts = [
        _tick(f"{t:.6g} {word}", (t * unit - begin) / (end - begin), height)
        for t in ticks(begin / unit, end / unit, 8)
    ]
    for row, lane in enumerate(lanes):
        y = _ROW * (row + 0.5)
        parts.append(tag("text", lane, x=_LEFT - 12, y=_text(y + 4), class_="who"))
        parts.append(
            tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=_text(y), y2=_text(y), class_="grid")
        )
        parts += [
            _dot(moment, (moment.t_s - begin) / (end - begin), y)
            for moment in moments
            if moment.what == lane
        ]
    view = f"0 0 {_WIDTH} {height}"
    drawn = tag("svg", *parts, viewBox=view, class_="lanes", role="img", aria_label="timeline")
    return tag("div", drawn, class_="scroll")


def _dot(moment: Moment, share: float, y: float) -> Html:
    title = tag("title", f"{words.instant(moment.t_s)} {moment.where}: {_text_of(moment)}")
    x = _text(_LEFT + share * _LANE_WIDTH)
    return tag("circle", title, cx=x, cy=_text(y), r=5, class_=_class(moment))


def _tick(text: str, share: float, height: float) -> Html:
    x = _text(_LEFT + share * _LANE_WIDTH)
    line = tag("line", x1=x, x2=x, y1=0, y2=height - _AXIS, class_="grid")
    return joined(line, tag("text", text, x=x, y=height - 6, class_="tick"))


def _text(value: float) -> str:
    return f"{value:.1f}"
