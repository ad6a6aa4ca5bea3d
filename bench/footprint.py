"""What the agent takes of a small device: memory, import times, time to the first decision.

Memory is PSS after ten seconds of a site with a Modbus meter and a broker, reckoned from
/proc/PID/smaps as if the three were alone: the kernel's own figure shrinks with every interpreter
that runs beside them, the bench's for one. Byte code is on disk, as after an installation.
References are the libraries alone, in the same run. Of guard's memory 13 MB are numpy and 2 MB the
Modbus client; what remains above its libraries is ours.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from agent import kernel_time
from agent.clock import Stamp
from agent.records import Event
from agent.store import cbor, entries, entry
from agent.store.journal import Journal, LaneReader, Stored
from bench.table import Row, interleaved
from hil.faults.broker import Mosquitto
from tests.house import HEALTHY, Agent, until
from tests.meter import Meter

SETTLED_S = 10.0  # start-up's garbage is collected, a connection stands
MILLION = 1_000_000

SITE = """
[site]
name = "bench"
[device]
id = "ftu-1"
data_dir = "data"
[[sensor]]
name = "meter"
driver = "{driver}"
{options}
[[bay]]
name = "tail"
section = "s1"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
[bay.channels]
{channels}
{uplink}
"""
CHANNELS = "".join(f'{role} = "meter.{role}"\n' for role in ("ia", "ib", "ic", "ua", "ub", "uc"))
METER = 'host = "127.0.0.1"\nport = {port}\nprofile = "generic"\nperiod_ms = 100'

STACK = "asyncio, cbor2, sqlite3"
GUARD = "agent.app, agent.guard, agent.live, agent.past, agent.store.journal, agent.detect.detector"
GUARD += ", agent.detect.samples, agent.detect.settings, agent.sensors.channels"
GUARD += ", agent.sensors.drivers"
MODBUS = ", agent.sensors.modbus, agent.sensors.modbus_frame"
PEERS = ", aiomqtt, pymodbus.client"
LINK = "agent.app, agent.link, agent.uplink.publisher"


def rows(quick: bool) -> Iterator[Row]:
    """Memory, imports, the command's help, the start."""
    runs = 3 if quick else 11
    bare, with_mqtt, with_modbus, with_numpy = idle_mb(
        "sys", f"{STACK}, aiomqtt", f"{STACK}, pymodbus.client", f"{STACK}, numpy"
    )
    polling = agent_pss("modbus", 2.0 if quick else SETTLED_S)
    sampling = agent_pss("simulated", 2.0 if quick else SETTLED_S)
    for role, site, most, reference, value in (
        ("guard", "Modbus", 32, "with pymodbus's client alone", with_modbus),
        ("link", "Modbus", 24, "with aiomqtt alone", with_mqtt),
        ("supervisor", "Modbus", 9, "bare interpreter", bare),
        ("guard", "sampled", None, "with numpy alone", with_numpy),
    ):
        yield Row(
            what=f"PSS of {role}, {site} site",
            value=(polling if site == "Modbus" else sampling)[role],
            unit="MB",
            at_most=most,
            reference=reference,
            reference_value=value,
        )
    yield from import_rows(runs)
    help_s, bare_s = interleaved(
        runs, lambda: wall_s("-m", "agent", "--help"), lambda: wall_s("-c", "")
    )
    yield Row(
        what="ftu-agent --help",
        value=help_s,
        unit="s",
        at_most=0.3,
        reference="bare interpreter",
        reference_value=bare_s,
    )
    records = 20_000 if quick else MILLION
    yield start_row(records, 1 if quick else 3)


def import_rows(runs: int) -> Iterator[Row]:
    """Import times in fresh interpreters, without the interpreter's own start."""
    names = (GUARD, GUARD + MODBUS, LINK, f"{STACK}, numpy", f"{STACK}, numpy{PEERS}")
    guard, modbus, link, stack, stack_modbus = interleaved(
        runs, *(partial(import_ms, each) for each in names)
    )
    for what, value, most, reference, reference_value in (
        ("guard imports, with numpy", guard, 150, f"{STACK}, numpy", stack),
        ("guard imports, with Modbus", modbus, 220, "and aiomqtt, pymodbus", stack_modbus),
        ("link imports", link, None, "", None),
    ):
        yield Row(
            what=what,
            value=value,
            unit="ms",
            at_most=most,
            reference=reference,
            reference_value=reference_value,
        )


