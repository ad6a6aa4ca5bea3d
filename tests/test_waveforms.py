"""A fault's waveform on its way, with real processes and a real broker: asked for, cut, whole."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from agent.record_replay import again, load
from agent.store import cbor, entry, record_files
from agent.store.journal import Stored
from agent.uplink import topics, wire
from agent.uplink.mqtt import connect
from hil.faults.broker import Mosquitto
from hil.faults.proxy import Proxy
from tests.agent.uplink.broker import eventually, run
from tests.house import Agent, Consumer

SITE = """
[site]
name = "hebin"
[device]
id = "ftu-7"
data_dir = "data"
[[sensor]]
name = "wire"
driver = "simulated"
rate_hz = 12800
script = [{{ what = "fault", at_s = 0.3, for_s = 0.06, kind = "BC", amps = 2400.0 }}]
[[bay]]
name = "head"
section = "s1"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
[uplink]
broker = "{broker}"
waveforms = "{waveforms}"
"""


def audits(agent: Agent, what: str) -> list[str]:
    """Details of guard's audits of this kind."""
    told = [
        entry.as_dict(cbor.loads(item.payload))
        for lane, item in agent.records()
        if lane == "h" and isinstance(item, Stored)
    ]
    return [each.get("detail", "") for each in told if each.get("what") == what]


class Asker:
    """A consumer's questions, and the answers that the listener printed."""

    def __init__(self, url: str, out: Path) -> None:
        self._url = url
        self._out = out

    async def ask(self, token: str, of: str) -> None:
        async with connect(self._url, f"asker-{token}") as port:
            topic = topics.topic(topics.ASK, "hebin", "ftu-7")
            await port.publish(topic, cbor.dumps(wire.ask(token, "record", of)))

    def answer(self, token: str) -> dict[str, str] | None:
        lines = self._out.read_bytes().split(b"\n")[:-1] if self._out.exists() else []
        told = [json.loads(line) for line in lines]
        return next((each for each in told if each.get("asked") == token), None)

    async def asked(self, token: str, of: str) -> dict[str, str]:
        await self.ask(token, of)
        await eventually(lambda: self.answer(token), 15.0)
        found = self.answer(token)
        assert found is not None
        return found


@pytest.mark.timeout(120)
def test_a_record_is_asked_for_and_is_the_terminals_own_file_though_the_link_was_cut(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path) as broker:
            async with Proxy(broker.port) as proxy:
                agent = Agent(tmp_path, SITE.format(broker=proxy.url, waveforms="ask"))
                consumer = Consumer(tmp_path, broker.url, waveforms=tmp_path / "waves")
                asker = Asker(broker.url, tmp_path / "received.jsonl")
                consumer.start()
                agent.start()
                try:
                    await cut_and_resumed(agent, consumer, proxy, asker)
                    assert agent.end() == 0
                    consumer.end()
                    assert "Traceback" not in agent.said()
                finally:
                    consumer.kill()
                    agent.put_down()

    async def cut_and_resumed(agent: Agent, consumer: Consumer, proxy: Proxy, asker: Asker) -> None:
        waves = tmp_path / "waves"
        records = tmp_path / "data/records"
        await eventually(lambda: audits(agent, record_files.STORED), 30.0)
        (name,) = [path.stem for path in records.glob("*.cff")]
        assert not audits(agent, record_files.IN_LANE)  # nobody has asked yet
        strange = ("../../etc/passwd", "a-999")
        answers = [asker.asked(f"t-{of}", of) for of in strange]
        assert {told["answer"] for told in await asyncio.gather(*answers)} == {"not there"}

        proxy.up.bytes_per_s = 16_000.0
        answer = await asker.asked("t-2", "a-2")  # the fault; a-1 says that guard watches
        assert (answer["answer"], answer["detail"]) == ("accepted", name)
        await eventually(lambda: len(list((waves / ".parts").iterdir())) > 3, 30.0)
        proxy.cut()
        consumer.kill()
        consumer.start()
        assert not list(waves.glob("*/*/*.cff"))
        await proxy.heal()
        whole = waves / "hebin" / "ftu-7" / f"{name}.cff"
        await eventually(whole.exists, 60.0)

        assert whole.read_bytes() == (records / f"{name}.cff").read_bytes()
        record, notes = load(whole)
        assert list(again(record, notes)) == notes.told
        assert not list((waves / ".parts").iterdir())
        (told,) = audits(agent, record_files.IN_LANE)
        where = told.partition(";")[0]
        assert (await asker.asked("t-3", "1"))["detail"] == where  # not packed a second time
        assert audits(agent, record_files.IN_LANE) == [told]

    run(scenario(), 110.0)


@pytest.mark.timeout(120)
def test_an_alarms_record_is_sent_unasked_where_the_site_says_so_through_a_kill_of_guard(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path) as broker:
            agent = Agent(tmp_path, SITE.format(broker=broker.url, waveforms="alarms"))
            consumer = Consumer(tmp_path, broker.url, waveforms=tmp_path / "waves")
            consumer.start()
            agent.start()
            try:
                records = tmp_path / "data/records"
                await eventually(lambda: list(records.glob("*.cff")), 30.0)
                await eventually(lambda: list((tmp_path / "data/waves").glob("*")), 10.0)
                agent.kill("guard")
                (name,) = [path.stem for path in records.glob("000001-*.cff")]
                whole = tmp_path / "waves" / "hebin" / "ftu-7" / f"{name}.cff"
                await eventually(whole.exists, 60.0)
                assert whole.read_bytes() == (records / f"{name}.cff").read_bytes()
                await eventually(
                    lambda: name not in [p.name for p in (tmp_path / "data/waves").iterdir()], 10.0
                )
            finally:
                consumer.kill()
                agent.put_down()

    run(scenario(), 110.0)
