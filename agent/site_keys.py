"""Every table and key of the site file: kind of value, default and meaning.

site.py reads files by this table and docs/site-file.md is printed from it, so that the two cannot
disagree. What values mean together (wiring, duplicates, identity) is site.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.records import FAULT_KINDS
from agent.site_kinds import (
    WRONG,
    BrokerUrl,
    Channel,
    File,
    Flag,
    Kind,
    Later,
    ListOf,
    Name,
    Number,
    OneOf,
    Place,
    Ratio,
    Text,
    Zone,
    nearest,
)

PHASE_SETS = ("A", "B", "C", "AB", "BC", "AC", "ABC")
REQUIRED = WRONG  # the default of a key that has none
# What a bay may measure, as in contract.md section 2; agent/sensors/channels.py finds the channels.
SWITCH = "switch"
ROLES = {
    **{f"i{phase}": f"current of phase {phase.upper()}" for phase in "abc"},
    "i0": "residual current 3I0",
    **{f"u{phase}": f"voltage of phase {phase.upper()} to earth" for phase in "abc"},
    "u0": "U0 = (UA + UB + UC) / 3; a channel whose name says 3U0 or open delta counts as a third",
    **{f"u_load_{phase}": f"voltage of phase {phase.upper()} behind the switch" for phase in "abc"},
    SWITCH: "status of the switch, 1 = closed",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key; a default of REQUIRED makes it one that must be there."""

    name: str
    kind: Kind
    meaning: str
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Table:
    """One table; `many` marks an array of tables, `needed_for` who cannot do without it."""

    name: str
    meaning: str
    keys: tuple[Key, ...]
    many: bool = False
    needed_for: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """As its head stands in the file."""
        return f"[[{self.name}]]" if self.many else f"[{self.name}]"


@dataclass(frozen=True, slots=True)
class Inline:
    """A table within a line, `{ key = value, ... }`, as a kind of value."""

    keys: tuple[Key, ...]

    @property
    def expected(self) -> str:
        """The values that are taken, in words."""
        return "{ " + ", ".join(key.name for key in self.keys) + " }"

    def read(self, value: Any, place: Place) -> Any:
        """The good ones of its keys, and the defaults of those that have one."""
        if not isinstance(value, dict):
            return place.refuse(value, "not a table", self.expected)
        return read_keys(value, self.keys, place)


def read_keys(raw: Mapping[str, Any], keys: tuple[Key, ...], place: Place) -> dict[str, Any]:
    """What the keys hold: good values and defaults; `place` is told of every other key.

    An optional key without a default, `default=None`, that is not there stays out.
    """
    read: dict[str, Any] = {}
    for key in keys:
        here = place.at(key.name)
        value = key.kind.read(raw[key.name], here) if key.name in raw else key.default
        if value is REQUIRED and key.name not in raw:
            here.miss(key.kind.expected)
        if value is not WRONG and value is not None:
            read[key.name] = value
    names = [key.name for key in keys]
    for name in [name for name in raw if name not in names]:
        hint = nearest(name, names)
        place.at(name).refuse(raw[name], f"unknown key{hint}", "one of " + ", ".join(names))
    return read


_CONSTANTS = tuple(
    Key(name, Number(0.001, 100, "ohm"), meaning, None)
    for name, meaning in (
        ("r1_ohms_per_km", "positive-sequence resistance"),
        ("x1_ohms_per_km", "positive-sequence reactance"),
        ("r0_ohms_per_km", "zero-sequence resistance"),
        ("x0_ohms_per_km", "zero-sequence reactance"),
    )
)
_SECTION = Inline(
    (
        Key("name", Name(), "of the section, as it is told"),
        Key("from", Name(), "the section at whose end it begins; none = at this bay", None),
        Key("length_km", Number(0.001, 1000, "km"), "its length"),
        *_CONSTANTS,
    )
)
_LINE = Inline(
    (
        *_CONSTANTS,
        Key("length_km", Number(0.001, 1000, "km"), "length of the line behind this bay", None),
        Key(
            "sections",
            ListOf(_SECTION, least=1, most=64),
            "instead of the length: sections and branches, the main line first; each has the"
            " line's constants where it has none of its own",
            None,
        ),
    )
)
_CHANNELS = Inline(tuple(Key(role, Channel(), meaning, None) for role, meaning in ROLES.items()))

