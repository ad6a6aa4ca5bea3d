"""Many scenarios, one after another or side by side, each told as it ends; what is kept of them.

What is replayed needs no clock and runs in two processes; what is played in real time has the
machine for itself.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from hil.errors import BenchError
from hil.report import write
from hil.scenarios import bench
from hil.scenarios.ran import Dut
from hil.scenarios.scenario import Scenario
from hil.verdict import BROKEN, FAILED, NOT_YET, PASSED, Outcome

CASES = "cases"
PROCESSES = 2  # the machine that a test runs on has two cores

Tell = Callable[[int, int, Outcome], None]


def run(
    scenarios: Sequence[Scenario], dut: str, report: Path | None, *, as_json: bool = False
) -> int:
    """Run, print, keep: 0 when none failed and the bench stood, else 1. Raises: RigError."""
    if not scenarios:
        raise BenchError("run", "there is no such scenario", "what `ftu-hil list` shows")
    device = Dut.named(dut)
    tell = _json if as_json else _text
    with tempfile.TemporaryDirectory(prefix="ftu-hil-") as scratch:
        folder = report or Path(scratch)
        outcomes = run_all(scenarios, folder / CASES, device, tell)
        if report:
            write(outcomes, report, meta={"device under test": dut})
    counts = Counter(outcome.status for outcome in outcomes)
    if not as_json:
        _sum_up(counts, report)
    return 1 if counts[FAILED] or counts[BROKEN] else 0


def run_all(
    scenarios: Sequence[Scenario], folder: Path, dut: Dut, tell: Tell = lambda *_: None
) -> list[Outcome]:
    """Their outcomes in their own order. folder: takes a folder for each."""
    outcomes: dict[str, Outcome] = {}
    for outcome in _ran(scenarios, folder, dut):
        outcomes[outcome.scenario] = outcome
        tell(len(outcomes), len(scenarios), outcome)
    return [outcomes[scenario.name] for scenario in scenarios]


def _ran(scenarios: Sequence[Scenario], folder: Path, dut: Dut) -> Iterator[Outcome]:
    """As they end."""
    replayed = [scenario for scenario in scenarios if not scenario.live]
    if len(replayed) > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
            ends = [pool.submit(bench.run, each, folder / each.name, dut) for each in replayed]
            yield from (end.result() for end in as_completed(ends))
    else:
        yield from (bench.run(each, folder / each.name, dut) for each in replayed)
    for each in scenarios:
        if each.live:
            sys.stderr.write(f"{each.name}: plays in real time\n")
            yield bench.run(each, folder / each.name, dut)


def _text(number: int, of: int, outcome: Outcome) -> None:
    head = f"[{number}/{of}] {outcome.status:8} {outcome.scenario}  {outcome.seconds:.1f} s"
    note = f"  ({outcome.not_yet})" if outcome.status == NOT_YET else ""
    print(head + note)
    if outcome.problem:
        print(f"    {outcome.problem}")
    if outcome.status in (FAILED, NOT_YET):
        for check in outcome.checks:
            if not check.passed:
                print(f"    {check.name}: {check.evidence}")
    sys.stdout.flush()


def _json(_: int, __: int, outcome: Outcome) -> None:
    told = {
        "scenario": outcome.scenario,
        "status": outcome.status,
        "seconds": round(outcome.seconds, 3),
        "case": outcome.case,
        "seed": outcome.seed,
        "not_yet": outcome.not_yet,
        "problem": outcome.problem,
        "checks": [
            {"name": check.name, "passed": check.passed, "evidence": check.evidence}
            for check in outcome.checks
        ],
    }
    print(json.dumps(told, ensure_ascii=False), flush=True)


def _sum_up(counts: Counter[str], report: Path | None) -> None:
    told = [f"{counts[status]} {status}" for status in (PASSED, FAILED, NOT_YET, BROKEN)]
    print(", ".join(told) + (f"; report in {report}" if report else ""))
