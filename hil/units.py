"""The units of `make soak`, by name: each a seed in, what came of it out.

Another campaign joins by a line in UNITS: a function of a seed that answers a dict of plain values
with `ok`. It may raise RigError; that too is a failure with its line.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from functools import partial
from pathlib import Path

from agent.store.journal import verify
from hil import fleet
from hil.aftermath import evidence, shown, staged, stored, tracebacks, unaccounted
from hil.case import Bay
from hil.device.agent import AGENT, Agent
from hil.device.listener import Listener
from hil.device.site import Terminal, compose
from hil.errors import BenchError
from hil.faults import corruption, disk, power
from hil.faults.broker import Mosquitto
from hil.faults.disk import Disk
from hil.faults.line import ACTS as LINE
from hil.faults.line import healed
from hil.faults.proxy import Proxy
from hil.fuzz.unit import ROOMS, fuzzed
from hil.ledger import Result
from hil.ordinary import hour
from hil.plant import catalogue
from hil.plant.draft import EARTHINGS
from hil.score import score as scored
from hil.soak import Unit
from hil.tally import Tally, by_class
from hil.troubles import troubles

# A back-off of 300 s at most (contract.md, promise 6); then everything has to come.
ARRIVAL_S = 400.0
FIRST_S = 60.0
KILLS = 12
FAULTS = 8
_SENSOR = """
[[sensor]]
name = "wire"
driver = "simulated"
repeat_s = 2.0
script = [
  { what = "fault", at_s = 0.6, for_s = 0.1, kind = "BC", amps = 2400.0 },
  { what = "fault", at_s = 1.4, for_s = 0.1, kind = "AG", amps = 1500.0 },
]
"""
_CHANNELS = "\n".join(f'{role} = "wire.{role}"' for role in ("ia", "ib", "ic", "ua", "ub", "uc"))
_FEEDER = Terminal("head", Bay("s1", 10000, 400, "resonant", "summed"), 50, _SENSOR, _CHANNELS)


def kills(seed: int) -> Result:
    """SIGKILLs of guard, link and broker (tests/campaign.py)."""
    try:
        from tests.campaign import campaign
    except ImportError as error:
        raise BenchError("kills", f"{error}", "the project's tree, with its tests") from error
    with tempfile.TemporaryDirectory(prefix="ftu-soak-") as folder:
        came = campaign(Path(folder), seed=seed, kills=KILLS)
    wrong = {
        "missing": came.missing,
        "invented": came.invented,
        "repeated": came.repeated,
        "untold": came.untold,
        "problems": came.problems,
    }
    told = {"records": came.records, "kills": came.kills}
    return {"ok": not any(wrong.values()), **told, **shown(wrong)}


def score(seed: int) -> Result:
    """A fresh case of every class, in one earthing each: no false alarm, no short one missed."""
    wanted = [
        (what, EARTHINGS[(seed + k) % len(EARTHINGS)], seed)
        for k, what in enumerate(catalogue.CLASSES)
    ]
    marks = scored(wanted, AGENT, tell=lambda _: None)
    short = Tally([each for each in marks if each.what == "short_circuit"])
    wrong = {"false": Tally(marks).wrong, "short_missed": short.missed}
    hits = {
        f"{what} {earthing}": [sum(m.hit for m in tally.marks), sum(m.owed for m in tally.marks)]
        for (what, earthing, _), tally in by_class(marks).items()
        if any(m.owed for m in tally.marks)
    }
    return {"ok": not any(wrong.values()), "hits": hits, **shown(wrong)}


def ordinary(seed: int) -> Result:
    """An hour of load with switching, inrush, motors and harmonics: no alarm of a fault."""
    came = hour(seed)
    alarms = [f"{e['event']} {e.get('kind')} in {e['record']} at {e['t']}" for e in came.alarms]
    told = {"hours": round(came.seconds / 3600, 3), "where": came.where, "told": dict(came.told)}
    return {"ok": not alarms, **told, **shown({"alarms": alarms})}


def links(seed: int) -> Result:
    """A link that breaks in drawn ways: nothing lost, nothing twice, and it mends."""
    chance = random.Random(seed)  # noqa: S311  the same scene again, no secret

    async def scenario(folder: Path) -> Result:
        with Mosquitto(folder / "broker") as broker:
            async with (
                Proxy(broker.port, seed=seed) as line,
                Listener(broker.url, folder / "central") as central,
                Agent(folder / "device") as device,
            ):
                await device.start(compose([_FEEDER], node="ftu-1", broker=line.url))
                await central.until(lambda: central.told("fault"), "the first fault", FIRST_S)
                done = []
                for _ in range(FAULTS):
                    name = chance.choice(list(LINE))
                    done.append(name)
                    await LINE[name](line, chance)
                    await asyncio.sleep(chance.uniform(0.05, 2.0))
                await healed(line)
                return {"faults": done, **await _arrived(device, central)}

    return staged(scenario)


def damage(seed: int) -> Result:
    """Stored files damaged in drawn ways: it starts, goes on, and declares what it lost."""

    async def scenario(folder: Path) -> Result:
        with Mosquitto(folder / "broker") as broker:
            site = compose([_FEEDER], node="ftu-1", broker=broker.url)
            async with (
                Listener(broker.url, folder / "central") as central,
                Agent(folder / "device") as device,
            ):
                await device.start(site)
                await central.until(lambda: len(central.told("fault")) >= 3, "faults", FIRST_S)
                stopped = await device.stop()
                done = corruption.damage(device.log, seed=seed, count=1 + seed % 3)
                known = len(central.told("fault"))
                await device.start(site)
                await central.until(
                    lambda: len(central.told("fault")) > known, "a fault afterwards", ARRIVAL_S
                )
                stopped = stopped or await device.stop()
        wrong = {"accounts": unaccounted(device), "tracebacks": tracebacks(device)}
        told = {"damage": [str(each) for each in done], "status": stopped}
        return {"ok": stopped == 0 and not any(wrong.values()), **told, **wrong}

    return staged(scenario)


def cuts(seed: int) -> Result:
    """Power cuts on a disk of the rig's own: what a consumer has stays in the log."""
    if missing := disk.lacking():
        raise BenchError("cuts", f"this machine lacks {missing}")
    chance = random.Random(seed)  # noqa: S311

    async def scenario(folder: Path) -> Result:
        with Mosquitto(folder / "broker") as broker, Disk(folder / "disk") as own:
            site = compose([_FEEDER], node="ftu-1", broker=broker.url)
            device = Agent(own.path / "device")
            async with Listener(broker.url, folder / "central") as central, device:
                for number in range(3):
                    known = len(central.told("fault"))
                    await device.start(site)
                    await central.until(
                        lambda known=known: len(central.told("fault")) > known,  # type: ignore[misc]
                        "a fault between the cuts",
                        FIRST_S,
                    )
                    await asyncio.sleep(chance.uniform(0.0, 1.5))
                    keep = chance.choice((0.0, 0.5, 1.0))
                    await power.cut(device, own, keep=keep, seed=seed * 8 + number)
                await device.start(site)
                known = len(central.told("fault"))
                await central.until(lambda: len(central.told("fault")) > known, "a fault", FIRST_S)
                return await _arrived(device, central)

    return staged(scenario)