# The ranges of a simulated feeder are the driver's to check; here its keys, types and meanings.
_HAPPENING = Inline(
    (
        Key("what", OneOf(("fault", "outage", "dip")), "what happens"),
        Key("at_s", Number(0, 1e6, "s"), "when, since the first sample"),
        Key("for_s", Number(0.001, 1e6, "s"), "how long"),
        Key("kind", OneOf(FAULT_KINDS), "of a fault", "ABC"),
        Key("amps", Number(1, 1e6, "A"), "of a fault, RMS", 3000.0),
        Key("x_over_r", Number(0.01, 100), "of a fault: how long its offset lasts", 8.0),
        Key("phases", OneOf(PHASE_SETS), "of an outage or a dip", "ABC"),
        Key("depth", Number(0.01, 1), "of a dip: share of the voltage that is lost", 0.5),
    )
)

LATER_DRIVERS = ("iio", "sampled_values")
DRIVERS: dict[str, tuple[Key, ...]] = {
    "comtrade": (
        Key(
            "path",
            File(),
            "the `.cfg` or `.cff` of a record; without it only `replay` feeds the sensor",
            None,
        ),
        Key(
            "speed",
            OneOf(("real_time", "fast")),
            "as it was recorded, or as fast as it is taken",
            "real_time",
        ),
        Key("loop", Flag(), "play it again and again", False),
    ),
    "simulated": (
        Key("rate_hz", Number(800, 51_200, "Hz", whole=True), "sampling rate", 4000),
        Key("frequency_hz", Number(45, 65, "Hz"), "frequency of the network", 50.0),
        Key("nominal_volts", Number(50, 1e6, "V"), "voltage, phase to phase", 10_000.0),
        Key("load_amps", Number(0, 1e5, "A"), "load current, RMS", 180.0),
        Key("power_factor", Number(0.05, 1), "of the load", 0.95),
        Key("fifth_harmonic", Number(0, 1), "share in the load current", 0.03),
        Key("seventh_harmonic", Number(0, 1), "share in the load current", 0.02),
        Key("noise_db", Number(0, 200, "dB"), "noise below load and voltage", 60.0),
        Key("full_scale_amps", Number(1, 1e7, "A"), "peak that the converter holds", 20_000.0),
        Key("full_scale_volts", Number(1, 1e7, "V"), "peak that the converter holds", 20_000.0),
        Key("seed", Number(0, 2**31, whole=True), "same seed, same samples", 1),
        Key("repeat_s", Number(0, 1e6, "s"), "the script begins anew; 0 = it runs once", 0.0),
        Key("script", ListOf(_HAPPENING, most=64), "what happens", ()),
        Key(
            "speed",
            OneOf(("real_time", "fast")),
            "sample by sample at its instant, or as fast as it is taken",
            "real_time",
        ),
    ),
    "modbus": (
        Key(
            "serial",
            Text(most=200),  # names below /dev/serial/by-id are long
            "serial port of the line; several sensors may share it",
            None,
        ),
        Key(
            "baud",
            OneOf((1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200)),
            "speed of the serial line",
            9600,
        ),
        Key("parity", OneOf(("even", "odd", "none")), "of the serial line", "even"),
        Key("stop_bits", OneOf((1, 2)), "of the serial line", 1),
        Key("host", Text(), "instead: name or address of a TCP meter, or of a gateway", None),
        Key("port", Number(1, 65_535, whole=True), "its TCP port", 502),
        Key("unit", Number(0, 255, whole=True), "its unit number; 1 to 247 on a serial line", 1),
        Key("profile", Text(most=200), "register map: a name that ships with us, or a file"),
        Key("period_ms", Number(10, 60_000, "ms"), "how often it is asked", 200),
        Key("timeout_ms", Number(50, 5_000, "ms"), "how long it may take to answer", 500),
        Key(
            "log",
            OneOf(("means", "readings")),
            "what of it lane h keeps: means of a quarter hour, or beside them every single reading,"
            " on disk before the next one",
            "means",
        ),
    ),
    "digitiser": (
        Key("port", Text(most=200), "serial port of the board; docs/digitiser.md has its frames"),
        Key(
            "baud",
            OneOf(
                (
                    *(115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000),
                    *(1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000),
                )
            ),
            "speed of the port; a board on USB takes any",
            921_600,
        ),
    ),
}

