"""What runs, and what running gave, before the judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from hil.device.agent import AGENT
from hil.device.replay import command
from hil.errors import BenchError
from hil.scenarios.came import Came
from hil.verdict import Check, Latency, Moment


@dataclass(frozen=True, slots=True)
class Dut:
    """The device under test: a command that takes the words of `ftu-agent`, or a board.

    board: its labgrid environment file; what is replayed needs a command.
    """

    command: Sequence[str] = AGENT
    board: Path | None = None

    @classmethod
    def named(cls, word: str) -> Self:
        """Of `--dut`: "agent", "firmware", a program, or a labgrid environment (.yaml).

        Raises: BenchError.
        """
        if word.endswith((".yaml", ".yml")):
            path = Path(word)
            if not path.is_file():
                raise BenchError(
                    f"--dut {word}", "is no file", "docs/bench-board.md has an example"
                )
            return cls(board=path.resolve())
        return cls(command(word))


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
