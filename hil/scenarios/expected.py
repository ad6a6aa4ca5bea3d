"""What a scenario itself expects of the device's events, beyond the truth of its case."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hil.case import Case
from hil.scenarios.came import Came, Event
from hil.scenarios.cast import is_told, judged
from hil.scenarios.evidence import listed
from hil.scenarios.scenario import Expect, Scenario
from hil.verdict import Check


def checks(scenario: Scenario, case: Case | None, came: Came) -> Iterator[Check]:
    """A check for each [[expect]], and for each terminal where it speaks of several."""
    for expect in scenario.expects:
        for where, events in _heard(expect, scenario, case, came):
            found = [event for event in events if _fits(expect, event, case)]
            least, most = expect.count
            name = f"{where}: {called(expect)}" if where else called(expect)
            yield Check(name, least <= len(found) <= most, _counted(expect, found, events))


def _heard(
    expect: Expect, scenario: Scenario, case: Case | None, came: Came
) -> Iterator[tuple[str, Sequence[Event]]]:
    """Where the expectation is to be met, and all events told there."""
    everything: dict[str, list[Event]] = {}
    for play in came.plays:
        for name, events in play.items():
            everything.setdefault(name, []).extend(events)
    if expect.where == "any":
        yield "", [*(e for events in everything.values() for e in events), *came.others]
        return
    names = judged(scenario, case) if case else list(everything)
    for name in names:
        if expect.where in (name, "all") or (case and is_told(expect.where, case, name)):
            yield name, everything.get(name, [])


def _fits(expect: Expect, event: Event, case: Case | None) -> bool:
    stated = {
        "event": expect.event,
        **({"kind": expect.kind} if expect.kind else {}),
        **({"direction": expect.direction} if expect.direction else {}),
        **({} if expect.alarm is None else {"alarm": expect.alarm}),
        **expect.fields,
    }
    if any(not is_value(event.get(key), value) for key, value in stated.items()):
        return False
    return expect.within_ms is None or _within(expect, event, case)


def is_value(told: Any, wanted: Any) -> bool:
    """Equal, or among several told; "~..." is a pattern to be found, "< 5" and "> 5" are bounds."""
    if isinstance(wanted, str) and wanted[:1] == "~":
        return told is not None and re.search(wanted[1:], str(told)) is not None
    if isinstance(wanted, str) and wanted[:2] in ("< ", "> "):
        bound = float(wanted[2:])
        number = isinstance(told, int | float) and not isinstance(told, bool)
        return number and (told < bound if wanted[0] == "<" else told > bound)
    if isinstance(told, list | tuple) and not isinstance(wanted, list):
        return wanted in told
    return bool(told == wanted)


def _within(expect: Expect, event: Event, case: Case | None) -> bool:
    t = event.get("t")
    zero = _zero(expect.since, case)
    if not isinstance(t, int | float) or zero is None or expect.within_ms is None:
        return False
    low, high = expect.within_ms
    return low <= (t - zero) * 1e3 <= high


def _zero(since: str, case: Case | None) -> float | None:
    if since == "start":
        return 0.0
    if case is None:
        return None
    return case.truth.onset_s if since == "onset" else case.truth.cleared_s


def called(expect: Expect) -> str:
    """The name of its check."""
    words = [expect.event]
    words += [word for word in (expect.kind, expect.direction) if word]
    if expect.alarm is not None:
        words.append("with alarm" if expect.alarm else "without alarm")
    words += [f"{key} {value}" for key, value in expect.fields.items()]
    if expect.within_ms:
        low, high = expect.within_ms
        words.append(f"{low:g} to {high:g} ms after the {expect.since}")
    return " ".join(words)


def _counted(expect: Expect, found: Sequence[Event], heard: Sequence[Event]) -> str:
    least, most = expect.count
    asked = str(least) if least == most else f"at least {least}"
    if least != most and most < 1_000_000:
        asked = f"{least} to {most}"
    told = f"{len(found)} came, {asked} expected"
    if found:
        return f"{told}: {listed(found)}"
    near = [event for event in heard if event["event"] == expect.event]
    if near:
        return f"{told}; of that name there is {listed(near)}"
    return told
