from __future__ import annotations

from dataclasses import replace

from hil.case import Seen
from hil.scenarios.asked import asked
from hil.scenarios.judge import judge
from hil.scenarios.scenario import Expect, Scenario
from hil.verdict import Expected
from tests.hil.scenarios.synthetic import ONSET_S, case, event
from tests.hil.scenarios.test_judge import of

SCENARIO = Scenario("s", "a scenario", "场景", ("H3",), expects=(Expect("operate"),))


def test_the_report_lays_beside_each_terminal_what_was_asked_of_it() -> None:
    faulted = case()

    told = asked(SCENARIO, faulted, judge(SCENARIO, faulted, of(event())))

    assert told == [
        Expected("F1", "fault BC forward, alarm", True, ONSET_S, ONSET_S + 0.03),
        Expected("F2", "no alarm", True),
        Expected("any terminal", "operate", False),
    ]


def test_what_did_not_come_is_said_so() -> None:
    faulted = case()
    only = replace(SCENARIO, expects=())
    came = of(f2=(event(),))

    told = asked(only, faulted, judge(only, faulted, came))

    assert [each.came for each in told] == [False, False]


def test_what_does_not_count_is_said_so() -> None:
    weak = case(terminals={"F1": Seen("forward", alarm=True, amps=500.0)})

    told = asked(replace(SCENARIO, expects=()), weak, [])

    assert told[0].text == (
        "fault BC forward, alarm (not counted: 500 A are less than twice the pickup, 880 A)"
    )
