"""A record as a picture: what was measured and what was decided, for a person who has to judge.

Matplotlib is imported when a picture is asked for and nowhere else: it is no part of a device
(docs/decisions/0007-dependencies.md). Without a screen, and without its global state.
"""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent.errors import UsageError
from agent.records import Event
from agent.traces import Case, Edges, Panel, Trace, View, edges, panels, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Phases as Chinese substations paint them, yellow, green, red; what all three make, blue.
_COLOURS = {"a": "#d49a00", "b": "#12813a", "c": "#cf2330", "0": "#1f5fbf"}
_INK, _FAINT, _PALE = "#30343a", "#7d848e", "#dfe2e6"
_ALARM, _CALM, _GOOD, _LOSS = "#cf2330", "#d4720b", "#12813a", "#7b2fa8"
_ENDS = ("fault_cleared", "voltage_restored")
_LOSSES = ("voltage_loss", "interruption")
# Fonts that hold Chinese, as Linux, Windows and macOS have them; the first one there is taken.
_CHINESE = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Droid Sans Fallback",
)
_LATIN = "DejaVu Sans"  # comes with matplotlib
_STATUSES = 10  # channels with an edge that are drawn; more would leave no room for the waves
_LEFT, _RIGHT = 0.065, 0.985  # of the panels, in parts of the width
_LANES = 4
_POINTS = 20_000  # of a curve; 20 for each dot of a column, so that thinning leaves no pattern
_INCHES_A_LETTER = 0.078  # in bold type of 8 points
_LABELS = 14  # events with words; of more only the lines are drawn
_ZOOM_FROM_CYCLES = 50  # a longer record also gets a close look at its first fault
_BEFORE_CYCLES, _AFTER_CYCLES = 3, 5
_SAME_CYCLES = 15  # events so soon after the first one belong to the close look
# 3I0 and U0 fill their panel from this share of the largest phase value on; less is mostly noise.
_LEAST_COMMON = 0.02


Pen = Callable[[Case, Sequence[Event]], None]


def into(folder: Path) -> Pen:
    """The pen that draws each record into `folder` as STEM.png.

    The folder is made. Raises: UsageError when matplotlib is not installed or the folder cannot be
    written; so does the pen.
    """
    try:
        import matplotlib.figure  # noqa: F401  its absence is told before hours of replay
    except ImportError as error:
        raise UsageError(
            "--plot", "matplotlib is not installed", "pip install 'ftu-agent[plot]'"
        ) from error
    # What it says about caches and fonts is no finding about a record.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    _write(folder, None, b"")
    taken: set[str] = set()

    def draw(case: Case, events: Sequence[Event]) -> None:
        stem = case.record.stem  # records of several folders may share it
        names = (f"{stem}-{n}.png" if n > 1 else f"{stem}.png" for n in itertools.count(1))
        name = next(name for name in names if name.lower() not in taken)
        taken.add(name.lower())
        _write(folder, name, png(case, events))

    return draw


