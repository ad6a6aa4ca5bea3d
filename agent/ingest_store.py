"""The ingester's tables in SQLite or PostgreSQL: the one file that knows their drivers.

Both take the same statements. A record's key is the primary key, so that whatever comes twice is
there once; what has come under one key with another content is counted in `differs`. A lane's mark
is computed here, from what was committed: every seq up to it is there or declared lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from agent.errors import StoreError, UsageError
from agent.ingest_rows import Row, Rows

# A mark moves over so many records at once, so that a lane of millions is no single long statement.
STRIDE = 10_000
# A server that does not answer within this is away.
CONNECT_TIMEOUT_S = 10
SILENT_MS = 30_000
# Writers of one SQLite file take turns; a turn is a batch.
BUSY_S = 30.0

_KEY = ("site", "node", "epoch", "lane")
_RECORD = (
    *_KEY,
    "seq",
    "type",
    "event",
    "bay",
    "alarm",
    "exercise",
    "again",
    "boot",
    "mono_us",
    "utc_us",
    "clock_source",
    "clock_error_us",
    "received_utc_us",
    "entry",
    "raw",
)

# {json} and {bytes}: what the database calls them.
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS ftu_record (
  site TEXT NOT NULL, node TEXT NOT NULL, epoch BIGINT NOT NULL, lane TEXT NOT NULL,
  seq BIGINT NOT NULL,
  type TEXT NOT NULL, event TEXT NOT NULL, bay TEXT,
  alarm SMALLINT NOT NULL, exercise SMALLINT NOT NULL, again SMALLINT NOT NULL,
  boot BIGINT NOT NULL, mono_us BIGINT NOT NULL, utc_us BIGINT NOT NULL,
  clock_source SMALLINT NOT NULL, clock_error_us BIGINT,
  received_utc_us BIGINT NOT NULL,
  entry {json} NOT NULL, raw {bytes} NOT NULL,
  differs INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (site, node, epoch, lane, seq))""",
    "CREATE INDEX IF NOT EXISTS ftu_record_by_time ON ftu_record (utc_us)",
    """CREATE TABLE IF NOT EXISTS ftu_lost (
  site TEXT NOT NULL, node TEXT NOT NULL, epoch BIGINT NOT NULL, lane TEXT NOT NULL,
  first_seq BIGINT NOT NULL, last_seq BIGINT NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (site, node, epoch, lane, first_seq, last_seq))""",
    """CREATE TABLE IF NOT EXISTS ftu_lane (
  site TEXT NOT NULL, node TEXT NOT NULL, epoch BIGINT NOT NULL, lane TEXT NOT NULL,
  mark BIGINT NOT NULL DEFAULT 0, next_told BIGINT NOT NULL DEFAULT 1,
  PRIMARY KEY (site, node, epoch, lane))""",
    """CREATE TABLE IF NOT EXISTS ftu_node (
  site TEXT NOT NULL, node TEXT NOT NULL, epoch BIGINT,
  birth {json}, birth_utc_us BIGINT,
  online SMALLINT, conn BIGINT, state_utc_us BIGINT,
  PRIMARY KEY (site, node))""",
    # What agent/ingest_witness.py knows and finds; the index holds what nobody should ever see.
    """CREATE TABLE IF NOT EXISTS ftu_key (
  site TEXT NOT NULL, node TEXT NOT NULL, public_key {bytes} NOT NULL,
  PRIMARY KEY (site, node))""",
    """CREATE TABLE IF NOT EXISTS ftu_proven (
  site TEXT NOT NULL, node TEXT NOT NULL, epoch BIGINT NOT NULL, lane TEXT NOT NULL,
  seq BIGINT NOT NULL, chain {bytes}, by_head BIGINT NOT NULL,
  PRIMARY KEY (site, node, epoch, lane))""",
    """CREATE TABLE IF NOT EXISTS ftu_finding (
  site TEXT NOT NULL, node TEXT NOT NULL, epoch BIGINT NOT NULL, lane TEXT NOT NULL,
  kind TEXT NOT NULL, first_seq BIGINT NOT NULL, last_seq BIGINT NOT NULL,
  wrong SMALLINT NOT NULL, told TEXT NOT NULL, found_utc_us BIGINT NOT NULL,
  PRIMARY KEY (site, node, epoch, lane, kind, first_seq, last_seq))""",
    """CREATE INDEX IF NOT EXISTS ftu_record_differs ON ftu_record (site, node, epoch, lane)
 WHERE differs > 0""",
)

