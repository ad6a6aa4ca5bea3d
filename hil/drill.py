"""A drill on a running agent: a case becomes an order, its steps are done, its score is printed.

The order is a folder that the agent finds (agent/drill_order.py says what it holds); a step is done
by placing a file. The score is computed twice, from the agent's log and from what a consumer has
received, and has to be the same, byte by byte.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent import drill_score
from agent.errors import UplinkError
from agent.store import cbor
from agent.store.journal import Stored, export
from agent.uplink import topics
from agent.uplink.consumer import Consumer, Received
from agent.uplink.mqtt import Port, connect
from hil import comtrade
from hil.case import Case, Recording
from hil.errors import BenchError, CaseError

LANE = "x"
SHELF, ORDER, RUNNING, DONE = "shelf", "ORDER", "RUNNING", "done"
SCRIPT, RECORD = "drill.toml", "record"
_LOOK_S = 0.05
_ARRIVAL_S = 30.0
_AFTER_S = 5.0  # a drill goes on so long behind its last due step

Record = tuple[int, list[Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the script. does_s: when the rig does it, since the start; None: never."""

    name: str
    due_s: float
    role: str
    does_s: float | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """What is drilled. expected: (bay, event, kind or None)."""

    id: str
    title: str
    bay: str
    steps: Sequence[Step] = ()
    expected: Sequence[tuple[str, str, str | None]] = ()
    ends_after_s: float = 900.0
    settings: str = ""

    def toml(self, recording: Recording) -> str:
        """The script as the agent reads it."""
        lines = [f"{k} = {json.dumps(getattr(self, k))}" for k in ("id", "title", "bay")]
        lines += [f"ends_after_s = {self.ends_after_s}", "[channels]"]
        lines += [f'{trace.name} = "{trace.name}"' for trace in recording.traces]
        for step in self.steps:
            lines += ["[[step]]", f'name = "{step.name}"', f'role = "{step.role}"']
            lines += [f"due_s = {step.due_s}"]
        for bay, event, kind in self.expected:
            lines += ["[[expect]]", f"bay = {json.dumps(bay)}", f'event = "{event}"']
            lines += [f'kind = "{kind}"'] if kind else []
        return "\n".join(lines) + "\n"


@dataclass(slots=True)
class Came:
    """What a drill has left. log, received: lane x there and here. score: text of the last one."""

    log: list[Record] = field(default_factory=list)
    received: list[Record] = field(default_factory=list)
    score: str = ""


def of_case(case: Case, bay: str, steps: Sequence[Step] = ()) -> tuple[Script, Recording]:
    """A drill of a case, as one of its terminals sees it: the first that has to raise an alarm,
    else the first of all. bay: of the agent; its settings judge.
    """
    seen = case.truth.terminals
    terminal = next((name for name in seen if seen[name].alarm), next(iter(case.recordings)))
    expected = []
    if seen[terminal].alarm and case.truth.kind:
        expected = [(bay, "fault", case.truth.kind)]
    title = f"{case.truth.what.replace('_', ' ')} {case.truth.kind}".strip()
    recording = case.recordings[terminal]
    last_s = max([recording.seconds, *(step.due_s for step in steps)])
    script = Script(case.name, title, bay, steps, expected, ends_after_s=last_s + _AFTER_S)
    return script, recording


def steps(path: Path) -> list[Step]:
    """The [[step]] tables of a file: name, role, due_s, and where the rig itself does it, does_s.

    Raises: CaseError.
    """
    try:
        return [Step(**step) for step in tomllib.loads(path.read_text()).get("step", [])]
    except (OSError, ValueError, TypeError) as error:
        expected = "[[step]] with name, role, due_s and perhaps does_s"
        raise CaseError(str(path), str(error), expected) from error


def place(data_dir: Path, script: Script, recording: Recording) -> None:
    """Order it: whole or not at all. Raises: BenchError when another order waits there."""
    _put(data_dir / "drills" / ORDER, script, recording)


def shelve(data_dir: Path, script: Script, recording: Recording) -> None:
    """Lay it ready for a signed command. Raises: BenchError when it is there."""
    _put(data_dir / "drills" / SHELF / script.id, script, recording)


