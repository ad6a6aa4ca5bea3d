"""What a terminal says when its link is back after 72 hours: how fast, how dearly, in which order.

Ten events a second, flushed into the log in fast time: of each ten, one is an alarm of lane a, the
others are reasons of lane h; beside them the chunks of 1,000 waveforms in lane w. The publisher of
the uplink and a consumer that acknowledges are processes of their own, between them a mosquitto.
Reference: aiomqtt with one 100-byte record a publish at QoS 1, window 20, to the same mosquitto in
the same run. The consumer asks for nothing but what it has not seen, so what it counts has arrived.

While it drains, a guard of its own raises alarms at random instants and tells the publisher as
guard tells link; the consumer says how long after its onset each was received.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt

from agent.clock import Clock, Stamp
from agent.live import LiveSender, receiving
from agent.records import Event
from agent.site import Uplink
from agent.store import cbor, entries, entry
from agent.store.journal import Journal, read_epoch
from agent.uplink.consumer import Consumer, Received, listen
from agent.uplink.mqtt import connect
from agent.uplink.publisher import Identity, Publisher
from bench.table import Row
from hil.faults.broker import Mosquitto
from hil.loopback import LOOPBACK

ROOT = Path(__file__).parents[1]
OFFLINE_S = 72 * 3600
EVENTS_A_SECOND = 10
ALARM_EVERY = 10
WAVEFORMS, CHUNKS, CHUNK_BYTES = 1_000, 4, 1_800  # 7.2 kB each, as packed
QUICK_SHARE = 100
WINDOW = 20
REFERENCE_BYTES = 100
REFERENCE_MESSAGES = 40_000
GROUP = 5_000
LONGEST_S = 1_800.0
DRAINED_S = 0.5  # between two looks at how far it has come
BEGUN_S = 0.02  # between two looks whether it has begun
BEGUN = "drain-has-begun"
RAISED_EVERY_S = (0.0, 0.2)  # an alarm, drawn anew each time
RAISED_SEED = 7
ALARM_S = 2.0  # the bar for the 99th percentile on two cores


@dataclass(frozen=True, slots=True)
class Backlog:
    """Records by lane."""

    a: int
    h: int
    w: int

    @property
    def records(self) -> int:
        """All together."""
        return self.a + self.h + self.w


def backlog(quick: bool) -> Backlog:
    """What has gathered; a hundredth of it when there is no time."""
    events = OFFLINE_S * EVENTS_A_SECOND // (QUICK_SHARE if quick else 1)
    waveforms = WAVEFORMS // (QUICK_SHARE if quick else 1)
    alarms = events // ALARM_EVERY
    return Backlog(alarms, events - alarms, waveforms * CHUNKS)


def rows(quick: bool) -> Iterator[Row]:
    """Speed, CPU, memory and order of one drain."""
    (ROOT / "build").mkdir(exist_ok=True)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=ROOT / "build")))
        owed = backlog(quick)
        fill(place / "log", owed)
        broker = Mosquitto(place, verbose=False, extra="set_tcp_nodelay true")
        broker.start()
        stack.callback(broker.kill)
        reference = asyncio.run(plain_publishes(broker.port, quick=quick))
        node, consumer = drained(place, broker.url, owed)
    arrived = node | consumer
    yield from latencies(arrived["waited_s"])
    yield Row(
        what=f"drain of {owed.records:,} records of 72 h offline",
        value=owed.records / arrived["seconds"],
        unit="rec/s",
        reference=f"aiomqtt, a record a publish, window {WINDOW}",
        reference_value=reference,
        ratio=owed.records / arrived["seconds"] / reference,
        of="ratio",
        at_least=4,
    )
    yield Row(
        what="the same, CPU of the terminal's side",
        value=arrived["cpu_s"] / owed.records * 1e6,
        unit="us/rec",
        at_most=17,
    )
    yield Row(what="the same, missing", value=arrived["missing"], unit="rec", at_most=0)
    yield Row(what="the same, twice", value=arrived["repeated"], unit="messages")
    yield Row(
        what="history that came before the last alarm",
        value=100 * arrived["history_before"] / owed.h,
        unit="%",
        at_most=100 * 0.2 * owed.a / owed.h,  # a tenth of the messages, which hold fewer records
    )
    yield Row(
        what="memory of the terminal's side: growth while it drains",
        value=arrived["grown_mb"],
        unit="MB",
        at_most=4,
    )


def latencies(waited_s: Sequence[float]) -> Iterator[Row]:
    """From the onset of an alarm, raised during the drain, to its receipt."""
    ordered = sorted(waited_s)
    for share, bar in ((50, None), (99, ALARM_S), (100, None)):
        at = min(len(ordered) - 1, len(ordered) * share // 100)
        word = "longest" if share == 100 else f"p{share}"
        yield Row(
            what=f"{len(ordered)} alarms raised meanwhile, to their receipt, {word}",
            value=ordered[at],
            unit="s",
            at_most=bar,
        )


def fill(log: Path, owed: Backlog) -> None:
    """The log after 72 hours, each lane in groups with one sync."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with Journal.open(log, "ahw") as journal:
        for lane, count, made in (
            ("a", owed.a, alarm),
            ("h", owed.h, reason),
            ("w", owed.w, chunk),
        ):
            for first in range(0, count, GROUP):
                journal.append_group(
                    lane, [made(n) for n in range(first, min(count, first + GROUP))]
                )