def start_row(records: int, runs: int) -> Row:
    """From `ftu-agent run` to the first decided block, behind a log that is long already."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "data" / "log", records)
        note_down(folder)
        taken = [first_decision_s(folder) for _ in range(runs)]
    return Row(
        what=f"run to first decision, {records:,} records in the log",
        value=sorted(taken)[len(taken) // 2],
        unit="s",
        at_most=1.0,
    )


def note_down(folder: Path) -> None:
    """Let guard run until it has noted what the log tells, as it does within a second."""
    with agent(folder, driver="simulated", options="", uplink=""):
        until((folder / "data" / "supply").exists, "the note", 60.0)


def fill(log: Path, records: int) -> None:
    """A log with so many alarms."""
    event = Event(event="fault", bay="tail", t_us=1, kind="BC", currents=(1.0, 900.0, 900.0))
    stamp = Stamp(1, 1, 1_795_478_400_000_000, 2, 900)
    payload = cbor.dumps(entries.event_entry(event, stamp, logged_us=1))
    log.parent.mkdir(parents=True)
    with Journal.open(log, "ah") as journal:
        for _ in range(records):
            journal.append("a", payload, sync=False)


def first_decision_s(folder: Path) -> float:
    """Until the end of the blind time, which guard tells with its first decision, is in the log."""
    with agent(folder, driver="simulated", options="", uplink="") as (running, begun_us):
        after = last_seq(running.log, "h")
        with LaneReader(running.log, "h", after=after) as reader:

            def decided() -> int:
                for item in reader.read(64):
                    if isinstance(item, Stored):
                        logged = cbor.loads(item.payload)
                        if logged[entry.TYPE] == entry.BLIND:
                            return kernel_time.now_us()
                return 0

            ended_us: int = until(decided, "the first decision", 60.0)
            return (ended_us - begun_us) / 1e6


def last_seq(log: Path, lane: str) -> int:
    """The lane's last seq; cheap for the few records of lane h."""
    with LaneReader(log, lane) as reader:
        while reader.read(4096):
            pass
        return reader.next_seq - 1


def agent_pss(driver: str, settle_s: float) -> dict[str, float]:
    """Memory of the three processes [MB] with a broker and a meter, or a simulated feeder."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # the meter's, when it is closed
        meter = stack.enter_context(Meter(HEALTHY))
        broker = Mosquitto(folder)
        broker.start()
        stack.callback(broker.kill)
        running, _ = stack.enter_context(
            agent(
                folder,
                driver=driver,
                options=METER.format(port=meter.port) if driver == "modbus" else "",
                uplink=f'[uplink]\nbroker = "{broker.url}"',
            )
        )
        until(lambda: "connected" in running.said(), "the link to the broker")
        time.sleep(settle_s)
        processes = {role: running.starts(role)[-1] for role in ("guard", "link")}
        processes["supervisor"] = running.process
        return dict(zip(processes, memory_mb(list(processes.values())), strict=True))


@contextmanager
def agent(
    folder: Path, *, driver: str, options: str, uplink: str, channels: str = CHANNELS
) -> Iterator[tuple[Agent, int]]:
    """An agent that runs, and when it was started. [us, monotonic]"""
    running = Agent(
        folder, SITE.format(driver=driver, options=options, channels=channels, uplink=uplink)
    )
    begun_us = kernel_time.now_us()
    running.start({"PYTHONDONTWRITEBYTECODE": ""})  # which Python takes as not set
    try:
        yield running, begun_us
        running.end()
    finally:
        running.put_down()


def idle_mb(*imports: str) -> list[float]:
    """Memory of interpreters that have imported these and wait beside each other. [MB]"""
    with ExitStack() as stack:
        waiting = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", f"import {names}; print(flush=True); input()"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=environment(),
                )
            )
            for names in imports
        ]
        for process in waiting:
            if process.stdout is not None:
                process.stdout.readline()  # it has imported
        taken = memory_mb([process.pid for process in waiting])
        for process in waiting:
            process.communicate(b"\n")
    return taken


def import_ms(names: str) -> float:
    """How long these imports take in a fresh interpreter. [ms]"""
    program = (
        f"import time; t = time.perf_counter(); import {names}; print(time.perf_counter() - t)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        env=environment(),
    )
    return float(done.stdout) * 1000


def wall_s(*arguments: str) -> float:
    """How long a command of the interpreter takes. [s]"""
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, env=environment()
    )
    return time.perf_counter() - begun


def environment() -> dict[str, str]:
    """As on a device: byte code is kept."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def memory_mb(processes: Sequence[int]) -> list[float]:
    """What each of these processes would show as PSS, were there no others on the machine. [MB]

    Pages that are its own count whole; of a file that several of them map each bears its part.
    """
    mapped = [resident_kb(process) for process in processes]
    bearers = Counter(file for each in mapped for file in each)
    return [
        sum(own + shared / bearers[file] for file, (own, shared) in each.items()) / 1024
        for each in mapped
    ]


def resident_kb(process: int) -> dict[str, tuple[int, int]]:
    """(own, of the file) kB that are resident, by the mapped file; "" is what has none."""
    found: dict[str, tuple[int, int]] = {}
    for text in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps(process), flags=re.MULTILINE)[1:]:
        name = text.partition("\n")[0].split(maxsplit=5)[5:]
        file = name[0] if name and name[0].startswith("/") else ""
        sizes = {key: int(kb) for key, kb in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
        own, shared = found.get(file, (0, 0))
        own += sizes["Anonymous"]
        found[file] = own, shared + sizes["Rss"] - sizes["Anonymous"]
    return found


def smaps(process: int) -> str:
    """What is mapped, and how much of it is in memory."""
    return Path(f"/proc/{process}/smaps").read_text()
