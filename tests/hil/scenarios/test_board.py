"""A scenario on a board of a labgrid bench, dry: real labgrid, and a console that is a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import BenchError
from hil.scenarios import bench
from hil.scenarios.language import find
from hil.scenarios.ran import Dut
from hil.verdict import BROKEN, PASSED
from tests.hil.fake_bench import LABGRID, environment


@pytest.fixture
def board(tmp_path: Path) -> Dut:
    if not LABGRID.exists():
        pytest.skip("labgrid is not in build/labgrid; `make test` puts it there")
    return Dut.named(str(environment(tmp_path)))


def test_a_board_passes_a_scenario_that_plays_over_the_network(board: Dut, tmp_path: Path) -> None:
    outcome = bench.run(find(["supply-lost-over-modbus-tcp"])[0], tmp_path / "run", board)

    assert outcome.problem == ""
    assert outcome.status == PASSED, [c for c in outcome.checks if not c.passed]
    assert {"all arrived", "log intact", "ends when told to"} <= {c.name for c in outcome.checks}


def test_what_a_board_cannot_be_asked_is_broken_and_says_why(board: Dut, tmp_path: Path) -> None:
    outcome = bench.run(find(["golden-quiet"])[0], tmp_path / "run", board)

    assert outcome.status == BROKEN
    assert "a board replays nothing; expected a live scenario" in outcome.problem


def test_an_environment_that_is_not_there_is_one_line() -> None:
    with pytest.raises(BenchError, match=r"--dut none\.yaml: is no file; expected docs/bench"):
        Dut.named("none.yaml")
