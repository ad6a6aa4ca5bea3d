"""The score of a drill, from the records of lane x alone.

A pure function of what the log holds, so that the device, a consumer and an examiner who has only
an export come to the same, byte by byte. No clock, no file; whole numbers and text only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.errors import RecordError
from agent.store import entry

Entry = list[Any]
Record = tuple[int, Entry]  # seq, entry

IN_TIME, LATE, MISSED, WRONG_ROLE = "in_time", "late", "missed", "wrong_role"
ENDED, ABORTED, OPEN = "ended", "aborted", "open"

# What a drill's detection may tell besides what is expected: it wakes nobody.
_WAKING = entry.ALARM


@dataclass(slots=True)
class _Run:
    """One drill in the log, from its start to its end."""

    first_seq: int
    start: dict[str, Any]
    steps: list[dict[str, Any]]
    events: list[dict[str, Any]]
    status: str = OPEN
    detail: str = ""


def scores(records: Iterable[Record]) -> list[dict[str, Any]]:
    """The score of every drill that the records tell of, in order.

    records: (seq, entry) of lane x, ascending. Raises: RecordError for what is no entry.
    """
    return [_scored(run) for run in _runs(records)]


def is_start(logged: Entry) -> bool:
    """Whether a record of lane x is the word of a drill's start."""
    named = entry.as_dict(logged)
    return bool(named["type"] == "drill" and named["what"] == "started")


def text(score: dict[str, Any]) -> str:
    """One way to write it down: keys in order, no spaces, a line."""
    return json.dumps(score, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def _runs(records: Iterable[Record]) -> list[_Run]:
    runs: list[_Run] = []
    for seq, logged in records:
        try:
            named = entry.as_dict(logged)
        except ValueError as error:
            raise RecordError(f"lane x, seq {seq}", str(error)) from error
        if named["type"] == "drill":
            _take(runs, seq, named)
        elif named["type"] == "event" and runs and runs[-1].status == OPEN:
            runs[-1].events.append(named)
    return runs


def _take(runs: list[_Run], seq: int, named: dict[str, Any]) -> None:
    what = named["what"]
    if what == "started":
        runs.append(_Run(seq, named, [], []))
        return
    if not runs or runs[-1].status != OPEN or runs[-1].start["drill"] != named["drill"]:
        return  # the end of an order that was never begun
    if what == "step":
        runs[-1].steps.append(named)
    elif what in (ENDED, ABORTED):
        runs[-1].status, runs[-1].detail = what, named.get("detail", "")


def _scored(run: _Run) -> dict[str, Any]:
    script = _threes(run.start.get("steps"))
    steps = [_step(run, name, due_ms, role) for name, due_ms, role in script]
    decisions, other = _decisions(run)
    in_order = _in_order(run, [name for name, _, _ in script])
    passed = (
        run.status == ENDED
        and in_order
        and all(step["verdict"] == IN_TIME for step in steps)
        and all(decision["told"] for decision in decisions)
        and not other
    )
    return {
        "drill": run.start["drill"],
        "first_seq": run.first_seq,
        "status": run.status,
        "detail": run.detail,
        "steps": steps,
        "in_order": in_order,
        "decisions": decisions,
        "unexpected_alarms": other,
        "passed": passed,
    }


def _step(run: _Run, name: Any, due_ms: Any, role: Any) -> dict[str, Any]:
    done = next((each for each in run.steps if each.get("step") == name), None)
    if done is None:
        verdict, done_ms, by = MISSED, None, None
    else:
        done_ms, by = done["after_ms"], done.get("role")
        verdict = WRONG_ROLE if by != role else IN_TIME if done_ms <= due_ms else LATE
    told = {"step": name, "role": role, "due_ms": due_ms, "done_ms": done_ms}
    return {**told, "by": by, "verdict": verdict}


def _in_order(run: _Run, script: Sequence[Any]) -> bool:
    """Whether those that were done were done in the script's order."""
    places = [script.index(each["step"]) for each in run.steps if each.get("step") in script]
    return places == sorted(places)


def _decisions(run: _Run) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What was expected and whether it was told; alarms that nobody expected."""
    left = list(run.events)
    decisions = []
    for bay, event, kind in _threes(run.start.get("expected")):
        match = next((e for e in left if _matches(e, bay, event, kind)), None)
        if match is not None:
            left.remove(match)
        told = {"bay": bay, "event": event, "kind": kind}
        decisions.append({**told, "told": match is not None})
    alarms = [e for e in left if e["flags"] & _WAKING]
    return decisions, [{k: e.get(k) for k in ("bay", "event", "kind")} for e in alarms]


def _matches(told: dict[str, Any], bay: Any, event: Any, kind: Any) -> bool:
    return (told["bay"], told["event"]) == (bay, event) and kind in (None, told.get("kind"))


def _threes(flat: Sequence[Any] | None) -> list[tuple[Any, Any, Any]]:
    words = flat or ()
    return list(zip(words[::3], words[1::3], words[2::3], strict=False))
