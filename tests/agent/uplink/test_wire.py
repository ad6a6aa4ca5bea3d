"""Envelopes there and back, on both interpreters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import Stamp
from agent.errors import RecordError
from agent.store import cbor, entries, entry
from agent.uplink import wire

BASE_US = 1_795_478_400_000_000


@st.composite
def lanes(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Items of a lane: records with clocks that step, and lost ranges, seqs rising."""
    items: list[tuple[Any, ...]] = []
    seq, mono_us, ahead_us = draw(st.integers(1, 1 << 40)), 1_000_000, BASE_US
    for _ in range(draw(st.integers(1, 25))):
        mono_us += draw(st.integers(0, 10**9))
        ahead_us += draw(st.sampled_from([0, 0, 0, 3, -5_000_000]))
        if draw(st.integers(0, 9)) == 0:
            last = seq + draw(st.integers(0, 5))
            items.append(("lost", seq, last, "torn"))
            seq = last + 1
            continue
        stamp = Stamp(
            draw(st.sampled_from([1, 1, 1, 2])),
            mono_us,
            mono_us + ahead_us,
            draw(st.sampled_from([1, 2, 2, 2])),
            draw(st.sampled_from([None, 900, 1000, 60_000_000])),
        )
        text = draw(st.text(max_size=40))
        items.append(("record", seq, entries.audit_entry(stamp, "what" + text)))
        seq += draw(st.sampled_from([1, 1, 1, 4]))
    return items


def through(items: list[tuple[Any, ...]], limit: int) -> list[tuple[Any, ...]]:
    """Everything, envelope after envelope, through bytes."""
    back: list[tuple[Any, ...]] = []
    while items:
        envelope, taken = wire.envelope(5, "s", items, limit)
        assert taken >= 1
        data = cbor.dumps(envelope)
        assert taken == 1 or len(data) <= limit
        epoch, lane, opened = wire.open_envelope(cbor.loads(data))
        assert (epoch, lane) == (5, "s")
        back += opened
        items = items[taken:]
    return back


@settings(max_examples=200, deadline=None)
@given(items=lanes(), limit=st.sampled_from([100, 400, 8192]))
def test_what_is_sent_is_what_was_logged(items: list[tuple[Any, ...]], limit: int) -> None:
    back = through(items, limit)
    assert [item[:2] for item in back] == [item[:2] for item in items]
    for was, now in zip(items, back, strict=True):
        assert tuple(now) == tuple(was)


def records(number: int) -> list[tuple[Any, ...]]:
    return [
        ("record", n, entries.audit_entry(Stamp(1, n * 1000, BASE_US + n * 1000, 2, 900), "x"))
        for n in range(1, number + 1)
    ]


def test_a_backlog_goes_in_one_envelope() -> None:
    envelope, taken = wire.envelope(5, "s", records(100), 8192)
    assert taken == 100
    assert len(cbor.dumps(envelope)) / 100 < 10


def test_both_interpreters_make_and_open_the_same(board: Any) -> None:
    items = records(5)
    envelope, taken = wire.envelope(5, "s", items, 8192)
    answers = board(
        [
            ("agent.uplink.wire", "envelope", [5, "s", items, 8192]),
            ("agent.uplink.wire", "open_envelope", [envelope]),
        ]
    )
    assert answers[0] == (envelope, taken)
    assert answers[1] == wire.open_envelope(envelope)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_one_error(data: bytes) -> None:
    for parse in (wire.open_envelope, wire.open_birth, wire.open_state, wire.open_ack):
        try:
            cbor.parsed(data, parse)
        except RecordError:
            continue


@given(
    st.dictionaries(
        st.integers(0, 12),
        st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=3),
    )
)
def test_any_map_is_an_envelope_or_one_error(item: dict[int, Any]) -> None:
    for parse in (wire.open_envelope, wire.open_birth, wire.open_state, wire.open_ack):
        with_version = {**item, 0: wire.VERSION}
        try:
            parse(with_version)
        except ValueError:
            continue


def test_acks_and_states_come_back() -> None:
    assert wire.open_ack(cbor.loads(cbor.dumps(wire.ack(7, {"a": 3, "s": 0})))) == (
        7,
        {"a": 3, "s": 0},
    )
    online, conn, utc_us = wire.open_state(cbor.loads(cbor.dumps(wire.state(True, 9, 5))))
    assert (online, conn, utc_us) == (True, 9, 5)


def test_what_a_later_version_adds_is_passed_over() -> None:
    envelope, _ = wire.envelope(5, "s", records(1), 8192)
    assert wire.open_envelope({**envelope, 23: "new"}) == wire.open_envelope(envelope)


@pytest.mark.parametrize("key", [0, 1, 2, 3, 4, 5, 9, 12])
def test_a_missing_key_is_told(key: int) -> None:
    envelope, _ = wire.envelope(5, "s", records(1), 8192)
    del envelope[key]
    with pytest.raises(ValueError, match="expected"):
        wire.open_envelope(envelope)


def test_the_schema_file_and_the_table_name_the_same_columns() -> None:
    from pathlib import Path

    text = (Path(wire.__file__).with_name("ftu.cddl")).read_text()
    for number, name in enumerate(entry.EVENTS):
        assert f"{number:<2} ; {name}" in text or f"{number}  ; {name}" in text
    for columns in entry.COLUMNS.values():
        for name, _, _ in columns:
            assert name in text or name in ("lane", "seq")
