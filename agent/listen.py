"""`ftu-agent listen`: the reference consumer on a screen or in a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent import words
from agent.errors import RecordError, UsageError, one_line
from agent.store import entries, entry
from agent.uplink import wire
from agent.uplink.broker import parse_broker
from agent.uplink.consumer import (
    Birth,
    Consumer,
    DeclaredLost,
    Delivered,
    Received,
    State,
    listen,
)
from agent.wave_folder import WaveFolder

_SHOWN_APART = ("t", "clock", "key")
_SENTENCES: dict[object, Callable[[Mapping[str, Any]], str]] = {
    entry.HISTORY: words.history,
    entry.EXTREMES: words.extremes,
    entry.HEAD: words.head,
}


def run(
    url: str,
    name: str,
    state: Path | None,
    *,
    as_json: bool,
    ack: bool,
    waveforms: Path | None = None,
) -> int:
    """Print everything that terminals say, until SIGTERM or Ctrl-C.

    A record is printed and flushed, and a part of a waveform is on disk, before its marks are and
    before it is acknowledged. waveforms: the folder for waveform records.
    """
    parse_broker(url)
    try:
        consumer = Consumer(name, state, ack=ack, tell=_tell)
    except ValueError as error:
        raise UsageError("--consumer", str(error)) from error
    folder = None if waveforms is None else WaveFolder(waveforms)
    asyncio.run(_until_signal(url, consumer, _json if as_json else _text, folder))
    return 0


async def _until_signal(
    url: str,
    consumer: Consumer,
    shown: Callable[[Delivered], str | None],
    folder: WaveFolder | None,
) -> None:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel if task else loop.stop)
    with contextlib.suppress(asyncio.CancelledError):
        async with contextlib.aclosing(listen(url, consumer, tell=_tell)) as batches:
            async for batch in batches:
                lines = [line for each in batch if (line := shown(each)) is not None]
                sys.stdout.write("".join(f"{line}\n" for line in lines))
                sys.stdout.flush()
                for told_of in folder.take(batch) if folder is not None else ():
                    _tell(told_of)


def told(delivered: Delivered) -> dict[str, object]:
    """What `--json` shows of it, as the object of its line."""
    if isinstance(delivered, DeclaredLost):
        lost = delivered
        key = {"node": lost.node, "epoch": lost.epoch, "lane": lost.lane, "seq": lost.first}
        shown: dict[str, object] = {
            "event": "log_loss",
            "lost": [lost.first, lost.last],
            "reason": lost.reason,
            "key": key,
        }
        return {"site": lost.site, **shown}
    if isinstance(delivered, Birth | State):
        return _presence(delivered)
    try:
        shown = entries.delivered_json(delivered.entry, delivered.key)
    except RecordError as error:  # of a newer terminal: its key counts all the same
        shown = {"event": "unknown", "detail": str(error), "key": _key(delivered)}
    if delivered.flags & wire.EXERCISE:
        shown["exercise"] = True
    return {"site": delivered.site, **shown}


def _presence(told_of: Birth | State) -> dict[str, object]:
    where: dict[str, object] = {"site": told_of.site, "node": told_of.node}
    if isinstance(told_of, State):
        return {**where, "event": "online" if told_of.online else "offline", "conn": told_of.conn}
    lanes = {
        lane: {"epoch": each.epoch, "lowest": each.lowest, "next": each.next, "lost": each.lost}
        for lane, each in told_of.lanes.items()
    }
    who = {"model": told_of.model, "versions": told_of.versions, "lanes": lanes}
    how = {"ack": told_of.ack, "consumers": told_of.consumers, "protocol": told_of.protocol}
    clock = asdict(told_of.clock)
    hashed = {"config_hash": told_of.config_hash.hex()}
    if told_of.public_key is not None:
        hashed["public_key"] = told_of.public_key.hex()
    return {**where, "event": "birth", **who, **how, **hashed, "clock": clock}


def _json(delivered: Delivered) -> str:
    shown = json.dumps(told(delivered), ensure_ascii=False)
    # Letters that steer a terminal, which JSON does not ask to be escaped.
    return shown if shown.isprintable() else json.dumps(told(delivered))


def _key(delivered: Received) -> dict[str, object]:
    key = delivered.key
    return {"node": key.node, "epoch": key.epoch, "lane": key.lane, "seq": key.seq}


def _text(delivered: Delivered) -> str | None:
    """One line a person reads; reasons and parts of waveforms are for machines and left out."""
    line = _sentence(delivered)
    # Who has a node's rights at the broker has none over the reader's terminal.
    return line and one_line(line)


def _sentence(delivered: Delivered) -> str | None:
    if isinstance(delivered, DeclaredLost):
        return (
            f"{delivered.site}/{delivered.node}  LOST  lane {delivered.lane} seq "
            f"{delivered.first} to {delivered.last}: {delivered.reason}"
        )
    if isinstance(delivered, Birth | State):
        return f"{delivered.site}/{delivered.node}  {_presence(delivered)['event']}"
    where = f"{delivered.site}/{delivered.key.node}"
    if delivered.entry[0] in (entry.WHY, entry.WAVE):
        return None
    try:
        return f"{where}  {line(delivered.entry)}"
    except RecordError as error:
        return f"{where}  {error}"


def line(logged: list[object]) -> str:
    """A record as one line: its time, and what happened. Raises: RecordError."""
    stamp = entries.entry_stamp(logged)
    time = entries.utc_text(stamp.utc_us)
    if logged[0] == entry.EVENT:
        event, _ = entries.entry_event(logged)
        if entry.as_dict(logged)["flags"] & entry.EXERCISE:
            return f"{time}  drill  {words.sentence(event)}"
        return f"{time}  {'ALARM  ' if event.alarm else '       '}{words.sentence(event)}"
    if logged[0] == entry.DRILL:
        return f"{time}  drill  {words.drill(entries.entry_drill(logged))}"
    if logged[0] == entry.PLAN_VARIANCE:
        return f"{time}         {words.variance(entries.entry_variance(logged))}"
    if logged[0] in _SENTENCES:
        return f"{time}         {_SENTENCES[logged[0]](entries.shown(logged))}"
    key = entries.Key("", 0, "", 0)
    shown = entries.delivered_json(logged, key)
    named = [f"{name} {value}" for name, value in shown.items() if name not in _SHOWN_APART]
    return f"{time}         {', '.join(named)}"


def _tell(text: str) -> None:
    sys.stderr.write(f"ftu-agent listen: {text}\n")
