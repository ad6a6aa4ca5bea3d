"""Records as the evidence sees them: the bytes that enter a chain, and heads out of records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.errors import RecordError, StoreError
from agent.store import cbor, chain, entry
from agent.store.chain import Head
from agent.store.items import Item, Lost

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAG = entry.column(entry.EVENT, "lag_us")
_FLAGS = entry.column(entry.EVENT, "flags")
# A file of heads from a consumer: years of them.
MOST_GIVEN_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as it travels: its entry, and the canonical bytes of it."""

    seq: int
    entry: list[Any]
    data: bytes


def as_sent(item: Item) -> Sent | Lost:
    """What a consumer gets of an item of the log: what is no entry travels as lost."""
    if isinstance(item, Lost):
        return item
    try:
        logged = cbor.loads(item.payload)
        entry.check(logged)
    except (RecordError, ValueError):
        return Lost(item.seq, item.seq, chain.UNREADABLE)
    return sent(item.seq, logged)


def sent(seq: int, logged: list[Any]) -> Sent:
    """The same of an entry, such as a consumer has received."""
    logged = chain.canonical(logged)
    return Sent(seq, logged, cbor.dumps(logged))


def head_of(item: Item) -> Head | None:
    """The head that an item of lane s is; None when it is something else."""
    taken = as_sent(item)
    return None if isinstance(taken, Lost) else entry_head(taken.entry)


def entry_head(logged: list[Any]) -> Head | None:
    """The head that an entry is; None when it is none, or none that states anything."""
    if logged[entry.TYPE] != entry.HEAD:
        return None
    try:
        return Head(logged)
    except ValueError:
        return None


def is_alarm(logged: list[Any]) -> bool:
    """Whether the entry is an event with alarm = true."""
    return logged[entry.TYPE] == entry.EVENT and bool(logged[_FLAGS] & entry.ALARM)


def made(logged: list[Any]) -> tuple[int, int]:
    """(boot, monotonic instant [us]) at which the record was made; an event's own is earlier."""
    lag_us = 0
    if logged[entry.TYPE] == entry.EVENT and len(logged) > _LAG:
        lag_us = logged[_LAG] or 0
    return logged[entry.BOOT], logged[entry.MONO] + lag_us


@dataclass(frozen=True, slots=True)
class GivenHead:
    """A head that somebody else has kept. epoch, node: None where he does not say."""

    head: Head
    epoch: int | None
    node: str | None


def given_heads(path: Path) -> list[GivenHead]:
    """The heads in a file of JSON lines, as `listen --json` and `journal export` print them.

    Other records in it are passed over. Raises: StoreError, RecordError for a line that is none.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_GIVEN_BYTES + 1)
    except OSError as error:
        raise StoreError(str(path), f"cannot be read ({error.strerror})") from error
    if len(data) > MOST_GIVEN_BYTES:
        raise RecordError(str(path), "is too long", f"at most {MOST_GIVEN_BYTES} bytes of heads")
    return list(_given(path, data.splitlines()))


def _given(path: Path, lines: Iterable[bytes]) -> Iterable[GivenHead]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            if told.get("event") == "head":
                yield _parse(told)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            where = f"{path}, line {number}"
            what = f"is no head ({str(error) or type(error).__name__})"
            raise RecordError(where, what, "JSON as `listen --json` prints it") from error


def _parse(told: Mapping[str, Any]) -> GivenHead:
    clock, key = told["clock"], told.get("key")
    utc_us = (datetime.fromisoformat(told["t"]) - _EPOCH) // timedelta(microseconds=1)
    at = (clock["boot"], clock["mono_us"], utc_us, _source(clock["source"]), clock["error_us"])
    values = {name: told.get(name) for name, _, _ in entry.COLUMNS[entry.HEAD]}
    for name, what, _ in entry.COLUMNS[entry.HEAD]:
        if what == entry.BYTES:
            values[name] = bytes.fromhex(told[name])
    head = Head(chain.canonical(entry.compose(entry.HEAD, at, values)))
    named = key if isinstance(key, dict) else {}
    return GivenHead(head, named.get("epoch"), named.get("node"))


def _source(name: Any) -> int:
    return entry.code_of(entry.SOURCES, name)
