"""All troubles in one run, drawn by a seed and overlapping: what a terminal meets in ten bad years.

A terminal with a day's backlog and small quotas records faults, waveforms and a meter's readings,
and delivers them over a line of the rig's to the reference ingester, which fills a SQLite database.
Meanwhile its processes are killed, its power is cut in the middle of writes, its disk fills, its
clock jumps, its line breaks in every way and the broker dies. Then all of that ends, and for every
lane the database has to hold what the log gave out: received and declared lost are 1 ... next - 1.

It is judged from the tables and from the log's bytes, not by what the ingester says of itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pymodbus.server import ModbusTcpServer

from agent import ingest
from agent.clock import Stamp
from agent.store import cbor, entries, segment, segment_files
from agent.store.journal import Journal, next_seq, read_epoch, verify
from agent.uplink.backoff import Backoff
from hil.aftermath import evidence, shown, staged, stored, tracebacks, unaccounted
from hil.case import Bay
from hil.device.agent import Agent
from hil.device.site import Terminal, compose
from hil.errors import BenchError
from hil.faults import disk, line, power
from hil.faults.broker import Mosquitto
from hil.faults.clock import Clock
from hil.faults.disk import Disk
from hil.faults.proxy import Proxy
from hil.instruments.modbus_tcp import LOOPBACK, bound_port
from hil.instruments.modbus_unit import MeterUnit, served
from hil.ledger import Result

LANES = "ashwx"
_AHEAD = "a"  # where what is new may come before what is old
# Each of the three goes on for so long; starts of the device come on top.
TROUBLED_S = (1.0, 3.0)
BETWEEN_S = (0.0, 0.7)
# What was sent and is not acknowledged is sent again after 60 s; the rest is a slow machine.
DRAINED_S = 180.0
_LOOK_S = 0.25
# A consumer that follows its broker closely: what it is away adds nothing to what is asked here.
_FIRST_US, _LONGEST_US = 50_000, 300_000
# The least quota keeps three segments; a lane that holds nearly as much loses its oldest soon.
_QUOTA_MB = 1.0
_SEGMENTS = 3
_LEFT_BYTES = 16_000  # of the last one, at most
_NEAR_BYTES = 240  # of each record there
_BACKLOG = 30  # records of the other lanes, of these sizes
_SIZES_BYTES = (4, 40, _NEAR_BYTES)
_DISK_MB = 48
_METERED = 0.4  # share of the runs with a meter, whose driver takes long to start
# It did not end in the time that its supervisor gives it, and was killed, as happens
# with many units on few processors; what has to hold holds after that as well.
_ENDED_LATE = 1
_CLOCK_STEPS_S = (0.4, -0.4, 30.0, -30.0, 3600.0, -3600.0, 40e6, -40e6)

_WIRE = """
[[sensor]]
name = "wire"
driver = "simulated"
rate_hz = 800
seed = {seed}
repeat_s = 1.0
script = [
  {{ what = "fault", at_s = 0.2, for_s = 0.1, kind = "BC", amps = 2400.0 }},
  {{ what = "fault", at_s = 0.7, for_s = 0.1, kind = "AG", amps = 1500.0 }},
]
"""
_METER = """
[[sensor]]
name = "meter"
driver = "modbus"
host = "{host}"
port = {port}
profile = "generic"
period_ms = 100
log = "readings"
"""
_ROLES = ("ia", "ib", "ic", "ua", "ub", "uc")
_BAY = Bay("s1", 10000, 400, "resonant", "summed")


def troubles(seed: int) -> Result:
    """Kills, power cuts, full disk, clock steps, broken lines and quotas in one run, to SQLite."""
    if missing := disk.lacking():
        raise BenchError("troubles", f"this machine lacks {missing}")

    async def scenario(folder: Path) -> Result:
        scene = Scene(seed, folder)
        async with scene:
            await scene.suffer()
            await scene.recover()
            return await scene.judged()

    return staged(scenario)


@dataclass
class Scene:
    """Everything that stands between a feeder and a database, within `async with`.

    counts: how often each trouble came. statuses: with which the device has ended.
    """

    seed: int
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    statuses: list[int] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        """Set it up: a log with its backlog, and everything but the device runs."""
        chance = self._chance("scene")
        stack = self._stack = contextlib.AsyncExitStack()
        try:
            self.broker = stack.enter_context(
                Mosquitto(self.folder / "broker", persistence=chance.random() < 0.5, verbose=False)
            )
            self.disk = stack.enter_context(Disk(self.folder / "disk", megabytes=_DISK_MB))
            self.line = await stack.enter_async_context(Proxy(self.broker.port, seed=self.seed))
            metered = chance.random() < _METERED
            port = await stack.enter_async_context(meter()) if metered else None
            await stack.enter_async_context(self._ingesting())
            device = Agent(self.disk.path / "device", said=self.folder / "agent.log")
            self.device = await stack.enter_async_context(device)
            self.clock = Clock(self.folder / "clock.json")
            self.site = self._site(chance, port)
            near = [lane for lane in "ahsw" if chance.random() < 0.4]
            fill(self.device.log, chance, near)
            self.counts["quota"] = len(near)
        except BaseException:
            await stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{self.seed} {what}")  # noqa: S311  the same scene again, no secret

    def _site(self, chance: random.Random, port: int | None) -> str:
        quotas = ", ".join(f"{lane} = {_QUOTA_MB}" for lane in LANES)
        store = f"[store]\nquota_mb = {{ {quotas} }}\nfree_floor_mb = {chance.choice((0.0, 4.0))}\n"
        terminals = [
            Terminal("head", _BAY, 50, _WIRE.format(seed=self.seed), _channels("wire")),
        ]
        if port is not None:
            sensor = _METER.format(host=LOOPBACK, port=port)
            terminals.append(Terminal("tail", _BAY, 50, sensor, _channels("meter")))
            self.counts["meter"] = 1
        waves = chance.choice(("alarms", "all"))
        return compose(
            terminals,
            node="ftu-1",
            broker=self.line.url,
            uplink=f'waveforms = "{waves}"',
            more=store,
        )

    # The database.

    @property
    def database(self) -> Path:
        """The ingester's file."""
        return self.folder / "central.db"

    @contextlib.asynccontextmanager
    async def _ingesting(self) -> AsyncIterator[None]:
        """The reference ingester; what ends it early is the rig's own failure."""
        self.said: list[str] = []
        works = ingest.ingest(
            self.broker.url,
            f"sqlite:///{self.database}",
            "scada",
            1,
            tell=self.said.append,
            backoff=Backoff(self._chance("ingest").randrange, _FIRST_US, _LONGEST_US),
        )
        task = asyncio.create_task(works, name="ingester")
        try:
            yield
        finally:
            if task.done():
                raise BenchError("ingester", f"has ended: {task.exception()!r}")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # The troubles.

    async def suffer(self) -> None:
        """Three kinds of trouble at once, each drawn by itself."""
        await self._start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._acts("device", self._device_acts()))
            tasks.create_task(self._acts("line", self._line_acts()))
            tasks.create_task(self._acts("clock", self._clock_acts()))

    async def _acts(self, what: str, acts: Mapping[str, _Act]) -> None:
        """One after the other, from the seed's own moments, until the time is over."""
        chance = self._chance(what)
        end = time.monotonic() + chance.uniform(*TROUBLED_S)
        while time.monotonic() < end:
            await asyncio.sleep(chance.uniform(*BETWEEN_S))
            name = chance.choice(list(acts))
            self.counts[name] += 1
            await acts[name](chance)

    def _device_acts(self) -> dict[str, _Act]:
        return {
            "kill link": lambda _: self.device.strike("link"),
            "kill guard": lambda _: self.device.strike("guard"),
            "kill all": self._kill_all,
            "power cut": self._power_cut,
            "disk full": self._disk_full,
            "boot on a full disk": self._full_boot,
        }

    def _line_acts(self) -> dict[str, _Act]:
        on_line = {
            name: lambda chance, act=act: act(self.line, chance) for name, act in line.ACTS.items()
        }
        return {**on_line, "broker": self._broker_dies}

    def _clock_acts(self) -> dict[str, _Act]:
        async def jump(chance: random.Random) -> None:
            self.clock.jump(chance.choice(_CLOCK_STEPS_S))
            await asyncio.sleep(chance.uniform(0.2, 1.5))

        async def unsure(chance: random.Random) -> None:
            self.clock.lose_synchronisation()
            await asyncio.sleep(chance.uniform(0.2, 1.0))
            if chance.random() < 0.5:
                self.clock.synchronise()

        return {"clock step": jump, "clock unsure": unsure}

    async def _start(self) -> None:
        await self.device.start(self.site, self.clock.environment())

    async def _kill_all(self, _: random.Random) -> None:
        await self.device.strike("all")
        await self._start()

    async def _power_cut(self, chance: random.Random) -> None:
        await power.cut(
            self.device,
            self.disk,
            keep=chance.choice((0.0, 0.5, 1.0)),
            seed=chance.randrange(1 << 30),
            writes=chance.choice((0, chance.randint(1, 12), chance.randint(1, 60))),
            within_s=1.0,
        )
        await self._start()

    async def _disk_full(self, chance: random.Random) -> None:
        """Somebody else fills it; who is killed meanwhile starts on a full disk."""
        await asyncio.to_thread(self.disk.fill, chance.choice((0, 0, 100_000, 3_000_000)))
        await asyncio.sleep(chance.uniform(0.1, 1.2))
        if chance.random() < 0.5:
            part = chance.choice(("guard", "link"))
            self.counts[f"kill {part}"] += 1
            await self.device.strike("guard" if part == "guard" else "link")
            await asyncio.sleep(chance.uniform(0.1, 1.0))
        await asyncio.to_thread(self.disk.heal)

    async def _full_boot(self, chance: random.Random) -> None:
        await asyncio.to_thread(self.disk.fill)
        await self._power_cut(chance)
        await asyncio.sleep(chance.uniform(0.1, 1.2))
        await asyncio.to_thread(self.disk.heal)

    async def _broker_dies(self, chance: random.Random) -> None:
        await asyncio.to_thread(chance.choice((self.broker.kill, self.broker.stop)))
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        await asyncio.to_thread(self.broker.start)

    # Afterwards.

    async def recover(self) -> None:
        """All is well again; the device is ended in good order and started once more.

        So it comes back at once: who has failed so often may stay away for minutes.
        """
        await line.healed(self.line)
        await asyncio.to_thread(self.disk.heal)
        self.clock.synchronise()
        await self._end()
        await self._start()

    async def _end(self) -> None:
        status = await self.device.stop()
        self.counts["ended late"] += status == _ENDED_LATE
        self.statuses.append(status)

    async def judged(self) -> Result:
        """What has arrived of all that the log gave out until now."""
        nexts = await asyncio.to_thread(
            lambda: {lane: next_seq(self.device.log, lane) for lane in LANES}
        )
        began = time.monotonic()
        found = await self._drained(nexts)
        drained_s = time.monotonic() - began
        await self._end()
        wrong = {
            "missing": found.missing,
            "differs": found.differs,
            "altered": found.altered(stored(self.device)),
            "out_of_order": found.out_of_order,
            "acked_and_missing": found.acked_and_missing,
            "accounts": unaccounted(self.device),
            "verify": list(verify(self.device.log).problems),
            "evidence": evidence(self.device),
            "tracebacks": tracebacks(self.device),
            "statuses": [each for each in self.statuses if each not in (0, _ENDED_LATE)],
        }
        told = {
            "troubles": dict(sorted(self.counts.items())),
            "received": found.received,
            "lost": found.lost,
            "late": found.late,
            "drained_s": round(drained_s, 1),
        }
        return {"ok": not any(wrong.values()), **told, **shown(wrong)}

    async def _drained(self, nexts: Mapping[str, int]) -> Held:
        """What the database holds once all is acknowledged, or there was time enough for it."""
        epoch = read_epoch(self.device.log) or 0
        deadline = time.monotonic() + DRAINED_S
        while time.monotonic() < deadline:
            marks = await asyncio.to_thread(marked, self.database, epoch)
            if all(marks.get(lane, 0) >= after - 1 for lane, after in nexts.items()):
                break
            await asyncio.sleep(_LOOK_S)
        return await asyncio.to_thread(held, self.database, epoch, nexts)