def storms(seed: int) -> Result:
    """A small fleet through storms, bursts and a killed broker, with drawn figures."""
    chance = random.Random(seed)  # noqa: S311
    plan = fleet.Plan(
        nodes=chance.randint(20, 200),
        seed=seed,
        speed=chance.uniform(100, 900),
        steady_s=chance.uniform(1, 10),
        burst_share=chance.random(),
        burst_s=chance.uniform(0.2, 5),
        burst_events=chance.randint(1, 20),
        cut_share=chance.random(),
        away_s=chance.uniform(0, 5),
    )
    came = fleet.measured(plan)
    held = came.held
    wrong = {
        "lost": held.lost,
        "doubled": held.doubled,
        "altered": held.altered,
        "invented": held.invented,
        "unsettled": [phase.name for phase in came.phases if not phase.settled],
    }
    return {"ok": came.ok, "nodes": came.nodes, "records": held.records, **shown(wrong)}


UNITS: dict[str, Unit] = {
    name: Unit(str(run.__doc__), run)
    for name, run in (
        ("kills", kills),
        ("links", links),
        ("damage", damage),
        ("cuts", cuts),
        ("troubles", troubles),
        ("fleet", storms),
        ("score", score),
        ("ordinary-load", ordinary),
    )
}
for _room, _targets in ROOMS.items():
    UNITS[_room] = Unit(
        f"Hostile input by coverage: {', '.join(_targets)}.", partial(fuzzed, _room)
    )


# What has to be so in the end.


async def _arrived(device: Agent, central: Listener) -> Result:
    """Everything of the log comes; each key came once; the agent ends in good order."""

    def missing() -> list[tuple[str, int]]:
        came = {(key[2], key[3]) for key in central.arrivals()}
        return sorted(stored(device).keys() - came)

    at_end = await device.stop()
    late = missing()
    if late:  # what was recorded in the goodbye leaves at the next start
        await device.start(device.site.read_text())
        await central.until(lambda: not set(late) & set(missing()), "all of the log", ARRIVAL_S)
        at_end = at_end or await device.stop()
    wrong = {
        "repeated": sorted(key for key, count in central.arrivals().items() if count > 1),
        "accounts": unaccounted(device),
        "verify": list(verify(device.log).problems),
        "evidence": evidence(device),
        "tracebacks": tracebacks(device),
    }
    told = {"records": len(central.arrivals()), "status": at_end}
    return {"ok": at_end == 0 and not any(wrong.values()), **told, **shown(wrong)}
