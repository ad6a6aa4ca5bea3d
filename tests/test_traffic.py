"""Real traffic of a real agent over a real broker, held against the normative description.

zcbor, somebody else's reading of RFC 8610, validates it from an environment of its own; a byte
walk of our own, which shares nothing with cbor2, sees to it that it is plain and deterministic.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cbor2
import pytest

from agent import topic_page
from agent.clock import Stamp
from agent.store import cbor, entries, entry
from agent.uplink import topics, wire
from agent.uplink.mqtt import connect
from bench.walk import quarters
from hil import drill
from hil.drill import Script, Step
from hil.faults.broker import Mosquitto
from tests.hil.feeders import recording

CDDL = Path("agent/uplink/ftu.cddl").resolve()
# What stands behind the node, or instead of one, to the rule of the schema.
RULES = {
    "birth": "birth",
    "state": "state",
    "m": "live",
    "e/a": "envelope",
    "e/h": "envelope",
    "e/s": "envelope",
    "e/w": "envelope",
    "e/x": "envelope",
    "ack/scada": "ack",
    "_host/scada": "state",
}
MOST_OF_EACH = 4  # zcbor takes a second for each

SITE = """
[site]
name = "hebin"
[device]
id = "ftu-7"
data_dir = "data"
[[sensor]]
name = "wire"
driver = "simulated"
script = [
  {{ what = "fault", at_s = 0.6, for_s = 0.1, kind = "BC", amps = 2400.0 }},
  {{ what = "outage", at_s = 1.2, for_s = 0.6 }},
]
[[bay]]
name = "head"
section = "s1"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
[uplink]
broker = "{broker}"
waveforms = "alarms"
[outage]
plans = ["plan.toml"]
"""


def split(topic: str) -> str:
    """ftu/1/site/node/NAME -> NAME; ftu/1/site/_host/NAME -> _host/NAME."""
    rest = topic.split("/")[3:]
    return "/".join(rest if rest[0] == "_host" else rest[1:])


# A line of the broker's log: client, QoS, retain, topic.
PUBLISHED = re.compile(r"Received PUBLISH from (\S+) \(d\d, q(\d), r(\d), m\d+, '([^']+)'")
WILL = re.compile(r"Will message specified .*\(r(\d), q(\d)\)\.\n.*\t(\S+)")


@pytest.fixture(scope="module")
def traffic(happened: tuple[dict[str, list[bytes]], str]) -> dict[str, list[bytes]]:
    """Payloads by kind."""
    return happened[0]


@pytest.fixture(scope="module")
def happened(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[bytes]], str]:
    """Payloads by kind, from a run with a fault, an outage, its plan and a consumer; and what the
    broker says of it.
    """
    folder = tmp_path_factory.mktemp("traffic")
    broker = Mosquitto(folder)
    broker.start()
    site = folder / "site.toml"
    site.write_text(SITE.format(broker=broker.url))
    now = datetime.now(UTC).replace(microsecond=0)
    (folder / "plan.toml").write_text(
        f'[[plan]]\nid = "P-1"\nsection = "s1"\nstart = {now.isoformat()}\n'
        f"end = {(now + timedelta(seconds=60)).isoformat()}\n"
    )
    script = Script("D-1", "short circuit", "head", [Step("isolate", 60, "lead")], ends_after_s=2)
    drill.place(folder / "data", script, recording("head", onset_s=0.2))
    ours = [sys.executable, "-m", "agent"]
    listen = [*ours, "listen", "--broker", broker.url, "--ack", "--state", str(folder / "marks")]
    try:
        with (
            subprocess.Popen([*ours, "run", "--site", str(site)]) as agent,
            subprocess.Popen(listen, stdout=subprocess.DEVNULL) as consumer,
        ):
            try:
                return asyncio.run(capture(broker.url)), broker.log
            finally:
                consumer.terminate()
                agent.terminate()
    finally:
        broker.kill()


async def capture(url: str) -> dict[str, list[bytes]]:
    """Everything that is said, until each kind has been heard."""
    heard: dict[str, list[bytes]] = {name: [] for name in RULES}
    async with asyncio.timeout(30), connect(url, "observer") as port:
        await port.subscribe("ftu/#")
        async for message in port.messages():
            heard[split(message.topic)].append(message.payload)
            if all(heard.values()) and {0, 2} <= drill_words(heard["e/x"]) and has_plan(heard):
                break
    return heard


def has_plan(heard: dict[str, list[bytes]]) -> bool:
    """Whether the outage has been held against its plan, the last thing that this story tells."""
    records = [record for each in heard["e/s"] for record in cbor2.loads(each).get(12, [])]
    return any(record[0] == entry.PLAN_VARIANCE for record in records)


def drill_words(payloads: list[bytes]) -> set[int]:
    """Codes of what has been told of drills: 0 their start, 2 their end."""
    records = [record for payload in payloads for record in cbor2.loads(payload).get(12, [])]
    return {record[3] for record in records if record[0] == entry.DRILL}


def allowed() -> set[tuple[str, int, int]]:
    """(topic with + for each name, QoS, retain) of docs/asyncapi.yaml, which test_topic_page holds
    against what this reads.
    """
    document = topic_page.document()
    found = set()
    for place, channel in document["channels"].items():
        binding = document["operations"][place]["bindings"]["mqtt"]
        topic = re.sub(r"{\w+}", "+", channel["address"])
        found.add((topic, binding["qos"], int(binding["retain"])))
    return found


def with_wildcards(topic: str) -> str:
    name, _, node, consumer = topics.parse(topic)
    return topics.topic(name, "+", node and "+", consumer and "+")


def test_traffic_uses_no_other_topic_qos_or_retain_than_the_page_names(
    happened: tuple[dict[str, list[bytes]], str],
) -> None:
    said = [(m[4], int(m[2]), int(m[3])) for m in PUBLISHED.finditer(happened[1])]
    wills = [(m[3], int(m[2]), int(m[1])) for m in WILL.finditer(happened[1])]

    used = {(with_wildcards(topic), qos, retain) for topic, qos, retain in [*said, *wills]}
    assert used <= allowed()
    # What the run has of everything: nine topics by publishing, and the wills of the node.
    assert len({topic for topic, _, _ in used}) == len(RULES)
    assert {with_wildcards(topic) for topic, _, _ in wills} >= {"ftu/1/+/+/state"}


@pytest.fixture(scope="module")
def zcbor() -> str:
    path = Path(os.environ.get("FTU_ZCBOR", "build/zcbor/bin/zcbor"))
    if not path.exists():
        pytest.skip("zcbor is not in build/zcbor; `make test` puts it there")
    return str(path.resolve())


def valid(zcbor: str, payload: bytes, rule: str) -> bool:
    done = subprocess.run(
        [zcbor, "validate", "-c", str(CDDL), "-i", "-", "--input-as", "cbor", "-t", rule],
        input=payload,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.mark.parametrize("name", RULES)
def test_what_is_sent_is_what_the_schema_says(
    name: str, traffic: dict[str, list[bytes]], zcbor: str
) -> None:
    payloads = list(dict.fromkeys(traffic[name]))[:MOST_OF_EACH]
    assert payloads
    for payload in payloads:
        assert valid(zcbor, payload, RULES[name]), payload.hex()


@pytest.mark.parametrize(
    ("key", "wrong"),
    [(3, 0), (3, None), (3, 1.5), (2, "q"), (4, -1), (12, []), (12, [[99, 0]]), (13, "now")],
    ids=str,
)
def test_the_schema_can_refuse(
    key: int, wrong: object, traffic: dict[str, list[bytes]], zcbor: str
) -> None:
    envelope = cbor2.loads(traffic["e/a"][0])
    assert valid(zcbor, cbor2.dumps(envelope), "envelope")
    assert not valid(zcbor, cbor2.dumps({**envelope, key: wrong}), "envelope")


STAMP = Stamp(41, 1_479_300_000_001, 1_795_478_400_000_000, 2, 12_000)
EXTREMES = {
    "bay": "head",
    "day_start_utc_s": 1_795_392_000,
    "observed_s": 86_400,
    **{name: [*range(12), None] for name in ("maxima", "minima")},
    **{f"{name}_after_s": [*range(12), None] for name in ("maxima", "minima")},
    "quality": entry.UNEVEN,
}


def slow_traffic() -> dict[str, list[list[object]]]:
    """What takes a quarter hour, a day or a step of the clock to be said, as records of lane h."""
    other_clock = Stamp(41, STAMP.mono_us + 5, STAMP.utc_us + 6, 1, None)
    between = entries.blind_entry(other_clock, 77, "restart")
    extremes = entries.interval_entry(STAMP, entry.EXTREMES, EXTREMES)
    at = (41, STAMP.mono_us, STAMP.utc_us, 2, 1 << 14)
    offsets = {"utc_offset_after_us": STAMP.utc_us - STAMP.mono_us, "cause": "set"}
    timemap = entry.compose(entry.TIMEMAP, at, offsets)
    step = entry.compose(entry.TIMEMAP, at, {**offsets, "utc_offset_before_us": 1_500_000})
    week = quarters(20)
    return {
        "history": quarters(1, 1),
        "extremes": [extremes],
        "timemap": [timemap, step],
        "own-clock": [timemap, between],
        "backlog": week,
        "backlog-with-others-between": [*week[:7], between, extremes, *week[7:], timemap],
    }


@pytest.mark.parametrize("name", slow_traffic())
def test_what_takes_its_time_is_what_the_schema_says_too(name: str, zcbor: str) -> None:
    logged = slow_traffic()[name]
    items = [("record", 7 + n, each) for n, each in enumerate(logged)]

    envelope, taken = wire.envelope(5, "h", items, 8192)

    payload = cbor.dumps(envelope)
    assert taken == len(logged)
    assert (wire.PACKED in envelope) == name.startswith("backlog")
    assert valid(zcbor, payload, "envelope"), payload.hex()
    assert walk(payload, 0, depth=0) == len(payload)
    for key, wrong in ((wire.CLOCK, bytes(13)), (wire.PACKED, [["head"]]), (wire.FIRST, 0)):
        assert not valid(zcbor, cbor2.dumps({**envelope, key: wrong}), "envelope")


@pytest.mark.parametrize("name", RULES)
def test_every_byte_is_plain_and_deterministic(name: str, traffic: dict[str, list[bytes]]) -> None:
    for payload in traffic[name]:
        assert walk(payload, 0, depth=0) == len(payload)
        assert len(payload) <= 8192


@pytest.mark.parametrize(
    "item",
    [
        b"\xfb" + bytes(8),
        b"\xf9\x00\x00",
        b"\x18\x17",
        b"\x19\x00\xff",
        b"\x9f\xff",
        b"\x7f\xff",
        b"\xc0\x00",
        b"\xf5",
        b"\xa2\x02\x00\x01\x00",
        b"\x82\x00",
    ],
    ids=bytes.hex,
)
def test_the_byte_walk_can_refuse(item: bytes) -> None:
    with pytest.raises((AssertionError, IndexError)):
        assert walk(item, 0, depth=0) == len(item)


def walk(data: bytes, at: int, depth: int) -> int:
    """End of the item at `at`; fails on floats, tags, indefinite or longer than needed heads,
    unsorted maps, and nesting that no payload of ours has (RFC 8949, 4.2.1).
    """
    assert depth < 8
    major, info = data[at] >> 5, data[at] & 31
    if major == 7:
        assert data[at] == 0xF6, "only null among simple values"
        return at + 1
    assert major != 6, "no tags"
    assert info < 28, "definite lengths only"
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    value = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else info
    assert size == 0 or value >= {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}[size], "shortest head"
    at += 1 + size
    if major in (0, 1):
        return at
    if major in (2, 3):
        assert at + value <= len(data)
        if major == 3:
            data[at : at + value].decode()
        return at + value
    return walk_list(data, at, value, depth) if major == 4 else walk_map(data, at, value, depth)


def walk_list(data: bytes, at: int, count: int, depth: int) -> int:
    for _ in range(count):
        at = walk(data, at, depth + 1)
    return at


def walk_map(data: bytes, at: int, count: int, depth: int) -> int:
    keys = []
    for _ in range(count):
        end = walk(data, at, depth + 1)
        keys.append(data[at:end])
        at = walk(data, end, depth + 1)
    assert keys == sorted(keys), "keys ascending"
    assert len(keys) == len(set(keys)), "keys once"
    return at


def envelopes(traffic: dict[str, list[bytes]]) -> Iterator[dict[int, object]]:
    for name in ("e/a", "e/h", "e/s"):
        for payload in traffic[name]:
            yield cbor2.loads(payload)


def test_every_envelope_of_a_drill_is_an_exercise_and_no_other_is(
    traffic: dict[str, list[bytes]],
) -> None:
    for name in ("e/a", "e/h", "e/s", "e/x"):
        for payload in traffic[name]:
            assert cbor2.loads(payload).get(8, 0) & 1 == (name == "e/x")


def test_an_alarm_leaves_in_a_handful_of_bytes(traffic: dict[str, list[bytes]]) -> None:
    """contract.md, promise 8: headline <= 60 bytes, and 100 with its envelope."""
    faults = [
        (payload, record)
        for payload in traffic["e/a"]
        for record in cbor2.loads(payload).get(12, [])
        if record[2] == 0
    ]
    assert faults
    for payload, record in faults:
        assert len(cbor2.dumps(record)) <= 60
        if len(cbor2.loads(payload)[12]) == 1:
            assert len(payload) <= 100
