"""The site file: wiring and communication of one terminal, read once into frozen records.

A file is taken as a whole or not at all, and everything that is wrong with it is told at once.
Which keys there are stands in site_keys.py, and what a value may be in site_kinds.py.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from agent.errors import SiteError
from agent.site_keys import DRIVERS, SENSOR, STORE, SWITCH, TABLES, Table, read_keys
from agent.site_kinds import NAME, Place, nearest, shown, shown_key

Purpose = Literal["run", "replay", "check"]

# A feeder with hundreds of bays needs a tenth of this; more is not a site file.
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Site:
    """Whose feeder this is; `name` is the `{site}` of every topic."""

    utility: str
    feeder: str
    name: str
    locale: str = "en"
    time_zone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Device:
    """This terminal; `id` is the `{node}` of every topic, `data_dir` holds the log."""

    id: str
    model: str
    data_dir: Path


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """One source; `options` are its driver's keys, checked, with their defaults."""

    name: str
    driver: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bay:
    """One bay. [V phase to phase; Hz; A]  A ratio is primary over secondary.

    channels: role (ia ... u0, switch) to "sensor.channel"; empty: derived from names and units.
    line: constants per km and the length, or `sections` with their own; empty: no distance.
    """

    name: str
    section: str
    nominal_volts: float
    frequency_hz: int
    earthing: str
    rating_amps: float
    ct_ratio: float = 1.0
    vt_ratio: float = 1.0
    channels: Mapping[str, str] = field(default_factory=dict)
    line: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Uplink:
    """Where events go; without a broker they stay in the log."""

    broker: str | None = None
    protocol: str = "auto"
    consumers: tuple[str, ...] = ("scada",)
    ack: str = "consumer"
    username: str | None = None
    password_file: Path | None = None
    ca: Path | None = None
    trusted: Path | None = None
    waveforms: str = "ask"
    live_ms: float = 500


@dataclass(frozen=True, slots=True)
class Store:
    """Limits of the log, `quota_mb` by lane, and of the waveform records. [MB of 10^6 bytes]

    metrics_file: what is told to Prometheus; None: nothing.
    """

    quota_mb: Mapping[str, float]
    free_floor_mb: float
    records_most: int = 2000
    records_mb: float = 384.0
    metrics_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """The documents that the terminal starts with."""

    plans: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteFile:
    """The whole file. `digest` changes when, and only when, its content does."""

    site: Site
    device: Device
    sensors: tuple[SensorConfig, ...]
    bays: tuple[Bay, ...]
    uplink: Uplink
    store: Store
    outage: Outage
    digest: str


# What stands for the tables that replay does without; nothing of it leaves the machine.
_NO_SITE = Site(utility="", feeder="", name="replay")
_NO_DEVICE = Device(id="replay", model="", data_dir=Path("data"))


def load(path: Path, purpose: Purpose = "run") -> SiteFile:
    """The site file at `path`; relative paths in it start from its folder.

    purpose: what must be there. `run` needs [site], [device], [[sensor]] and [[bay]], `replay` only
    [[bay]]; `check` takes a file without [site] and [device] as one for replay, else as one to run.
    Raises: SiteError with every finding.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8-sig")  # editors on Windows begin a file with a mark
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SiteError(str(path), (f"line {line}: not UTF-8; expected TOML",)) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such name"
        raise SiteError(str(path), (f"cannot be read ({why}); expected a TOML file",)) from error
    return load_text(text, str(path), purpose, path.absolute().parent)


def load_text(
    text: str, where: str, purpose: Purpose = "run", folder: Path | None = None
) -> SiteFile:
    """The site file that `text` holds; `where` names it in findings.

    folder: where relative paths start; None: the current one. Raises: SiteError.
    """
    document = _document(text, where)
    if purpose == "check":
        purpose = "run" if document.keys() & {"site", "device"} else "replay"
    findings = _unknown_tables(document)
    base = (folder or Path()).absolute()
    taken = {
        table.name: _entries(
            document, table, purpose, Place("", "", base, purpose == "run", findings)
        )
        for table in TABLES
    }
    _check_names(taken["sensor"])
    _check_names(taken["bay"])
    _check_wiring(taken["bay"], taken["sensor"] if "sensor" in document else None)
    _check_lines(taken["bay"])
    _check_identity(taken["uplink"])
    if findings:
        raise SiteError(where, tuple(findings))
    return _site_file(taken, document)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One table of the file: where it stands, and those of its values that are good."""

    place: Place
    values: dict[str, Any]


