"""A scenario in real time, with the real agent, broker, consumer and a digitiser's serial line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.scenarios import bench
from hil.scenarios.language import load
from hil.verdict import PASSED, Outcome
from tests.hil.scenarios.synthetic import case

TEXT = """
name = "live"
title = "short circuits through trouble on the link"
title_zh = "链路故障期间的短路"
rows = ["H7"]
case = "folder:bc-case"
terminals = ["alarm"]
unwired = ["ua", "ub", "uc"]
settle_s = 1
"""
DIGITISER = """
instrument = "digitiser"
[play]
times = 2
every_s = 2
[[fault]]
at_s = 0.5
what = "broker_down"
for_s = 2
[[fault]]
at_s = 1
what = "kill"
who = "link"
[[expect]]
event = "fault"
count = 2
kind = "BC"
[[command]]
run = "journal stat {data}"
says = "lane a"
[[retained]]
topic = "birth"
[delivery]
arrives = true
log = "intact"
"""


def run(folder: Path, more: str) -> Outcome:
    case(cleared_s=0.2).save(folder / "bc-case")
    path = folder / "live.toml"
    path.write_text(TEXT + more)
    return bench.run(load(path), folder / "run")


@pytest.mark.timeout(180)
def test_what_happens_on_the_feeder_arrives_once_through_trouble(tmp_path: Path) -> None:
    outcome = run(tmp_path, DIGITISER)

    wrong = [check for check in outcome.checks if not check.passed]
    assert (outcome.problem, wrong, outcome.status) == ("", [], PASSED)
    names = {check.name for check in outcome.checks}
    assert names >= {"play 1: F1: seen", "play 2: F1: seen", "all arrived", "log intact"}
    assert len(outcome.latencies) == 2
    assert all(0 < each.decided_ms < each.received_ms for each in outcome.latencies)
    assert outcome.jitter_ms is not None
    assert {moment.what for moment in outcome.timeline} == {"plant", "fault", "decision", "receipt"}
