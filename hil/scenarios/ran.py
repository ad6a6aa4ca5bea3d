"""What runs, and what running gave, before the judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hil.device.agent import AGENT
from hil.scenarios.came import Came
from hil.verdict import Check, Latency, Moment


@dataclass(frozen=True, slots=True)
class Dut:
    """The device under test. command: takes the words of `ftu-agent`."""

    command: Sequence[str] = AGENT


@dataclass(frozen=True, slots=True)
class Run:
    """What running gave, before the judgement."""

    came: Came
    checks: Sequence[Check] = ()
    timeline: Sequence[Moment] = ()
    latencies: Sequence[Latency] = ()
    events: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    jitter_ms: float | None = None


def decisions(events: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Moment]:
    """Each event that has a time, as a moment of the timeline."""
    moments = []
    for name, told in events.items():
        for event in told:
            if isinstance(event.get("t"), int | float):
                words = [event["event"], event.get("kind"), event.get("direction")]
                text = " ".join(str(word) for word in words if word)
                alarm = ", alarm" if event.get("alarm") else ""
                t_s = float(event["t"])
                moments.append(Moment(t_s, "decision", name, text + alarm, event=event))
    return moments
