"""What a message brings, as rows of the ingester's tables. No database is known here."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.listen import told
from agent.store import entry
from agent.uplink import wire
from agent.uplink.delivered import Birth, DeclaredLost, Delivered, Received, State

Row = tuple[Any, ...]

# Where a table has a column for it: what people look for first.
_UNKNOWN = "type-{}"
_LIMIT, _WRAP = 1 << 63, 1 << 64
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(slots=True)
class Rows:
    """Rows of one transaction, each table's in the order of its key.

    So two workers that write the same rows wait for each other and never in a circle.
    """

    lanes: list[Row] = field(default_factory=list)
    records: list[Row] = field(default_factory=list)
    lost: list[Row] = field(default_factory=list)
    births: list[Row] = field(default_factory=list)
    states: list[Row] = field(default_factory=list)


def rows_of(batch: Sequence[Delivered]) -> Rows:
    """The rows of everything in a batch; a key that it holds twice counts once."""
    now_us = time.time_ns() // 1000
    records: dict[Row, Row] = {}
    rows = Rows()
    lost: dict[Row, Row] = {}
    for each in batch:
        if isinstance(each, Received):
            row = _record(each, now_us)
            records.setdefault(row[:5], row)
        elif isinstance(each, DeclaredLost):
            row = _lost(each)
            lost.setdefault(row[:6], row)
        elif isinstance(each, Birth):
            rows.births.append(_birth(each, now_us))
        else:
            rows.states.append(_state(each))
    rows.records = [records[key] for key in sorted(records)]
    rows.lost = [lost[key] for key in sorted(lost)]
    rows.lanes = sorted({row[:4] for row in [*rows.records, *rows.lost]})
    return rows


def signed(epoch: int) -> int:
    """An epoch as databases hold it: 64 bits with a sign. Those drawn today have 32 bits."""
    return epoch - _WRAP if epoch >= _LIMIT else epoch


def unsigned(stored: int) -> int:
    """The inverse of `signed`."""
    return stored + _WRAP if stored < 0 else stored


def _record(each: Received, now_us: int) -> Row:
    key, logged = each.key, each.entry
    shown = told(each)
    bay = shown.get("bay")
    return (
        each.site,
        key.node,
        signed(key.epoch),
        key.lane,
        key.seq,
        _type_name(logged[entry.TYPE]),
        clean(str(shown["event"])),
        clean(bay) if isinstance(bay, str) else None,
        int(bool(shown.get("alarm"))),
        int(each.exercise),
        int(bool(each.flags & wire.REPLAY)),
        *logged[entry.BOOT : entry.FIRST],
        now_us,
        as_json(shown),
        each.raw,
    )


def _type_name(number: int) -> str:
    return entry.TYPE_NAMES.get(number, _UNKNOWN.format(number))


def _lost(each: DeclaredLost) -> Row:
    first_last = (each.first, each.last, clean(each.reason))
    return (each.site, each.node, signed(each.epoch), each.lane, *first_last)


def _birth(each: Birth, now_us: int) -> Row:
    epoch = None if each.epoch is None else signed(each.epoch)
    lanes = {lane: (signed(told_of.epoch), told_of.next) for lane, told_of in each.lanes.items()}
    return (each.site, each.node, epoch, as_json(told(each)), now_us, lanes)


def _state(each: State) -> Row:
    return (each.site, each.node, int(each.online), each.conn, each.utc_us)


def as_json(shown: Any) -> str:
    """As one line; PostgreSQL has no place for the letter NUL, so that one is shown as unknown."""
    text = _JSON.encode(shown)
    return text if "\\u0000" not in text else _JSON.encode(_cleaned(shown))


def clean(text: str) -> str:
    """Text that a column of text takes."""
    return text.replace("\x00", "\ufffd")


def _cleaned(shown: Any) -> Any:
    if isinstance(shown, str):
        return clean(shown)
    if isinstance(shown, dict):
        return {clean(str(name)): _cleaned(value) for name, value in shown.items()}
    if isinstance(shown, list | tuple):
        return [_cleaned(value) for value in shown]
    return shown
