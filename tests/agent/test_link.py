"""Link beside a log that is long already; what it does with the records, test_projection shows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.clock import Clock, Stamp
from agent.link import BATCH, Link
from agent.outage.projection import Projection
from agent.records import Event
from agent.site import Uplink
from agent.store import cbor, entries, entry
from agent.store.journal import Journal
from agent.uplink import wire
from agent.uplink.mqtt import Port, connect
from agent.uplink.publisher import Publisher
from agent.uplink.status import Identity
from hil.faults.broker import Mosquitto
from tests.agent.uplink.broker import eventually, mosquitto, run


def alone(folder: Path, journal: Journal, **more: Any) -> Link:
    """A link without an uplink, over the log in `folder`."""
    return Link(
        log=folder / "log",
        journal=journal,
        projection=Projection(()),
        publisher=None,
        section_of=lambda _: None,
        stamp=lambda: Clock(1).stamp(0),
        data_dir=folder,
        **more,
    )


def test_a_long_log_stops_neither_the_heart_nor_the_uplink(tmp_path: Path) -> None:
    event = Event(event="fault", bay="b", t_us=5)
    payload = cbor.dumps(entries.event_entry(event, Stamp(1, 5, 5, 2, 900), logged_us=5))
    with Journal.open(tmp_path / "log", "as") as journal:
        for _ in range(5 * BATCH):
            journal.append("a", payload, sync=False)
        journal.sync()
        link = alone(tmp_path, journal)
        beats: list[int] = []

        async def beside() -> None:
            work = asyncio.create_task(link.run())
            async with asyncio.timeout(20):
                while (seen := link._readers["a"].next_seq) <= 5 * BATCH:
                    beats.append(seen)
                    await asyncio.sleep(0)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

        asyncio.run(beside())
    assert len(set(beats)) >= 5  # it was seen on its way, batch by batch


class Listener:
    """Stands for the uplink; what it does with it, test_publisher shows."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def settings_in_force(self, version: str) -> None:
        self.told.append(version)


def test_the_uplink_hears_which_settings_judge(tmp_path: Path) -> None:
    audits = [
        ("settings_in_force", "version 2 hash 5f3a in force, made from 1: study 14"),
        ("settings_refused", "version 2 hash 5f3a in force; version 3: no such bay"),
        ("clock", "version 9 in force"),
        ("settings_damaged", "defaults in force; the store is damaged"),
    ]
    with Journal.open(tmp_path / "log", "as") as journal:
        for what, detail in audits:
            entry = entries.audit_entry(Stamp(1, 5, 5, 2, 900), what, "ops-2", detail)
            journal.append("a", cbor.dumps(entry))
        link = alone(tmp_path, journal)
        listener = Listener()
        link._publisher = listener  # type: ignore[assignment]
        link._look()
    assert listener.told == ["version 2 hash 5f3a", "version 2 hash 5f3a", "defaults"]


def test_a_probe_over_a_real_broker_is_answered_once_on_lane_s(tmp_path: Path) -> None:
    answers: list[dict[str, Any]] = []

    async def hear(port: Port) -> None:
        while True:
            message = await anext(port.messages())
            _, _, items = wire.open_envelope(cbor.loads(message.payload))
            told = [entry.as_dict(item[2]) for item in items]
            answers.extend(each for each in told if each["type"] == "answer")

    async def scenario(broker: Mosquitto) -> None:
        clock = Clock(1)
        with Journal.open(tmp_path / "log", "sx") as journal:
            publisher = Publisher(
                uplink=Uplink(broker=broker.url),
                identity=Identity(site="site", node="node", model="", config_hash=b"", versions={}),
                log=tmp_path / "log",
                epoch=journal.epoch,
                state_dir=tmp_path / "uplink",
                clock=clock,
                tell=lambda _: None,
            )
            link = Link(
                log=tmp_path / "log",
                journal=journal,
                projection=Projection(()),
                publisher=publisher,
                section_of=lambda _: None,
                stamp=lambda: clock.stamp(clock.now_us()),
                data_dir=tmp_path,
            )
            async with connect(broker.url, "desk") as port:
                await port.subscribe("ftu/1/site/node/e/s")
                work = [asyncio.create_task(each) for each in (hear(port), link.run())]
                await eventually(lambda: publisher.status.online)
                for token, what in (("q1", "probe"), ("q1", "probe"), ("q2", "weather")):
                    await port.publish("ftu/1/site/node/ask", cbor.dumps(wire.ask(token, what)))
                await eventually(lambda: len({each["asked"] for each in answers}) == 2)
                for each in work:
                    each.cancel()
                await asyncio.gather(*work, return_exceptions=True)
            assert journal.next_seq("s") == 4  # two answers, and the metrics at the end

    with mosquitto(tmp_path) as running:
        run(scenario(running))

    told = {each["asked"]: (each["asked_for"], each["answer"]) for each in answers}
    assert told == {"q1": ("probe", "here"), "q2": ("weather", "unknown")}


class CountedHeads:
    written = 0

    def __init__(self) -> None:
        self.steps = 0

    def step(self) -> bool:
        self.steps += 1
        return False

    def stop(self) -> None:
        pass


def test_heads_fall_due_also_while_another_lane_grows_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.link.LOOK_PERIOD_S", 0.05)
    heads = CountedHeads()

    async def scenario(link: Link) -> None:
        following = asyncio.create_task(link._follow())
        while heads.steps < 5:
            link._grew_in("h")
            await asyncio.sleep(0.002)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    with Journal.open(tmp_path / "log", "s") as journal:
        link = alone(tmp_path, journal, heads=heads)
        asyncio.run(asyncio.wait_for(scenario(link), 10))
