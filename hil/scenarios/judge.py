"""The verdict on one run: each thing that had to be so, whether it was, and what was seen.

Pure: a scenario, the truth of its case and what came go in, checks come out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hil.case import Case
from hil.scenarios import arrived, expected, terminal
from hil.scenarios.came import Came, Event, Events
from hil.scenarios.cast import judged
from hil.scenarios.evidence import listed, shown
from hil.scenarios.scenario import Scenario
from hil.scenarios.terminal import Due, Spoken
from hil.verdict import Check

# A live event's `t` is told by when frames or replies came, which a loaded machine delays; a meter
# is asked now and then. In real time the bar is this much wider; replays hold the bar itself.
_ALLOWED_MS = {"replay": 0.0, "modbus_tcp": 1000.0, "modbus_rtu": 2000.0}
_ALLOWED_ELSE_MS = 50.0


def judge(scenario: Scenario, case: Case | None, came: Came) -> list[Check]:
    """All checks of the scenario, in the order in which a person asks them."""
    checks: list[Check] = []
    for number, events in enumerate(came.plays, 1):
        prefix = f"play {number}: " if len(came.plays) > 1 else ""
        if case is not None and scenario.truth:
            checks += [
                Check(prefix + check.name, check.passed, check.evidence)
                for check in _by_truth(scenario, case, events)
            ]
    checks += expected.checks(scenario, case, came)
    checks += arrived.checks(scenario, came)
    return checks


# --- by the truth of the case ---


def _by_truth(scenario: Scenario, case: Case, events: Events) -> Iterator[Check]:
    for name in judged(scenario, case):
        owed = terminal.due(case, name, scenario.unwired)
        heard = events.get(name, ())
        said = terminal.spoken(case, heard, owed)
        if owed.may:
            allowed_ms = _ALLOWED_MS.get(scenario.instrument, _ALLOWED_ELSE_MS)
            checks = _of_fault(owed, said, allowed_ms)
            yield from (_renamed(name, check) for check in checks)
        else:
            yield _renamed(name, _quiet(owed, said))
        yield _renamed(name, _other_alarms(scenario, case, name, heard, owed))


def _renamed(name: str, check: Check) -> Check:
    return Check(f"{name}: {check.name}", check.passed, check.evidence)


def _of_fault(owed: Due, said: Spoken, allowed_ms: float) -> Iterator[Check]:
    """A terminal that the fault is ahead of."""
    yield _not_before(owed, said)
    if said.first is None:
        if owed.must:
            wanted = owed.hits[0] if len(owed.hits) == 1 else "word of a fault"
            yield Check("seen", False, f"no {wanted} with alarm = true{_after(owed)}")
        else:
            yield Check("seen", True, f"nothing said, and not counted: {owed.uncounted}")
        return
    yield Check("seen", True, f"{shown(said.first)}{_late(owed, said)}")
    if owed.named:
        yield _kind(said)
    if owed.direction:
        yield _direction(owed, said)
    if owed.must and owed.latest_ms is not None and owed.onset_s is not None:
        yield _latency(owed.latest_ms + allowed_ms, said)
    yield _steady(said)


def _not_before(owed: Due, said: Spoken) -> Check:
    if said.early:
        return Check(
            "not before", False, f"before the onset{_at_onset(owed)}: {listed(said.early)}"
        )
    return Check("not before", True, f"no alarm before the onset{_at_onset(owed)}")


def _kind(said: Spoken) -> Check:
    right = " or ".join(said.kinds)
    told = said.kind or "no kind"
    return Check(
        "kind",
        said.kind_right,
        f"last word within 100 ms after the first is {told}; the fault is {right}",
    )


def _direction(owed: Due, said: Spoken) -> Check:
    told = said.direction or "no direction"
    sure = "" if said.confidence is None else f" with confidence {said.confidence:.2f}"
    evidence = f"first word says {told}{sure}; the fault lies {owed.direction}"
    return Check("direction", said.direction == owed.direction, evidence)


def _latency(bar_ms: float, said: Spoken) -> Check:
    late_ms = said.latency_ms if said.latency_ms is not None else float("inf")
    evidence = f"decided {late_ms:.1f} ms after the onset; at most {bar_ms:.0f} ms"
    return Check("latency", late_ms <= bar_ms, evidence)


def _steady(said: Spoken) -> Check:
    if said.contrary:
        return Check("steady", False, f"later words of another kind: {listed(said.contrary)}")
    return Check("steady", True, "no later word of another kind")


def _quiet(owed: Due, said: Spoken) -> Check:
    """A terminal that no fault is ahead of; it may say so of one behind it."""
    if said.early:
        return Check("quiet", False, f"false alarm: {listed(said.early)}")
    if owed.direction == "reverse" and said.direction == "forward":
        return Check("quiet", False, "no alarm, but it says forward of a fault behind it")
    return Check("quiet", True, "no alarm of a fault, as there is none ahead of this bay")


def _other_alarms(
    scenario: Scenario, case: Case, name: str, events: Sequence[Event], owed: Due
) -> Check:
    """Alarms that speak of no fault: right only where all supply is lost, or the scenario says."""
    recording = case.recordings[name]

    def lost(event: Event) -> bool:
        if event["event"] != "voltage_loss":
            return False
        dead = terminal.dead(case.truth, recording.bay.section, event["t"])
        return dead or terminal.dark(recording, event["t"])

    wrong = [
        event
        for event in events
        if event.get("alarm")
        and event["event"] not in (*terminal.FAULTS, *scenario.only_alarms)
        and not (owed.may and event["event"] in owed.hits)
        and not lost(event)
    ]
    if wrong:
        return Check("no other alarm", False, f"not called for: {listed(wrong)}")
    return Check("no other alarm", True, "no alarm that is not called for")


def _after(owed: Due) -> str:
    return "" if owed.onset_s is None else f" after the onset at {owed.onset_s:.4f} s"


def _at_onset(owed: Due) -> str:
    return "" if owed.onset_s is None else f" at {owed.onset_s:.4f} s"


def _late(owed: Due, said: Spoken) -> str:
    if owed.onset_s is None or said.latency_ms is None:
        return ""
    return f", {said.latency_ms:.1f} ms after the onset at {owed.onset_s:.4f} s"
