"""The catalogue: what it covers, and the sample of it that runs with every test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hil.plant.catalogue import CLASSES as DRAWN
from hil.scenarios import bench
from hil.scenarios.language import CLASSES, find
from hil.scenarios.scenario import Scenario
from hil.verdict import NOT_YET, PASSED

EVERYTHING = find()
SAMPLE = [scenario for scenario in EVERYTHING if scenario.sample]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("scenario", SAMPLE, ids=lambda scenario: scenario.name)
def test_the_sample_is_as_its_files_say(scenario: Scenario, tmp_path: Path) -> None:
    outcome = bench.run(scenario, tmp_path)

    wrong = [f"{check.name}: {check.evidence}" for check in outcome.checks if not check.passed]
    assert outcome.problem == ""
    assert outcome.status == (NOT_YET if scenario.not_yet else PASSED), wrong


def test_the_sample_needs_no_solver() -> None:
    assert SAMPLE
    assert [scenario.name for scenario in SAMPLE if scenario.draw] == []


def test_every_scenario_of_the_requirements_has_a_file() -> None:
    rows = {row for scenario in EVERYTHING for row in scenario.rows}

    assert {f"H{number}" for number in range(1, 17)} <= rows


def test_every_row_is_one_of_the_requirements() -> None:
    rows = {row for scenario in EVERYTHING for row in scenario.rows}

    assert [row for row in rows if not re.fullmatch(r"H\d{1,2}|R\d\d|P\d\d|F\d", row)] == []


def test_every_class_of_the_plant_is_drawn() -> None:
    assert {scenario.draw.what for scenario in EVERYTHING if scenario.draw} == set(CLASSES)


def test_the_language_knows_the_classes_of_the_plant() -> None:
    assert set(CLASSES) == set(DRAWN)


def test_what_is_not_yet_names_the_part_that_brings_it() -> None:
    marks = {scenario.not_yet for scenario in EVERYTHING if scenario.not_yet}

    assert [mark for mark in marks if not re.fullmatch(r"part [C-J]: \S.*", mark)] == []
