"""The command as a person meets it: help, exit status, one clear line."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

VERBS = ("run", "demo", "check", "replay", "listen", "journal", "record", "settings")
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
section = "s1"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
"""


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "agent", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_help_names_every_verb_and_no_other() -> None:
    done = command("--help")
    assert done.returncode == 0
    told = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ")]
    assert [word for word in told if word in VERBS] == list(VERBS)
    assert "console" not in told  # comes with a later part


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    done = command(verb, "--help")
    assert done.returncode == 0
    assert f"Example: ftu-agent {verb}" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("settings",),
        ("settings", "show"),
        ("settings", "show", "--site", "nowhere.toml"),
        ("settings", "colour"),
        ("settings", "confirm"),
        ("settings", "try"),
        ("record",),
        ("record", "show", "1"),
        ("record", "plot", "1", "--site", "nowhere.toml", "--width", "7"),
        ("run",),
        ("run", "--site", "nowhere.toml"),
        ("check", "--site", "/"),
        ("replay", "nowhere"),
        ("replay", ".", "--bay", "x"),
        ("replay", ".", "--channels", "ia:IA"),
        ("listen", "--broker", "http://x"),
        ("demo", "--seconds", "-1"),
        ("journal", "verify", "nowhere"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_status_2_and_no_traceback(words: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    # `check` answers what is wrong with a file, which is its result.
    assert done.returncode == (1 if words[:1] == ("check",) else 2)
    assert (done.stderr + done.stdout).strip()
    assert "Traceback" not in done.stderr


def test_check_tells_everything_at_once(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE.replace("rating_amps = 400", "rating_amps = -1\ncolour = 3"))
    done = command("check", "--site", site)
    assert done.returncode == 1
    assert "rating_amps = -1" in done.stdout
    assert "colour" in done.stdout


def test_check_finds_what_only_building_shows(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    (tmp_path / "plan.toml").write_text('[[plan]]\nid = "P1"\nphone = "1"\n')
    site.write_text(SITE + '[outage]\nplans = ["plan.toml"]\n')
    done = command("check", "--site", site)
    assert done.returncode == 1
    assert "phone" in done.stdout
    assert "section" in done.stdout


def test_check_tells_what_is_wrong_with_a_serial_line(tmp_path: Path) -> None:
    lines = Path("examples/modbus-rtu.toml").read_text()
    site = tmp_path / "site.toml"
    site.write_text(lines.replace("baud = 9600", "baud = 9601").replace('"even"', '"mark"'))
    done = command("check", "--site", site)
    assert done.returncode == 1
    assert "baud = 9601: unknown; expected one of 1200, 2400, 4800, 9600" in done.stdout
    assert "parity = 'mark': unknown; expected one of even, odd, none" in done.stdout
    site.write_text(lines.replace("unit = 2", "unit = 1"))
    done = command("check", "--site", site)
    assert done.returncode == 1
    assert "sensor outgoing: unit 1 stands twice; expected each unit once" in done.stdout


def test_check_of_a_good_file_says_so(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    done = command("check", "--site", site)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing wrong" in done.stdout


@pytest.mark.parametrize("example", sorted(Path("examples").glob("*.toml")), ids=lambda p: p.name)
def test_the_examples_that_are_site_files_are_right(example: Path) -> None:
    if "device" in tomllib.loads(example.read_text()):
        done = command("check", "--site", example)
        assert done.returncode == 0, done.stdout