def _write(folder: Path, name: str | None, data: bytes) -> None:
    """Bytes into a file of the folder, or a trial that leaves nothing. Raises: UsageError."""
    path = folder / (name or ".plot-trial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if name is None:
            path.unlink()
    except OSError as error:
        raise UsageError("--plot", f"{path}: {error.strerror}", "a folder to write to") from error


def png(case: Case, events: Sequence[Event]) -> bytes:
    """The picture of one record, in PNG."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    fonts = _fonts()
    # A channel may be called "$I_0": a name, no formula. Long curves are drawn in pieces.
    with rc_context({"font.family": fonts, "text.parse_math": False, "agg.path.chunksize": 20_000}):
        figure(case, events, _Legible(fonts)).savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


# --- how it is drawn -----------------------------------------------------------------


class _Legible:
    """Text without a character that no font at hand has: boxes tell nobody anything."""

    def __init__(self, families: list[str]) -> None:
        from matplotlib import font_manager

        self._known: set[int] = set()
        for family in families:
            path = font_manager.findfont(family, fallback_to_default=True)
            self._known |= set(font_manager.get_font(path).get_charmap())

    def __call__(self, text: str, otherwise: str = "") -> str:
        """The text; where it cannot be shown `otherwise`, or what of it can be."""
        if all(ord(c) in self._known for c in text):
            return text
        return otherwise or "".join(c if ord(c) in self._known else "?" for c in text)


def _fonts() -> list[str]:
    from matplotlib import font_manager

    there = set(font_manager.get_font_names())
    return [_LATIN, *[name for name in _CHINESE if name in there][:1]]


def figure(case: Case, events: Sequence[Event], legible: _Legible) -> Figure:
    """The whole record, and beside it a close look at its first fault where the record is long."""
    from matplotlib.figure import Figure

    drawn, moving = panels(case), edges(case.record, _STATUSES)
    views = _views(case, events, drawn)
    lanes = min(_LANES, len(events))
    heights = [0.14 * lanes + 0.06, *(1.3 if len(p.traces) > 1 else 0.75 for p in drawn)]
    heights += [0.15 * len(moving) + 0.1] if moving else []
    picture = Figure(figsize=(17 if len(views) > 1 else 12, 1.5 + 1.7 * sum(heights)))
    grid = picture.subplots(
        len(heights),
        len(views),
        squeeze=False,
        sharex="col",
        gridspec_kw={
            "height_ratios": heights,
            "width_ratios": [3, 2][: len(views)],
            "hspace": 0.08,
            "wspace": 0.1,
        },
    )
    inch = 1 / picture.get_figheight()
    picture.subplots_adjust(left=_LEFT, right=_RIGHT, top=1 - 0.75 * inch, bottom=0.5 * inch)
    _headline(picture, case, events, legible)
    for column, view in enumerate(views):
        axes = [grid[row][column] for row in range(len(heights))]
        axes[0].set_xlim(*view)
        for axis, panel in zip(axes[1:], drawn, strict=False):
            _draw_panel(axis, panel, view, _reach(panel, drawn, view), legible)
        if moving:
            _draw_edges(axes[-1], moving, legible)
        for axis in axes:
            _plain(axis)
        inches = axes[0].get_position().width * picture.get_figwidth()
        _draw_events(axes, case, events, (view[1] - view[0]) * _INCHES_A_LETTER / inches)
        axes[-1].set_xlabel("seconds from the record's first sample", color=_INK)
    return picture


def _views(case: Case, events: Sequence[Event], drawn: Sequence[Panel]) -> list[View]:
    """From when to when each column looks. [s]"""
    whole = drawn[0].traces[0].t if drawn else np.zeros(1)
    begin, end = float(whole[0]), float(whole[-1])
    cycle = 1 / case.bay.frequency_hz
    views = [(begin, max(end, begin + cycle))]
    first = next((e for e in events if e.event == "fault"), events[0] if events else None)
    if first is not None and end - begin > _ZOOM_FROM_CYCLES * cycle:
        seen = first.t_us / 1e6
        onset = seen if first.onset_us is None else first.onset_us / 1e6
        soon = [t for t in (e.t_us / 1e6 for e in events) if 0 <= t - seen < _SAME_CYCLES * cycle]
        close = max([seen, *soon]) + _AFTER_CYCLES * cycle
        views.append((max(begin, onset - _BEFORE_CYCLES * cycle), min(end, close)))
    return views


def _headline(picture: Figure, case: Case, events: Sequence[Event], legible: _Legible) -> None:
    record, bay = case.record, case.bay
    rates = ", ".join(f"{float(s.layout.rate_hz or 0):g}" for s in record.stretches[:4])
    alarms = sum(event.alarm for event in events)
    origin = " ".join(filter(None, (legible(record.station), legible(record.device))))
    words = [
        *([origin] if origin else []),
        *([f"from {legible(record.start)}"] if record.start else []),
        f"{rates} Hz",
        f"bay {bay.name}, {_amount(bay.nominal_volts, 'V')}, {_amount(bay.rating_amps, 'A')}",
        f"{bay.frequency_hz} Hz",
        f"{_number(len(events), 'event')}, {_number(alarms, 'alarm')}",
    ]
    note = "thin: samples   thick: RMS of the fundamental over the last cycle"
    inch = 1 / picture.get_figheight()
    high, low = 1 - 0.14 * inch, 1 - 0.44 * inch
    name, line = legible(record.stem), "   ·   ".join(words)
    picture.text(_LEFT, high, name, size=13, weight="bold", color=_INK, ha="left", va="top")
    picture.text(_LEFT, low, line, size=9, color=_FAINT, ha="left", va="top")
    picture.text(_RIGHT, high, note, size=8, color=_FAINT, ha="right", va="top")


def _number(count: int, thing: str) -> str:
    return f"{count or 'no'} {thing}{'' if count == 1 else 's'}"


def _plain(axis: Axes) -> None:
    """Nothing around the curves that does not inform."""
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(_PALE)
    axis.tick_params(colors=_FAINT, labelsize=8, length=3)
    axis.grid(visible=True, color=_PALE, linewidth=0.5)
    axis.set_axisbelow(True)


def _draw_panel(axis: Axes, panel: Panel, view: View, reach: float, legible: _Legible) -> None:
    factor, unit = _prefix(reach, panel.unit)
    for trace in panel.traces:
        t, wave = thinned(trace.t, trace.wave, view, _POINTS)
        axis.plot(t, wave * factor, color=_COLOURS[trace.part], linewidth=0.55, alpha=0.6)
    for trace in panel.traces:
        t, envelope = thinned(trace.t, trace.rms, view, _POINTS)
        name = _label(trace, legible)
        axis.plot(t, envelope * factor, color=_COLOURS[trace.part], linewidth=1.5, label=name)
    axis.axhline(0, color=_FAINT, linewidth=0.4)
    axis.set_ylabel(f"{panel.title}\n[{unit}]", color=_INK, size=8)
    axis.set_ylim(-1.08 * reach * factor, 1.45 * reach * factor)  # room for the names above
    axis.legend(
        loc="upper left",
        ncols=len(panel.traces),
        fontsize=7.5,
        frameon=True,
        framealpha=0.85,
        edgecolor="none",
        borderpad=0.2,
        handlelength=1.2,
        labelcolor=_INK,
    )


def _reach(panel: Panel, drawn: Sequence[Panel], view: View) -> float:
    """The largest value seen; of what the phases have in common, not less than noise may fill."""
    kin = [other for other in drawn if other.unit == panel.unit and len(other.traces) > 1]
    least = _LEAST_COMMON * max((_peak(other.traces, view) for other in kin), default=0.0)
    return max(_peak(panel.traces, view), least) or 1.0


def _peak(traces: Sequence[Trace], view: View) -> float:
    seen = [t.wave[(t.t >= view[0]) & (t.t <= view[1])] for t in traces]
    return max((float(np.nanmax(np.abs(w))) for w in seen if np.isfinite(w).any()), default=0.0)


def _label(trace: Trace, legible: _Legible) -> str:
    """Role and channel, or the role alone where no font has the channel's name."""
    if not trace.channel or trace.channel.lower() == trace.name.lower():
        return trace.name
    return legible(f"{trace.name}: {trace.channel}", otherwise=trace.name)


def _prefix(reach: float, unit: str) -> tuple[float, str]:
    """Factor and unit in which no number on the axis is long."""
    if reach >= 2000:
        return 1e-3, f"k{unit}"
    return (1e3, f"m{unit}") if reach < 0.2 else (1.0, unit)


def _amount(value: float, unit: str) -> str:
    return f"{value / 1000:.4g} k{unit}" if value >= 2000 else f"{value:.4g} {unit}"


# --- events and states ---------------------------------------------------------------


def _draw_events(axes: Sequence[Axes], case: Case, events: Sequence[Event], letter: float) -> None:
    """Lines through every panel, onset dashed, decision full; their words in the strip above.

    letter: width of one. [s]
    """
    strip = axes[0]
    lane_count = max(1, min(_LANES, len(events)))
    strip.set_ylim(lane_count, 0)
    strip.set_yticks([])
    strip.grid(visible=False)
    strip.spines["left"].set_visible(False)
    trigger = case.record.trigger_us
    begin, end = strip.get_xlim()
    if trigger and begin <= trigger / 1e6 <= end:
        for axis in axes:
            axis.axvline(trigger / 1e6, color=_FAINT, linewidth=0.9, linestyle=":")
        strip.text(trigger / 1e6, lane_count, "trigger ", size=7.5, color=_FAINT, ha="right")
    lanes = [begin] * lane_count
    told = [event for event in events if begin <= event.t_us / 1e6 <= end]
    for event in told:
        _draw_lines(axes, event)
    for event in told[:_LABELS]:
        _draw_words(strip, lanes, event, letter)
    if len(told) > _LABELS:
        rest = f"and {len(told) - _LABELS} more"
        strip.text(end, lane_count, rest, size=7.5, color=_FAINT, ha="right", va="bottom")


def _draw_lines(axes: Sequence[Axes], event: Event) -> None:
    colour = _colour(event)
    for axis in axes:
        axis.axvline(event.t_us / 1e6, color=colour, linewidth=0.9, alpha=0.85)
    if event.onset_us is not None and event.event not in _ENDS:  # these repeat the onset they end
        onset = event.onset_us / 1e6
        for axis in axes:
            axis.axvline(onset, color=colour, linewidth=0.8, alpha=0.7, linestyle=(0, (4, 3)))
            if event.event == "fault":
                axis.axvspan(onset, event.t_us / 1e6, color=colour, alpha=0.09, linewidth=0)


def _draw_words(strip: Axes, lanes: list[float], event: Event, letter: float) -> None:
    """Words right of their line, else left of it, in the first lane that has room; else none.

    lanes: how far each is written. [s]
    """
    t, words = event.t_us / 1e6, f" {_words(event)} "
    to_the_right = t + len(words) * letter <= strip.get_xlim()[1]
    begin = t if to_the_right else t - len(words) * letter
    lane = next((k for k, written in enumerate(lanes) if written <= begin), None)
    if lane is None:
        return
    lanes[lane] = begin + len(words) * letter
    side = "left" if to_the_right else "right"
    strip.text(
        t, lane + 0.5, words, size=8, color=_colour(event), weight="bold", ha=side, va="center"
    )


def _words(event: Event) -> str:
    words = [event.event.replace("_", " ")]
    words += [word for word in (event.kind or event.phases, event.element) if word]
    if event.direction in ("forward", "reverse"):
        words.append(event.direction)
    if event.onset_us is not None and event.event == "fault":
        words.append(f"after {(event.t_us - event.onset_us) / 1000:.1f} ms")
    return ("ALARM " if event.alarm else "") + " ".join(words)


def _colour(event: Event) -> str:
    if event.event in _ENDS:
        return _GOOD
    if event.event in _LOSSES:
        return _LOSS
    return _ALARM if event.alarm else _CALM


def _draw_edges(axis: Axes, moving: Sequence[Edges], legible: _Legible) -> None:
    """A bar for each status channel while it is 1."""
    for row, (_, t, states) in enumerate(moving):
        axis.fill_between(
            t, row + 0.15, row + 0.15 + 0.7 * states, step="post", color=_INK, alpha=0.75, lw=0
        )
    axis.set_ylim(len(moving), 0)
    names = [legible(name, otherwise=f"status {k + 1}") for k, (name, _, _) in enumerate(moving)]
    axis.set_yticks([row + 0.5 for row in range(len(moving))], names)