def _put(order: Path, script: Script, recording: Recording) -> None:
    order.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=order.parent, prefix=".order-") as made:
        folder = Path(made) / order.name
        sheet = comtrade.Sheet.of(recording, station=script.id)
        header = comtrade.write(folder, sheet)
        for path in (header, header.with_suffix(".dat")):
            path.rename(folder / f"{RECORD}{path.suffix}")
        (folder / SCRIPT).write_text(script.toml(recording))
        if script.settings:
            (folder / "settings.toml").write_text(script.settings)
        try:
            folder.rename(order)
        except OSError as error:
            raise BenchError(str(order), "is there already", "no order waits") from error


def done(data_dir: Path, step: str, role: str) -> None:
    """A step of the drill that runs is done by this role. Raises: BenchError when none runs."""
    folder = data_dir / "drills" / RUNNING / DONE
    hidden = folder / f".{step}"
    try:
        hidden.write_text(role + "\n")
        hidden.rename(folder / step)
    except OSError as error:
        raise BenchError(str(folder), f"cannot be written ({error.strerror})", "a drill") from error


def logged(data_dir: Path) -> list[Record]:
    """Lane x of the agent's log."""
    return [
        (item.seq, cbor.loads(item.payload))
        for _, item in export(data_dir / "log", LANE)
        if isinstance(item, Stored)
    ]


def last_score(records: Sequence[Record]) -> str:
    """Of the last drill in these records, as text; "" when there is none."""
    scores = drill_score.scores(records)
    return drill_score.text(scores[-1]) if scores else ""


async def drilled(data_dir: Path, broker: str, script: Script, recording: Recording) -> Came:
    """Order it, do its steps, wait for its end and its arrival. Raises: BenchError."""
    try:
        async with connect(broker, f"ftu-drill-{secrets.token_hex(4)}") as port:
            await port.subscribe(topics.topic(topics.LANES[LANE], topics.ANY, topics.ANY))
            return await _drilled(data_dir, port, script, recording)
    except UplinkError as error:
        raise BenchError(broker, str(error)) from error


async def _drilled(data_dir: Path, port: Port, script: Script, recording: Recording) -> Came:
    came = Came()
    before = len(logged(data_dir))
    hearing = asyncio.create_task(_hear(port, came), name="consumer of the drill")
    try:
        place(data_dir, script, recording)
        start = await _until_started(data_dir, before)
        for step in sorted((s for s in script.steps if s.does_s is not None), key=_instant):
            await asyncio.sleep(max(0.0, start + _instant(step) - time.monotonic()))
            done(data_dir, step.name, step.by or step.role)
        deadline = start + script.ends_after_s + _ARRIVAL_S
        while (data_dir / "drills" / RUNNING).exists():
            await _nap(deadline, "the drill's end")
        came.log = logged(data_dir)
        deadline = time.monotonic() + _ARRIVAL_S
        while not {seq for seq, _ in came.log[before:]} <= {seq for seq, _ in came.received}:
            await _nap(deadline, "all of lane x at the consumer")
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
    came.score = last_score(came.log)
    if came.score != last_score(sorted(came.received, key=lambda record: record[0])):
        raise BenchError("score", "differs between the log and the consumer", "the same bytes")
    return came


def run(data_dir: Path, broker: str, script: Script, recording: Recording) -> int:
    """The command: print the score; 0 when the drill was passed. Raises: BenchError."""
    came = asyncio.run(drilled(data_dir, broker, script, recording))
    sys.stdout.write(came.score)
    return 0 if json.loads(came.score)["passed"] else 1


def forget(data_dir: Path) -> None:
    """Take back an order that nobody has begun."""
    shutil.rmtree(data_dir / "drills" / ORDER, ignore_errors=True)


def _instant(step: Step) -> float:
    return step.does_s or 0.0


async def _until_started(data_dir: Path, before: int) -> float:
    """When it started, by the monotonic clock. [s]"""
    deadline = time.monotonic() + _ARRIVAL_S
    while True:
        for _, each in logged(data_dir)[before:]:
            if drill_score.is_start(each):
                return float(each[2]) / 1e6
            raise BenchError("drill", f"was not begun: {each[6:]}")
        await _nap(deadline, "the drill's start")


async def _nap(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise BenchError("drill", f"waited for {what}")
    await asyncio.sleep(_LOOK_S)


async def _hear(port: Port, came: Came) -> None:
    """A consumer of the drills' lane alone, for whom nobody has to keep anything."""
    consumer = Consumer("drill", ack=False, tell=lambda _: None)
    async for message in port.messages():
        new = consumer.take(message.topic, message.payload)
        came.received += [(each.key.seq, each.entry) for each in new if isinstance(each, Received)]
