"""The rig can tell a wrong device from a right one: each of these slips in a copy of the agent
turns the checks red that are about it, and leaves an ordinary half second alone.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.scenarios import bench
from hil.scenarios.language import find
from hil.scenarios.ran import Dut
from hil.verdict import BROKEN

AGENT = Path(__file__).parents[3] / "agent"
CONTROL = "golden-quiet"


@dataclass(frozen=True)
class Slip:
    """One change of a source file; scenario to the checks that it must turn red."""

    file: str
    right: str
    wrong: str
    red: dict[str, set[str]]


BC, AB = "golden-short-bc-without-voltages", "golden-short-ab-gone-without-voltages"
KIND, SEEN, LATE = {"F1-head: kind"}, {"F1-head: seen"}, {"F1-head: latency"}
SLIPS = {
    "names-every-pair-alike": Slip(
        "faulted_phase.py", 'pair = "CA" if phases == "AC" else phases', 'pair = "CA"', {AB: KIND}
    ),
    "takes-healthy-phases-for-faulted": Slip(
        "faulted_phase.py", "INVOLVED_SHARE = 0.4", "INVOLVED_SHARE = 0.0", {BC: KIND, AB: KIND}
    ),
    "finds-the-earth-in-every-fault": Slip(
        "faulted_phase.py", "GROUND_SHARE = 0.2", "GROUND_SHARE = -1.0", {BC: KIND, AB: KIND}
    ),
    "waits-for-three-cycles": Slip(
        "short_circuit.py", "cycle_us * 5 // 8", "cycle_us * 3", {BC: LATE, AB: LATE}
    ),
    "raises-no-alarm": Slip(
        "functions/short_circuits.py",
        "alarm=pointed.word == FORWARD or nobody_knows",
        "alarm=False",
        {BC: SEEN, AB: SEEN},
    ),
    "picks-up-at-fifty-times-the-rating": Slip(
        "settings.py", "            2.2,\n", "            50.0,\n", {BC: SEEN, AB: SEEN}
    ),
    "takes-every-wave-for-a-sinusoid": Slip(
        "short_circuit.py",
        "if verdict == inrush.FAULT:",
        "if verdict is not None:",
        {"golden-inrush-feeder": {"F1-head: quiet"}},
    ),
    "does-not-drop-out": Slip(
        "overcurrent.py",
        "DROP_RATIO = 0.95",
        "DROP_RATIO = 0.0",
        {AB: {"F1-head: fault_cleared without alarm 0 to 100 ms after the clearing"}},
    ),
    "never-finds-a-phase-dead": Slip(
        "supply.py", "DEAD_SHARE = 0.2", "DEAD_SHARE = -1.0", {"golden-supply-lost": SEEN}
    ),
    "loses-supply-without-an-alarm": Slip(
        "functions/supplies.py",
        "alarm=state == DEAD and lost_all",
        "alarm=False",
        {"golden-supply-lost": SEEN},
    ),
    "takes-a-sag-for-a-loss": Slip(
        "supply.py",
        "DEAD_SHARE = 0.2",
        "DEAD_SHARE = 0.75",
        {"golden-sag": {"F1-head: no other alarm"}},
    ),
    "tells-no-dip": Slip(
        "settings.py",
        '"how long a dip must last to be told", 20.0',
        '"how long a dip must last to be told", 60000.0',
        {"golden-sag": {"F1-head: dip without alarm"}},
    ),
}


def mutated(folder: Path, slip: Slip) -> Dut:
    """The agent with this slip, as a program of its own."""
    copy = folder / "mutated"
    shutil.copytree(AGENT, copy / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / "agent" / "detect" / slip.file
    text = path.read_text()
    assert slip.right in text, f"{slip.file} no longer says {slip.right!r}"
    path.write_text(text.replace(slip.right, slip.wrong))
    program = folder / "ftu-agent"
    program.write_text(f'#!/bin/sh\ncd {copy} && exec {sys.executable} -m agent "$@"\n')
    program.chmod(0o755)
    return Dut((str(program),))


def red(name: str, folder: Path, dut: Dut) -> set[str]:
    outcome = bench.run(find([name])[0], folder / name, dut)
    assert outcome.status != BROKEN, outcome.problem
    return {check.name for check in outcome.checks if not check.passed}


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS.keys())
def test_a_slip_turns_its_checks_red(slip: Slip, tmp_path: Path) -> None:
    dut = mutated(tmp_path, slip)

    for name, checks in slip.red.items():
        assert checks <= red(name, tmp_path, dut)
    assert red(CONTROL, tmp_path, dut) == set()


def test_without_a_slip_none_of_them_is_red(tmp_path: Path) -> None:
    names = {name for slip in SLIPS.values() for name in slip.red}

    assert {name for name in names if red(name, tmp_path, Dut())} == set()
