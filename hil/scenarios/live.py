"""A scenario in real time: the device runs, its terminals are played to it, trouble comes by the
clock, and everything that arrives is kept with the instant at which it did.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import cbor2

from agent.errors import UplinkError
from agent.uplink import topics, wire
from agent.uplink.commander import Order
from agent.uplink.mqtt import connect
from hil.case import Case
from hil.device.listener import Receipt, key_of
from hil.errors import BenchError
from hil.instruments.contract import Pacing
from hil.scenarios.came import Came, Key, Log, Said
from hil.scenarios.ran import Dut, Run, decisions
from hil.scenarios.scenario import Command, Fault, Message, Scenario
from hil.scenarios.stage import LEAD_S, NODE, SITE, Stage, standing
from hil.scenarios.trouble import AFTERWARDS, AT_START, befall, heal, lay_drill, prepare
from hil.verdict import Check, Latency, Moment

ANNOUNCED_S = 0.5  # an instrument goes over to the beginning of a recording so long before it
_ROOT = f"ftu/1/{SITE}/{NODE}/"
_READY_S = LEAD_S - 2.0
_LOOK_S = 0.5
_OBEYED_WITHIN_US = 60_000_000  # the deadline of a signed command
SITE_FILE = "site.toml"


@dataclass(slots=True)
class _Kept:
    """What is gathered while it runs."""

    pacings: list[Pacing] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)


def run(scenario: Scenario, case: Case | None, folder: Path, dut: Dut) -> Run:
    """The whole of it. Raises: RigError."""
    return asyncio.run(_run(scenario, case, folder / "stage", dut))


async def _run(scenario: Scenario, case: Case | None, folder: Path, dut: Dut) -> Run:
    async with standing(scenario, case, folder, dut) as stage:
        kept = _Kept()
        refusal = await _refusal(stage)
        if refusal is not None:
            return Run(Came(), checks=[refusal])
        await _start(stage)
        await _timeline(stage, kept)
        await asyncio.sleep(scenario.settle_s)
        due = await _drained(stage)
        retained = await _retained(stage) if scenario.retained else {}
        goodbye = await _goodbye(stage)
        for fault in scenario.faults:
            if fault.what in AFTERWARDS:
                await befall(stage, fault)
        for command in scenario.commands:
            if command.at_s is None:
                await _command(stage, command, kept)
        return _gathered(stage, case, kept, retained, goodbye, await _log(stage, due))


# --- the device starts and ends ---


async def _refusal(stage: Stage) -> Check | None:
    """Whether it does not take the site file: a kind of source that it has not learnt yet."""
    for name, text in stage.files().items():
        await stage.device.put(name, text)
    await stage.device.put(SITE_FILE, stage.site())
    status, out, error = await stage.device.ask("check", "--site", stage.device.places.site)
    if status == 0:
        return None
    line = next(iter((out + error).strip().splitlines()), f"status {status}")
    return Check("site file taken", False, line)


async def _start(stage: Stage) -> None:
    for fault in stage.scenario.faults:
        if fault.what in AT_START:
            await prepare(stage, fault)
    if stage.scenario.drill:
        lay_drill(stage)
    await stage.device.start(stage.site(), stage.environment())
    try:
        async with asyncio.timeout(_READY_S):
            await _measuring(stage)
    except TimeoutError as error:
        words = stage.device.said().splitlines() or ["nothing"]
        what = f"measured nothing within {_READY_S:g} s; its last words: {words[-1]}"
        raise BenchError("device", what) from error
    if not stage.dated:
        stage.start_us = time.monotonic_ns() // 1000 + round(2 * ANNOUNCED_S * 1e6)


async def _measuring(stage: Stage) -> None:
    """Until the device shows live values of every bay."""
    awaited = set(stage.recordings)
    try:
        async with connect(stage.broker.url, "bench-screen") as port:
            await port.subscribe(_ROOT + topics.LIVE)
            async for message in port.messages():
                _, _, rows = wire.open_live(cbor2.loads(message.payload))
                awaited -= {str(row[0]) for row in rows}
                if not awaited:
                    return
    except (UplinkError, ValueError) as error:
        raise BenchError("device", f"its live values: {error}") from error


async def _goodbye(stage: Stage) -> Check:
    begun = time.monotonic()
    try:
        status = await stage.device.stop()
    except BenchError as error:
        return Check("ends when told to", False, str(error))
    took_s = time.monotonic() - begun
    evidence = f"status {status}, {took_s:.1f} s after SIGTERM"
    return Check("ends when told to", status == 0, evidence)


# --- by the clock ---


async def _timeline(stage: Stage, kept: _Kept) -> None:
    """All that happens at its time; the first problem of the bench ends it."""
    scenario = stage.scenario
    if time.monotonic_ns() // 1000 > stage.at_us(-ANNOUNCED_S):
        raise BenchError("stage", f"was not ready {ANNOUNCED_S} s before the first sample")
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_plays(stage, kept), name="plays")
            for fault in scenario.faults:
                if fault.what not in AFTERWARDS:
                    tasks.create_task(_fault(stage, fault, kept), name=fault.what)
            for message in scenario.messages:
                tasks.create_task(_message(stage, message), name=message.topic)
            for command in scenario.commands:
                if command.at_s is not None:
                    tasks.create_task(_later(stage, command, kept), name=command.run)
    except* BenchError as problems:
        raise problems.exceptions[0] from problems


async def _until(stage: Stage, at_s: float) -> None:
    ahead_us = stage.at_us(at_s) - time.monotonic_ns() // 1000
    await asyncio.sleep(max(0, ahead_us) / 1e6)


async def _plays(stage: Stage, kept: _Kept) -> None:
    play = stage.scenario.play
    for number in range(play.times):
        await _until(stage, number * play.every_s - ANNOUNCED_S)
        start_us = stage.at_us(number * play.every_s)
        pacings = await asyncio.gather(
            *(
                stage.instruments[name].play(recording, start_us)
                for name, recording in stage.recordings.items()
            )
        )
        kept.pacings += pacings
        for name, pacing in zip(stage.recordings, pacings, strict=True):
            stage.starts[name, number] = pacing.start_us
    await _until(stage, play.times * play.every_s if play.times > 1 else 0.0)


async def _fault(stage: Stage, fault: Fault, kept: _Kept) -> None:
    text = fault.what.replace("_", " ")
    kept.timeline.append(Moment(fault.at_s, "fault", "surroundings", text))
    if fault.for_s is not None:
        over = Moment(fault.at_s + fault.for_s, "fault", "surroundings", f"{text} is over")
        kept.timeline.append(over)
    if fault.what in AT_START:  # it has begun before the device did
        if fault.for_s is not None:
            await _until(stage, fault.at_s + fault.for_s)
            await heal(stage, fault)
        return
    await _until(stage, fault.at_s)
    await befall(stage, fault)


async def _later(stage: Stage, command: Command, kept: _Kept) -> None:
    await _until(stage, command.at_s or 0.0)
    await _command(stage, command, kept)


async def _command(stage: Stage, command: Command, kept: _Kept) -> None:
    status, out, error = await stage.device.ask(*shlex.split(stage.words(command.run)))
    kept.said.append(Said(command.run, status, out + error))


async def _message(stage: Stage, message: Message) -> None:
    await _until(stage, message.at_s)
    try:
        async with connect(stage.broker.url, "bench-hand") as port:
            await port.publish(_ROOT + message.topic, _payload(stage, message))
    except UplinkError as error:
        raise BenchError(f"message {message.topic}", str(error)) from error


def _payload(stage: Stage, message: Message) -> bytes:
    if not message.signed:
        return cbor2.dumps(dict(message.payload))
    order = Order(SITE, NODE, message.topic.removeprefix("cmd/"), dict(message.payload))
    until_us = time.time_ns() // 1000 + _OBEYED_WITHIN_US
    return order.message(stage.commander, until_us)


# --- what came ---


async def _retained(stage: Stage) -> dict[str, Any]:
    """What stands at the broker below the node's topic."""
    found: dict[str, Any] = {}
    try:
        async with connect(stage.broker.url, "bench-eye") as port:
            await port.subscribe(f"{_ROOT}#")
            await asyncio.sleep(_LOOK_S)  # what is retained comes at once, or never
            while (message := port.waiting()) is not None:
                try:
                    payload = cbor2.loads(message.payload)
                except ValueError:
                    payload = None
                found[message.topic.removeprefix(_ROOT)] = payload
    except UplinkError as error:
        raise BenchError("retained messages", str(error)) from error
    return found