def _document(text: str, where: str) -> dict[str, Any]:
    """The parsed text, or one finding with line and column."""
    if len(text) > MOST_BYTES:
        raise SiteError(where, (f"too long; expected at most {MOST_BYTES} bytes",))
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise SiteError(
            where, ("not TOML: nested too deeply; expected tables and values",)
        ) from error
    except ValueError as error:  # TOMLDecodeError, and an integer of thousands of digits
        # tomllib ends with the place: "... (at line 3, column 7)"; a long key may stand before it.
        told = str(error) if len(str(error)) < 160 else f"{str(error)[:80]} ... {str(error)[-40:]}"
        raise SiteError(where, (f"not TOML: {told}; expected tables and values",)) from error


def _unknown_tables(document: Mapping[str, Any]) -> list[str]:
    names = [table.name for table in TABLES]
    known = " ".join(table.title for table in TABLES)
    return [
        f"{shown_key(name)}: unknown table{nearest(name, names)}; expected one of {known}"
        for name in document
        if name not in names
    ]


def _entries(document: Mapping[str, Any], table: Table, purpose: str, place: Place) -> list[_Entry]:
    """The tables of one name, read key by key."""
    if table.name not in document:
        if purpose in table.needed_for:
            least = "at least one" if table.many else "one"
            place.findings.append(f"{table.title}: missing; expected {least} for `{purpose}`")
        return []
    raw = document[table.name]
    tables = raw if table.many else [raw]
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        what = "not a list of tables" if table.many else "not a table"
        place.findings.append(f"{table.name} = {shown(raw)}: {what}; expected {table.title}")
        return []
    entries = []
    for number, content in enumerate(tables, 1):
        name = content.get("name")
        title = f"{table.title} {number}" if table.many else table.title
        if table.many and isinstance(name, str) and NAME.fullmatch(name):
            title += f" ({name})"
        here = replace(place, table=title)
        entries.append(_Entry(here, _values(table, content, here)))
    return entries


def _values(table: Table, content: dict[str, Any], place: Place) -> dict[str, Any]:
    """The good values of one table; a sensor's include its driver's."""
    if table is not SENSOR:
        return read_keys(content, table.keys, place)
    driver = content.get("driver")
    if isinstance(driver, str) and driver in DRIVERS:
        return read_keys(content, table.keys + DRIVERS[driver], place)
    # Which keys a driver has that we do not know, nobody can say.
    common = {key.name for key in table.keys} & content.keys()
    return read_keys({name: content[name] for name in common}, table.keys, place)


def _check_names(entries: list[_Entry]) -> None:
    """Each name once."""
    seen: set[str] = set()
    for entry in entries:
        name = entry.values.get("name")
        if name in seen:
            entry.place.at("name").refuse(name, "stands twice", "each name once")
        seen.add(name or "")


def _check_wiring(bays: list[_Entry], sensors: list[_Entry] | None) -> None:
    """Bays take what sensors have: one sensor for all that is sampled, one frequency a sensor."""
    names = [entry.values["name"] for entry in sensors or () if "name" in entry.values]
    frequency: dict[str, int] = {}
    used: set[str] = set()
    for bay in bays:
        place, channels = bay.place.at("channels"), bay.values.get("channels", {})
        _check_twice(channels, place)
        if sensors is None:  # plain names, for replay to find in each record
            continue
        sources = _sources(channels, names, place) if channels else names
        used.update(sources, (channel.partition(".")[0] for channel in channels.values()))
        if len(sources) > 1 and channels:
            place.refuse(channels, f"sampled by {' and '.join(sources)}", "one sensor for a bay")
        elif len(sources) > 1:
            place.miss(f"the bay's channels, since there are {len(sources)} sensors")
        elif sources and "frequency_hz" in bay.values:
            _check_frequency(bay, frequency, sources[0])
    for entry in sensors if sensors and bays else ():
        name = entry.values.get("name")
        if name and name not in used:
            entry.place.at("name").refuse(name, "feeds no bay", "a bay whose channels name it")


