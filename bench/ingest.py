"""Records a second into a database, from the bytes of a message to the commit.

The content: a fault's headline as envelopes of 40, as a node sends its backlog; batches of as many
messages as the ingester takes into one transaction. The reference is the least that anybody would
write: the finished rows of the same batches by executemany into a table with the same columns and
key, one transaction a batch, on the same database in the same run. Each run has tables of its own.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent.ingest_rows import rows_of
from agent.ingest_store import _RECORD, SCHEMA, Database
from agent.store import cbor
from agent.uplink import wire
from agent.uplink.consumer import BATCH
from agent.uplink.delivered import Delivered, opened
from bench.table import Row
from bench.wire import headline_entry
from hil.faults.database import Postgres

TOPIC = "ftu/1/site/node/e/a"
AN_ENVELOPE = 40
RUNS = 5

Batch = list[bytes]


def rows(quick: bool) -> Iterator[Row]:
    """The table: SQLite, then PostgreSQL."""
    count, messages = (2, 4) if quick else (8, BATCH)
    batches = [_batch(number, messages) for number in range(count)]
    records = count * messages * AN_ENVELOPE
    with (
        tempfile.TemporaryDirectory(prefix="ftu-bench-") as folder,
        Postgres(durable=True) as server,
    ):
        for what, url in (("SQLite", f"sqlite:///{folder}/x.db"), ("PostgreSQL", server.url)):
            taken = [
                (_seconds(_ingested, url, batches), _seconds(_plainly, url, batches))
                for _ in range(1 if quick else RUNS)
            ]
            ours, theirs = (records / statistics.median(each) for each in zip(*taken, strict=True))
            yield Row(
                what=f"records from the wire into {what}",
                value=ours,
                unit="/s",
                reference="executemany of the same rows",
                reference_value=theirs,
                ratio=ours / theirs,
            )
        yield _moving(f"sqlite:///{folder}/x.db", batches, records)


def _batch(number: int, messages: int) -> Batch:
    logged = headline_entry()
    first = 1 + number * messages * AN_ENVELOPE
    found = []
    for at in range(first, first + messages * AN_ENVELOPE, AN_ENVELOPE):
        items = [("record", seq, logged) for seq in range(at, at + AN_ENVELOPE)]
        envelope, taken = wire.envelope(5, "a", items, 8192)
        if taken != AN_ENVELOPE:
            raise ValueError(f"{taken} records in an envelope; expected {AN_ENVELOPE}")
        found.append(cbor.dumps(envelope))
    return found


def _seconds(work: Callable[[str, list[Batch]], float], url: str, batches: list[Batch]) -> float:
    _drop(url)
    return work(url, batches)


def _ingested(url: str, batches: list[Batch]) -> float:
    database = Database(url)
    database.create()
    begun = time.perf_counter()
    for batch in batches:
        database.write(rows_of(_delivered(batch)))
    took_s = time.perf_counter() - begun
    database.close()
    return took_s


def _plainly(url: str, batches: list[Batch]) -> float:
    finished = [rows_of(_delivered(batch)).records for batch in batches]
    connection, types, mark = _connected(url)
    connection.cursor().execute(SCHEMA[0].format(**types).replace("ftu_record", "plain"))
    connection.commit()
    places = ", ".join([mark] * len(_RECORD))
    statement = f"INSERT INTO plain ({', '.join(_RECORD)}) VALUES ({places})"  # noqa: S608  ours
    begun = time.perf_counter()
    for rows_now in finished:
        connection.cursor().executemany(statement, rows_now)
        connection.commit()
    took_s = time.perf_counter() - begun
    connection.close()
    return took_s


def _moving(url: str, batches: list[Batch], records: int) -> Row:
    """What the acknowledgement costs: the mark over all of it."""
    _drop(url)
    _ingested(url, batches)
    database = Database(url)
    begun = time.perf_counter()
    database.move_marks()
    took_s = time.perf_counter() - begun
    (mark,) = (row[4] for row in database.lanes())
    database.close()
    if mark != records:
        raise ValueError(f"mark {mark}; expected {records}")
    return Row(what="a lane's mark over them, SQLite", value=records / took_s, unit="/s")


def _delivered(batch: Batch) -> list[Delivered]:
    return [each for payload in batch for each in opened(TOPIC, payload)]


def _connected(url: str) -> tuple[Any, dict[str, str], str]:
    """(connection as durable as the ingester's, names of types, mark of a value)."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection, {"json": "TEXT", "bytes": "BLOB"}, "?"
    import psycopg

    return psycopg.connect(url), {"json": "JSONB", "bytes": "BYTEA"}, "%s"


def _drop(url: str) -> None:
    if url.startswith("sqlite"):
        for path in Path(url.removeprefix("sqlite:///")).parent.glob("x.db*"):
            path.unlink()
        return
    connection, _, _ = _connected(url)
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")
    connection.commit()
    connection.close()
