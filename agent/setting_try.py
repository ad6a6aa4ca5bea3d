"""`ftu-agent settings try`: stored records against proposed settings, beside those in force.

Records of ours are decided on again from their own state (record_replay.py), those of other devices
as `replay` does. Nothing is changed by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent import replay, setting_sheet
from agent.detect.settings import Settings
from agent.errors import AgentError, UsageError
from agent.record_replay import again, notes_of
from agent.records import Event
from agent.sensors import comtrade
from agent.setting_book import DONE, FOUND, Book, tell
from agent.site import Bay
from agent.store.record_files import FOLDER
from agent.verdicts import Change, changes, told

# Nobody wonders for less; afterwards progress is told now and then.
PATIENCE_S, EVERY_S = 2.0, 10.0
_WIDTH = 38  # of a verdict in the table

Both = tuple[list[Event], list[Event]]


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings of each bay in force and proposed. bay: that records of other devices are of."""

    bays: Sequence[Bay]
    before: Mapping[str, Settings]
    after: Mapping[str, Settings]
    bay: str | None = None

    def touches(self, bays: Sequence[str]) -> bool:
        """Whether the proposal is another one for some of these bays."""
        return any(self.before.get(bay) != self.after.get(bay) for bay in bays)


def run(site: Path, file: Path, folders: Sequence[Path], bay: str | None) -> int:
    """Every verdict that changes, in a line of its own; 1 when one does, or a record is no record.

    folders: records besides those of the terminal.
    """
    book = Book(site)
    trial = Trial(
        book.bays,
        book.settings(book.ruling(), "settings in force"),
        book.settings(book.content(setting_sheet.read(file), str(file)), str(file)),
        _known(book, bay),
    )
    library = book.store.path.parents[1] / FOLDER
    paths = ([library] if library.is_dir() else []) + list(folders)
    found = comtrade.find(paths)
    for line in (*found.findings, *found.notes):
        tell(line)
    if not found.paths:
        tell(f"no record in {', '.join(map(str, paths)) or library}; nothing was tried")
    return _table(list(found.paths), trial, failed=bool(found.findings))


def _known(book: Book, bay: str | None) -> str | None:
    names = [each.name for each in book.bays]
    if bay is not None and bay not in names:
        raise UsageError("--bay", f"no bay {bay!r}", f"one of {', '.join(names)}")
    return bay or (names[0] if len(names) == 1 else None)


def _table(paths: list[Path], trial: Trial, *, failed: bool) -> int:
    changed = 0
    progress = Progress(len(paths))
    for number, path in enumerate(paths):
        progress.at(number)
        try:
            found = list(tried(comtrade.read(path), trial))
        except AgentError as error:
            tell(str(error))
            failed = True
            continue
        if found and not changed:
            print(f"{'record':46} {'bay':12} {'in force':{_WIDTH}} proposed")
        changed += bool(found)
        for change in found:
            before, after = told(change.before), told(change.after)
            print(f"{path.stem:46} {change.bay:12} {before:{_WIDTH}} {after}")
    print(f"{len(paths)} records, {changed or 'none'} with another verdict")
    return FOUND if changed or failed else DONE


def tried(record: comtrade.Record, trial: Trial) -> Iterator[Change]:
    """The verdicts of one record that change. Raises: RecordError."""
    notes = notes_of(record)
    if notes is not None:
        if trial.touches([bay.name for bay, _, _ in notes.wired]):
            sides = (list(again(record, notes, of)) for of in (trial.before, trial.after))
            yield from changes(*sides)
        return
    if trial.bay is None:
        raise UsageError(record.stem, "is of another device, and there are several bays", "--bay")
    bay = next(each for each in trial.bays if each.name == trial.bay)
    if trial.touches([bay.name]):
        sides = (_replayed(record, bay, of[bay.name]) for of in (trial.before, trial.after))
        yield from changes(*sides)


def _replayed(record: comtrade.Record, bay: Bay, settings: Settings) -> list[Event]:
    """What `replay` says of another device's record, its channels found by their names."""
    return list(replay.events(record, replay.Replay(bay, settings)))


class Progress:
    """Word of how far one is, from PATIENCE_S on."""

    def __init__(self, total: int, now: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._now = now
        self._began = now()
        self._due = self._began + PATIENCE_S

    def at(self, done: int) -> None:
        """So many are done."""
        now = self._now()
        if now < self._due or not done:
            return
        self._due = now + EVERY_S
        left_s = (now - self._began) / done * (self._total - done)
        tell(f"{done} of {self._total} records, {left_s:.0f} s to go")
