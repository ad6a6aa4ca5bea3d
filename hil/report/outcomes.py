"""Outcomes on disk: what a report is made from, so that it can be made anew without the rig.

The shapes of hil/verdict.py and hil/case.py are the format; a field with a default may be absent.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hil.errors import CaseError
from hil.verdict import Outcome

FILE = "outcomes.json"
TITLE = "Rig report"
_OF_OURS = "outcomes that the rig saved"


def save(
    outcomes: Sequence[Outcome],
    folder: Path,
    *,
    title: str = TITLE,
    meta: Mapping[str, str] | None = None,
) -> Path:
    """Write them into `folder`, which is made. Records below it are named relative to it.

    title, meta: head of the report, and facts about the run (what was tested, by whom ...).
    """
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "title": title,
        "meta": dict(meta or {}),
        "outcomes": [_plain(outcome, folder) for outcome in outcomes],
    }
    path = folder / FILE
    path.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n")
    return path


def load(folder: Path) -> list[Outcome]:
    """The outcomes in this folder. Raises: CaseError."""
    path = folder / FILE
    try:
        return [_outcome(each, folder) for each in _read(folder)["outcomes"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CaseError(str(path), f"{error}", _OF_OURS) from error


def heading(folder: Path) -> tuple[str, dict[str, str]]:
    """Title and meta of the report in this folder. Raises: CaseError."""
    told = _read(folder)
    meta = told.get("meta", {})
    if not isinstance(meta, dict):
        raise CaseError(str(folder / FILE), "meta is no table", _OF_OURS)
    return str(told.get("title", TITLE)), {str(key): str(value) for key, value in meta.items()}


def _read(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CaseError(str(path), f"{error}", _OF_OURS) from error
    if not isinstance(told, dict):
        raise CaseError(str(path), "no table", _OF_OURS)
    return told


# --- to JSON ---


def _plain(value: Any, folder: Path) -> Any:
    """What JSON can hold of it; what it cannot, as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {f.name: _plain(getattr(value, f.name), folder) for f in fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(each, folder) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, folder) for each in value]
    if isinstance(value, Path):
        here, path = folder.absolute(), value.absolute()
        return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()
    if hasattr(value, "item"):  # a number of numpy's
        return _plain(value.item(), folder)
    held = isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    return value if value is None or held else str(value)


# --- from JSON ---


def _outcome(told: Any, folder: Path) -> Outcome:
    outcome: Outcome = _typed(told, Outcome, "outcome")
    records = {name: folder / path for name, path in outcome.records.items()}
    return dataclasses.replace(outcome, records=records)


def _typed(told: Any, kind: Any, where: str) -> Any:
    """A value of this type. Raises: ValueError that says where it is none."""
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return told
    if dataclasses.is_dataclass(kind):
        return _made(told, kind, where)
    if origin in (types.UnionType, typing.Union):
        rest = [each for each in of if each is not type(None)]
        return None if told is None else _typed(told, rest[0], where)
    if origin is Mapping:
        items = _checked(told, dict, where).items()
        return {key: _typed(each, of[1], f"{where}.{key}") for key, each in items}
    if origin in (Sequence, tuple):
        items = enumerate(_checked(told, list, where))
        return tuple(_typed(each, of[0], f"{where}[{k}]") for k, each in items)
    return _scalar(told, kind, where)


def _made(told: Any, kind: Any, where: str) -> Any:
    hints = typing.get_type_hints(kind)
    names = {f.name for f in dataclasses.fields(kind)}
    given = {key: each for key, each in _checked(told, dict, where).items() if key in names}
    lacking = [
        f.name
        for f in dataclasses.fields(kind)
        if f.name not in given
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if lacking:
        raise ValueError(f"{where} has no {lacking[0]}")
    return kind(**{k: _typed(each, hints[k], f"{where}.{k}") for k, each in given.items()})


def _checked(told: Any, kind: type, where: str) -> Any:
    if not isinstance(told, kind):
        raise ValueError(f"{where} is {type(told).__name__}, not {kind.__name__}")  # noqa: TRY004
    return told


def _scalar(told: Any, kind: Any, where: str) -> Any:
    if kind is float and isinstance(told, int | str) and not isinstance(told, bool):
        return float(told)  # "inf" and "nan" were written as text
    if kind is Path:
        return Path(_checked(told, str, where))
    return _checked(told, kind, where)
