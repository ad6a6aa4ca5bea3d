"""The phases of a fleet's run: storms, steady state, bursts, links lost, a broker killed.

The nodes live in worker processes, the consumer in one of its own, all on one machine and so on
one monotonic clock. Each phase ends when what it began has settled; a phase that does not settle
in time is told and fails the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.uplink.broker import parse_broker
from hil.errors import BenchError
from hil.faults.broker import Mosquitto
from hil.fleet import figures
from hil.fleet.figures import Held, Key, Load, Phase, Result

QUARTER_S, DAY_S = 900.0, 86_400.0
# A process beside its nodes' sockets: pipes, epoll, files, libraries.
SPARE_FILES = 64
# Python takes some 500 nodes' steady state and bursts on a part of one processor.
NODES_EACH = 500
MOST_WORKERS = 8
# Without it the kernel holds small messages back for up to 40 ms (Nagle's algorithm against delayed
# acknowledgements): with 1,000 nodes the median of the alarms was 36 ms instead of 0.7 ms.
NODELAY = "set_tcp_nodelay true"
POLL_S = 0.1
READY_S = 60.0
END_S = 20.0

Tell = Callable[[str], None]
Status = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done. Times in seconds.

    speed: how many times faster than life the quarter hours and the daily events go by.
    events_per_day: faults of one node in its ordinary life. spread_s: the start jitter of the
    second connecting. burst_*: share of the nodes that see the storm front, how long it takes to
    pass, faults of each. cut_share: nodes whose link breaks. away_s: how long the broker stays
    away. settle_s: the longest that a phase may take to settle. backoff_first_s: the device's 1 s.
    broker: URL of one that runs already; it is neither measured nor killed.
    """

    nodes: int
    seed: int = 1
    workers: int = 0
    speed: float = 300.0
    events_per_day: float = 12.0
    steady_s: float = 30.0
    spread_s: float = 5.0
    burst_share: float = 0.4
    burst_s: float = 5.0
    burst_events: int = 3
    cut_share: float = 0.5
    away_s: float = 2.0
    settle_s: float = 180.0
    backoff_first_s: float = 1.0
    broker: str | None = None
    site: str = "fleet"
    consumer: str = "scada"

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= NODES_EACH * MOST_WORKERS:
            most = NODES_EACH * MOST_WORKERS
            raise BenchError("fleet", f"{self.nodes} nodes", f"1 to {most}")
        if self.speed <= 0:
            raise BenchError("fleet", f"speed {self.speed:g}", "above 0")

    @property
    def processes(self) -> int:
        """How many workers: as many as told, else one for each 500 nodes, two where there are two
        processors and enough to share.
        """
        if self.workers:
            return min(self.workers, self.nodes)
        shared = min(os.cpu_count() or 1, 2) if self.nodes >= 100 else 1
        return max(shared, -(-self.nodes // NODES_EACH))


@dataclass(slots=True)
class _Mark:
    """How everything stood at the beginning of a phase."""

    name: str
    begin_us: int
    status: Status
    loads: dict[str, Load]
    backlog: int = 0


@dataclass(slots=True)
class _Drawn:
    """A phase that is over, before its latencies are known."""

    mark: _Mark
    end_us: int
    status: Status
    loads: dict[str, Load]
    settled: bool
    waits_for_links: bool


@dataclass
class _Fleet:
    """The processes, and the phases so far."""

    plan: Plan
    folder: Path
    broker: Mosquitto | None
    workers: list[asyncio.subprocess.Process]
    consumer: asyncio.subprocess.Process
    tell: Tell
    drawn: list[_Drawn] = field(default_factory=list)
    _mark: _Mark | None = None
    _broker_s: float = 0.0

    async def order(self, do: str, **told: Any) -> Status:
        """The same order to every worker; their counts added up."""
        answers = await asyncio.gather(*(_ask(each, {"do": do, **told}) for each in self.workers))
        return _together(answers)

    @contextlib.asynccontextmanager
    async def phase(self, name: str, *, links: bool) -> AsyncIterator[None]:
        """What is begun inside, until it has settled: every link stands and, except while nodes
        connect for the first time, every record is acknowledged.
        """
        self.tell(name)
        mark = self._mark = _Mark(name, _now_us(), await self.order("status"), self._loads())
        yield
        status, settled = await self._settled()
        self.drawn.append(_Drawn(mark, _now_us(), status, self._loads(), settled, links))

    async def kill_broker(self, away_s: float) -> None:
        """SIGKILL, and back after a while; what it had used until then is kept."""
        assert self.broker is not None  # noqa: S101  the caller has looked
        self._broker_s += figures.load([self.broker.process]).cpu_s
        self.broker.kill()
        await self.watch(away_s)
        await asyncio.to_thread(self.broker.start)

    async def watch(self, seconds: float) -> None:
        """Let so much time go by, with an eye on the backlog."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await self._look()
            await asyncio.sleep(min(POLL_S, max(0.0, until - time.monotonic())))

    async def _look(self) -> Status:
        status = await self.order("status")
        if self._mark is not None:
            self._mark.backlog = max(self._mark.backlog, status["backlog"])
        if self.consumer.returncode is not None:
            said = (self.folder / "consumer.log").read_text().splitlines()
            raise BenchError("consumer", said[-1] if said else "has ended", "one that runs")
        return status

    async def _settled(self) -> tuple[Status, bool]:
        deadline = time.monotonic() + self.plan.settle_s
        while True:
            status = await self._look()
            if status["up"] == self.plan.nodes and self._has_arrived(status):
                return status, True
            if time.monotonic() > deadline:
                return status, False
            await asyncio.sleep(POLL_S)

    def _has_arrived(self, status: Status) -> bool:
        """In the steady state something is always under way: a message of each tenth node."""
        return bool(status["backlog"] <= self.plan.nodes // 10)

    def _loads(self) -> dict[str, Load]:
        broker = figures.load([self.broker.process] if self.broker else [])
        return {
            "broker": Load(broker.cpu_s + self._broker_s, broker.rss_mb),
            "nodes": figures.load(each.pid for each in self.workers),
            "consumer": figures.load([self.consumer.pid]),
        }


def measured(plan: Plan, tell: Tell = lambda _: None) -> Result:
    """Run every phase. tell: takes a line as each begins. Raises: BenchError."""
    _allow_files(plan.nodes + SPARE_FILES)
    with tempfile.TemporaryDirectory(prefix="ftu-fleet-") as folder:
        return asyncio.run(_measure(plan, Path(folder), tell))


async def _measure(plan: Plan, folder: Path, tell: Tell) -> Result:
    async with _standing(plan, folder, tell) as fleet:
        await _phases(fleet)
        logs = [folder / f"log-{n}" for n in range(len(fleet.workers))]
        for worker, path in zip(fleet.workers, logs, strict=True):
            status = await _ask(worker, {"do": "log", "path": str(path)})
        status = await fleet.order("status")
        memory = fleet._loads()["nodes"].rss_mb  # noqa: SLF001  of this file
        fleet.consumer.terminate()
        await asyncio.wait_for(fleet.consumer.wait(), END_S)
        return _result(fleet, logs, status, memory)


async def _phases(fleet: _Fleet) -> None:
    plan = fleet.plan
    async with fleet.phase("connect at once", links=True):
        await fleet.order("connect", spread_s=0.0)
    await fleet.order("leave")
    async with fleet.phase(f"connect in {plan.spread_s:g} s", links=True):
        await fleet.order("connect", spread_s=plan.spread_s)
    history_s = QUARTER_S / plan.speed
    event_s = DAY_S / plan.events_per_day / plan.speed
    async with fleet.phase("steady", links=False):
        await fleet.order("steady", history_s=history_s, event_s=event_s)
        await fleet.watch(plan.steady_s)
    async with fleet.phase("burst", links=False):
        share = plan.burst_share
        await fleet.order("burst", share=share, within_s=plan.burst_s, events=plan.burst_events)
        await fleet.watch(plan.burst_s)
    async with fleet.phase("links lost", links=True):
        await fleet.order("cut", share=plan.cut_share)
        await fleet.order("burst", share=plan.burst_share, within_s=plan.burst_s, events=1)
        await fleet.watch(plan.burst_s)
    if fleet.broker is not None:
        async with fleet.phase("broker killed", links=True):
            await fleet.order("burst", share=plan.burst_share, within_s=plan.burst_s, events=1)
            await fleet.kill_broker(plan.away_s)
            await fleet.watch(plan.burst_s - plan.away_s)
    await fleet.order("quiet")
    fleet.tell("the rest")
    await _until_empty(fleet)


async def _until_empty(fleet: _Fleet) -> None:
    """Everything acknowledged, or the time is over: what is missing then counts as lost."""
    deadline = time.monotonic() + fleet.plan.settle_s
    # What it waits for happens in other processes.
    while (await fleet.order("status"))["backlog"] and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)


@contextlib.asynccontextmanager
async def _standing(plan: Plan, folder: Path, tell: Tell) -> AsyncIterator[_Fleet]:
    """Broker, consumer and workers; ended whatever happens."""
    broker = None if plan.broker else Mosquitto(folder, verbose=False, extra=NODELAY)
    started: list[asyncio.subprocess.Process] = []
    try:
        if broker is not None:
            await asyncio.to_thread(broker.start)
        url = plan.broker or (broker.url if broker else "")
        for n in range(plan.processes):  # each is known as soon as it runs, so that it is ended
            started.append(await _worker(plan, url, n, folder))  # noqa: PERF401
        with (folder / "consumer.log").open("wb") as log:
            consumer = await _python(
                "hil.fleet.consumer", url, plan.consumer, str(folder / "notes"), log=log
            )
        started.append(consumer)
        fleet = _Fleet(plan, folder, broker, started[:-1], consumer, tell)
        await asyncio.wait_for(fleet.order("status"), READY_S)
        yield fleet
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if broker is not None:
            broker.kill()


async def _worker(plan: Plan, url: str, number: int, folder: Path) -> asyncio.subprocess.Process:
    at = parse_broker(url)
    told = {
        "host": at.host,
        "port": at.port,
        "nodes": [number, plan.nodes, plan.processes],
        "site": plan.site,
        "consumer": plan.consumer,
        "seed": plan.seed * MOST_WORKERS + number,
        "backoff_first_s": plan.backoff_first_s,
    }
    with (folder / f"worker-{number}.log").open("wb") as log:
        return await _python("hil.fleet.worker", json.dumps(told), log=log)


async def _python(module: str, *arguments: str, log: Any) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
    )


async def _ask(worker: asyncio.subprocess.Process, order: dict[str, Any]) -> Status:
    """One order to one worker, and its answer."""
    assert worker.stdin is not None  # noqa: S101  it was started with both pipes
    assert worker.stdout is not None  # noqa: S101
    worker.stdin.write(json.dumps(order).encode() + b"\n")
    line = await worker.stdout.readline()
    if not line:
        raise BenchError("worker", f"has ended ({await worker.wait()})", "an answer")
    answer: Status = json.loads(line)
    return answer


def _together(answers: list[Status]) -> Status:
    total: Counter[str] = Counter()
    for answer in answers:
        total.update({name: value for name, value in answer.items() if isinstance(value, int)})
    last_up_us = max(answer["last_up_us"] for answer in answers)
    troubles = sorted({line for answer in answers for line in answer["troubles"]})
    return {**total, "last_up_us": last_up_us, "troubles": troubles}


def _result(fleet: _Fleet, logs: list[Path], status: Status, memory: float) -> Result:
    plan = fleet.plan
    told: dict[Key, int] = {}
    began_us: dict[Key, int] = {}
    for path in logs:
        for line in path.read_text().splitlines():
            node, lane, seq, check, at_us = line.split()
            told[node, lane, int(seq)] = int(check)
            began_us[node, lane, int(seq)] = int(at_us)
    came, lines = [], (fleet.folder / "notes").read_text().splitlines()
    _, repeated, refused = lines[-1].split()
    latencies: list[tuple[int, float]] = []
    for line in lines[:-1]:
        node, lane, seq, check, came_us = line.split()
        key = node, lane, int(seq)
        came.append((key, int(check)))
        if lane == "a" and key in began_us:
            latencies.append((began_us[key], (int(came_us) - began_us[key]) / 1000))
    return Result(
        nodes=plan.nodes,
        workers=len(fleet.workers),
        seed=plan.seed,
        speed=plan.speed,
        phases=[_phase(each, latencies, has_broker=bool(fleet.broker)) for each in fleet.drawn],
        held=figures.held(told, came),
        repeated=int(repeated),
        refused=int(refused),
        nodes_mb=memory,
        troubles=status["troubles"],
    )


def _phase(over: _Drawn, latencies: list[tuple[int, float]], *, has_broker: bool) -> Phase:
    mark, status = over.mark, over.status
    seconds = (over.end_us - mark.begin_us) / 1e6
    gained = {
        name: status[name] - mark.status.get(name, 0)
        for name in ("messages", "bytes_up", "connections", "resends")
    }
    alarms = [ms for at_us, ms in latencies if mark.begin_us <= at_us < over.end_us]
    percent = {
        who: 100 * (load.cpu_s - mark.loads[who].cpu_s) / seconds
        for who, load in over.loads.items()
    }
    connected_s = (status["last_up_us"] - mark.begin_us) / 1e6
    return Phase(
        name=mark.name,
        seconds=seconds,
        settled=over.settled,
        connects=gained["connections"],
        connected_s=connected_s if over.waits_for_links and connected_s > 0 else None,
        messages_per_s=gained["messages"] / seconds,
        bytes_per_s=gained["bytes_up"] / seconds,
        alarms=len(alarms),
        alarm_ms=figures.summary(alarms),
        backlog=mark.backlog,
        resends=gained["resends"],
        broker_percent=percent["broker"] if has_broker else None,
        broker_mb=over.loads["broker"].rss_mb if has_broker else None,
        nodes_percent=percent["nodes"],
        consumer_percent=percent["consumer"],
    )


def _allow_files(count: int) -> None:
    """Our children, the broker among them, inherit it. Raises: BenchError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchError("fleet", f"at most {hard} open files", f"{count}: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _now_us() -> int:
    return time.monotonic_ns() // 1000


__all__ = ["Held", "Phase", "Plan", "Result", "measured"]
