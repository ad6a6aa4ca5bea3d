"""`ftu-agent demo`: the real agent on a simulated feeder, with a broker and a consumer beside it.

Everything but the feeder is what a utility runs: the processes, the log, MQTT, the reference
consumer with its acknowledgements. The broker is amqtt, in this process, because a demo must not
need a server. It speaks 3.1.1 only and keeps silent when asked for 5, which costs the automatic
fallback its whole patience, so the demo's site file asks for 3.1.1 at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent import words
from agent.clock import Clock
from agent.errors import UsageError
from agent.records import Event
from agent.store import cbor, entries, entry
from agent.store.journal import Stored, export, verify
from agent.uplink import topics, wire
from agent.uplink.consumer import Consumer, Received, listen
from agent.uplink.mqtt import connect

FAULT_AT_S, OUTAGE_AT_S, OUTAGE_FOR_S, REPEAT_S = 3.0, 7.0, 4.0, 30.0
# The plan says a second later and two seconds shorter than what will happen.
WINDOW_AT_S, WINDOW_FOR_S = OUTAGE_AT_S + 1.0, OUTAGE_FOR_S - 2.0
END_S = 6.0  # the agent has 5 s for its goodbye

SITE = """\
[site]
utility = "Demonstration Power Supply"
feeder = "10 kV Hebin line"
name = "demo"

[device]
id = "ftu-1"
model = "simulated"
data_dir = "data"

[[sensor]]
name = "wire"
driver = "simulated"
repeat_s = {repeat_s}
script = [
  {{ what = "fault", at_s = {fault_at_s}, for_s = 0.3, kind = "BC", amps = 2400.0 }},
  {{ what = "outage", at_s = {outage_at_s}, for_s = {outage_for_s} }},
]

[[bay]]
name = "head"
section = "hebin-1"
nominal_volts = 10_000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400

[uplink]
broker = "{broker}"
protocol = "311"
consumers = ["demo"]

