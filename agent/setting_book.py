"""`ftu-agent settings`: the book of setting sheets of one terminal.

Reads and writes the settings store (store/documents.py) for people. guard looks at the store by
itself, so that a commit needs no running agent, and a running agent needs no restart. What a
commit takes is what `lint` finds nothing wrong with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent import setting_lint, setting_sheet
from agent.detect import settings as protection
from agent.detect.settings import KEYS, Key, Settings
from agent.errors import SiteError, StoreError, UsageError
from agent.setting_lint import Finding
from agent.setting_sheet import Sheet, scalar
from agent.site import load
from agent.store.documents import Documents, History, Version, digest

DONE, FOUND = 0, 1
DEFAULTS, ACTIVE = "defaults", "active"
_EMPTY = History((), "new", (), full=False)

Stated = Mapping[str, Mapping[str, Any]]


class Book:
    """The store of the terminal with this site file, and its history as it was found."""

    def __init__(self, site: Path) -> None:
        """Tells what is damaged. Raises: SiteError, StoreError."""
        wired = load(site, purpose="run")
        self.bays = wired.bays
        self.store = Documents(wired.device.data_dir, "settings")
        self.history = self.store.history()
        for line in self.history.told:
            tell(line)

    def version(self, number: int) -> Version:
        """A version that is kept. Raises: UsageError."""
        found = self.history.version(number)
        if found is None:
            kept = ", ".join(str(each.number) for each in self.history.versions) or "none yet"
            raise UsageError(str(self.store.path), f"no version {number}", f"one of: {kept}")
        return found

    def settings(self, content: Mapping[str, Any], where: str) -> dict[str, Settings]:
        """The settings of every bay. Raises: SiteError with everything that does not fit."""
        return protection.parse(content, self.bays, where)

    def ruling(self) -> Stated:
        """What the active version states; nothing where it does not fit the site any more."""
        active = self.history.active
        try:
            self.settings(active.content if active else {}, "settings")
        except SiteError:
            return {}
        return active.content if active else {}

    def content(self, sheet: Sheet, where: str) -> dict[str, dict[str, Any]]:
        """What a sheet states, as a version holds it. Raises: SiteError."""
        settings = self.settings(sheet.tables, where)
        stated = {
            bay: {key: getattr(settings[bay], key) for key in table}
            for bay, table in sheet.tables.items()
        }
        return {bay: table for bay, table in stated.items() if table}


# --- looking ---


@dataclass(frozen=True, slots=True)
class Row:
    """One key of a bay. since: the version that brought the value; None: it is the default."""

    name: str
    key: Key
    value: float | str
    default: float | str
    since: Version | None


def show(site: Path, bay: str | None, *, as_json: bool, defaults: bool) -> int:
    """Each key with its value and where that comes from, and the versions that are kept.

    1 when the store is damaged or does not fit the site; what is shown is then what guard takes.
    """
    book = Book(site)
    if bay is not None and bay not in [each.name for each in book.bays]:
        names = ", ".join(each.name for each in book.bays)
        raise UsageError("--bay", f"no bay {bay!r} in {site}", f"one of {names}")
    history, status = book.history, FOUND if book.history.told else DONE
    try:
        rows = _rows(book, _EMPTY if defaults else history)
    except SiteError as error:
        tell(f"{error}; guard starts with the defaults")
        history, status = _EMPTY, FOUND
        rows = _rows(book, history)
    chosen = {name: told for name, told in rows.items() if bay in (None, name)}
    (_print_json if as_json else _print_text)(_EMPTY if defaults else history, chosen)
    return status


def _rows(book: Book, history: History) -> dict[str, list[Row]]:
    """Every key of every bay. Raises: SiteError when the active version does not fit the site."""
    content = history.active.content if history.active else {}
    settings = book.settings(content, f"settings version {history.number}")
    return {
        bay.name: [
            Row(
                name,
                key,
                getattr(settings[bay.name], name),
                key.default_of(bay),
                _since(history, bay.name, name),
            )
            for name, key in KEYS.items()
        ]
        for bay in book.bays
    }


def _since(history: History, bay: str, key: str) -> Version | None:
    """The first of the kept versions that state what the active one does, without a break."""
    since = None
    for version in reversed(history.versions):
        value = version.content.get(bay, {}).get(key)
        if value is None or (since and value != since.content[bay][key]):
            break
        since = version
    return since


def _print_text(history: History, rows: Mapping[str, list[Row]]) -> None:
    print(_title(history.active))
    for bay, keys in rows.items():
        print(f"\n{bay}")
        for row in keys:
            print(f"  {row.name:30} {_with_unit(row.value, row.key):14} {_origin(row)}")
    if history.versions:
        print("\nversions")
    for version in reversed(history.versions):
        print(f"  {_title(version)}")


def _origin(row: Row) -> str:
    if row.since is None:
        return f"default: {row.key.formula}; {row.key.reason}"
    default = _with_unit(row.default, row.key)
    return f"version {row.since.number}, {row.since.author}: {row.since.reason}; default {default}"


def _with_unit(value: float | str, key: Key) -> str:
    return f"{scalar(value)} {key.unit}".rstrip()


def _title(version: Version | None) -> str:
    if version is None:
        return "the defaults"
    return (
        f"version {version.number}, hash {version.digest}, made from {version.parent} "
        f"by {version.author} at {version.utc}: {version.reason}"
    )


def _print_json(history: History, rows: Mapping[str, list[Row]]) -> None:
    bays = {bay: {row.name: _row_json(row) for row in keys} for bay, keys in rows.items()}
    versions = [_version_json(version) for version in history.versions]
    told = {**_version_json(history.active), "bays": bays, "versions": versions}
    print(json.dumps(told, ensure_ascii=False))


def _version_json(version: Version | None) -> dict[str, Any]:
    if version is None:
        return {"version": 0}
    return {
        "version": version.number,
        "hash": version.digest,
        "parent": version.parent,
        "author": version.author,
        "utc": version.utc,
        "reason": version.reason,
    }


def _row_json(row: Row) -> dict[str, Any]:
    origin = {"from": "default"}
    if row.since is not None:
        origin = {"from": "version"} | _version_json(row.since)
    return {
        "value": row.value,
        "unit": row.key.unit,
        **origin,
        "default": row.default,
        "formula": row.key.formula,
        "why": row.key.reason,
    }


def lint(site: Path, file: Path) -> int:
    """Everything that is wrong with a sheet, each in a line; 1 when anything is."""
    book = Book(site)
    try:
        sheet = setting_sheet.read(file)
        content = book.content(sheet, str(file))
    except SiteError as error:
        for line in error.findings:
            print(line)
        return FOUND
    found = list(_unwise(book, content))
    for finding in found:
        print(_located(finding, content, sheet, file))
    if found:
        return FOUND
    stated = sum(len(table) for table in content.values())
    print(f"{file}: {stated} keys stated in {len(content)} bays, nothing wrong")
    return DONE


def _unwise(book: Book, content: Stated) -> Iterator[Finding]:
    """What is taken but cannot work, or needs a good reason; see setting_lint.py."""
    bays = {bay.name: bay for bay in book.bays}
    stated = {bay: frozenset(table) for bay, table in content.items()}
    yield from setting_lint.lint(bays, book.settings(content, "settings"), stated)


def _located(finding: Finding, content: Stated, sheet: Sheet, file: Path) -> str:
    """The finding with file, line, bay, key and value."""
    bay, check, figures = finding
    table = content.get(bay, {})
    key = next((key for key in check.keys if key in table), check.keys[0])
    line = sheet.lines.get((bay, key)) or sheet.lines.get((bay, ""))
    place = f"{file}: line {line}" if line else str(file)
    value = f"= {scalar(table[key])}" if key in table else "is its default"
    return (
        f"{place}: {check.severity}: [{bay}] {key} {value}: {check.name}: {figures} "
        f"({check.reason})"
    )


def diff(site: Path, before: str, after: str) -> int:
    """What changes from one to the other, a key a line; 1 when anything does.

    Each is the number of a version, "active", "defaults", or a file.
    """
    book = Book(site)
    lines = list(differences(book, _named(book, before), _named(book, after)))
    for line in lines:
        print(line)
    return FOUND if lines else DONE


def _named(book: Book, name: str) -> Stated:
    if name.isdecimal() and len(name) < 10:
        return book.version(int(name)).content if int(name) else {}
    if name in (ACTIVE, DEFAULTS):
        active = book.history.active
        return active.content if active and name == ACTIVE else {}
    return book.content(setting_sheet.read(Path(name)), name)


def differences(book: Book, before: Stated, after: Stated) -> Iterator[str]:
    """A line for each key that changes. Raises: SiteError."""
    old, new = (book.settings(each, "settings") for each in (before, after))
    for bay in old:
        for name, key in KEYS.items():
            values = [getattr(each[bay], name) for each in (old, new)]
            if values[0] != values[1]:
                said = [
                    _with_unit(value, key) + ("" if name in each.get(bay, {}) else " (default)")
                    for value, each in zip(values, (before, after), strict=True)
                ]
                yield f"{bay} {name}: {said[0]} -> {said[1]}"


# --- changing ---


def commit(site: Path, file: Path, author: str, reason: str, made_from: int | None) -> int:
    """The sheet as the next version.

    made_from: the version it was made from; None: the one its head names, else the active one.
    """
    book = Book(site)
    sheet = setting_sheet.read(file)
    content = book.content(sheet, str(file))
    _refuse_errors(book, content, sheet, file)
    if made_from is None:
        made_from = _base(book, sheet, file)
    return _add(book, content, author, reason, made_from)


def _refuse_errors(book: Book, content: Stated, sheet: Sheet, file: Path) -> None:
    """Warnings are told; what cannot work by what the sheet states is not taken.

    Raises: SiteError.
    """
    errors = []
    for finding in _unwise(book, content):
        line = _located(finding, content, sheet, file)
        mine = any(key in content.get(finding.bay, {}) for key in finding.check.keys)
        if finding.check.severity == "error" and mine:
            errors.append(line.removeprefix(f"{file}: "))
        elif mine:
            tell(line)
    if errors:
        raise SiteError(str(file), tuple(errors))


def _base(book: Book, sheet: Sheet, file: Path) -> int:
    """The version that a sheet was made from. Raises: UsageError when it is another store's."""
    if sheet.number is None:
        return book.history.number
    known = book.history.version(sheet.number)
    if known is not None and sheet.digest not in (None, known.digest):
        raise UsageError(
            str(file),
            f"was made from a version {sheet.number} of another terminal (hash {sheet.digest})",
            "an export of this one, or --from NUMBER",
        )
    return sheet.number