def stamp(second: float) -> Stamp:
    """The instant so long after the link went."""
    mono_us = 1_000_000_000 + round(second * 1e6)
    return Stamp(41, mono_us, 1_795_478_400_000_000 + mono_us, 2, 900)


def alarm(number: int) -> bytes:
    """A short circuit of lane a, of the time offline."""
    return alarm_at(number, stamp(number * ALARM_EVERY / EVENTS_A_SECOND))


def alarm_at(number: int, at: Stamp) -> bytes:
    """A short circuit at this instant."""
    event = Event(
        event="fault",
        bay="feeder-07",
        t_us=at.mono_us,
        alarm=True,
        kind="BC",
        direction="forward",
        confidence=0.97,
        currents=(61.0 + number % 97, 900.0 + number % 211, 905.0 + number % 199),
        voltages=(5_801.0, 4_700.0 + number % 300, 4_600.0 + number % 300),
    )
    return cbor.dumps(entries.event_entry(event, at, logged_us=at.mono_us + 700))


def reason(number: int) -> bytes:
    """A why of lane h."""
    at = stamp(number / EVENTS_A_SECOND)
    why = {"ia": 1.25 * (number % 89), "pickup": 880.0, "fit": 0.015625 * (number % 64)}
    return cbor.dumps(entries.why_entry(at, "a", 1 + number // ALARM_EVERY, why))


def chunk(number: int) -> bytes:
    """A part of a waveform, for lane w."""
    at = stamp(number / CHUNKS * OFFLINE_S / WAVEFORMS)
    body = (number.to_bytes(4, "big") * CHUNK_BYTES)[:CHUNK_BYTES]
    values = {
        "of_record": f"{number // CHUNKS:08d}",
        "part": number % CHUNKS,
        "parts": CHUNKS,
        "body": body,
    }
    header = (at.boot, at.mono_us, at.utc_us, at.source, 1024)
    return cbor.dumps(entry.compose(entry.WAVE, header, values))


async def plain_publishes(port: int, *, quick: bool) -> float:
    """Messages a second: aiomqtt, QoS 1, so many at once."""
    count = REFERENCE_MESSAGES // (10 if quick else 1)
    payload = bytes(REFERENCE_BYTES)
    silent = logging.getLogger("bench.drain.aiomqtt")
    silent.disabled = True  # it counts aloud how many publishes wait
    client = aiomqtt.Client(LOOPBACK, port, max_inflight_messages=WINDOW, logger=silent)
    async with client:
        left = iter(range(count))

        async def one_after_the_other() -> None:
            for _ in left:
                await client.publish("reference", payload, qos=1)

        begun = time.perf_counter()
        await asyncio.gather(*(one_after_the_other() for _ in range(WINDOW)))
        return count / (time.perf_counter() - begun)


def drained(place: Path, url: str, owed: Backlog) -> tuple[dict[str, Any], dict[str, Any]]:
    """What both processes tell when everything has arrived."""
    asked = json.dumps([owed.a, owed.h, owed.w])
    consumer = _process("consumer", str(place), url, asked)
    node = _process("node", str(place), url, asked)
    guard = _process("guard", str(place), url, asked)
    try:
        processes = (node, consumer)
        told = [json.loads(process.communicate(timeout=LONGEST_S)[0]) for process in processes]
    finally:
        guard.kill()
        guard.communicate()
    return told[0], told[1]


def _process(role: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.drain", role, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)


async def node(place: Path, url: str, owed: Backlog) -> dict[str, Any]:
    """The terminal's side, until everything is acknowledged."""
    publisher = Publisher(
        uplink=Uplink(broker=url),
        identity=Identity(site="s", node="n", model="m", config_hash=b"h", versions={}),
        log=place / "log",
        epoch=read_epoch(place / "log") or 0,
        state_dir=place / "uplink",
        clock=Clock(41),
        lanes="ahw",
    )
    task = asyncio.create_task(_told_of_growth(publisher, place))
    ends = {"a": owed.a, "h": owed.h, "w": owed.w}
    cpu_s, least_mb, most_mb = -time.process_time(), 0.0, 0.0
    while not any(lane.acked for lane in publisher.status.lanes.values()):  # noqa: ASYNC110
        await asyncio.sleep(BEGUN_S)
    (place / BEGUN).touch()
    while any(publisher.status.lanes[lane].acked < end for lane, end in ends.items()):
        await asyncio.sleep(DRAINED_S)
        if publisher.status.lanes["a"].acked:  # it flows: buffers have their size
            least_mb = least_mb or resident_mb()
            most_mb = max(most_mb, resident_mb())
    cpu_s += time.process_time()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return {"cpu_s": cpu_s, "grown_mb": most_mb - least_mb, "resends": publisher.status.resends}


async def _told_of_growth(publisher: Publisher, place: Path) -> None:
    async with receiving(place, lambda told: publisher.log_grew(told["grew"])):
        await publisher.run()


async def guard(place: Path, _url: str, _owed: Backlog) -> dict[str, Any]:
    """Alarms at random instants from the drain's beginning on, until it is killed."""
    chance = random.Random(RAISED_SEED)  # noqa: S311  the same instants again, no secret
    clock, live = Clock(41), LiveSender(place)
    with Journal.open(place / "log", "a") as journal:
        while not (place / BEGUN).exists():  # noqa: ASYNC110  another process's word
            await asyncio.sleep(BEGUN_S)
        for number in itertools.count():
            await asyncio.sleep(chance.uniform(*RAISED_EVERY_S))
            journal.append("a", alarm_at(number, clock.stamp(clock.now_us())))
            live.send({"grew": "a"})
    raise AssertionError


async def consumer(place: Path, url: str, owed: Backlog) -> dict[str, Any]:
    """The central side: counts, and remembers how much history came before the last alarm."""
    counted = {"a": 0, "h": 0, "w": 0}
    waited_s: list[float] = []
    history_before = 0
    begun = 0.0
    clock = Clock(41)
    memory = Consumer("scada", place / "seen", ack=True, tell=lambda _: None)
    async for batch in listen(url, memory, tell=_say):
        begun = begun or time.perf_counter()
        now_us = clock.now_us()
        for each in batch:
            if not isinstance(each, Received):
                continue
            if each.key.lane == "a" and each.key.seq > owed.a:
                waited_s.append((now_us - each.entry[entry.MONO]) / 1e6)
            else:
                counted[each.key.lane] += 1
        if counted["a"] < owed.a:
            history_before = counted["h"]
        if sum(counted.values()) >= owed.records:
            break
    seconds = time.perf_counter() - begun
    # The last batch is acknowledged when the next is asked for.
    await asyncio.wait_for(_acknowledge(url, memory), 30)
    return {
        "seconds": seconds,
        "missing": owed.records - sum(counted.values()),
        "repeated": memory.repeated,
        "history_before": history_before,
        "waited_s": waited_s,
    }


async def _acknowledge(url: str, memory: Consumer) -> None:
    memory.commit()
    async with connect(url, "last-word") as port:
        for topic, payload in memory.acks():
            await port.publish(topic, payload, retain=True)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def resident_mb() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """One of the two processes: tells its result as JSON."""
    role, place, url, asked = sys.argv[1:]
    work = {"node": node, "consumer": consumer, "guard": guard}[role]
    told = asyncio.run(work(Path(place), url, Backlog(*json.loads(asked))))
    sys.stdout.write(json.dumps(told))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
