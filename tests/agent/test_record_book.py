"""The verb `record` as people use it, over records that the real writer wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agent import terminal_plot
from agent.cli import main
from agent.record_replay import again, cases, load
from agent.sensors import comtrade
from agent.sensors.simulated import Happening
from tests.agent.stories import bare, cut, simulated, stored, told, wired

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


class Terminal:
    """A site with two records, and the command."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.site = folder / "site.toml"
        self.site.write_text(SITE)
        self.told = ""

    def record(self, *words: object, status: int = 0) -> str:
        """What the verb prints; `status` is what it ends with."""
        self._capsys.readouterr()
        ended = main(["record", *map(str, words), "--site", str(self.site)])
        printed = self._capsys.readouterr()
        self.told = printed.err
        assert ended == status, printed
        assert "Traceback" not in printed.err
        return printed.out

    def paths(self) -> list[Path]:
        return sorted((self.folder / "data" / "records").glob("*.cff"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    script = Happening("fault", 0.8, 0.1, kind="BC"), Happening("outage", 2.2, 1.0)
    layout, samples = simulated(*script, seconds=4.0)
    _, stories = told(cut(layout, samples, [20]), wired(layout))
    stored(folder / "data" / "records", stories)
    return folder


@pytest.fixture
def terminal(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    shutil.copytree(library / "data", tmp_path / "data")
    return Terminal(tmp_path, capsys)


def test_list_tells_when_where_and_what(terminal: Terminal) -> None:
    first, second = terminal.record("list").splitlines()[1:]
    assert first.split()[0] == terminal.paths()[0].stem
    assert first.split()[3:] == ["head", "fault", "BC", "forward", "ALARM", first.split()[-1]]
    assert "voltage_loss" in second
    rows = [json.loads(line) for line in terminal.record("list", "--json").splitlines()]
    assert [row["event"] for row in rows] == ["fault", "voltage_loss"]
    assert rows[0]["bytes"] == terminal.paths()[0].stat().st_size
    assert rows[0]["keys"][0] == "a:1"


def test_show_tells_the_why_in_words(terminal: Terminal) -> None:
    text = terminal.record("show", 1)
    assert "ALARM FAULT, bay head, BC" in text
    assert "phase pickup amps                880" in text
    assert "by gnss, error up to 1e-06 s" in text
    assert "decided on again: the same to the last bit" in text
    (first, *_) = (json.loads(line) for line in terminal.record("show", 1, "--json").splitlines())
    assert (first["event"], first["why"]["phase_pickup_amps"]) == ("fault", 880.0)


def test_show_says_where_a_record_is_not_decided_alike(terminal: Terminal) -> None:
    path = terminal.paths()[0]
    path.write_bytes(
        path.read_bytes().replace(b'"phase_pickup_amps":880.0', b'"phase_pickup_amps":8e4')
    )
    text = terminal.record("show", 1, status=1)
    assert "NOT the same" in text
    assert "bay head: ALARM fault BC" in text


@pytest.mark.parametrize(("revision", "extension"), [("1999", ".cfg"), ("2013", ".cff")])
def test_an_export_is_the_same_record(
    terminal: Terminal, revision: str, extension: str, tmp_path: Path
) -> None:
    printed = terminal.record("export", 1, "--as", revision, "--to", tmp_path / "out")
    assert len(printed.splitlines()) == (4 if revision == "1999" else 1)
    (path,) = (tmp_path / "out").glob(f"*{extension}")
    before, after = load(terminal.paths()[0]), load(path)
    assert after[0].revision == int(revision)
    assert (after[0].counts == before[0].counts).all()
    assert bare(again(*after)) == bare(before[1].told)
    assert after[0].clock.locked == (True if revision == "2013" else None)
    assert after[0].trigger_us == before[1].told[0].t_us


def test_counts_beyond_16_bits_are_exported_exactly(tmp_path: Path) -> None:
    layout, samples = simulated(Happening("fault", 0.8, 0.1), seconds=1.6)
    _, stories = told(cut(layout, 16 * samples, [20]), wired(layout))
    stored(tmp_path / "data" / "records", stories)
    (tmp_path / "site.toml").write_text(SITE)
    words = ["record", "export", "1", "--as", "1999", "--to", str(tmp_path), "--site"]
    assert main([*words, str(tmp_path / "site.toml")]) == 0
    (path,) = tmp_path.glob("*.cfg")
    assert "ASCII" in path.read_text().splitlines()
    (single,) = (tmp_path / "data" / "records").glob("*.cff")
    assert (comtrade.read(path).counts == comtrade.read(single).counts).all()


def test_a_picture_in_the_terminal_keeps_its_width_and_shows_the_events(terminal: Terminal) -> None:
    lines = terminal.record("plot", 1).splitlines()
    assert max(map(len, lines)) <= 80
    assert "phase currents" in lines[0]
    assert any("0.4" in line and "fault BC" in line for line in lines)
    (case,) = cases(*load(terminal.paths()[0]))
    assert max(map(len, terminal_plot.picture(case, [], 120).splitlines())) > 100


def test_a_peak_shows_in_the_picture_however_short_it_is() -> None:
    import numpy as np

    t = np.arange(100_000) / 1e5
    wave = np.zeros(100_000)
    wave[50_000] = 1.0
    top, *_, bottom = terminal_plot.cells(t, wave, (0.0, 1.0), 70, 4)
    assert [k for k, dot in enumerate(top) if dot != "⠀"] == [35]
    assert set(bottom) == {"⠀"}


def test_a_picture_file_is_drawn_where_asked(terminal: Terminal, tmp_path: Path) -> None:
    terminal.record("plot", 2, "--to", tmp_path / "out")
    (picture,) = (tmp_path / "out").iterdir()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_replay_of_a_record_needs_no_site_file(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(terminal.paths()[0].parent), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told_then = [event for path in terminal.paths() for event in load(path)[1].told]
    assert [line["why"] for line in lines] == [dict(event.why) for event in told_then]
    assert {line["bay"] for line in lines} == {"head"}


def test_what_is_not_there_or_damaged_is_one_clear_line(terminal: Terminal, tmp_path: Path) -> None:
    terminal.record("show", 9, status=2)
    assert "no record '9'" in terminal.told
    terminal.record("export", 1, "--to", "/proc/nowhere", status=2)
    assert "--to" in terminal.told
    terminal.paths()[0].write_bytes(b"nothing")
    text = terminal.record("list", status=1)
    assert "voltage_loss" in text
    assert "has no notes of a terminal" in terminal.told
    terminal.record("plot", 1, status=2)
    shutil.rmtree(terminal.paths()[0].parent)
    assert terminal.record("list") == ""
    assert "no record yet" in terminal.told
