"""A real broker through its starts and ends, with rights and limits; and an agent behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.errors import UplinkError
from agent.store.journal import export
from agent.uplink.mqtt import Port, Refused, connect
from hil.device.agent import Agent
from hil.device.listener import Listener
from hil.device.site import compose
from hil.errors import BenchError
from hil.faults import processes
from hil.faults.broker import Mosquitto
from hil.faults.proxy import Proxy
from hil.loopback import LOOPBACK, listens
from tests.agent.uplink.broker import eventually, run
from tests.hil.feeders import simulated


async def first(port: Port) -> bytes:
    messages: AsyncIterator[object] = port.messages()
    async for message in messages:
        payload: bytes = message.payload  # type: ignore[attr-defined]
        return payload
    raise AssertionError


async def retained(broker: Mosquitto) -> bytes | None:
    """What a new client is told of topic t, before the message that it sends itself."""
    async with connect(broker.url, "asker") as port:
        await port.subscribe("t")
        await port.publish("t", b"own")
        told = await first(port)
        return None if told == b"own" else told


@pytest.mark.parametrize(("persistence", "kept"), [(True, b"kept"), (False, None)])
def test_only_a_broker_with_persistence_remembers_across_a_restart(
    tmp_path: Path, persistence: bool, kept: bytes | None
) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path, persistence=persistence) as broker:
            async with connect(broker.url, "one") as port:
                await port.publish("t", b"kept", retain=True)
            before = broker.process
            broker.restart()
            assert broker.process != before
            assert await retained(broker) == kept
            with pytest.raises(BenchError, match="before its store is removed"):
                broker.forget()
            broker.stop()
            broker.forget()
            broker.start()
            assert await retained(broker) is None

    run(scenario())


def test_a_killed_broker_is_gone_at_once_and_says_nothing_to_anybody(tmp_path: Path) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path) as broker:
            process = broker.process
            with pytest.raises(UplinkError, match="broke"):
                async with connect(broker.url, "one") as port:
                    broker.kill()
                    await port.closed.wait()
                    await port.publish("t", b"x")
            assert not processes.alive(process)
            assert not listens(broker.port)
            assert "terminating" not in broker.log

    run(scenario())


def test_only_who_has_a_name_gets_in_and_only_where_he_may(tmp_path: Path) -> None:
    acl = "user node\ntopic write up/#\nuser reader\ntopic read up/#\n"
    users = {"node": "secret", "reader": "other"}

    async def scenario() -> None:
        with Mosquitto(tmp_path, acl=acl, users=users) as broker:
            with pytest.raises(UplinkError):
                async with connect(broker.url, "nobody"):
                    pass
            with pytest.raises(UplinkError):
                async with connect(broker.url, "wrong", username="node", password="guess"):
                    pass
            async with connect(broker.url, "one", username="node", password="secret") as port:
                await port.publish("up/1", b"x")
                with pytest.raises(Refused):
                    await port.publish("down/1", b"x")

    run(scenario())


def test_one_client_too_many_is_not_let_in(tmp_path: Path) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path, max_connections=1) as broker:
            async with connect(broker.url, "one"):
                with pytest.raises(UplinkError):
                    async with connect(broker.url, "two"):
                        pass
            async with connect(broker.url, "three"):
                pass

    run(scenario())


def test_a_broker_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BenchError, match=r"does not take connections: .*nonsense"):
        Mosquitto(tmp_path, extra="nonsense true").start()
    with Mosquitto(tmp_path) as broker, pytest.raises(BenchError, match="runs already"):
        broker.start()
    with pytest.raises(BenchError, match="does not run"):
        _ = broker.process
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(BenchError, match="mosquitto: is not installed"):
        broker.start()


def test_what_happens_while_the_broker_is_away_or_forgets_arrives_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker", persistence=True) as broker:
            device = Agent(tmp_path / "device")
            async with Listener(broker.url, tmp_path / "central") as central, device:
                await device.start(compose([simulated()], node="ftu-1", broker=broker.url))
                await central.until(lambda: central.told("fault"), "a fault")
                broker.kill()
                broker.forget()
                have = len(list(export(device.log)))
                await eventually(lambda: len(list(export(device.log))) > have + 2)
                broker.start()
                known = len(central.told("fault"))
                await central.until(lambda: len(central.told("fault")) > known, "all of it", 60)
            assert set(central.arrivals().values()) == {1}

    run(scenario(), 100)


def test_a_broker_and_its_proxy_listen_where_a_board_can_reach_them(tmp_path: Path) -> None:
    elsewhere = "127.0.0.2"

    async def scenario() -> None:
        with Mosquitto(tmp_path, address=elsewhere) as broker:
            async with Proxy(broker.port, address=elsewhere) as proxy:
                assert proxy.url == f"mqtt://{elsewhere}:{proxy.port}"
                async with connect(proxy.url, "one") as port:
                    await port.publish("t", b"x")
            with pytest.raises(UplinkError):
                async with connect(f"mqtt://{LOOPBACK}:{broker.port}", "two"):
                    pass

    run(scenario())