_Act = Callable[[random.Random], Awaitable[object]]


def _channels(sensor: str) -> str:
    return "\n".join(f'{role} = "{sensor}.{role}"' for role in _ROLES)


@contextlib.asynccontextmanager
async def meter() -> AsyncIterator[int]:
    """A Modbus TCP meter that shows a quiet load; its port."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # it tells of every broken line
    unit = MeterUnit("generic")
    server = ModbusTcpServer(unit.device(), address=(LOOPBACK, 0))
    async with served(unit, server, "Modbus TCP"):
        shows = {"ia": 100.0, "ib": 101.0, "ic": 99.0, "ua": 5773.0, "ub": 5770.0, "uc": 5776.0}
        await unit.show(shows)
        yield bound_port(server)


def fill(log: Path, chance: random.Random, near: list[str]) -> None:
    """What the terminal could not deliver before: some records of each lane.

    near: lanes that are within a few kilobytes of their quota.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with Journal.open(log, LANES) as journal:
        for lane in LANES:
            sizes = [chance.choice(_SIZES_BYTES) for _ in range(_BACKLOG)]
            if lane in near:
                frame = segment.FRAME_BYTES + len(_earlier(lane, 1, _NEAR_BYTES))
                whole = (segment_files.SEGMENT_BYTES - segment.HEADER_BYTES) // frame
                left = chance.randint(0, _LEFT_BYTES) // frame
                sizes = [_NEAR_BYTES] * (_SEGMENTS * whole - left)
            journal.append_group(lane, [_earlier(lane, n, size) for n, size in enumerate(sizes, 1)])