async def _drained(stage: Stage) -> set[tuple[str, int]]:
    """Wait until the consumer has what the log holds; (lane, seq) of what that was.

    Whether it came is for the judge to say.
    """
    delivery = stage.scenario.delivery
    if not delivery.arrives:
        return set()
    held, _ = await _held(stage)
    with contextlib.suppress(BenchError):
        await stage.listener.until(lambda: held <= _came(stage), "the log", delivery.within_s)
    return held


def _came(stage: Stage) -> set[tuple[str, int]]:
    return {(lane, seq) for _, _, lane, seq in _received(stage)}


def _received(stage: Stage) -> Counter[Key]:
    """How often each record came; what is declared lost is no record."""
    return Counter(
        key_of(receipt.told)
        for receipt in stage.listener.received
        if receipt.told["event"] != "log_loss"
    )


async def _held(stage: Stage) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """(lane, seq) of what the log holds, and of what it declares lost."""
    _, out, _ = await stage.device.ask("journal", "export", stage.device.places.data)
    held, lost = set(), set()
    for line in out.splitlines():
        told = json.loads(line)
        if "lost" in told:
            first, last = told["lost"]
            lost |= {(told["lane"], seq) for seq in range(first, last + 1)}
        else:
            held.add((told["lane"], told["seq"]))
    return held, lost


