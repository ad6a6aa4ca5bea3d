"""The verb `settings` as an engineer uses it, over a real store."""

from __future__ import annotations

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.detect.settings import KEYS
from agent.replay import prepare
from agent.store.documents import MOST_VERSIONS, Documents

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
channels = { ia = "wire.ia", ib = "wire.ib", ic = "wire.ic" }
[[bay]]
name = "tail"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 200
channels = { i0 = "wire.i0" }
"""
BY = ("--author", "ops-2", "--reason", "study 14")


class Terminal:
    """A site file, its store, and the command."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.site = folder / "site.toml"
        self.site.write_text(SITE)
        self.store = Documents(folder / "data", "settings")

    def settings(self, *words: object, status: int = 0) -> str:
        """What the verb prints; `status` is what it ends with."""
        self._capsys.readouterr()
        ended = main(["settings", *map(str, words), "--site", str(self.site)])
        printed = self._capsys.readouterr()
        self.told = printed.err
        assert ended == status, printed
        assert "Traceback" not in printed.err
        return printed.out

    def sheet(self, text: str, name: str = "sheet.toml") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def commit(self, amps: float, *words: object, status: int = 0) -> str:
        sheet = self.sheet(f"[head]\nphase_pickup_amps = {amps}\n")
        return self.settings("commit", sheet, *BY, *words, status=status)

    def numbers(self) -> list[int]:
        return [version.number for version in self.store.history().versions]


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(tmp_path, capsys)


def shown(terminal: Terminal, *words: str, status: int = 0) -> Any:
    return json.loads(terminal.settings("show", "--json", *words, status=status))


# --- show ---


def test_before_the_first_commit_every_key_is_a_default_with_formula_and_reason(
    terminal: Terminal,
) -> None:
    told = shown(terminal)
    assert (told["version"], list(told["bays"])) == (0, ["head", "tail"])
    assert list(told["bays"]["head"]) == list(KEYS)
    assert told["bays"]["tail"]["phase_pickup_amps"] == {
        "value": 440.0,
        "unit": "A",
        "from": "default",
        "default": 440.0,
        "formula": "2.2 x rating_amps",
        "why": KEYS["phase_pickup_amps"].reason,
    }
    text = terminal.settings("show", "--bay", "tail")
    assert "440.0 A" in text
    assert "default: 2.2 x rating_amps; motor restart" in text
    assert "head" not in text
    assert not terminal.store.path.parent.exists()  # looking leaves no trace


def test_a_value_comes_from_the_version_that_brought_it(terminal: Terminal) -> None:
    terminal.commit(900)
    sheet = terminal.sheet("[head]\nphase_pickup_amps = 900\nphase_delay_ms = 200\n")
    terminal.settings("commit", sheet, "--author", "shift-B", "--reason", "faster")
    told = shown(terminal)
    assert (told["version"], told["author"], told["parent"]) == (2, "shift-B", 1)
    pickup, delay = (told["bays"]["head"][key] for key in ("phase_pickup_amps", "phase_delay_ms"))
    assert (pickup["value"], pickup["from"], pickup["version"]) == (900.0, "version", 1)
    assert (pickup["author"], pickup["reason"]) == ("ops-2", "study 14")
    assert (delay["value"], delay["version"], delay["author"]) == (200.0, 2, "shift-B")
    text = terminal.settings("show")
    assert "version 1, ops-2: study 14; default 880.0 A" in text
    assert "version 2, shift-B: faster; default 300.0 ms" in text
    lines = [line.split(" at ")[0] for line in text.partition("\nversions\n")[2].splitlines()]
    assert [line.split(", hash")[0] for line in lines] == ["  version 2", "  version 1"]
    assert [line.split("made from ")[1] for line in lines] == ["1 by shift-B", "0 by ops-2"]
    assert [each["version"] for each in told["versions"]] == [1, 2]
    assert "version" not in terminal.settings("show", "--defaults")


