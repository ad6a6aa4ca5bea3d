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
from agent.uplink.consumer import Birth, Consumer, DeclaredLost, Received, State, _Outbox
from agent.uplink.seen import Seen
from tests.agent.uplink.pretender import EPOCH, birth

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


S = 1_000_000


def asked(listening: Consumer, at_s: float) -> list[Any]:
    """(lane, first, last, deadline) of each request at this second; UTC is 1000 s ahead."""
    at_us = round(at_s * S)
    requests = listening.requests(at_us, at_us + 1000 * S)
    assert {topic for topic, _ in requests} <= {topics.topic(topics.REPLAY, "site", "node")}
    return [wire.open_replay(cbor.loads(data))[1:] for _, data in requests]


def test_a_hole_is_asked_for_with_a_deadline_until_it_is_filled_or_declared_lost() -> None:
    listening = consumer()
    listening.take(TOPIC, payload(1, 2))
    listening.take(TOPIC, payload(6))
    assert asked(listening, 0) == []
    assert asked(listening, 3) == [("a", 3, 5, 1033 * S)]
    assert asked(listening, 4) == []  # outstanding
    assert seqs(listening.take(TOPIC, payload(3))) == [3]
    (gone,) = listening.take(TOPIC, lost(2, 5))  # the answer for what is no longer there
    assert isinstance(gone, DeclaredLost)
    assert (gone.first, gone.last) == (4, 5)
    listening.commit()
    assert mark(listening) == 6
    assert asked(listening, 60) == []


@pytest.mark.parametrize(("ack", "replay", "expected"), [(False, None, 0), (False, True, 1)])
def test_a_consumer_that_only_looks_asks_for_nothing_unless_told_to(
    ack: bool, replay: bool | None, expected: int
) -> None:
    listening = Consumer("scada", ack=ack, replay=replay, tell=lambda _: None)
    listening.take(TOPIC, payload(5))
    asked(listening, 0)
    assert len(asked(listening, 4)) == expected


def test_a_log_that_was_made_anew_is_asked_for_no_more() -> None:
    listening = consumer()
    listening.take(TOPIC, payload(1))
    listening.take(TOPIC, payload(5))
    asked(listening, 0)
    listening.take(TOPIC, payload(1, epoch=6))
    assert asked(listening, 9) == []


def test_an_acknowledgement_that_is_overtaken_stays_due() -> None:
    listening = consumer()
    listening.take(TOPIC, payload(1))
    listening.commit()
    ((topic, first),) = listening.acks()
    listening.take(TOPIC, payload(2))  # while the first is under way
    listening.commit()
    listening.acked(topic, first)
    assert mark(listening) == 2
    ((topic, second),) = listening.acks()
    listening.acked(topic, second)
    assert listening.acks() == []


def test_nothing_uncommitted_is_acknowledged_meanwhile() -> None:
    listening = consumer()
    listening.take(TOPIC, payload(1))
    listening.commit()
    listening.take(TOPIC, payload(2))
    assert listening.acks() == []


def test_it_begins_where_a_database_ended() -> None:
    marks = {("site", "node"): {5: {"a": Seen([(1, 7)])}}}
    listening = Consumer("scada", ack=True, marks=marks, tell=lambda _: None)
    assert seqs(listening.take(TOPIC, payload(6, 4))) == [8, 9]
    assert listening.sites == {"site"}


def test_births_and_states_come_where_they_are_asked_for() -> None:
    for births in (True, False):
        listening = Consumer("scada", ack=True, births=births, tell=pytest.fail)
        states = [(True, 3), (False, 2), (False, 3)]  # the middle one is an old connection's will
        told = [
            cbor.dumps(wire.state(online, conn, 1_700_000_000_000_000)) for online, conn in states
        ]
        node_state = topics.topic(topics.STATE, "site", "node")
        heard = [new for each in told for new in listening.take(node_state, each)]
        heard += listening.take(topics.topic(topics.BIRTH, "site", "node"), birth("node", {"a": 4}))
        shown = [(each.online, each.conn) for each in heard if isinstance(each, State)]
        assert shown == ([(True, 3), (False, 3)] if births else [])
        assert [each.epoch for each in heard if isinstance(each, Birth)] == [EPOCH] * births
        assert (node_state.replace("node", "+").replace("site", "+") in listening.filters) == births
        assert mark(listening) == 0  # a birth is answered with what is there


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
