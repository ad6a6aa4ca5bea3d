"""`ftu-agent record`: the waveform records of one terminal, for people.

Reads the folder that guard writes (store/record_files.py); nothing here changes a record.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from agent import terminal_plot, words
from agent.errors import AgentError, RecordError, UsageError
from agent.record_notes import Notes, read
from agent.record_replay import again, blocks, cases, load
from agent.record_sheet import in_words, sheet_of
from agent.recorder import cause
from agent.records import event_json
from agent.sensors import comtrade
from agent.sensors.comtrade_write import files, single
from agent.site import SiteFile
from agent.site import load as load_site
from agent.store.entries import utc_text
from agent.store.record_files import EXTENSION, FOLDER, Held, held, path_of
from agent.verdicts import changes, told

DONE, FOUND = 0, 1
_HEAD_BYTES = 64 * 1024
# Notes of a record that tells of hundreds of events.
_MOST_HEAD_BYTES = 2 << 20
_SAMPLES = re.compile(rb"--- file type: DAT")
_INFORMATION = re.compile(
    rb"--- file type: INF ---\r?\n(.*?)(?=^--- file type:)", re.DOTALL | re.MULTILINE
)


def folder_of(site: Path) -> tuple[SiteFile, Path]:
    """The terminal's folder of records. Raises: SiteError."""
    wired = load_site(site, purpose="run")
    return wired, wired.device.data_dir / FOLDER


def show_list(site: Path, *, as_json: bool) -> int:
    """Every record in a line, oldest first; 1 when one of them cannot be read."""
    _, folder = folder_of(site)
    records, status = held(folder), DONE
    if not records:
        tell(f"{folder}: no record yet")
    elif not as_json:
        print(f"{'record':46} {'UTC':23} {'bay':12} {'event':24} {'kind':4} direction alarm   kB")
    for record in records:
        try:
            notes = head(folder / f"{record.name}{EXTENSION}")
        except AgentError as error:
            tell(str(error))
            status = FOUND
            continue
        print(json.dumps(_row(record, notes)) if as_json else _line(record, notes))
    return status


def _row(record: Held, notes: Notes) -> dict[str, Any]:
    event = cause(notes.told)
    return {
        "record": record.name,
        "utc": utc_text(notes.stamp.utc_us + event.t_us),
        "bay": event.bay,
        "event": event.event,
        "kind": event.kind or event.phases,
        "direction": event.direction,
        "alarm": any(each.alarm for each in notes.told),
        "bytes": record.size,
        "keys": [f"a:{logged.seq}" for logged in notes.events if logged.seq is not None],
    }


def _line(record: Held, notes: Notes) -> str:
    row = _row(record, notes)
    when = str(row["utc"])[:23].replace("T", " ")
    alarm = "ALARM" if row["alarm"] else ""
    return (
        f"{record.name:46} {when:23} {row['bay']:12} {row['event']:24} {row['kind'] or '':4} "
        f"{row['direction'] or '':9} {alarm:5} {record.size / 1000:4.0f}"
    )


def show(site: Path, wanted: str, *, as_json: bool) -> int:
    """What a record tells: its clock, its channels, and every event with its why.

    1 when it does not lead to the same decisions again: another version of the agent, or elements
    that remember more than the record holds.
    """
    _, folder = folder_of(site)
    path = path_of(folder, wanted)
    record, notes = load(path)
    if as_json:
        for event in notes.told:
            print(json.dumps(event_json(event, record=path.stem)))
        return DONE
    print(f"{path.stem}\n{in_words(notes)}\n")
    rate = notes.layout.rate_hz
    names = ", ".join(f"{c.name} [{c.unit}]" if c.unit else c.name for c in notes.layout.channels)
    print(f"sensor {notes.layout.sensor}, {float(rate or 0):g} Hz: {names}")
    for event in notes.told:
        print(f"\n{event.t_us / 1e6:.6f} s  {words.sentence(event)}")
        for name, value in event.why.items():
            shown = f"{value:.6g}" if isinstance(value, float) else str(value)
            print(f"    {name.replace('_', ' '):32} {shown}")
    return _rebuilt(record, notes)


def _rebuilt(record: comtrade.Record, notes: Notes) -> int:
    """Whether the samples lead to the same decisions again, in words."""
    anew = list(again(record, notes))
    if anew == notes.told:
        print("\ndecided on again: the same to the last bit")
        return DONE
    print("\ndecided on again: NOT the same (then / now)")
    for change in changes(notes.told, anew):
        print(f"    bay {change.bay}: {told(change.before)} / {told(change.after)}")
    if [event.event for event in anew] == [event.event for event in notes.told]:
        print("    the quantities of some decision differ")
    return FOUND


def export(site: Path, wanted: str, revision: int, to: Path) -> int:
    """A record as the files of a revision of COMTRADE."""
    wired, folder = folder_of(site)
    path = path_of(folder, wanted)
    record, notes = load(path)
    spans = [(b.first, b.start_us, b.counts.astype("int32")) for b in blocks(record, notes)]
    station = f"{wired.site.name} {wired.device.id}"
    offset = record.clock.local_offset_min or 0
    sheet = sheet_of(notes, spans, stem=path.stem, station=station, offset_min=offset)
    made = {EXTENSION: b"".join(single(sheet))} if revision == 2013 else files(sheet)
    try:
        to.mkdir(parents=True, exist_ok=True)
        for extension, data in made.items():
            (to / f"{path.stem}{extension}").write_bytes(data)
            print(to / f"{path.stem}{extension}")
    except OSError as error:
        raise UsageError("--to", f"{to}: {error.strerror}", "a folder to write to") from error
    return DONE


def plot(site: Path, wanted: str, to: Path | None, width: int) -> int:
    """A record in the terminal, and as PNG where a folder is named."""
    _, folder = folder_of(site)
    record, notes = load(path_of(folder, wanted))
    for case in cases(record, notes):
        events = [event for event in notes.told if event.bay == case.bay.name]
        print(terminal_plot.picture(case, events, width))
        if to is not None:
            from agent import plot as drawing

            drawing.into(to)(case, events)
            print(to / f"{case.record.stem}.png")
    return DONE


def head(path: Path) -> Notes:
    """The notes of a record, without its samples. Raises: RecordError."""
    data = b""
    try:
        with path.open("rb") as file:
            while _SAMPLES.search(data, max(0, len(data) - _HEAD_BYTES)) is None:
                more = file.read(_HEAD_BYTES)
                data += more
                if not more or len(data) > _MOST_HEAD_BYTES:
                    break
    except OSError as error:
        raise RecordError(str(path), f"cannot be read ({error.strerror})", "a record") from error
    found = _INFORMATION.search(data)
    notes = read(found[1].decode("utf-8", "replace"), str(path)) if found else None
    if notes is None or not notes.events:
        raise RecordError(str(path), "has no notes of a terminal", "a record that one wrote")
    return notes


def tell(line: str) -> None:
    """One line beside the answer."""
    sys.stderr.write(f"ftu-agent: {line}\n")
