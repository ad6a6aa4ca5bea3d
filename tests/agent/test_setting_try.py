"""`settings try` over a library of stored records."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.sensors.simulated import Happening
from agent.setting_try import Progress
from tests.agent.stories import GOLDEN, cut, simulated, stored, told, wired
from tests.agent.test_setting_book import Terminal

SITE = """
[site]
name = "hebin"
[device]
id = "ftu-7"
data_dir = "data"
[[sensor]]
name = "wire"
driver = "simulated"
[[bay]]
name = "head"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    script = [
        Happening("fault", 0.8, 0.5, kind="BC", amps=1500.0),
        Happening("fault", 3.0, 0.1, kind="ABC", amps=6000.0),
    ]
    layout, samples = simulated(*script, seconds=5.0)
    _, stories = told(cut(layout, samples, [20]), wired(layout))
    stored(folder / "records", stories)
    return folder


@pytest.fixture
def terminal(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    made = Terminal(tmp_path, capsys)
    made.site.write_text(SITE)
    shutil.copytree(library / "records", tmp_path / "data" / "records")
    return made


def test_a_sheet_that_changes_nothing_says_so(terminal: Terminal) -> None:
    for text in ("", "[head]\nlive_hold_ms = 110\n"):
        sheet = terminal.sheet(text)
        assert terminal.settings("try", sheet) == "2 records, none with another verdict\n"


def test_what_would_not_be_seen_any_more_is_told(terminal: Terminal) -> None:
    sheet = terminal.sheet("[head]\nphase_pickup_amps = 2500\nnegative_start_amps = 2500\n")
    head, *rows, end = terminal.settings("try", sheet, status=1).splitlines()
    assert head.split() == ["record", "bay", "in", "force", "proposed"]
    (gone,) = (row for row in rows if " fault " in row)
    assert gone.split()[0].startswith("000001-")
    assert "ALARM fault BC" in gone
    assert gone.rstrip().endswith(" -")
    assert end == "2 records, 1 with another verdict"


def test_what_would_operate_sooner_is_told_with_both_times(terminal: Terminal) -> None:
    sheet = terminal.sheet("[head]\nphase_delay_ms = 100\n")
    text = terminal.settings("try", sheet, status=1)
    (row,) = (row for row in text.splitlines() if "operate" in row and "000001-" in row)
    before, after = (float(part.split(" s")[0]) for part in row.split(" at ")[1:])
    assert before - after == pytest.approx(0.2, abs=0.005)


def test_it_is_held_against_what_is_in_force_not_against_the_defaults(terminal: Terminal) -> None:
    terminal.commit(2500.0)
    sheet = terminal.sheet("[head]\nphase_pickup_amps = 2500\n", "same.toml")
    assert terminal.settings("try", sheet) == "2 records, none with another verdict\n"
    text = terminal.settings("try", terminal.sheet(""), status=1)
    assert " - " in text
    assert "ALARM fault BC" in text


def test_records_of_other_devices_are_tried_too(terminal: Terminal) -> None:
    sheet = terminal.sheet("[head]\nphase_pickup_amps = 20000\n")
    text = terminal.settings("try", sheet, GOLDEN / "short-bc" / "F1-head.cfg", status=1)
    assert "F1-head" in text
    assert "3 records, 3 with another verdict" in text


def test_a_damaged_record_is_told_and_the_others_are_tried(terminal: Terminal) -> None:
    first = min((terminal.folder / "data" / "records").iterdir())
    first.write_bytes(first.read_bytes()[:900])
    text = terminal.settings("try", terminal.sheet("[head]\nphase_delay_ms = 100\n"), status=1)
    assert "2 records" in text
    assert first.name in terminal.told


def test_progress_is_told_from_two_seconds_on(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 0.5, 1.9, 2.1, 12.0, 12.2])
    progress = Progress(10, lambda: next(times))
    for done in range(5):
        progress.at(done)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "ftu-agent: 2 of 10 records",
        "ftu-agent: 4 of 10 records",
    ]
