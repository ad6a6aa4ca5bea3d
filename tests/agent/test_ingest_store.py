"""The ingester's tables, in both databases, against plain sets of seqs."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.clock import Stamp, Timemap
from agent.errors import StoreError, UsageError
from agent.ingest_check import LaneFound, check
from agent.ingest_rows import rows_of, signed, unsigned
from agent.ingest_store import Database
from agent.listen import told
from agent.records import Event
from agent.store import cbor, entries
from agent.store.entries import Key
from agent.uplink.delivered import Birth, DeclaredLost, LaneTold, Received, State
from tests.agent.uplink.pretender import entry_of

PLACE = ("site", "node", 5, "a")


@pytest.fixture
def opened(database: str) -> Iterator[Database]:
    tables = Database(database)
    tables.create()
    yield tables
    tables.close()


def received(seq: int, entry: list[Any] | None = None, epoch: int = 5, flags: int = 0) -> Received:
    return Received("site", Key("node", epoch, "a", seq), entry or entry_of(seq), flags)


def gone(first: int, last: int) -> DeclaredLost:
    return DeclaredLost("site", "node", 5, "a", first, last, "evicted")


def birth(next_seq: int = 1, epoch: int = 5) -> Birth:
    return Birth(
        site="site",
        node="node",
        model="m",
        versions={},
        config_hash=b"h",
        points=[],
        lanes={"a": LaneTold(epoch, 1, next_seq, [])},
        clock=Stamp(1, 2, 3, 2, None),
        protocol="5",
        ack="consumer",
        consumers=[],
    )


def rows(opened: Database, statement: str) -> list[Any]:
    with opened.transaction() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def test_what_comes_twice_is_there_once_with_its_very_bytes(opened: Database) -> None:
    both = [received(1), received(2, flags=2)]
    opened.write(rows_of(both))
    opened.write(rows_of([*both, both[0]]))

    found = rows(opened, "SELECT seq, type, event, again, differs, entry, raw FROM ftu_record")
    assert [row[:5] for row in sorted(found)] == [
        (1, "audit", "audit", 0, 0),
        (2, "audit", "audit", 1, 0),
    ]
    for row, each in zip(sorted(found), both, strict=True):
        shown = row[5] if isinstance(row[5], dict) else json.loads(row[5])
        assert shown == told(each)
        assert cbor.loads(bytes(row[6])) == each.entry


def test_one_key_with_two_contents_keeps_the_first_and_is_told(opened: Database) -> None:
    opened.write(rows_of([received(1)]))
    opened.write(rows_of([received(1, entry_of(1, "forged"))]))

    (found,) = check(opened)
    assert found.differs == 1
    assert not found.whole
    assert "another content" in str(found)
    assert rows(opened, "SELECT entry FROM ftu_record")[0][0] is not None


@pytest.mark.parametrize("seed", range(5))
def test_mark_hole_and_check_are_those_of_a_set_of_seqs(opened: Database, seed: int) -> None:
    chance = random.Random(seed)
    opened.write(rows_of([birth(30)]))
    come: set[int] = set()
    lost: set[int] = set()
    for _ in range(12):
        first = chance.randint(1, 25)
        if chance.random() < 0.3:
            last = first + chance.randint(0, 4)
            opened.write(rows_of([gone(first, last)]))
            lost |= set(range(first, last + 1))
        else:
            seqs = set(chance.sample(range(1, 30), chance.randint(1, 9)))
            opened.write(rows_of([received(seq) for seq in seqs]))
            come |= seqs
        opened.move_marks()
        every = come | lost
        mark = next(seq for seq in range(1, 40) if seq not in every) - 1
        above = min((seq for seq in every if seq > mark), default=None)
        assert opened.marks() == {PLACE: mark}
        assert opened.holes() == {PLACE: (mark + 1, above - 1) if above else None}
        (found,) = check(opened)
        assert (found.received, found.lost) == (len(come), len(lost - come))
        assert spread(found) == set(range(1, found.next)) - every
        assert found.next == max(30, *(seq + 1 for seq in every))
        assert found.whole == (not spread(found))


def spread(found: LaneFound) -> set[int]:
    return {seq for first, last in found.missing for seq in range(first, last + 1)}


def test_a_mark_that_says_too_much_is_found(opened: Database) -> None:
    opened.write(rows_of([received(1), received(3)]))
    opened.move_marks()
    with opened.transaction() as cursor:
        cursor.execute("UPDATE ftu_lane SET mark = 3")

    (found,) = check(opened)
    assert found.missing == [(2, 2)]
    assert "MISSING 2, and yet acknowledged to 3" in str(found)


def test_the_last_seqs_are_missed_only_by_who_knows_of_them(opened: Database) -> None:
    opened.write(rows_of([received(1)]))
    assert [each.whole for each in check(opened)] == [True]

    (found,) = check(opened, {PLACE: 4})
    assert found.missing == [(2, 3)]


HOSTILE = [
    entries.audit_entry(Stamp(1, 2, 3, 0, None), "nul \x00 in text", "\x00", "\\u0000"),
    [99, 1, 2, 3, 0, None, "of a later version", [1, None, "\x00"], b"\x00"],
    [7, 1, 2, 3, 0, None, "bay", 0, 0, [], [], [], []],
    [1, 1, (1 << 62) - 1, 3, 200, None, 250, "b", (1 << 63) - 1],
    [6, 1, 2, (1 << 62) - 1, 3, (1 << 63) - 1, "bay", *[-(1 << 63)] * 13, 5],
]


@pytest.mark.parametrize("entry", HOSTILE, ids=["nul", "later", "extremes", "codes", "largest"])
def test_whatever_decodes_can_be_kept(opened: Database, entry: list[Any]) -> None:
    opened.write(rows_of([received(1, entry)]))

    ((raw,),) = rows(opened, "SELECT raw FROM ftu_record")
    assert cbor.loads(bytes(raw)) == entry


@pytest.mark.parametrize("epoch", [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_an_epoch_of_64_bits_goes_through(opened: Database, epoch: int) -> None:
    assert unsigned(signed(epoch)) == epoch
    opened.write(rows_of([birth(2, epoch), received(1, epoch=epoch)]))
    opened.move_marks()

    assert opened.marks() == {("site", "node", signed(epoch), "a"): 1}
    assert [each.epoch for each in check(opened)] == [epoch]


def test_the_will_of_an_old_connection_does_not_put_a_node_offline(opened: Database) -> None:
    for online, conn in ((True, 8), (False, 7)):
        opened.write(rows_of([State("site", "node", online, conn, 4)]))
    assert rows(opened, "SELECT online, conn FROM ftu_node") == [(1, 8)]
    opened.write(rows_of([State("site", "node", False, 8, 5), birth()]))
    assert rows(opened, "SELECT online, conn, epoch FROM ftu_node") == [(0, 8, 5)]


def test_a_batch_is_there_as_a_whole_or_not_at_all(opened: Database) -> None:
    broken = rows_of([received(1), received(2), gone(3, 3)])
    broken.lost = [(*broken.lost[0][:-1], None)]

    with pytest.raises(StoreError):
        opened.write(broken)

    assert check(opened) == []
    opened.write(rows_of([received(1)]))
    assert [each.received for each in check(opened)] == [1]


def statements() -> list[str]:
    """What docs/central-server.md shows."""
    page = Path("docs/central-server.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    return [each.strip() for block in blocks for each in block.split(";") if each.strip()]


def test_the_statements_of_the_page_for_servers_answer(opened: Database) -> None:
    at = Stamp(1, 2_000_000, 1_795_480_000_000_000, 2, 900)
    alarm = Event(event="fault", bay="head", t_us=at.mono_us, alarm=True, kind="BC")
    why = {"rule": "50P"}
    logged = {
        15: entries.audit_entry(Stamp(1, 1_000_000, 0, 0, None), "before the clock was set"),
        16: entries.timemap_entry(Timemap(at, None, at.utc_us - at.mono_us, "set")),
        17: entries.event_entry(alarm, at, logged_us=at.mono_us),
    }
    records = [received(seq, each) for seq, each in logged.items()]
    key = Key("node", 5, "h", 1)
    records.append(Received("site", key, entries.why_entry(at, "a", 17, why), 0))
    opened.write(rows_of([*records, gone(3, 4)]))

    alarms, lost, late, ordered, whys = (rows(opened, each) for each in statements())

    assert [row[:5] for row in alarms] == [(at.utc_us, "site", "node", "head", "fault")]
    assert lost == [("site", "node", "a", 3, 4, "evicted")]
    assert [row[:2] for row in late] == [("site", "node")]
    assert ordered[0] == ("site", "node", "a", 15, at.utc_us - 1_000_000)
    ((told_why,),) = whys
    shown = told_why if isinstance(told_why, dict) else json.loads(told_why)
    assert shown["why"] == why


@pytest.mark.parametrize(
    "url", ["", "nothing", "mysql://host/name", "sqlite://", "sqlite:///no/such/folder/x", "a://["]
)
def test_what_is_no_database_of_ours_is_one_line(url: str) -> None:
    with pytest.raises(UsageError, match="--database"):
        Database(url)


def test_a_password_is_never_told() -> None:
    told_of = Database("postgresql://user:secret@host/name").where
    assert "secret" not in told_of
    with pytest.raises(UsageError) as refused:
        Database("mysql://user:secret@host/name")
    assert "secret" not in str(refused.value)


def test_a_check_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not there"):
        Database(f"sqlite:///{tmp_path}/none.db", existing=True)