def _earlier(lane: str, number: int, size: int) -> bytes:
    """A record of the day before, with so many bytes of content."""
    mono_us = number * 1_000_000
    at = Stamp(0, mono_us, 1_795_478_400_000_000 + mono_us, 2, 900)
    if lane == "w":
        values = {"of_record": f"{number:08d}", "part": 0, "parts": 1, "body": bytes(size)}
        return cbor.dumps(entries.wave_entry(at, values))
    return cbor.dumps(entries.audit_entry(at, "backlog", None, "x" * size))


_MARKS = "SELECT lane, mark FROM ftu_lane WHERE epoch = ?"


@dataclass(frozen=True)
class Held:
    """What the database holds of one epoch, against what the log gave out.

    raw: (lane, seq) to the record's bytes, in the order in which they came. missing: (lane, first,
    last) that are neither received nor declared lost. differs: keys that came again with another
    content. late: records that came after a higher one of their lane; out_of_order: of them, those
    that are not marked as sent again, but for alarms that let newer ones go ahead (decision 0044).
    acked_and_missing: lanes acknowledged further than they are
    whole. lost: by lane and reason, seqs that never came.
    """

    raw: dict[tuple[str, int], bytes]
    missing: list[tuple[str, int, int]]
    differs: list[tuple[str, int]]
    late: int
    out_of_order: list[tuple[str, int]]
    acked_and_missing: list[str]
    received: dict[str, int]
    lost: dict[str, int]

    def altered(self, log: Mapping[tuple[str, int], bytes]) -> list[tuple[str, int]]:
        """Keys under which it has another content than the log."""
        return sorted(
            key
            for key, raw in self.raw.items()
            if key in log and cbor.loads(raw) != cbor.loads(log[key])
        )


