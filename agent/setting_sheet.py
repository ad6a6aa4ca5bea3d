"""A setting sheet: the text of one version of the protection settings, in TOML.

    # ftu-agent settings
    # version = 3
    # hash = 91b1fe0432aad7f1
    # author = ops-2
    # date = 2026-11-25T01:02:03Z
    # reason = grading study 14

    [head]
    phase_pickup_amps = 900.0  # A
    # residual_pickup_amps = 120.0  # A, default: 0.3 x rating_amps

One table a bay; a key that is commented out has its default. The head is a comment too, so that
any TOML reader takes a sheet, and any TOML file with such tables is one.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.detect.settings import KEYS, Key
from agent.errors import SiteError
from agent.site import Bay
from agent.store.documents import Version

# A sheet of a document as large as the store takes, with every default beside it.
MOST_BYTES = 512 * 1024
_TITLE = "# ftu-agent settings"
_HEAD = re.compile(r"# (version|hash|author|date|reason) = (.*)")
_TABLE = re.compile(r"\s*\[\s*[\"']?([A-Za-z0-9_-]{1,32})[\"']?\s*\]")
_KEY = re.compile(r"\s*[\"']?([A-Za-z0-9_]{1,64})[\"']?\s*=")
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file states: tables by bay, and the head where it has one.

    lines: in which line of the file a bay's table begins, (bay, ""), and each of its keys.
    """

    tables: Mapping[str, Any]
    number: int | None = None
    digest: str | None = None
    author: str | None = None
    reason: str | None = None
    lines: Mapping[tuple[str, str], int] = field(default_factory=dict)


def read(path: Path) -> Sheet:
    """The sheet at `path`, its values not checked yet. Raises: SiteError."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError(f"too long; expected at most {MOST_BYTES} bytes")
        text = data.decode("utf-8-sig")
        tables = tomllib.loads(text)
    except OSError as error:
        raise SiteError(str(path), (f"cannot be read ({error.strerror})",)) from error
    except (ValueError, RecursionError) as error:
        told = str(error)[:160] if isinstance(error, ValueError) else "nested too deeply"
        raise SiteError(str(path), (f"not a setting sheet: {told}; expected TOML",)) from error
    head = _head(text)
    return Sheet(
        tables=tables,
        number=int(head["version"]) if _NUMBER.fullmatch(head.get("version", "")) else None,
        digest=head.get("hash"),
        author=head.get("author"),
        reason=head.get("reason"),
        lines=_lines(text),
    )


def write(version: Version | None, bays: Sequence[Bay]) -> str:
    """The sheet of a version: what it states, and beside it the defaults of these bays.

    version: None is before the first one, when all are defaults.
    """
    lines, content = [_TITLE], {}
    if version is not None:
        content = version.content
        lines += [
            f"# version = {version.number}",
            f"# hash = {version.digest}",
            f"# author = {version.author}",
            f"# date = {version.utc}",
            f"# reason = {version.reason}",
        ]
    known = {bay.name: bay for bay in bays}
    for name in [*known, *(name for name in content if name not in known)]:
        lines += ["", f"[{name}]", *_rows(content.get(name, {}), known.get(name))]
    return "\n".join(lines) + "\n"


def _rows(stated: Mapping[str, Any], bay: Bay | None) -> Iterator[str]:
    """The lines of one bay, in the table's order; of a bay that is gone only what was stated."""
    for name, key in KEYS.items():
        if name in stated:
            yield f"{name} = {scalar(stated[name])}{_unit(key)}"
        elif bay is not None:
            default = scalar(key.default_of(bay))
            yield f"# {name} = {default}{_unit(key, f'default: {key.formula}')}"
    for name in stated:
        if name not in KEYS:  # of another version of the agent
            yield f"{name} = {scalar(stated[name])}"


def _unit(key: Key, rest: str = "") -> str:
    said = ", ".join(part for part in (key.unit, rest) if part)
    return f"  # {said}" if said else ""


def scalar(value: float | str) -> str:
    """A value as TOML 1.0 writes it; a float reads back to the last bit."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # As JSON, but TOML has no surrogate pairs and takes DEL only escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Where tables and keys stand, as people write them; what is written otherwise has no line."""
    found: dict[tuple[str, str], int] = {}
    bay = ""
    for number, line in enumerate(text.splitlines(), 1):
        if table := _TABLE.match(line):
            bay = table[1]
            found.setdefault((bay, ""), number)
        elif key := _KEY.match(line):
            found.setdefault((bay, key[1]), number)
    return found


def _head(text: str) -> dict[str, str]:
    """The head's words; empty where the file has none."""
    lines = text.splitlines()
    if not lines or lines[0].rstrip() != _TITLE:
        return {}
    found: dict[str, str] = {}
    for line in lines[1:]:
        match = _HEAD.fullmatch(line.rstrip())
        if match is None:
            break
        found[match[1]] = match[2]
    return found
