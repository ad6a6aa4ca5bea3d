"""The golden vectors: ours reads and writes them, and so does a second reader of this file's own.

The second reader knows RFC 8949 and ftu.cddl and imports nothing of ours. Packed columns it does
not know; there the same records must come out as when each travels in a row of its own. zcbor, in
an environment of its own, holds every vector against ftu.cddl.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.errors import RecordError
from agent.store import entry
from agent.uplink import topics
from tests.agent.uplink import golden

HERE = Path(__file__).parent
VECTORS = HERE / "vectors"
CDDL = Path("agent/uplink/ftu.cddl").resolve()
ZCBOR = Path("build/zcbor/bin/python").absolute()

VALIDATE = """
import json, sys
from zcbor.zcbor.zcbor import DataTranslator
cddl = DataTranslator.from_cddl(cddl_string=open(sys.argv[1]).read(), default_max_qty=65536)
found = []
for rule, payload in json.load(sys.stdin):
    try:
        cddl.my_types[rule].validate_str(bytes.fromhex(payload))
        found.append("")
    except Exception as error:
        found.append(repr(error)[:200] or "refused")
print()
json.dump(found, sys.stdout)
"""


def loaded(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return found


FILES = sorted(path.stem for path in VECTORS.glob("*.json") if path.stem != "refused")
ALL = [(f"{file}-{vector['name']}", vector) for file in FILES for vector in loaded(file)]
EVERY = pytest.mark.parametrize("vector", [pytest.param(v, id=name) for name, v in ALL])


@EVERY
def test_ours_reads_what_it_means(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["hex"])

    assert json.loads(json.dumps(golden.decoded(vector["rule"], payload))) == vector["means"]
    if vector["rule"] == "envelope":
        assert golden.shown(vector["means"]) == vector["shown"]


@EVERY
def test_ours_writes_these_very_bytes(vector: dict[str, Any]) -> None:
    if vector.get("writes", True):
        assert golden.encoded(vector["rule"], vector["means"]).hex() == vector["hex"]


@EVERY
def test_a_second_reader_reads_the_same(vector: dict[str, Any]) -> None:
    item = Second(bytes.fromhex(vector["hex"])).whole()

    if vector["rule"] == "signed-message":
        assert second_command(item) == vector["means"]
    elif 14 in item:
        for one in vector["means"]["items"]:
            alone = golden.encoded("envelope", {**vector["means"], "items": [one]})
            assert second_reading("envelope", Second(alone).whole())["items"] == [one]
    else:
        assert second_reading(vector["rule"], item) == vector["means"]


@EVERY
def test_it_travels_on_a_topic_of_its_kind(vector: dict[str, Any]) -> None:
    name, *_ = topics.parse(vector["topic"])

    assert topics.TOPICS[name][5] == vector["rule"]


@pytest.mark.parametrize("vector", loaded("refused"), ids=lambda vector: vector["name"])
def test_what_is_to_be_refused_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises((RecordError, ValueError)):
        golden.decoded(vector["rule"], bytes.fromhex(vector["hex"]))


def test_the_schema_takes_every_vector_and_refuses_what_is_wrong() -> None:
    if not ZCBOR.exists():
        pytest.skip("zcbor is not in build/zcbor; `make test` puts it there")
    # The grammar is of this version: what a later one adds is for readers to pass over.
    now = [(n, v) for n, v in ALL if "later-version" not in n]
    wrong = [v for v in loaded("refused") if v["name"] not in BEYOND_A_GRAMMAR]
    asked = [(v["rule"], v["hex"]) for v in [*(v for _, v in now), *wrong]]
    done = subprocess.run(
        [ZCBOR, "-c", VALIDATE, CDDL],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])  # it prints what it finds wrong
    assert {n: told for (n, _), told in zip(now, found, strict=False) if told} == {}
    assert [v["name"] for v, told in zip(wrong, found[len(now) :], strict=True) if not told] == []


# Relations between values, which CDDL does not say, and forms that zcbor's own reader lets pass.
BEYOND_A_GRAMMAR = {
    "records and a lost range",
    "an event without its bay",
    "packed columns that are none",
    "a lost range from another seq",
    "a lost range that ends before it begins",
    "from behind to",
    "an indefinite length",
    "a key twice",
    "a byte behind it",
}


def test_no_kind_is_without_a_vector() -> None:
    made = {(file, name) for file, _, vectors in golden.kinds() for name, _ in vectors}
    there = {(file, vector["name"]) for file in FILES for vector in loaded(file)}

    assert made <= there
    assert {row[5] for row in topics.TOPICS.values()} == {vector["rule"] for _, vector in ALL}
    types = {
        item[2][0] for _, v in ALL for item in v["means"].get("items", []) if item[0] != "lost"
    }
    assert types >= set(entry.TYPE_NAMES)


def test_the_shown_values_are_in_the_units_that_went_in() -> None:
    (vector,) = [vector for vector in loaded("event") if vector["name"] == "fault-AB"]
    (told,) = vector["shown"]

    assert (told["event"], told["kind"], told["phases"]) == ("fault", "AB", "AB")
    assert told["currents"] == [1987.12, 2011.28, 31.4]
    assert told["voltages"] == [3635.2, 3635.1, 6350.8]
    assert (told["distance_km"], told["confidence"]) == (4.123, 0.97)
    assert told["t"] == "2026-11-24T00:00:00.123456Z"
    assert told["onset"] == "2026-11-24T00:00:00.108756Z"


# --- the second reader ----------------------------------------------------------------------------


class Second:
    """RFC 8949 as far as ftu.cddl uses it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def whole(self) -> Any:
        item = self.item()
        assert self.at == len(self.data)
        return item

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        assert len(taken) == count
        self.at += count
        return taken

    def item(self) -> Any:
        head = self.take(1)[0]
        if head == 0xF6:
            return None
        major, low = head >> 5, head & 31
        number = low if low < 24 else int.from_bytes(self.take(1 << low - 24), "big")
        if major < 2:
            return -1 - number if major else number
        if major < 4:
            taken = self.take(number)
            return taken.decode() if major == 3 else {"hex": taken.hex()}
        if major == 6:
            return {"tag": number, "item": self.item()}
        if major == 4:
            return [self.item() for _ in range(number)]
        assert major == 5
        pairs = [(self.item(), self.item()) for _ in range(number)]
        return dict(pairs)


