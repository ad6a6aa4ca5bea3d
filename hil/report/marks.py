"""What stands on the time axis of a terminal's waveforms: truth, decisions, faults of the bench.

Times here are seconds of the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hil.report import words
from hil.verdict import Moment, Outcome

_BEFORE_CYCLES, _AFTER_CYCLES = 3, 5
_SOON_CYCLES = 8  # what comes so soon after the onset belongs to the first look
_SAME_S = 0.0005  # the plant's moment and the truth's instant are one when this near
_MOST = 200  # on one axis; more is a solid bar and no information
_UNCOLOURED = {"plant": "truth", "fault": "bench", "device": "device"}

Mark = dict[str, Any]  # t [s], text, tone, and of a decision `onset` [s]


def of_terminal(outcome: Outcome, terminal: str) -> tuple[list[Mark], int]:
    """The marks in order of time, and how many more there were."""
    begin = outcome.begins_s.get(terminal, 0.0)
    found = list(_of_truth(outcome))
    known = [mark["t"] for mark in found]
    for moment in outcome.timeline:
        t = moment.t_s - begin
        twice = moment.what == "plant" and any(abs(t - each) < _SAME_S for each in known)
        if not twice and _concerns(moment, terminal):
            found.append(_of_moment(moment, t))
    if not any(moment.what == "decision" for moment in outcome.timeline):
        found += _of_events(outcome, terminal)
    found.sort(key=lambda mark: float(mark["t"]))
    return found[:_MOST], max(0, len(found) - _MOST)


def expected(outcome: Outcome, terminal: str) -> list[dict[str, Any]]:
    """Windows in which something had to come here."""
    begin = outcome.begins_s.get(terminal, 0.0)
    return [
        {"text": each.text, "came": each.came, "from": each.from_s - begin, "to": each.to_s - begin}
        for each in outcome.expected
        if each.where == terminal and each.from_s is not None and each.to_s is not None
    ]


def first_look(marks: Sequence[Mark], seconds: float, nominal_hz: int) -> tuple[float, float]:
    """From when to when the page looks at first: the onset and what came of it soon."""
    cycle = 1 / nominal_hz
    begins = [m["t"] for m in marks if m["tone"] == "truth"] or [m["t"] for m in marks]
    onset = next((t for t in begins if 0 <= t <= seconds), None)
    if onset is None:
        return 0.0, seconds
    soon = [m["t"] for m in marks if 0 <= m["t"] - onset < _SOON_CYCLES * cycle]
    end = max([onset + _AFTER_CYCLES * cycle, *(t + 2 * cycle for t in soon)])
    return max(0.0, onset - _BEFORE_CYCLES * cycle), min(seconds, end)


def _concerns(moment: Moment, terminal: str) -> bool:
    """A decision is its terminal's own; what befalls the plant or the bench is everybody's."""
    return moment.what != "receipt" and (moment.what != "decision" or moment.where == terminal)


def _of_truth(outcome: Outcome) -> Iterator[Mark]:
    truth = outcome.truth
    if truth is None:
        return
    stages: list[tuple[float | None, str]] = [(s.onset_s, s.kind) for s in truth.stages]
    for onset_s, kind in stages or [(truth.onset_s, truth.kind)]:
        if onset_s is not None:
            text = f"onset {kind or truth.what.replace('_', ' ')}"
            yield {"t": onset_s, "text": text, "tone": "truth"}
    if truth.cleared_s is not None:
        yield {"t": truth.cleared_s, "text": "cleared", "tone": "truth"}


def _of_moment(moment: Moment, t: float) -> Mark:
    if moment.what == "decision" and moment.event:
        return _of_event(moment.event, t)
    tone = _UNCOLOURED.get(moment.what, "alarm" if "ALARM" in moment.text else "calm")
    where = f"{moment.where}: " if moment.what == "plant" else ""
    return {"t": t, "text": where + moment.text, "tone": tone}


def _of_events(outcome: Outcome, terminal: str) -> Iterator[Mark]:
    """Of a replay, whose events carry the record's own time."""
    for event in outcome.events.get(terminal, ()):
        t = event.get("t")
        if isinstance(t, int | float) and not isinstance(t, bool):
            yield _of_event(event, float(t))


def _of_event(event: Any, t: float) -> Mark:
    mark: Mark = {"t": t, "text": words.told(event), "tone": words.tone(event)}
    onset, own = event.get("onset"), event.get("t")
    if mark["tone"] != "end" and isinstance(onset, int | float) and isinstance(own, int | float):
        mark["onset"] = t - (own - onset)  # its estimate, whatever its clock's zero
    return mark
