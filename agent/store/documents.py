"""Versioned documents: protection settings now, plans and registers with their parts.

Each kind of document is a TinyDB of its own, `data_dir/documents/settings.json`, so that no kind
can crowd out another. A version is a whole document and is never changed: a commit adds one with
the next number, a rollback is a commit of what an older one held. The newest version rules.

TinyDB works on memory; what a commit did reaches the disk in one replacement of the file
(sealed.py), so that no reader ever meets half of it. TinyDB is imported here and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Document

from agent.errors import StoreError
from agent.store.sealed import MOST_BYTES, Content, Found, Sealed

# A token or a role, never a person's name: nothing personal is kept on the device.
AUTHOR = re.compile(r"[A-Za-z0-9_-]{1,32}")
AUTHOR_EXPECTED = "a token or role of 1 to 32 letters, digits, _ or -; no personal name"
LONGEST_REASON = 200
# Three whole documents fit into a file: the one that rules, the one before, the one that comes.
MOST_DOCUMENT_BYTES = 60_000
# Settings change some times a year; this is the history of a terminal's life.
MOST_VERSIONS = 64
# Author, reason and the rest of a version, without its content.
_LARGEST_WORDS = 2_000
_TABLE = "versions"

Tables = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a document.

    number: rises by one; with the digest of the content beside it, it never means two contents.
    utc: when it was committed, ISO 8601. parent: number of the version it was made from; 0: none.
    """

    number: int
    digest: str
    utc: str
    author: str
    reason: str
    parent: int
    content: dict[str, Any]

    def __post_init__(self) -> None:
        """Raises: ValueError for what no commit can have written."""
        for field in fields(self):
            kind = {"number": int, "parent": int, "content": dict}.get(field.name, str)
            value = getattr(self, field.name)
            if type(value) is not kind:
                raise ValueError(f"{field.name} = {value!r}; expected {kind.__name__}")
        if not 0 <= self.parent < self.number:
            raise ValueError(f"version {self.number} made from {self.parent}")
        if self.digest != digest(self.content):
            raise ValueError(f"version {self.number} does not have the hash {self.digest}")


@dataclass(frozen=True, slots=True)
class History:
    """Every version that is kept, oldest first, and how it was found (see sealed.Content).

    full: the next commit may push the oldest version out.
    """

    versions: tuple[Version, ...]
    found: Found
    told: tuple[str, ...]
    full: bool

    @property
    def active(self) -> Version | None:
        """The version that rules; None before the first commit."""
        return self.versions[-1] if self.versions else None

    @property
    def number(self) -> int:
        """Number of the version that rules, 0 before the first commit."""
        return self.versions[-1].number if self.versions else 0

    def version(self, number: int) -> Version | None:
        """The version with this number, if it is kept."""
        return next((each for each in self.versions if each.number == number), None)

    @property
    def next_number(self) -> int:
        """Where the newest copy is lost, its number may be in the log already, so it is left out:
        the previous copy is exactly one commit older.
        """
        return self.number + (2 if self.found == "previous" else 1)


class Documents:
    """The versions of one kind of document of the terminal with this `data_dir`."""

    def __init__(self, data_dir: Path, kind: str) -> None:
        self._sealed = Sealed(data_dir / "documents" / f"{kind}.json", _versions)

    @property
    def path(self) -> Path:
        """The file."""
        return self._sealed.path

    def state(self) -> tuple[int, int, int] | None:
        """Differs after every commit; costs one stat."""
        return self._sealed.state()

    def history(self) -> History:
        """What stands in the file. Raises: StoreError when the system refuses it."""
        return _history(self._sealed.read())

    def commit(
        self,
        content: Mapping[str, Any],
        *,
        author: str,
        reason: str,
        made_from: int,
        at: datetime,
    ) -> Version:
        """Adds a version, wholly or not at all; the oldest make room where there are too many.

        made_from: number of the version that the author saw. Raises: StoreError, also when
        another version rules by now, and then nothing has changed.
        """
        _check_words(str(self.path), author, reason, content)
        with self._sealed.locked():
            before = self._sealed.read()
            history = _history(before)
            if made_from != history.number:
                raise StoreError(
                    str(self.path),
                    f"the change was made from version {made_from}, but {history.number} rules now",
                    f"one that was made from version {history.number}",
                )
            version = Version(
                number=history.next_number,
                digest=digest(content),
                utc=at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                author=author,
                reason=reason.strip(),
                parent=made_from,
                content=dict(content),
            )
            self._sealed.replace(_with(before.body, version), before)
        return version


class _Memory(Storage):
    """What TinyDB reads and writes while a commit is made."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def read(self) -> Tables:
        """The tables."""
        return self.tables

    def write(self, data: Tables) -> None:
        """Other tables; not on disk yet."""
        self.tables = data


def digest(content: Mapping[str, Any]) -> str:
    """What tells two contents apart: 16 digits of SHA-256, the same on every machine."""
    return hashlib.sha256(_text(content)).hexdigest()[:16]


def _history(content: Content) -> History:
    versions = _versions(content.body) if content.body else ()
    room = MOST_BYTES - len(content.body)
    full = len(versions) >= MOST_VERSIONS or room < MOST_DOCUMENT_BYTES + _LARGEST_WORDS
    return History(versions, content.found, content.told, full and len(versions) > 1)


def _with(body: bytes, version: Version) -> bytes:
    """The file's body with one version more, without those that have to make room for it."""
    database = _database(body)
    table = database.table(_TABLE)
    table.insert(Document(asdict(version), doc_id=version.number))
    for number in sorted(each.doc_id for each in table)[:-2]:
        if len(table) <= MOST_VERSIONS and len(_text(database.storage.read())) <= MOST_BYTES:
            break
        table.remove(doc_ids=[number])
    return _text(database.storage.read())


def _versions(body: bytes) -> tuple[Version, ...]:
    """The versions that a file holds, at least one. Raises: ValueError for what is not ours."""
    try:
        database = _database(body)
        rows = sorted(database.table(_TABLE), key=lambda row: row.doc_id)
        versions = {row.doc_id: Version(**row) for row in rows}
    except (TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ValueError("does not hold versions of a document") from error
    if not versions or [each.number for each in versions.values()] != list(versions):
        raise ValueError("does not hold versions under their own numbers")
    if database.tables() != {_TABLE}:
        raise ValueError("holds more than the versions of a document")
    return tuple(versions.values())


def _database(body: bytes) -> TinyDB:
    return TinyDB(json.loads(body or b"{}"), storage=_Memory)


def _text(content: object) -> bytes:
    """The one JSON text of a content, whatever the order of its keys. Raises: ValueError."""
    options: Any = {"sort_keys": True, "separators": (",", ":")}
    return json.dumps(content, ensure_ascii=False, allow_nan=False, **options).encode()


def _check_words(where: str, author: str, reason: str, content: Mapping[str, Any]) -> None:
    if not AUTHOR.fullmatch(author):
        raise StoreError(where, f"author {author!r}", AUTHOR_EXPECTED)
    if not (reason.isprintable() and 0 < len(reason.strip()) <= LONGEST_REASON):
        raise StoreError(where, "the reason", f"one line of 1 to {LONGEST_REASON} characters")
    size = len(_text(content))
    if size > MOST_DOCUMENT_BYTES:
        raise StoreError(where, f"a document of {size} bytes", f"at most {MOST_DOCUMENT_BYTES}")