def test_a_value_that_came_back_is_of_the_version_that_brought_it_back(terminal: Terminal) -> None:
    for amps in (900, 950, 900):
        terminal.commit(amps)
    assert shown(terminal)["bays"]["head"]["phase_pickup_amps"]["version"] == 3


def test_damage_is_told_with_status_1(terminal: Terminal) -> None:
    terminal.commit(900)
    terminal.commit(950)
    terminal.store.path.write_text("{}")
    assert shown(terminal, status=1)["version"] == 1
    assert "was not written by the agent" in terminal.told


def test_a_version_that_no_longer_fits_the_site_is_told_with_status_1(terminal: Terminal) -> None:
    terminal.commit(900)
    terminal.site.write_text(SITE.replace('"head"', '"front"'))
    told = shown(terminal, status=1)
    assert "[head]: no such bay" in terminal.told
    assert "guard starts with the defaults" in terminal.told
    assert told["bays"]["front"]["phase_pickup_amps"]["value"] == 880.0
    # And it can be mended: a new sheet does not have to fit what was there.
    terminal.settings("commit", terminal.sheet("[front]\nphase_pickup_amps = 901\n"), *BY)
    assert shown(terminal)["bays"]["front"]["phase_pickup_amps"]["value"] == 901.0


def test_check_tells_before_a_restart_that_the_settings_will_not_fit(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.commit(900)
    assert main(["check", "--site", str(terminal.site)]) == 0
    terminal.site.write_text(SITE.replace('"head"', '"front"'))
    capsys.readouterr()
    assert main(["check", "--site", str(terminal.site)]) == 1
    assert f"{terminal.store.path} version 1: [head]: no such bay" in capsys.readouterr().out
    terminal.site.write_text(SITE)
    terminal.store.path.write_text("{}")
    assert main(["check", "--site", str(terminal.site)]) == 1
    assert "was not written by the agent" in capsys.readouterr().out


# --- lint: seeded mistakes, each told with file, key, value and what was expected ---

MISTAKES = {
    "no-such-bay": ("[hed]\nphase_pickup_amps = 900", "[hed]: no such bay, did you mean head"),
    "no-such-key": ("[head]\nphase_pikup_amps = 900", "phase_pikup_amps = 900: unknown key"),
    "text-for-a-number": ('[head]\nphase_pickup_amps = "900"', "not a number"),
    "true-for-a-number": ("[head]\nphase_pickup_amps = true", "= true: not a number"),
    "list-for-a-number": ("[head]\nphase_pickup_amps = [900]", "not a number"),
    "zero-pickup": ("[head]\nphase_pickup_amps = 0", "out of range"),
    "negative-pickup": ("[head]\nresidual_pickup_amps = -5", "= -5: out of range"),
    "infinite-pickup": ("[head]\nphase_pickup_amps = inf", "out of range"),
    "nan-pickup": ("[head]\nphase_pickup_amps = nan", "out of range"),
    "milliamperes": ("[head]\nphase_pickup_amps = 9000000", "out of range"),
    "negative-delay": ("[head]\nphase_delay_ms = -1", "out of range"),
    "delay-in-microseconds": ("[head]\nphase_delay_ms = 3000000", "out of range"),
    "percent-for-a-share": ("[head]\nundervoltage_share = 85", "out of range"),
    "undervoltage-above-nominal": ("[head]\nundervoltage_share = 1.2", "out of range"),
    "overvoltage-below-nominal": ("[head]\novervoltage_share = 0.9", "out of range"),
    "unknown-curve": ('[head]\nphase_inverse_curve = "IEC"', "one of A, B, C"),
    "number-for-a-curve": ("[head]\nphase_inverse_curve = 1", "one of A, B, C"),
    "unknown-reset": ('[head]\nphase_inverse_reset = "disc"', "one of instantaneous"),
    "zero-multiplier": ("[head]\nphase_inverse_multiplier = 0", "out of range"),
    "51-above-50": ("[head]\nphase_inverse_pickup_amps = 900", "less than phase_pickup_amps"),
    "50-below-51": ("[tail]\nresidual_pickup_amps = 39", "less than residual_pickup_amps"),
    "50-slower-than-51": (
        '[head]\nphase_inverse_curve = "definite"\nphase_delay_ms = 1500',
        "less than phase_inverse_delay_ms",
    ),
    "floor-above-pickup": ("[head]\nchange_floor_amps = 900", "less than phase_pickup_amps"),
    "key-outside-a-bay": ("phase_pickup_amps = 900", "phase_pickup_amps"),
    "twice": ("[head]\nphase_delay_ms = 1\nphase_delay_ms = 2", "not a setting sheet"),
    "torn": ("[head]\nphase_pickup_amps = ", "not a setting sheet"),
}


@pytest.mark.parametrize(("text", "told"), MISTAKES.values(), ids=MISTAKES)
def test_lint_finds_a_mistake_and_commit_refuses_it(
    terminal: Terminal, text: str, told: str
) -> None:
    sheet = terminal.sheet(text)
    (finding,) = terminal.settings("lint", sheet, status=1).splitlines()
    assert finding.startswith(f"{sheet}: ")
    assert told in finding
    assert terminal.settings("commit", sheet, *BY, status=2) == ""
    assert finding in terminal.told
    assert terminal.numbers() == []


def test_lint_finds_all_at_once(terminal: Terminal) -> None:
    sheet = terminal.sheet(
        "[head]\nphase_pickup_amps = -1\ncolour = 1\n[tail]\nphase_delay_ms = -1"
    )
    assert len(terminal.settings("lint", sheet, status=1).splitlines()) == 3


def test_lint_of_a_good_sheet_says_so(terminal: Terminal) -> None:
    sheet = terminal.sheet("[head]\nphase_pickup_amps = 900\nphase_delay_ms = 200\n[tail]\n")
    assert terminal.settings("lint", sheet).endswith("2 keys stated in 1 bays, nothing wrong\n")


# --- diff ---


def test_diff_says_what_changes_and_answers_by_its_status(terminal: Terminal) -> None:
    terminal.commit(900)
    terminal.commit(950)
    sheet = terminal.sheet('[tail]\nphase_inverse_curve = "C"\n[head]\nphase_pickup_amps = 950.0\n')
    cases: list[tuple[tuple[object, ...], list[str]]] = [
        ((), ["head phase_pickup_amps: 880.0 A (default) -> 950.0 A"]),
        ((1,), ["head phase_pickup_amps: 900.0 A -> 950.0 A"]),
        ((2, 1), ["head phase_pickup_amps: 950.0 A -> 900.0 A"]),
        ((2, 0), ["head phase_pickup_amps: 950.0 A -> 880.0 A (default)"]),
        (("active", sheet), ['tail phase_inverse_curve: "B" (default) -> "C"']),
        (("active", 2), []),
        (("defaults", 0), []),
    ]
    for words, lines in cases:
        told = terminal.settings("diff", *words, status=1 if lines else 0)
        assert told.splitlines() == lines, words


# --- commit ---


def test_a_commit_says_what_it_changed_and_keeps_what_was(terminal: Terminal) -> None:
    told = terminal.commit(900).splitlines()
    assert told[0] == "head phase_pickup_amps: 880.0 A (default) -> 900.0 A"
    assert told[1].startswith("version 1, hash ")
    terminal.commit(950)
    assert terminal.numbers() == [1, 2]
    assert "nothing to change" in terminal.commit(950)
    assert terminal.numbers() == [1, 2]


def test_an_edited_export_is_committed_only_over_the_version_it_came_from(
    terminal: Terminal,
) -> None:
    terminal.commit(900)
    mine, theirs = (terminal.folder / name for name in ("mine.toml", "theirs.toml"))
    for sheet, amps in ((mine, "910"), (theirs, "920")):
        terminal.settings("export", "--output", sheet)
        sheet.write_text(sheet.read_text().replace("900.0", amps))
    terminal.settings("commit", theirs, *BY)
    terminal.settings("commit", mine, *BY, status=2)
    assert "the change was made from version 1, but 2 rules now" in terminal.told
    assert terminal.numbers() == [1, 2]
    terminal.settings("commit", mine, *BY, "--from", 2)
    assert terminal.numbers() == [1, 2, 3]
    terminal.commit(930, "--from", 1, status=2)
    assert terminal.numbers() == [1, 2, 3]


def test_an_export_of_another_terminal_is_not_taken_for_an_edit_of_ours(
    terminal: Terminal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    other = Terminal(tmp_path / "other", capsys)
    other.commit(777)
    terminal.commit(900)
    sheet = tmp_path / "export.toml"
    other.settings("export", "--output", sheet)
    terminal.settings("commit", sheet, *BY, status=2)
    assert "of another terminal" in terminal.told
    terminal.settings("import", sheet)  # as it is, it may be brought over
    assert shown(terminal)["bays"]["head"]["phase_pickup_amps"]["value"] == 777.0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--author", "Zhang San", "--reason", "x"), "no personal name"),
        (("--author", "ops", "--reason", ""), "one line of 1 to"),
        (("--author", "ops"), "--reason"),
        (("--reason", "x"), "--author"),
        ((*BY, "--from", "x"), "number of a version"),
    ],
)
def test_a_commit_without_its_words_is_wrong_use(
    terminal: Terminal, words: tuple[str, ...], told: str
) -> None:
    sheet = terminal.sheet("[head]\nphase_pickup_amps = 900\n")
    terminal.settings("commit", sheet, *words, status=2)
    assert told in terminal.told
    assert terminal.numbers() == []