NAMES = {
    "command-result": {1: "stage", 2: "clock", 3: "operation", 4: "nonce", 5: "detail"},
    "ack": {1: "epoch", 2: "marks"},
    "replay": {1: "epoch", 2: "lane", 3: "first", 4: "last", 5: "deadline_us"},
    "ask": {1: "token", 2: "what", 3: "of", 4: "deadline_us"},
    "drain": {1: "bytes_a_second", 2: "jitter_s", 3: "holds_old"},
    "live": {1: "utc_us", 2: "mono_us", 3: "bays"},
    "state": {1: "online", 2: "conn", 3: "utc_us"},
    "birth": {
        1: "node",
        2: "model",
        3: "versions",
        4: "config_hash",
        5: "points",
        6: "lanes",
        7: "clock",
        8: "protocol",
        9: "ack",
        10: "consumers",
        11: "public_key",
    },
}


def second_reading(rule: str, item: Any) -> dict[str, Any]:
    """What a payload means, by ftu.cddl."""
    assert item[0] in (1, 2)
    if rule == "envelope":
        return second_envelope(item)
    read = {name: item.get(key) for key, name in NAMES[rule].items()}
    if rule == "drain":
        return {**read, "holds_old": read["holds_old"] or 0}
    return {**read, "online": read["online"] == 1} if rule == "state" else read


def second_command(item: Any) -> dict[str, Any]:
    """RFC 9052, section 4.2: what a COSE_Sign1 carries."""
    protected, unprotected, payload, signature = item["item"]
    headers = Second(bytes.fromhex(protected["hex"])).whole()
    told = Second(bytes.fromhex(payload["hex"])).whole()
    assert (item["tag"], headers[1], unprotected, told[0]) == (18, -8, {}, 2)
    read = {"nonce": told[1], "deadline": told[2], "arguments": told[3]}
    return {**read, "key": headers[4], "signature": signature}


def second_envelope(item: Any) -> dict[str, Any]:
    told = {"epoch": item[1], "lane": item[2], "flags": item.get(8, 0)}
    if 11 in item:
        return {**told, "items": [["lost", *item[11]]]}
    base = second_base(item)
    rows = [second_row(row, base, item[4], item.get(10)) for row in item[12]]
    return {**told, "items": [["record", item[3] + n, row] for n, row in enumerate(rows)]}


def second_base(item: Any) -> tuple[int, int, int, int | None]:
    """(monotonic, UTC, source, error as a power of two) of an envelope."""
    if item[0] == 1:
        return item[9] * 65536, item[5], item[6], item.get(7)
    clock = bytes.fromhex(item[13]["hex"])
    mono, utc = int.from_bytes(clock[2:6], "big"), int.from_bytes(clock[6:], "big")
    return mono * 65536, utc, clock[0], None if clock[1] == 255 else clock[1]


def second_row(row: Any, base: tuple[Any, ...], boot: int, bay: str | None) -> list[Any]:
    kind, at, *columns = row
    mono, utc, source, error = base
    offset, ahead, *own = [at, 0] if isinstance(at, int) else at
    if own:
        source, error = own
    if kind == 1 and columns[1] is None:
        columns[1] = bay
    bound = None if error is None else 2**error
    read = [kind, boot, mono + offset, utc + offset + ahead, source, bound, *columns]
    while len(read) > 6 and read[-1] is None:
        read.pop()
    return read