_SAME = " AND ".join(f"{{0}}.{name} = {{1}}.{name}" for name in _KEY)
_THIS = " AND ".join(f"{name} = ?" for name in _KEY)

_ADD_LANE = (
    "INSERT INTO ftu_lane (site, node, epoch, lane) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_ADD_RECORD = (
    f"INSERT INTO ftu_record ({', '.join(_RECORD)}) VALUES ({', '.join('?' * len(_RECORD))})"  # noqa: S608  names of ours
    " ON CONFLICT (site, node, epoch, lane, seq) DO UPDATE SET differs = ftu_record.differs + 1"
    " WHERE ftu_record.raw <> excluded.raw"
)
_ADD_LOST = "INSERT INTO ftu_lost VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_ADD_BIRTH = (
    "INSERT INTO ftu_node (site, node, epoch, birth, birth_utc_us) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (site, node) DO UPDATE SET epoch = excluded.epoch, birth = excluded.birth,"
    " birth_utc_us = excluded.birth_utc_us"
)
_TELL_NEXT = (
    "INSERT INTO ftu_lane (site, node, epoch, lane, next_told) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (site, node, epoch, lane) DO UPDATE SET next_told = excluded.next_told"
    " WHERE ftu_lane.next_told < excluded.next_told"
)
# The will of a connection before the present one says nothing.
_ADD_STATE = (
    "INSERT INTO ftu_node (site, node, online, conn, state_utc_us) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (site, node) DO UPDATE SET online = excluded.online, conn = excluded.conn,"
    " state_utc_us = excluded.state_utc_us"
    " WHERE ftu_node.conn IS NULL OR ftu_node.conn <= excluded.conn"
)

_MOVABLE = f"""SELECT site, node, epoch, lane, mark FROM ftu_lane l
 WHERE EXISTS (SELECT 1 FROM ftu_record r WHERE {_SAME.format("r", "l")} AND r.seq = l.mark + 1)
 OR EXISTS (SELECT 1 FROM ftu_lost x WHERE {_SAME.format("x", "l")}
  AND x.first_seq <= l.mark + 1 AND x.last_seq > l.mark)"""  # noqa: S608  names of ours
# Seqs in a row have one and the same distance from their place in the row.
_RUN = f"""SELECT max(seq) FROM (
 SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM (
  SELECT seq FROM ftu_record WHERE {_THIS} AND seq > ? ORDER BY seq LIMIT {STRIDE}) above
 ) run WHERE island = ?"""  # noqa: S608  names and a number of ours
_LOST_FROM = f"SELECT max(last_seq) FROM ftu_lost WHERE {_THIS} AND first_seq <= ?"  # noqa: S608
_MOVE = f"UPDATE ftu_lane SET mark = ? WHERE {_THIS} AND mark < ?"  # noqa: S608  names of ours
_MARKS = """SELECT l.site, l.node, l.epoch, l.lane, l.mark FROM ftu_lane l
 JOIN ftu_node n ON n.site = l.site AND n.node = l.node AND n.epoch = l.epoch"""
_HOLES = f"""SELECT l.site, l.node, l.epoch, l.lane, l.mark,
 (SELECT min(seq) FROM ftu_record r WHERE {_SAME.format("r", "l")} AND r.seq > l.mark),
 (SELECT min(first_seq) FROM ftu_lost x WHERE {_SAME.format("x", "l")} AND x.first_seq > l.mark)
 FROM ftu_lane l
 JOIN ftu_node n ON n.site = l.site AND n.node = l.node AND n.epoch = l.epoch"""  # noqa: S608
