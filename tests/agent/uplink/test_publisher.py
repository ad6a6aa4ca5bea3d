"""The node's side of the uplink with a real log, a real mosquitto and real consumers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.store import cbor
from agent.uplink import topics, wire
from agent.uplink.mqtt import connect
from hil.faults.broker import Mosquitto
from tests.agent.uplink.broker import eventually, mosquitto, run
from tests.agent.uplink.node import Node, consuming


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


def lane(name: str, number: int) -> list[tuple[str, int]]:
    return [(name, seq) for seq in range(1, number + 1)]


def test_a_backlog_and_what_comes_later_arrive_once_and_are_acknowledged(
    tmp_path: Path, broker: Mosquitto
) -> None:
    node = Node(tmp_path, broker.url)
    node.log(300)

    async def scenario() -> None:
        async with node.running(), consuming(broker.url) as keys:
            await eventually(lambda: node.acked() == 300)
            node.log(5)
            await eventually(lambda: node.acked() == 305)
            assert keys == lane("a", 305)

    run(scenario())


def test_what_is_logged_while_the_broker_is_away_arrives_when_it_is_back(
    tmp_path: Path, broker: Mosquitto
) -> None:
    node = Node(tmp_path, broker.url)

    async def scenario() -> None:
        async with node.running(), consuming(broker.url) as keys:
            node.log(3)
            await eventually(lambda: node.acked() == 3)
            broker.kill()
            await eventually(lambda: not node.publisher.status.online)
            node.log(3)
            broker.start()  # without persistence: it has forgotten everything
            await eventually(lambda: node.acked() == 6)
            assert keys == lane("a", 6)

    run(scenario())


def test_a_record_that_nobody_acknowledged_is_sent_again(tmp_path: Path, broker: Mosquitto) -> None:
    node = Node(tmp_path, broker.url)
    node.log(2)

    async def scenario() -> None:
        async with node.running() as publisher:
            async with connect(broker.url, "mute") as mute:  # hears, and acknowledges nothing
                await mute.subscribe(topics.topic(topics.LANES["a"], "site", "node"))
                await eventually(lambda: publisher.status.lanes["a"].sent == 2)
            assert node.acked() == 0  # PUBACK is not delivery
            async with consuming(broker.url) as keys:
                await eventually(lambda: node.acked() == 2)
                assert keys == lane("a", 2)
            assert publisher.status.resends > 0

    run(scenario())


def test_every_required_consumer_counts(tmp_path: Path, broker: Mosquitto) -> None:
    node = Node(tmp_path, broker.url, consumers=("scada", "archive"))
    node.log(4)

    async def scenario() -> None:
        async with node.running() as publisher, consuming(broker.url, "scada"):
            await eventually(lambda: publisher.status.lanes["a"].marks["scada"] == 4)
            assert node.acked() == 0
            async with consuming(broker.url, "archive") as keys:
                await eventually(lambda: node.acked() == 4)
                assert keys == lane("a", 4)

    run(scenario())


def test_a_restart_goes_on_from_the_acknowledged_mark(tmp_path: Path, broker: Mosquitto) -> None:
    node = Node(tmp_path, broker.url)
    node.log(3)

    async def scenario() -> None:
        marks = tmp_path / "marks"
        async with node.running(), consuming(broker.url, state=marks):
            await eventually(lambda: node.acked() == 3)
        node.log(2)
        async with consuming(broker.url, state=marks) as keys, node.running() as publisher:
            await eventually(lambda: node.acked() == 5)
            assert keys == [("a", 4), ("a", 5)]
            assert publisher.status.resends == 0

    run(scenario())


def test_a_consumer_that_lost_its_memory_gets_what_is_still_there(
    tmp_path: Path, broker: Mosquitto
) -> None:
    node = Node(tmp_path, broker.url)
    node.log(3)

    async def scenario() -> None:
        async with node.running():
            async with consuming(broker.url):
                await eventually(lambda: node.acked() == 3)
            node.log(2)
            async with consuming(broker.url) as keys:
                await eventually(lambda: sorted(keys) == lane("a", 5))

    run(scenario())


def test_puback_is_enough_where_the_site_says_so(tmp_path: Path, broker: Mosquitto) -> None:
    node = Node(tmp_path, broker.url, ack="puback")
    node.log(3)

    async def scenario() -> None:
        async with node.running(), connect(broker.url, "mute") as mute:
            await mute.subscribe(topics.topic(topics.LANES["a"], "site", "node"))
            await eventually(lambda: node.acked() == 3)

    run(scenario())


def test_alarms_overtake_a_backlog_of_history(tmp_path: Path, broker: Mosquitto) -> None:
    node = Node(tmp_path, broker.url)
    node.log(3000, "h")
    node.log(3, "a")

    async def scenario() -> None:
        async with consuming(broker.url) as keys, node.running():
            await eventually(lambda: node.acked("h") == 3000 and node.acked("a") == 3)
            assert max(keys.index(key) for key in lane("a", 3)) < 1000
            assert sorted(keys) == sorted(lane("a", 3) + lane("h", 3000))

    run(scenario())


def test_birth_state_and_goodbye_are_there_for_who_comes_later(
    tmp_path: Path, broker: Mosquitto
) -> None:
    node = Node(tmp_path, broker.url)
    node.log(2)

    async def retained() -> dict[str, Any]:
        heard: dict[str, Any] = {}
        async with connect(broker.url, "late") as port:
            for name in (topics.BIRTH, topics.STATE):
                await port.subscribe(topics.topic(name, "site", "node"))
            async for message in port.messages():
                heard[message.topic.rpartition("/")[2]] = cbor.loads(message.payload)
                if len(heard) == 2:
                    return heard
        return heard

    async def scenario() -> None:
        async with node.running() as publisher:
            await eventually(lambda: publisher.status.online)
            heard = await retained()
            birth = wire.open_birth(heard["birth"])
            assert birth["node"] == "node"
            assert birth["lanes"]["a"][:3] == (node.journal.epoch, 1, 3)
            online, first, _ = wire.open_state(heard["state"])
            assert online
        online, number, _ = wire.open_state((await retained())["state"])
        assert not online
        assert number == first
        async with node.running() as publisher:
            await eventually(lambda: publisher.status.online)
            assert wire.open_state((await retained())["state"])[1] > first

    run(scenario())


def test_a_broker_that_was_never_there_is_no_error(tmp_path: Path, broker: Mosquitto) -> None:
    broker.kill()
    node = Node(tmp_path, broker.url)
    node.log(1)

    async def scenario() -> None:
        async with node.running() as publisher:
            await eventually(lambda: publisher.status.connections >= 3)
            assert not publisher.status.online
            assert publisher.status.trouble
            assert node.acked() == 0

    run(scenario())


def test_two_terminals_under_one_identity_say_so_and_do_not_storm(
    tmp_path: Path, broker: Mosquitto
) -> None:
    one, two = Node(tmp_path / "one", broker.url), Node(tmp_path / "two", broker.url)

    async def scenario() -> None:
        async with one.running(), two.running():
            await eventually(lambda: one.alarms or two.alarms)
            thrown = one if one.alarms else two
            assert thrown.alarms[0] == "duplicate_identity"
            assert any("another device uses this terminal's identity" in t for t in thrown.told)
            # A second stands for a quarter of an hour, and the 20 ms that are usual for a second.
            before = broker.log.count("New client connected")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await asyncio.get_running_loop().create_future()
            assert broker.log.count("New client connected") - before <= 12

    run(scenario())


def test_a_state_of_our_own_past_is_no_other_terminal(tmp_path: Path, broker: Mosquitto) -> None:
    node = Node(tmp_path, broker.url)

    async def scenario() -> None:
        for _ in range(3):
            async with node.running() as publisher:
                await eventually(lambda: publisher.status.online)
                broker.restart()  # it comes back with nothing, or with a state of the past
                async with connect(broker.url, "store") as store:
                    place = topics.topic(topics.STATE, "site", "node")
                    await store.publish(place, cbor.dumps(wire.state(True, 0, 5)), retain=True)
                    await eventually(lambda: publisher.status.connections > 1)
                    await eventually(lambda: publisher.status.online)
        assert node.alarms == []

    run(scenario())


def test_a_node_that_the_broker_does_not_know_says_so_once_and_waits(tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("wrong\n")

    async def scenario(broker: Mosquitto) -> None:
        node = Node(tmp_path, broker.url, username="node", password_file=wrong)
        node.log(1)
        async with node.running() as publisher:
            await eventually(lambda: publisher.status.connections == 3)
            assert node.alarms == ["uplink_not_authorised"]
            assert len([line for line in node.told if "0x87" in line]) == 1
            wrong.write_text("right\n")
            await eventually(lambda: publisher.status.online)

    with mosquitto(tmp_path / "broker", users={"node": "right"}) as broker:
        run(scenario(broker))


def test_birth_tells_other_settings_while_the_link_stands(
    tmp_path: Path, broker: Mosquitto
) -> None:
    async def story() -> None:
        node = Node(tmp_path, broker.url)
        births: list[dict[str, Any]] = []

        async def watch() -> None:
            async with connect(broker.url, "watcher") as port:
                await port.subscribe(topics.topic(topics.BIRTH, "site", "node"))
                while True:
                    message = await anext(port.messages())
                    births.append(wire.open_birth(cbor.loads(message.payload)))

        watcher = asyncio.create_task(watch())
        async with node.running() as publisher:
            await eventually(lambda: births)
            publisher.settings_in_force("version 2 hash 5f3a")
            publisher.settings_in_force("version 2 hash 5f3a")
            await eventually(lambda: len(births) == 2)
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        assert births[0]["versions"] == {"agent": "0"}
        assert births[1]["versions"] == {"agent": "0", "settings": "version 2 hash 5f3a"}
        assert births[0]["config_hash"] != births[1]["config_hash"]
        node.journal.close()

    run(story())
