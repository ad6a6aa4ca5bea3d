"""Runs a scenario: gets its case, builds what stands around the device, has it judged.

A problem of the bench itself ends as BROKEN with its first cause and says nothing about the device.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.errors import AgentError
from hil.case import Case
from hil.errors import BenchError, CaseError, RigError
from hil.plant import catalogue
from hil.scenarios.asked import asked
from hil.scenarios.came import Came
from hil.scenarios.cast import judged
from hil.scenarios.judge import judge
from hil.scenarios.lengthened import by_play, lengthened
from hil.scenarios.ran import Dut, Run, decisions
from hil.scenarios.replaying import replay
from hil.scenarios.scenario import Draw, Scenario
from hil.verdict import BROKEN, FAILED, NOT_YET, PASSED, Check, Moment, Outcome


def run(scenario: Scenario, folder: Path, dut: Dut | None = None) -> Outcome:
    """The whole of a scenario. folder: takes the case's records and what the device left."""
    begun = time.monotonic()
    case: Case | None = None
    try:
        case = case_of(scenario)
        shown = lengthened(case, scenario.play) if case and not scenario.live else case
        records = _laid_out(scenario, shown, folder)
        ran = _ran(scenario, case, folder, dut or Dut())
        checks = [*ran.checks, *judge(scenario, case, ran.came)]
        if not checks:
            raise CaseError(
                scenario.name, "nothing is asked of the device", "[[expect]] or a truth"
            )
    except (RigError, AgentError) as error:
        return _outcome(scenario, case, time.monotonic() - begun, problem=_line(error))
    except Exception as error:  # noqa: BLE001  a defect of the rig ends one scenario, not the run
        problem = f"the rig itself: {type(error).__name__}: {_line(error)}"
        return _outcome(scenario, case, time.monotonic() - begun, problem=problem)
    seconds = time.monotonic() - begun
    timeline = sorted([*_plant_moments(case), *ran.timeline], key=lambda moment: moment.t_s)
    return _outcome(
        scenario,
        case,
        seconds,
        checks=checks,
        timeline=timeline,
        latencies=ran.latencies,
        events=ran.events,
        records=records,
        jitter_ms=ran.jitter_ms,
        expected=asked(scenario, case, checks),
    )


def _line(error: BaseException) -> str:
    """The first cause, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(str(error).split())


def case_of(scenario: Scenario) -> Case | None:
    """The saved or drawn case; None where the scenario needs none. Raises: RigError."""
    if scenario.folder:
        return Case.load(scenario.folder)
    return drawn(scenario.draw) if scenario.draw else None


def drawn(draw: Draw) -> Case:
    """The case from plant/, solved or out of its cache. Raises: RigError."""
    return catalogue.case(draw.what, draw.earthing, draw.seed, **draw.overrides)


def _laid_out(scenario: Scenario, case: Case | None, folder: Path) -> dict[str, Path]:
    """The case's records in `folder`; where each terminal's header lies."""
    folder.mkdir(parents=True, exist_ok=True)
    if case is None:
        return {}
    case.save(folder)
    return {name: folder / f"{name}.cfg" for name in judged(scenario, case)}


def _ran(scenario: Scenario, case: Case | None, folder: Path, dut: Dut) -> Run:
    if scenario.live:
        from hil.scenarios import live  # brokers, event loops: nothing that a replay needs

        return live.run(scenario, case, folder, dut)
    if case is None:
        raise CaseError(scenario.name, "there is no case to replay", 'case = "golden:NAME", [draw]')
    if dut.board is not None:
        raise BenchError(
            scenario.name, "is a replay, and a board replays nothing", "a live scenario"
        )
    done = replay(scenario, case, folder, dut.command)
    checks = []
    if done.crashed:
        line = next(iter(done.said.strip().splitlines()[-1:]), "")
        checks.append(Check("no traceback", False, f"the device crashed: {line}"))
    return Run(
        came=Came(plays=by_play(case, scenario.play, done.events)),
        checks=checks,
        timeline=[*decisions(done.events)],
        events=done.events,
    )


def _plant_moments(case: Case | None) -> list[Moment]:
    """What happened on the network."""
    if case is None:
        return []
    truth = case.truth
    moments = [
        Moment(stage.onset_s, "plant", stage.section, f"{truth.what} {stage.kind}".strip())
        for stage in truth.stages
    ]
    if not moments and truth.onset_s is not None:
        text = f"{truth.what} {truth.kind}".strip()
        moments.append(Moment(truth.onset_s, "plant", truth.section, text))
    if truth.cleared_s is not None:
        moments.append(Moment(truth.cleared_s, "plant", truth.section, "cleared"))
    for section, states in truth.sections.items():
        moments += [
            Moment(state.since_s, "plant", section, f"live: {state.live or 'no phase'}")
            for state in states
            if state.since_s > 0
        ]
    return moments


def _outcome(
    scenario: Scenario,
    case: Case | None,
    seconds: float,
    *,
    checks: Sequence[Check] = (),
    problem: str = "",
    **shown: Any,
) -> Outcome:
    status, problem = _status(scenario, checks, problem)
    return Outcome(
        scenario=scenario.name,
        title=scenario.title,
        rows=scenario.rows,
        status=status,
        checks=checks,
        seconds=seconds,
        not_yet=scenario.not_yet,
        problem=problem,
        case=case.name if case else "",
        seed=case.seed if case else (scenario.draw.seed if scenario.draw else 0),
        truth=case.truth if case else None,
        **shown,
    )


def _status(scenario: Scenario, checks: Sequence[Check], problem: str) -> tuple[str, str]:
    """The verdict; a mark that nobody needs any more is a failure, so that it is taken out."""
    if problem:
        return BROKEN, problem
    passed = all(check.passed for check in checks)
    if not scenario.not_yet:
        return (PASSED if passed else FAILED), ""
    if passed:
        return FAILED, "passes already: take not_yet out of its file"
    return NOT_YET, ""
