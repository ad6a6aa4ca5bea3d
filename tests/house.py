"""A terminal with all that stands around it, as real processes that can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent.store import cbor, entry
from agent.store.journal import Lost, Stored, export
from hil.device import agent as device
from hil.faults import processes
from hil.faults.broker import Mosquitto
from tests.meter import Meter

SITE = """
[site]
name = "hebin"
[device]
id = "ftu-7"
data_dir = "data"

[[sensor]]
name = "wire"
driver = "simulated"
repeat_s = 2.0
script = [
  {{ what = "fault", at_s = 0.6, for_s = 0.1, kind = "BC", amps = 2400.0 }},
  {{ what = "fault", at_s = 1.4, for_s = 0.1, kind = "AG", amps = 1500.0 }},
]
[[sensor]]
name = "meter"
driver = "modbus"
host = "127.0.0.1"
port = {meter_port}
profile = "generic"
period_ms = 100

[[bay]]
name = "head"
section = "s1"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
[bay.channels]
ia = "wire.ia"
ib = "wire.ib"
ic = "wire.ic"
i0 = "wire.i0"
ua = "wire.ua"
ub = "wire.ub"
uc = "wire.uc"

[[bay]]
name = "tail"
section = "s2"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
[bay.channels]
ia = "meter.ia"
ib = "meter.ib"
ic = "meter.ic"
ua = "meter.ua"
ub = "meter.ub"
uc = "meter.uc"

[uplink]
broker = "{broker}"
"""

Key = tuple[str, int]  # lane, seq

HEALTHY = {"ia": 100.0, "ib": 100.0, "ic": 100.0, "ua": 5773.0, "ub": 5773.0, "uc": 5773.0}
DEAD = dict.fromkeys(HEALTHY, 0.0)


def until(true: Callable[[], Any], what: str, within_s: float = 20.0) -> Any:
    """Wait for a condition; its value."""
    deadline = time.monotonic() + within_s
    while not (value := true()):
        assert time.monotonic() < deadline, f"waited {within_s} s for {what}"
        time.sleep(0.02)
    return value


class Agent:
    """The rig's agent for tests that need no event loop: each call is done when it returns."""

    def __init__(self, folder: Path, site: str) -> None:
        self._device = device.Agent(folder)
        self._text = site
        self.site = self._device.site
        self.log = self._device.log

    def start(self, environment: dict[str, str] | None = None) -> None:
        self._device.spawn(self._text, environment)

    @property
    def process(self) -> int:
        """Number of the supervisor."""
        return self._device.process

    def said(self) -> str:
        return self._device.said()

    def starts(self, role: str) -> list[int]:
        """Process numbers that this role has had."""
        return self._device.starts(role)

    def strike(self, role: str) -> bool:
        """SIGKILL of the present guard or link at once; False when there is none just now."""
        started = self.starts(role)
        return bool(started) and processes.kill(started[-1])

    def kill(self, role: str) -> None:
        """SIGKILL of the present guard or link; it is back under a new number."""
        before = self.starts(role)
        os.kill(before[-1], signal.SIGKILL)
        until(lambda: len(self.starts(role)) > len(before), f"a new {role}", 5.0)

    def kill_all(self) -> None:
        """SIGKILL of the supervisor: its children end by themselves."""
        children = [self.starts("guard")[-1], self.starts("link")[-1]]
        os.kill(self.process, signal.SIGKILL)
        self._device.status()
        until(lambda: not any(map(processes.alive, children)), "the end of the orphans", 5.0)

    def put_down(self) -> None:
        """Whatever state it is in."""
        self._device.put_down()

    def end(self) -> int:
        os.kill(self.process, signal.SIGTERM)
        until(lambda: not self._device.running, "the agent's goodbye", 5.0)
        return self._device.status()

    def records(self) -> list[tuple[str, Any]]:
        return [] if not self.log.is_dir() else list(export(self.log))


class Consumer:
    """`ftu-agent listen` as a real process, with its marks and its output kept."""

    def __init__(self, folder: Path, url: str, waveforms: Path | None = None) -> None:
        self._out = folder / "received.jsonl"
        self._said = folder / "consumer.log"
        self._command = [sys.executable, "-m", "agent", "listen", "--broker", url, "--json"]
        self._command += ["--ack", "--state", str(folder / "marks")]
        if waveforms is not None:
            self._command += ["--waveforms", str(waveforms)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._out.open("ab") as out, self._said.open("ab") as said:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=said)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(timeout=5) == 0

    def received(self) -> list[dict[str, Any]]:
        if not self._out.exists():
            return []
        lines = self._out.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line]

    def events(self, name: str, bay: str | None = None) -> list[dict[str, Any]]:
        return [
            told
            for told in self.received()
            if told["event"] == name and bay in (None, told.get("bay"))
        ]

    def keys(self) -> Counter[Key]:
        return Counter((told["key"]["lane"], told["key"]["seq"]) for told in self.received())


def faults_in(agent: Agent) -> int:
    """Faults that are on disk."""
    return sum(
        1
        for lane, item in agent.records()
        if lane == "a"
        and isinstance(item, Stored)
        and entry.as_dict(cbor.loads(item.payload)).get("event") == "fault"
    )


def stored_keys(agent: Agent) -> list[Key]:
    return [(lane, item.seq) for lane, item in agent.records() if isinstance(item, Stored)]


def assert_each_once(agent: Agent, consumer: Consumer) -> None:
    """What the log holds and what arrived is one and the same, each key once."""
    seen = consumer.keys()
    # One batch may be printed twice by a consumer that was killed before it wrote its marks; a
    # consumer's store removes these by the key, as this test does, and it is at most one batch.
    twice = {key: count for key, count in seen.items() if count > 1}
    assert all(count == 2 for count in twice.values())
    assert len(twice) <= 64
    # The log may hold a little more: what was recorded during the goodbye leaves at the next start.
    stored = set(stored_keys(agent))
    assert set(seen) <= stored | set(declared_lost(agent))


def declared_lost(agent: Agent) -> list[Key]:
    return [
        (lane, seq)
        for lane, item in agent.records()
        if isinstance(item, Lost)
        for seq in range(item.first, item.last + 1)
    ]


House = tuple[Agent, Consumer, Mosquitto, Meter]


@contextlib.contextmanager
def standing(folder: Path) -> Iterator[House]:
    """A broker, a meter, an agent and a consumer, all running; ended whatever happens."""
    broker = Mosquitto(folder)
    broker.start()
    with contextlib.ExitStack() as stack:
        stack.callback(broker.kill)
        meter = stack.enter_context(Meter(HEALTHY))
        agent = Agent(folder, SITE.format(meter_port=meter.port, broker=broker.url))
        consumer = Consumer(folder, broker.url)
        consumer.start()
        stack.callback(consumer.kill)
        agent.start()
        stack.callback(agent.put_down)
        yield agent, consumer, broker, meter
