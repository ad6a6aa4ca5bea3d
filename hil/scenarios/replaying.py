"""The shortest way to a verdict: the device's own `replay` over the records of a case.

No broker, no clock, no instrument: what detection says of these samples, as fast as it can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hil.case import Bay, Case, Recording
from hil.device import site
from hil.device.replay import event, ran
from hil.errors import BenchError
from hil.scenarios.cast import judged
from hil.scenarios.scenario import Scenario

_PATIENCE_S = 300.0  # a case of seconds takes less than one; a loaded machine may take longer


@dataclass(frozen=True, slots=True)
class Replayed:
    """Events of each terminal, times in seconds of its recording; what was said on stderr."""

    events: Mapping[str, Sequence[Mapping[str, Any]]]
    said: str
    crashed: bool


def replay(scenario: Scenario, case: Case, folder: Path, command: Sequence[str]) -> Replayed:
    """Play the case, which stands saved in `folder`, into `command`, the device's `ftu-agent`.

    Raises: BenchError when the device does not take what the rig wrote.
    """
    events: dict[str, list[Mapping[str, Any]]] = {}
    said = []
    crashed = False
    for number, recordings in enumerate(_alike(scenario, case), 1):
        words = _words(scenario, recordings, folder, f"bay-{number}", command)
        done = ran(words, f"{command[0]} replay", _PATIENCE_S)
        crashed = crashed or "Traceback" in done.stderr or done.returncode < 0
        if done.returncode and not crashed:
            line = next(iter(done.stderr.strip().splitlines()[-1:]), "no word")
            what = f"status {done.returncode}: {line}"
            raise BenchError(f"{command[0]} replay", what, "the rig's records to be taken")
        said.append(done.stderr)
        for recording in recordings:
            events[recording.terminal] = []
        for line in done.stdout.splitlines():
            told = event(line, f"{command[0]} replay")
            events.setdefault(told["record"], []).append(told)
    return Replayed(events, "".join(said), crashed)


def _alike(scenario: Scenario, case: Case) -> list[list[Recording]]:
    """The recordings whose bays differ by nothing but the section: one call serves them all."""
    groups: dict[tuple[Bay, int, tuple[str, ...]], list[Recording]] = {}
    for name in judged(scenario, case):
        recording = case.recordings[name]
        bay = replace(recording.bay, section="")
        traces = tuple(trace.name for trace in recording.traces)
        groups.setdefault((bay, recording.nominal_hz, traces), []).append(recording)
    return list(groups.values())


def _words(
    scenario: Scenario,
    recordings: Sequence[Recording],
    folder: Path,
    bay: str,
    command: Sequence[str],
) -> list[str]:
    path = folder / f"{bay}.toml"
    path.write_text(_bay(bay, recordings[0], scenario.unwired))
    words = [*command, "replay", *(str(folder / f"{r.terminal}.cfg") for r in recordings)]
    words += ["--site", str(path), "--json"]
    if scenario.settings:
        sheet = folder / f"{bay}-settings.toml"
        sheet.write_text(f"[{bay}]\n{scenario.settings}\n")
        words += ["--settings", str(sheet)]
    return words


def _bay(name: str, recording: Recording, unwired: Iterable[str]) -> str:
    """The site file of a replay: the terminal's [[bay]], its channels by their plain names."""
    channels = site.wired(recording, set(unwired))
    return site.bay(name, recording.bay, recording.nominal_hz, channels)