def test_before_a_version_is_pushed_out_an_export_is_recommended(terminal: Terminal) -> None:
    for amps in range(MOST_VERSIONS - 1):
        terminal.store.commit(
            {"head": {"phase_pickup_amps": 600.0 + amps}},
            author="x",
            reason="x",
            made_from=amps,
            at=datetime(2026, 11, 25, tzinfo=UTC),
        )
    terminal.commit(2000)
    assert "may push out version 1: `settings export 1` keeps it" in terminal.told
    terminal.commit(2001)
    assert terminal.numbers() == list(range(2, MOST_VERSIONS + 2))


# --- rollback ---


def test_a_rollback_is_a_new_version_and_history_stays(terminal: Terminal) -> None:
    for amps in (900, 950, 990):
        terminal.commit(amps)
    before = terminal.store.history().versions
    terminal.settings("rollback", 1, "--author", "shift-B", "--reason", "motor start")
    history = terminal.store.history()
    assert history.versions[:3] == before
    active = history.versions[3]
    assert (active.number, active.parent, active.author) == (4, 3, "shift-B")
    assert active.content == before[0].content
    terminal.settings("rollback", *BY)  # what version 4 was made from
    assert terminal.store.history().versions[4].content == before[2].content
    terminal.settings("rollback", 0, *BY)
    assert terminal.store.history().versions[5].content == {}
    assert terminal.settings("diff") == ""


