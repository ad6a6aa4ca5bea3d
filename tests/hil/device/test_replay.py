"""The device's own replay over saved cases: whose events are whose, and what a bad device is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hil.device import replay
from hil.errors import BenchError
from tests.hil.feeders import case


def script(path: Path, lines: str) -> str:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return str(path)


def saved(folder: Path, *onsets_s: float) -> list[Path]:
    folders = [folder / f"case-{number}" for number in range(len(onsets_s))]
    for path, onset_s in zip(folders, onsets_s, strict=True):
        case(path.name, onset_s=onset_s).save(path)
    return folders


def test_each_terminal_of_each_case_gets_its_own_events(tmp_path: Path) -> None:
    first, second = replay.replay(saved(tmp_path, 0.2, 0.3))
    assert list(first) == list(second) == ["head", "tail"]
    faults = [[e for e in events["head"] if e["event"] == "fault"] for events in (first, second)]
    assert [[e["kind"] for e in each] for each in faults] == [["BC"], ["BC"]]
    onsets = [each[0]["onset"] for each in faults]
    assert onsets == pytest.approx([0.2, 0.3], abs=0.005)
    assert {e["record"] for e in first["head"]} == {"head"}
    assert {e["bay"] for e in first["head"]} == {"head"}
    assert not [e for events in (first, second) for e in events["tail"] if e["alarm"]]


def test_another_executable_is_judged_in_the_agents_place(tmp_path: Path) -> None:
    mute = script(tmp_path / "mute", "exit 0")
    loud = script(tmp_path / "loud", f'exec {sys.executable} -m agent "$@"')
    folders = saved(tmp_path, 0.2)
    assert replay.replay(folders, replay.command(mute)) == [{"head": [], "tail": []}]
    assert replay.replay(folders, replay.command(loud)) == replay.replay(folders)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("echo 'broken: no sense' >&2; exit 1", "ended with status 1: broken: no sense"),
        ("echo nonsense", "said 'nonsense'; expected one JSON event a line"),
        ("echo '{}'", "expected one JSON event a line"),
    ],
)
def test_a_command_that_fails_is_one_clear_line(tmp_path: Path, lines: str, said: str) -> None:
    command = replay.command(script(tmp_path / "bad", lines))
    with pytest.raises(BenchError, match=said) as caught:
        replay.replay(saved(tmp_path, 0.2), command)
    assert "replay of terminal" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("")
    for dut, said in (
        ("firmware", "comes with part G"),
        (str(tmp_path / "text"), "is no executable file"),
        ("nowhere", "is no executable file"),
    ):
        with pytest.raises(BenchError, match=said):
            replay.command(dut)
