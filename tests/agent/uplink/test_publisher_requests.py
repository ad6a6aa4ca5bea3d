"""Requests, questions, the brake and the broker's limits, with a real log and a real mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.store import cbor
from agent.store.journal import Limits
from agent.uplink import publisher as publisher_module
from agent.uplink import topics, wire
from agent.uplink.envelopes import OVERSIZE
from agent.uplink.mqtt import Port, connect
from hil.faults.broker import Mosquitto
from hil.faults.proxy import Proxy
from tests.agent.uplink.broker import eventually, mosquitto, run, serving
from tests.agent.uplink.node import Node, consuming

# (lane, ("record", seq) or ("lost", first, last, reason), whether it is flagged as sent again)
Heard = list[tuple[str, tuple[Any, ...], bool]]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def overhearing(url: str) -> AsyncIterator[tuple[Port, Heard]]:
    """A client of the broker that asks, and hears all envelopes, in order."""
    heard: Heard = []

    async def take(port: Port) -> None:
        async for message in port.messages():
            opened = cbor.loads(message.payload)
            _, lane, items = wire.open_envelope(opened)
            again = bool(wire.flags_of(opened) & wire.REPLAY)
            for item in items:
                told = item if item[0] == "lost" else item[:2]
                heard.append((lane, tuple(told), again))

    async with connect(url, "desk") as port:
        await port.subscribe(*(topics.topic(name, "site", "+") for name in topics.LANES.values()))
        task = asyncio.create_task(take(port))
        try:
            yield port, heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def mine(name: str) -> str:
    return topics.topic(name, "site", "node")


def test_what_a_consumer_asks_for_comes_again_and_is_flagged(
    tmp_path: Path, broker: Mosquitto
) -> None:
    node = Node(tmp_path, broker.url)
    node.log(20)

    async def scenario() -> None:
        async with node.running() as publisher, consuming(broker.url):
            await eventually(lambda: node.acked() == 20)
            async with overhearing(broker.url) as (port, heard):
                request = wire.replay(node.journal.epoch, "a", 7, 9)
                await port.publish(mine(topics.REPLAY), cbor.dumps(request))
                # What the consumer's arrival had resent may come before it.
                asked_for = [("a", ("record", seq), True) for seq in (7, 8, 9)]
                await eventually(lambda: heard[-3:] == asked_for)
            assert publisher.status.requests_taken == 1
            assert node.acked() == 20

    run(scenario())


def test_what_is_gone_is_answered_with_its_reason(tmp_path: Path, broker: Mosquitto) -> None:
    node = Node(tmp_path, broker.url, limits=Limits({"h": 524_288}))
    node.log(6000, "h", "x" * 200)  # three segments and more, of which two may stay

    async def scenario() -> None:
        async with node.running(), consuming(broker.url):
            await eventually(lambda: node.acked("h") == 6000)
            async with overhearing(broker.url) as (port, heard):
                request = wire.replay(node.journal.epoch, "h", 3, 5)
                await port.publish(mine(topics.REPLAY), cbor.dumps(request))
                await eventually(lambda: ("h", ("lost", 3, 5, "quota"), True) in heard)

    run(scenario())


def test_requests_that_cannot_be_met_are_told_once_and_nothing_is_sent(
    tmp_path: Path, broker: Mosquitto
) -> None:
    node = Node(tmp_path, broker.url)
    node.log(3)

    async def scenario() -> None:
        async with node.running() as publisher, consuming(broker.url):
            await eventually(lambda: node.acked() == 3)
            async with overhearing(broker.url) as (port, _):
                for epoch, last in ((node.journal.epoch, 4), (1, 3), (1, 2)):
                    request = cbor.dumps(wire.replay(epoch, "a", 1, last))
                    await port.publish(mine(topics.REPLAY), request)
                await port.publish(mine(topics.REPLAY), b"nonsense")
                await eventually(lambda: publisher.status.refused_messages == 1)
                assert publisher.status.requests_refused == 3
                refused = [line for line in node.told if "asked for again: refused" in line]
                assert len(refused) == 2
                assert publisher.status.requests_taken == 0

    run(scenario())


def test_a_question_reaches_who_answers_once(tmp_path: Path, broker: Mosquitto) -> None:
    node = Node(tmp_path, broker.url)
    asked: list[tuple[str, str, str | None]] = []
    node.asked = lambda *question: asked.append(question)

    async def scenario() -> None:
        async with node.running() as publisher, connect(broker.url, "desk") as port:
            await eventually(lambda: publisher.status.online)
            for token in ("q1", "q1", "q2"):
                await port.publish(mine(topics.ASK), cbor.dumps(wire.ask(token, "probe")))
            await eventually(lambda: len(asked) == 2)
            assert asked == [("q1", "probe", None), ("q2", "probe", None)]

    run(scenario())


def test_a_paused_fleet_sends_alarms_and_drains_when_the_brake_goes(
    tmp_path: Path, broker: Mosquitto
) -> None:
    node = Node(tmp_path, broker.url)
    node.log(200, "h")
    node.log(2, "a")
    brake = topics.topic(topics.DRAIN, "site")

    async def scenario() -> None:
        async with connect(broker.url, "fleet") as port:
            await port.publish(brake, cbor.dumps(wire.drain(0)), retain=True)
            async with node.running() as publisher, consuming(broker.url) as keys:
                await eventually(lambda: node.acked("a") == 2)
                node.log(1, "a")
                await eventually(lambda: node.acked("a") == 3)
                assert {lane for lane, _ in keys} == {"a"}
                assert ("backlog_rate_bytes_s", "") in publisher.metrics()
                await port.publish(brake, b"", retain=True)
                await eventually(lambda: node.acked("h") == 200)

    run(scenario())


def test_on_a_slow_line_an_alarm_waits_behind_one_message(
    tmp_path: Path, broker: Mosquitto
) -> None:
    node_folder = tmp_path / "node"
    came: list[str] = []  # lanes of the messages, as the broker passes them on

    async def hear(port: Port) -> None:
        while True:
            message = await anext(port.messages())
            came.append(message.topic[-1])

    async def scenario() -> None:
        async with Proxy(broker.port) as between, connect(broker.url, "desk") as port:
            await port.subscribe(*(topics.topic(name, "site", "+") for name in ("e/a", "e/h")))
            hearing = asyncio.create_task(hear(port))
            node = Node(node_folder, between.url, ack="puback")
            node.log(3000, "h", "x" * 200)
            between.slow(bytes_per_s=12_000)  # two thirds of a second for a full message
            async with node.running():
                await eventually(lambda: len(came) >= 4, 30)
                before = len(came)
                node.log(1, "a")
                await eventually(lambda: "a" in came, 30)
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
        # One that was under way, and one that tries whether the line has room for two.
        assert came.index("a") - before <= 2

    run(scenario())


def test_a_required_consumer_that_never_came_is_named(
    tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "NEVER_HEARD_S", 0.2)
    node = Node(tmp_path, broker.url, consumers=("scada", "scdaa"))

    async def scenario() -> None:
        async with node.running(), consuming(broker.url):
            await eventually(lambda: [line for line in node.told if "never heard of" in line])

    run(scenario())

    (line,) = [line for line in node.told if "never heard of" in line]
    assert line == "consumer scdaa is required and was never heard of; the records wait"


def test_a_record_that_the_broker_cannot_take_holds_up_nobody(tmp_path: Path) -> None:
    async def scenario(broker: Mosquitto) -> None:
        node = Node(tmp_path / "node", broker.url)
        node.log(2)
        node.log(1, detail="x" * 230)  # beyond what the broker takes in one message
        node.log(2)
        async with overhearing(broker.url) as (_, heard), consuming(broker.url):
            async with node.running() as publisher:
                await eventually(lambda: node.acked() == 5)
                assert publisher.status.oversize == 1
            others = {("record", seq) for seq in (1, 2, 4, 5)}
            assert {item for _, item, _ in heard} == {("lost", 3, 3, OVERSIZE), *others}
            assert any("told as lost, and kept in the log" in line for line in node.told)

    with mosquitto(tmp_path, extra="max_packet_size 280") as running:
        run(scenario(running))


async def packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Type and flags, and the rest behind the length, of one packet (MQTT 5, clause 2.1)."""
    kind, length, shift = (await reader.readexactly(1))[0], 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length += (byte & 127) << shift
        shift += 7
        if byte < 128:
            return kind, await reader.readexactly(length)


