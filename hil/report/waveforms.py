"""The waveforms of a scenario as its part of the page: data for page.js, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil import comtrade
from hil.errors import CaseError
from hil.report import marks, waves, words
from hil.report.markup import Html, data, joined, tag
from hil.verdict import Outcome

# All waveforms of a page together: it opens within seconds and goes through a mail gateway.
PAGE_BYTES = 24_000_000


@dataclass(slots=True)
class Room:
    """What is left of a page for waveforms. [bytes]"""

    left: int = PAGE_BYTES


def part(outcome: Outcome, room: Room) -> Html:
    """All terminals of a scenario, as far as the page has room for them."""
    if not outcome.records:
        return _calm("No waveform belongs to this scenario.")
    terminals, thinned, unread = [], [], []
    for terminal in _in_order(outcome):
        try:
            shown, notes = _terminal(outcome, terminal, outcome.records[terminal])
        except CaseError as error:
            unread.append(_calm(f"{terminal}: the record cannot be read. {error}"))
            continue
        thinned += [f"{terminal}: {note}" for note in notes]
        terminals += [shown] if shown else []
    packed = data({"terminals": terminals})
    if len(packed) > room.left:
        most = f"{PAGE_BYTES / 1e6:.0f} MB of waveforms, those of failed scenarios first"
        return _calm(f"No room: a page holds {most}. They are in the records below.")
    room.left -= len(packed)
    missing = tag("noscript", "The waveforms are drawn by this page's script, which is off.")
    drawn = tag("div", packed, missing, class_="waves") if terminals else None
    return joined(drawn, *unread, _notes(thinned))


def _calm(text: str) -> Html:
    return tag("p", text, class_="calm")


def _notes(notes: Sequence[str]) -> Html:
    if not notes:
        return Html("")
    head = tag("summary", "How the curves were thinned")
    lines = tag("ul", *(tag("li", note) for note in notes))
    return tag("details", head, lines, class_="more")


def _in_order(outcome: Outcome) -> list[str]:
    """The terminal that the first failed check speaks of comes first, then who raised an alarm."""
    check = words.first_failure(outcome)
    spoken = f"{check.name} {check.evidence}" if check else ""

    def rank(terminal: str) -> tuple[bool, bool, bool]:
        events = outcome.events.get(terminal, ())
        alarm = any(event.get("alarm") is True for event in events)
        return terminal not in spoken, not alarm, not events

    return sorted(outcome.records, key=rank)


def _terminal(outcome: Outcome, name: str, header: Path) -> tuple[Mapping[str, Any], list[str]]:
    sheet = comtrade.read(header)
    seconds = sheet.counts.shape[1] / sheet.rate_hz
    found, more = marks.of_terminal(outcome, name)
    look = marks.first_look(found, seconds, sheet.nominal_hz)
    margin = look[1] - look[0]  # so that a step to either side still shows every sample
    drawn = waves.drawn(sheet, (look[0] - 0.25 * margin, look[1] + 0.25 * margin))
    notes = [*drawn.notes, *([f"{more} more marks are not drawn"] if more else [])]
    events = outcome.events.get(name, ())
    alarm = next((event for event in events if event.get("alarm") is True), None)
    told = alarm or next(iter(events), None)
    return {
        "name": name,
        "told": words.told(told) if told else "",
        "alarm": alarm is not None,
        "look": look,
        "marks": found,
        "expected": marks.expected(outcome, name),
        **drawn.data,
    } if drawn.data else {}, notes
