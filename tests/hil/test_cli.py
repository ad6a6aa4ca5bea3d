from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hil import cli
from hil.scenarios.language import find
from tests.hil.scenarios.synthetic import case

SCENARIO = """
name = "{name}"
title = "short circuit BC"
title_zh = "BC 相间短路"
rows = ["H3"]
case = "folder:bc-case"
unwired = ["ua", "ub", "uc"]
"""


def scenario(folder: Path, name: str, more: str = "") -> str:
    case().save(folder / "bc-case")
    path = folder / f"{name}.toml"
    path.write_text(SCENARIO.format(name=name) + more)
    return str(path)


def test_list_shows_every_scenario_of_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "--json"]) == 0

    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["name"] for each in told] == [each.name for each in find()]
    assert all(each["title_zh"] and each["rows"] for each in told)


def test_list_says_what_is_not_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    marked = [each for each in find() if each.not_yet]
    assert marked
    for each in marked:
        assert any(line.startswith(each.name) and each.not_yet in line for line in lines)


def test_run_says_of_each_what_was_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = scenario(tmp_path, "good")
    bad = scenario(tmp_path, "bad", '[[expect]]\nevent = "fault"\nkind = "ABC"\n')

    assert cli.main(["run", good]) == 0
    assert cli.main(["run", good, bad]) == 1

    out = capsys.readouterr().out
    assert "[1/1] passed   good" in out
    assert "failed   bad" in out
    assert "fault ABC: 0 came, at least 1 expected; of that name there is fault BC" in out
    assert out.splitlines()[-1] == "1 passed, 1 failed, 0 not yet, 0 broken"


def test_not_yet_is_no_failure_and_a_broken_bench_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = scenario(tmp_path, "later", 'not_yet = "part D"\n[[expect]]\nevent = "x"\n')
    broken = scenario(tmp_path, "broken", 'terminals = ["F9"]\n')

    assert cli.main(["run", "--json", later]) == 0
    assert cli.main(["run", "--json", broken]) == 1

    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["status"] for each in told] == ["not yet", "broken"]
    assert "F9" in told[1]["problem"]


def test_a_report_keeps_everything_and_can_be_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "report"
    assert cli.main(["run", scenario(tmp_path, "good"), "--report", str(folder)]) == 0

    assert {path.name for path in folder.iterdir()} >= {"outcomes.json", "index.html", "junit.xml"}
    assert (folder / "cases" / "good" / "F1.cfg").is_file()
    page = folder / "index.html"
    page.unlink()

    assert cli.main(["report", str(folder)]) == 0
    assert page.is_file()
    assert str(page) in capsys.readouterr().out
    assert cli.main(["report", str(tmp_path / "none")]) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "no-such-thing"], "no-such-thing: no such scenario"),
        (["run", "quiet*", "--dut", "none"], "--dut none: is no executable file"),
        (["run", "quiet*", "--dut", "firmware"], "--dut firmware: comes with part G"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2

    captured = capsys.readouterr()
    assert captured.err.startswith("ftu-hil: ")
    assert told in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_wrong_file_is_told_with_all_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('name = "wrong"\ntitel = "x"\n')

    assert cli.main(["run", str(path)]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 4
    assert all(line.startswith(f"ftu-hil: {path}: ") for line in lines)


@pytest.mark.parametrize("verb", ["list", "run", "score", "fleet", "report"])
def test_the_help_of_every_verb_has_an_example(verb: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "hil", verb, "--help"], capture_output=True, text=True, check=True
    )

    assert f"Example: ftu-hil {verb}" in shown.stdout