_ISLANDS = """SELECT site, node, epoch, lane, min(seq), max(seq), sum(differs) FROM (
 SELECT site, node, epoch, lane, seq, differs,
  seq - row_number() OVER (PARTITION BY site, node, epoch, lane ORDER BY seq) AS island
 FROM ftu_record) islands
 GROUP BY site, node, epoch, lane, island ORDER BY site, node, epoch, lane, min(seq)"""

Place = tuple[str, str, int, str]  # site, node, epoch as stored, lane


class Away(StoreError):
    """The database cannot be used just now; what was to be written was not."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one sort of database has of its own."""

    connect: Callable[[], Any]
    # Statements here have ? for each value.
    spelled: Callable[[str], str]
    types: dict[str, str]
    wrong: type[Exception]
    # Whether an error will pass by itself.
    passing: Callable[[Exception], bool]


class Database:
    """The tables behind a URL: sqlite:///file, or postgresql://user@host/name.

    It connects when it is first used, and anew after a failure. For one thread. existing: whether
    a file has to be there already.
    Raises: UsageError for another URL, or where the driver is not installed; every method Away,
    when the database cannot be used now, and StoreError for what it will never take.
    """

    def __init__(self, url: str, *, existing: bool = False) -> None:
        self.where, self._kind = _kind(url, existing=existing)
        self._connection: Any = None

    def create(self) -> None:
        """The tables, where they are not there yet."""
        with self.transaction() as cursor:
            for statement in SCHEMA:
                cursor.execute(statement.format(**self._kind.types))

    def write(self, rows: Rows) -> None:
        """All rows in one transaction."""
        with self.transaction() as cursor:
            for statement, each in (
                (_ADD_LANE, rows.lanes),
                (_ADD_RECORD, rows.records),
                (_ADD_LOST, rows.lost),
                (_ADD_STATE, rows.states),
                (_ADD_BIRTH, [row[:-1] for row in rows.births]),
                (_TELL_NEXT, [row for birth in rows.births for row in _lanes_told(birth)]),
            ):
                if each:
                    cursor.executemany(self._kind.spelled(statement), each)

    def move_marks(self) -> list[Place]:
        """Raise each lane's mark as far as it is whole; the lanes whose mark moved."""
        with self.transaction() as cursor:
            moved = []
            for *place, mark in self._all(cursor, _MOVABLE):
                reached = self._whole_to(cursor, place, mark)
                cursor.execute(self._kind.spelled(_MOVE), (reached, *place, reached))
                moved.append(tuple(place))
            return moved

    def marks(self) -> dict[Place, int]:
        """The mark of each lane of each node's present log, as its birth names it."""
        with self.transaction() as cursor:
            return {tuple(place): mark for *place, mark in self._all(cursor, _MARKS)}

    def holes(self) -> dict[Place, tuple[int, int] | None]:
        """The lowest hole (first, last) of each lane of each node's present log."""
        with self.transaction() as cursor:
            found: dict[Place, tuple[int, int] | None] = {}
            for site, node, epoch, lane, mark, *above in self._all(cursor, _HOLES):
                known = [seq for seq in above if seq is not None]
                open_to = min(known, default=mark + 1) - 1
                found[site, node, epoch, lane] = (mark + 1, open_to) if open_to > mark else None
            return found

    def islands(self) -> list[Row]:
        """(site, node, epoch, lane, first, last, differs): seqs in a row that are there."""
        with self.transaction() as cursor:
            return self._all(cursor, _ISLANDS)

    def lost(self) -> list[Row]:
        """(site, node, epoch, lane, first, last): what was declared lost."""
        with self.transaction() as cursor:
            columns = "site, node, epoch, lane, first_seq, last_seq"
            return self._all(cursor, f"SELECT {columns} FROM ftu_lost")  # noqa: S608  ours

    def lanes(self) -> list[Row]:
        """(site, node, epoch, lane, mark, next as the birth told it)."""
        with self.transaction() as cursor:
            columns = "site, node, epoch, lane, mark, next_told"
            return self._all(cursor, f"SELECT {columns} FROM ftu_lane ORDER BY 1, 2, 3, 4")  # noqa: S608  ours

    def close(self) -> None:
        """Let go of it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _whole_to(self, cursor: Any, place: Sequence[Any], mark: int) -> int:
        while True:
            cursor.execute(self._kind.spelled(_RUN), (*place, mark, mark))
            run = cursor.fetchone()[0] or mark
            cursor.execute(self._kind.spelled(_LOST_FROM), (*place, run + 1))
            reached = max(run, cursor.fetchone()[0] or 0)
            if reached == mark:
                return mark
            mark = reached

    def run(self, cursor: Any, statement: str, values: Sequence[Any] = ()) -> None:
        """A statement with a ? for each value."""
        cursor.execute(self._kind.spelled(statement), values)

    def _all(self, cursor: Any, statement: str) -> list[Row]:
        self.run(cursor, statement)
        found: list[Row] = cursor.fetchall()
        return found

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor; committed at the end, or nothing of it has happened."""
        try:
            if self._connection is None:
                self._connection = self._kind.connect()
            cursor = self._connection.cursor()
            yield cursor
            self._connection.commit()
        except self._kind.wrong as error:
            self._drop()
            kind = Away if self._kind.passing(error) else StoreError
            raise kind(self.where, _first_line(error)) from error
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        """Whatever was begun is undone by the end of its connection."""
        try:
            self.close()
        except self._kind.wrong:
            pass


