"""A drill's order: a folder with a script, a COMTRADE record and, if it likes, settings.

    drill.toml      the script, below
    record.cfg/.dat the network's fault, as a terminal measured it
    settings.toml   protection settings for the drill; without it those in force judge

    id = "D-2026-04"               # letters, digits, - and _
    title = "earth fault on S2"
    bay = "head"                   # of the site file; may be left out where there is one
    ends_after_s = 900             # the drill is over then, whatever is still missing
    [channels]                     # roles to channels of the record; else derived from it
    ia = "IA"
    [[step]]                       # in the order in which they should be done
    name = "isolate"
    due_s = 300                    # since the start
    role = "crew-lead"             # a token, never a person's name
    [[expect]]                     # what detection should tell
    bay = "head"
    event = "fault"
    kind = "AG"                    # may be left out

Nothing is played or judged here, and numpy is not known.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from agent.errors import SiteError
from agent.store import entry
from agent.uplink.topics import check_name

SCRIPT, RECORD, SETTINGS = "drill.toml", "record.cfg", "settings.toml"
MOST_STEPS, MOST_EXPECTED = 24, 24
# The word of the start has to fit into one record, with its header and names.
MOST_TOLD = entry.MAX_BYTES - 256
# Minutes of ten channels at 12.8 kHz; the device's memory is not the place for more.
MOST_RECORD_BYTES = 64_000_000
LONGEST_TITLE = 120
# A shift; who drills for longer has forgotten to end it.
LONGEST_S = 8 * 3600
ENDS_AFTER_S = 900
# A script is a page; a megabyte is not one.
MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Step:
    """What has to be done, until when [ms since the start], and by which role."""

    name: str
    due_ms: int
    role: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What detection should tell; `kind` None: any."""

    bay: str
    event: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A script that can be run. bay: "" where the site has only one."""

    id: str
    title: str
    bay: str
    ends_after_s: float
    steps: Sequence[Step]
    expected: Sequence[Expected]
    channels: Mapping[str, str] = field(default_factory=dict)

    def started(self) -> dict[str, Any]:
        """What the word of the start tells, so that the log alone is enough for the score."""
        return {
            "title": self.title,
            "steps": [word for s in self.steps for word in (s.name, s.due_ms, s.role)],
            "expected": [word for e in self.expected for word in (e.bay, e.event, e.kind)],
        }


def read(folder: Path) -> Order:
    """The order in `folder`. Raises: SiteError with the first thing that is wrong."""
    path = folder / SCRIPT
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            _refuse(path, "is too long", f"at most {MOST_BYTES} bytes")
        told = tomllib.loads(data.decode())
    except OSError as error:
        raise SiteError(str(path), (f"cannot be read ({error.strerror})",)) from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or digits by the thousand
        what = f"{str(error)[:160]}; expected a drill's script, TOML"
        raise SiteError(str(path), (what,)) from error
    order = _order(path, told)
    if not (folder / RECORD).is_file():
        _refuse(folder / RECORD, "is not there", "a COMTRADE record")
    size = sum(each.stat().st_size for each in folder.iterdir())
    if size > MOST_RECORD_BYTES:
        _refuse(folder, f"of {size} bytes", f"at most {MOST_RECORD_BYTES}")
    return order


def _order(path: Path, told: dict[str, Any]) -> Order:
    known = ("id", "title", "bay", "ends_after_s", "channels", "step", "expect")
    _only(path, "", told, known)
    order = Order(
        id=_name(path, "id", told.get("id")),
        title=_text(path, "title", told.get("title", ""), LONGEST_TITLE),
        bay=_text(path, "bay", told.get("bay", ""), 64),
        ends_after_s=_seconds(path, "ends_after_s", told.get("ends_after_s", ENDS_AFTER_S)),
        steps=[_step(path, each) for each in _tables(path, "step", told, MOST_STEPS)],
        expected=[_expected(path, e) for e in _tables(path, "expect", told, MOST_EXPECTED)],
        channels={
            role: _text(path, f"channels.{role}", name, 64)
            for role, name in _table(path, "channels", told.get("channels", {})).items()
        },
    )
    names = [step.name for step in order.steps]
    if len(set(names)) < len(names):
        _refuse(path, "two steps have one name", "a name of its own for each")
    if (size := entry.size(list(order.started().values()))) > MOST_TOLD:
        _refuse(path, f"steps and expectations of {size} bytes", f"at most {MOST_TOLD}")
    return order


def _step(path: Path, told: dict[str, Any]) -> Step:
    _only(path, "step.", told, ("name", "due_s", "role"))
    return Step(
        name=_name(path, "step.name", told.get("name")),
        due_ms=round(_seconds(path, "step.due_s", told.get("due_s")) * 1000),
        role=_name(path, "step.role", told.get("role")),
    )


def _expected(path: Path, told: dict[str, Any]) -> Expected:
    _only(path, "expect.", told, ("bay", "event", "kind"))
    kind, event = told.get("kind"), told.get("event")
    if event not in entry.EVENTS:
        _refuse(path, f"expect.event = {event!r}", "an event of docs/events.md")
    if kind is not None and kind not in entry.KINDS:
        _refuse(path, f"expect.kind = {kind!r}", f"one of {', '.join(entry.KINDS)}")
    return Expected(_text(path, "expect.bay", told.get("bay"), 64), str(event), kind)


def _only(path: Path, where: str, told: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in told:
        if key not in known:
            _refuse(path, f"{where}{key}: unknown key", f"one of {', '.join(known)}")


def _table(path: Path, key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(path, f"{key} = {entry.short(value)}", "a table")
    return value


def _tables(path: Path, key: str, told: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    value = told.get(key, [])
    if not isinstance(value, list) or len(value) > most:
        _refuse(path, f"[[{key}]]", f"at most {most} tables")
    return [_table(path, key, each) for each in value]


def _name(path: Path, key: str, value: object) -> str:
    try:
        return check_name(value if isinstance(value, str) else "")
    except ValueError:
        _refuse(path, f"{key} = {entry.short(value)}", "1 to 32 of A-Z a-z 0-9 _ -")


def _text(path: Path, key: str, value: object, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        _refuse(path, f"{key} = {entry.short(value)}", f"text of at most {longest} letters")
    return value


def _seconds(path: Path, key: str, value: object) -> float:
    if type(value) not in (int, float) or not 0 < float(str(value)) <= LONGEST_S:
        _refuse(path, f"{key} = {entry.short(value)}", f"seconds above 0, at most {LONGEST_S}")
    return float(str(value))


def _refuse(path: Path, what: str, expected: str) -> NoReturn:
    raise SiteError(str(path), (f"{what}; expected {expected}",))
