"""The language of the catalogue: a TOML file becomes a Scenario, or every finding is told at once.

Tables here say which keys there are and what they may hold; docs/rig.md explains them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hil.errors import CaseError
from hil.scenarios import reading
from hil.scenarios.reading import Key, Place
from hil.scenarios.scenario import (
    Command,
    Delivery,
    Draw,
    Expect,
    Fault,
    Message,
    Play,
    Retained,
    Scenario,
)

CATALOGUE = Path(__file__).parent / "catalogue"
GOLDEN = Path(__file__).parent.parent / "golden"

# The classes of event that plant/ draws.
CLASSES = (
    "short_circuit",
    "earth_fault",
    "intermittent_earth_fault",
    "high_impedance_fault",
    "broken_conductor",
    "evolving_fault",
    "cross_country_fault",
    "reclosing",
    "inrush",
    "cold_load",
    "motor_start",
    "capacitor_switching",
    "load_step",
    "unbalance",
    "harmonics",
    "frequency_swing",
    "sag",
    "loss_of_supply",
    "backfeed",
    "tie_transfer",
    "ct_saturation",
    "blown_vt_fuse",
    "open_ct",
    "swapped_phase",
    "trapped_charge",
    "quiet",
)
INSTRUMENTS = (
    "replay",
    "digitiser",
    "modbus_tcp",
    "modbus_rtu",
    "sampled_values",
)
CHANNELS = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0", "u_load_a", "u_load_b", "u_load_c")
_DAY_S = 86_400.0

_SCENARIO = (
    Key("name", reading.name()),
    Key("title", reading.text()),
    Key("title_zh", reading.text()),
    Key("rows", reading.list_of(reading.text(8), least=1)),
    Key("instrument", reading.one_of(*INSTRUMENTS), "replay"),
    Key("not_yet", reading.text(), ""),
    Key("sample", reading.flag(), False),
    Key("case", reading.text(80), ""),
    Key("terminals", reading.list_of(reading.text(32)), ()),
    Key("unwired", reading.list_of(reading.one_of(*CHANNELS)), ()),
    Key("settings", reading.text(4000, lines=True), ""),
    Key("site", reading.text(4000, lines=True), ""),
    Key("uplink", reading.text(4000, lines=True), ""),
    Key("drill", reading.text(32), ""),
    Key("files", reading.texts_by_name(), {}),
    Key("truth", reading.flag(), True),
    Key("only_alarms", reading.list_of(reading.text(40)), ()),
    Key("settle_s", reading.number(0.0, 600.0, "s"), 2.0),
)
_DRAW = (
    Key("what", reading.one_of(*CLASSES)),
    Key("earthing", reading.one_of("isolated", "resonant", "low_resistance")),
    Key("seed", reading.number(0, 2**31, whole=True)),
)
# What may stand in [draw] besides; plant/ refuses what does not fit its class.
_OVERRIDES = (
    Key("kind", reading.text(3)),
    Key("resistance_ohm", reading.number(0, 100_000, "ohm")),
    Key("angle_deg", reading.number(-360, 360, "degrees")),
    Key("network", reading.text(40)),
    Key("noise_db", reading.number(0, 200, "dB")),
    Key("rate_hz", reading.number(800, 51_200, "Hz", whole=True)),
    Key("residual", reading.one_of("core_balance", "summed")),
    Key("variant", reading.text(40)),
    Key("section", reading.text(40)),
    Key("part", reading.number(0, 1)),
    Key("cleared_after_s", reading.number(0.01, 10, "s")),
)
_PLAY = (
    Key("times", reading.number(1, 1000, whole=True), 1),
    Key("every_s", reading.number(0.1, 3600.0, "s"), 1.0),
    Key("load", reading.list_of(reading.pair("[s, factor]")), ()),
)
_AT = Key("at_s", reading.number(-60.0, _DAY_S, "s"))
_FOR = Key("for_s", reading.number(0.001, _DAY_S, "s"), None)
# What can be done to the device's surroundings, and the keys that each has besides at_s and for_s.
FAULTS: Mapping[str, tuple[Key, ...]] = {
    "black_hole": (),
    "half_open": (),
    "reset": (),
    "delay": (Key("delay_ms", reading.number(1, 60_000, "ms")),),
    "byte_loss": (Key("share", reading.number(0.0001, 1.0)),),
    "bandwidth": (Key("bytes_per_s", reading.number(10, 10_000_000, whole=True)),),
    "broker_down": (),
    "broker_restart": (),
    "consumer_away": (),
    "kill": (Key("who", reading.one_of("guard", "link", "all")),),
    "power_cut": (),
    "disk_full": (),
    "disk_slow": (Key("delay_ms", reading.number(1, 60_000, "ms")),),
    "clock_jump": (Key("by_s", reading.number(-1e9, 1e9, "s")),),
    "boot_without_time": (),
    "corrupt_log": (
        Key("how", reading.one_of("edit", "cut", "reorder", "truncate")),
        Key("lane", reading.one_of("a", "s", "h"), "a"),
    ),
}
_COMMAND = (
    Key("run", reading.text(400)),
    Key("at_s", reading.number(-60.0, _DAY_S, "s"), None),
    Key("status", reading.number(0, 255, whole=True), 0),
    Key("says", reading.text(), ""),
)
_MESSAGE = (
    _AT,
    Key("topic", reading.text(120)),
    Key("payload", reading.plain_table(), {}),
    Key("signed", reading.flag(), False),
)
_EXPECT = (
    Key("event", reading.text(40)),
    Key("where", reading.text(32), "any"),
    Key("count", reading.count(), (1, 1_000_000)),
    Key("kind", reading.text(3), ""),
    Key("direction", reading.one_of("forward", "reverse", "unknown"), ""),
    Key("alarm", reading.flag(), None),
    Key("since", reading.one_of("start", "onset", "clearing"), "start"),
    Key("within_ms", reading.bounds(-1e9, 1e9, "ms"), None),
    Key("fields", reading.plain_table(), {}),
)
_RETAINED = (Key("topic", reading.text(120)), Key("fields", reading.plain_table(), {}))
_DELIVERY = (
    Key("arrives", reading.flag(), False),
    Key("within_s", reading.number(0.1, 3600.0, "s"), 30.0),
    Key("log", reading.one_of("intact", "damaged"), ""),
)
_PLACE = re.compile(r"\{[^}]*\}")
_PLACES = ("{site}", "{data}", "{broker}", "{folder}")
_TABLES = ("draw", "play", "delivery")
_LISTS = {
    "fault": (),
    "command": _COMMAND,
    "message": _MESSAGE,
    "expect": _EXPECT,
    "retained": _RETAINED,
}


# Every key of a file's own, for the guide's test.
KEYS = tuple(key.name for key in _SCENARIO if key.name != "files")


def load(path: Path) -> Scenario:
    """The scenario in this file. Raises: CaseError with every finding."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(str(path), f"cannot be read ({error})", "a scenario file (TOML)") from error
    return load_text(content, str(path), path.stem, path.absolute().parent)


