"""The composition root: the site file in, guard or link out, everything wired left to right.

    python -m agent.app guard|link SITE_FILE BOOT HEARTBEAT_PIPE WORD

is how the supervisor starts them; WORD is the file in which guard says until when it has decided.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import __version__, standard_error
from agent.clock import Clock, Stamp
from agent.errors import AgentError, SensorError, SiteError, StoreError
from agent.heartbeat import Decided, beat
from agent.site import Bay, SiteFile, load
from agent.site_keys import SWITCH

if TYPE_CHECKING:  # each process imports only its own half of the house
    from agent.detect.detector import Detector
    from agent.detect.settings import Settings
    from agent.guard import Guard
    from agent.heads import Heads
    from agent.link import Link
    from agent.outage.plan import Plan
    from agent.record_requests import RecordRequests
    from agent.record_writer import RecordWriter
    from agent.records import Layout
    from agent.store.device_key import DeviceKey
    from agent.store.journal import Journal
    from agent.store.record_files import Limits as RecordLimits
    from agent.uplink.commands import Commands
    from agent.uplink.publisher import Publisher
    from agent.wave_lane import WaveLane

GUARD_LANES, LINK_LANES = "ahw", "sx"
DRILLS = "drills"
# From the word that link is restarted to its end, so that the word leaves before it.
RESTART_AFTER_S = 0.5
# What tells of the past; waveforms are large and tell nothing that the alarms do not.
PAST_LANES = "ah"
# Where both want the one processor, guard gets three quarters of it: link may have a long log to
# read, and a decision must not wait for that.
LINK_NICENESS = 5
# Free space, in parts of the log's own floor, at which records give way: twice as much, so that
# they are gone before the log has to give up anything.
RECORDS_FLOOR = 2


def main(arguments: list[str]) -> int:
    """One of the two processes, until SIGTERM or until the supervisor is gone."""
    role, site_path, boot, pipe, word = arguments
    try:
        site = load(Path(site_path), purpose="run")
        clock = Clock(int(boot))
        if role == "guard":
            decided = Decided(int(word))
            asyncio.run(
                _live(int(pipe), lambda: build_guard(site, Path(site_path), clock, decided))
            )
        else:
            os.nice(LINK_NICENESS)
            asyncio.run(_live(int(pipe), lambda: build_link(site, Path(site_path), clock)))
    except AgentError as error:
        sys.stderr.write(f"ftu-agent {role}: {error}\n")
        return 2
    return 0


async def _live(pipe: int, build: Callable[[], Guard | Link]) -> None:
    """Run what `build` makes until a signal asks for its end or nobody listens to its heart."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_one_line)
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    process = build()
    tasks = [
        asyncio.create_task(_named(process.run()), name="work"),
        asyncio.create_task(beat(pipe), name="heart"),
        asyncio.create_task(_named(asked.wait()), name="end"),
    ]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()  # an error that ended the work is the process's own


