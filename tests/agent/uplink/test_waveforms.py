"""Parts in any order, twice, with holes: a whole record, or word that it will not become one."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import GNSS, Stamp
from agent.errors import RecordError
from agent.store import entries
from agent.store.entries import Key
from agent.uplink.consumer import DeclaredLost, Delivered, Received
from agent.uplink.waveforms import Assembler, Torn, Whole

STAMP = Stamp(3, 1, 1_795_478_400_000_000, GNSS, 1)
NAME = "000017-20261125T071455123Z-head"
FIRST = 40
DATA = random.Random(1).randbytes(9500)


def part(seq: int, number: int, parts: int, body: bytes, **values: Any) -> Received:
    told = {"of_record": NAME, "part": number, "parts": parts, "body": body, **values}
    return Received("hebin", Key("ftu-7", 9, "w", seq), entries.wave_entry(STAMP, told), 0)


def record(data: bytes = DATA, first: int = FIRST, size: int = 1800) -> list[Received]:
    """The parts of a packed record, from the seq `first` on."""
    bodies = [data[at : at + size] for at in range(0, len(data), size)]
    parts = [part(first + n, n, len(bodies), body) for n, body in enumerate(bodies)]
    last = len(bodies) - 1
    digest = hashlib.sha256(data).digest()
    return [*parts[:-1], part(first + last, last, len(bodies), bodies[-1], digest=digest)]


def fed(assembler: Assembler, delivered: list[Delivered]) -> list[Whole | Torn]:
    return [result for each in delivered for result in assembler.take(each)]


def lost(first: int, last: int) -> DeclaredLost:
    return DeclaredLost("hebin", "ftu-7", 9, "w", first, last, "quota")


WHOLE = Whole("hebin", "ftu-7", 9, NAME, FIRST, FIRST + 5, DATA)


@given(st.randoms(use_true_random=False), st.integers(0, 6))
def test_parts_in_any_order_and_repeated_become_one_record(rng: random.Random, twice: int) -> None:
    parts = record()
    come: list[Delivered] = [*parts, *rng.sample(parts, min(twice, len(parts)))]
    rng.shuffle(come)
    assert fed(Assembler(), come) == [WHOLE]


def test_a_record_that_is_sent_again_as_a_whole_is_told_once() -> None:
    assert fed(Assembler(), [*record(), *record()]) == [WHOLE]


def test_a_record_begun_anew_by_another_guard_is_whole_by_its_second_attempt() -> None:
    again = record(first=FIRST + 3)
    results = fed(Assembler(), [*record()[:3], *again])
    assert results == [replace(WHOLE, first=FIRST + 3, last=FIRST + 8)]


@pytest.mark.parametrize(
    ("first", "last", "torn"),
    [
        pytest.param(1, FIRST - 1, False, id="before-it"),
        pytest.param(FIRST + 6, FIRST + 90, False, id="behind-it"),
        pytest.param(FIRST, FIRST + 1, False, id="what-has-come-already"),
        pytest.param(FIRST + 5, FIRST + 5, True, id="its-last-part"),
        pytest.param(1, FIRST + 90, True, id="all-around-it"),
    ],
)
def test_a_lost_range_tears_what_it_takes_a_missing_part_of(
    first: int, last: int, torn: bool
) -> None:
    assembler = Assembler()
    parts = record()
    results = fed(assembler, [*parts[:3], lost(first, last)])
    told = Torn("hebin", "ftu-7", 9, NAME, FIRST, FIRST + 5, "quota")
    assert results == ([told] if torn else [])
    if not torn:
        assert fed(assembler, [*parts[3:]]) == [WHOLE]


def test_another_lanes_loss_another_nodes_loss_and_other_records_change_nothing() -> None:
    assembler = Assembler()
    parts = record()
    noise: list[Delivered] = [
        replace(lost(1, 99), lane="h"),
        replace(lost(1, 99), node="ftu-8"),
        replace(lost(1, 99), epoch=8),
        Received("hebin", Key("ftu-7", 9, "h", 1), entries.audit_entry(STAMP, "x"), 0),
    ]
    assert fed(assembler, [*parts[:3], *noise, *parts[3:]]) == [WHOLE]


def test_a_part_of_other_bytes_is_found_by_the_digest() -> None:
    parts = record()
    parts[2] = part(FIRST + 2, 2, 6, bytes(1800))
    (torn,) = fed(Assembler(), [*parts])
    assert isinstance(torn, Torn)
    assert "digest" in torn.why


@pytest.mark.parametrize(
    "values",
    [
        {"number": 6, "parts": 6},
        {"number": 0, "parts": 1 << 20},
        {"number": 5, "parts": 6},  # a last part without digest
        {"number": 0, "parts": 6, "of_record": "../../etc/cron.d/x"},
        {"number": 60, "parts": 61, "digest": bytes(32)},  # its first part would be before seq 1
    ],
)
def test_a_part_that_contradicts_itself_is_one_clear_error(values: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="lane w, seq 40"):
        Assembler().take(part(FIRST, body=b"x", **values))


def test_memory_is_bounded_and_who_waited_longest_gives_way() -> None:
    assembler = Assembler(most_open=3, most_bytes=10_000)
    results = fed(assembler, [record(first=100 * n)[0] for n in range(1, 6)])
    assert [(type(each), each.first) for each in results] == [(Torn, 100), (Torn, 200)]
    big = [part(1000 + n, n, 9, bytes(1800)) for n in range(6)]
    assert {each.first for each in fed(assembler, [*big])} == {300, 400, 500, 1000}
