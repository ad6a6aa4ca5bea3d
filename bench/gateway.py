"""Beside ThingsBoard's gateway: one emulated meter of 64 registers, one mosquitto, the same time.

Both poll the meter over Modbus TCP and publish every poll to the broker. Ours does what it does in
the field and nothing less: guard decides on each reading, flushes it to lane h, link sends it and a
consumer acknowledges it, while live values go out on `m`. Theirs runs as it is shipped, with one
wide read, its statistics, remote configuration and call home switched off, its report strategy "on
received"; the harness answers its `getSessionLimits`, without which it sends nothing. It runs in an
environment of its own (build/gateway), because it needs an older pymodbus.

CPU is user and system time of all processes of a side; memory is reckoned as in footprint.py. What
is delivered is told by the meter's own count of reads, which travels as one of the values.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.store import cbor, entry
from agent.uplink import topics, wire
from agent.uplink.backoff import Backoff
from agent.uplink.consumer import Consumer, Received, listen
from agent.uplink.mqtt import connect
from bench.footprint import agent, memory_mb
from bench.table import Row
from bench.wide_meter import PROFILE, REGISTERS, WideMeter
from hil.faults.broker import Mosquitto

ROOT = Path(__file__).parents[1]
PEER = ROOT / "build" / "gateway" / "bin" / "python"
NAME = "ThingsBoard gateway 3.8, memory store"

SLOW_MS, FAST_MS = 100, 10
SETTLE_S = 5.0
OUTAGE_S, KILL_AFTER_S = 12.0, 6.0
CATCH_UP_S = 20.0

OPTIONS = """host = "127.0.0.1"
port = {port}
profile = "wide.toml"
period_ms = {period_ms}
log = "readings"
"""
CHANNELS = {"ia": "r1", "ib": "r2", "ic": "r3", "ua": "r4", "ub": "r5", "uc": "r6"}
UPLINK = '[uplink]\nbroker = "{url}"\nlive_ms = {period_ms}'

# Theirs: its updater asks a server of the maker for news, which is nobody's business here.
LAUNCH = """
from thingsboard_gateway.tb_utility import tb_updater
tb_updater.TBUpdater.check_for_new_version = lambda self: None
from thingsboard_gateway.tb_gateway import daemon
daemon()
"""
TELEMETRY = "v1/gateway/telemetry"
QUESTION, ANSWER = "v1/devices/me/rpc/request/", "v1/devices/me/rpc/response/"


@dataclass(slots=True)
class Heard:
    """What a receiver has: how often each poll, when each value of the current came first."""

    polls: dict[int, int] = field(default_factory=dict)
    first_at: dict[int, float] = field(default_factory=dict)
    began: float | None = None

    def poll(self, number: int) -> None:
        """The poll with this count of the meter has arrived."""
        self.began = self.began or time.monotonic()
        self.polls[number] = self.polls.get(number, 0) + 1

    def value(self, amps: int) -> None:
        """The current has this value now."""
        self.began = self.began or time.monotonic()
        self.first_at.setdefault(amps, time.monotonic())


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two while it runs."""

    processes: list[int]
    heard: Heard
    started: float

    def cpu_s(self) -> float:
        """User and system time of all processes so far."""
        return sum(_cpu_s(each) for each in self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one run."""

    cpu_s: float
    p50_ms: float
    p99_ms: float
    delivered: float
    pss_mb: float
    first_s: float


def rows(quick: bool) -> Iterator[Row]:
    """CPU, latency, delivery, memory and losses of both."""
    slow_s, fast_s = (10.0, 6.0) if quick else (60.0, 30.0)
    ours, theirs = (asyncio.run(steady(side, SLOW_MS, slow_s)) for side in ("ours", "memory"))
    yield Row(
        what=f"CPU per 1,000 polls of {REGISTERS} registers at {SLOW_MS} ms, stored durably",
        value=ours.cpu_s,
        unit="s",
        reference=NAME,
        reference_value=theirs.cpu_s,
        ratio=theirs.cpu_s / ours.cpu_s,
        of="ratio",
        at_least=5,
    )
    yield Row(
        what="memory of all processes (PSS)",
        value=ours.pss_mb,
        unit="MB",
        reference=NAME,
        reference_value=theirs.pss_mb,
        ratio=theirs.pss_mb / ours.pss_mb,
        of="ratio",
        at_least=1 / 1.15,
    )
    yield Row(
        what="start to first message",
        value=ours.first_s,
        unit="s",
        at_most=0.5,
        reference=NAME,
        reference_value=theirs.first_s,
    )
    ours, theirs = (asyncio.run(steady(side, FAST_MS, fast_s)) for side in ("ours", "memory"))
    yield from _fast(ours, theirs)
    for side in ("ours", "memory", "file", "sqlite"):
        polls, lost = asyncio.run(outage(side, SLOW_MS))
        yield Row(
            what=f"kill -9 in an outage of {OUTAGE_S:g} s: lost, {_called(side)}",
            value=lost,
            unit=f"of {polls}",
            at_most=0 if side == "ours" else None,
        )


def _fast(ours: Figures, theirs: Figures) -> Iterator[Row]:
    for what, value, most, reference in (
        ("p50", ours.p50_ms, 15, theirs.p50_ms),
        ("p99", ours.p99_ms, 30, theirs.p99_ms),
    ):
        yield Row(
            what=f"change to receipt at {FAST_MS} ms polls, {what}",
            value=value,
            unit="ms",
            at_most=most,
            reference=NAME,
            reference_value=reference,
        )
    yield Row(
        what=f"polls delivered at {FAST_MS} ms",
        value=100 * ours.delivered,
        unit="%",
        at_least=100,
        reference=NAME,
        reference_value=100 * theirs.delivered,
    )


def _called(side: str) -> str:
    return "ours" if side == "ours" else f"their {side} store"


async def steady(side: str, period_ms: int, seconds: float) -> Figures:
    """So long of undisturbed polling."""
    async with _scene(side, period_ms) as (meter, running, _):
        heard = running.heard
        await _until(lambda: bool(heard.polls), 60.0)
        first_s = (heard.began or 0.0) - running.started
        await asyncio.sleep(SETTLE_S)
        cpu_s, asked, began = -running.cpu_s(), meter.asked, time.monotonic()
        await asyncio.sleep(seconds)
        cpu_s, until = cpu_s + running.cpu_s(), meter.asked
        changed = dict(meter.changed_at)
        pss_mb = sum(memory_mb(running.processes))
        await asyncio.sleep(2.0)  # what is on its way
        delays = [
            1000 * (heard.first_at[amps] - at)
            for amps, at in changed.items()
            if at > began and amps in heard.first_at
        ]
        arrived = sum(1 for number in range(asked + 1, until + 1) if number in heard.polls)
        return Figures(
            cpu_s=1000 * cpu_s / (until - asked),
            p50_ms=statistics.median(delays),
            p99_ms=statistics.quantiles(delays, n=100)[-1],
            delivered=arrived / (until - asked),
            pss_mb=pss_mb,
            first_s=first_s,
        )


async def outage(side: str, period_ms: int) -> tuple[int, int]:
    """(polls, lost) of those whose answer was there half a second before the kill, and of all
    outside the time in which nobody ran.
    """
    async with _scene(side, period_ms) as (meter, running, stage):
        heard = running.heard
        await _until(lambda: bool(heard.polls), 60.0)
        await asyncio.sleep(SETTLE_S)
        first = meter.asked + 1
        stage.broker.kill()
        await asyncio.sleep(KILL_AFTER_S)
        last = meter.asked  # taken, and on its way to wherever it is kept
        await asyncio.sleep(0.5)
        stage.kill()
        await asyncio.sleep(OUTAGE_S - KILL_AFTER_S)
        stage.broker.start()
        stage.start()
        await asyncio.sleep(CATCH_UP_S)
        missing = [number for number in range(first, last + 1) if number not in heard.polls]
        return last - first + 1, len(missing)


class Stage:
    """Starts and kills a side's processes."""

    def __init__(self, side: str, folder: Path, port: int, period_ms: int) -> None:
        self._side, self._folder = side, folder
        self._port, self._period_ms = port, period_ms
        self._open = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._agent: Any = None
        self.broker = Mosquitto(folder / "broker", verbose=False, extra="set_tcp_nodelay true")
        (folder / "broker").mkdir()

    def start(self) -> float:
        """When it was started. [s, monotonic]"""
        if self._side == "ours":
            return self._start_ours()
        self._process = subprocess.Popen(
            [str(PEER), "-c", LAUNCH],
            cwd=self._folder,
            env={**os.environ, "TB_GW_CONFIG_DIR": str(self._folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return time.monotonic()

    def _start_ours(self) -> float:
        channels = "".join(f'{role} = "meter.{name}"\n' for role, name in CHANNELS.items())
        options = OPTIONS.format(port=self._port, period_ms=self._period_ms)
        uplink = UPLINK.format(url=self.broker.url, period_ms=self._period_ms)
        self._agent, begun_us = self._open.enter_context(
            agent(self._folder, driver="modbus", options=options, uplink=uplink, channels=channels)
        )
        return begun_us / 1e6

    def processes(self) -> list[int]:
        """Numbers of all of them."""
        if self._side == "ours":
            return [self._agent.process, *(self._agent.starts(r)[-1] for r in ("guard", "link"))]
        return [self._process.pid] if self._process is not None else []

    def kill(self) -> None:
        """SIGKILL of everything at once."""
        for each in self.processes():
            os.kill(each, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def close(self) -> None:
        """Whatever state it is in."""
        if self._agent is not None:
            self._agent.put_down()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.broker.kill()


@contextlib.asynccontextmanager
async def _scene(side: str, period_ms: int) -> AsyncIterator[tuple[WideMeter, Side, Stage]]:
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as place:
        folder = Path(place)
        async with WideMeter() as meter:
            stage = Stage(side, folder, meter.port, period_ms)
            _write_files(folder, side, meter.port, stage.broker.port, period_ms)
            stage.broker.start()
            heard = Heard()
            receive = _ours if side == "ours" else _theirs
            tasks = [asyncio.create_task(each) for each in receive(stage.broker.url, heard)]
            await asyncio.sleep(0.5)
            try:
                started = stage.start()
                await asyncio.sleep(1.0)
                yield meter, Side(stage.processes(), heard, started), stage
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                stage.close()


def _write_files(folder: Path, side: str, meter: int, broker: int, period_ms: int) -> None:
    if side == "ours":
        (folder / "wide.toml").write_text(PROFILE)
        return
    for name, content in _their_files(side, meter, broker, period_ms).items():
        (folder / name).write_text(json.dumps(content))
    (folder / "data").mkdir()
    (folder / "logs").mkdir()


def _their_files(store: str, meter: int, broker: int, period_ms: int) -> dict[str, Any]:
    """Its configuration: what differs from the shipped one, and what it cannot do without."""
    storage = {
        "type": store,
        "read_records_count": 100,
        "max_records_count": 100_000,
        "data_folder_path": "./data/",
        "max_file_count": 10,
        "max_read_records_count": 10,
        "max_records_per_file": 10_000,
        "data_file_path": "./data/data.db",
        "messages_ttl_check_in_hours": 1,
        "messages_ttl_in_days": 7,
    }
    gateway = {
        "thingsboard": {
            "host": "127.0.0.1",
            "port": broker,
            "remoteShell": False,
            "remoteConfiguration": False,
            "statistics": {"enable": False},
            "deviceFiltering": {"enable": False},
            "minPackSendDelayMS": 50,
            "minPackSizeToSend": 500,
            "checkConnectorsConfigurationInSeconds": 60,
            "security": {"type": "accessToken", "accessToken": "bench"},
            "qos": 1,
            "reportStrategy": {"type": "ON_RECEIVED"},
        },
        "storage": storage,
        "grpc": {"enabled": False},
        "connectors": [{"name": "meter", "type": "modbus", "configuration": "modbus.json"}],
    }
    tag = {"tag": "r${address}", "type": "16uint", "functionCode": 3, "objectsCount": 1}
    slave = {
        "host": "127.0.0.1",
        "port": meter,
        "type": "tcp",
        "method": "socket",
        "unitId": 1,
        "deviceName": "meter",
        "deviceType": "default",
        "timeout": 3,
        "byteOrder": "BIG",
        "wordOrder": "BIG",
        "retries": False,
        "pollPeriod": period_ms,
        "connectAttemptTimeMs": 1000,
        "connectAttemptCount": 5,
        "waitAfterFailedAttemptsMs": 1000,
        "attributes": [],
        "timeseries": [
            {**tag, "address": f"0-{REGISTERS - 1}", "maxRegistersPerRequest": REGISTERS}
        ],
        "rpc": [],
        "attributeUpdates": [],
    }
    silent = {"version": 1, "disable_existing_loggers": False, "handlers": {}, "loggers": {}}
    return {
        "tb_gateway.json": gateway,
        "modbus.json": {"master": {"slaves": [slave]}},
        "logs.json": silent,
        "list.json": {},
    }


def _ours(url: str, heard: Heard) -> list[Any]:
    return [_ours_durable(url, heard), _ours_live(url, heard)]


async def _ours_durable(url: str, heard: Heard) -> None:
    place = entry.column(entry.READINGS, "values_milli")
    memory = Consumer("scada", None, ack=True, tell=lambda _: None)
    backoff = Backoff(random.SystemRandom().randrange, longest_us=1_000_000)
    async for batch in listen(url, memory, tell=lambda _: None, backoff=backoff):
        for each in batch:
            if isinstance(each, Received) and each.entry[entry.TYPE] == entry.READINGS:
                heard.poll(each.entry[place][0] // 1000)


async def _ours_live(url: str, heard: Heard) -> None:
    while True:
        with contextlib.suppress(Exception):
            async with connect(url, "screen") as port:
                await port.subscribe(topics.topic(topics.LIVE, topics.ANY, topics.ANY))
                async for message in port.messages():
                    _, _, meters = cbor.parsed(message.payload, wire.open_live)
                    if meters and meters[0][1] is not None:
                        heard.value(round(meters[0][1] / 100))
        await asyncio.sleep(0.1)


def _theirs(url: str, heard: Heard) -> list[Any]:
    return [_their_server(url, heard)]


async def _their_server(url: str, heard: Heard) -> None:
    while True:
        with contextlib.suppress(Exception):
            async with connect(url, "server", protocol="311") as port:
                await port.subscribe(TELEMETRY, f"{QUESTION}+")
                async for message in port.messages():
                    if message.topic.startswith(QUESTION):
                        number = message.topic.removeprefix(QUESTION)
                        await port.publish(
                            f"{ANSWER}{number}", json.dumps({"rateLimits": {}}).encode()
                        )
                        continue
                    for packs in json.loads(message.payload).values():
                        for pack in packs:
                            values = pack.get("values", pack)
                            heard.poll(int(values["r0"]))
                            heard.value(int(values["r1"]))
        await asyncio.sleep(0.1)


def _cpu_s(process: int) -> float:
    """As clock_getcpuclockid(3) numbers it: to the nanosecond, threads that ended included."""
    return time.clock_gettime((~process << 3) | 2)


async def _until(true: Callable[[], bool], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110  what is waited for happens in other processes
            await asyncio.sleep(0.01)
