from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hil.case import Case, Seen, Stage
from hil.errors import CaseError
from hil.scenarios.terminal import dead, due, load_amps, spoken
from tests.hil.scenarios.synthetic import BAY, LOAD_AMPS, case, event, lost, recording


def earth(residual_amps: float, neutral_share: float) -> dict[str, Seen]:
    told = Seen("forward", alarm=True, residual_amps=residual_amps, neutral_share=neutral_share)
    return {"F1": told}


@pytest.mark.parametrize(
    ("terminals", "must"),
    [
        pytest.param(earth(0.3, 0.0), True, id="by-its-residual-current"),
        pytest.param(earth(0.29, 0.03), True, id="by-its-neutral-voltage"),
        pytest.param(earth(0.29, 0.029), False, id="too-little-of-both"),
    ],
)
def test_an_earth_fault_counts_from_what_the_contract_says(
    terminals: dict[str, Seen], must: bool
) -> None:
    owed = due(case("AG", what="earth_fault", terminals=terminals), "F1")

    assert (owed.may, owed.must) == (True, must)
    assert (owed.uncounted == "") == must


def test_a_direction_is_asked_for_only_where_both_quantities_show_it() -> None:
    shown = case("AG", what="earth_fault", terminals=earth(0.3, 0.01))
    hidden = case("AG", what="earth_fault", terminals=earth(0.3, 0.009))

    assert due(shown, "F1").direction == "forward"
    assert due(hidden, "F1").direction == ""


def test_a_short_circuit_below_twice_the_pickup_may_be_missed() -> None:
    weak = case(terminals={"F1": Seen("forward", alarm=True, amps=879.0)})
    strong = case(terminals={"F1": Seen("forward", alarm=True, amps=881.0)})

    assert not due(weak, "F1").must
    assert due(strong, "F1").must


def test_without_voltages_the_current_through_the_bay_is_what_counts() -> None:
    backfed = case(terminals={"F1": Seen("reverse", alarm=False, amps=1500.0)})

    assert not due(backfed, "F1").may
    blind = due(backfed, "F1", ("ua", "ub", "uc"))
    assert (blind.may, blind.must, blind.direction) == (True, True, "")


def test_a_broken_conductor_counts_from_a_fifth_of_the_load() -> None:
    def torn(lost_share: float) -> Case:
        seen = {"F1": Seen("forward", alarm=True, lost_share=lost_share)}
        return case("", what="broken_conductor", terminals=seen)

    light, heavy = torn(0.19), torn(0.2)

    assert not due(light, "F1").must
    assert due(heavy, "F1").must
    assert due(heavy, "F1").hits == ("broken_conductor",)


@pytest.mark.parametrize(
    ("events", "latency_ms", "kind", "early", "contrary"),
    [
        pytest.param([event(t=0.112)], 12.0, "BC", 0, 0, id="first-word"),
        pytest.param([event(t=0.099)], None, "", 1, 0, id="before-the-onset"),
        pytest.param([event(alarm=False)], None, "", 0, 0, id="no-alarm-is-no-hit"),
        pytest.param(
            [event(kind="AB"), event(t=0.15)], 12.0, "BC", 0, 0, id="corrected-within-100-ms"
        ),
        pytest.param(
            [event(), event(t=0.2121, kind="AB")], 12.0, "BC", 0, 1, id="another-kind-later"
        ),
        pytest.param([event(), event(t=0.25)], 12.0, "BC", 0, 0, id="the-same-again"),
        pytest.param(
            [event(t=0.15), event(t=0.112, kind="AB")], 12.0, "BC", 0, 0, id="in-any-order"
        ),
    ],
)
def test_how_a_terminal_spoke(
    events: list[dict[str, Any]], latency_ms: float | None, kind: str, early: int, contrary: int
) -> None:
    faulted = case()

    said = spoken(faulted, events, due(faulted, "F1"))

    assert said.latency_ms == (pytest.approx(latency_ms) if latency_ms else None)
    assert (said.kind, len(said.early), len(said.contrary)) == (kind, early, contrary)


def test_every_alarm_of_a_fault_is_early_where_none_is_ever_right() -> None:
    faulted = case()

    said = spoken(faulted, [event(), event("inrush")], due(faulted, "F2"))

    assert [e["event"] for e in said.early] == ["fault"]


@pytest.mark.parametrize(
    ("t", "kinds"),
    [
        (0.112, ("AG",)),
        (0.149, ("AG",)),
        (0.165, ("ABG", "AG")),
        (0.181, ("ABG",)),
    ],
)
def test_an_evolving_fault_is_named_by_the_stage_that_stands(
    t: float, kinds: tuple[str, ...]
) -> None:
    stages = (Stage(0.1, "AG", "S2"), Stage(0.15, "ABG", "S2"))
    evolving = case("AG", what="evolving_fault", terminals=earth(5.0, 0.9), stages=stages)

    said = spoken(evolving, [event(t=t, kind="AG")], due(evolving, "F1"))

    assert said.kinds == kinds


def test_two_earth_faults_at_two_places_may_be_told_as_one_of_two_phases() -> None:
    stages = (Stage(0.1, "CG", "S2"), Stage(0.12, "AG", "S9"))
    twofold = case("CG", what="cross_country_fault", terminals=earth(50.0, 0.9), stages=stages)

    said = spoken(twofold, [event(t=0.16, kind="CAG")], due(twofold, "F1"))

    assert said.kind_right
    assert not spoken(twofold, [event(t=0.16, kind="BCG")], due(twofold, "F1")).kind_right


@pytest.mark.parametrize(("section", "onset_s"), [("s21", 0.2), ("s22", 0.2), ("s12", 0.1)])
def test_each_feeder_owes_its_own_of_two_faults(section: str, onset_s: float) -> None:
    stages = (Stage(0.1, "CG", "s13"), Stage(0.2, "AG", "s22"))
    twofold = case("CG", what="cross_country_fault", terminals=earth(50.0, 0.9), stages=stages)
    here = replace(BAY, section=section)
    twofold = replace(twofold, recordings={"F1": recording("F1", bay=here)})

    owed = due(twofold, "F1")
    said = spoken(twofold, [event(t=0.15, kind="AG"), event(t=0.23, kind="AG")], owed)

    assert owed.onset_s == onset_s
    assert len(said.early) == (onset_s > 0.15)
    assert said.latency_ms == pytest.approx(30.0 if onset_s > 0.15 else 50.0)


def test_a_section_is_dead_when_no_phase_is_live() -> None:
    truth = case(sections=lost(0.2)).truth

    assert [dead(truth, "S2", t) for t in (0.1, 0.199, 0.2, 0.3)] == [False, False, True, True]
    assert not dead(truth, "S9", 0.3)


def test_the_load_is_read_from_the_first_two_cycles() -> None:
    assert load_amps(recording("F1", "BC")) == pytest.approx(LOAD_AMPS, rel=0.01)


def test_a_summed_residual_counts_above_three_per_cent_of_the_load() -> None:
    import dataclasses

    faulted = case("AG", what="earth_fault", terminals=earth(2.5, 0.5))
    held = faulted.recordings["F1"]
    summed = dataclasses.replace(
        faulted,
        recordings={
            "F1": dataclasses.replace(held, bay=dataclasses.replace(held.bay, residual="summed"))
        },
    )

    assert due(faulted, "F1").must
    assert not due(summed, "F1").must  # 3 % of 90 A are 2.7 A


def test_a_terminal_that_the_truth_does_not_know_is_an_error() -> None:
    with pytest.raises(CaseError, match="no truth of terminal 'F9'; expected F1, F2"):
        due(case(), "F9")
