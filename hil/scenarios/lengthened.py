"""A replay of many plays: one long record of each terminal, with a steady stretch between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hil.case import Case
from hil.plant.compose import Played, Reel, Steady
from hil.scenarios.scenario import Play


def lengthened(case: Case, play: Play) -> Case:
    """The case played so often; its truth is that of the first play. Raises: PlantError."""
    if play.times == 1:
        return case
    recordings = {}
    for name, recording in case.recordings.items():
        between = Steady(max(0.0, play.every_s - recording.seconds), play.load)
        pieces: list[Played | Steady] = [Played(case)]
        for _ in range(play.times - 1):
            pieces += [between, Played(case)]
        reel = Reel(pieces, name)
        recordings[name] = reel.recording(0.0, reel.length / recording.rate_hz)
    return replace(case, recordings=recordings)


def by_play(
    case: Case, play: Play, events: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[dict[str, list[Mapping[str, Any]]]]:
    """The events of each play, times in seconds of its own."""
    plays: list[dict[str, list[Mapping[str, Any]]]] = [
        {name: [] for name in events} for _ in range(play.times)
    ]
    for name, told in events.items():
        period_s = _period_s(case, name, play)
        for event in told:
            number = min(int(float(event["t"]) / period_s), play.times - 1)
            plays[number][name].append(_earlier(event, number * period_s))
    return plays


def _period_s(case: Case, name: str, play: Play) -> float:
    """From one play's first sample to the next one's: whole cycles, as a reel is laid."""
    recording = case.recordings[name]
    cycle = recording.rate_hz // recording.nominal_hz
    played = recording.length // cycle
    between = round(max(0.0, play.every_s - recording.seconds) * recording.nominal_hz)
    return (played + between) / recording.nominal_hz


def _earlier(event: Mapping[str, Any], by_s: float) -> dict[str, Any]:
    times = {key: event[key] - by_s for key in ("t", "onset") if key in event}
    return {**event, **times}