def _one_line(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a library's callback let fall, such as aiomqtt's writer on a socket just closed."""
    sys.stderr.write(f"ftu-agent: {context['message']}: {context.get('exception')!r}\n")


async def _named(work: Awaitable[object]) -> None:
    await work


def build_guard(site: SiteFile, path: Path, clock: Clock, decided: Decided) -> Guard:
    """Sensors, settings, detectors and the log's lanes a, h and w."""
    from agent import past
    from agent.guard import Guard
    from agent.history import History
    from agent.in_force import InForce
    from agent.live import LiveSender
    from agent.local_day import local_day
    from agent.reading_log import ReadingLog
    from agent.sensors import drivers
    from agent.shadow import Shadow
    from agent.shadow_store import ShadowStore
    from agent.store.documents import Documents
    from agent.supply_memory import LANE, SupplyMemory

    data_dir = site.device.data_dir
    logged = [config.name for config in site.sensors if config.options.get("log") == "readings"]
    in_force = InForce(Documents(data_dir, "settings"), site.bays)
    log = data_dir / "log"
    journal = open_log(site, GUARD_LANES)
    memory = SupplyMemory(data_dir / "supply", log, journal.epoch, journal.next_seq(LANE))
    return Guard(
        sensors=[drivers.build(config, clock.now_us, path.parent) for config in site.sensors],
        wire=lambda layout: wire(site, layout, in_force.settings),
        bay_of=lambda sensor: fed_by(site, sensor)[0].name,
        journal=journal,
        clock=clock,
        live=LiveSender(data_dir),
        past=past.from_log(log, journal, PAST_LANES, memory, clock, decided.last_us()),
        decided=decided.tell,
        memory=memory,
        look=in_force.look,
        history=History(local_day(site.site.time_zone)),
        readings=ReadingLog(logged) if logged else None,
        live_us=round(site.uplink.live_ms * 1000),
        records=partial(_record_writer, site),
        waves=partial(_wave_lane, site, journal),
        shadow=Shadow(ShadowStore(Documents(data_dir, "shadow"), site.bays).look),
    )


def _record_writer(site: SiteFile) -> RecordWriter:
    from agent.record_writer import RecordWriter
    from agent.store import wave_orders
    from agent.store.record_files import FOLDER, RecordFiles

    folder = site.device.data_dir / FOLDER
    return RecordWriter(
        lambda: RecordFiles(folder, record_limits(site)),
        station=f"{site.site.name} {site.device.id}",
        offset_min=offset_min(site.site.time_zone),
        sent="ask" if site.uplink.broker is None else site.uplink.waveforms,
        orders=site.device.data_dir / wave_orders.FOLDER,
    )


def _wave_lane(site: SiteFile, journal: Journal, tell: Callable[[str, str], None]) -> WaveLane:
    from agent.store import wave_orders
    from agent.wave_lane import WaveLane

    def parts(name: str, data: bytes, stamp: Stamp) -> Iterator[list[Any]]:
        from agent.record_packed import parts  # with numpy, which meters do not need

        return parts(name, data, stamp)

    folder = site.device.data_dir / wave_orders.FOLDER
    return WaveLane(journal, folder, parts=parts, tell=tell)


def record_limits(site: SiteFile) -> RecordLimits:
    """Of the waveform records, which give way before the log does."""
    from agent.store.record_files import Limits

    store = site.store
    floor_mb = RECORDS_FLOOR * store.free_floor_mb
    return Limits(store.records_most, round(store.records_mb * 1e6), round(floor_mb * 1e6))


def offset_min(time_zone: str) -> int:
    """Of a place's time to UTC, as it is now. [min]"""
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    offset = datetime.now(UTC).astimezone(ZoneInfo(time_zone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() / 60)


def open_log(site: SiteFile, lanes: str) -> Journal:
    """Lanes of the log, within the site's limits; what consumers have is read from link's marks."""
    from agent.store import cursors
    from agent.store.journal import Journal, Limits

    uplink, data_dir = site.uplink, site.device.data_dir
    # A broker's word is kept as a mark of that name.
    required = uplink.consumers if uplink.ack == "consumer" else (uplink.ack,)
    return Journal.open(
        data_dir / "log",
        lanes,
        limits=Limits(
            {lane: round(mb * 1e6) for lane, mb in site.store.quota_mb.items()},
            round(site.store.free_floor_mb * 1e6),
        ),
        acknowledged=partial(cursors.acknowledged, data_dir / "uplink" / "cursors", required),
    )


def fed_by(site: SiteFile, sensor: str) -> list[Bay]:
    """The bays that this sensor samples; a bay that names no channels takes the only one.

    A switch's contact that has a sensor of its own is not followed: it makes no bay by itself.
    """
    return [
        bay
        for bay in site.bays
        if any(
            role != SWITCH and place.partition(".")[0] == sensor
            for role, place in bay.channels.items()
        )
        or (not bay.channels and len(site.sensors) == 1)
    ]


def wire(
    site: SiteFile, layout: Layout, settings: Mapping[str, Settings] | None = None
) -> Detector:
    """The detector of what a source turned out to deliver. Raises: SensorError.

    settings: of each bay by its name; None: the defaults.
    """
    from agent.detect.detector import Detector
    from agent.detect.settings import defaults
    from agent.sensors import channels
    from agent.wiring import taps

    wired = []
    for bay in fed_by(site, layout.sensor):
        wanted = channels.of_sensor(bay.channels, layout.sensor)
        # Contacts are channels without a unit; a recording that is played has none.
        contacts = ["" if each.unit else each.name for each in layout.channels]
        if wanted.get(SWITCH) not in contacts:
            wanted.pop(SWITCH, None)
        try:
            if wanted:
                uses = channels.resolve(wanted, layout, contacts, where=f"bay {bay.name}").uses
            else:
                uses = channels.derive(layout, contacts).uses
        except SiteError as error:
            raise SensorError(
                layout.sensor, str(error), "the channels that the bay names"
            ) from error
        chosen = settings[bay.name] if settings else defaults(bay)
        wired.append((bay, chosen, taps(layout, uses, bay)))
    return Detector(layout, wired)


def build_link(site: SiteFile, path: Path, clock: Clock) -> Link:
    """The outage projection, drills, the uplink and the log's lanes s and x."""
    from agent.drill import Drills
    from agent.link import Link
    from agent.outage.projection import Projection
    from agent.record_requests import RecordRequests
    from agent.store import record_files, wave_orders

    log = site.device.data_dir / "log"
    journal = open_log(site, LINK_LANES)
    key = _device_key(site)
    sections = {bay.name: bay.section for bay in site.bays}
    requests = RecordRequests(
        records=site.device.data_dir / record_files.FOLDER,
        orders=site.device.data_dir / wave_orders.FOLDER,
        log=log,
    )
    publisher = _publisher(site, clock, log, journal, None if key is None else key.public)
    commands = None if publisher is None else partial(_commands, site, clock, publisher, requests)
    return Link(
        log=log,
        journal=journal,
        projection=Projection(_plans(site)),
        publisher=publisher,
        section_of=sections.get,
        stamp=lambda: clock.stamp(clock.now_us()),
        data_dir=site.device.data_dir,
        metrics_file=site.store.metrics_file,
        drills=Drills(
            folder=site.device.data_dir / DRILLS,
            site=path,
            log=log,
            journal=journal,
            stamp=clock.stamp,
            now_us=clock.now_us,
        ),
        requests=requests,
        heads=None if key is None else _heads(site, clock, log, journal, key),
        commands=commands,
    )


def _device_key(site: SiteFile) -> DeviceKey | None:
    """None where it cannot be had: the log goes on, without heads."""
    from agent.link import say
    from agent.store import device_key

    try:
        key = device_key.settle(site.device.data_dir, site.site.name, site.device.id)
    except StoreError as error:
        say(f"{error}; nobody can vouch for the log")
        return None
    if key.found == "damaged":
        say("the device's key could not be read and was made anew: consumers must take the new one")
    return key


def _heads(site: SiteFile, clock: Clock, log: Path, journal: Journal, key: DeviceKey) -> Heads:
    from agent.heads import Heads
    from agent.link import say

    return Heads(
        log=log,
        journal=journal,
        key=key,
        names=(site.site.name, site.device.id),
        stamp=lambda: clock.stamp(clock.now_us()),
        tell=say,
    )


def _plans(site: SiteFile) -> tuple[Plan, ...]:
    from agent.outage import plan

    return plan.load(site.outage.plans, {bay.section for bay in site.bays})


def _publisher(
    site: SiteFile, clock: Clock, log: Path, journal: Journal, public_key: bytes | None
) -> Publisher | None:
    """None where the site file names no broker: the log keeps everything all the same."""
    if site.uplink.broker is None:
        return None
    from agent.store import cbor, entries
    from agent.uplink.publisher import Publisher
    from agent.uplink.status import Identity

    def audit(what: str, detail: str) -> None:
        stamp = clock.stamp(clock.now_us())
        journal.append("s", cbor.dumps(entries.audit_entry(stamp, what, None, detail)))

    return Publisher(
        uplink=site.uplink,
        identity=Identity(
            site=site.site.name,
            node=site.device.id,
            model=site.device.model,
            config_hash=bytes.fromhex(site.digest),
            versions={"agent": __version__},
            public_key=public_key,
        ),
        log=log,
        epoch=journal.epoch,
        state_dir=site.device.data_dir / "uplink",
        clock=clock,
        alarm=audit,
    )


def _commands(
    site: SiteFile,
    clock: Clock,
    publisher: Publisher,
    requests: RecordRequests,
    journal: Callable[[str, str | None, str], bool],
) -> Commands:
    from agent.link import say
    from agent.operations import Operations
    from agent.uplink.commands import Commands
    from agent.uplink.nonces import Nonces

    data_dir, trusted = site.device.data_dir, {}
    try:
        trusted = _trusted(site)
    except SiteError as error:
        say(f"{error}; no command is obeyed")
    return Commands(
        trusted=trusted,
        nonces=Nonces(data_dir / "uplink" / "commands", clock.boot, clock.now_us(), say),
        clock=clock,
        obeys=Operations(
            drills=data_dir / DRILLS, requests=requests, brake=publisher.brake, end=_end_soon
        ),
        journal=journal,
        tell=say,
    )


def _trusted(site: SiteFile) -> dict[bytes, str]:
    """Names by their keys. Raises: SiteError."""
    from agent.uplink import trusted

    return {} if site.uplink.trusted is None else trusted.read(site.uplink.trusted)


def _end_soon() -> None:
    """As if SIGTERM had come; the supervisor starts it again."""
    asyncio.get_running_loop().call_later(RESTART_AFTER_S, os.kill, os.getpid(), signal.SIGTERM)


def check(site: SiteFile, path: Path) -> None:
    """What only building finds out: drivers' options, plans, keys. Raises: SiteError, with all."""
    from agent.sensors import drivers

    findings: list[str] = []
    drivers_built = [
        partial(drivers.build, config, lambda: 0, path.parent) for config in site.sensors
    ]
    attempts: list[Callable[[], object]] = [
        *drivers_built,
        partial(_plans, site),
        partial(_trusted, site),
    ]
    built = []  # kept to the end: sensors that share a line must find each other
    for attempt in attempts:
        try:
            built.append(attempt())
        except AgentError as error:
            findings += str(error).splitlines()
    if findings:
        raise SiteError(str(path), tuple(findings))


def check_settings(site: SiteFile) -> None:
    """Whether what the settings store holds fits the site. Raises: SiteError, StoreError.

    For people before they restart: an agent starts all the same, and says what it works with.
    """
    from agent.detect.settings import parse
    from agent.store.documents import Documents

    store = Documents(site.device.data_dir, "settings")
    history = store.history()
    findings = list(history.told)
    if history.active is not None:
        try:
            parse(history.active.content, site.bays, f"{store.path} version {history.number}")
        except SiteError as error:
            findings += error.findings
    if findings:
        raise SiteError("settings", tuple(findings))


if __name__ == "__main__":
    standard_error.make_unfailing()
    sys.exit(main(sys.argv[1:]))