@pytest.mark.parametrize(
    ("commits", "words", "told"),
    [
        (0, (), "no version yet"),
        (2, (7,), "no version 7; expected one of: 1, 2"),
        (2, ("x",), "number of a version"),
    ],
)
def test_a_rollback_to_nowhere_is_wrong_use(
    terminal: Terminal, commits: int, words: tuple[object, ...], told: str
) -> None:
    for turn in range(commits):
        terminal.commit(900 + turn)
    terminal.settings("rollback", *words, *BY, status=2)
    assert told in terminal.told
    assert len(terminal.numbers()) == commits


def test_a_rollback_to_what_no_longer_fits_the_site_is_refused(terminal: Terminal) -> None:
    terminal.commit(900)
    terminal.settings("rollback", 0, *BY)
    terminal.site.write_text(SITE.replace('"head"', '"front"'))
    terminal.settings("rollback", 1, *BY, status=2)
    assert "settings version 1: [head]: no such bay" in terminal.told
    assert terminal.numbers() == [1, 2]


# --- export and import ---


def test_an_export_can_be_imported_again_with_its_author_and_reason(terminal: Terminal) -> None:
    terminal.commit(900.1)
    terminal.commit(950)
    sheet = terminal.folder / "export.toml"
    terminal.settings("export", 1, "--output", sheet)
    assert terminal.settings("export", 1) == sheet.read_text()
    terminal.settings("import", sheet)
    active = terminal.store.history().active
    assert active is not None
    assert (active.number, active.author, active.reason) == (3, "ops-2", "study 14")
    assert active.digest == terminal.store.history().versions[0].digest
    terminal.commit(970)
    terminal.settings("import", sheet, "--author", "shift-B", "--reason", "restored")
    active = terminal.store.history().active
    assert active is not None
    assert (active.author, active.reason) == ("shift-B", "restored")


