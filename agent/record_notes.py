"""What a record of ours says besides its samples, so that its replay decides bit for bit alike.

Stands in the information file (.inf, or that section of a .cff; IEEE C37.111-1999, clause 7) as a
private section, which other readers pass over. Everything that detection was given is in it: the
layout with its exact scales, the bays with their taps and the settings that were in force, where
in the stream the record begins, how the front end was tuned there, which phases were live; and
every event with its exact `why`. Lines go in and come out; files stay out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any

from agent.clock import Stamp
from agent.detect.samples import Mark
from agent.detect.settings import KEYS, Settings, defaults
from agent.detect.sight import Tap, Taps
from agent.errors import RecordError
from agent.recorder import Logged, Story
from agent.records import Channel, Event, Layout
from agent.site import Bay

_SECTION = "[ftu-agent Record #1]"
_VERSION = 1
_THREE = ("currents", "voltages")


Wired = tuple[Bay, Settings, Taps]


@dataclass(frozen=True, slots=True)
class Notes:
    """stamp: of the first sample. axis: (index in the stream, instant of the stream's index 0
    since the first sample [us]) wherever that changes. breaks: indices before which windows began
    anew. wired: the bays as detection had them. events: with instants since the first sample.
    """

    stamp: Stamp
    layout: Layout
    mark: Mark
    axis: tuple[tuple[int, int], ...]
    breaks: tuple[int, ...]
    wired: tuple[Wired, ...]
    events: tuple[Logged, ...]
    cut: bool

    @property
    def told(self) -> list[Event]:
        """The events alone."""
        return [logged.event for logged in self.events]


def of_story(story: Story, stamp: Stamp) -> Notes:
    """The notes of a story whose first sample stood at `stamp`."""
    begin_us = story.sample_us(story.mark.index)
    axis: list[tuple[int, int]] = []
    for piece in story.pieces:
        start_us = piece.start_us - begin_us
        if not axis or axis[-1][1] != start_us:
            axis.append((piece.first, start_us))
    return Notes(
        stamp=stamp,
        layout=story.detector.layout,
        mark=story.mark,
        axis=tuple(axis),
        breaks=tuple(piece.first for piece in story.pieces if piece.broken),
        wired=tuple(story.detector.wired),
        events=tuple(
            replace(logged, event=shifted(logged.event, -begin_us)) for logged in story.events
        ),
        cut=story.cut,
    )


def shifted(event: Event, by_us: int) -> Event:
    """The event on another axis of time."""
    return replace(
        event,
        t_us=event.t_us + by_us,
        onset_us=None if event.onset_us is None else event.onset_us + by_us,
        bounds_us=None
        if event.bounds_us is None
        else (event.bounds_us[0] + by_us, event.bounds_us[1] + by_us),
    )


def write(notes: Notes) -> list[str]:
    """Lines of the information file."""
    causes = ", ".join(dict.fromkeys(event.event for event in notes.told))
    told: dict[str, Any] = {
        "version": _VERSION,
        "stamp": asdict(notes.stamp),
        "layout": layout_table(notes.layout),
        "mark": asdict(notes.mark),
        "axis": notes.axis,
        "breaks": notes.breaks,
        "cut": notes.cut,
    }
    for n, wired in enumerate(wired_table(notes.wired), 1):
        told[f"bay_{n}"] = wired
    for n, logged in enumerate(notes.events, 1):
        told[f"event_{n}"] = {"seq": logged.seq, **event_table(logged.event)}
    return [
        "[Public Record_Information #1]",
        "Source=ftu-agent",
        f"Record_Information={causes}",
        "",
        _SECTION,
        *(f"{name}={json.dumps(value, separators=(',', ':'))}" for name, value in told.items()),
    ]


# What notes that are none of ours may lead to; json follows nesting by calling itself.
_UNREADABLE = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError),
    *(ArithmeticError, RecursionError),
)


def read(inf: str, name: str) -> Notes | None:
    """The notes in an information file; None: it has none of ours. Raises: RecordError."""
    lines = [line.strip() for line in inf.splitlines()]
    if _SECTION not in lines:
        return None
    try:
        told = {key: json.loads(value) for key, value in _entries(lines)}
        if told["version"] != _VERSION:
            raise RecordError(name, f"notes of version {told['version']}", f"version {_VERSION}")
        return _notes(told)
    except _UNREADABLE as error:
        what = f"its notes cannot be read ({type(error).__name__}: {str(error)[:80]})"
        raise RecordError(name, what, "an .inf as the recorder wrote it") from error


def _entries(lines: Sequence[str]) -> Iterable[tuple[str, str]]:
    for line in lines[lines.index(_SECTION) + 1 :]:
        if line.startswith("["):
            return
        key, equals, value = line.partition("=")
        if equals:
            yield key, value


def _notes(told: Mapping[str, Any]) -> Notes:
    bays = [told[f"bay_{n}"] for n in range(1, len(told)) if f"bay_{n}" in told]
    events = [told[f"event_{n}"] for n in range(1, len(told)) if f"event_{n}" in told]
    return Notes(
        stamp=Stamp(**told["stamp"]),
        layout=read_layout(told["layout"]),
        mark=_read_mark(told["mark"]),
        axis=tuple((int(index), int(start_us)) for index, start_us in told["axis"]),
        breaks=tuple(map(int, told["breaks"])),
        wired=tuple(read_wired(bays)),
        events=tuple(Logged(read_event(each), each["seq"]) for each in events),
        cut=bool(told["cut"]),
    )


def _read_mark(told: Mapping[str, Any]) -> Mark:
    return Mark(
        index=int(told["index"]),
        frequency_mhz=int(told["frequency_mhz"]),
        estimate_mhz=told["estimate_mhz"],
        supply=tuple(tuple(states) for states in told["supply"]),
        learned=tuple(
            tuple((str(name), tuple(numbers)) for name, numbers in of_bay)
            for of_bay in told.get("learned", ())
        ),
        idle=bool(told.get("idle", True)),
    )


def layout_table(layout: Layout) -> dict[str, Any]:
    """A layout as JSON holds it; exact."""
    rate = layout.rate_hz or Fraction(0)
    return {
        "sensor": layout.sensor,
        "rate": [rate.numerator, rate.denominator],
        "channels": [[c.name, c.unit, c.scale, c.offset, c.phase] for c in layout.channels],
    }


def read_layout(told: Mapping[str, Any]) -> Layout:
    """The inverse of `layout_table`."""
    channels = tuple(Channel(*channel) for channel in told["channels"])
    return Layout(told["sensor"], channels, Fraction(*told["rate"]))


def wired_table(wired: Iterable[Wired]) -> list[dict[str, Any]]:
    """Bays with their settings and taps as JSON holds them; exact."""
    return [
        {
            "bay": asdict(bay),
            "settings": asdict(settings),
            "taps": {role: [tap.index, tap.scale] for role, tap in taps.items()},
        }
        for bay, settings, taps in wired
    ]


def read_wired(told: Iterable[Mapping[str, Any]]) -> list[Wired]:
    """The inverse; of an agent that had other keys, those it did not have are the defaults."""
    known = {field.name for field in fields(Bay)}
    wired: list[Wired] = []
    for each in told:
        bay = Bay(**{key: value for key, value in each["bay"].items() if key in known})
        stated = {key: value for key, value in each["settings"].items() if key in KEYS}
        taps = {role: Tap(int(i), float(scale)) for role, (i, scale) in each["taps"].items()}
        wired.append((bay, replace(defaults(bay), **stated), taps))
    return wired


def event_table(event: Event) -> dict[str, Any]:
    """Its fields that are not the default; floats to the last bit, as JSON of Python has them."""
    empty = Event(event="", bay="", t_us=-1)
    return {
        field.name: dict(value) if field.name == "why" else value
        for field in fields(Event)
        if (value := getattr(event, field.name)) != getattr(empty, field.name)
    }


def read_event(told: Mapping[str, Any]) -> Event:
    """The inverse of `event_table`."""
    values = {key: value for key, value in told.items() if key != "seq"}
    for key in (*_THREE, "bounds_us"):
        if key in values:
            values[key] = tuple(values[key])
    return Event(**values)
