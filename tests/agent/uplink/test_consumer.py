"""The consumer's core: each key once, whatever order, repetition and restart."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Stamp
from agent.store import cbor, entries
from agent.uplink import topics, wire
from agent.uplink.consumer import Consumer, DeclaredLost, Received, _Outbox

TOPIC = topics.topic(topics.LANES["a"], "site", "node")


def payload(first: int, number: int = 1, epoch: int = 5) -> bytes:
    items = [
        ("record", seq, entries.audit_entry(Stamp(1, seq, seq, 2, 900), f"r{seq}"))
        for seq in range(first, first + number)
    ]
    return cbor.dumps(wire.envelope(epoch, "a", items, 8192)[0])


def lost(first: int, last: int) -> bytes:
    return cbor.dumps(wire.envelope(5, "a", [("lost", first, last, "torn")], 8192)[0])


def consumer(state: Path | None = None, told: list[str] | None = None) -> Consumer:
    return Consumer("scada", state, ack=True, tell=(told if told is not None else []).append)


def seqs(delivered: list[Any]) -> list[int]:
    return [each.key.seq for each in delivered if isinstance(each, Received)]


def mark(listening: Consumer) -> int:
    ((_, data),) = listening.acks()
    return wire.open_ack(cbor.loads(data))[1]["a"]


def test_a_repetition_is_not_delivered_again() -> None:
    listening = consumer()
    assert seqs(listening.take(TOPIC, payload(1, 3))) == [1, 2, 3]
    assert seqs(listening.take(TOPIC, payload(2, 4))) == [4, 5]


def test_only_what_is_whole_is_acknowledged() -> None:
    listening = consumer()
    listening.take(TOPIC, payload(1))
    listening.take(TOPIC, payload(3))
    assert listening.acks() == []  # nothing before the caller has committed
    listening.commit()
    assert mark(listening) == 1
    listening.take(TOPIC, payload(2))
    listening.commit()
    assert mark(listening) == 3


def test_a_declared_loss_closes_the_hole_and_is_told_once() -> None:
    listening = consumer()
    listening.take(TOPIC, payload(1))
    (told,) = listening.take(TOPIC, lost(2, 4))
    assert isinstance(told, DeclaredLost)
    assert (told.first, told.last, told.reason) == (2, 4, "torn")
    assert listening.take(TOPIC, lost(2, 4)) == []
    listening.take(TOPIC, payload(5))
    listening.commit()
    assert mark(listening) == 5


def test_another_epoch_is_another_log_and_is_told() -> None:
    told: list[str] = []
    listening = consumer(told=told)
    listening.take(TOPIC, payload(1, 3))
    assert seqs(listening.take(TOPIC, payload(1, epoch=6))) == [1]
    assert any("made anew" in line for line in told)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", cbor.dumps({0: 1}), cbor.dumps([1]), payload(1).replace(b"a", b"s", 1)]
)
def test_bad_bytes_are_counted_and_told_and_change_nothing(data: bytes) -> None:
    told: list[str] = []
    listening = consumer(told=told)
    assert listening.take(TOPIC, data) == []
    assert listening.refused == 1
    assert len(told) == 1
    assert seqs(listening.take(TOPIC, payload(1))) == [1]


def test_marks_survive_a_restart(tmp_path: Path) -> None:
    first = consumer(tmp_path / "marks")
    first.take(TOPIC, payload(1, 3))
    first.commit()
    second = consumer(tmp_path / "marks")
    assert second.take(TOPIC, payload(1, 3)) == []
    assert seqs(second.take(TOPIC, payload(2, 3))) == [4]


def test_what_was_not_committed_comes_again(tmp_path: Path) -> None:
    first = consumer(tmp_path / "marks")
    first.take(TOPIC, payload(1, 3))
    second = consumer(tmp_path / "marks")
    assert seqs(second.take(TOPIC, payload(1, 3))) == [1, 2, 3]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 8)), max_size=60))
def test_in_any_order_each_key_comes_once_and_the_mark_never_lies(
    messages: list[tuple[int, int]],
) -> None:
    listening = consumer()
    come: Counter[int] = Counter()
    for first, number in messages:
        come.update(seqs(listening.take(TOPIC, payload(first, number))))
        listening.commit()
        if listening.acks():
            assert all(come[seq] for seq in range(1, mark(listening) + 1))
    assert set(come.values()) <= {1}
    assert set(come) == {seq for first, number in messages for seq in range(first, first + number)}


class Gate:
    """A port that takes nothing before `number` messages wait at it."""

    def __init__(self, number: int) -> None:
        self._barrier = asyncio.Barrier(number)

    async def publish(self, *_: object, **__: object) -> None:
        await self._barrier.wait()


def test_the_acknowledgements_of_many_nodes_wait_for_one_round_trip_together() -> None:
    listening = consumer()
    for n in range(20):
        listening.take(topics.topic(topics.LANES["a"], "site", f"n{n}"), payload(1))
    listening.commit()
    assert len(listening.acks()) == 20

    async def emptied() -> None:
        port: Any = Gate(20)
        presence: Any = Presence()
        async with asyncio.timeout(5):
            await _Outbox(port, listening, presence, pytest.fail).empty()

    asyncio.run(emptied())
    assert listening.acks() == []


class Presence:
    def due(self) -> list[tuple[str, bytes]]:
        return []