def held(database: Path, epoch: int, nexts: Mapping[str, int]) -> Held:
    """Of the only node in it. nexts: of each lane the seq up to which it is asked."""
    with _tables(database) as tables:
        tables.execute("BEGIN")  # all of one instant, while the ingester goes on
        marks = dict(tables.execute(_MARKS, (epoch,)).fetchall())
        records = tables.execute(
            "SELECT lane, seq, raw, differs, again FROM ftu_record WHERE epoch = ? ORDER BY rowid",
            (epoch,),
        ).fetchall()
        losses = tables.execute(
            "SELECT lane, first_seq, last_seq, reason FROM ftu_lost WHERE epoch = ?", (epoch,)
        ).fetchall()
    came: dict[str, set[int]] = {lane: set() for lane in nexts}
    late: list[tuple[str, int, int]] = []
    highest: Counter[str] = Counter()
    for lane, seq, _, _, again in records:
        came.setdefault(lane, set()).add(seq)
        if seq < highest[lane]:
            late.append((lane, seq, again))
        highest[lane] = max(highest[lane], seq)
    known = {lane: set(seqs) for lane, seqs in came.items()}
    lost: Counter[str] = Counter()
    for lane, first, last, reason in losses:
        seqs = range(first, last + 1)
        lost[f"{lane} {reason}"] += sum(seq not in came.get(lane, ()) for seq in seqs)
        known.setdefault(lane, set()).update(seqs)
    missing = [
        (lane, first, last)
        for lane, after in nexts.items()
        for first, last in _ranges(set(range(1, after)) - known[lane])
    ]
    return Held(
        raw={(lane, seq): raw for lane, seq, raw, _, _ in records},
        missing=missing,
        differs=[(lane, seq) for lane, seq, _, differs, _ in records if differs],
        late=len(late),
        out_of_order=[(lane, seq) for lane, seq, again in late if not again and lane != _AHEAD],
        acked_and_missing=[
            lane for lane, mark in marks.items() if not set(range(1, mark + 1)) <= known[lane]
        ],
        received={lane: len(seqs) for lane, seqs in came.items()},
        lost={name: count for name, count in lost.items() if count},
    )


def marked(database: Path, epoch: int) -> dict[str, int]:
    """How far each lane is acknowledged."""
    with _tables(database) as tables:
        return dict(tables.execute(_MARKS, (epoch,)).fetchall())


def _tables(database: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True))


def _ranges(seqs: set[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for seq in sorted(seqs):
        if found and found[-1][1] == seq - 1:
            found[-1] = found[-1][0], seq
        else:
            found.append((seq, seq))
    return found