def test_an_import_of_a_changed_export_is_refused(terminal: Terminal) -> None:
    terminal.commit(900)
    sheet = terminal.sheet(terminal.settings("export").replace("900.0", "901"))
    terminal.settings("import", sheet, status=2)
    assert "changed since export" in terminal.told
    plain = terminal.sheet("[head]\nphase_pickup_amps = 902\n")
    terminal.settings("import", plain, status=2)
    assert "--author and --reason" in terminal.told
    assert terminal.numbers() == [1]
    terminal.settings("import", plain, *BY)
    assert terminal.numbers() == [1, 2]


def test_an_export_of_the_defaults_is_a_sheet_to_begin_with(terminal: Terminal) -> None:
    sheet = terminal.sheet(terminal.settings("export"))
    assert terminal.settings("export", 0) == sheet.read_text()
    assert terminal.settings("lint", sheet).endswith("0 keys stated in 0 bays, nothing wrong\n")
    sheet.write_text(sheet.read_text().replace("# phase_delay_ms = 300.0", "phase_delay_ms = 250"))
    told = terminal.settings("commit", sheet, *BY).splitlines()
    assert told[:2] == [
        "head phase_delay_ms: 300.0 ms (default) -> 250.0 ms",
        "tail phase_delay_ms: 300.0 ms (default) -> 250.0 ms",
    ]


def test_an_export_that_cannot_be_written_is_one_line(terminal: Terminal) -> None:
    terminal.settings("export", "--output", terminal.folder / "absent/sheet.toml", status=2)
    assert "cannot be written (No such file or directory)" in terminal.told


def test_replay_takes_an_exported_sheet(terminal: Terminal) -> None:
    terminal.commit(900.1)
    sheet = terminal.sheet(terminal.settings("export"))
    asked = prepare(terminal.site, sheet, "head", None)
    assert asked.settings is not None
    assert asked.settings.phase_pickup_amps == 900.1


# --- the rest ---


@pytest.mark.parametrize("word", ["confirm"])
def test_what_comes_later_says_so_and_is_not_listed(
    terminal: Terminal, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.settings(word, "sheet.toml", "--minutes", 5, status=2)
    assert f"`{word}` comes with a later part" in terminal.told
    assert main(["settings", "--help"]) == 0
    assert f"    {word} " not in capsys.readouterr().out


def test_a_read_only_disk_is_one_line(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.commit(900)

    real = os.open

    def read_only(path: Any, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *mode)

    with monkeypatch.context() as patch:
        patch.setattr("agent.store.sealed.os.open", read_only)
        terminal.settings("rollback", 0, *BY, status=2)
        assert "cannot be written (Read-only file system)" in terminal.told
        assert "900.0 A" in terminal.settings("show")
    assert terminal.numbers() == [1]