async def converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    puback: Callable[[bytes, bytes, bytes], bytes],
) -> None:
    """A broker's part. puback: its answer to (topic, packet identifier, payload)."""
    while True:
        kind, body = await packet(reader)
        if kind >> 4 == 1:  # CONNECT
            writer.write(b"\x20\x03\x00\x00\x00")
        elif kind >> 4 == 8:  # SUBSCRIBE
            writer.write(b"\x90\x04" + body[:2] + b"\x00\x01")
        elif kind >> 4 == 3 and kind & 6:  # PUBLISH with QoS 1
            end = 2 + int.from_bytes(body[:2], "big")
            payload = body[end + 3 + body[end + 2] :]
            writer.write(puback(body[2:end], body[end : end + 2], payload))


PUBACK = pytest.param(lambda number: b"\x40\x03" + number + b"\x97", 1, id="of-a-message")
GOODBYE = pytest.param(lambda _: b"\xe0\x02\x97\x00", 0, id="of-the-link")


@pytest.mark.parametrize(("refusal", "sends_refused"), [PUBACK, GOODBYE])
def test_a_quota_of_the_broker_halves_the_backlog_and_it_arrives(
    tmp_path: Path, refusal: Callable[[bytes], bytes], sends_refused: int
) -> None:
    """mosquitto 2.0 says 0x97 neither of a QoS 1 publish nor of a link: this broker is scripted."""
    refused: list[str] = []
    taken: list[int] = []

    def puback(topic: bytes, number: bytes, payload: bytes) -> bytes:
        if not topic.endswith(b"/e/h"):
            return b"\x40\x02" + number
        if not refused:
            refused.append("0x97")
            return refusal(number)
        _, _, items = wire.open_envelope(cbor.loads(payload))
        taken.extend(item[1] for item in items)
        return b"\x40\x02" + number

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await converse(reader, writer, puback)

    async def scenario() -> None:
        async with serving(serve) as port:
            node = Node(tmp_path, f"mqtt://127.0.0.1:{port}", protocol="5", ack="puback")
            node.log(50, "h")
            async with node.running() as publisher:
                await eventually(lambda: node.acked("h") == 50)
                assert publisher._session.pacing.halvings == 1
                assert publisher.status.sends_refused == sends_refused
                assert publisher.status.connections == 2 - sends_refused
                assert taken == list(range(1, 51))

    run(scenario())