def load_text(content: str, where: str, stem: str, base: Path | None = None) -> Scenario:
    """The scenario that this text holds; `where` names it in findings.

    base: where the path of a case of one's own starts; None: the current folder.
    Raises: CaseError.
    """
    try:
        document = tomllib.loads(content)
    except (ValueError, RecursionError) as error:
        raise CaseError(where, f"not TOML: {error}", "tables and values") from error
    findings: list[str] = []
    scenario = _scenario(document, Place(where, "", findings), base or Path.cwd())
    if scenario is not None and scenario.name != stem:
        findings.append(f"{where}: name = {scenario.name!r}: expected {stem!r}, as its file")
    if scenario is None or findings:
        raise CaseErrors(where, tuple(findings))
    return scenario


class CaseErrors(CaseError):
    """A scenario file cannot be taken; `findings` holds a line for each thing found wrong."""

    def __init__(self, where: str, findings: tuple[str, ...]) -> None:
        super().__init__(where, f"{len(findings)} findings")
        self.findings = findings
        self.args = ("\n".join(findings),)


def find(asked: Sequence[str] = ()) -> list[Scenario]:
    """The scenarios of the catalogue, or those asked for: names, beginnings with *, or files.

    Raises: CaseError for a name that is not there, and with the findings of every file.
    """
    found: dict[str, Path] = {}
    shelf = {path.stem: path for path in sorted(CATALOGUE.glob("*.toml"))}
    for word in asked or ("*",):
        if word.endswith(".toml"):
            found[Path(word).stem] = Path(word)
            continue
        matching = [n for n in shelf if n == word or (word[-1:] == "*" and n.startswith(word[:-1]))]
        if not matching:
            hint = reading.nearest(word, list(shelf))
            raise CaseError(word, f"no such scenario{hint}", "a name that `ftu-hil list` shows")
        found.update((name, shelf[name]) for name in matching)
    return _all(found.values())


def _all(paths: Iterable[Path]) -> list[Scenario]:
    scenarios: list[Scenario] = []
    findings: list[str] = []
    for path in paths:
        try:
            scenarios.append(load(path))
        except CaseErrors as error:
            findings += error.findings
        except CaseError as error:
            findings.append(str(error))
    if findings:
        raise CaseErrors("catalogue", tuple(findings))
    return scenarios


def _scenario(document: Mapping[str, Any], place: Place, base: Path) -> Scenario | None:
    plain = {k: v for k, v in document.items() if k not in _TABLES and k not in _LISTS}
    before = len(place.findings)
    values = reading.read(plain, _SCENARIO, place)
    parts: dict[str, Any] = {
        "draw": _draw(document.get("draw"), place),
        "play": Play(**_table(document, "play", _PLAY, place)),
        "delivery": Delivery(**_table(document, "delivery", _DELIVERY, place)),
        "faults": _faults(document, place),
        "commands": tuple(_made(Command, document, "command", place)),
        "messages": tuple(_made(Message, document, "message", place)),
        "expects": tuple(_made(Expect, document, "expect", place)),
        "retained": tuple(_made(Retained, document, "retained", place)),
    }
    folder = _folder(values.pop("case", ""), place, base)
    if len(place.findings) > before:
        return None
    scenario = Scenario(**values, folder=folder, **parts)
    _check(scenario, place)
    return scenario


