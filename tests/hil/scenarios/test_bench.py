"""The whole way with the real agent: a saved case, its replay, the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.scenarios import bench
from hil.scenarios.language import load
from hil.scenarios.ran import Dut
from hil.verdict import BROKEN, FAILED, NOT_YET, PASSED, Outcome
from tests.hil.scenarios.synthetic import case

TEXT = """
name = "bc"
title = "short circuit BC"
title_zh = "BC 相间短路"
rows = ["H3"]
case = "folder:bc-case"
unwired = ["ua", "ub", "uc"]
"""
# What a device that is not the agent may be: a program that prints these lines for every record.
DEVICE = """\
#!/bin/sh
{body}
"""


def run(folder: Path, more: str = "", dut: Dut | None = None) -> Outcome:
    case().save(folder / "bc-case")
    path = folder / "bc.toml"
    path.write_text(TEXT + more)
    return bench.run(load(path), folder / "run", dut)


def device(folder: Path, body: str) -> Dut:
    path = folder / "device"
    path.write_text(DEVICE.format(body=body))
    path.chmod(0o755)
    return Dut((str(path),))


def red(outcome: Outcome) -> list[str]:
    return [check.name for check in outcome.checks if not check.passed]


def test_the_agent_sees_a_short_circuit_in_bays_without_voltages(tmp_path: Path) -> None:
    outcome = run(tmp_path)

    assert (outcome.status, red(outcome), outcome.problem) == (PASSED, [], "")
    assert {check.name for check in outcome.checks} >= {"F1: seen", "F1: kind", "F1: latency"}
    assert [event["event"] for event in outcome.events["F1"]][:1] == ["fault"]
    assert outcome.events["F2"] == []
    assert (outcome.case, outcome.seed) == ("synthetic", 7)
    assert all(path.is_file() for path in outcome.records.values())
    assert [m.what for m in outcome.timeline][:2] == ["plant", "decision"]


def test_settings_of_the_scenario_reach_the_device(tmp_path: Path) -> None:
    deaf = 'settings = "phase_pickup_amps = 90000\\nresidual_pickup_amps = 90000"\n'

    outcome = run(tmp_path, deaf)

    assert outcome.status == FAILED
    assert red(outcome) == ["F1: seen"]


def test_what_a_later_part_brings_is_not_yet(tmp_path: Path) -> None:
    outcome = run(tmp_path, 'not_yet = "part D"\n[[expect]]\nevent = "sensor_trouble"\n')

    assert (outcome.status, red(outcome)) == (NOT_YET, ["sensor_trouble"])


def test_a_mark_that_is_not_needed_any_more_is_a_failure(tmp_path: Path) -> None:
    outcome = run(tmp_path, 'not_yet = "part D"\n')

    assert outcome.status == FAILED
    assert outcome.problem == "passes already: take not_yet out of its file"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param("echo no >&2; exit 2", "status 2: no", id="refuses-what-the-rig-wrote"),
        pytest.param("echo mumbling", "said 'mumbling'", id="speaks-no-json"),
        pytest.param('echo \'{"event": "fault"}\'', "said '{", id="no-event"),
    ],
)
def test_a_device_that_cannot_be_asked_breaks_the_bench(
    tmp_path: Path, body: str, problem: str
) -> None:
    outcome = run(tmp_path, dut=device(tmp_path, body))

    assert outcome.status == BROKEN
    assert problem in outcome.problem
    assert "\n" not in outcome.problem
    assert outcome.checks == ()


def test_a_device_that_is_not_there_breaks_the_bench(tmp_path: Path) -> None:
    outcome = run(tmp_path, dut=Dut((str(tmp_path / "none"),)))

    assert outcome.status == BROKEN
    assert "cannot be run" in outcome.problem


def test_a_crash_is_the_devices_own_failure(tmp_path: Path) -> None:
    outcome = run(tmp_path, dut=device(tmp_path, "echo 'Traceback (most' >&2; exit 1"))

    assert outcome.status == FAILED
    assert "no traceback" in red(outcome)


def test_a_case_that_is_not_there_breaks_the_bench_also_where_not_yet_is_said(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bc.toml"
    path.write_text(TEXT + 'not_yet = "part D"\n')

    outcome = bench.run(load(path), tmp_path / "run")

    assert outcome.status == BROKEN
    assert "truth.json" in outcome.problem


def test_a_terminal_that_the_case_does_not_have_breaks_the_bench(tmp_path: Path) -> None:
    outcome = run(tmp_path, 'terminals = ["F9"]\n')

    assert outcome.status == BROKEN
    assert "there is no terminal 'F9'; expected F1, F2" in outcome.problem


def test_a_defect_of_the_rig_is_one_line_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall(*_: object) -> None:
        raise ExceptionGroup("many", [ValueError("two\nlines")])

    monkeypatch.setattr(bench, "judge", fall)

    outcome = run(tmp_path)

    assert outcome.status == BROKEN
    assert outcome.problem == "the rig itself: ExceptionGroup: two lines"
