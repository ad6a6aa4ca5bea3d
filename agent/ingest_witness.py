"""The ingester's witness: whether what is in the database is what its terminals have signed.

It reads lanes a and s behind the marks, up to which every seq is there or declared lost, and keeps
how far heads have vouched, so that it goes on from there after a restart and each record is hashed
once. What it finds stands in ftu_finding, once, and is told in a line:

    the kinds of uplink/witness.py    edited, reordered, forked, signature ...
    forked                            also: a seq came a second time with another content
    back                              a birth says that a lane ends before what is here already
    key                               a birth names another key than the first one did
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from agent.errors import RecordError
from agent.ingest_rows import clean, signed, unsigned
from agent.ingest_store import Database, Place
from agent.store import cbor, chain
from agent.store.evidence import entry_head
from agent.store.follower import FORKED, Finding
from agent.uplink.delivered import Birth
from agent.uplink.witness import KEY, Witness

BACK = "back"  # a log that was put back to an older state, or a copy of it
# A database that was filled before there was a witness begins so far behind the mark: with more,
# the first head would be a long time in coming.
BEHIND = 4096
STRIDE = 1000

_THIS = "site = ? AND node = ? AND epoch = ? AND lane = ?"
_KEY = "SELECT public_key FROM ftu_key WHERE site = ? AND node = ?"
_ADD_KEY = "INSERT INTO ftu_key VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_MARKS = "SELECT lane, mark FROM ftu_lane WHERE site = ? AND node = ? AND epoch = ?"
_PROVEN = f"SELECT seq, chain, by_head FROM ftu_proven WHERE {_THIS}"  # noqa: S608  ours
_PROVE = (
    "INSERT INTO ftu_proven VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (site, node, epoch, lane) DO UPDATE SET seq = excluded.seq,"
    " chain = excluded.chain, by_head = excluded.by_head"
)
_LAST_HEAD = (
    f"SELECT seq FROM ftu_record WHERE {_THIS} AND seq <= ? AND type = 'head'"  # noqa: S608  ours
    " ORDER BY seq DESC LIMIT 1"
)
_HEADS = (
    f"SELECT seq, raw FROM ftu_record WHERE {_THIS} AND seq > ? AND seq <= ? AND type = 'head'"  # noqa: S608  ours
    " ORDER BY seq"
)
_RECORDS = (
    f"SELECT seq, raw FROM ftu_record WHERE {_THIS} AND seq > ? AND seq <= ?"  # noqa: S608  ours
    f" ORDER BY seq LIMIT {STRIDE}"
)
_LOST = (
    f"SELECT first_seq, last_seq, reason FROM ftu_lost WHERE {_THIS} AND last_seq > ?"  # noqa: S608  ours
    " AND first_seq <= ? ORDER BY first_seq"
)
_DIFFERS = (
    "SELECT site, node, epoch, lane, min(seq), max(seq), count(*) FROM ftu_record"
    " WHERE differs > 0 AND lane IN ('a', 's') GROUP BY site, node, epoch, lane"
)
_ADD_FINDING = (
    "INSERT INTO ftu_finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_COUNTS = "SELECT kind, wrong, count(*) FROM ftu_finding GROUP BY kind, wrong ORDER BY kind"

Log = tuple[str, str, int]  # site, node, epoch as stored


class IngestWitness:
    """Judges one log after the other. For the thread of the database; tell: takes a line.

    Every method raises what Database raises; a judgement that was broken off is made anew.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._judged: dict[Log, int] = {}
        self._forked: set[tuple[Log, str]] = set()

    def born(self, database: Database, birth: Birth) -> None:
        """What a birth says of the key, and of how far its log reaches."""
        epochs = {told.epoch for lane, told in birth.lanes.items() if lane in chain.LANES}
        for epoch in epochs:
            log = (birth.site, birth.node, signed(epoch))
            with database.transaction() as cursor:
                tables = _Tables(database, cursor, log)
                found = [*_gone_back(birth, epoch, tables.marks())]
                if birth.public_key is not None:
                    database.run(cursor, _ADD_KEY, (*log[:2], birth.public_key))
                    found += _other_key(tables.key(), birth.public_key)
                self._keep(tables, found)

    def moved(self, database: Database, places: Sequence[Place]) -> None:
        """Marks of these lanes have moved."""
        for log in dict.fromkeys(place[:3] for place in places if place[3] in chain.LANES):
            with database.transaction() as cursor:
                self._judge(_Tables(database, cursor, log))

    def look(self, database: Database) -> None:
        """Seqs that came a second time with another content; told once a lane."""
        with database.transaction() as cursor:
            database.run(cursor, _DIFFERS)
            for site, node, epoch, lane, first, last, number in cursor.fetchall():
                log = (site, node, epoch)
                if (log, lane) in self._forked:
                    continue
                self._forked.add((log, lane))
                told = f"{number} seqs came again with another content; expected the same bytes"
                finding = Finding(FORKED, lane, first, last, told)
                self._keep(_Tables(database, cursor, log), [finding])

    def _judge(self, tables: _Tables) -> None:
        """Everything that has come since, if there is a head that may vouch for it."""
        marks = tables.marks()
        newest = tables.newest_head(marks["s"])
        if newest == 0 or self._judged.get(tables.log) == newest:
            return
        proven = {lane: tables.proven(lane, mark) for lane, mark in marks.items()}
        witness = _witness(tables.log, tables.key(), proven)
        heads = tables.heads(min(by_head for _, _, by_head in proven.values()), marks["s"])
        findings = [each for fed in _feed(tables, witness, heads, marks, proven) for each in fed]
        self._keep(tables, findings)
        waiting = False
        for (_, lane), (seq, value) in witness.proven.items():
            by_head = max([at for at, of, to in heads if of == lane and to <= seq], default=0)
            waiting |= any(of == lane and to > seq for _, of, to in heads)
            tables.prove(lane, seq, value, max(by_head, proven[lane][2]))
        if not waiting:  # else the last head is judged when its records are here
            self._judged[tables.log] = newest

    def _keep(self, tables: _Tables, findings: Iterable[Finding]) -> None:
        for each in findings:
            if tables.add(each) and each.wrong:
                self._tell(f"{tables.log[0]}/{tables.log[1]}: {each.line()}")