def _check_frequency(bay: _Entry, known: dict[str, int], source: str) -> None:
    """The bays of one source share its filters; `known` holds the frequency of each source."""
    hertz = bay.values["frequency_hz"]
    first = known.setdefault(source, hertz)
    if first != hertz:
        what = f"another bay of sensor {source} has {first}"
        bay.place.at("frequency_hz").refuse(hertz, what, "one frequency for a sensor")


def _check_twice(channels: Mapping[str, str], place: Place) -> None:
    roles: dict[str, str] = {}
    for role, channel in channels.items():
        if channel in roles:
            place.at(role).refuse(
                channel, f"serves {roles[channel]} already", "a channel of its own"
            )
        roles.setdefault(channel, role)


def _sources(channels: Mapping[str, str], names: list[str], place: Place) -> list[str]:
    """The sensors that sample for a bay, in the order of its roles; the switch may have its own."""
    sources: list[str] = []
    for role, channel in channels.items():
        sensor, _, rest = channel.partition(".")
        if sensor not in names or not rest:
            what = "names no channel of a sensor" if sensor in names else "no such sensor"
            hint = "" if sensor in names else nearest(sensor, names)
            expected = " or ".join(f'"{name}.CHANNEL"' for name in names[:4]) or "a [[sensor]]"
            place.at(role).refuse(channel, what + hint, expected)
        elif role != SWITCH and sensor not in sources:
            sources.append(sensor)
    return sources


def _check_lines(bays: list[_Entry]) -> None:
    """Where there are constants they must suffice: a distance that never comes nobody misses."""
    for entry in bays:
        line: Mapping[str, Any] = entry.values.get("line") or {}
        place = entry.place.at("line")
        sections = line.get("sections", ())
        if sections and "length_km" in line:
            place.at("length_km").refuse(
                line["length_km"], "sections have their own", "one of both"
            )
        wanted = ("r1_ohms_per_km", "x1_ohms_per_km") + (() if sections else ("length_km",))
        for own in sections or ([line] if line else []):
            for key in wanted:
                if key not in own and key not in line:
                    here = place.at(f"sections.{own['name']}") if sections else place
                    here.at(key).miss("r1, x1 and the length together, or there is no distance")
        _check_branches(sections, place)


def _check_branches(sections: Sequence[Mapping[str, Any]], place: Place) -> None:
    """Each section once, and behind one that stands above it."""
    known: list[str] = []
    for section in sections:
        name, source = section.get("name"), section.get("from")
        here = place.at(f"sections.{name}")
        if name in known:
            here.refuse(name, "stands twice", "each section once")
        if source is not None and source not in known:
            expected = (
                f"one of {', '.join(known)}" if known else "the first one to begin at the bay"
            )
            here.at("from").refuse(source, "names no section above it", expected)
        known.append(str(name))


def _check_identity(uplink: list[_Entry]) -> None:
    """A password needs its user, a certificate its TLS: else it is not used, and nobody notices."""
    for entry in uplink:
        values, place = entry.values, entry.place
        if "password_file" in values and "username" not in values:
            place.at("username").miss("the user of password_file")
        if "ca" in values and str(values.get("broker", "mqtts")).startswith("mqtt:"):
            place.at("broker").refuse(values["broker"], "is not TLS", "mqtts://, since ca is given")


def _site_file(taken: Mapping[str, list[_Entry]], document: Mapping[str, Any]) -> SiteFile:
    """The records of a file without findings."""
    site, device, uplink, store, outage = (
        next((entry.values for entry in taken[name]), None)
        for name in ("site", "device", "uplink", "store", "outage")
    )
    content = json.dumps(document, sort_keys=True)
    return SiteFile(
        site=Site(**site) if site else _NO_SITE,
        device=Device(**device) if device else _NO_DEVICE,
        sensors=tuple(_sensor(**entry.values) for entry in taken["sensor"]),
        bays=tuple(_bay(**entry.values) for entry in taken["bay"]),
        uplink=Uplink(**uplink or {}),
        store=Store(**store or {key.name: key.default for key in STORE.keys}),
        outage=Outage(**outage or {}),
        digest=hashlib.sha256(content.encode()).hexdigest()[:16],
    )


def _sensor(*, name: str, driver: str, **options: Any) -> SensorConfig:
    return SensorConfig(name, driver, options)


def _bay(*, name: str, section: str | None = None, **values: Any) -> Bay:
    return Bay(name=name, section=section or name, **values)