SITE = Table(
    "site",
    "Whose feeder this is; `name` is the `{site}` of every topic.",
    (
        Key("utility", Text(), "who runs the network; told in `birth`", ""),
        Key("feeder", Text(), "the feeder as its people call it; told in `birth`", ""),
        Key("name", Name(), "the site in topics"),
        Key("locale", OneOf(("en", "zh_CN")), "language of what people read", "en"),
        Key(
            "time_zone",
            Zone(),
            "zone of the times that people read; what is stored is UTC",
            "Asia/Shanghai",
        ),
    ),
    needed_for=("run",),
)
DEVICE = Table(
    "device",
    "This terminal; `id` is the `{node}` of every topic.",
    (
        Key(
            "id",
            Name(reserved=("_host", "_ctl")),
            "the terminal in topics, never used twice in a site",
        ),
        Key("model", Text(), "what hardware it is; told in `birth`", ""),
        Key("data_dir", File(must_exist=False), "folder of the log; made when it is not there"),
    ),
    needed_for=("run",),
)
SENSOR = Table(
    "sensor",
    "One source of samples or readings. Each driver has keys of its own, below.",
    (
        Key("name", Name(), "as bays refer to it"),
        Key("driver", OneOf(tuple(DRIVERS), later=LATER_DRIVERS), "which kind of source"),
    ),
    many=True,
    needed_for=("run",),
)
BAY = Table(
    "bay",
    "One bay: what it is rated for and where its quantities are measured.",
    (
        Key("name", Name(), "the bay in events"),
        Key(
            "section", Name(), "the section it feeds, as plans and topics say; else its name", None
        ),
        # From the secondary side of a transformer to the highest grid that records come from.
        Key("nominal_volts", Number(50, 1_000_000, "V"), "nominal voltage, phase to phase"),
        Key("frequency_hz", OneOf((50, 60)), "nominal frequency"),
        Key(
            "earthing",
            OneOf(("isolated", "resonant", "low_resistance", "solid")),
            "how the neutral of the network is earthed",
        ),
        Key(
            "rating_amps",
            Number(0.1, 10_000, "A"),
            "rated current; the default thresholds follow from it",
        ),
        Key(
            "ct_ratio",
            Ratio(),
            "primary over secondary amperes; 1 = values are primary already",
            1.0,
        ),
        Key(
            "vt_ratio", Ratio(), "primary over secondary volts; 1 = values are primary already", 1.0
        ),
        Key(
            "channels",
            _CHANNELS,
            "where each role is measured; without it names and units decide",
            {},
        ),
        Key("line", _LINE, "constants of the line; without them there is no distance", {}),
    ),
    many=True,
    needed_for=("run", "replay"),
)
UPLINK = Table(
    "uplink",
    "Where events go. Without a broker nothing leaves the terminal, and nothing is lost.",
    (
        Key("broker", BrokerUrl(), "the broker; none = no uplink", None),
        Key(
            "protocol",
            OneOf(("auto", "5", "311")),
            "MQTT 5, 3.1.1, or 5 with 3.1.1 where 5 is refused",
            "auto",
        ),
        Key(
            "consumers",
            ListOf(Name(), least=1),
            "whose acknowledgement a record needs before it may be dropped",
            ("scada",),
        ),
        Key(
            "ack",
            OneOf(("consumer", "puback")),
            "`puback` takes the broker's word for the consumers': weaker, and said so in `birth`",
            "consumer",
        ),
        Key(
            "waveforms",
            OneOf(("ask", "alarms", "all")),
            "which records are sent unasked; a fault takes 20 to 50 kB, on a slow link a day's "
            "history, so `ask` sends what a consumer asks for",
            "ask",
        ),
        Key("username", Text(), "user at the broker", None),
        Key("password_file", File(), "file whose first line is the password", None),
        Key(
            "ca",
            File(),
            "certificates that the broker's is checked against; none = the system's",
            None,
        ),
        Key(
            "trusted",
            File(),
            "public keys whose commands are obeyed, each a line `ssh-ed25519 KEY NAME`; "
            "none = every command is refused",
            None,
        ),
        Key(
            "live_ms",
            Number(10, 60_000, "ms"),
            "how often live values go out, for screens; they are never stored",
            500.0,
        ),
        Key("certificate", Later(), "the terminal's own certificate", None),
        Key("key", Later(), "its private key", None),
    ),
)
# Segments are removed whole, so a lane keeps at least a few of them.
_QUOTA_MB = Number(1, 1_000_000, "MB")
# An event takes 130 bytes, its `why` and a quarter-hour's values of a bay a few hundred. Together
# 480 MB: an eighth of the smallest card or eMMC in use (4 GB), which so is written evenly.
_QUOTAS = (
    Key("a", _QUOTA_MB, "alarms and sequence of events: half a million of them", 64.0),
    Key("h", _QUOTA_MB, "history, and what each decision was made of", 128.0),
    Key("w", _QUOTA_MB, "waveforms", 256.0),
    Key("s", _QUOTA_MB, "outages, plans, evidence", 24.0),
    Key("x", _QUOTA_MB, "drills", 8.0),
)
STORE = Table(
    "store",
    "Limits of the log. A lane that is full gives up its oldest records, and says so; below the "
    "free floor, or on a full disk, waveforms go first and alarms last, received ones before "
    "others.",
    (
        Key(
            "quota_mb",
            Inline(_QUOTAS),
            "the most that each lane keeps on disk; 1 MB is 10^6 bytes",
            {key.name: key.default for key in _QUOTAS},
        ),
        Key(
            "free_floor_mb",
            # A system's own journal stops at 15 % free or 4 GB by itself (journald.conf,
            # SystemKeepFree=); what else must fit is a settings document and an update's archive.
            Number(0, 1_000_000, "MB"),
            "free disk space that is left to others; waveform records leave twice as much",
            100.0,
        ),
        Key(
            "records_most",
            Number(10, 100_000, whole=True),
            "waveform records that are kept, one for each fault; the oldest make room",
            2000,
        ),
        # 0.8 s of eight channels are 250 kB at 12.8 kHz and 80 kB at 4 kHz: a thousand fit in any
        # case, and together with the log it is a fifth of the smallest card.
        Key("records_mb", _QUOTA_MB, "the most that they take on disk together", 384.0),
        Key(
            "metrics_file",
            File(must_exist=False),
            "where log and delivery are told to Prometheus every 15 s, as `*.prom` for the text"
            " file collector of its node exporter; none = nowhere",
            None,
        ),
    ),
)
CONSOLE = Table(
    "console",
    "Local access; off.",
    (
        Key("serial", Later(), "serial port", None),
        Key("ssh", Later(), "console over ssh", None),
        Key("page", Later(), "local page", None),
    ),
)
OUTAGE = Table(
    "outage",
    "What the terminal starts with; imported once.",
    (Key("plans", ListOf(File(), most=64), "planned outages (TOML)", ()),),
)
TABLES = (SITE, DEVICE, SENSOR, BAY, UPLINK, STORE, CONSOLE, OUTAGE)


