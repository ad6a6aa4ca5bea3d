"""What a scenario asks of each terminal, in words and windows, for the report to lay beside what
was told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hil.case import Case
from hil.scenarios import terminal
from hil.scenarios.cast import judged
from hil.scenarios.expected import called
from hil.scenarios.scenario import Scenario
from hil.verdict import Check, Expected

_OPEN_S = 0.5  # shown of a window that the bars leave open


def asked(scenario: Scenario, case: Case | None, checks: Sequence[Check]) -> list[Expected]:
    """All of it; came: whether every check of it passed."""
    if case is None:
        return []
    found = [*_by_truth(scenario, case, checks)] if scenario.truth else []
    places = judged(scenario, case)
    for expect in scenario.expects:
        where = expect.where if expect.where in places else "any terminal"
        text = called(expect)
        came = all(check.passed for check in checks if check.name.endswith(text))
        found.append(Expected(where, text, came))
    return found


def _by_truth(scenario: Scenario, case: Case, checks: Sequence[Check]) -> Iterator[Expected]:
    for name in judged(scenario, case):
        owed = terminal.due(case, name, scenario.unwired)
        wrong = {
            check.name.rpartition(": ")[2]
            for check in checks
            if not check.passed and f"{name}: " in check.name
        }
        if not owed.may:
            yield Expected(name, "no alarm", "quiet" not in wrong)
            continue
        words = [" or ".join(owed.hits[:1]), case.truth.kind if owed.named else "", owed.direction]
        text = " ".join(word for word in words if word) + ", alarm"
        if not owed.must:
            text += f" (not counted: {owed.uncounted})"
        to_s, onset_s = None, owed.onset_s
        if onset_s is not None:
            to_s = onset_s + (owed.latest_ms / 1e3 if owed.latest_ms is not None else _OPEN_S)
        yield Expected(name, text, "seen" not in wrong, onset_s, to_s)