def rollback(site: Path, number: int | None, author: str, reason: str) -> int:
    """A new version that states what an older one did; None: what the active was made from."""
    book = Book(site)
    active = book.history.active
    if active is None:
        raise UsageError(str(book.store.path), "no version yet", "a commit before a rollback")
    number = active.parent if number is None else number
    content = book.version(number).content if number else {}
    book.settings(content, f"settings version {number}")
    return _add(book, content, author, reason, active.number)


def import_sheet(site: Path, file: Path, author: str | None, reason: str | None) -> int:
    """An exported sheet, unchanged, as the next version; author and reason are its own if not told.

    Raises: SiteError when it was changed since its export, UsageError.
    """
    book = Book(site)
    sheet = setting_sheet.read(file)
    content = book.content(sheet, str(file))
    if sheet.digest is not None and digest(content) != sheet.digest:
        finding = f"hash {digest(content)}, but its head says {sheet.digest}: changed since export"
        raise SiteError(str(file), (f"{finding}; expected the file as exported, or `commit`",))
    author, reason = author or sheet.author, reason or sheet.reason
    if author is None or reason is None:
        raise UsageError(str(file), "does not say by whom or why", "--author and --reason")
    return _add(book, content, author, reason, book.history.number)


def _add(book: Book, content: Stated, author: str, reason: str, made_from: int) -> int:
    active = book.history.active
    if active is not None and active.digest == digest(content):
        print(f"the same as version {active.number}; nothing to change")
        return DONE
    changes = list(differences(book, book.ruling(), content))
    version = book.store.commit(
        content, author=author, reason=reason, made_from=made_from, at=datetime.now(UTC)
    )
    for line in changes:
        print(line)
    print(f"{_title(version)}\na running guard takes it within a second")
    history = book.store.history()
    if history.full:
        oldest = history.versions[0].number
        tell(f"the next change may push out version {oldest}: `settings export {oldest}` keeps it")
    return DONE


def export(site: Path, number: int | None, output: Path | None) -> int:
    """A version as a sheet; None: the active one. Before the first, 0, are the defaults."""
    book = Book(site)
    version = book.history.active
    if number is not None:
        version = book.version(number) if number else None
    text = setting_sheet.write(version, book.bays)
    if output is None:
        sys.stdout.write(text)
        return DONE
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(str(output), f"cannot be written ({error.strerror})") from error
    return DONE


def tell(line: str) -> None:
    """One line about the store itself, beside the answer."""
    sys.stderr.write(f"ftu-agent: {line}\n")