def _lanes_told(birth: Row) -> list[Row]:
    site, node, *_, lanes = birth
    return [(site, node, epoch, lane, told) for lane, (epoch, told) in sorted(lanes.items())]


def _kind(url: str, *, existing: bool) -> tuple[str, _Kind]:
    expected = "sqlite:///FILE or postgresql://USER@HOST/NAME"
    try:
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    except ValueError as error:
        raise UsageError("--database", str(error), expected) from error
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        return place, _sqlite(Path(unquote(parts.path[1:])), existing=existing)
    if parts.scheme in ("postgresql", "postgres"):
        return place, _postgresql(url)
    raise UsageError("--database", repr(place), expected)  # the URL may hold a password


def _sqlite(path: Path, *, existing: bool) -> _Kind:
    if not path.parent.is_dir() or (existing and not path.is_file()):
        raise UsageError("--database", f"{path} is not there", "a file in an existing folder")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        # What is acknowledged is on the disk: the faster setting may lose the last transactions.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    return _Kind(
        connect=connect,
        spelled=lambda statement: statement,
        types={"json": "TEXT", "bytes": "BLOB"},
        wrong=sqlite3.Error,
        # Locked, full, unreadable; a statement that does not fit the tables has the plain code.
        passing=lambda error: (
            isinstance(error, sqlite3.OperationalError)
            and error.sqlite_errorcode != sqlite3.SQLITE_ERROR
        ),
    )


def _postgresql(url: str) -> _Kind:
    try:
        import psycopg
    except ImportError as error:
        what = "the driver for PostgreSQL is not installed"
        raise UsageError("--database", what, "pip install 'ftu-agent[postgresql]'") from error

    # The last one: the other machine of a pair, which has not taken over yet.
    passing = (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        psycopg.errors.ReadOnlySqlTransaction,
    )
    return _Kind(
        connect=lambda: psycopg.connect(
            url, connect_timeout=CONNECT_TIMEOUT_S, tcp_user_timeout=SILENT_MS
        ),
        spelled=lambda statement: statement.replace("?", "%s"),
        types={"json": "JSONB", "bytes": "BYTEA"},
        wrong=psycopg.Error,
        passing=lambda error: isinstance(error, passing),
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