def _folder(case: str, place: Place, base: Path) -> Path | None:
    """Where a saved case lies: a committed one, or one of the user's own."""
    if not case:
        return None
    kind, _, name = case.partition(":")
    if kind == "golden" and reading.NAME.fullmatch(name):
        return GOLDEN / name
    if kind == "folder" and name:
        return base / name
    place.refuse("case", case, "names no saved case", '"golden:NAME" or "folder:PATH"')
    return None


def _table(
    document: Mapping[str, Any], name: str, keys: Sequence[Key], place: Place
) -> dict[str, Any]:
    content = document.get(name, {})
    if not isinstance(content, dict):
        place.refuse(name, content, "not a table", f"[{name}]")
        return {}
    return reading.read(content, keys, Place(place.file, f"[{name}]", place.findings))


def _lists(
    document: Mapping[str, Any], name: str, place: Place
) -> list[tuple[dict[str, Any], Place]]:
    content = document.get(name, [])
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        place.refuse(name, content, "not a list of tables", f"[[{name}]]")
        return []
    return [
        (item, Place(place.file, f"[[{name}]] {n}", place.findings))
        for n, item in enumerate(content, 1)
    ]


def _made(kind: Any, document: Mapping[str, Any], name: str, place: Place) -> list[Any]:
    made = []
    for content, here in _lists(document, name, place):
        before = len(place.findings)
        values = reading.read(content, _LISTS[name], here)
        if len(place.findings) == before:
            made.append(kind(**values))
    return made


def _draw(content: Any, place: Place) -> Draw | None:
    if content is None:
        return None
    if not isinstance(content, dict):
        place.refuse("draw", content, "not a table", "[draw]")
        return None
    here = Place(place.file, "[draw]", place.findings)
    before = len(place.findings)
    given = [key for key in _OVERRIDES if key.name in content]
    # The overrides that are not given have no default: plant/ draws them.
    known = [*_DRAW, *given]
    unknown = [name for name in content if name not in {key.name for key in known}]
    for name in unknown:
        names = [key.name for key in (*_DRAW, *_OVERRIDES)]
        hint = reading.nearest(name, names)
        here.refuse(name, content[name], f"unknown key{hint}", ", ".join(names))
    values = reading.read({k: v for k, v in content.items() if k not in unknown}, known, here)
    if len(place.findings) > before:
        return None
    what, earthing, seed = (values.pop(key.name) for key in _DRAW)
    return Draw(what, earthing, seed, values)


def _faults(document: Mapping[str, Any], place: Place) -> tuple[Fault, ...]:
    faults = []
    for content, here in _lists(document, "fault", place):
        what = content.get("what")
        if not isinstance(what, str) or what not in FAULTS:
            hint = reading.nearest(str(what), list(FAULTS))
            here.refuse("what", what, f"unknown{hint}", f"one of {', '.join(FAULTS)}")
            continue
        before = len(place.findings)
        keys = (Key("what", reading.one_of(*FAULTS)), _AT, _FOR, *FAULTS[what])
        values = reading.read(content, keys, here)
        if len(place.findings) == before:
            at_s, for_s = values.pop("at_s"), values.pop("for_s")
            faults.append(Fault(at_s, values.pop("what"), for_s, values))
    return tuple(faults)


def _check(scenario: Scenario, place: Place) -> None:
    """What must hold between the keys."""
    if scenario.folder and scenario.draw:
        place.tell("case", "stands beside [draw]", "one of both")
    if scenario.live:
        _check_live(scenario, place)
    else:
        _check_replay(scenario, place)


def _check_live(scenario: Scenario, place: Place) -> None:
    for command in scenario.commands:
        unknown = [word for word in _PLACE.findall(command.run) if word not in _PLACES]
        if unknown:
            place.refuse("run", command.run, f"{unknown[0]} stands for nothing", " ".join(_PLACES))
    for message in scenario.messages:
        if message.signed and not message.topic.startswith("cmd/"):
            place.refuse("topic", message.topic, "is no command, but signed", "cmd/...")
    if scenario.settings:
        place.tell("settings", "are for replays", "none where the device runs")
    if scenario.play.load:
        place.tell("[play] load", "is for replays", "none where the device runs")


def _check_replay(scenario: Scenario, place: Place) -> None:
    if scenario.folder is None and scenario.draw is None:
        place.tell("case", "missing", "a case to replay, or [draw]")
    for name in ("faults", "messages", "retained", "commands"):
        if getattr(scenario, name):
            place.tell(name, "needs a device that runs", "an instrument that plays live")
    if scenario.delivery != Delivery():
        place.tell("[delivery]", "needs a device that runs", "an instrument that plays live")
