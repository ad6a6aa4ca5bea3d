"""From samples and notes to the sheet that COMTRADE writes, and to what people read beside it."""

from __future__ import annotations

from collections.abc import Iterable

from agent import record_notes, words
from agent.clock import SOURCE_NAMES
from agent.record_notes import Notes
from agent.recorder import cause
from agent.sensors.comtrade_write import Counts, Sheet
from agent.store.entries import utc_text

# Index in the stream of the first of some samples; instant of the stream's index 0 since the
# record's first sample [us]; the samples.
Span = tuple[int, int, Counts]


def sheet_of(
    notes: Notes, spans: Iterable[Span], *, stem: str, station: str, offset_min: int
) -> Sheet:
    """The record of these notes. offset_min: of the place's own time to UTC."""
    pieces = list(spans)
    return Sheet(
        stem=stem,
        station=station,
        layout=notes.layout,
        nominal_hz=notes.wired[0][0].frequency_hz if notes.wired else 50,
        counts=[counts for _, _, counts in pieces],
        positions=[first - notes.mark.index for first, _, _ in pieces],
        origin=notes.mark.index,
        starts_us=[start_us for _, start_us, _ in pieces],
        begin=notes.stamp,
        trigger_us=cause(notes.told).t_us,
        offset_min=offset_min,
        inf=record_notes.write(notes),
        hdr=in_words(notes),
    )


def in_words(notes: Notes) -> str:
    """The notes for people: what happened, when, and by which clock."""
    stamp = notes.stamp
    error = "unknown" if stamp.error_us is None else f"up to {stamp.error_us / 1e6:g} s"
    source = SOURCE_NAMES[stamp.source]
    lines = [f"first sample {utc_text(stamp.utc_us)} by {source}, error {error}"]
    for event in notes.told:
        alarm = "ALARM " if event.alarm else "      "
        lines.append(f"{event.t_us / 1e6:10.6f} s  {alarm}{words.sentence(event)}")
    return "\n".join(lines + (["cut: it went on"] if notes.cut else []))
