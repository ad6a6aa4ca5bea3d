"""The lines that a site file of the rig has are those that the case was solved on."""

from __future__ import annotations

import pytest

from hil.plant import golden, lines


@pytest.mark.parametrize("name", ["short-bc", "short-abc", "short-abg"])
def test_the_truths_distance_lies_in_the_faulted_section(name: str) -> None:
    case = golden.load(name)
    told = {n: s.distance_km for n, s in case.truth.terminals.items() if s.distance_km is not None}
    assert told
    for terminal, km in told.items():
        sections = {each["name"]: each for each in lines.behind(case, terminal)}
        before, at = 0.0, case.truth.section
        while source := sections[at].get("from"):
            at = source
            before += sections[at]["length_km"]
        assert before <= km <= before + sections[case.truth.section]["length_km"]


def test_a_terminals_own_section_comes_first_and_hangs_on_nothing() -> None:
    case = golden.load("short-bc")
    first, *others = lines.behind(case, next(iter(case.truth.terminals)))
    assert "from" not in first
    assert all(each["from"] for each in others)