async def _log(stage: Stage, due: set[tuple[str, int]]) -> Log:
    """What the log is in the end, by the device's own look into it."""
    status, out, error = await stage.device.ask(
        "journal", "verify", "--json", stage.device.places.data
    )
    try:
        report = json.loads(out)
    except ValueError:
        line = next(iter(error.strip().splitlines()[-1:]), f"status {status}")
        return Log(intact=False, problems=(line,))
    held, lost = await _held(stage)
    told = {
        (lane, seq)
        for receipt in stage.listener.told("log_loss")
        for _, _, lane, _ in [key_of(receipt.told)]
        for seq in range(receipt.told["lost"][0], receipt.told["lost"][1] + 1)
    }
    wrong = report.get("evidence", {}).get("findings", [])
    problems = [f"lane {lane['lane']}: {p}" for lane in report["lanes"] for p in lane["problems"]]
    return Log(
        held=frozenset((NODE, report["epoch"], lane, seq) for lane, seq in held),
        due=frozenset((NODE, report["epoch"], lane, seq) for lane, seq in due),
        lost=frozenset((NODE, report["epoch"], lane, seq) for lane, seq in lost | told),
        intact=bool(report["ok"]),
        problems=(*report["problems"], *problems, *(each["told"] for each in wrong)),
    )


def _gathered(
    stage: Stage,
    case: Case | None,
    kept: _Kept,
    retained: Mapping[str, Any],
    goodbye: Check,
    log: Log,
) -> Run:
    plays, others = _by_play(stage)
    events = {name: [event for play in plays for event in play[name]] for name in stage.recordings}
    checks = [goodbye]
    if "Traceback" in stage.device.said():
        checks.append(Check("no traceback", False, "the device's log lines hold a traceback"))
    receipts = [*_receipts(stage)]
    return Run(
        came=Came(plays, others, _received(stage), log, kept.said, retained),
        checks=checks,
        timeline=[*kept.timeline, *decisions(events), *receipts],
        latencies=_latencies(stage, case),
        events=events,
        jitter_ms=max((p.max_us / 1e3 for p in kept.pacings), default=None),
    )


