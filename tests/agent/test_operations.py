"""What each command does: on a real agent, commanded over a real broker by the kit of servers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.operations import Operations
from agent.record_requests import RecordRequests
from agent.store import cbor, ed25519, entry
from agent.store.ed25519 import Secret
from agent.store.journal import Stored, export
from agent.uplink import command
from agent.uplink.commander import Order, Result, commanded
from hil import drill
from hil.device.agent import Agent
from hil.device.site import compose
from hil.drill import Script, Step
from hil.faults.broker import Mosquitto
from tests.hil.feeders import recording, simulated

ROOM = Secret(bytes(32))


class Hands:
    """Operations of a terminal without an agent around it."""

    def __init__(self, root: Path) -> None:
        self.brakes: list[Any] = []
        self.ends = 0
        self.operations = Operations(
            drills=root / "drills",
            requests=RecordRequests(records=root / "r", orders=root / "o", log=root / "log"),
            brake=self.brakes.append,
            end=self._end,
        )

    def _end(self) -> None:
        self.ends += 1


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    return Hands(tmp_path)


@pytest.mark.parametrize(
    ("operation", "arguments", "told"),
    [
        pytest.param("restart-link", {"now": 1}, "expected no arguments", id="one-too-many"),
        pytest.param("fetch-record", {}, "none; expected record", id="none"),
        pytest.param("fetch-record", {"record": 7}, "expected record", id="a-number"),
        pytest.param("drill-start", {"drill": "../D-1"}, "name", id="a-path"),
        pytest.param("rotate-certificate", {}, "no certificate", id="nothing-to-rotate"),
        pytest.param("set-drain", {"rate": 1}, "argument rate", id="unknown"),
        pytest.param("set-drain", {"jitter_s": 10**9}, "start jitter", id="out-of-range"),
        pytest.param("set-drain", {"holds_old": "yes"}, "old alarms", id="text"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    hands: Hands, operation: str, arguments: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        hands.operations.check(operation, arguments)


def test_no_operation_is_without_hands_and_none_does_more_than_its_own(hands: Hands) -> None:
    named: dict[str, dict[str, int | str]] = {
        "fetch-record": {"record": "7"},
        "drill-start": {"drill": "D-1"},
    }
    ends = {}
    for operation in command.OPERATIONS:
        if operation != "rotate-certificate":
            hands.operations.check(operation, named.get(operation, {}))
            ends[operation] = hands.operations.obey(operation, named.get(operation, {}))

    assert {name: stage for name, (stage, _) in ends.items()} == {
        "restart-link": command.EXECUTING,
        "time-challenge": command.DONE,
        "fetch-record": command.FAILED,  # there is none
        "drill-start": command.FAILED,
        "drill-stop": command.FAILED,
        "set-drain": command.DONE,
    }
    assert (hands.ends, hands.brakes) == (1, [(None, None, 0)])
    hands.operations.obey("set-drain", {"bytes_a_second": 0, "jitter_s": 5, "holds_old": 1})
    assert hands.brakes[-1] == (0, 5, 1)


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[Mosquitto]:
    with Mosquitto(folder / "broker") as running:
        yield running


def test_a_server_commands_a_running_agent(tmp_path: Path) -> None:
    with broker(tmp_path) as running:
        asyncio.run(_commanded(tmp_path, running.url))


async def _commanded(folder: Path, url: str) -> None:
    async with asyncio.timeout(100), Agent(folder / "device") as agent:
        await agent.put("trusted.keys", ed25519.line_of(ROOM.public, "room"))
        script = Script("D-1", "short circuit", "head", [Step("isolate", 60, "lead")])
        drill.shelve(agent.data_dir, script, recording("head", onset_s=0.2))
        terminals = [simulated()]
        uplink = 'trusted = "trusted.keys"'
        await agent.start(compose(terminals, node="ftu-7", site="hebin", broker=url, uplink=uplink))
        room = Room(url)
        await _until(lambda: "connected, MQTT" in agent.said())

        challenge = await room.does("time-challenge")
        assert abs(challenge.clock.utc_us - time.time_ns() // 1000) < 5_000_000
        assert (await room.does("drill-start", drill="D-1")).stage == "done"
        await _until(lambda: "started" in _whats(agent, "x"))
        assert (await room.does("drill-start", drill="D-1")).stage == "failed"
        assert (await room.does("drill-stop")).stage == "done"
        await _until(lambda: "aborted" in _whats(agent, "x"))
        assert (await room.does("fetch-record", record="999")).stage == "failed"
        assert (await room.does("set-drain", bytes_a_second=0)).stage == "done"

        starts = agent.said().count("guard started"), agent.said().count("link started")
        assert (await room.does("restart-link")).detail == "started again"
        after = agent.said().count("guard started"), agent.said().count("link started")
        assert after == (starts[0], starts[1] + 1)
        figures = next(each["values"] for each in _entries(agent, "s") if each["type"] == "metrics")
        assert figures[figures.index("commands_obeyed_total") + 1] == 7
        stranger = await Room(url, Secret(bytes([5]) * 32)).does("restart-link")
        assert stranger.stage == "refused"

        journaled = [each for each in _entries(agent, "s") if each.get("what") == "command"]
        told = [(each["who"], each["result"]) for each in journaled]
        assert told.count(("room", "accepted")) == 7
        assert told[-1] == ("unsigned", "refused")
        assert agent.said().count("link started") == after[1]


class Room:
    """Who commands. Every result that it hears stays."""

    def __init__(self, url: str, secret: Secret = ROOM) -> None:
        self.heard: list[Result] = []
        self._url = url
        self._secret = secret

    async def does(self, operation: str, **arguments: int | str) -> Result:
        order = Order("hebin", "ftu-7", operation, arguments)
        told = self.heard.append
        return await commanded(self._url, order, self._secret, told=told, within_s=45)


def _entries(agent: Agent, lane: str) -> list[dict[str, Any]]:
    items = [item for _, item in export(agent.data_dir / "log", lane)]
    return [entry.as_dict(cbor.loads(each.payload)) for each in items if isinstance(each, Stored)]


def _whats(agent: Agent, lane: str) -> list[str]:
    return [str(each.get("what")) for each in _entries(agent, lane)]


async def _until(true: Any) -> None:
    while not true():  # noqa: ASYNC110  files tell no event
        await asyncio.sleep(0.05)