[outage]
plans = ["plan.toml"]
"""
PLAN = """\
[[plan]]
id = "P-001"
section = "hebin-1"
start = {start}
end = {end}
tolerance_s = 0
"""


@dataclass
class Story:
    """What the demo has seen so far, for its last words and its exit status."""

    received: int = 0
    faults: int = 0
    variances: int = 0
    waiting: dict[int, int] = field(default_factory=dict)  # alarm's seq to when it came [us]
    meter: str = ""


def run(seconds: float | None) -> int:
    """The demo, for so long or until Ctrl-C; 0 when the consumer was told of a fault."""
    try:
        import amqtt  # type: ignore[import-untyped]  # noqa: F401
        import rich  # noqa: F401
    except ImportError as error:
        raise UsageError("demo", f"{error.name} is not installed", "ftu-agent[demo]") from error
    for noisy in ("amqtt", "transitions", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    story = Story()
    with tempfile.TemporaryDirectory(prefix="ftu-demo-") as folder:
        ended_well = asyncio.run(_demo(Path(folder), seconds, story))
        log = Path(folder) / "data" / "log"
        report = verify(log)
        stored = [cbor.loads(item.payload) for _, item in export(log) if isinstance(item, Stored)]
    kept = sum(not _of_the_goodbye(logged) for logged in stored)
    _screen().print(
        f"\n{story.received} of {kept} records received and acknowledged, {story.faults} faults, "
        f"{story.variances} plan variances; log {'intact' if report.ok else 'NOT intact'}"
    )
    told_enough = story.faults > 0 or (seconds is not None and seconds < FAULT_AT_S + 2)
    return 0 if ended_well and told_enough and report.ok else 1


def _of_the_goodbye(logged: list[Any]) -> bool:
    """Whether this was written at the very end, so that it may leave at the next start only: what
    is measured until then, and the word of the log itself.
    """
    if logged[entry.TYPE] in (entry.HEAD, entry.METRICS):
        return True
    quality: int = entry.as_dict(logged).get("quality", 0)
    return bool(quality & entry.CUT)


async def _demo(folder: Path, seconds: float | None, story: Story) -> bool:
    url = f"mqtt://127.0.0.1:{_free_port()}"
    site = _write_site(folder, url)
    screen = _screen()
    async with _broker(url):
        screen.print(f"broker on {url} (amqtt, MQTT 3.1.1); consumer 'demo' listens")
        agent = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "agent", "run", "--site", str(site)),
            stderr=asyncio.subprocess.PIPE,
        )
        screen.print(f"agent started on a simulated feeder; a fault comes after {FAULT_AT_S:g} s")
        tasks = [
            asyncio.create_task(_consume(url, folder, story)),
            asyncio.create_task(_watch(url, story)),
            asyncio.create_task(_log_lines(agent)),
            asyncio.create_task(_show(story)),
        ]
        await _until_end(seconds, agent)
        ended_well = await _end(agent)
        await asyncio.sleep(0.3)  # the goodbye's last acknowledgements
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return ended_well


def _write_site(folder: Path, url: str) -> Path:
    now = datetime.now(UTC).replace(microsecond=0)
    start = now + timedelta(seconds=WINDOW_AT_S)
    site = folder / "site.toml"
    site.write_text(
        SITE.format(
            broker=url,
            repeat_s=REPEAT_S,
            fault_at_s=FAULT_AT_S,
            outage_at_s=OUTAGE_AT_S,
            outage_for_s=OUTAGE_FOR_S,
        )
    )
    end = start + timedelta(seconds=WINDOW_FOR_S)
    (folder / "plan.toml").write_text(PLAN.format(start=start.isoformat(), end=end.isoformat()))
    return site


@contextlib.asynccontextmanager
async def _broker(url: str) -> AsyncGenerator[None, None]:
    from amqtt.broker import Broker  # type: ignore[import-untyped]

    allow = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listener = {"default": {"type": "tcp", "bind": url.removeprefix("mqtt://")}}
    broker = Broker({"listeners": listener, "plugins": allow})
    await broker.start()
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # its own shutdown is not what we show
            await broker.shutdown()


async def _consume(url: str, folder: Path, story: Story) -> None:
    """The reference consumer, and each record as it comes."""
    consumer = Consumer("demo", folder / "marks", ack=True, tell=lambda _: None)
    clock = Clock(0)
    async with contextlib.aclosing(
        listen(url, consumer, tell=lambda _: None, protocol="311")
    ) as batches:
        async for batch in batches:
            for delivered in batch:
                if isinstance(delivered, Received):
                    _received(delivered, clock.now_us(), story)


def _received(delivered: Received, now_us: int, story: Story) -> None:
    logged = delivered.entry
    story.received += not _of_the_goodbye(logged)
    if logged[0] == entry.EVENT:
        event, stamp = entries.entry_event(logged)
        story.faults += event.event == "fault"
        colour = "bold red" if event.alarm else "white"
        _screen().print(f"{_clock_text(stamp.utc_us)}  {words.sentence(event)}", style=colour)
        if event.event == "fault":
            story.waiting[delivered.key.seq] = now_us
            _screen().print(f"              {_way(event, logged, now_us)}", style="cyan")
    elif logged[0] == entry.PLAN_VARIANCE:
        story.variances += 1
        told = words.variance(entries.entry_variance(logged))
        _screen().print(f"{_clock_text(logged[3])}  {told}", style="bold yellow")
        error_us = logged[5] or 0
        if error_us > 1_000_000:
            _screen().print(
                f"              the clock of this machine is disciplined by nobody (error up to "
                f"{error_us / 1e6:.0f} s), so start and end stay open; the duration is sure",
                style="yellow",
            )


def _way(event: Event, logged: list[Any], now_us: int) -> str:
    """How long the word took from the wire to here, stage by stage."""
    shown = entry.as_dict(logged)
    parts = []
    if event.onset_us is not None:
        parts.append(f"decided {(event.t_us - event.onset_us) / 1000:.1f} ms after inception")
    parts.append(f"logged +{shown.get('lag_us', 0) / 1000:.1f} ms")
    parts.append(f"received +{(now_us - event.t_us) / 1000:.1f} ms")
    return "its way: " + ", ".join(parts)


async def _watch(url: str, story: Story) -> None:
    """Live values and acknowledgements, as any other client of the broker sees them."""
    clock = Clock(0)
    async with connect(url, "ftu-demo-screen", protocol="311") as port:
        live = topics.topic(topics.LIVE, "demo", "ftu-1")
        ack = topics.topic(topics.ACK, "demo", "ftu-1", "demo")
        await port.subscribe(live, ack)
        async for message in port.messages():
            if message.topic == live:
                _, _, bays = wire.open_live(cbor.loads(message.payload))
                story.meter = "   ".join(_meter_text(entries.row_meter(row)) for row in bays)
            else:
                _acknowledged(wire.open_ack(cbor.loads(message.payload)), clock.now_us(), story)


def _acknowledged(ack: tuple[int, dict[str, int]], now_us: int, story: Story) -> None:
    mark = ack[1].get("a", 0)
    for seq in [seq for seq in story.waiting if seq <= mark]:
        came_us = story.waiting.pop(seq)
        _screen().print(
            f"              acknowledged by the consumer {(now_us - came_us) / 1000:.1f} ms later",
            style="cyan",
        )


def _meter_text(values: dict[str, Any]) -> str:
    def three(numbers: list[float | None], digits: int) -> str:
        return " ".join("-" if n is None else f"{n:7.{digits}f}" for n in numbers)

    return (
        f"bay {values['bay']}  I {three(values['currents'], 1)} A  "
        f"U {three(values['voltages'], 0)} V  3I0 {values['residual_amps'] or 0:.1f} A"
    )


async def _show(story: Story) -> None:
    """The feeder's values: below the events on a terminal, every few seconds in a pipe."""
    screen = _screen()
    if not screen.is_terminal:
        while True:
            await asyncio.sleep(2.5)
            if story.meter:
                screen.print(story.meter, style="dim")
    with screen.status("waiting for the first values") as status:
        while True:
            await asyncio.sleep(0.25)
            if story.meter:
                status.update(story.meter)


async def _log_lines(agent: asyncio.subprocess.Process) -> None:
    """The agent's own log, dimmed."""
    if agent.stderr is None:
        return
    async for line in agent.stderr:
        _screen().print(f"              {line.decode(errors='replace').rstrip()}", style="dim")


async def _until_end(seconds: float | None, agent: asyncio.subprocess.Process) -> None:
    """Until the time is over, a signal asks for the end, or the agent has ended by itself."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    waits = [asyncio.create_task(agent.wait()), asyncio.create_task(asked.wait())]
    _, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


async def _end(agent: asyncio.subprocess.Process) -> bool:
    """Ask the agent to end; True when it did so in time and well."""
    with contextlib.suppress(ProcessLookupError):
        agent.terminate()
    try:
        async with asyncio.timeout(END_S):
            return await agent.wait() == 0
    except TimeoutError:
        agent.kill()
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _clock_text(utc_us: int) -> str:
    return entries.utc_text(utc_us)[11:23]


_SCREENS: list[Any] = []


def _screen() -> Any:
    """The one rich console of the process."""
    if not _SCREENS:
        from rich.console import Console

        _SCREENS.append(Console(highlight=False, soft_wrap=True))
    return _SCREENS[0]