def _by_play(stage: Stage) -> tuple[list[dict[str, list[Any]]], list[Any]]:
    """Events of the terminals, each with the play that it belongs to; and all other records.

    What comes before the first play belongs to it: nothing may be said of a fault there.
    """
    plays: list[dict[str, list[Any]]] = [
        {name: [] for name in stage.recordings} for _ in range(stage.scenario.play.times)
    ]
    others = []
    for receipt in stage.listener.received:
        told = receipt.told
        if told.get("bay") not in stage.recordings or "alarm" not in told:
            others.append(told)
            continue
        number, t_s = _play_of(stage, receipt)
        event = _plain(told)
        plays[number][told["bay"]].append(_in_seconds(event, t_s, event["t"]))
    return plays, others


def _play_of(stage: Stage, receipt: Receipt) -> tuple[int, float]:
    """Number of the play that a terminal's event belongs to, and its time in it. [s]

    Of a device with a clock of its own nothing is known but when its word came.
    """
    play, told = stage.scenario.play, receipt.told
    decided_us = int(told["clock"]["mono_us"]) if stage.one_clock else receipt.at_us
    number = int((stage.seconds(decided_us) + ANNOUNCED_S) // play.every_s)
    number = min(max(0, number), play.times - 1)
    return number, (decided_us - stage.played_us(told["bay"], number)) / 1e6


def _in_seconds(told: Mapping[str, Any], t_s: float, before_s: float) -> dict[str, Any]:
    """The event with `t` at t_s instead of before_s, and `onset` as far from it as it was."""
    event = {**told, "t": t_s}
    if isinstance(told.get("onset"), int | float):
        event["onset"] = told["onset"] + t_s - before_s
    return event


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """The event with its instants, which are UTC texts, as numbers of seconds."""
    numbers = {
        key: datetime.fromisoformat(told[key]).timestamp()
        for key in ("t", "onset")
        if isinstance(told.get(key), str)
    }
    return {**told, **numbers}


def _receipts(stage: Stage) -> Iterator[Moment]:
    for receipt in _alarms(stage):
        told = receipt.told
        words = " ".join(str(told[k]) for k in ("event", "kind", "direction") if told.get(k))
        at_s, text = stage.seconds(receipt.at_us), f"{told['bay']}: {words}"
        yield Moment(at_s, "receipt", "consumer", text, event=told)


def _alarms(stage: Stage) -> Sequence[Receipt]:
    return [
        r
        for r in stage.listener.received
        if r.told.get("alarm") and r.told["bay"] in stage.recordings
    ]


def _latencies(stage: Stage, case: Case | None) -> list[Latency]:
    """Of each alarm that followed an onset in its play, in the boot in which the plays began.

    After a cut of the power the device's monotonic clock is another one, and tells no latency.
    """
    onset_s, alarms = case.truth.onset_s if case else None, _alarms(stage)
    if onset_s is None or not alarms:
        return []
    found = []
    for receipt in alarms:
        if receipt.told["clock"]["boot"] != alarms[0].told["clock"]["boot"]:
            continue
        number, t_s = _play_of(stage, receipt)
        heard_s = (receipt.at_us - stage.played_us(receipt.told["bay"], number)) / 1e6
        if t_s >= onset_s:
            found.append(
                Latency(
                    terminal=receipt.told["bay"],
                    event=receipt.told["event"],
                    decided_ms=(t_s - onset_s) * 1e3,
                    received_ms=(heard_s - onset_s) * 1e3,
                    disturbed=bool(stage.scenario.faults),
                )
            )
    return found