class _Tables:
    """What the database has of one log, within a transaction."""

    def __init__(self, database: Database, cursor: Any, log: Log) -> None:
        self.log = log
        self._database = database
        self._cursor = cursor

    def marks(self) -> dict[str, int]:
        """Of the chained lanes; 0 where nothing is there."""
        found = dict(self._all(_MARKS))
        return {lane: found.get(lane, 0) for lane in chain.LANES}

    def key(self) -> bytes | None:
        """That the first birth named."""
        self._database.run(self._cursor, _KEY, self.log[:2])
        row = self._cursor.fetchone()
        return None if row is None else bytes(row[0])

    def newest_head(self, mark: int) -> int:
        """Its seq in lane s; 0: there is none."""
        return next((seq for (seq,) in self._all(_LAST_HEAD, "s", mark)), 0)

    def heads(self, after: int, mark: int) -> list[tuple[int, str, int]]:
        """(seq in lane s, of which lane, up to which seq) of those behind `after`."""
        found = []
        for seq, raw in self._all(_HEADS, "s", after, mark):
            head = entry_head(cbor.loads(bytes(raw)))
            if head is not None:
                found.append((seq, head.lane, head.seq))
        return found

    def record(self, lane: str, seq: int) -> list[Any]:
        """The entry at this seq."""
        ((_, raw),) = self._all(_RECORDS, lane, seq - 1, seq)
        logged: list[Any] = cbor.loads(bytes(raw))
        return logged

    def records(self, lane: str, after: int, mark: int) -> Iterator[tuple[int, list[Any]]]:
        """(seq, entry) of those behind `after`, a stride at a time."""
        seq = after
        while rows := self._all(_RECORDS, lane, seq, mark):
            for seq, raw in rows:
                yield seq, cbor.loads(bytes(raw))

    def lost(self, lane: str, after: int, mark: int) -> list[Any]:
        """(first, last, reason)."""
        return self._all(_LOST, lane, after, mark)

    def proven(self, lane: str, mark: int) -> tuple[int, bytes | None, int]:
        """(seq up to which heads have vouched, chain there, seq of the head in lane s)."""
        for seq, value, by_head in self._all(_PROVEN, lane):
            return seq, None if value is None else bytes(value), by_head
        return (mark - BEHIND, None, 0) if mark > BEHIND else (0, None, 0)

    def prove(self, lane: str, seq: int, value: bytes | None, by_head: int) -> None:
        """Keep that."""
        self._database.run(self._cursor, _PROVE, (*self.log, lane, seq, value, by_head))

    def add(self, finding: Finding) -> bool:
        """Whether it was not there yet."""
        span = (finding.lane, finding.kind, finding.first, finding.last)
        told = (int(finding.wrong), clean(finding.told), time.time_ns() // 1000)
        self._database.run(self._cursor, _ADD_FINDING, (*self.log, *span, *told))
        return bool(self._cursor.rowcount > 0)

    def _all(self, statement: str, *values: Any) -> list[Any]:
        self._database.run(self._cursor, statement, (*self.log, *values))
        found: list[Any] = self._cursor.fetchall()
        return found


def counts(database: Database) -> list[tuple[str, int, int]]:
    """(kind, whether it is wrong, how many) of all that was found."""
    with database.transaction() as cursor:
        database.run(cursor, _COUNTS)
        return [tuple(row) for row in cursor.fetchall()]


def exposition(found: Sequence[tuple[str, int, int]]) -> str:
    """The same in Prometheus' text format."""
    name = "ftu_ingest_findings"
    lines = [
        f"# HELP {name} what does not fit to what terminals have signed, by its kind [1]",
        f"# TYPE {name} gauge",
        *(f'{name}{{kind="{kind}",wrong="{wrong}"}} {number}' for kind, wrong, number in found),
    ]
    return "".join(f"{line}\n" for line in lines)


def _feed(
    tables: _Tables,
    witness: Witness,
    heads: Sequence[tuple[int, str, int]],
    marks: dict[str, int],
    proven: dict[str, tuple[int, bytes | None, int]],
) -> Iterator[list[Finding]]:
    """What the witness finds in what has come, heads first, so that nothing waits for them."""
    epoch = unsigned(tables.log[2])
    for seq, _, _ in heads:
        yield witness.record(epoch, "s", seq, tables.record("s", seq))
    for lane, mark in marks.items():
        for first, last, reason in tables.lost(lane, proven[lane][0], mark):
            yield witness.lost(epoch, lane, first, min(last, mark), reason)
        for seq, logged in tables.records(lane, proven[lane][0], mark):
            yield witness.record(epoch, lane, seq, logged)


def _witness(log: Log, key: bytes | None, proven: dict[str, Any]) -> Witness:
    epoch = unsigned(log[2])
    places = {(epoch, lane): (seq, value) for lane, (seq, value, _) in proven.items()}
    try:
        return Witness(log[0], log[1], key, places)
    except RecordError:  # bytes that are no key: then nobody vouches
        return Witness(log[0], log[1], None, places)


def _other_key(known: bytes | None, named: bytes) -> list[Finding]:
    if known is None or known == named:
        return []
    told = f"birth names key {chain.key_id(named).hex()}; expected {chain.key_id(known).hex()},"
    return [Finding(KEY, "s", 0, 0, f"{told} unless somebody has given the device another")]


def _gone_back(birth: Birth, epoch: int, marks: dict[str, int]) -> Iterator[Finding]:
    for lane, mark in marks.items():
        told = birth.lanes.get(lane)
        if told is not None and told.epoch == epoch and told.next <= mark:
            what = f"the log ends at seq {told.next - 1}; expected {mark} or more, which is here"
            yield Finding(BACK, lane, told.next, mark, what)