def reference() -> str:
    """docs/site-file.md: every table and key, from the tables above."""
    parts = [_PREFACE]
    for table in TABLES:
        needed = " and ".join(f"`{verb}`" for verb in table.needed_for)
        parts.append(
            f"## `{table.title}`\n\n{table.meaning}" + (f" Needed for {needed}." if needed else "")
        )
        parts.append(_rows(table.keys))
        parts += _inner(table.keys, table.title)
        if table is SENSOR:
            for name, keys in DRIVERS.items():
                parts.append(f"### Driver `{name}`\n\n{_rows(keys)}")
                parts += _inner(keys, f'driver = "{name}"')
    return "\n\n".join(parts) + "\n"


_PREFACE = """# The site file

Wiring and communication of one terminal, in TOML. `ftu-agent check --site FILE` tells everything
that is wrong with it at once. Unknown tables and keys are wrong too, and so is a key that a later
part will obey. Paths are relative to the site file. examples/ holds whole files.

This page is printed from agent/site_keys.py (`make docs`)."""


def _inner(keys: tuple[Key, ...], title: str) -> list[str]:
    """The tables within lines, and within lists in lines, and within those."""
    parts = []
    for key in keys:
        kind = key.kind.kind if isinstance(key.kind, ListOf) else key.kind
        if isinstance(kind, Inline):
            parts.append(f"### `{key.name}` of `{title}`\n\n{_rows(kind.keys)}")
            parts += _inner(kind.keys, key.name)
    return parts


def _rows(keys: tuple[Key, ...]) -> str:
    head = "| key | takes | default | meaning |\n|---|---|---|---|"
    return "\n".join([head, *(_row(key) for key in keys)])


def _row(key: Key) -> str:
    takes = "nothing yet" if isinstance(key.kind, Later) else key.kind.expected
    default = "must be given" if key.default is REQUIRED else _default(key.default)
    return f"| `{key.name}` | {takes} | {default} | {key.meaning} |"


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value) or "none"
    if value is None or value in ("", {}):
        return "none"
    if isinstance(value, dict):
        return "those of its keys"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
