"""What a message holds, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Stamp
from agent.errors import RecordError
from agent.store import cbor
from agent.uplink import topics, wire
from agent.uplink.delivered import Birth, DeclaredLost, LaneTold, Received, State, opened
from tests.agent.uplink.pretender import EPOCH, birth, entry_of, lost, records


def topic(name: str, node: str = "node") -> str:
    return topics.topic(name, "site", node)


def test_records_come_with_their_keys_and_their_very_bytes() -> None:
    first, second = opened(topic("e/a"), records(7, 2, flags=wire.REPLAY))

    assert isinstance(first, Received)
    assert isinstance(second, Received)
    assert (first.key.seq, second.key.seq, first.key.epoch) == (7, 8, EPOCH)
    assert first.raw == cbor.dumps(first.entry)
    assert first.entry[:5] == entry_of(7)[:5]
    assert first.stamp == Stamp(1, 7, 1_700_000_000_000_007, 2, 1024)
    assert not first.exercise


def test_a_drill_says_so() -> None:
    (only,) = opened(topic("e/x"), records(1, lane="x"))

    assert isinstance(only, Received)
    assert only.exercise


def test_a_loss_is_one_range() -> None:
    assert opened(topic("e/a"), lost(3, 9)) == [
        DeclaredLost("site", "node", EPOCH, "a", 3, 9, "evicted")
    ]


def test_a_birth_says_who_and_how_far() -> None:
    (born,) = opened(topic("birth"), birth("node", {"a": 10, "h": 3}))

    assert isinstance(born, Birth)
    assert (born.node, born.model, born.epoch, born.ack) == ("node", "pretender", EPOCH, "consumer")
    assert born.lanes["a"] == LaneTold(EPOCH, 1, 10, [])
    assert born.clock == Stamp(1, 1, 1_700_000_000_000_000, 2, 900)


def test_a_state_is_told_and_a_cleared_one_is_not() -> None:
    told = cbor.dumps(wire.state(False, 4, 5))

    assert opened(topic("state"), told) == [State("site", "node", False, 4, 5)]
    assert opened(topic("state"), b"") == []


@pytest.mark.parametrize(
    ("on", "payload"),
    [
        (topic("e/s"), records(1)),
        (topic("birth", "other"), birth("node", {"a": 1})),
        (topic("birth"), records(1)),
        ("ftu/1/site/node/e/q", records(1)),
        ("elsewhere", records(1)),
        (topic("e/a"), b""),
    ],
    ids=["lane", "node", "rule", "topic", "root", "empty"],
)
def test_what_does_not_belong_where_it_came_is_refused(on: str, payload: bytes) -> None:
    with pytest.raises((RecordError, ValueError)):
        opened(on, payload)


@given(st.sampled_from(["e/a", "birth", "state"]), st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_a_clear_error(name: str, payload: bytes) -> None:
    try:
        opened(topic(name), payload)
    except (RecordError, ValueError) as error:
        assert "\n" not in str(error)
