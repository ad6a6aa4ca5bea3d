"""Each wrong word of a device turns exactly the right check red, and a right one none."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from hil.case import Case, Seen, Supply
from hil.scenarios.came import Came, Log, Said
from hil.scenarios.judge import judge
from hil.scenarios.scenario import Command, Delivery, Expect, Retained, Scenario
from hil.verdict import Check
from tests.hil.scenarios.synthetic import case, event, lost

SCENARIO = Scenario("s", "a scenario", "场景", ("H3",))
QUIET: dict[str, list[dict[str, Any]]] = {"F1": [], "F2": []}


def red(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if not check.passed]


def of(*f1: dict[str, Any], f2: tuple[dict[str, Any], ...] = ()) -> Came:
    return Came(plays=[{"F1": list(f1), "F2": list(f2)}])


GOOD = event()
BEHIND = event(alarm=False, direction="reverse")


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        pytest.param(of(GOOD), [], id="as-it-must-be"),
        pytest.param(of(GOOD, f2=(BEHIND,)), [], id="a-fault-behind-may-be-told-without-alarm"),
        pytest.param(of(), ["F1: seen"], id="missed"),
        pytest.param(of({**GOOD, "alarm": False}), ["F1: seen"], id="seen-without-alarm"),
        pytest.param(of({**GOOD, "kind": "ABC"}), ["F1: kind"], id="wrong-kind"),
        pytest.param(of({**GOOD, "kind": None}), ["F1: kind"], id="no-kind"),
        pytest.param(of(GOOD, event(t=0.18, kind="AB")), ["F1: kind"], id="corrected-for-worse"),
        pytest.param(of(event(kind="AB"), event(t=0.18)), [], id="corrected-for-better"),
        pytest.param(of({**GOOD, "direction": "reverse"}), ["F1: direction"], id="wrong-way"),
        pytest.param(of({**GOOD, "direction": "unknown"}), ["F1: direction"], id="no-way"),
        pytest.param(
            of({**GOOD, "direction": "unknown"}, event(t=0.13)),
            ["F1: direction"],
            id="the-first-word-gives-the-direction",
        ),
        pytest.param(of(event(t=0.1301)), ["F1: latency"], id="too-late"),
        pytest.param(of(event(t=0.13)), [], id="just-in-time"),
        pytest.param(of(event(t=0.05), GOOD), ["F1: not before"], id="before-the-onset"),
        pytest.param(of(GOOD, event(t=0.25, kind="AB")), ["F1: steady"], id="another-kind-later"),
        pytest.param(of(GOOD, f2=(event(t=0.113),)), ["F2: quiet"], id="the-neighbour-cries"),
        pytest.param(
            of(GOOD, f2=(event(alarm=False),)), ["F2: quiet"], id="the-neighbour-says-forward"
        ),
        pytest.param(
            of(GOOD, f2=(event("broken_conductor"),)), ["F2: quiet"], id="another-fault-there"
        ),
        pytest.param(
            of(GOOD, f2=(event("swell"),)), ["F2: no other alarm"], id="an-alarm-of-no-fault"
        ),
        pytest.param(of(GOOD, f2=(event("inrush", alarm=False),)), [], id="a-harmless-word"),
    ],
)
def test_the_verdict_on_a_short_circuit(came: Came, expected: list[str]) -> None:
    assert red(judge(SCENARIO, case(), came)) == expected


@pytest.mark.parametrize(
    "name",
    ["fault", "intermittent_earth_fault", "high_impedance_fault", "broken_conductor"],
)
def test_any_fault_alarm_is_false_where_there_is_no_fault(name: str) -> None:
    nothing = {n: Seen("", alarm=False) for n in ("F1", "F2")}
    inrush = case("", what="inrush", terminals=nothing)

    assert red(judge(SCENARIO, inrush, of(event(name)))) == ["F1: quiet"]
    assert red(judge(SCENARIO, inrush, of(event(name, alarm=False, direction="unknown")))) == []


@pytest.mark.parametrize(
    ("sections", "t", "expected"),
    [
        pytest.param(lost(0.2), 0.27, [], id="dead-by-then"),
        pytest.param(lost(0.2), 0.15, ["F1: no other alarm"], id="not-dead-yet"),
        pytest.param(
            {"S2": (Supply(0.0, "ABC"), Supply(0.2, "C"))},
            0.27,
            ["F1: no other alarm"],
            id="a-phase-lives",
        ),
    ],
)
def test_a_loss_of_all_supply_may_be_an_alarm_where_all_is_lost(
    sections: dict[str, tuple[Supply, ...]], t: float, expected: list[str]
) -> None:
    came = of(GOOD, event("voltage_loss", t=t))

    assert red(judge(SCENARIO, case(sections=sections), came)) == expected


def test_a_loss_of_supply_is_missed_when_it_is_not_told() -> None:
    dark = case(
        "",
        what="loss_of_supply",
        terminals={"F1": Seen("", alarm=True)},
        sections=lost(0.1),
    )

    assert red(judge(SCENARIO, dark, of())) == ["F1: seen"]
    assert red(judge(SCENARIO, dark, of(event("voltage_loss", t=0.18)))) == []
    assert red(judge(SCENARIO, dark, of(event("voltage_loss", t=0.18, alarm=False)))) == [
        "F1: seen"
    ]


def test_what_the_bars_do_not_count_may_be_missed_but_not_misnamed() -> None:
    weak = case(terminals={"F1": Seen("forward", alarm=True, amps=500.0)})

    assert red(judge(SCENARIO, weak, of())) == []
    assert red(judge(SCENARIO, weak, of(event(t=0.16)))) == []  # no bar on its latency either
    assert red(judge(SCENARIO, weak, of(event(kind="CA")))) == ["F1: kind"]


def test_only_the_terminals_that_are_asked_for_are_judged() -> None:
    only = replace(SCENARIO, terminals=("F2",))

    assert red(judge(only, case(), of())) == []


def test_a_scenario_that_does_not_rest_on_the_truth_asks_only_its_own() -> None:
    asked = replace(SCENARIO, truth=False, expects=(Expect("blind"),))

    assert red(judge(asked, case(), of())) == ["blind"]


def test_every_play_is_judged_by_itself() -> None:
    came = Came(plays=[{"F1": [GOOD], "F2": []}, {"F1": [], "F2": []}])

    assert red(judge(SCENARIO, case(), came)) == ["play 2: F1: seen"]


@pytest.mark.parametrize(
    ("expect", "passes"),
    [
        pytest.param(Expect("fault"), True, id="it-is-there"),
        pytest.param(Expect("operate"), False, id="it-is-not"),
        pytest.param(Expect("operate", count=(0, 0)), True, id="none-must-come"),
        pytest.param(Expect("fault", count=(0, 0)), False, id="none-was-to-come"),
        pytest.param(Expect("fault", count=(2, 3)), False, id="too-few"),
        pytest.param(Expect("fault", kind="BC", direction="forward", alarm=True), True, id="all"),
        pytest.param(Expect("fault", kind="AB"), False, id="another-kind"),
        pytest.param(Expect("fault", direction="reverse"), False, id="another-way"),
        pytest.param(Expect("fault", alarm=False), False, id="without-alarm"),
        pytest.param(Expect("fault", since="onset", within_ms=(0, 12.1)), True, id="in-time"),
        pytest.param(Expect("fault", since="onset", within_ms=(0, 11.9)), False, id="late"),
        pytest.param(Expect("fault", within_ms=(110, 120)), True, id="since-the-start"),
        pytest.param(Expect("fault", since="clearing", within_ms=(0, 9)), False, id="no-clearing"),
        pytest.param(Expect("fault", fields={"outcome": "permanent"}), False, id="a-field"),
        pytest.param(Expect("fault", fields={"kind": "~^B"}), True, id="a-pattern"),
        pytest.param(Expect("fault", where="F1"), True, id="at-a-terminal"),
        pytest.param(Expect("fault", where="F2"), False, id="at-another-terminal"),
        pytest.param(Expect("fault", where="forward"), True, id="where-it-is-ahead"),
        pytest.param(Expect("fault", where="all"), False, id="everywhere"),
        pytest.param(Expect("fault", where="quiet", count=(0, 0)), True, id="nowhere-else"),
    ],
)
def test_what_a_scenario_expects_itself(expect: Expect, passes: bool) -> None:
    asked = replace(SCENARIO, truth=False, expects=(expect,))

    checks = judge(asked, case(), of(GOOD))

    assert checks
    assert (red(checks) == []) == passes


def test_a_list_in_an_event_holds_what_is_asked_for() -> None:
    asked = replace(
        SCENARIO, truth=False, expects=(Expect("plan_variance", fields={"verdicts": "late_end"}),)
    )
    told = {"event": "plan_variance", "verdicts": ["early_start", "late_end"]}

    assert red(judge(asked, None, Came(others=[told]))) == []
    assert len(red(judge(asked, None, Came(others=[{**told, "verdicts": []}])))) == 1


KEYS = [("ftu", 1, "a", seq) for seq in (1, 2, 3)]


@pytest.mark.parametrize(
    ("keys", "log", "expected"),
    [
        pytest.param(Counter(KEYS), Log(frozenset(KEYS)), [], id="each-once"),
        pytest.param(
            Counter(KEYS[:2]), Log(frozenset(KEYS)), ["all arrived"], id="the-last-never-came"
        ),
        pytest.param(
            Counter([KEYS[0], KEYS[2]]),
            Log(frozenset(KEYS)),
            ["all arrived", "no gap"],
            id="one-in-the-middle-never-came",
        ),
        pytest.param(Counter(KEYS), Log(frozenset(KEYS[:2])), ["none invented"], id="one-too-many"),
        pytest.param(
            Counter([*KEYS, KEYS[1]]), Log(frozenset(KEYS)), ["each once"], id="one-came-twice"
        ),
        pytest.param(
            Counter([KEYS[0], KEYS[2]]),
            Log(frozenset([KEYS[0], KEYS[2]]), lost=frozenset([KEYS[1]])),
            [],
            id="declared-lost",
        ),
        pytest.param(
            Counter([KEYS[0], KEYS[2]]),
            Log(frozenset([KEYS[0], KEYS[2]])),
            ["no gap"],
            id="lost-silently",
        ),
        pytest.param(Counter(), Log(), ["all arrived"], id="an-empty-log-proves-nothing"),
        pytest.param(
            Counter(KEYS),
            None,
            ["all arrived", "none invented", "log intact"],
            id="no-log-at-all",
        ),
        pytest.param(
            Counter(KEYS),
            Log(frozenset(KEYS), intact=False, problems=("lane a: bad",)),
            ["log intact"],
            id="a-damaged-log",
        ),
    ],
)
def test_what_the_log_holds_arrives_once(
    keys: Counter[tuple[str, int, str, int]], log: Log | None, expected: list[str]
) -> None:
    asked = replace(SCENARIO, delivery=Delivery(arrives=True, log="intact"))

    assert red(judge(asked, None, Came(keys=keys, log=log))) == expected


def test_damage_that_was_done_must_be_found() -> None:
    asked = replace(SCENARIO, delivery=Delivery(log="damaged"))

    assert red(judge(asked, None, Came(log=Log(intact=True)))) == ["damage found"]
    assert red(judge(asked, None, Came(log=Log(intact=False, problems=("chain",))))) == []


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        pytest.param([Said("plan list", 0, "P-1 S2\n")], True, id="as-it-must"),
        pytest.param([Said("plan list", 2, "no such verb\n")], False, id="refused"),
        pytest.param([Said("plan list", 0, "nothing\n")], False, id="says-something-else"),
        pytest.param([], False, id="never-run"),
    ],
)
def test_a_command_ends_and_says_as_it_must(said: list[Said], passes: bool) -> None:
    asked = replace(SCENARIO, commands=(Command("plan list", says=r"^P-1\b"),))

    assert (red(judge(asked, None, Came(said=said))) == []) == passes


@pytest.mark.parametrize(
    ("retained", "passes"),
    [
        ({"section/S2": {"supply": "ABC", "age_s": 3}}, True),
        ({"section/S2": {"supply": ""}}, False),
        ({}, False),
        ({"section/S2": None}, False),
    ],
)
def test_a_retained_message_stands_at_the_broker(retained: dict[str, Any], passes: bool) -> None:
    asked = replace(SCENARIO, retained=(Retained("section/S2", {"supply": "ABC"}),))

    assert (red(judge(asked, None, Came(retained=retained))) == []) == passes


def evidence(checked: Case, came: Came, name: str) -> str:
    return next(check.evidence for check in judge(SCENARIO, checked, came) if check.name == name)


def test_the_evidence_has_the_figures() -> None:
    assert evidence(case(), of(GOOD), "F1: seen") == (
        "fault BC forward at 0.1120 s, 12.0 ms after the onset at 0.1000 s"
    )
    assert evidence(case(), of(event(t=0.14)), "F1: latency") == (
        "decided 40.0 ms after the onset; at most 30 ms"
    )
    assert evidence(
        case(), of({**GOOD, "direction": "reverse", "confidence": 0.95}), "F1: direction"
    ) == ("first word says reverse with confidence 0.95; the fault lies forward")
    weak = case(terminals={"F1": Seen("forward", alarm=True, amps=500.0)})
    assert evidence(weak, of(), "F1: seen") == (
        "nothing said, and not counted: 500 A are less than twice the pickup, 880 A"
    )


def test_voltages_that_are_gone_may_be_an_alarm_though_no_switch_has_opened() -> None:
    near = case("", what="sag", terminals={"F1": Seen("", alarm=False)})
    held = near.recordings["F1"]
    counts = held.counts.copy()
    counts[4:, round(0.2 * held.rate_hz) :] //= 10
    gone = replace(near, recordings={"F1": replace(held, counts=counts)})
    told = of(event("voltage_loss", t=0.27))

    assert red(judge(SCENARIO, near, told)) == ["F1: no other alarm"]
    assert red(judge(SCENARIO, gone, told)) == []
    assert red(judge(SCENARIO, gone, of(event("voltage_loss", t=0.21)))) == ["F1: no other alarm"]
