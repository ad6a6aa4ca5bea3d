"""The evidence of a real run: real processes, a real broker, and a consumer that looks at it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from agent.errors import RecordError
from agent.store import cbor, device_key, entry
from agent.store.device_key import PublicKey, read_public
from agent.store.evidence import as_sent, is_alarm
from agent.store.journal import Lost, Stored, export, read_epoch
from agent.store.proof import prove
from agent.uplink import topics, wire
from agent.uplink.mqtt import connect
from agent.uplink.witness import Witness
from hil.faults.broker import Mosquitto
from tests.house import Agent

SITE = """
[site]
name = "hebin"
[device]
id = "ftu-7"
data_dir = "data"
[[sensor]]
name = "wire"
driver = "simulated"
script = [{{ what = "fault", at_s = 0.6, for_s = 0.1, kind = "BC", amps = 2400.0 }}]
[[bay]]
name = "head"
section = "s1"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
[uplink]
broker = "{broker}"
"""
HEAD_WITHIN_S = 10.0
Record = tuple[int, str, int, list[Any]]


class Run:
    """What a run has left: the folder of its data, and what a consumer received."""

    def __init__(self, data: Path, records: list[Record], births: list[dict[str, Any]]) -> None:
        self.data = data
        self.records = records
        self.births = births

    @property
    def public(self) -> PublicKey:
        return read_public(self.data / device_key.PUBLIC_FILE)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("witness")
    broker = Mosquitto(folder)
    broker.start()
    agent = Agent(folder / "device", SITE.format(broker=broker.url))
    try:
        agent.start()
        births: list[dict[str, Any]] = []
        records = asyncio.run(_received(broker.url, births))
        agent.end()
    finally:
        agent.put_down()
        broker.kill()
    return Run(agent.log.parent, records, births)


async def _received(url: str, births: list[dict[str, Any]]) -> list[Record]:
    """Every record until a head vouches for an alarm, and one for that head."""
    records: list[Record] = []
    alarms: list[int] = []
    wanted: set[int] = set()
    async with asyncio.timeout(30), connect(url, "observer") as port:
        await port.subscribe("ftu/#")
        async for message in port.messages():
            name = topics.parse(message.topic)[0]
            if name == topics.BIRTH:
                births.append(cbor.parsed(message.payload, wire.open_birth))
            if topics.lane_of(name) is None:
                continue
            epoch, lane, items = cbor.parsed(message.payload, wire.open_envelope)
            for _, seq, logged in items:
                records.append((epoch, lane, seq, logged))
                if lane == "a" and is_alarm(logged):
                    alarms.append(seq)
                if logged[entry.TYPE] == entry.HEAD:
                    told = entry.as_dict(logged)
                    if told["of_lane"] == "a" and alarms and told["of_seq"] >= alarms[0]:
                        wanted.add(seq)
                    if told["of_lane"] == "s" and any(told["of_seq"] >= each for each in wanted):
                        return records
    raise AssertionError("the broker has ended the connection")


def told(witness: Witness, records: list[Record]) -> list[str]:
    found = [each for record in records for each in witness.record(*record)]
    return [finding.kind for finding in found]


def test_what_a_consumer_received_is_what_the_device_has_signed(run: Run) -> None:
    witness = Witness("hebin", "ftu-7", run.births[0]["public_key"])

    assert told(witness, run.records) == []
    vouched = {lane: seq for (_, lane), (seq, _) in witness.proven.items()}
    alarms = [seq for _, lane, seq, logged in run.records if lane == "a" and is_alarm(logged)]
    assert vouched["a"] >= alarms[0]
    assert vouched["s"] > 0


def test_the_order_in_which_it_came_does_not_matter(run: Run) -> None:
    witness = Witness("hebin", "ftu-7", run.public.key)
    assert told(witness, run.records[::-1]) == []
    other = Witness("hebin", "ftu-7", run.public.key)
    told(other, run.records)
    assert witness.proven == other.proven


def test_an_alarm_has_its_head_within_ten_seconds(run: Run) -> None:
    alarm = next(logged for _, lane, _, logged in run.records if lane == "a" and is_alarm(logged))
    seq = next(seq for _, lane, seq, logged in run.records if logged is alarm)
    heads = [logged for _, _, _, logged in run.records if logged[entry.TYPE] == entry.HEAD]
    covering = [
        head[entry.MONO]
        for head in heads
        if entry.as_dict(head)["of_lane"] == "a" and entry.as_dict(head)["of_seq"] >= seq
    ]
    assert min(covering) - alarm[entry.MONO] <= HEAD_WITHIN_S * 1e6


@pytest.mark.parametrize("what", ["edited", "key", "signature", "lost"])
def test_what_does_not_fit_is_named(run: Run, what: str) -> None:
    public = run.public.key if what != "key" else bytes(range(32))
    witness = Witness("hebin" if what != "signature" else "other", "ftu-7", public)
    records = [record for record in run.records if record[1] in "as"]
    first = next(n for n, record in enumerate(records) if record[1] == "a")
    epoch, lane, seq, logged = records[first]
    if what == "edited":
        records[first] = (epoch, lane, seq, [*logged[:-1], logged[-1] + 1])
    if what == "lost":
        del records[first]
        assert witness.lost(epoch, lane, seq, seq, "damaged") == []
    assert set(told(witness, records)) - {"unproven"} == {what}


def test_a_consumer_goes_on_where_it_was(run: Run) -> None:
    half = len(run.records) // 2
    before = Witness("hebin", "ftu-7", run.public.key)
    told(before, run.records[:half])
    after = Witness("hebin", "ftu-7", run.public.key, before.proven)
    # What had no head yet comes again out of the consumer's store.
    assert told(after, run.records) == []
    whole = Witness("hebin", "ftu-7", run.public.key)
    told(whole, run.records)
    assert after.proven == whole.proven


def test_another_key_in_birth_is_told(run: Run) -> None:
    witness = Witness("hebin", "ftu-7", run.public.key)
    assert witness.born(run.public.key) == []
    assert [finding.kind for finding in witness.born(bytes(32))] == ["key"]
    with pytest.raises(RecordError, match="31 bytes"):
        witness.born(bytes(31))


def test_a_copy_of_its_log_proves_itself_offline(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.data / "log", tmp_path / "log")
    proof = prove(tmp_path / "log", run.public)
    assert proof.findings == ()
    assert all(lane.records > 0 for lane in proof.lanes)


def test_what_travelled_has_the_bytes_that_are_stored(run: Run) -> None:
    """So a central server computes the very chain."""
    log = run.data / "log"
    received = {(lane, seq): logged for _, lane, seq, logged in run.records}
    compared = 0
    for lane, item in export(log):
        if isinstance(item, Stored) and (lane, item.seq) in received:
            assert cbor.dumps(received[lane, item.seq]) == item.payload
            sent = as_sent(item)
            assert not isinstance(sent, Lost)
            assert sent.data == item.payload
            compared += 1
    assert compared == len(received) >= 5
    assert {epoch for epoch, *_ in run.records} == {read_epoch(log)}


def test_the_secret_half_is_nobodys_but_the_agents(run: Run) -> None:
    assert (run.data / device_key.KEY_FILE).stat().st_mode & 0o777 == 0o600
    secret = (run.data / device_key.KEY_FILE).read_text().split()[2]
    text = (run.data / device_key.PUBLIC_FILE).read_text()
    assert secret not in text
    assert run.births[0]["public_key"].hex() in text
