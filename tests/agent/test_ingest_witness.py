"""The ingester's witness: a real device's chains through both databases, whole and forged."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.clock import Stamp
from agent.ingest_rows import rows_of
from agent.ingest_store import Database
from agent.ingest_witness import IngestWitness, counts, exposition
from agent.store import cbor, entry
from agent.store.entries import Key
from agent.uplink.delivered import Birth, Delivered, LaneTold, Received
from agent.uplink.witness import Witness
from tests.agent.store.evidence_log import NODE, SITE, Device, stored, story


class Server:
    """An ingester's database with its witness, without the broker before it."""

    def __init__(self, url: str) -> None:
        self.told: list[str] = []
        self.url = url
        self.database = Database(url)
        self.witness = IngestWitness(self.told.append)
        self.database.create()

    def restart(self) -> None:
        self.database.close()
        self.database = Database(self.url)
        self.witness = IngestWitness(self.told.append)

    def take(self, batch: Sequence[Delivered]) -> None:
        """As the worker and the acker do, one after the other."""
        self.database.write(rows_of(batch))
        for each in batch:
            if isinstance(each, Birth):
                self.witness.born(self.database, each)
        if places := self.database.move_marks():
            self.witness.moved(self.database, places)
        self.witness.look(self.database)

    def proven(self) -> dict[str, int]:
        with self.database.transaction() as cursor:
            cursor.execute("SELECT lane, seq FROM ftu_proven")
            return dict(cursor.fetchall())

    def kinds(self) -> list[str]:
        return [kind for kind, wrong, _ in counts(self.database) if wrong]


@pytest.fixture
def server(database: str) -> Iterator[Server]:
    one = Server(database)
    yield one
    one.database.close()


def records(device: Device, lanes: str = "as", change: Any = None) -> list[Received]:
    epoch = device.journal.epoch
    found = []
    for lane in lanes:
        for item in stored(device.log, lane):
            logged = cbor.loads(item.payload)
            if change is not None:
                logged = change(lane, item.seq, logged)
            found.append(Received(SITE, Key(NODE, epoch, lane, item.seq), logged, 0))
    return found


def birth(device: Device, key: bytes | None = None) -> Birth:
    epoch, journal = device.journal.epoch, device.journal
    return Birth(
        site=SITE,
        node=NODE,
        model="m",
        versions={},
        config_hash=b"h",
        points=[],
        lanes={lane: LaneTold(epoch, 1, journal.next_seq(lane), []) for lane in "as"},
        clock=Stamp(1, 2, 3, 2, None),
        protocol="5",
        ack="consumer",
        consumers=[],
        public_key=device.key.public if key is None else key,
    )


def test_what_was_signed_is_proven_whatever_the_order_and_the_batches(
    server: Server, tmp_path: Path
) -> None:
    device = story(tmp_path / "device")
    whole = records(device)
    server.take([birth(device)])
    for batch in (whole[::2], whole[1::4], whole[3::4]):
        server.take(batch)
        server.restart()  # it remembers nothing that is not in the database

    assert server.told == []
    assert counts(server.database) == []
    heads = [each for each in whole if each.entry[entry.TYPE] == entry.HEAD]
    assert server.proven() == {"a": 13, "s": heads[-1].key.seq - 1}


def test_what_a_head_has_vouched_for_is_not_read_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(tmp_path / "device")
    read: Counter[int] = Counter()
    original = Witness.record

    def counted(self: Witness, epoch: int, lane: str, seq: int, logged: list[Any]) -> Any:
        read[seq] += lane == "a"
        return original(self, epoch, lane, seq, logged)

    monkeypatch.setattr(Witness, "record", counted)
    server.take([birth(device)])
    for _ in range(6):
        for _ in range(5):
            device.event()
        device.look()
        device.now.wait(301)
        device.look()
        server.take(records(device))

    assert server.told == []
    assert server.proven()["a"] == 30
    assert {read[seq] for seq in range(1, 31)} == {1}


def edited(lane: str, seq: int, logged: list[Any]) -> list[Any]:
    if (lane, seq) != ("a", 3):
        return logged
    changed = list(logged)
    changed[entry.column(entry.EVENT, "bay")] = "tail"
    return changed


def forged(lane: str, _: int, logged: list[Any]) -> list[Any]:
    if lane != "s" or logged[entry.TYPE] != entry.HEAD:
        return logged
    changed = list(logged)
    at = entry.column(entry.HEAD, "signature")
    changed[at] = bytes(64)
    return changed


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        pytest.param(edited, "edited", id="a-record-edited"),
        pytest.param(forged, "signature", id="heads-signed-by-nobody"),
    ],
)
def test_what_does_not_fit_is_found_once_and_stands_in_the_table(
    server: Server, tmp_path: Path, change: Any, kind: str
) -> None:
    device = story(tmp_path / "device")
    server.take([birth(device), *records(device, change=change)])

    assert kind in server.kinds()
    assert any(f"{SITE}/{NODE}: lane" in line and kind in line for line in server.told)
    told = len(server.told)
    server.restart()
    server.take([birth(device), *records(device, change=change)])
    assert len(server.told) == told


def test_a_log_that_was_put_back_and_gone_on_from_is_told_as_back_and_forked(
    server: Server, tmp_path: Path
) -> None:
    device = Device(tmp_path / "device")
    device.event()
    device.stop()
    shutil.copytree(device.folder, tmp_path / "older")
    device = Device(device.folder)
    for _ in range(4):
        device.event(alarm=True)
    device.stop()
    server.take([birth(device), *records(device)])
    assert server.kinds() == []

    older = Device(tmp_path / "older")
    older.now.wait(1000)
    server.take([birth(older)])
    assert server.kinds() == ["back"]
    assert "expected 5 or more" in server.told[0]

    for _ in range(6):
        older.event(alarm=True)
    older.stop()
    server.take([birth(older), *records(older)])
    assert {"back", "forked"} <= set(server.kinds())


def test_another_key_is_told(server: Server, tmp_path: Path) -> None:
    device = story(tmp_path / "device")
    server.take([birth(device), *records(device)])
    server.take([birth(device, bytes(32))])

    assert server.kinds() == ["key"]
    text = exposition(counts(server.database))
    assert text.splitlines()[-1] == 'ftu_ingest_findings{kind="key",wrong="1"} 1'
    assert "unless somebody has given the device another" in server.told[0]