def test_state_tells_how_the_delivery_stands_when_that_changes(
    tmp_path: Path, broker: Mosquitto
) -> None:
    node = Node(tmp_path, broker.url, consumers=("scada", "typo"))
    node.log(3)
    states: list[dict[str, int]] = []

    async def watch() -> None:
        async with connect(broker.url, "watcher") as port:
            await port.subscribe(mine(topics.STATE))
            while True:
                message = await anext(port.messages())
                states.append(wire.figures_of(cbor.loads(message.payload)))

    async def scenario() -> None:
        watching = asyncio.create_task(watch())
        async with node.running() as publisher, consuming(broker.url):
            await eventually(lambda: publisher.status.lanes["a"].marks["scada"] == 3)
            await eventually(lambda: states and states[-1].get("depth_records") == 3)
            async with consuming(broker.url, "typo"):
                await eventually(lambda: states[-1].get("depth_records") == 0)
            assert states[-1]["consumers_never_heard"] == 0
            await asyncio.sleep(0.3)  # six periods in which nothing changes
            told = [each for each in states if each]
            assert all(one != other for one, other in pairwise(told))
            values = publisher.metrics()
            assert values["disk_bytes", "a"] == 256 * 1024
            assert values["ack_lag_max_ms", "a"] >= values["puback_lag_p50_ms", "a"] > 0
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    run(scenario())
