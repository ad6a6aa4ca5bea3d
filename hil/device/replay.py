"""What a device decides about saved cases: its own `replay`, over each terminal's record, with a
site file of that terminal's bay.

A start of the command costs more than a record, so that the records of one terminal of many cases
go through it together.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hil.case import Case
from hil.device.agent import AGENT
from hil.device.site import for_replay
from hil.errors import BenchError
from hil.plant import lines

Told = dict[str, Any]
Events = dict[str, list[Told]]  # terminal -> what was told about it, in order

RECORD_S = 30.0  # longer than any record takes on the smallest machine that runs the rig
_STEM = re.compile(r"case(\d+)")


def command(dut: str) -> tuple[str, ...]:
    """The command of `--dut`: "agent", or an executable that takes the words of `ftu-agent`.

    Raises: BenchError.
    """
    if dut == "agent":
        return AGENT
    if dut == "firmware":
        raise BenchError("--dut firmware", "comes with part G", "agent, or an executable file")
    path = Path(dut)
    if not path.is_file() or not os.access(path, os.X_OK):
        raise BenchError(f"--dut {dut}", "is no executable file", "agent, firmware, or one")
    return (str(path.resolve()),)


def replay(
    folders: Sequence[Path], command: Sequence[str] = AGENT, *, workers: int | None = None
) -> list[Events]:
    """The events of every saved case (`Case.save`), in the order of `folders`.

    An event is the object of its line; `record` is the terminal's name. A terminal about which
    nothing was told has an empty list.
    Raises: CaseError; BenchError when the command fails, cannot read a record, or says what is no
        event.
    """
    groups: dict[str, list[tuple[int, Path]]] = {}
    found: list[Events] = []
    for number, folder in enumerate(folders):
        case = Case.load(folder)
        recordings = case.recordings
        found.append({name: [] for name in recordings})
        for name, recording in recordings.items():
            site = for_replay(
                recording, lines.behind(case, name) if lines.asked(case, name) else ()
            )
            groups.setdefault(site, []).append((number, folder / f"{name}.cfg"))
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for told in pool.map(lambda group: _grouped(command, *group), groups.items()):
            for number, terminal, event in told:
                found[number][terminal].append(event)
    return found


def _grouped(
    command: Sequence[str], site: str, records: Sequence[tuple[int, Path]]
) -> list[tuple[int, str, Told]]:
    """(number of the case, terminal, event) of the records of one terminal."""
    with tempfile.TemporaryDirectory(prefix="ftu-hil-") as name:
        folder = Path(name)
        (folder / "site.toml").write_text(site)
        for number, header in records:
            for path in (header, header.with_suffix(".dat")):
                (folder / f"case{number}{path.suffix}").symlink_to(path.resolve())
        terminal = records[0][1].stem
        lines = _said(command, folder, len(records), terminal)
        return [_event(line, terminal) for line in lines]


def _said(command: Sequence[str], folder: Path, count: int, terminal: str) -> list[str]:
    asked = ["replay", str(folder), "--site", str(folder / "site.toml"), "--json"]
    limit_s = RECORD_S * (count + 1)
    where = f"replay of terminal {terminal}"
    done = ran([*command, *asked], where, limit_s)
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["it said nothing"]
        raise BenchError(where, f"ended with status {done.returncode}: {words[-1]}")
    return done.stdout.splitlines()


def ran(words: Sequence[str], where: str, limit_s: float) -> subprocess.CompletedProcess[str]:
    """A command of the device's that has ended, somehow. where: for the error's line.

    Raises: BenchError when it cannot be run, or does not end.
    """
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=limit_s, check=False)
    except OSError as error:
        raise BenchError(words[0], f"cannot be run ({error.strerror})", "the device") from error
    except subprocess.TimeoutExpired as error:
        raise BenchError(where, f"did not end within {limit_s:g} s") from error


def event(line: str, where: str) -> Told:
    """An event of `replay --json`, with its record, name and time. Raises: BenchError."""
    try:
        told: Told = json.loads(line)
        _ = str(told["record"]), str(told["event"]), float(told["t"])
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(where, f"said {line[:80]!r}", "one JSON event a line") from error
    return told


def _event(line: str, terminal: str) -> tuple[int, str, Told]:
    where = f"replay of terminal {terminal}"
    told = event(line, where)
    stem = _STEM.fullmatch(str(told["record"]))
    if stem is None:
        raise BenchError(where, f"speaks of record {told['record']!r}", "one that it was given")
    return int(stem[1]), terminal, {**told, "record": terminal}
