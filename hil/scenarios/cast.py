"""Which terminals of a case a scenario is about: by name, or by what the truth says of them."""

from __future__ import annotations

from hil.case import Case
from hil.errors import CaseError
from hil.scenarios.scenario import Scenario

_FIRST = ("alarm", "quiet", "forward", "reverse")  # as in Expect.where


def judged(scenario: Scenario, case: Case) -> list[str]:
    """The terminals of the case that the scenario is about. Raises: CaseError."""
    if not scenario.terminals:
        return list(case.recordings)
    chosen = [_first(word, case) if word in _FIRST else word for word in scenario.terminals]
    missing = [word for word in chosen if word not in case.recordings]
    if missing:
        held = ", ".join(case.recordings)
        raise CaseError(f"scenario {scenario.name}", f"there is no terminal {missing[0]!r}", held)
    return list(dict.fromkeys(chosen))


def is_told(where: str, case: Case, name: str) -> bool:
    """Whether the truth of this terminal is "alarm", "quiet", "forward" or "reverse"."""
    seen = case.truth.terminals.get(name)
    if seen is None:
        return False
    return {"alarm": seen.alarm, "quiet": not seen.alarm}.get(where, where == seen.direction)


def _first(word: str, case: Case) -> str:
    """The first terminal of which the truth says this; the word itself when there is none."""
    return next((name for name in case.recordings if is_told(word, case, name)), word)
